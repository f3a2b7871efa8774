//! A refresh token exchanged for new tokens (RFC 6749 §6, RFC 8707 §2.2). `scope` is left out where the server allows it: it
//! stays as granted. The answer goes to `token_response::judge`, then to `TokenResponse::after_refresh`.

use bytes::Bytes;
use http::Request;

use crate::oauth::client_authentication::ClientAuthentication;
use crate::oauth::endpoint::Endpoint;
use crate::oauth::request::Form;
use crate::secret::{Secret, SentSecrets};

/// What [`request`] sends that the answer must not be shown with.
#[must_use]
pub fn sent(client: &ClientAuthentication, refresh_token: &Secret) -> SentSecrets {
    client.sent_with([refresh_token].into())
}

/// The token request. Its body is wiped on drop; do not show it.
#[must_use]
pub fn request(
    token_endpoint: &Endpoint,
    client: &ClientAuthentication,
    refresh_token: &Secret,
    resource: Option<&str>,
    scope: Option<&str>,
) -> Request<Bytes> {
    let mut form = Form::new();
    form.push("grant_type", "refresh_token");
    form.push("refresh_token", refresh_token.expose());
    form.push_some("resource", resource);
    form.push_some("scope", scope);
    super::post(token_endpoint, Some(client), form)
}

#[cfg(test)]
mod tests {
    use super::request;
    use crate::oauth::client_authentication::ClientAuthentication;
    use crate::oauth::endpoint::{Endpoint, UrlRule};
    use crate::secret::Secret;

    #[test]
    fn rfc6749_6_a_refresh_sends_the_token_and_the_resource_but_no_scope() {
        let endpoint = Endpoint::parse("token_endpoint", "https://as.example.com/token", &UrlRule::default()).unwrap();
        let client = ClientAuthentication::Post { client_id: "c".to_owned(), client_secret: Secret::new("s") };
        let request = request(&endpoint, &client, &Secret::new("rt"), Some("https://mcp.example.com/mcp"), None);
        assert_eq!(
            request.body(),
            "grant_type=refresh_token&refresh_token=rt&resource=https%3A%2F%2Fmcp.example.com%2Fmcp&client_id=c&\
             client_secret=s"
        );
    }
}
