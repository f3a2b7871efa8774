//! The binary `mcp-mock-server`: one running server, its URLs on stdout, until it is told to stop.
//! It adds nothing to the library; what can be typed, and where settings come from, is in `cli.rs`.

mod cli;
mod health;

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use mcp_mock_server::{Fault, MockServer, Settings, StartError};
use tracing::level_filters::LevelFilter;

use self::cli::{SettingsFault, Wish};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match carried_out(cli::wish()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to tell it to if stderr is closed too.
            let _ = writeln!(io::stderr(), "mcp-mock-server: {error}");
            ExitCode::FAILURE
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Settings(#[from] SettingsFault),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Unhealthy(#[from] health::Unhealthy),
    #[error("stdout or a signal: {0}")]
    Io(#[from] io::Error),
}

async fn carried_out(wish: Result<Wish, SettingsFault>) -> Result<(), Failure> {
    match wish? {
        Wish::ListFaults => list_faults(),
        Wish::Health(url) => Ok(health::check(&url).await?),
        Wish::Serve { settings, verbose, ca_out } => {
            let level = if verbose { LevelFilter::DEBUG } else { LevelFilter::WARN };
            tracing_subscriber::fmt().with_max_level(level).with_writer(io::stderr).init();
            run(*settings, ca_out.as_deref()).await
        }
    }
}

fn list_faults() -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    for fault in Fault::all() {
        let usage = match fault.takes().placeholder() {
            Some(value) => format!("{fault}={value}"),
            None => fault.to_string(),
        };
        writeln!(stdout, "{usage:34} {}", fault.sentence())?;
    }
    Ok(())
}

async fn run(settings: Settings, ca_out: Option<&Path>) -> Result<(), Failure> {
    let server = MockServer::builder().settings(settings).start().await?;
    if let Some((path, pem)) = ca_out.zip(server.ca_pem()) {
        cli::tls::write(path, pem).map_err(SettingsFault::from)?;
    }
    let mut stdout = io::stdout();
    writeln!(stdout, "MCP server: {}\nissuer:     {}", server.mcp_url(), server.issuer())?;
    stdout.flush()?;
    told_to_stop().await?;
    server.stop().await;
    Ok(())
}

#[cfg(unix)]
async fn told_to_stop() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
    }
}

#[cfg(not(unix))]
async fn told_to_stop() -> io::Result<()> {
    tokio::signal::ctrl_c().await
}
