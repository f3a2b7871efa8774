//! Where the real binaries are. Cargo only tells a package of its own, so the workspace's are built here, once a process:
//! a test never runs a stale one. With all features unified this compiles nothing that the tests have not compiled.

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

fn built() -> &'static PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let own = std::env::current_exe().expect("the path of this test");
        // target/PROFILE/demo or target/PROFILE/deps/test-0123
        let folder = own.parent().expect("a folder");
        let folder = if folder.ends_with("deps") { folder.parent().expect("a folder") } else { folder };
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        build.args(["build", "--quiet", "--workspace", "--bins", "--locked"]);
        build.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).stdin(Stdio::null());
        if folder.ends_with("release") {
            build.arg("--release");
        }
        let status = build.status().expect("cargo starts");
        assert!(status.success(), "the workspace's binaries do not build");
        folder.to_owned()
    })
}
