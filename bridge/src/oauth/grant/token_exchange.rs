//! An ID token exchanged for an identity assertion, the ID-JAG (RFC 8693; MCP's Enterprise-Managed Authorization §4): who
//! signed in at the company's identity provider is known to the authorization server by it. It must never take the answer
//! for an access token. What comes of it goes to `jwt_bearer`.

use bytes::Bytes;
use http::{Request, StatusCode};

use crate::oauth::client_authentication::ClientAuthentication;
use crate::oauth::endpoint::Endpoint;
use crate::oauth::json::{self, Object};
use crate::oauth::request::Form;
use crate::oauth::token_response::{self, TokenError};
use crate::safe_url::SafeUrl;
use crate::secret::{Secret, SentSecrets};
use crate::untrusted::Untrusted;

/// The type of an identity assertion.
const ID_JAG: &str = "urn:ietf:params:oauth:token-type:id-jag";

/// What is exchanged, and what for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenExchangeGrant<'a> {
    /// `subject_token`: the ID token.
    pub id_token: &'a Secret,
    /// `audience`: the issuer of the authorization server that the assertion is for.
    pub audience: &'a str,
    /// `resource`: the MCP server (RFC 9728).
    pub resource: &'a str,
    /// `scope`.
    pub scope: Option<&'a str>,
}

impl TokenExchangeGrant<'_> {
    /// What [`request`] sends that the answer must not be shown with.
    #[must_use]
    pub fn sent(&self, client: Option<&ClientAuthentication>) -> SentSecrets {
        let sent = [self.id_token].into();
        match client {
            Some(client) => client.sent_with(sent),
            None => sent,
        }
    }
}

/// The request to the identity provider's token endpoint. Its body is wiped on drop; do not show it.
#[must_use]
pub fn request(
    token_endpoint: &Endpoint,
    client: Option<&ClientAuthentication>,
    grant: &TokenExchangeGrant<'_>,
) -> Request<Bytes> {
    let mut form = Form::new();
    form.push("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange");
    form.push("requested_token_type", ID_JAG);
    form.push("audience", grant.audience);
    form.push("resource", grant.resource);
    form.push_some("scope", grant.scope);
    form.push("subject_token", grant.id_token.expose());
    form.push("subject_token_type", "urn:ietf:params:oauth:token-type:id_token");
    super::post(token_endpoint, client, form)
}

/// Judges the identity provider's answer (RFC 8693 §2.2): the assertion, if it is one. Its words are kept without what was
/// `sent`.
///
/// # Errors
/// [`TokenError`]
pub fn judge(endpoint: &Endpoint, sent: &SentSecrets, status: StatusCode, body: &[u8]) -> Result<Secret, TokenError> {
    token_response::judge_by(read, endpoint, sent, status, body)
}

/// `access_token` holds the assertion for historical reasons; `issued_token_type` says what it is.
fn read(at: SafeUrl, object: &Object) -> Result<Secret, TokenError> {
    let issued = json::text(object, "issued_token_type");
    if issued != Some(ID_JAG) {
        let issued = Untrusted::new(issued.unwrap_or("(none)"));
        return Err(TokenError::IssuedTokenType { at, issued, expected: ID_JAG });
    }
    let assertion = json::text(object, "access_token").ok_or(TokenError::NoAccessToken { at })?;
    Ok(Secret::new(assertion))
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::{TokenExchangeGrant, judge, request};
    use crate::oauth::client_authentication::ClientAuthentication;
    use crate::oauth::endpoint::{Endpoint, UrlRule};
    use crate::oauth::token_response::TokenError;
    use crate::secret::Secret;

    fn endpoint() -> Endpoint {
        Endpoint::parse("--idp-token-endpoint", "https://idp.example.com/token", &UrlRule::default()).unwrap()
    }

    #[test]
    fn rfc8693_2_1_the_request_names_audience_resource_and_both_types() {
        let id_token = Secret::new("id.token.signature");
        let grant = TokenExchangeGrant {
            id_token: &id_token,
            audience: "https://as.example.com",
            resource: "https://mcp.example.com/mcp",
            scope: Some("s"),
        };
        let client = ClientAuthentication::None { client_id: "c".to_owned() };
        assert_eq!(
            request(&endpoint(), Some(&client), &grant).body(),
            "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&\
             requested_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aid-jag&\
             audience=https%3A%2F%2Fas.example.com&resource=https%3A%2F%2Fmcp.example.com%2Fmcp&scope=s&\
             subject_token=id.token.signature&\
             subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aid_token&client_id=c"
        );
        assert_eq!(grant.sent(Some(&client)).hidden_in("id.token.signature"), "[secret]");
    }

    mod rfc8693_2_2 {
        use super::*;

        fn judged(status: u16, body: &str) -> Result<Secret, TokenError> {
            judge(&endpoint(), &[].into(), StatusCode::from_u16(status).unwrap(), body.as_bytes())
        }

        #[test]
        fn an_identity_assertion_is_taken_whatever_its_token_type_says() {
            for kind in ["N_A", "n_a", "Bearer"] {
                let body = format!(
                    r#"{{"access_token":"jag","issued_token_type":"urn:ietf:params:oauth:token-type:id-jag","token_type":"{kind}"}}"#
                );
                assert_eq!(judged(200, &body), Ok(Secret::new("jag")), "{kind}");
            }
        }

        #[test]
        fn what_was_not_asked_for_is_no_assertion() {
            let other = "urn:ietf:params:oauth:token-type:access_token";
            for body in [
                format!(r#"{{"access_token":"t","issued_token_type":"{other}","token_type":"Bearer"}}"#),
                r#"{"access_token":"t","token_type":"Bearer"}"#.to_owned(),
            ] {
                assert!(matches!(judged(200, &body), Err(TokenError::IssuedTokenType { .. })), "{body}");
            }
            let empty = r#"{"issued_token_type":"urn:ietf:params:oauth:token-type:id-jag"}"#;
            assert!(matches!(judged(200, empty), Err(TokenError::NoAccessToken { .. })));
        }

        #[test]
        fn a_refusal_is_that_of_a_token_endpoint() {
            let refused = judged(400, r#"{"error":"invalid_grant","error_description":"no"}"#);
            assert!(matches!(refused, Err(TokenError::Refused { .. })));
        }
    }
}
