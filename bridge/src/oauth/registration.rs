//! Dynamic client registration (RFC 7591): what is sent, and what the answer makes of the client. It must never choose a
//! name or a redirect URI, nor store anything. Read `client_authentication` next.

use bytes::Bytes;
use http::{Request, StatusCode};
use serde_json::{Value, json};

use super::client_authentication::TokenEndpointAuthMethod;
use super::endpoint::Endpoint;
use super::json::{self, Object};
use super::request;
use crate::problem::Code;
use crate::safe_url::SafeUrl;
use crate::secret::Secret;
use crate::untrusted::Untrusted;

/// The grant type of a client that a person signs in to by a browser (RFC 6749 §4.1).
pub const AUTHORIZATION_CODE: &str = "authorization_code";

/// What a client asks to be registered as (RFC 7591 §2; A6). `application_type` is always native.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientMetadata {
    /// `client_name`, which the consent page shows.
    pub client_name: String,
    /// `redirect_uris`; none for a grant that redirects nobody.
    pub redirect_uris: Vec<String>,
    /// `grant_types`, beside refresh_token. Code alone has a response type (RFC 7591 §2.1).
    pub grant_type: &'static str,
    /// `token_endpoint_auth_method`.
    pub token_endpoint_auth_method: TokenEndpointAuthMethod,
    /// `scope`, where known.
    pub scope: Option<String>,
    /// `software_id`: the same for every version.
    pub software_id: String,
    /// `software_version`.
    pub software_version: String,
}

impl ClientMetadata {
    fn to_json(&self) -> Value {
        let mut object = json!({
            "client_name": self.client_name,
            "grant_types": [self.grant_type, "refresh_token"],
            "response_types": if self.grant_type == AUTHORIZATION_CODE { vec!["code"] } else { Vec::new() },
            "token_endpoint_auth_method": self.token_endpoint_auth_method.as_str(),
            "application_type": "native",
            "software_id": self.software_id,
            "software_version": self.software_version,
        });
        if !self.redirect_uris.is_empty() {
            object["redirect_uris"] = json!(self.redirect_uris);
        }
        if let Some(scope) = &self.scope {
            object["scope"] = json!(scope);
        }
        object
    }
}

/// A registered client (RFC 7591 §3.2.1), after [`judge`]. What the answer left out is as it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientInformation {
    /// `client_id`.
    pub client_id: String,
    /// `client_secret`.
    pub client_secret: Option<Secret>,
    /// `client_secret_expires_at`, seconds since 1970; None if never (0) or without a secret.
    pub client_secret_expires_at: Option<u64>,
    /// The method to use: the answer's; without one basic with a secret, else none; never one that needs a secret that
    /// did not come.
    pub token_endpoint_auth_method: TokenEndpointAuthMethod,
    /// `redirect_uris` as registered.
    pub redirect_uris: Vec<String>,
}

/// Asks for a registration (RFC 7591 §3.1).
#[must_use]
pub fn request(endpoint: &Endpoint, client: &ClientMetadata) -> Request<Bytes> {
    request::post_json(endpoint, &client.to_json())
}

/// Judges the answer to what was `sent` (RFC 7591 §3.2).
pub fn judge(
    endpoint: &Endpoint,
    sent: &ClientMetadata,
    status: StatusCode,
    body: &[u8],
) -> Result<ClientInformation, RegistrationError> {
    let at = endpoint.shown();
    if status.is_server_error() || status.as_u16() == 429 {
        return Err(RegistrationError::Unavailable { at, status: status.as_u16(), words: words(body) });
    }
    if !status.is_success() {
        return Err(refusal(at, sent, status, body));
    }
    let Some(object) = json::object(body) else {
        return Err(RegistrationError::NotJson { at, status: status.as_u16(), excerpt: json::excerpt(body) });
    };
    let Some(client_id) = json::text(&object, "client_id") else {
        // Some servers refuse with status 200.
        return Err(match json::text(&object, "error") {
            Some(_) => refusal(at, sent, status, body),
            None => RegistrationError::NoClientId { at },
        });
    };
    let client_secret = json::text(&object, "client_secret").map(Secret::new);
    Ok(ClientInformation {
        client_id: client_id.to_owned(),
        client_secret_expires_at: client_secret.as_ref().and_then(|_| expires_at(&object)),
        token_endpoint_auth_method: method(&object, client_secret.is_some(), at)?,
        client_secret,
        redirect_uris: json::texts(&object, "redirect_uris").unwrap_or_else(|| sent.redirect_uris.clone()),
    })
}

fn method(object: &Object, has_secret: bool, at: SafeUrl) -> Result<TokenEndpointAuthMethod, RegistrationError> {
    let method = match json::text(object, "token_endpoint_auth_method") {
        Some(name) => TokenEndpointAuthMethod::from_name(name)
            // No key was registered.
            .filter(|method| *method != TokenEndpointAuthMethod::PrivateKeyJwt)
            .ok_or_else(|| RegistrationError::UnknownMethod { at, method: Untrusted::new(name) })?,
        None => TokenEndpointAuthMethod::ClientSecretBasic,
    };
    Ok(if has_secret { method } else { TokenEndpointAuthMethod::None })
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast to u64 saturates, and is meant to")]
fn expires_at(object: &Object) -> Option<u64> {
    json::number(object, "client_secret_expires_at").map(|seconds| seconds as u64).filter(|seconds| *seconds > 0)
}

fn refusal(at: SafeUrl, sent: &ClientMetadata, status: StatusCode, body: &[u8]) -> RegistrationError {
    let is_redirect_uri_refused =
        json::object(body).is_some_and(|object| matches!(json::text(&object, "error"), Some("invalid_redirect_uri")));
    let redirect_uris = sent.redirect_uris.join(", ");
    RegistrationError::Refused {
        at,
        status: status.as_u16(),
        words: words(body),
        is_redirect_uri_refused,
        sent: Sent { redirect_uris, method: sent.token_endpoint_auth_method.as_str() },
    }
}

/// The server's words: `error` and `error_description` (RFC 7591 §3.2.2), or an excerpt.
fn words(body: &[u8]) -> Untrusted {
    let Some(object) = json::object(body) else { return json::excerpt(body) };
    match (json::text(&object, "error"), json::text(&object, "error_description")) {
        (Some(error), Some(description)) => Untrusted::new(format!("{error}: {description}")),
        (Some(words), None) | (None, Some(words)) => Untrusted::new(words),
        (None, None) => json::excerpt(body),
    }
}

/// What of a refused registration may be the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The redirect URIs, joined.
    pub redirect_uris: String,
    /// The authentication method.
    pub method: &'static str,
}

/// Why a client is not registered. `at` is the registration endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are what the message shows")]
pub enum RegistrationError {
    /// The server said no (RFC 7591 §3.2.2).
    #[error(
        "`{at}` refused to register this client: {words} (status {status}; sent redirect_uris {redirect_uris} and \
         token_endpoint_auth_method {method})", redirect_uris = sent.redirect_uris, method = sent.method
    )]
    Refused { at: SafeUrl, status: u16, words: Untrusted, is_redirect_uri_refused: bool, sent: Sent },
    /// 5xx or 429: it says nothing about the client.
    #[error("`{at}` cannot register a client now: {words} (status {status})")]
    Unavailable { at: SafeUrl, status: u16, words: Untrusted },
    /// Success, but no JSON object.
    #[error("`{at}` answered a registration with status {status} and no JSON object: {excerpt}")]
    NotJson { at: SafeUrl, status: u16, excerpt: Untrusted },
    /// Success, but no `client_id` (RFC 7591 §3.2.1: required).
    #[error("`{at}` answered a registration without `client_id`")]
    NoClientId { at: SafeUrl },
    /// A method that is not spoken here.
    #[error("`{at}` registered this client with `token_endpoint_auth_method` {method}, which is unknown here")]
    UnknownMethod { at: SafeUrl, method: Untrusted },
}

impl RegistrationError {
    /// Whether it was the redirect URI, so that the other spelling of loopback is worth a try (A6).
    #[must_use]
    pub fn is_redirect_uri_refused(&self) -> bool {
        matches!(self, RegistrationError::Refused { is_redirect_uri_refused: true, .. })
    }

    /// The stable name.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            RegistrationError::Unavailable { .. } => Code::HttpError,
            _ => Code::RegistrationRefused,
        }
    }

    /// What the person can do.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            RegistrationError::Unavailable { .. } => "try again later; if it stays, tell the server's operator",
            RegistrationError::Refused { is_redirect_uri_refused: true, .. } => {
                "ask the server's operator which redirect URIs are allowed; `--redirect-host`, `--callback-port` and \
                 `--callback-path` set it"
            }
            RegistrationError::Refused { .. } => {
                "ask the server's operator which clients may register, or for a client id to give by `--client-id`; \
                 `--client-name` changes the name that is sent"
            }
            _ => "ask the server's operator to correct the registration endpoint",
        }
    }
}

#[cfg(test)]
mod tests;
