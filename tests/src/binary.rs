//! Where the real binaries are. Cargo only tells a package of its own, so the workspace's are built here, once a process:
//! a test never runs a stale one. With all features unified this compiles nothing that the tests have not compiled.

use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// `mcp-bridge`, as it was built just now. `MCP_BRIDGE_BINARY` names another one to be tested.
///
/// # Panics
/// Where it cannot be built.
pub fn mcp_bridge() -> PathBuf {
    match std::env::var_os("MCP_BRIDGE_BINARY") {
        Some(path) => path.into(),
        None => built().join(format!("mcp-bridge{}", std::env::consts::EXE_SUFFIX)),
    }
}

/// The program that stands in for a browser.
///
/// # Panics
/// Where it cannot be built.
pub fn test_browser() -> PathBuf {
    built().join(format!("test-browser{}", std::env::consts::EXE_SUFFIX))
}

/// Builds them before anybody asks for one, with cargo's progress on stderr: on a fresh machine this takes a minute.
///
/// # Errors
/// Where cargo cannot be started, or ends with an error that it has shown.
pub fn build_aloud() -> io::Result<()> {
    let folder = build(&[])?;
    FOLDER.get_or_init(|| folder);
    Ok(())
}

/// Takes them from now on as they lie beside this program: for one that others start many times after a build.
///
/// # Errors
/// Where this program does not know where it lies.
pub fn take_as_built() -> io::Result<()> {
    let own = std::env::current_exe()?;
    let folder = own.parent().ok_or_else(|| io::Error::other("this program lies in no folder"))?;
    FOLDER.get_or_init(|| folder.to_owned());
    Ok(())
}

static FOLDER: OnceLock<PathBuf> = OnceLock::new();

fn built() -> &'static PathBuf {
    FOLDER.get_or_init(|| build(&["--quiet"]).expect("the workspace's binaries build"))
}

fn build(flags: &[&str]) -> io::Result<PathBuf> {
    let own = std::env::current_exe()?;
    // target/PROFILE/demo or target/PROFILE/deps/test-0123
    let folder = own.parent().unwrap_or(&own);
    let folder = if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--workspace", "--bins", "--locked"]).args(flags);
    build.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).stdin(Stdio::null());
    if folder.ends_with("release") {
        build.arg("--release");
    }
    let status = build.status()?;
    if status.success() { Ok(folder.to_owned()) } else { Err(io::Error::other(format!("`cargo build`: {status}"))) }
}
