//! File systems in memory that nobody else sees: the run is started again in a mount namespace of its own, as root or as
//! anybody where user namespaces are allowed.

use std::io;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use tempfile::TempDir;

/// The ways into a namespace.
const WAYS: [&[&str]; 2] = [&["unshare", "-m"], &["unshare", "-Urm"]];

/// Starts this very program again where it may mount, with one more argument; `None` where that is not possible.
#[must_use]
pub fn enter(argument: &str) -> Option<ExitCode> {
    let way = WAYS.into_iter().find(|way| {
        let mut trial = Command::new(way[0]);
        trial.args(&way[1..]).args(["mount", "-t", "tmpfs", "none", "/mnt"]);
        let status = trial.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    })?;
    let mut again = Command::new(way[0]);
    again.args(&way[1..]).arg(std::env::current_exe().ok()?).args(std::env::args_os().skip(1)).arg(argument);
    let status = again.status().ok()?;
    Some(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A file system; gone with this.
#[derive(Debug)]
pub struct Mount {
    place: TempDir,
}

impl Mount {
    /// One of so many bytes, in the words of `mount -o size=`.
    ///
    /// # Errors
    /// Where it cannot be mounted.
    pub fn new(place: &Path, size: &str) -> io::Result<Mount> {
        let place = tempfile::Builder::new().prefix("torture-disk-").tempdir_in(place)?;
        mount(&["-t", "tmpfs", "-o", &format!("size={size},mode=0700"), "none"], place.path())?;
        Ok(Mount { place })
    }

    /// Where it is.
    #[must_use]
    pub fn place(&self) -> &Path {
        self.place.path()
    }

    /// Changes it: `ro`, `rw`.
    ///
    /// # Errors
    /// Where that is not possible.
    pub fn remount(&self, how: &str) -> io::Result<()> {
        mount(&["-o", &format!("remount,{how}")], self.place())
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // A bridge may still stand in it; the namespace ends with the process anyway.
        let _ = Command::new("umount").arg("-l").arg(self.place()).status();
    }
}

fn mount(options: &[&str], place: &Path) -> io::Result<()> {
    let done = Command::new("mount").args(options).arg(place).stdin(Stdio::null()).output()?;
    if done.status.success() {
        return Ok(());
    }
    Err(io::Error::other(format!("`mount` {options:?}: {}", String::from_utf8_lossy(&done.stderr).trim())))
}
