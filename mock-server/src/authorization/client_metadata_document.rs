//! Client ID Metadata Documents (draft-ietf-oauth-client-id-metadata-document-00): a client whose id is the URL of its
//! metadata. Nothing is fetched: the documents are part of the settings. It judges URL and document.

use serde::Deserialize;
use serde_json::Value;
use url::Url;

use crate::authorization::records::Client;
use crate::authorization::redirect_uri;
use crate::settings::AuthMethod;

/// The rule of the draft, or of MCP 2025-11-25, that a document or its URL breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DocumentFault {
    #[error("the client_id is no https URL with a path, or has a fragment, credentials or dot segments")]
    Url,
    #[error("the document is not the metadata of a client: {0}")]
    Form(String),
    #[error("the document's client_id is {0}, not its own URL to the letter")]
    OtherClientId(String),
    #[error("redirect_uris is empty or holds one that may not be registered")]
    RedirectUris,
    #[error("a document holds no client secret")]
    Secret,
    #[error("token_endpoint_auth_method is {0}: nothing but none is taken of a document")]
    AuthMethod(String),
}

/// What must stand in a document (MCP 2025-11-25, authorization) and what this server reads.
#[derive(Deserialize)]
struct Document {
    client_id: String,
    client_name: String,
    redirect_uris: Vec<String>,
    grant_types: Option<Vec<String>>,
    token_endpoint_auth_method: Option<String>,
}

/// The client that a document under this URL describes.
pub(crate) fn judged(url: &str, document: &Value) -> Result<Client, DocumentFault> {
    if !may_be_client_id(url) {
        return Err(DocumentFault::Url);
    }
    let parsed = Document::deserialize(document).map_err(|error| DocumentFault::Form(error.to_string()))?;
    if parsed.client_id != url {
        return Err(DocumentFault::OtherClientId(parsed.client_id));
    }
    if ["client_secret", "client_secret_expires_at"].iter().any(|name| document.get(name).is_some()) {
        return Err(DocumentFault::Secret);
    }
    // Absent, it would be client_secret_basic (RFC 7591 §2), for which there is no secret.
    match parsed.token_endpoint_auth_method.as_deref() {
        Some("none") => {}
        other => return Err(DocumentFault::AuthMethod(other.unwrap_or("absent").to_owned())),
    }
    if parsed.redirect_uris.is_empty() || !parsed.redirect_uris.iter().all(|uri| redirect_uri::may_be_registered(uri)) {
        return Err(DocumentFault::RedirectUris);
    }
    Ok(Client {
        id: parsed.client_id,
        name: Some(parsed.client_name),
        secret: None,
        key: None,
        secret_expires_at: None,
        auth_methods: vec![AuthMethod::None],
        redirect_uris: parsed.redirect_uris,
        grant_types: parsed.grant_types.unwrap_or_else(|| vec!["authorization_code".to_owned()]),
        registration: None,
    })
}

/// Section 3 of the draft: https, a path, no fragment, no credentials, no dot segments.
fn may_be_client_id(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else { return false };
    // A URL without a path, or with dot segments, is spelled anew by its parser.
    let as_it_stands = url.as_str() == text;
    as_it_stands
        && url.scheme() == "https"
        && url.path() != "/"
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{DocumentFault, judged};

    const URL: &str = "https://client.example/oauth/client.json";

    fn document() -> Value {
        json!({
            "client_id": URL,
            "client_name": "Example",
            "redirect_uris": ["http://127.0.0.1/callback"],
            "grant_types": ["authorization_code", "refresh_token"],
            "token_endpoint_auth_method": "none",
        })
    }

    #[test]
    fn a_document_under_its_own_url_is_a_client() {
        let client = judged(URL, &document()).unwrap();
        assert_eq!(
            (client.id.as_str(), client.may_use("refresh_token"), client.registration.is_some()),
            (URL, true, false)
        );
    }

    #[test]
    fn a_client_id_is_an_https_url_with_a_path_and_little_else() {
        for url in [
            "http://client.example/client.json",
            "https://client.example",
            "https://client.example/",
            "https://client.example/a/../client.json",
            "https://client.example/./client.json",
            "https://client.example/client.json#part",
            "https://user@client.example/client.json",
            "client.json",
        ] {
            assert_eq!(judged(url, &document()).unwrap_err(), DocumentFault::Url, "{url}");
        }
    }

    #[test]
    fn a_document_that_breaks_a_rule_is_no_client() {
        let with = |name: &str, value: Value| {
            let mut document = document();
            document[name] = value;
            document
        };
        let without = |name: &str| {
            let mut document = document();
            document.as_object_mut().unwrap().remove(name);
            document
        };
        let form = |result: Result<_, DocumentFault>| matches!(result, Err(DocumentFault::Form(_)));
        assert!(form(judged(URL, &without("client_id")).map(|_| ())));
        assert!(form(judged(URL, &without("client_name")).map(|_| ())));
        assert!(form(judged(URL, &without("redirect_uris")).map(|_| ())));
        assert!(form(judged(URL, &json!([])).map(|_| ())));
        let method = |name: &str| DocumentFault::AuthMethod(name.to_owned());
        let other = URL.replace("client.example", "Client.example");
        for (document, fault) in [
            (with("client_id", json!(other)), DocumentFault::OtherClientId(other.clone())),
            (with("redirect_uris", json!([])), DocumentFault::RedirectUris),
            (with("redirect_uris", json!(["http://client.example/"])), DocumentFault::RedirectUris),
            (with("client_secret", json!("s")), DocumentFault::Secret),
            (with("client_secret_expires_at", json!(0)), DocumentFault::Secret),
            (with("token_endpoint_auth_method", json!("client_secret_post")), method("client_secret_post")),
            (without("token_endpoint_auth_method"), method("absent")),
        ] {
            assert_eq!(judged(URL, &document).unwrap_err(), fault);
        }
    }
}
