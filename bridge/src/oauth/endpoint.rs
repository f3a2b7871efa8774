//! The rule that every OAuth URL keeps (A19): https, or http on this machine, or http on one host that the person
//! named; no user name, no fragment, no odd characters. An [`Endpoint`] has passed it, so a request to it can always be
//! built. It must never resolve a name: addresses are judged where they are dialled. Read `request` next.

use std::fmt;

use http::Uri;
use url::{Host, Url};

use crate::problem::Code;
use crate::safe_url::SafeUrl;
use crate::untrusted::Untrusted;

/// The longest URL taken from a server or given to a browser, in bytes.
pub const MAX_LENGTH: usize = 8 * 1024;

/// Where plain http is tolerated. The default: on loopback only (RFC 8252 §7.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UrlRule {
    /// One host, as in a URL and without a port, that may be spoken to over http because the person said so.
    pub http_host: Option<String>,
}

impl UrlRule {
    /// Loopback, and http on this one host.
    pub fn with_http_host(host: impl Into<String>) -> Self {
        UrlRule { http_host: Some(host.into()) }
    }

    /// The rule of a sign-in to an upstream: `--allow-http` is for its own host (T16, A19).
    #[must_use]
    pub fn of(upstream: &Url, allow_http: bool) -> Self {
        let host = upstream.host_str().filter(|_| allow_http);
        host.map_or_else(UrlRule::default, UrlRule::with_http_host)
    }

    fn allows_http(&self, url: &Url) -> bool {
        is_loopback(url) || (self.http_host.is_some() && self.http_host.as_deref() == url.host_str())
    }
}

/// A URL that passed the [`UrlRule`]. Display shows it without its query.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    url: Url,
    uri: Uri,
}

impl Endpoint {
    /// Checks `text`, which `name` tells apart in errors (`token_endpoint`, say).
    pub fn parse(name: &'static str, text: &str, rule: &UrlRule) -> Result<Self, EndpointError> {
        let url = parse_url(name, text)?;
        let shown = SafeUrl::new(&url);
        match url.scheme() {
            "https" => {}
            "http" if rule.allows_http(&url) => {}
            "http" => return Err(EndpointError::Insecure { name, url: shown }),
            other => return Err(EndpointError::Scheme { name, url: shown, scheme: Untrusted::new(other) }),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(EndpointError::UserInfo { name, url: shown });
        }
        if url.fragment().is_some() {
            return Err(EndpointError::Fragment { name, url: shown });
        }
        match Uri::try_from(url.as_str()) {
            Ok(uri) => Ok(Endpoint { url, uri }),
            Err(_) => Err(EndpointError::NotAUrl { name, url: shown }),
        }
    }

    /// The URL.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The URL as text, whole: for records and requests, not for people.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.url.as_str()
    }

    /// The URL as a request line needs it.
    #[must_use]
    pub fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The URL as a person may see it.
    #[must_use]
    pub fn shown(&self) -> SafeUrl {
        SafeUrl::new(&self.url)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shown().fmt(f)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({self})")
    }
}

/// Whether the URL's host is this machine by its spelling: 127.0.0.0/8, ::1 or `localhost` (RFC 8252 §7.3, §8.3).
#[must_use]
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// Parses what came from outside. Characters that a URL parser would quietly drop or turn are refused before.
fn parse_url(name: &'static str, text: &str) -> Result<Url, EndpointError> {
    if text.len() > MAX_LENGTH {
        return Err(EndpointError::TooLong { name, length: text.len() });
    }
    if text.chars().any(is_odd) {
        return Err(EndpointError::Character { name, url: SafeUrl::from_text(text) });
    }
    let url = Url::parse(text).map_err(|_| EndpointError::NotAUrl { name, url: SafeUrl::from_text(text) })?;
    if url.as_str().len() > MAX_LENGTH {
        return Err(EndpointError::TooLong { name, length: url.as_str().len() });
    }
    Ok(url)
}

fn is_odd(c: char) -> bool {
    c.is_control()
        || c.is_whitespace()
        || matches!(c, '\\' | '"' | '<' | '>' | '`')
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Which part of the URL rule was broken. Every variant names the metadata field or flag that held the URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(
    missing_docs,
    reason = "the fields are the same everywhere: what held the URL, and the URL as it may be shown"
)]
pub enum EndpointError {
    /// Longer than [`MAX_LENGTH`].
    #[error("`{name}` is a URL of {length} bytes; at most {MAX_LENGTH} are accepted")]
    TooLong { name: &'static str, length: usize },
    /// A control character, blank, quote, backslash or bidi mark.
    #[error("`{name}` holds a character that no URL may hold: `{url}`")]
    Character { name: &'static str, url: SafeUrl },
    /// Not a URL at all, or a relative one.
    #[error("`{name}` is not an absolute URL: `{url}`")]
    NotAUrl { name: &'static str, url: SafeUrl },
    /// `javascript:`, `data:`, `file:`, …
    #[error("`{name}` is `{url}`; its scheme `{scheme}` is neither https nor http")]
    Scheme { name: &'static str, url: SafeUrl, scheme: Untrusted },
    /// Plain http to another machine.
    #[error("`{name}` is `{url}`; plain http is accepted on this machine only")]
    Insecure { name: &'static str, url: SafeUrl },
    /// `https://user:password@…`.
    #[error("`{name}` is `{url}` with a user name or password in it")]
    UserInfo { name: &'static str, url: SafeUrl },
    /// `https://…#…` (RFC 6749 §3.1, §3.2).
    #[error("`{name}` is `{url}` with a fragment in it")]
    Fragment { name: &'static str, url: SafeUrl },
    /// An issuer with a query (RFC 8414 §2).
    #[error("`{name}` is `{url}`; an issuer has no query")]
    Query { name: &'static str, url: SafeUrl },
}

impl EndpointError {
    /// The stable name.
    #[must_use]
    pub fn code(&self) -> Code {
        Code::InsecureUrl
    }

    /// What the person can do.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            EndpointError::Insecure { .. } => {
                "ask the server's operator for https; on a network that you trust, `--allow-http` accepts http"
            }
            _ => "ask the server's operator to correct this URL",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Endpoint, EndpointError, MAX_LENGTH, UrlRule, is_loopback};
    use url::Url;

    fn kind(text: &str, rule: &UrlRule) -> &'static str {
        match Endpoint::parse("token_endpoint", text, rule) {
            Ok(_) => "ok",
            Err(EndpointError::TooLong { .. }) => "too long",
            Err(EndpointError::Character { .. }) => "character",
            Err(EndpointError::NotAUrl { .. }) => "not a url",
            Err(EndpointError::Scheme { .. }) => "scheme",
            Err(EndpointError::Insecure { .. }) => "insecure",
            Err(EndpointError::UserInfo { .. }) => "user info",
            Err(EndpointError::Fragment { .. }) => "fragment",
            Err(EndpointError::Query { .. }) => "query",
        }
    }

    #[test]
    fn the_url_rule_holds_for_every_spelling() {
        let table = [
            ("https", "https://as.example.com/token", "ok"),
            ("https with a query", "https://as.example.com/token?tenant=1", "ok"),
            ("upper case", "HTTPS://AS.example.com/token", "ok"),
            ("http on 127.0.0.1", "http://127.0.0.1:8080/token", "ok"),
            ("http on 127.9.9.9", "http://127.9.9.9/token", "ok"),
            ("http on ::1", "http://[::1]:8080/token", "ok"),
            ("http on localhost", "http://localhost/token", "ok"),
            ("an address of loopback in another spelling", "http://0x7f.1/token", "ok"),
            ("http elsewhere", "http://as.example.com/token", "insecure"),
            ("a name that begins like loopback", "http://127.0.0.1.example.com/", "insecure"),
            ("a name that ends like localhost", "http://evil-localhost/", "insecure"),
            ("http on a private address", "http://10.0.0.5/token", "insecure"),
            ("javascript", "javascript:alert(1)", "scheme"),
            ("data", "data:text/html,x", "scheme"),
            ("file", "file:///etc/passwd", "scheme"),
            ("a search protocol of Windows", "ms-search:query=x", "scheme"),
            ("a user name", "https://user@as.example.com/", "user info"),
            ("a password", "https://:pw@as.example.com/", "user info"),
            ("a fragment", "https://as.example.com/#x", "fragment"),
            ("an empty fragment", "https://as.example.com/#", "fragment"),
            ("relative", "/token", "not a url"),
            ("empty", "", "not a url"),
            ("an option", "--opt", "not a url"),
            ("a share of Windows", "\\\\host\\share", "character"),
            ("backslashes", "https:\\\\as.example.com", "character"),
            ("a new line", "https://as.exam\nple.com/", "character"),
            ("a tab in the scheme", "java\tscript:alert(1)", "character"),
            ("a blank in front", " https://as.example.com/", "character"),
            ("a quote", "https://as.example.com/\"x", "character"),
            ("a bidi mark", "https://as.example.com/\u{202e}x", "character"),
            ("NUL", "https://as.example.com/\0", "character"),
        ];
        for (name, text, expected) in table {
            assert_eq!(kind(text, &UrlRule::default()), expected, "{name}");
        }
    }

    #[test]
    fn a_url_over_8_kib_is_refused() {
        let text = format!("https://as.example.com/{}", "a".repeat(MAX_LENGTH));
        assert_eq!(kind(&text, &UrlRule::default()), "too long");
    }

    #[test]
    fn a_url_that_grows_over_8_kib_by_its_encoding_is_refused() {
        let text = format!("https://as.example.com/{}", "ä".repeat(MAX_LENGTH / 3));
        assert_eq!(kind(&text, &UrlRule::default()), "too long");
    }

    #[test]
    fn http_is_allowed_on_the_one_named_host_only() {
        let rule = UrlRule::with_http_host("mcp.lan");
        assert_eq!(kind("http://mcp.lan:8080/token", &rule), "ok");
        assert_eq!(kind("http://other.lan/token", &rule), "insecure");
        assert_eq!(kind("http://x.mcp.lan/token", &rule), "insecure");
    }

    #[test]
    fn a_look_alike_host_is_shown_in_punycode() {
        let endpoint = Endpoint::parse("token_endpoint", "https://exämple.com/", &UrlRule::default()).unwrap();
        assert!(endpoint.to_string().starts_with("https://xn--"));
    }

    #[test]
    fn loopback_is_told_by_the_spelling_alone() {
        assert!(is_loopback(&Url::parse("http://localhost:1/").unwrap()));
        assert!(!is_loopback(&Url::parse("http://[::ffff:127.0.0.1]/").unwrap()));
    }

    #[test]
    fn debug_shows_no_query() {
        let endpoint = Endpoint::parse("x", "https://as.example.com/?key=hunter2", &UrlRule::default()).unwrap();
        assert!(!format!("{endpoint:?} {endpoint}").contains("hunter2"));
    }
}
