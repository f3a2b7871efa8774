//! The host that the official conformance suite drives: `conformance-host [FLAGS OF THE BRIDGE] URL`, the URL appended by
//! the suite, the scenario in the environment. It parses what it was given and turns the outcome into an exit code; what
//! it does is `mcp_bridge_tests::conformance`. `tests/conformance/client` runs it.

use std::io::{self, Write};
use std::process::ExitCode;

use mcp_bridge_tests::binary;
use mcp_bridge_tests::conformance::{self, Task};

fn main() -> ExitCode {
    match play() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Where stderr is closed too, the exit code must do.
            let _ = writeln!(io::stderr().lock(), "conformance-host: {error}");
            ExitCode::FAILURE
        }
    }
}

fn play() -> Result<(), Box<dyn std::error::Error>> {
    let task = Task::given(std::env::args().skip(1), |name| std::env::var(name).ok())?;
    binary::take_as_built()?;
    let folder = tempfile::Builder::new().prefix("mcp-bridge-conformance-").tempdir()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(conformance::play(&task, folder.path()))?)
}
