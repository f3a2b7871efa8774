//! Redirect URIs: which may be registered, and which request matches a registered one (RFC 6749 §3.1.2, RFC 8252 §7.3).

use url::{Host, Url};

/// Whether a client may register it: absolute, without fragment, https or http to this machine.
pub(crate) fn may_be_registered(uri: &str) -> bool {
    let Ok(url) = Url::parse(uri) else { return false };
    let secure = match url.scheme() {
        "https" => url.host().is_some(),
        "http" => is_literal(&url) || url.host_str() == Some("localhost"),
        _ => false,
    };
    secure && url.fragment().is_none() && url.username().is_empty() && url.password().is_none()
}

/// Whether it is at an address of loopback, in digits.
pub(crate) fn is_loopback_address(uri: &str) -> bool {
    Url::parse(uri).is_ok_and(|url| is_literal(&url))
}

/// Whether a request's URI is the registered one: to the letter, but for the port of a loopback address (RFC 8252 §7.3).
/// `localhost` is a name, no address: its port is compared too.
pub(crate) fn matches(registered: &str, requested: &str) -> bool {
    if registered == requested {
        return true;
    }
    let (Ok(mut left), Ok(mut right)) = (Url::parse(registered), Url::parse(requested)) else { return false };
    let free = |url: &Url| url.scheme() == "http" && is_literal(url);
    free(&left)
        && free(&right)
        && right.fragment().is_none()
        && left.set_port(None).is_ok()
        && right.set_port(None).is_ok()
        && left == right
}

fn is_literal(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{matches, may_be_registered};

    #[test]
    fn what_may_be_registered() {
        for (uri, may) in [
            ("https://client.example/callback", true),
            ("http://127.0.0.1:1234/callback", true),
            ("http://[::1]:1234/callback", true),
            ("http://localhost/callback", true),
            ("http://client.example/callback", false),
            ("http://localhost.client.example/callback", false),
            ("https://client.example/callback#part", false),
            ("https://user:password@client.example/", false),
            ("com.example.app:/callback", false),
            ("/callback", false),
            ("javascript:alert(1)", false),
        ] {
            assert_eq!(may_be_registered(uri), may, "{uri}");
        }
    }

    #[test]
    fn what_matches() {
        for (registered, requested, same) in [
            ("http://127.0.0.1:1/cb", "http://127.0.0.1:2/cb", true),
            ("http://127.0.0.1/cb", "http://127.0.0.1:2/cb", true),
            ("http://[::1]:1/cb", "http://[::1]:2/cb", true),
            ("http://localhost:1/cb", "http://localhost:2/cb", false),
            ("http://127.0.0.1:1/cb", "http://localhost:1/cb", false),
            ("http://127.0.0.1:1/cb", "http://127.0.0.1:1/cb/", false),
            ("http://127.0.0.1:1/cb", "http://127.0.0.1:1/cb?x=1", false),
            ("https://client.example/cb", "https://client.example:8443/cb", false),
            ("https://client.example/cb", "https://client.example/cb#x", false),
        ] {
            assert_eq!(matches(registered, requested), same, "{registered} {requested}");
        }
    }
}
