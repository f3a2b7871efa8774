//! An assertion that somebody else has issued, exchanged for a token (RFC 7523 §2.1): a workload's identity, or an ID-JAG.
//! What it says is between its issuer and the server; that it is for this server its sender has seen to. The answer goes to `token_response::judge`.

use bytes::Bytes;
use http::Request;

use crate::oauth::client_authentication::ClientAuthentication;
use crate::oauth::endpoint::Endpoint;
use crate::oauth::request::Form;
use crate::secret::{Secret, SentSecrets};

/// The grant's name.
pub const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// What the exchange proves, and what the token is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JwtBearerGrant<'a> {
    /// `assertion`.
    pub assertion: &'a Secret,
    /// `scope`.
    pub scope: Option<&'a str>,
    /// `resource`.
    pub resource: Option<&'a str>,
}

impl JwtBearerGrant<'_> {
    /// What [`request`] sends that the answer must not be shown with.
    #[must_use]
    pub fn sent(&self, client: Option<&ClientAuthentication>) -> SentSecrets {
        let sent = [self.assertion].into();
        match client {
            Some(client) => client.sent_with(sent),
            None => sent,
        }
    }
}

/// The token request; without a client the assertion alone tells who asks (RFC 7521 §4.1). Its body is wiped on drop; do not
/// show it.
#[must_use]
pub fn request(
    token_endpoint: &Endpoint,
    client: Option<&ClientAuthentication>,
    grant: &JwtBearerGrant<'_>,
) -> Request<Bytes> {
    let mut form = Form::new();
    form.push("grant_type", GRANT_TYPE);
    form.push("assertion", grant.assertion.expose());
    form.push_some("scope", grant.scope);
    form.push_some("resource", grant.resource);
    super::post(token_endpoint, client, form)
}

#[cfg(test)]
mod tests {
    use super::{JwtBearerGrant, request};
    use crate::oauth::client_authentication::ClientAuthentication;
    use crate::oauth::endpoint::{Endpoint, UrlRule};
    use crate::secret::Secret;

    mod rfc7523_2_1 {
        use super::*;

        #[test]
        fn the_request_sends_the_assertion_and_the_client_if_there_is_one() {
            let endpoint =
                Endpoint::parse("token_endpoint", "https://as.example.com/token", &UrlRule::default()).unwrap();
            let client = ClientAuthentication::None { client_id: "c".to_owned() };
            let assertion = Secret::new("a.b.c-signature");
            let grant = JwtBearerGrant { assertion: &assertion, scope: Some("s"), resource: Some("https://r") };
            let alone = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=a.b.c-signature&\
                         scope=s&resource=https%3A%2F%2Fr";
            assert_eq!(request(&endpoint, None, &grant).body(), alone);
            assert_eq!(request(&endpoint, Some(&client), &grant).body(), &format!("{alone}&client_id=c"));
        }

        #[test]
        fn the_assertion_is_hidden_in_what_the_server_says_of_it() {
            let assertion = Secret::new("a.b.c-signature");
            let grant = JwtBearerGrant { assertion: &assertion, scope: None, resource: None };
            assert_eq!(grant.sent(None).hidden_in("bad: a.b.c-signature"), "bad: [secret]");
            assert!(!format!("{grant:?}").contains("signature"));
        }
    }
}
