//! The binary `mcp-mock-server`: flags in, one running server, its URLs on stdout, until it is told to stop.
//! It adds nothing to the library; each flag is a setting of `settings.rs`.

use std::fs::File;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use mcp_mock_server::{Approval, AuthMethod, Fault, KnownClient, Layout, MockServer, ReplyForm, Settings, StartError};
use serde_json::Value;
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
    /// When access tokens really end, whatever is said of their lifetime
    #[arg(long, value_name = "SECONDS")]
    access_token_ttl_override: Option<u64>,
    /// How long a used refresh token gives the same answer again
    #[arg(long, value_name = "SECONDS", default_value_t = 0)]
    refresh_grace: u64,
    /// Let the token endpoint wait before it answers: a random time in this range, or always the same
    #[arg(long, value_name = "MIN[..MAX]ms", value_parser = delay)]
    token_delay: Option<Range<Duration>>,
    /// The seed of the random times
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    seed: u64,
    /// Let initialize wait before it is answered
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 0)]
    initialize_delay: u64,
    /// How a client finds the authorization server
    #[arg(long, value_enum, default_value_t = LayoutName::ProtectedResource)]
    layout: LayoutName,
    /// Serve no authorization server metadata
    #[arg(long)]
    no_server_metadata: bool,
    /// Offer no client registration
    #[arg(long)]
    no_registration: bool,
    /// Lifetime of the client secrets that registration gives [default: they do not expire]
    #[arg(long, value_name = "SECONDS")]
    client_secret_lifetime: Option<u64>,
    /// A client that needs no registration; may be repeated
    #[arg(long = "known-client", value_name = "ID[:SECRET]")]
    known_clients: Vec<String>,
    /// A redirect URI of the known clients, of which a loopback port means nothing; may be repeated
    #[arg(long = "redirect-uri", value_name = "URI", default_value = "http://127.0.0.1/callback")]
    redirect_uris: Vec<String>,
    /// Know clients by metadata documents, this one under its client_id; may be repeated
    #[arg(long = "client-document", value_name = "FILE")]
    client_documents: Vec<PathBuf>,
    /// Offer no revocation
    #[arg(long)]
    no_revocation: bool,
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
    /// Demand a token for tools/call only
    #[arg(long)]
    open_until_tools_call: bool,
    /// Demand a further scope for one tool; may be repeated
    #[arg(long = "tool-scope", value_name = "TOOL=SCOPE", value_parser = pair)]
    tool_scopes: Vec<(String, String)>,
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
    let done = if flags.list_faults { list_faults() } else { run(&flags).await };
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
    #[error("the client metadata document {path}: {reason}")]
    Document { path: PathBuf, reason: String },
}

fn list_faults() -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    for fault in Fault::all() {
        writeln!(stdout, "{:34} {}", fault.name(), fault.sentence())?;
    }
    Ok(())
}

async fn run(flags: &Flags) -> Result<(), Failure> {
    let server = MockServer::builder().settings(settings(flags)?).start().await?;
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

fn settings(flags: &Flags) -> Result<Settings, Failure> {
    Ok(Settings {
        listen: flags.listen,
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
        client_secret_lifetime: flags.client_secret_lifetime.map(Duration::from_secs),
        known_clients: flags.known_clients.iter().map(|text| known_client(text, &flags.redirect_uris)).collect(),
        client_metadata_documents: !flags.client_documents.is_empty(),
        client_documents: flags.client_documents.iter().map(|path| document(path)).collect::<Result<_, _>>()?,
        revocation: !flags.no_revocation,
        open_until_tools_call: flags.open_until_tools_call,
        tool_scopes: flags.tool_scopes.iter().cloned().collect(),
        // Nobody asks the binary for its log.
        log_limit: Some(0),
        ..timing(flags)
    })
}

fn timing(flags: &Flags) -> Settings {
    Settings {
        access_token_lifetime: Duration::from_secs(flags.access_token_lifetime),
        access_token_ttl_override: flags.access_token_ttl_override.map(Duration::from_secs),
        refresh_token_lifetime: Duration::from_secs(flags.refresh_token_lifetime),
        refresh_grace: Duration::from_secs(flags.refresh_grace),
        authorization_code_lifetime: Duration::from_secs(flags.authorization_code_lifetime),
        token_delay: flags.token_delay.clone().map(|range| (range, flags.seed)),
        initialize_delay: Duration::from_millis(flags.initialize_delay),
        ..Settings::default()
    }
}

fn known_client(text: &str, redirect_uris: &[String]) -> KnownClient {
    let (id, secret) = text.split_once(':').map_or((text, None), |(id, secret)| (id, Some(secret.to_owned())));
    KnownClient { client_id: id.to_owned(), secret, redirect_uris: redirect_uris.to_vec() }
}

/// A document with the URL that it is known by.
fn document(path: &Path) -> Result<(String, Value), Failure> {
    let failure = |reason: String| Failure::Document { path: path.to_owned(), reason };
    let file = File::open(path).map_err(|error| failure(error.to_string()))?;
    let document = serde_json::from_reader::<_, Value>(file).map_err(|error| failure(error.to_string()))?;
    let url = document["client_id"].as_str().ok_or_else(|| failure("it has no client_id".to_owned()))?.to_owned();
    Ok((url, document))
}

/// Parses `20..50ms` or `20ms`; the unit may be left out.
fn delay(text: &str) -> Result<Range<Duration>, String> {
    let milliseconds = |text: &str| text.parse().map(Duration::from_millis).map_err(|error| format!("{text}: {error}"));
    let text = text.strip_suffix("ms").unwrap_or(text);
    let (start, end) = text.split_once("..").unwrap_or((text, text));
    let range = milliseconds(start)?..milliseconds(end)?;
    if range.start <= range.end { Ok(range) } else { Err("the range ends before its start".to_owned()) }
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("there is no `=` in it")?;
    Ok((name.to_owned(), value.to_owned()))
}
