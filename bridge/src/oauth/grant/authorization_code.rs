//! The code exchanged for tokens (RFC 6749 §4.1.3, RFC 7636 §4.5, RFC 8707 §2.2). It must never be sent twice: a code is
//! used once. The answer goes to `token_response::judge`.

use bytes::Bytes;
use http::Request;

use crate::oauth::client_authentication::ClientAuthentication;
use crate::oauth::endpoint::Endpoint;
use crate::oauth::request::Form;
use crate::secret::{Secret, SentSecrets};

/// What the exchange proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizationCodeGrant<'a> {
    /// `code`.
    pub code: &'a Secret,
    /// `redirect_uri`, as in the authorization request.
    pub redirect_uri: &'a str,
    /// `code_verifier`.
    pub verifier: &'a Secret,
    /// `resource`, as in the authorization request.
    pub resource: Option<&'a str>,
}

impl AuthorizationCodeGrant<'_> {
    /// What [`request`] sends that the answer must not be shown with.
    #[must_use]
    pub fn sent(&self, client: &ClientAuthentication) -> SentSecrets {
        client.sent_with([self.code, self.verifier].into())
    }
}

/// The token request. Its body is wiped on drop; do not show it.
#[must_use]
pub fn request(
    token_endpoint: &Endpoint,
    client: &ClientAuthentication,
    grant: &AuthorizationCodeGrant<'_>,
) -> Request<Bytes> {
    let mut form = Form::new();
    form.push("grant_type", "authorization_code");
    form.push("code", grant.code.expose());
    form.push("redirect_uri", grant.redirect_uri);
    form.push("code_verifier", grant.verifier.expose());
    form.push_some("resource", grant.resource);
    super::post(token_endpoint, Some(client), form)
}

#[cfg(test)]
mod tests {
    use super::{AuthorizationCodeGrant, request};
    use crate::oauth::client_authentication::{ClientAuthentication, TokenEndpointAuthMethod};
    use crate::oauth::endpoint::{Endpoint, UrlRule};
    use crate::secret::Secret;

    mod rfc6749_4_1_3 {
        use super::*;

        #[test]
        fn the_exchange_sends_code_redirect_uri_verifier_and_resource() {
            let endpoint =
                Endpoint::parse("token_endpoint", "https://as.example.com/token", &UrlRule::default()).unwrap();
            let client = ClientAuthentication::None { client_id: "c".to_owned() };
            let grant = AuthorizationCodeGrant {
                code: &Secret::new("c+1"),
                redirect_uri: "http://127.0.0.1:1/callback",
                verifier: &Secret::new("v"),
                resource: Some("https://mcp.example.com/mcp"),
            };
            let request = request(&endpoint, &client, &grant);
            assert_eq!(request.method(), "POST");
            assert_eq!(request.headers()["accept"], "application/json");
            assert_eq!(
                request.body(),
                "grant_type=authorization_code&code=c%2B1&redirect_uri=http%3A%2F%2F127.0.0.1%3A1%2Fcallback&\
                 code_verifier=v&resource=https%3A%2F%2Fmcp.example.com%2Fmcp&client_id=c"
            );
            assert!(!format!("{grant:?}").contains("c+1"));
        }

        #[test]
        fn what_is_sent_is_known_in_every_form() {
            let method = TokenEndpointAuthMethod::ClientSecretBasic;
            let client = ClientAuthentication::new("client".to_owned(), Some(Secret::new("p4ssword")), method);
            let (code, verifier) = (Secret::new("the-code"), Secret::new("the-verifier"));
            let grant = AuthorizationCodeGrant { code: &code, redirect_uri: "z", verifier: &verifier, resource: None };
            let echo = "the-code the-verifier p4ssword Y2xpZW50OnA0c3N3b3Jk client";
            assert_eq!(grant.sent(&client).hidden_in(echo), "[secret] [secret] [secret] [secret] client");
        }

        #[test]
        fn an_authorization_header_is_not_shown() {
            let endpoint = Endpoint::parse("x", "https://as.example.com/token", &UrlRule::default()).unwrap();
            let method = TokenEndpointAuthMethod::ClientSecretBasic;
            let client = ClientAuthentication::new("c".to_owned(), Some(Secret::new("s")), method);
            let (code, verifier) = (Secret::new("x"), Secret::new("y"));
            let grant = AuthorizationCodeGrant { code: &code, redirect_uri: "z", verifier: &verifier, resource: None };
            let request = request(&endpoint, &client, &grant);
            assert_eq!(format!("{:?}", request.headers()["authorization"]), "Sensitive");
            assert_eq!(
                request.body(),
                "grant_type=authorization_code&code=x&redirect_uri=z&code_verifier=y&client_id=c"
            );
        }
    }
}
