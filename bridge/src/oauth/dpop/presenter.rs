//! An access token as it is shown to a resource (RFC 6750 §2.1, RFC 9449 §7.1): its header made once, its key parsed once, a
//! proof signed for every request where it is bound, and nothing done where it is not.

use http::{HeaderValue, Method};
use url::Url;

use super::{Authorization, Claims, DpopError, DpopKey, Nonce};
use crate::oauth::token_response::TokenType;
use crate::secret::Secret;

/// A token that is in use.
#[derive(Debug)]
pub struct Presenter {
    header: HeaderValue,
    /// The key and, for its hash, the token.
    bound: Option<(DpopKey, Secret)>,
}

impl Presenter {
    /// For a token, and the private key that it is bound to if it is. `None` where it cannot stand in a header.
    ///
    /// # Errors
    /// [`DpopError::KeyDamaged`].
    pub fn new(access_token: &Secret, private_key: Option<&Secret>) -> Result<Option<Self>, DpopError> {
        let scheme = if private_key.is_some() { TokenType::Dpop } else { TokenType::Bearer };
        let Ok(mut header) = HeaderValue::try_from(format!("{} {}", scheme.as_str(), access_token.expose())) else {
            return Ok(None);
        };
        header.set_sensitive(true);
        let bound = private_key.map(DpopKey::from_pkcs8).transpose()?.map(|key| (key, access_token.clone()));
        Ok(Some(Presenter { header, bound }))
    }

    /// Whether it goes with a proof.
    #[must_use]
    pub fn is_bound(&self) -> bool {
        self.bound.is_some()
    }

    /// The credentials of one request, with a proof of its own that was issued at this time (Unix seconds).
    ///
    /// # Errors
    /// [`DpopError::Crypto`].
    pub fn authorization(
        &self,
        (method, url): (&Method, &Url),
        issued_at: impl FnOnce() -> u64,
        nonce: Option<&Nonce>,
    ) -> Result<Authorization, DpopError> {
        let prove = |(key, token): &(DpopKey, Secret)| {
            key.proof(&Claims { method, url, issued_at: issued_at(), nonce, access_token: Some(token) })
        };
        let proof = self.bound.as_ref().map(prove).transpose()?;
        Ok(Authorization { value: self.header.clone(), proof })
    }
}
