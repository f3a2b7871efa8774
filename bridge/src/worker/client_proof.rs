//! How a client proves itself, made anew for each request: an assertion is good for one (RFC 7523 §3, `jti`). It must never
//! choose the method: `client_identity` does. The assertion itself is in `oauth::client_assertion`.

use super::given_file;
use crate::credentials::file::shown;
use crate::credentials::record::unix_now;
use crate::oauth::client_assertion::{self, Claims, SigningKey};
use crate::oauth::client_authentication::{ClientAuthentication, TokenEndpointAuthMethod};
use crate::oauth::state::State;
use crate::problem::{Code, Problem};
use crate::settings::PrivateKeyPlace;

/// A client's proof.
#[derive(Debug)]
pub enum ClientProof {
    /// The same each time: none, or the secret.
    Same(ClientAuthentication),
    /// A new assertion each time.
    Key(ClientKey),
}

/// A client that signs.
#[derive(Debug)]
pub struct ClientKey {
    client_id: String,
    key: SigningKey,
    key_id: Option<String>,
    issuer: String,
}

impl ClientProof {
    /// The proof by the key at this place, for the authorization server of this issuer.
    ///
    /// # Errors
    /// A file that cannot be read or holds no key, named.
    pub(super) fn by_key(place: &PrivateKeyPlace, client_id: &str, issuer: &str) -> Result<ClientProof, Problem> {
        let hint = "name a file with the client's private key in PEM, without a password: `--private-key-file FILE`";
        let what = "the client's private key";
        let pem = given_file::read(&place.file, what, hint)?;
        let key = SigningKey::from_pem(&pem).map_err(|error| {
            let message = format!("`{}`, which should hold {what}, is of no use: {error}", shown(&place.file));
            Problem::new(Code::InvalidSetting, message, hint)
        })?;
        let (client_id, issuer) = (client_id.to_owned(), issuer.to_owned());
        Ok(ClientProof::Key(ClientKey { client_id, key, key_id: place.id.clone(), issuer }))
    }

    /// The method that this is.
    #[must_use]
    pub fn method(&self) -> TokenEndpointAuthMethod {
        match self {
            ClientProof::Same(proof) => proof.method(),
            ClientProof::Key(_) => TokenEndpointAuthMethod::PrivateKeyJwt,
        }
    }

    /// The proof for one request.
    ///
    /// # Errors
    /// A key that does not sign, or a system without random bytes.
    pub fn now(&self) -> Result<ClientAuthentication, Problem> {
        let signer = match self {
            ClientProof::Same(proof) => return Ok(proof.clone()),
            ClientProof::Key(signer) => signer,
        };
        let jti = State::generate()?;
        let claims =
            Claims { client_id: &signer.client_id, audience: &signer.issuer, now: unix_now(), jti: jti.0.expose() };
        let assertion = client_assertion::sign(&signer.key, signer.key_id.as_deref(), &claims);
        let assertion = assertion.map_err(|error| {
            let message = format!("the client's assertion cannot be signed: {error}");
            Problem::new(Code::InvalidSetting, message, "choose another key with `--private-key-file FILE`")
        })?;
        Ok(ClientAuthentication::Assertion { client_id: signer.client_id.clone(), assertion })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const KEY: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g\n-----END PRIVATE KEY-----\n";

    fn by_key(content: &str) -> Result<ClientProof, Problem> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content.as_bytes()).unwrap();
        let place = PrivateKeyPlace { file: file.path().to_owned(), id: None };
        ClientProof::by_key(&place, "c", "https://as.example")
    }

    #[test]
    fn rfc7523_3_each_request_has_an_assertion_of_its_own() {
        let proof = by_key(KEY).unwrap();
        assert_eq!(proof.method(), TokenEndpointAuthMethod::PrivateKeyJwt);
        assert_ne!(proof.now().unwrap(), proof.now().unwrap());
    }

    #[test]
    fn a_file_without_a_key_is_named_and_not_quoted() {
        for content in ["hunter2", "-----BEGIN PRIVATE KEY-----\nhunter2=\n-----END PRIVATE KEY-----\n"] {
            let problem = by_key(content).unwrap_err();
            assert_eq!(problem.code, Code::InvalidSetting);
            assert!(!problem.message.contains("hunter2"), "{problem}");
        }
    }
}
