//! Client ID Metadata Documents (draft-ietf-oauth-client-id-metadata-document, A20): a client whose `client_id` is the URL
//! of a document that describes it, and that document. The authorization server fetches it; it must never be fetched here.
//! Read `registration` for the client that has none.

use serde_json::{Value, json};

use super::endpoint::{Endpoint, EndpointError, UrlRule};
use crate::problem::Code;
use crate::safe_url::SafeUrl;

/// The document (§4 of the draft). It never holds a secret: the client proves itself by its redirect URIs and PKCE alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientMetadataDocument {
    /// `client_id`: the URL of the document, to the letter; see [`check_url`].
    pub client_id: String,
    /// `client_name`, which the consent page shows.
    pub client_name: String,
    /// `redirect_uris`. Of a loopback address a server leaves the port free (RFC 8252 §7.3).
    pub redirect_uris: Vec<String>,
    /// `grant_types`, beside refresh_token.
    pub grant_types: Vec<&'static str>,
    /// `scope`, where one is chosen.
    pub scope: Option<String>,
}

impl ClientMetadataDocument {
    /// The document as it is served.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let grant_types: Vec<_> = self.grant_types.iter().copied().chain(["refresh_token"]).collect();
        let mut object = json!({
            "client_id": self.client_id,
            "client_name": self.client_name,
            "redirect_uris": self.redirect_uris,
            "grant_types": grant_types,
            "response_types": ["code"],
            "token_endpoint_auth_method": "none",
            "application_type": "native",
        });
        if let Some(scope) = &self.scope {
            object["scope"] = json!(scope);
        }
        object
    }
}

/// What holds the URL, for errors.
const NAME: &str = "--client-metadata-url";

/// Checks a URL that is to be a `client_id` (§3 of the draft): https, a path, no fragment, no user name, no dot segments.
/// It goes out to the letter, so what a URL parser would change is refused.
///
/// # Errors
/// [`ClientMetadataUrlError`], a variant per rule.
pub fn check_url(text: &str) -> Result<(), ClientMetadataUrlError> {
    let endpoint = Endpoint::parse(NAME, text, &UrlRule::default())?;
    let url = endpoint.shown();
    if endpoint.url().scheme() != "https" {
        return Err(ClientMetadataUrlError::NotHttps { url });
    }
    let path = path_as_typed(text);
    if path.split('/').any(is_dot_segment) {
        return Err(ClientMetadataUrlError::DotSegment { url });
    }
    if matches!(path, "" | "/") {
        return Err(ClientMetadataUrlError::NoPath { url });
    }
    if endpoint.as_str() != text {
        return Err(ClientMetadataUrlError::NotNormal { url, normal: SafeUrl::new(endpoint.url()) });
    }
    Ok(())
}

/// The path before a parser resolves what is in it.
fn path_as_typed(text: &str) -> &str {
    let after_scheme = text.split_once("://").map_or(text, |(_, rest)| rest);
    let before_query = after_scheme.split(['?', '#']).next().unwrap_or_default();
    before_query.find('/').map_or("", |at| &before_query[at..])
}

fn is_dot_segment(segment: &str) -> bool {
    matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..")
}

/// Why a URL cannot be a `client_id`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are what the message shows")]
pub enum ClientMetadataUrlError {
    /// It breaks the rule for every URL.
    #[error(transparent)]
    Url(#[from] EndpointError),
    /// http, if only to this machine: no authorization server would fetch it.
    #[error("`{NAME}` is `{url}`; a client metadata document has an https URL")]
    NotHttps { url: SafeUrl },
    /// An origin alone.
    #[error("`{NAME}` is `{url}` without a path; a client metadata document has one")]
    NoPath { url: SafeUrl },
    /// `/./` or `/../`, plain or encoded.
    #[error("`{NAME}` has a `.` or `..` in its path: `{url}`")]
    DotSegment { url: SafeUrl },
    /// Spelt in a way that programs would change, and then it is another `client_id`.
    #[error("`{NAME}` would be read as `{normal}`, which is not the same to the letter")]
    NotNormal { url: SafeUrl, normal: SafeUrl },
}

impl ClientMetadataUrlError {
    /// The stable name.
    #[must_use]
    pub fn code(&self) -> Code {
        Code::InvalidSetting
    }

    /// What the person can do.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        "write the document's own `client_id`, as `https://app.example.com/oauth/client.json`"
    }
}

#[cfg(test)]
mod tests {
    use super::{ClientMetadataUrlError, check_url};

    fn kind(text: &str) -> &'static str {
        match check_url(text) {
            Ok(()) => "ok",
            Err(ClientMetadataUrlError::Url(_)) => "url",
            Err(ClientMetadataUrlError::NotHttps { .. }) => "not https",
            Err(ClientMetadataUrlError::NoPath { .. }) => "no path",
            Err(ClientMetadataUrlError::DotSegment { .. }) => "dot segment",
            Err(ClientMetadataUrlError::NotNormal { .. }) => "not normal",
        }
    }

    #[test]
    fn a20_the_url_of_a_metadata_document_keeps_every_rule() {
        let table = [
            ("a document", "https://app.example.com/oauth/client.json", "ok"),
            ("a port and a query", "https://app.example.com:8443/c?v=1", "ok"),
            ("dots in a name", "https://app.example.com/.well-known/a..b", "ok"),
            ("dots in the query", "https://app.example.com/c?x=/../", "ok"),
            ("http", "http://app.example.com/c", "url"),
            ("http on this machine", "http://127.0.0.1/c", "not https"),
            ("no path", "https://app.example.com", "no path"),
            ("a lone slash", "https://app.example.com/", "no path"),
            ("a query without a path", "https://app.example.com?x=/y", "no path"),
            ("a fragment", "https://app.example.com/c#x", "url"),
            ("a password", "https://a:b@app.example.com/c", "url"),
            ("a dot", "https://app.example.com/./c", "dot segment"),
            ("two dots", "https://app.example.com/a/../c", "dot segment"),
            ("dots at the end", "https://app.example.com/a/..", "dot segment"),
            ("encoded dots", "https://app.example.com/a/%2e%2E/c", "dot segment"),
            ("half encoded dots", "https://app.example.com/a/.%2e/c", "dot segment"),
            ("letter case of the host", "https://APP.example.com/c", "not normal"),
            ("the default port", "https://app.example.com:443/c", "not normal"),
            ("a letter that needs its encoding", "https://app.example.com/é", "not normal"),
            ("no URL", "client", "url"),
        ];
        for (name, text, expected) in table {
            assert_eq!(kind(text), expected, "{name}");
        }
    }
}
