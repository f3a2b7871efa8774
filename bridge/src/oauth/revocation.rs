//! Token revocation (RFC 7009): what is sent to end a token, and what the answer says of it. It must never decide which
//! tokens end, nor take a failure for more than it is: who signs out is signed out here whatever the server says.

use bytes::Bytes;
use http::{Request, StatusCode};

use super::client_authentication::ClientAuthentication;
use super::endpoint::Endpoint;
use super::grant;
use super::json;
use super::request::Form;
use crate::safe_url::SafeUrl;
use crate::secret::{Secret, SentSecrets};
use crate::untrusted::Untrusted;

/// `token_type_hint` (RFC 7009 §2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenTypeHint {
    /// `refresh_token`: its access tokens should end with it.
    RefreshToken,
    /// `access_token`.
    AccessToken,
}

impl TokenTypeHint {
    /// The name in the registry of RFC 7009 §4.1.2.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            TokenTypeHint::RefreshToken => "refresh_token",
            TokenTypeHint::AccessToken => "access_token",
        }
    }
}

/// Asks that a token end (RFC 7009 §2.1). The body is wiped on drop; do not show it.
#[must_use]
pub fn request(
    revocation_endpoint: &Endpoint,
    client: &ClientAuthentication,
    token: &Secret,
    hint: TokenTypeHint,
) -> Request<Bytes> {
    let mut form = Form::new();
    form.push("token", token.expose());
    form.push("token_type_hint", hint.as_str());
    grant::post(revocation_endpoint, Some(client), form)
}

/// What [`request`] sends that the answer must not be shown with.
#[must_use]
pub fn sent(client: &ClientAuthentication, token: &Secret) -> SentSecrets {
    client.sent_with([token].into())
}

/// Judges the answer to what was `sent` (RFC 7009 §2.2): after success the token is no longer good, whether it was before or not.
///
/// # Errors
/// [`RevocationError`]: the token may still be good.
pub fn judge(endpoint: &Endpoint, sent: &SentSecrets, status: StatusCode, body: &[u8]) -> Result<(), RevocationError> {
    if status.is_success() {
        return Ok(());
    }
    let (at, status) = (endpoint.shown(), status.as_u16());
    let object = json::object(body);
    let error = object.as_ref().and_then(|object| json::text(object, "error"));
    match (&object, error) {
        (_, Some("unsupported_token_type")) => Err(RevocationError::UnsupportedTokenType { at }),
        (Some(object), Some(error)) => {
            let words = match json::text(object, "error_description") {
                Some(description) => Untrusted::new(format!("{error}: {description}")),
                None => Untrusted::new(error),
            };
            Err(RevocationError::Refused { at, status, words: words.without(sent) })
        }
        _ => Err(RevocationError::Status { at, status, excerpt: json::excerpt(body).without(sent) }),
    }
}

/// Why a token may still be good. `at` is the revocation endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are what the message shows")]
pub enum RevocationError {
    /// It does not revoke tokens of this type (RFC 7009 §2.2.1).
    #[error("`{at}` does not revoke tokens of this type")]
    UnsupportedTokenType { at: SafeUrl },
    /// An error by RFC 6749 §5.2.
    #[error("`{at}` refused: {words} (status {status})")]
    Refused { at: SafeUrl, status: u16, words: Untrusted },
    /// Another status without an OAuth error; 503 asks to try again later (RFC 7009 §2.2.1).
    #[error("`{at}` answered status {status}: {excerpt}")]
    Status { at: SafeUrl, status: u16, excerpt: Untrusted },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::client_authentication::TokenEndpointAuthMethod;
    use crate::oauth::endpoint::UrlRule;

    fn judged(status: u16, body: &[u8]) -> Result<(), RevocationError> {
        let sent = SentSecrets::from([&Secret::new("rt-sent/1")]);
        judge(&endpoint(), &sent, StatusCode::from_u16(status).unwrap(), body)
    }

    fn endpoint() -> Endpoint {
        Endpoint::parse("revocation_endpoint", "https://as.example.com/revoke", &UrlRule::default()).unwrap()
    }

    mod rfc7009_2_1 {
        use super::*;

        #[test]
        fn token_hint_and_the_clients_proof_are_sent() {
            let client = |method| ClientAuthentication::new("c".to_owned(), Some(Secret::new("s")), method);
            let token = Secret::new("t+1");
            let public = client(TokenEndpointAuthMethod::None);
            let sent = request(&endpoint(), &public, &token, TokenTypeHint::RefreshToken);
            assert_eq!(sent.body(), "token=t%2B1&token_type_hint=refresh_token&client_id=c");
            assert_eq!((sent.method(), sent.uri().to_string().as_str()), (&http::Method::POST, endpoint().as_str()));
            let basic = client(TokenEndpointAuthMethod::ClientSecretBasic);
            let sent = request(&endpoint(), &basic, &token, TokenTypeHint::AccessToken);
            assert_eq!(format!("{:?}", sent.headers()["authorization"]), "Sensitive");
            assert!(!sent.body().windows(13).any(|part| part == b"client_secret"));
        }
    }

    mod rfc7009_2_2 {
        use super::*;

        #[test]
        fn success_means_gone_and_everything_else_says_why_not() {
            let table = [
                ("success", 200, "", "gone"),
                ("success in other words", 204, "", "gone"),
                ("an access token", 400, r#"{"error":"unsupported_token_type"}"#, "unsupported"),
                ("another client", 401, r#"{"error":"invalid_client"}"#, "refused"),
                ("trouble in OAuth's words", 503, r#"{"error":"temporarily_unavailable"}"#, "refused"),
                ("trouble", 503, "<h1>Later</h1>", "status"),
                ("no such page", 404, "", "status"),
                ("a redirect", 302, "", "status"),
            ];
            for (name, status, body, expected) in table {
                let kind = match judged(status, body.as_bytes()) {
                    Ok(()) => "gone",
                    Err(RevocationError::UnsupportedTokenType { .. }) => "unsupported",
                    Err(RevocationError::Refused { .. }) => "refused",
                    Err(RevocationError::Status { .. }) => "status",
                };
                assert_eq!(kind, expected, "{name}");
            }
        }

        #[test]
        fn the_servers_words_are_shown_and_a_token_that_it_echoes_is_not() {
            let body = br#"{"error":"invalid_client","error_description":"who? rt-sent\/1"}"#;
            let refused = judged(401, body).unwrap_err().to_string();
            assert!(refused.contains("invalid_client: who? [secret] (status 401)"), "{refused}");
            for body in ["token=hunter2", "<p>rt-sent/1"] {
                let page = judged(400, body.as_bytes()).unwrap_err().to_string();
                assert!(!page.contains("hunter2") && !page.contains("rt-sent"), "{page}");
            }
        }
    }
}
