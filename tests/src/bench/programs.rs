//! The programs of a run, built once: no more of the workspace than is needed, since an optimised link takes its time.

use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// The programs that this run needs, of the same build as this one.
const NAMES: [&str; 4] = ["mcp-bridge", "bare-forwarder", "bench", "test-browser"];

/// Where they are.
#[derive(Clone, Debug)]
pub struct Programs {
    folder: PathBuf,
}

impl Programs {
    /// Builds what is missing, with cargo's progress on stderr.
    ///
    /// # Errors
    /// Where cargo cannot be started, or ends with an error that it has shown.
    pub fn build() -> io::Result<Self> {
        let own = std::env::current_exe()?;
        // target/PROFILE/bench or target/PROFILE/deps/test-0123
        let folder = own.ancestors().skip(1).find(|folder| !folder.ends_with("deps")).ok_or(io::ErrorKind::NotFound)?;
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build.args(["build", "--locked", "-p", "mcp-bridge", "-p", "mcp-bridge-tests"]);
        build.args(NAMES.iter().flat_map(|name| ["--bin", name]));
        // Where this program lies, whatever the environment says today.
        if let Some(target) = folder.parent() {
            build.arg("--target-dir").arg(target);
        }
        build.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).stdin(Stdio::null());
        if folder.ends_with("release") {
            build.arg("--release");
        }
        let status = build.status()?;
        let folder = folder.to_owned();
        if status.success() {
            Ok(Programs { folder })
        } else {
            Err(io::Error::other(format!("`cargo build`: {status}")))
        }
    }

    /// One of them.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX))
    }
}
