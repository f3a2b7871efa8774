//! The command line: what a person can type, parsed once into [`Settings`]. Names are documented in `--help` and README.
//! It must never ask a server; of the disk it reads only which sign-in is meant where no URL was typed ([`stored`]).

mod client;
pub mod stored;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use http::{HeaderMap, HeaderName, HeaderValue};

use self::client::{ClientArgs, SecretArgs};
use crate::credentials::store::Store;
use crate::oauth::scope::Scope;
use crate::problem::{Code, Problem};
use crate::settings::{
    DEFAULT_PROFILE, LogSettings, LogoutSettings, Patience, Settings, SignInSettings, StatusSettings, check_profile,
    check_upstream, parse_header,
};

/// What was typed.
#[derive(Debug, Parser)]
#[command(
    name = "mcp-bridge",
    version,
    about = "Connects an MCP host on stdio to a remote MCP server and does the authorization for it",
    long_about = "Connects an MCP host on stdio to a remote MCP server and does the authorization for it.\n\n\
        Write `mcp-bridge --upstream URL` as a server's command into the host's configuration. At the first call your \
        browser opens once for the sign-in; after that nothing asks again.",
    after_help = "Exit codes: 0 ended by the host, or done; 1 error; 2 wrong usage; 4 sign-in needed, denied or timed out.",
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
    /// The sign-in process that a bridge starts; its job comes on stdin
    #[command(hide = true)]
    Worker,
}

#[derive(Debug, Args)]
struct BridgeArgs {
    /// The same as --upstream
    #[arg(value_name = "URL", conflicts_with = "upstream")]
    url: Option<String>,
    /// The MCP endpoint of the remote server
    #[arg(long, value_name = "URL", help_heading = "Server")]
    upstream: Option<String>,
    /// How long what a host asks at its start may wait before the bridge answers it itself: `auto` knows how long each
    /// host waits, 0 waits for ever
    #[arg(long, value_name = "auto|SECONDS", default_value = "auto", value_parser = patience, help_heading = "Server")]
    patience: Patience,
    #[command(flatten)]
    common: CommonArgs,
}

/// What `login` takes.
#[derive(Debug, Args)]
pub struct LoginArgs {
    /// The MCP endpoint of the remote server [default: the only one that is stored]
    #[arg(value_name = "URL")]
    url: Option<String>,
    /// Sign in anew although there is a sign-in, as another account perhaps
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    common: CommonArgs,
}

/// What `logout` takes.
#[derive(Debug, Args)]
pub struct LogoutArgs {
    /// The MCP endpoint of the remote server [default: the only one that is stored]
    #[arg(value_name = "URL")]
    url: Option<String>,
    /// All that are stored, or all of URL, or all of --profile
    #[arg(long)]
    all: bool,
    /// Also forget the client that was registered at the server
    #[arg(long)]
    forget_registration: bool,
    #[command(flatten)]
    secret: SecretArgs,
    #[command(flatten)]
    state: StateArgs,
}

/// What `status` takes.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Only this remote server; exit code 4 if there is no sign-in for it
    #[arg(value_name = "URL")]
    url: Option<String>,
    /// Print JSON; docs/status.md has its schema
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    state: StateArgs,
}

#[derive(Debug, Args)]
struct CommonArgs {
    /// A header for every request to the server; may be repeated
    #[arg(long = "header", value_name = "Name: value", value_parser = HeaderArg::parse, help_heading = "Server")]
    headers: Vec<HeaderArg>,
    /// Plain http is allowed to a server that is not on this machine, and to an authorization server on the same host
    #[arg(long, help_heading = "Server")]
    allow_http: bool,
    /// The scope to ask for, instead of what the server names
    #[arg(long, value_name = "SCOPE", help_heading = "Sign-in")]
    scope: Option<String>,
    /// The name that the consent page shows for this client
    #[arg(long, value_name = "NAME", default_value = "mcp-bridge", help_heading = "Sign-in")]
    client_name: String,
    /// A fixed port for the redirect back from the browser
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..), help_heading = "Sign-in")]
    callback_port: Option<u16>,
    /// How long a sign-in may take, from the opening of the tab
    #[arg(long, value_name = "SECONDS", default_value = "300", value_parser = clap::value_parser!(u32).range(1..=86400), help_heading = "Sign-in")]
    sign_in_timeout: u32,
    /// Print the sign-in's URL to stderr instead of opening a browser
    #[arg(long, help_heading = "Sign-in")]
    no_browser: bool,
    #[command(flatten)]
    client: ClientArgs,
    #[command(flatten)]
    state: StateArgs,
}

#[derive(Debug, Args)]
struct StateArgs {
    /// Which of several accounts for one server
    #[arg(long, value_name = "NAME", help_heading = "State and logs")]
    profile: Option<String>,
    /// Where sign-ins are kept [default: the platform's data folder]
    #[arg(
        long,
        value_name = "DIR",
        env = "MCP_BRIDGE_STATE_DIR",
        hide_env_values = true,
        help_heading = "State and logs"
    )]
    state_dir: Option<PathBuf>,
    /// How much is logged: off, error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL", default_value = "info", value_parser = ["off", "error", "warn", "info", "debug", "trace"], help_heading = "State and logs")]
    log: String,
    /// Log to a file instead of stderr
    #[arg(long, value_name = "FILE", help_heading = "State and logs")]
    log_file: Option<PathBuf>,
}

/// A header that was given; its value shows nowhere.
#[derive(Clone, Debug)]
struct HeaderArg(HeaderName, HeaderValue);

impl HeaderArg {
    fn parse(text: &str) -> Result<Self, HeaderRefused> {
        parse_header(text).map(|(name, value)| HeaderArg(name, value)).map_err(HeaderRefused)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct HeaderRefused(String);

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

/// Parses the arguments, the program's name first.
///
/// # Errors
/// [`Refusal`], ready to be shown.
pub fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Invocation, Refusal> {
    let args: Vec<OsString> = args.into_iter().collect();
    let cli = Cli::try_parse_from(&args).map_err(|error| without_header_values(error, &args))?;
    match cli.command {
        Some(Command::Worker) => Ok(Invocation::Worker),
        Some(Command::Login(login)) => Ok(login.invocation()?),
        Some(Command::Logout(logout)) => Ok(logout.invocation()?),
        Some(Command::Status(status)) => Ok(status.invocation()?),
        None => cli.bridge.invocation(),
    }
}

impl BridgeArgs {
    fn invocation(self) -> Result<Invocation, Refusal> {
        let Some(upstream) = self.upstream.or(self.url) else {
            let words = "the server's URL is missing: `mcp-bridge --upstream URL`";
            return Err(usage(clap::error::ErrorKind::MissingRequiredArgument, words));
        };
        if !upstream.contains("://") && !upstream.contains('.') {
            let words = format!("`{upstream}` is neither a URL nor a command; the commands are: login, logout, status");
            return Err(usage(clap::error::ErrorKind::InvalidSubcommand, &words));
        }
        Ok(Invocation::Bridge(Box::new(Settings { patience: self.patience, ..self.common.settings(&upstream)? })))
    }
}

impl LoginArgs {
    fn invocation(mut self) -> Result<Invocation, Problem> {
        let url = match self.url.take() {
            Some(url) => url,
            None => self.only_stored()?,
        };
        Ok(Invocation::Login(Box::new(self.common.settings(&url)?), self.force))
    }

    /// The upstream of the only sign-in that is stored, or the only one of the profile; its profile is taken too.
    fn only_stored(&mut self) -> Result<String, Problem> {
        let state = &mut self.common.state;
        let store = Store::open(state.dir()?);
        let mut rooms = store.rooms()?;
        if let Some(profile) = state.profile()? {
            rooms.retain(|(room, _)| room.profile() == profile);
        }
        let (room, record) = stored::the_only(rooms, &store, "login")?;
        state.profile = Some(room.profile().to_owned());
        // As it was typed then, where that is known: the canonical form may lack a final slash.
        let discovery = record.current().and_then(|(_, current)| current.discovery.as_ref());
        Ok(discovery.map_or_else(|| room.resource().to_owned(), |discovery| discovery.upstream.clone()))
    }
}

impl LogoutArgs {
    fn invocation(self) -> Result<Invocation, Problem> {
        let secret = self.secret.place()?;
        if secret.is_some() && (self.all || self.url.is_none()) {
            let what = "a client secret is for one server, and `logout` is to sign out of whatever is stored";
            return Err(Problem::new(Code::InvalidSetting, what, "name the server: `mcp-bridge logout URL`"));
        }
        Ok(Invocation::Logout(Box::new(LogoutSettings {
            upstream: stored_upstream(self.url.as_deref())?,
            all: self.all,
            forget_registration: self.forget_registration,
            secret,
            profile: self.state.profile()?,
            state_dir: self.state.dir()?,
            log: self.state.log(),
        })))
    }
}

impl StatusArgs {
    fn invocation(self) -> Result<Invocation, Problem> {
        Ok(Invocation::Status(Box::new(StatusSettings {
            upstream: stored_upstream(self.url.as_deref())?,
            json: self.json,
            profile: self.state.profile()?,
            state_dir: self.state.dir()?,
            log: self.state.log(),
        })))
    }
}

/// A URL that is only looked up: how safe it is to speak to was asked when it was stored.
fn stored_upstream(url: Option<&str>) -> Result<Option<url::Url>, Problem> {
    url.map(|url| check_upstream(url, true)).transpose()
}

impl StateArgs {
    fn dir(&self) -> Result<PathBuf, Problem> {
        match &self.state_dir {
            Some(dir) => Ok(std::path::absolute(dir).unwrap_or_else(|_| dir.clone())),
            None => Ok(Store::default_root()?),
        }
    }

    fn profile(&self) -> Result<Option<String>, Problem> {
        self.profile.as_deref().map(check_profile).transpose()
    }

    fn log(self) -> LogSettings {
        let file = self.log_file.map(|file| std::path::absolute(&file).unwrap_or(file));
        LogSettings { level: self.log, file }
    }
}

impl CommonArgs {
    fn settings(self, upstream: &str) -> Result<Settings, Problem> {
        let upstream = check_upstream(upstream, self.allow_http)?;
        self.scope.as_deref().map(Scope::parse).transpose()?;
        let mut headers = HeaderMap::new();
        for HeaderArg(name, value) in self.headers {
            headers.append(name, value);
        }
        let sign_in = SignInSettings {
            upstream,
            state_dir_named: self.state.state_dir.is_some(),
            state_dir: self.state.dir()?,
            profile: self.state.profile()?.unwrap_or_else(|| DEFAULT_PROFILE.to_owned()),
            scope: self.scope,
            client_name: self.client_name,
            client: self.client.known()?,
            callback_port: self.callback_port,
            timeout: Duration::from_secs(self.sign_in_timeout.into()),
            no_browser: self.no_browser,
            allow_http: self.allow_http,
            log: self.state.log(),
        };
        Ok(Settings { patience: Patience::Auto, headers, sign_in })
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
    use clap::CommandFactory;
    Refusal::Usage(Cli::command().error(kind, words))
}

/// clap quotes a value that it refuses; a header's may be a secret.
fn without_header_values(error: clap::Error, args: &[OsString]) -> Refusal {
    use clap::error::{ContextKind, ContextValue};
    let about_header =
        matches!(error.get(ContextKind::InvalidArg), Some(ContextValue::String(arg)) if arg.contains("--header"));
    if !about_header || error.kind() != clap::error::ErrorKind::ValueValidation {
        return Refusal::Usage(error);
    }
    let values = args.windows(2).filter(|pair| pair[0] == "--header").map(|pair| pair[1].clone());
    let inline = args.iter().filter_map(|arg| arg.to_str()?.strip_prefix("--header=").map(OsString::from));
    let why = values
        .chain(inline)
        .find_map(|value| parse_header(value.to_str()?).err())
        .unwrap_or_else(|| "a value is not text".to_owned());
    usage(clap::error::ErrorKind::ValueValidation, &format!("--header: {why}"))
}
