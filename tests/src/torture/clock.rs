//! The wall clock of the bridges, moved while they run: a small library is loaded before the C library and adds what stands
//! in a file. Built here, with `cc`, when it is needed. The monotonic clock and the server's clock stay as they are.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use crate::torture::house::House;

/// The variable that names the file.
const FILE: &str = "MCP_BRIDGE_TEST_CLOCK";
/// The variable that has the library loaded.
const LOAD: &str = "LD_PRELOAD";
/// A jump, in seconds.
pub const HOUR: i64 = 3600;

/// The clock that every bridge of a house reads.
#[derive(Debug)]
pub struct Clock {
    library: PathBuf,
    file: PathBuf,
}

impl Clock {
    /// A clock that is right at first.
    ///
    /// # Errors
    /// Why clocks cannot be moved here, in a sentence.
    pub fn build(folder: &Path) -> Result<Clock, String> {
        let (source, library, file) = (folder.join("clock.c"), folder.join("clock.so"), folder.join("clock"));
        fs::write(&source, include_str!("clock/shim.c")).map_err(|error| error.to_string())?;
        let mut cc = Command::new("cc");
        let built = cc.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(&source).arg("-ldl").output();
        let built = built.map_err(|error| format!("`cc` cannot be started: {error}"))?;
        if !built.status.success() {
            return Err(format!("`cc` does not build the clock: {}", String::from_utf8_lossy(&built.stderr)));
        }
        let clock = Clock { library, file };
        clock.set(HOUR);
        clock.check()?;
        clock.set(0);
        Ok(clock)
    }

    /// Moves the clock to so many seconds from the right time, at once for all.
    ///
    /// # Panics
    /// Where the disk does not take it.
    pub fn set(&self, seconds: i64) {
        let coming = self.file.with_extension("coming");
        fs::write(&coming, seconds.to_string()).expect("the clock's file is written");
        fs::rename(&coming, &self.file).expect("the clock's file is replaced");
    }

    /// Has the bridges of a house read it.
    #[must_use]
    pub fn hang_in(&self, house: House) -> House {
        house.variable(LOAD, &self.library).variable(FILE, &self.file)
    }

    fn check(&self) -> Result<(), String> {
        let date = Command::new("date").arg("+%s").env(LOAD, &self.library).env(FILE, &self.file).output();
        let date = date.map_err(|error| format!("`date` cannot be started: {error}"))?;
        let moved: i64 = String::from_utf8_lossy(&date.stdout).trim().parse().unwrap_or_default();
        let now = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |elapsed| elapsed.as_secs()).cast_signed();
        if moved >= now + HOUR / 2 { Ok(()) } else { Err(format!("{LOAD} does not move the clock of `date` here")) }
    }
}
