//! The binary `mcp-mock-server`: flags in, one running server, its URLs on stdout, until it is told to stop.
//! It adds nothing to the library; each flag is a setting of `settings.rs`.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use mcp_mock_server::{Approval, AuthMethod, Fault, Layout, MockServer, ReplyForm, Settings, StartError};
use tracing::level_filters::LevelFilter;

/// A protected MCP server with its own OAuth authorization server, for those who write MCP clients.
#[derive(Debug, Parser)]
#[command(version)]
struct Flags {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Lifetime of access tokens
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    access_token_lifetime: u64,
    /// Lifetime of each refresh token
    #[arg(long, value_name = "SECONDS", default_value_t = 30 * 24 * 3600)]
    refresh_token_lifetime: u64,
    /// Lifetime of authorization codes
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    authorization_code_lifetime: u64,
    /// How a client finds the authorization server
    #[arg(long, value_enum, default_value_t = LayoutName::ProtectedResource)]
    layout: LayoutName,
    /// Serve no authorization server metadata
    #[arg(long)]
    no_server_metadata: bool,
    /// Offer no client registration
    #[arg(long)]
    no_registration: bool,
    /// The only client authentication taken at the token endpoint [default: any of them]
    #[arg(long, value_enum)]
    auth_method: Option<AuthMethodName>,
    /// How requests are answered
    #[arg(long, value_enum, default_value_t = ReplyName::Json)]
    reply: ReplyName,
    /// Do something wrong on purpose; may be repeated
    #[arg(long = "fault", value_name = "NAME")]
    faults: Vec<Fault>,
    /// Show what can be wrong, and stop
    #[arg(long)]
    list_faults: bool,
    /// Demand no token at the MCP endpoint
    #[arg(long)]
    unprotected: bool,
    /// Refuse every authorization, as a person could
    #[arg(long)]
    deny: bool,
    /// Log every request to stderr, without its secrets
    #[arg(long, short)]
    verbose: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LayoutName {
    /// By protected resource metadata (MCP 2025-06-18 and later)
    ProtectedResource,
    /// At the server's own origin (MCP 2025-03-26)
    #[value(name = "2025-03-26")]
    Authorization2025_03_26,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum AuthMethodName {
    None,
    Basic,
    Post,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum ReplyName {
    Json,
    Sse,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let flags = Flags::parse();
    let level = if flags.verbose { LevelFilter::DEBUG } else { LevelFilter::WARN };
    tracing_subscriber::fmt().with_max_level(level).with_writer(io::stderr).init();
    let done = if flags.list_faults { list_faults() } else { serve(settings(&flags)).await };
    match done {
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
    Start(#[from] StartError),
    #[error("stdout or a signal: {0}")]
    Io(#[from] io::Error),
}

fn list_faults() -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    for fault in Fault::all() {
        writeln!(stdout, "{:34} {}", fault.name(), fault.sentence())?;
    }
    Ok(())
}

async fn serve(settings: Settings) -> Result<(), Failure> {
    let server = MockServer::builder().settings(settings).start().await?;
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

fn settings(flags: &Flags) -> Settings {
    Settings {
        listen: flags.listen,
        access_token_lifetime: Duration::from_secs(flags.access_token_lifetime),
        refresh_token_lifetime: Duration::from_secs(flags.refresh_token_lifetime),
        authorization_code_lifetime: Duration::from_secs(flags.authorization_code_lifetime),
        layout: match flags.layout {
            LayoutName::ProtectedResource => Layout::ProtectedResource,
            LayoutName::Authorization2025_03_26 => Layout::Authorization2025_03_26,
        },
        server_metadata: !flags.no_server_metadata,
        registration: !flags.no_registration,
        token_endpoint_auth_method: flags.auth_method.map(|name| match name {
            AuthMethodName::None => AuthMethod::None,
            AuthMethodName::Basic => AuthMethod::Basic,
            AuthMethodName::Post => AuthMethod::Post,
        }),
        reply: match flags.reply {
            ReplyName::Json => ReplyForm::Json,
            ReplyName::Sse => ReplyForm::Sse,
        },
        faults: flags.faults.clone(),
        protected: !flags.unprotected,
        approval: if flags.deny { Approval::Deny } else { Approval::Allow },
        ..Settings::default()
    }
}
