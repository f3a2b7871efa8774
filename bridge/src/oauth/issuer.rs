//! An issuer: the identifier of an authorization server (RFC 8414 §2), kept to the letter, because it is compared to the
//! letter. It must never be compared as a URL: `https://a` and `https://A` are two issuers. Where servers call themselves
//! otherwise than they are named, [`spelling`] says which of that passes. Read `server_metadata` next.

pub mod spelling;

use std::fmt;

use url::Url;

use super::endpoint::{Endpoint, EndpointError, UrlRule};
use crate::untrusted::Untrusted;

/// An issuer identifier as it was published. Equal means equal to the letter (RFC 8414 §3.3).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Issuer {
    text: String,
    url: Url,
}

impl Issuer {
    /// Takes a member of `authorization_servers`: a URL by the [`UrlRule`], without query or fragment (RFC 8414 §2).
    pub fn parse(text: &str, rule: &UrlRule) -> Result<Self, EndpointError> {
        let endpoint = Endpoint::parse("issuer", text, rule)?;
        if endpoint.url().query().is_some() {
            return Err(EndpointError::Query { name: "issuer", url: endpoint.shown() });
        }
        Ok(Issuer { text: text.to_owned(), url: endpoint.url().clone() })
    }

    /// The identifier, to the letter.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The identifier as a URL, to ask at; not to compare.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Whether `published` is on the same origin.
    #[must_use]
    pub fn is_on_origin_of(&self, published: &str) -> bool {
        Url::parse(published).is_ok_and(|published| published.origin() == self.url.origin())
    }

    /// Whether `published` is this issuer but for one slash after a bare origin: the one difference that is tolerated
    /// (A3), as `https://a` and `https://a/` are one URL and servers mix them up.
    #[must_use]
    pub fn differs_by_final_slash(&self, published: &str) -> bool {
        let with_slash = |short: &str, long: &str| long.strip_suffix('/') == Some(short);
        self.url.path() == "/" && (with_slash(&self.text, published) || with_slash(published, &self.text))
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not through `SafeUrl`: it normalises, and two issuers that differ in a letter would look the same.
        Untrusted::new(self.text.as_str()).fmt(f)
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Issuer({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::Issuer;
    use crate::oauth::endpoint::{EndpointError, UrlRule};

    fn issuer(text: &str) -> Issuer {
        Issuer::parse(text, &UrlRule::default()).unwrap()
    }

    #[test]
    fn an_issuer_keeps_its_spelling() {
        assert_eq!(issuer("https://AS.example.com:443/a/").as_str(), "https://AS.example.com:443/a/");
    }

    #[test]
    fn an_issuer_with_a_query_is_refused() {
        let error = Issuer::parse("https://as.example.com?x=1", &UrlRule::default()).unwrap_err();
        assert!(matches!(error, EndpointError::Query { .. }));
    }

    #[test]
    fn only_a_slash_after_a_bare_origin_is_tolerated() {
        let table = [
            ("slash added", "https://a.example", "https://a.example/", true),
            ("slash missing", "https://a.example/", "https://a.example", true),
            ("equal is no difference", "https://a.example", "https://a.example", false),
            ("two slashes", "https://a.example", "https://a.example//", false),
            ("after a path", "https://a.example/t", "https://a.example/t/", false),
            ("letter case", "https://a.example", "https://A.example/", false),
            ("a port", "https://a.example", "https://a.example:443/", false),
        ];
        for (name, ours, published, expected) in table {
            assert_eq!(issuer(ours).differs_by_final_slash(published), expected, "{name}");
        }
    }
}
