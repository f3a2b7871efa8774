//! The command line: what a person can type, parsed once into [`Settings`]. Names are documented in `--help` and README.
//! It must never ask a server; of the disk it reads the person's own files (`own_file`), and which sign-in is meant where
//! no URL was typed ([`stored`]). Each heading of `--help` is a file of its own, `common` joins them; what stands under
//! the flags is in `layers`.

mod client;
mod commands;
mod common;
mod config_file;
mod given;
mod grant;
mod headers;
mod layers;
mod network;
mod own_file;
mod server;
mod sign_in;
mod state;
pub mod stored;
#[cfg(test)]
mod tests;
mod transport;

use std::ffi::OsString;
use std::time::Duration;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};

pub use self::commands::{ClientMetadataArgs, LoginArgs, LogoutArgs, StatusArgs};
use self::common::CommonArgs;
use self::config_file::ConfigFile;
use self::layers::{Chosen, ConfigArgs, Ground, Layers};
use self::server::without_secrets;
use self::transport::TransportArgs;
use crate::problem::Problem;
use crate::settings::{ClientMetadataSettings, LogoutSettings, Patience, Settings, StatusSettings};

/// What was typed.
#[derive(Debug, Parser)]
#[command(
    name = "mcp-bridge",
    version,
    about = "Connects an MCP host on stdio to a remote MCP server and does the authorization for it",
    long_about = "Connects an MCP host on stdio to a remote MCP server and does the authorization for it.\n\n\
        Write `mcp-bridge --upstream URL` as a server's command into the host's configuration. At the first call your \
        browser opens once for the sign-in; after that nothing asks again.",
    after_help = "Every flag can also be set by a variable, as MCP_BRIDGE_STATE_DIR for --state-dir, and by a key of the \
        configuration file; a flag goes before a variable, and that before the file. A switch is undone by \
        --switch=false.\n\nExit codes: 0 ended by the host, or done; 1 error; 2 wrong usage; 4 sign-in needed, denied or timed out.",
    args_conflicts_with_subcommands = true,
    disable_help_subcommand = true,
    max_term_width = 100
)]
pub struct Cli {
    /// What to do instead of bridging.
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten)]
    bridge: BridgeArgs,
}

/// The other commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Sign in now, in this terminal
    ///
    /// It is the same sign-in that a bridge starts by itself; whoever waits for it goes on.
    Login(Box<LoginArgs>),
    /// Sign out: revoke the tokens at the server and remove them here
    ///
    /// Without a network they are removed all the same, with a warning. The client that was registered at the server is
    /// kept, so that the next sign-in registers none.
    Logout(Box<LogoutArgs>),
    /// Show what is stored; asks no server and opens no browser
    Status(Box<StatusArgs>),
    /// Print the client metadata document that fits the settings
    ///
    /// Put it on the web at the URL of --client-metadata-url, for servers that take that URL as the client id.
    ClientMetadata(Box<ClientMetadataArgs>),
    /// The sign-in process that a bridge starts; its job comes on stdin
    #[command(hide = true)]
    Worker,
}

#[derive(Debug, Args)]
struct BridgeArgs {
    /// The same as --upstream, or a server of the configuration file
    #[arg(value_name = "URL|NAME", conflicts_with = "upstream")]
    url: Option<String>,
    /// The MCP endpoint of the remote server
    #[arg(long, value_name = "URL", help_heading = "Server")]
    upstream: Option<String>,
    /// How long what a host asks at its start may wait before the bridge answers it itself: `auto` knows how long each
    /// host waits, 0 waits for ever
    #[arg(long, value_name = "auto|SECONDS", default_value = "auto", value_parser = patience, help_heading = "Server")]
    patience: Patience,
    #[command(flatten)]
    transport: TransportArgs,
    #[command(flatten)]
    common: CommonArgs,
    #[command(flatten)]
    config: ConfigArgs,
}

/// What to do, with its settings.
#[derive(Debug)]
pub enum Invocation {
    /// Bridge between the host and the upstream.
    Bridge(Box<Settings>),
    /// Sign in now; anew although there is a sign-in.
    Login(Box<Settings>, bool),
    /// Sign out.
    Logout(Box<LogoutSettings>),
    /// Show what is stored.
    Status(Box<StatusSettings>),
    /// Print the client metadata document.
    ClientMetadata(Box<ClientMetadataSettings>),
    /// Do the job that stands on stdin.
    Worker,
}

/// Why there is nothing to do.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// What was typed is wrong, or help was asked for: clap's own words.
    #[error("{0}")]
    Usage(#[from] clap::Error),
    /// A value does not hold.
    #[error("{0}")]
    Setting(#[from] Problem),
}

/// What was understood.
#[derive(Debug)]
pub struct Understood {
    /// What to do.
    pub invocation: Invocation,
    /// What the person should know of where it comes from, in sentences.
    pub warnings: Vec<String>,
}

/// Parses the arguments, the program's name first, with what stands under them: environment and configuration file.
///
/// # Errors
/// [`Refusal`], ready to be shown.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Understood, Refusal> {
    let ground = Ground { variable: &|name| std::env::var_os(name), default_file: ConfigFile::default_path() };
    parse_on(&ground, args.into_iter().collect())
}

fn parse_on(ground: &Ground<'_>, args: Vec<OsString>) -> Result<Understood, Refusal> {
    let command = Cli::command();
    let (args, off) = layers::switches(&command, &args);
    let typed = command.clone().try_get_matches_from(&args).map_err(without_secrets)?;
    if typed.subcommand_name() == Some("worker") {
        return Ok(Understood { invocation: Invocation::Worker, warnings: Vec::new() });
    }
    let mut layers = Layers::gather(&command, (&typed, &off), ground)?;
    let args = layers.under(&args, typed.subcommand_name().is_some());
    let matches = if layers.are_empty() { Ok(typed) } else { command.try_get_matches_from(&args) };
    let cli =
        matches.and_then(|matches| Cli::from_arg_matches(&matches)).map_err(|error| match layers.explain(&error) {
            Some(problem) => Refusal::Setting(problem),
            None => without_secrets(error),
        })?;
    let invocation = match cli.command {
        Some(Command::Worker) => Invocation::Worker,
        Some(Command::Login(login)) => login.invocation(&mut layers.chosen, ground)?,
        Some(Command::Logout(logout)) => logout.invocation(&layers.chosen)?,
        Some(Command::Status(status)) => status.invocation(&layers.chosen)?,
        Some(Command::ClientMetadata(command)) => command.invocation()?,
        None => cli.bridge.invocation(&mut layers.chosen, ground)?,
    };
    Ok(Understood { invocation, warnings: layers.chosen.warnings })
}

impl BridgeArgs {
    fn invocation(self, chosen: &mut Chosen, ground: &Ground<'_>) -> Result<Invocation, Refusal> {
        let upstream = match self.upstream {
            Some(upstream) => Some(upstream),
            None => chosen.url(self.url)?,
        };
        let Some(upstream) = upstream else {
            let words = "the server's URL is missing: `mcp-bridge --upstream URL`";
            return Err(usage(clap::error::ErrorKind::MissingRequiredArgument, words));
        };
        if !upstream.contains("://") && !upstream.contains('.') {
            let words = format!(
                "`{upstream}` is neither a URL, nor a server of the configuration file, nor a command; the commands are: \
                 login, logout, status, client-metadata"
            );
            return Err(usage(clap::error::ErrorKind::InvalidSubcommand, &words));
        }
        let settings = self.common.settings(&upstream, chosen, ground)?;
        let transport = self.transport.settings();
        Ok(Invocation::Bridge(Box::new(Settings { patience: self.patience, transport, ..settings })))
    }
}

fn patience(text: &str) -> Result<Patience, String> {
    match text {
        "auto" => Ok(Patience::Auto),
        seconds => match seconds.parse::<u32>() {
            Ok(seconds) => Ok(Patience::For(Duration::from_secs(seconds.into()))),
            Err(_) => Err("`auto` or a number of seconds is wanted".to_owned()),
        },
    }
}

fn usage(kind: clap::error::ErrorKind, words: &str) -> Refusal {
    Refusal::Usage(Cli::command().error(kind, words))
}
