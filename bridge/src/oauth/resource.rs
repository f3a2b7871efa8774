//! The identifier of a protected resource (RFC 8707 §2, MCP's canonical server URI), and which published identifiers
//! cover it (RFC 9728 §3.3). It must never know what the resource is. Read `resource_metadata` next.

use std::fmt;

use url::Url;

use crate::safe_url::SafeUrl;

/// The canonical form of an upstream's URL: scheme and host in lower case, default port, fragment and user name
/// dropped, the path kept but for a lone `/`. The key under which credentials are stored.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResourceIdentifier(String);

impl ResourceIdentifier {
    /// The identifier of the resource at this URL.
    #[must_use]
    pub fn new(url: &Url) -> Self {
        let mut canonical = url.clone();
        canonical.set_fragment(None);
        let _ = canonical.set_username("");
        let _ = canonical.set_password(None);
        let text = String::from(canonical);
        match text.strip_suffix('/') {
            Some(short) if url.path() == "/" && url.query().is_none() => ResourceIdentifier(short.to_owned()),
            _ => ResourceIdentifier(text),
        }
    }

    /// The identifier, whole: for requests and records, not for people.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ResourceIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SafeUrl::from_text(&self.0).fmt(f)
    }
}

impl fmt::Debug for ResourceIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ResourceIdentifier({self})")
    }
}

/// Whether metadata that names `published` may be used for `upstream` (A2): the same URL, or a parent of it on the same
/// origin, whole path segments compared. A published query must be the upstream's own.
#[must_use]
pub fn covers(published: &str, upstream: &Url) -> bool {
    let Ok(published) = Url::parse(published) else { return false };
    let is_plain = published.username().is_empty() && published.password().is_none() && published.fragment().is_none();
    if !is_plain || !matches!(published.scheme(), "https" | "http") || published.origin() != upstream.origin() {
        return false;
    }
    match published.query() {
        Some(query) => upstream.query() == Some(query) && published.path() == upstream.path(),
        None => is_parent_path(published.path(), upstream.path()),
    }
}

fn is_parent_path(parent: &str, path: &str) -> bool {
    match path.strip_prefix(parent.strip_suffix('/').unwrap_or(parent)) {
        Some(rest) => rest.is_empty() || rest.starts_with('/'),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::{ResourceIdentifier, covers};
    use url::Url;

    mod rfc8707_2 {
        use super::*;

        #[test]
        fn the_identifier_is_canonical() {
            let table = [
                ("as it is", "https://mcp.example.com/mcp", "https://mcp.example.com/mcp"),
                ("case", "HTTPS://MCP.Example.com/Mcp", "https://mcp.example.com/Mcp"),
                ("a lone slash", "https://mcp.example.com/", "https://mcp.example.com"),
                ("no path", "https://mcp.example.com", "https://mcp.example.com"),
                ("a slash at the end", "https://mcp.example.com/mcp/", "https://mcp.example.com/mcp/"),
                ("the default port", "https://mcp.example.com:443/mcp", "https://mcp.example.com/mcp"),
                ("another port", "https://mcp.example.com:8443", "https://mcp.example.com:8443"),
                ("a fragment", "https://mcp.example.com/mcp#x", "https://mcp.example.com/mcp"),
                ("a fragment after a lone slash", "https://mcp.example.com/#x", "https://mcp.example.com"),
                ("a query", "https://mcp.example.com/mcp?a=1/", "https://mcp.example.com/mcp?a=1/"),
                ("a query after a lone slash", "https://mcp.example.com/?a=/", "https://mcp.example.com/?a=/"),
                ("a user name", "https://u:p@mcp.example.com/mcp", "https://mcp.example.com/mcp"),
            ];
            for (name, url, expected) in table {
                assert_eq!(ResourceIdentifier::new(&Url::parse(url).unwrap()).as_str(), expected, "{name}");
            }
        }

        #[test]
        fn a_query_is_not_shown() {
            let shown = ResourceIdentifier::new(&Url::parse("https://mcp.example.com/mcp?key=hunter2").unwrap());
            assert!(!format!("{shown} {shown:?}").contains("hunter2"));
        }
    }

    mod rfc9728_3_3 {
        use super::*;

        #[test]
        fn only_the_resource_or_its_parent_on_one_origin_covers() {
            let upstream = Url::parse("https://mcp.example.com/public/mcp").unwrap();
            let table = [
                ("equal", "https://mcp.example.com/public/mcp", true),
                ("equal but for the case of the host", "https://MCP.example.com/public/mcp", true),
                ("equal but for the default port", "https://mcp.example.com:443/public/mcp", true),
                ("a slash more", "https://mcp.example.com/public/mcp/", true),
                ("the parent", "https://mcp.example.com/public", true),
                ("the parent with a slash", "https://mcp.example.com/public/", true),
                ("the origin", "https://mcp.example.com", true),
                ("another origin", "https://evil.example.com/public/mcp", false),
                ("another port", "https://mcp.example.com:8443/public/mcp", false),
                ("another scheme", "http://mcp.example.com/public/mcp", false),
                ("a sibling", "https://mcp.example.com/public/other", false),
                ("a child", "https://mcp.example.com/public/mcp/x", false),
                ("half a segment", "https://mcp.example.com/pub", false),
                ("another case of the path", "https://mcp.example.com/Public", false),
                ("a sibling by dots", "https://mcp.example.com/public/../other", false),
                ("an encoded slash", "https://mcp.example.com/public%2Fmcp", false),
                ("a query", "https://mcp.example.com/public/mcp?a=1", false),
                ("a fragment", "https://mcp.example.com/public/mcp#x", false),
                ("a user name", "https://mcp.example.com@evil.example/public/mcp", false),
                ("no URL", "mcp.example.com", false),
                ("an opaque one", "urn:mcp", false),
                ("empty", "", false),
            ];
            for (name, published, expected) in table {
                assert_eq!(covers(published, &upstream), expected, "{name}");
            }
        }

        #[test]
        fn a_query_must_be_the_same() {
            let upstream = Url::parse("https://mcp.example.com/mcp?tenant=1").unwrap();
            assert!(covers("https://mcp.example.com/mcp?tenant=1", &upstream));
            assert!(covers("https://mcp.example.com/mcp", &upstream));
            assert!(!covers("https://mcp.example.com/mcp?tenant=2", &upstream));
            assert!(!covers("https://mcp.example.com/?tenant=1", &upstream));
        }
    }
}
