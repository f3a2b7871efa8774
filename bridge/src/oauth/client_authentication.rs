//! How a client proves who it is at the token endpoint: not at all, by its secret in HTTP Basic or in the form (RFC 6749
//! §2.3.1), or by an assertion (RFC 7523 §2.2). It must never decide which: the registration did. Read `grant` next.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use url::form_urlencoded::byte_serialize;
use zeroize::Zeroizing;

use super::request::Form;
use crate::secret::{Secret, SentSecrets};

/// `client_assertion_type` (RFC 7523 §2.2).
const JWT_BEARER_ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// `token_endpoint_auth_method` (RFC 7591 §2), those that are spoken here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenEndpointAuthMethod {
    /// `none`: a public client.
    None,
    /// `client_secret_basic`.
    ClientSecretBasic,
    /// `client_secret_post`.
    ClientSecretPost,
    /// `private_key_jwt` (OpenID Connect Core §9).
    PrivateKeyJwt,
}

impl TokenEndpointAuthMethod {
    /// The name in the registry of RFC 7591 §4.2.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            TokenEndpointAuthMethod::None => "none",
            TokenEndpointAuthMethod::ClientSecretBasic => "client_secret_basic",
            TokenEndpointAuthMethod::ClientSecretPost => "client_secret_post",
            TokenEndpointAuthMethod::PrivateKeyJwt => "private_key_jwt",
        }
    }

    /// The method of this name, if it is spoken here.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        use TokenEndpointAuthMethod::{ClientSecretBasic, ClientSecretPost, None, PrivateKeyJwt};
        [None, ClientSecretBasic, ClientSecretPost, PrivateKeyJwt].into_iter().find(|method| method.as_str() == name)
    }
}

/// The method for a client with a secret that was registered beforehand, where nobody says which one it was registered
/// with: basic if the server lists it or lists nothing (RFC 8414 §2: its default), else post.
#[must_use]
pub fn method_for_secret(listed: &[String]) -> TokenEndpointAuthMethod {
    use TokenEndpointAuthMethod::{ClientSecretBasic, ClientSecretPost};
    let is_listed = |method: TokenEndpointAuthMethod| listed.iter().any(|name| name == method.as_str());
    if listed.is_empty() || is_listed(ClientSecretBasic) { ClientSecretBasic } else { ClientSecretPost }
}

/// A client and its proof.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are RFC 6749's client_id and client_secret")]
pub enum ClientAuthentication {
    /// A public client: `client_id` in the form (RFC 6749 §3.2.1).
    None { client_id: String },
    /// `Authorization: Basic`, both parts form-encoded first (RFC 6749 §2.3.1), and `client_id` in the form.
    Basic { client_id: String, client_secret: Secret },
    /// Both parts in the form.
    Post { client_id: String, client_secret: Secret },
    /// A signed assertion in the form, good for one request (RFC 7521 §4.2, RFC 7523 §2.2), and `client_id`.
    Assertion { client_id: String, assertion: Secret },
}

impl ClientAuthentication {
    /// The proof for this method of secrets. Without a secret there is but one: none.
    #[must_use]
    pub fn new(client_id: String, client_secret: Option<Secret>, method: TokenEndpointAuthMethod) -> Self {
        match (method, client_secret) {
            (TokenEndpointAuthMethod::ClientSecretBasic, Some(client_secret)) => {
                ClientAuthentication::Basic { client_id, client_secret }
            }
            (TokenEndpointAuthMethod::ClientSecretPost, Some(client_secret)) => {
                ClientAuthentication::Post { client_id, client_secret }
            }
            _ => ClientAuthentication::None { client_id },
        }
    }

    /// The method that this is.
    #[must_use]
    pub fn method(&self) -> TokenEndpointAuthMethod {
        match self {
            ClientAuthentication::None { .. } => TokenEndpointAuthMethod::None,
            ClientAuthentication::Basic { .. } => TokenEndpointAuthMethod::ClientSecretBasic,
            ClientAuthentication::Post { .. } => TokenEndpointAuthMethod::ClientSecretPost,
            ClientAuthentication::Assertion { .. } => TokenEndpointAuthMethod::PrivateKeyJwt,
        }
    }

    /// Adds what belongs into the form and gives the `Authorization` header, if there is one, marked sensitive.
    pub(super) fn apply(&self, form: &mut Form) -> Option<HeaderValue> {
        match self {
            ClientAuthentication::None { client_id } => form.push("client_id", client_id),
            ClientAuthentication::Post { client_id, client_secret } => {
                form.push("client_id", client_id);
                form.push("client_secret", client_secret.expose());
            }
            ClientAuthentication::Assertion { client_id, assertion } => {
                // Not needed (RFC 7521 §4.2), but some servers look for the client's key by it.
                form.push("client_id", client_id);
                form.push("client_assertion_type", JWT_BEARER_ASSERTION);
                form.push("client_assertion", assertion.expose());
            }
            ClientAuthentication::Basic { client_id, client_secret } => {
                // Allowed (RFC 6749 §3.2.1), and the Python SDK's servers look for it before they look at the header.
                form.push("client_id", client_id);
                return basic(client_id, client_secret);
            }
        }
        None
    }

    /// What of it is secret, with what else was `sent` beside it.
    pub(super) fn sent_with(&self, mut sent: SentSecrets) -> SentSecrets {
        match self {
            ClientAuthentication::None { .. } => {}
            ClientAuthentication::Post { client_secret: proof, .. }
            | ClientAuthentication::Assertion { assertion: proof, .. } => sent.add(proof.clone()),
            ClientAuthentication::Basic { client_id, client_secret } => {
                sent.add(client_secret.clone());
                sent.add(credentials(client_id, client_secret));
            }
        }
        sent
    }
}

fn basic(client_id: &str, client_secret: &Secret) -> Option<HeaderValue> {
    let header = Zeroizing::new(format!("Basic {}", credentials(client_id, client_secret).expose()));
    // Never None: no character of base64 is refused in a header.
    let mut value = HeaderValue::from_str(&header).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// What follows `Basic` (RFC 7617 §2), both parts form-encoded first.
fn credentials(client_id: &str, client_secret: &Secret) -> Secret {
    let mut pair = Zeroizing::new(String::with_capacity(3 * (client_id.len() + client_secret.expose().len()) + 1));
    byte_serialize(client_id.as_bytes()).for_each(|piece| pair.push_str(piece));
    pair.push(':');
    byte_serialize(client_secret.expose().as_bytes()).for_each(|piece| pair.push_str(piece));
    Secret::new(STANDARD.encode(pair.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::{ClientAuthentication, TokenEndpointAuthMethod};
    use crate::oauth::endpoint::{Endpoint, UrlRule};
    use crate::oauth::request::{Form, post_form};
    use crate::secret::Secret;

    fn applied(method: TokenEndpointAuthMethod, id: &str, secret: Option<&str>) -> (Option<String>, String) {
        let mut form = Form::new();
        let header = ClientAuthentication::new(id.to_owned(), secret.map(Secret::new), method).apply(&mut form);
        assert!(header.as_ref().is_none_or(http::HeaderValue::is_sensitive));
        let at = Endpoint::parse("x", "https://as.example.com", &UrlRule::default()).unwrap();
        let body = String::from_utf8(post_form(&at, form).into_body().to_vec()).unwrap();
        (header.map(|value| value.to_str().unwrap().to_owned()), body)
    }

    mod rfc6749_2_3_1 {
        use super::*;

        #[test]
        fn basic_is_the_example_of_the_rfc() {
            let (header, body) =
                applied(TokenEndpointAuthMethod::ClientSecretBasic, "s6BhdRkqt3", Some("7Fjfp0ZBr1KtDRbnfVdmIw"));
            assert_eq!(header.unwrap(), "Basic czZCaGRSa3F0Mzo3RmpmcDBaQnIxS3REUmJuZlZkbUl3");
            assert_eq!(body, "client_id=s6BhdRkqt3", "and nothing secret in the form");
        }

        #[test]
        fn basic_form_encodes_both_parts_first() {
            let (header, _) = applied(TokenEndpointAuthMethod::ClientSecretBasic, "a:b c", Some("é%+"));
            // base64 of `a%3Ab+c:%C3%A9%25%2B`
            assert_eq!(header.unwrap(), "Basic YSUzQWIrYzolQzMlQTklMjUlMkI=");
        }

        #[test]
        fn post_puts_both_parts_into_the_form() {
            let (header, body) = applied(TokenEndpointAuthMethod::ClientSecretPost, "a", Some("b c"));
            assert_eq!((header, body.as_str()), (None, "client_id=a&client_secret=b+c"));
        }

        #[test]
        fn a_public_client_sends_its_id() {
            let (header, body) = applied(TokenEndpointAuthMethod::None, "a", Some("unused"));
            assert_eq!((header, body.as_str()), (None, "client_id=a"));
        }

        #[test]
        fn without_a_secret_there_is_no_proof() {
            let (header, body) = applied(TokenEndpointAuthMethod::ClientSecretBasic, "a", None);
            assert_eq!((header, body.as_str()), (None, "client_id=a"));
        }
    }

    #[test]
    fn rfc7523_2_2_an_assertion_stands_in_the_form_with_its_type_and_is_known_as_sent() {
        let assertion = Secret::new("a.b.signature");
        let client = ClientAuthentication::Assertion { client_id: "c".to_owned(), assertion };
        let mut form = Form::new();
        assert_eq!(client.apply(&mut form), None);
        let at = Endpoint::parse("x", "https://as.example.com", &UrlRule::default()).unwrap();
        let body = post_form(&at, form).into_body();
        assert_eq!(
            body,
            "client_id=c&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer&\
             client_assertion=a.b.signature"
        );
        assert_eq!(client.sent_with([].into()).hidden_in("bad: a.b.signature"), "bad: [secret]");
        assert_eq!(client.method(), TokenEndpointAuthMethod::PrivateKeyJwt);
    }

    #[test]
    fn a5_a_secret_is_proved_by_basic_unless_only_others_are_listed() {
        let table: [(&[&str], &str); 5] = [
            (&[], "client_secret_basic"),
            (&["client_secret_basic"], "client_secret_basic"),
            (&["none", "client_secret_post", "client_secret_basic"], "client_secret_basic"),
            (&["none", "client_secret_post"], "client_secret_post"),
            (&["none"], "client_secret_post"),
        ];
        for (listed, expected) in table {
            let names: Vec<String> = listed.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(super::method_for_secret(&names).as_str(), expected, "{listed:?}");
        }
    }

    #[test]
    fn a_name_leads_to_its_method() {
        for name in ["none", "client_secret_basic", "client_secret_post", "private_key_jwt"] {
            assert_eq!(TokenEndpointAuthMethod::from_name(name).unwrap().as_str(), name);
        }
        assert_eq!(TokenEndpointAuthMethod::from_name("client_secret_jwt"), None);
    }
}
