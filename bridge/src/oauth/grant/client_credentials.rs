//! The client's own credentials exchanged for a token (RFC 6749 §4.4, RFC 8707 §2.2): no person takes part. A client that
//! proves nothing must never ask so. The answer goes to `token_response::judge`; a refresh token is not used (§4.4.3).

use bytes::Bytes;
use http::Request;

use crate::oauth::client_authentication::ClientAuthentication;
use crate::oauth::endpoint::Endpoint;
use crate::oauth::request::Form;
use crate::secret::SentSecrets;

/// What the token is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientCredentialsGrant<'a> {
    /// `scope`.
    pub scope: Option<&'a str>,
    /// `resource`.
    pub resource: Option<&'a str>,
}

/// What [`request`] sends that the answer must not be shown with.
#[must_use]
pub fn sent(client: &ClientAuthentication) -> SentSecrets {
    client.sent_with([].into())
}

/// The token request. Its body is wiped on drop; do not show it.
#[must_use]
pub fn request(
    token_endpoint: &Endpoint,
    client: &ClientAuthentication,
    grant: &ClientCredentialsGrant<'_>,
) -> Request<Bytes> {
    let mut form = Form::new();
    form.push("grant_type", "client_credentials");
    form.push_some("scope", grant.scope);
    form.push_some("resource", grant.resource);
    super::post(token_endpoint, Some(client), form)
}

#[cfg(test)]
mod tests {
    use super::{ClientCredentialsGrant, request, sent};
    use crate::oauth::client_authentication::ClientAuthentication;
    use crate::oauth::endpoint::{Endpoint, UrlRule};
    use crate::secret::Secret;

    mod rfc6749_4_4_2 {
        use super::*;

        #[test]
        fn the_request_sends_scope_resource_and_the_clients_proof() {
            let endpoint =
                Endpoint::parse("token_endpoint", "https://as.example.com/token", &UrlRule::default()).unwrap();
            let client = ClientAuthentication::Post { client_id: "c".to_owned(), client_secret: Secret::new("s3cret") };
            let grant = ClientCredentialsGrant { scope: Some("a b"), resource: Some("https://mcp.example.com/mcp") };
            assert_eq!(
                request(&endpoint, &client, &grant).body(),
                "grant_type=client_credentials&scope=a+b&resource=https%3A%2F%2Fmcp.example.com%2Fmcp&client_id=c&\
                 client_secret=s3cret"
            );
            assert_eq!(sent(&client).hidden_in("s3cret"), "[secret]");
        }
    }
}
