//! What a person can set, checked once and typed. It comes from `cli`; every room may read it, none may change it.

use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};
use url::{Host, Url};

use crate::problem::{Code, Problem};
use crate::safe_url::SafeUrl;

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
    /// Headers that the person adds to every request to the upstream; values are marked sensitive.
    pub headers: HeaderMap,
    /// What sign-ins and refreshes need; it also crosses the process wall.
    pub sign_in: SignInSettings,
}

/// What the sign-in process needs to know. Nothing in it is secret: it goes over a pipe to another process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SignInSettings {
    /// The MCP endpoint of the remote server.
    pub upstream: Url,
    /// Where credentials are kept.
    pub state_dir: PathBuf,
    /// Which of several accounts for one upstream.
    pub profile: String,
    /// The scope to ask for instead of what the server names (A9).
    pub scope: Option<String>,
    /// The name that a consent page shows (RFC 7591 `client_name`).
    pub client_name: String,
    /// A fixed port for the loopback redirect (RFC 8252 §7.3), instead of one that the system picks.
    pub callback_port: Option<u16>,
    /// How long a person may take, from the opening of the tab.
    pub timeout: Duration,
    /// The URL is only printed.
    pub no_browser: bool,
    /// Plain http is allowed to the upstream's host, and for an authorization server on the same host.
    pub allow_http: bool,
    /// The verbosity of the sign-in process.
    pub log: LogSettings,
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
const RESERVED: [&str; 9] = [
    "accept",
    "content-length",
    "content-type",
    "host",
    "last-event-id",
    "mcp-protocol-version",
    "mcp-session-id",
    "origin",
    "transfer-encoding",
];

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
    let mut value = HeaderValue::from_str(value.trim())
        .map_err(|_| format!("the value of `{name}` has characters that HTTP does not allow"))?;
    value.set_sensitive(true);
    Ok((name, value))
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
    fn a_header_that_would_break_the_protocol_or_http_is_refused() {
        assert!(parse_header("X-Key: abc").is_ok());
        for bad in ["X-Key", "Mcp-Session-Id: 1", "a b: c", "X-Key: a\nb"] {
            let sentence = parse_header(bad).unwrap_err();
            assert!(!sentence.contains("abc"), "{bad}");
        }
    }
}
