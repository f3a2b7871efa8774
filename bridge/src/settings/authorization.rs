//! How a sign-in is asked for: which resource, what else the request says, and where the browser comes back to. Checked once
//! here; must never know a server. `oauth::authorization` puts it into the request, `worker::callback` serves the redirect.

use serde::{Deserialize, Serialize};
use url::Url;

use crate::problem::{Code, Problem};
use crate::safe_url::SafeUrl;
use crate::untrusted::{Untrusted, is_unsafe};

/// Where the browser comes back to, if nobody says otherwise.
pub const DEFAULT_CALLBACK_PATH: &str = "/callback";

/// The parameters that the protocol owns, each with what a person can do about it (RFC 6749 §4.1.1, RFC 7636 §4.3,
/// RFC 8707 §2, RFC 9101 §5, RFC 9126 §4, RFC 9449 §10, OAuth 2.0 Multiple Response Types §2.1).
const RESERVED: [(&str, &str); 19] = [
    ("client_assertion", OURS),
    ("client_assertion_type", OURS),
    ("client_id", "`--client-id` sets it"),
    ("client_secret", "`--client-secret-env` and `--client-secret-file` name its place"),
    ("code", OURS),
    ("code_challenge", OURS),
    ("code_challenge_method", OURS),
    ("code_verifier", OURS),
    ("device_code", OURS),
    ("dpop_jkt", OURS),
    ("grant_type", OURS),
    ("redirect_uri", "`--redirect-host`, `--callback-port` and `--callback-path` set it"),
    ("request", "what stands in it would go before all others"),
    ("request_uri", "what stands in it would go before all others"),
    ("resource", "`--resource` sets it"),
    ("response_mode", OURS),
    ("response_type", OURS),
    ("scope", "`--scope` sets it"),
    ("state", OURS),
];
const OURS: &str = "each sign-in has its own";

/// What of an authorization request a person can set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AuthorizationSettings {
    /// The `resource` parameter (RFC 8707).
    pub resource: ResourceChoice,
    /// Further parameters, in order; none is the protocol's own.
    pub parameters: Vec<(String, String)>,
    /// Where the browser comes back to.
    pub redirect: RedirectSettings,
}

impl AuthorizationSettings {
    /// The `resource` to send, given what the server publishes; `None` leaves it out.
    #[must_use]
    pub fn resource(&self, published: &str) -> Option<String> {
        match &self.resource {
            ResourceChoice::Published => Some(published.to_owned()),
            ResourceChoice::Given(resource) => Some(resource.clone()),
            ResourceChoice::Omitted => None,
        }
    }
}

/// Which `resource` is named to the authorization server (A8).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResourceChoice {
    /// As the resource's metadata has it, else the upstream's URL.
    #[default]
    Published,
    /// This one, to the letter.
    Given(String),
    /// None.
    Omitted,
}

/// The redirect URI but for its port (RFC 8252 §7.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RedirectSettings {
    /// The spelling of this machine; `None`: the address, and the name for a server that refuses the address.
    pub host: Option<RedirectHost>,
    /// The path.
    pub path: String,
}

impl Default for RedirectSettings {
    fn default() -> Self {
        RedirectSettings { host: None, path: DEFAULT_CALLBACK_PATH.to_owned() }
    }
}

impl RedirectSettings {
    /// The redirect URI for this spelling; without a port it is that of a client whose server leaves the port free.
    #[must_use]
    pub fn uri(&self, host: RedirectHost, port: Option<u16>) -> String {
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        format!("http://{}{port}{}", host.as_str(), self.path)
    }
}

/// A spelling of this machine in a redirect URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RedirectHost {
    /// `127.0.0.1`, which leads to no other machine (RFC 8252 §8.3).
    Address,
    /// `localhost`, for servers that know nothing else.
    Name,
}

impl RedirectHost {
    /// Both, in the order of preference.
    pub const ALL: [RedirectHost; 2] = [RedirectHost::Address, RedirectHost::Name];

    /// As it stands in the URI.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            RedirectHost::Address => "127.0.0.1",
            RedirectHost::Name => "localhost",
        }
    }
}

/// Checks a resource: an absolute URI without a fragment (RFC 8707 §2). It goes out to the letter.
///
/// # Errors
/// A [`Problem`] that says the rule.
pub fn check_resource(text: &str) -> Result<String, Problem> {
    let is_whole = Url::parse(text).is_ok() && !text.contains('#');
    if is_whole && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(text.to_owned());
    }
    let what = format!("`{}` cannot be a resource: it is no absolute URI without a fragment", SafeUrl::from_text(text));
    Err(Problem::new(Code::InvalidSetting, what, "write `--resource https://…` as the server's operator names it"))
}

/// Checks a further parameter of the authorization request, written `name=value`.
///
/// # Errors
/// A [`Problem`] that says the rule; the value never stands in it.
pub fn check_parameter(text: &str) -> Result<(String, String), Problem> {
    let refuse = |what: String, hint: &str| Err(Problem::new(Code::InvalidSetting, what, hint));
    let Some((name, value)) = text.split_once('=') else {
        return refuse("an `--authorize-param` has no `=`".to_owned(), "write `--authorize-param name=value`");
    };
    let shown = Untrusted::new(name);
    // RFC 6749 §8.2.
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_name) {
        let hint = "write `--authorize-param name=value`; a name has letters, digits, `-`, `.` and `_`";
        return refuse(format!("`{shown}` is no name of a parameter"), hint);
    }
    if value.chars().any(is_unsafe) {
        return refuse(
            format!("the value of the parameter `{shown}` has characters that no URL has"),
            "leave them out",
        );
    }
    match RESERVED.iter().find(|(reserved, _)| reserved.eq_ignore_ascii_case(name)) {
        Some((_, hint)) => refuse(format!("the parameter `{shown}` is the protocol's own"), hint),
        None => Ok((name.to_owned(), value.to_owned())),
    }
}

/// Checks the path of the redirect URI: it is compared to the letter, so what a browser would spell otherwise is refused.
///
/// # Errors
/// A [`Problem`] that says the rule.
pub fn check_callback_path(text: &str) -> Result<String, Problem> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte);
    let has_dots = text.split('/').any(|segment| matches!(segment, "." | ".."));
    if text.starts_with('/') && !text.starts_with("//") && !has_dots && text.bytes().all(is_plain) {
        return Ok(text.to_owned());
    }
    let what = format!("`{}` cannot be the path of the redirect", Untrusted::new(text));
    let hint = "write it as `--callback-path /callback`: letters, digits, `-`, `.`, `_` and `~` between slashes";
    Err(Problem::new(Code::InvalidSetting, what, hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc8707_2_a_resource_is_an_absolute_uri_without_a_fragment_kept_to_the_letter() {
        for good in ["https://MCP.example.com", "api://0a1b/x", "urn:mcp:x", "https://a.example/?b=1"] {
            assert_eq!(check_resource(good).unwrap(), good);
        }
        for bad in
            ["", "mcp.example.com", "/mcp", "https://a.example/#x", "https://a.example/#", "https://a.example/ x"]
        {
            assert_eq!(check_resource(bad).unwrap_err().code, Code::InvalidSetting, "{bad:?}");
        }
    }

    #[test]
    fn a_parameter_of_the_protocol_is_never_set_by_hand() {
        for (name, _) in RESERVED {
            for spelt in [name.to_owned(), name.to_uppercase()] {
                assert!(check_parameter(&format!("{spelt}=x")).is_err(), "{spelt}");
            }
        }
        for bad in ["prompt", "=x", "a b=x", "a&b=x", "é=x", "prompt=a\nb"] {
            assert!(check_parameter(bad).is_err(), "{bad:?}");
        }
        let table = [
            ("prompt=consent", ("prompt", "consent")),
            ("login_hint=anna@example.com", ("login_hint", "anna@example.com")),
            ("audience=https://a.example/?b=c&d", ("audience", "https://a.example/?b=c&d")),
            ("empty=", ("empty", "")),
        ];
        for (text, (name, value)) in table {
            assert_eq!(check_parameter(text).unwrap(), (name.to_owned(), value.to_owned()));
        }
    }

    #[test]
    fn a_wrong_parameter_does_not_show_its_value() {
        let problem = check_parameter("state=hunter2").unwrap_err();
        assert!(!format!("{problem:?}").contains("hunter2"));
    }

    #[test]
    fn a_callback_path_is_spelt_as_every_browser_spells_it() {
        for good in ["/", "/callback", "/oauth/callback", "/a-b._~/"] {
            assert_eq!(check_callback_path(good).unwrap(), good);
        }
        for bad in ["", "callback", "//evil.example", "/a?b", "/a#b", "/a b", "/é", "/a/../b", "/./a", "/%63", "/a\\b"]
        {
            assert_eq!(check_callback_path(bad).unwrap_err().code, Code::InvalidSetting, "{bad:?}");
        }
    }

    #[test]
    fn rfc8252_7_3_a_redirect_uri_has_the_port_where_it_is_known() {
        let redirect = RedirectSettings::default();
        assert_eq!(redirect.uri(RedirectHost::Address, Some(8976)), "http://127.0.0.1:8976/callback");
        assert_eq!(redirect.uri(RedirectHost::Name, None), "http://localhost/callback");
    }
}
