//! `cargo run --bin demo`: shows the main job of mcp-bridge on this machine alone, with a server of its own. It parses
//! what was typed, builds, and turns the outcome into an exit code; the walk itself is `mcp_bridge_tests::demo`.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::Parser;
use mcp_bridge_tests::binary;
use mcp_bridge_tests::demo::{self, Settings, Transcript};
use mcp_mock_server::MockServer;

/// Shows how mcp-bridge takes a host from nothing to authorized calls.
///
/// A mock MCP server with an OAuth authorization server runs on a loopback port. The real bridge is started as a host
/// starts it, with an empty state folder. Every step is checked; the exit code is 0 only if all of them worked.
#[derive(Debug, Parser)]
#[command(name = "demo", max_term_width = 100)]
struct Arguments {
    /// Open your own browser for the sign-in, instead of a stand-in
    #[arg(long)]
    browser: bool,
    /// Keep the bridge's state folder and print where it is
    #[arg(long)]
    keep: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match show(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Where stderr is closed too, the exit code must do.
            let _ = writeln!(io::stderr().lock(), "\ndemo: {error}");
            ExitCode::FAILURE
        }
    }
}

fn show(arguments: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
    binary::build_aloud()?;
    let folder = tempfile::Builder::new().prefix("mcp-bridge-demo-").tempdir()?;
    let settings =
        Settings { server: MockServer::builder(), folder: folder.path().to_owned(), real_browser: arguments.browser };
    let mut out = io::stdout().lock();
    let colour = is_coloured();
    let mut transcript = Transcript::new(&mut out, colour);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(demo::run(settings, &mut transcript));
    if arguments.keep {
        writeln!(out, "\nThe state folder is kept: {}", folder.keep().display())?;
    }
    Ok(outcome?)
}

/// Colours are for terminals, and for those who want them: <https://no-color.org>.
fn is_coloured() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    io::stdout().is_terminal() && !set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}
