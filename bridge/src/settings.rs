//! What a person can set, checked once and typed. It comes from `cli`; every room may read it, none may change it.

mod authorization;
mod commands;
mod credential_store;
mod given;
mod grant;
mod machine;
mod network;
mod transport;

use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use url::{Host, Url};

pub use self::authorization::{
    AuthorizationSettings, DEFAULT_CALLBACK_PATH, RedirectHost, RedirectSettings, ResourceChoice, check_callback_path,
    check_parameter, check_resource,
};
pub use self::commands::{ClientMetadataSettings, LogoutSettings, StatusSettings};
pub use self::credential_store::CredentialStore;
pub use self::given::{CommandLine, Given};
pub use self::grant::GrantType;
pub use self::machine::{ClientAuth, IdentityProvider, MachineSettings, PrivateKeyPlace};
pub use self::network::{NetworkSettings, ProxyChoice, ProxyUrl};
pub use self::transport::{EraChoice, Transport, TransportSettings};
use crate::problem::{Code, Problem};
use crate::safe_url::SafeUrl;
use crate::untrusted::{Untrusted, is_unsafe};

/// The profile that is used where none is named.
pub const DEFAULT_PROFILE: &str = "default";

/// How long a request of the host's start may wait before the bridge answers it itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// As long as this host is known to wait.
    Auto,
    /// This long; zero is for ever.
    For(Duration),
}

/// Everything that a running bridge needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long a host's start may wait.
    pub patience: Patience,
    /// How messages go.
    pub transport: TransportSettings,
    /// Headers that the person adds to every request to the upstream; values are marked sensitive.
    pub headers: HeaderMap,
    /// The credential that the person gives in place of a sign-in, but for an `Authorization` header.
    pub given: Option<Given>,
    /// What sign-ins and refreshes need; it also crosses the process wall.
    pub sign_in: SignInSettings,
}

/// What the sign-in process needs to know. It goes over a pipe to another process; nothing in it is secret but the password
/// that a proxy's URL may have.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SignInSettings {
    /// The MCP endpoint of the remote server.
    pub upstream: Url,
    /// Where credentials are kept.
    pub state_dir: PathBuf,
    /// Where secrets are kept, if the person said so; else where they are, or in files.
    #[serde(default)]
    pub credential_store: Option<CredentialStore>,
    /// The person named that place, so that a command has to name it too.
    #[serde(default)]
    pub state_dir_named: bool,
    /// The server of the configuration file that was named, so that a command names it too.
    #[serde(default)]
    pub server: Option<String>,
    /// The configuration file that was named, so that a command has to name it too.
    #[serde(default)]
    pub config: Option<PathBuf>,
    /// Which of several accounts for one upstream.
    pub profile: String,
    /// The scope to ask for instead of what the server names (A9).
    pub scope: Option<String>,
    /// The one issuer that is wanted, to the letter, however the resource names it (A2, A3).
    #[serde(default)]
    pub issuer: Option<String>,
    /// The name that a consent page shows (RFC 7591 `client_name`).
    pub client_name: String,
    /// The client identities that the person gave.
    #[serde(default)]
    pub client: KnownClient,
    /// How a token is got; none: what fits the settings and the server (A18).
    #[serde(default)]
    pub grant: Option<GrantType>,
    /// What of the authorization request the person sets.
    #[serde(default)]
    pub authorization: AuthorizationSettings,
    /// What the grants without a person need besides a client.
    #[serde(default)]
    pub machine: MachineSettings,
    /// The ID token is shown to the upstream, not the access token.
    #[serde(default)]
    pub use_id_token: bool,
    /// A fixed port for the loopback redirect (RFC 8252 §7.3), instead of one that the system picks.
    pub callback_port: Option<u16>,
    /// How long a person may take, from the opening of the tab.
    pub timeout: Duration,
    /// The URL is only printed.
    pub no_browser: bool,
    /// Plain http is allowed to the upstream's host, and for an authorization server on the same host.
    pub allow_http: bool,
    /// A server that does not say that it does PKCE with S256 is signed in to all the same, by PKCE with S256 (A4).
    #[serde(default)]
    pub allow_missing_pkce: bool,
    /// Whether tokens are bound to a key.
    #[serde(default)]
    pub dpop: DpopChoice,
    /// How the network is reached.
    #[serde(default)]
    pub network: NetworkSettings,
    /// The verbosity of the sign-in process.
    pub log: LogSettings,
}

impl SignInSettings {
    /// The command that signs in to the same server, as the same account, into the same store.
    #[must_use]
    pub fn login_command(&self) -> String {
        let quoted = |text: &str| format!("'{}'", Untrusted::new(text));
        let is_plain = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        let mut command = match &self.server {
            // Its other settings stand there as well.
            Some(name) if is_plain(name) => format!("mcp-bridge login {name}"),
            Some(name) => format!("mcp-bridge login {}", quoted(name)),
            None => format!("mcp-bridge login {}", SafeUrl::new(&self.upstream)),
        };
        if let Some(config) = &self.config {
            command += &format!(" --config {}", quoted(&config.display().to_string()));
        }
        if self.profile != DEFAULT_PROFILE {
            command += &format!(" --profile {}", self.profile);
        }
        if let Some(store) = self.credential_store.filter(|store| *store != CredentialStore::Memory) {
            command += &format!(" --credential-store {}", store.name());
        }
        if self.state_dir_named {
            command += &format!(" --state-dir {}", quoted(&self.state_dir.display().to_string()));
        }
        command
    }
}

/// Whether tokens are bound to a key by DPoP (RFC 9449).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DpopChoice {
    /// Where the server offers or demands it.
    #[default]
    Auto,
    /// Always; a token that is not bound is an error.
    Always,
    /// Never.
    Never,
}

/// The client identities that a person gave; several may be there, and A5 chooses. No secret: only where one is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KnownClient {
    /// A `client_id` that was registered beforehand.
    pub client_id: Option<String>,
    /// Where its secret is, if it has one.
    pub client_secret: Option<SecretPlace>,
    /// Where its private key is, if it has one.
    pub private_key: Option<PrivateKeyPlace>,
    /// How it proves itself; none: by what it has, as the server lists.
    pub auth: Option<ClientAuth>,
    /// The URL of a Client ID Metadata Document, to the letter (A20).
    pub metadata_url: Option<String>,
}

impl KnownClient {
    /// Whether it has a secret or a key, and may use it.
    #[must_use]
    pub fn can_prove(&self) -> bool {
        self.auth != Some(ClientAuth::None) && (self.client_secret.is_some() || self.private_key.is_some())
    }
}

/// Where a secret is that a person keeps. Whoever needs it reads it there, so that no argument, pipe or record holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretPlace {
    /// In the environment variable of this name.
    Variable(String),
    /// In this file.
    File(PathBuf),
}

/// Where logs go and how many.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LogSettings {
    /// `error`, `warn`, `info`, `debug` or `trace`, or `off`.
    pub level: String,
    /// A file that gets the logs instead of stderr.
    pub file: Option<PathBuf>,
}

/// Headers that the protocol owns: set by hand they would break it.
const RESERVED: [&str; 10] = [
    "accept",
    "content-length",
    "content-type",
    "dpop",
    "host",
    "last-event-id",
    "mcp-protocol-version",
    "mcp-session-id",
    "origin",
    "transfer-encoding",
];

/// The longest name of a profile, in characters.
const LONGEST_PROFILE: usize = 64;

/// Checks the name of a profile: 1 to 64 visible characters without `/`.
///
/// # Errors
/// A [`Problem`] that says the rule.
pub fn check_profile(name: &str) -> Result<String, Problem> {
    let is_visible = |c: char| !c.is_whitespace() && c != '/' && !is_unsafe(c);
    if (1..=LONGEST_PROFILE).contains(&name.chars().count()) && name.chars().all(is_visible) {
        return Ok(name.to_owned());
    }
    let shown = Untrusted::new(name);
    let what = format!("`{shown}` cannot be the name of a profile");
    let hint = format!("choose 1 to {LONGEST_PROFILE} visible characters without blanks and `/`, as `--profile work`");
    Err(Problem::new(Code::InvalidSetting, what, hint))
}

/// Checks a `client_id`: visible ASCII and blanks (RFC 6749 Appendix A.1).
///
/// # Errors
/// A [`Problem`] that says the rule.
pub fn check_client_id(id: &str) -> Result<String, Problem> {
    if !id.trim().is_empty() && id.bytes().all(|byte| matches!(byte, 0x20..=0x7e)) {
        return Ok(id.to_owned());
    }
    let what = format!("`{}` cannot be a client id", Untrusted::new(id));
    Err(Problem::new(Code::InvalidSetting, what, "write `--client-id` as the server's operator gave it to you"))
}

/// Checks the upstream's URL (T16: https except for loopback unless a flag allows).
///
/// # Errors
/// A [`Problem`] that names the URL and what to change.
pub fn check_upstream(text: &str, allow_http: bool) -> Result<Url, Problem> {
    let shown = SafeUrl::from_text(text);
    let refuse = |message: String, hint: &str| Err(Problem::new(Code::InsecureUrl, message, hint).at(shown.clone()));
    let Ok(mut url) = Url::parse(text) else {
        return refuse(format!("`{shown}` is no URL"), "write the whole URL, as `https://mcp.example.com/mcp`");
    };
    if !url.username().is_empty() || url.password().is_some() {
        return refuse(
            format!("`{shown}` carries a user name or password"),
            "a server that needs them takes them by `--header 'Authorization: Basic …'`",
        );
    }
    url.set_fragment(None);
    match url.scheme() {
        "https" => Ok(url),
        "http" if allow_http || is_loopback(&url) => Ok(url),
        "http" => refuse(
            format!("`{shown}` would send the token unencrypted"),
            "use https, or add `--allow-http` if you trust the network between",
        ),
        other => refuse(format!("`{shown}` has the scheme `{other}`"), "use an https URL"),
    }
}

/// Whether a URL names this very machine, by literal or by `localhost`.
#[must_use]
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

/// Parses `Name: value` from the command line.
///
/// # Errors
/// A sentence about what is wrong; the value never stands in it.
pub fn parse_header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text.split_once(':').ok_or("a header is written `Name: value`")?;
    let name =
        HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| "the header's name is not one HTTP allows")?;
    if RESERVED.contains(&name.as_str()) {
        return Err(format!("`{name}` belongs to the protocol and cannot be set"));
    }
    let value = header_value(&name, value.trim())?;
    Ok((name, value))
}

/// The value of a header, marked sensitive.
///
/// # Errors
/// A sentence that names the header and never shows the value.
pub fn header_value(name: &HeaderName, text: &str) -> Result<HeaderValue, String> {
    let mut value = HeaderValue::from_str(text)
        .map_err(|_| format!("the value of `{name}` has characters that HTTP does not allow"))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t16_plain_http_is_for_loopback_unless_allowed() {
        let table = [
            ("https://mcp.example.com/mcp", false, true),
            ("http://127.0.0.1:8080/mcp", false, true),
            ("http://localhost/mcp", false, true),
            ("http://[::1]/mcp", false, true),
            ("http://mcp.example.com/mcp", false, false),
            ("http://mcp.example.com/mcp", true, true),
            ("http://localhost.example.com/mcp", false, false),
            ("ftp://mcp.example.com", true, false),
            ("https://user:pass@mcp.example.com", false, false),
            ("mcp.example.com", false, false),
        ];
        for (url, allow_http, good) in table {
            assert_eq!(check_upstream(url, allow_http).is_ok(), good, "{url} {allow_http}");
        }
    }

    #[test]
    fn a_profile_is_1_to_64_visible_characters_without_a_slash() {
        let long = "é".repeat(64);
        for good in ["work", "anna@example.com", "日本", ".", &long] {
            assert_eq!(check_profile(good).unwrap(), good);
        }
        let too_long = "é".repeat(65);
        for bad in ["", " ", "a b", "a/b", "/", "a\n", "a\u{202e}b", "a\u{200e}", &too_long] {
            assert_eq!(check_profile(bad).unwrap_err().code, Code::InvalidSetting, "{bad:?}");
        }
    }

    #[test]
    fn rfc6749_a_1_a_client_id_is_visible_ascii() {
        for (id, good) in
            [("mcp-client", true), ("a:b c%", true), ("", false), (" ", false), ("é", false), ("a\n", false)]
        {
            assert_eq!(check_client_id(id).is_ok(), good, "{id:?}");
        }
    }

    #[test]
    fn a_header_that_would_break_the_protocol_or_http_is_refused() {
        assert!(parse_header("X-Key: abc").is_ok());
        for bad in ["X-Key", "Mcp-Session-Id: 1", "a b: c", "X-Key: a\nb"] {
            let sentence = parse_header(bad).unwrap_err();
            assert!(!sentence.contains("abc"), "{bad}");
        }
    }
}
