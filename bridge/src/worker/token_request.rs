//! The one way of every request to an authorization server that may have to prove possession of a key (RFC 9449): token
//! requests of whatever grant, and revocations. It adds the proof, keeps the server's nonce, and sends once more where the
//! nonce or the clock was all that was wrong. It must never know which grant it sends, nor the store: who asks stores what
//! [`Possession::bind`] gives. Read `oauth::dpop` for the rules.

use std::fmt;

use bytes::Bytes;
use http::{Request, Response};

use crate::credentials::record::{DpopBinding, Extra, Tokens, unix_now};
use crate::http::{Egress, HttpError};
use crate::oauth::dpop::{self, Claims, DPOP, DpopError, DpopKey, Nonce, Objection};
use crate::oauth::endpoint::Endpoint;
use crate::oauth::token_response::{self, TokenError, TokenResponse, TokenType};
use crate::problem::Problem;
use crate::secret::SentSecrets;
use crate::settings::DpopChoice;

/// Sends a token request and judges the answer. `request` makes it, and says what the answer is not shown with; it is made
/// anew where it is sent once more: a code or a refresh token is not spent by a refusal of its proof (RFC 9449 §8), but a
/// client's assertion is.
///
/// # Errors
/// [`TokenRequestError`].
pub async fn ask(
    egress: &Egress,
    endpoint: &Endpoint,
    possession: &mut Possession,
    request: impl FnMut() -> Result<(Request<Bytes>, SentSecrets), Problem>,
) -> Result<TokenResponse, TokenRequestError> {
    let (answer, sent) = fetch(egress, endpoint, possession, request).await?;
    let tokens = token_response::judge(endpoint, &sent, answer.status(), answer.body())?;
    possession.judge(endpoint, &tokens)?;
    Ok(tokens)
}

/// Sends a request to `endpoint` with a fresh proof, if there is a key, and gives the answer whatever its status; sent once
/// more for a new nonce, and once for a clock that differs.
///
/// # Errors
/// Any [`TokenRequestError`] but [`TokenRequestError::Token`].
pub async fn fetch(
    egress: &Egress,
    endpoint: &Endpoint,
    possession: &mut Possession,
    mut request: impl FnMut() -> Result<(Request<Bytes>, SentSecrets), Problem>,
) -> Result<(Response<Bytes>, SentSecrets), TokenRequestError> {
    let (mut for_nonce, mut for_clock) = (false, false);
    loop {
        let (mut request, sent) = request().map_err(TokenRequestError::Unasked)?;
        possession.prove(&mut request, endpoint)?;
        let answer = egress.fetch(request).await?;
        if possession.key.is_none() {
            return Ok((answer, sent));
        }
        let given = Nonce::given_by(answer.headers());
        let is_given = given.is_some();
        possession.nonce = given.or(possession.nonce.take());
        match Objection::of_token_endpoint(answer.status(), answer.body()) {
            Some(Objection::UseNonce) if is_given && !for_nonce => for_nonce = true,
            Some(Objection::InvalidProof) if !for_clock => match dpop::skew(answer.headers(), unix_now()) {
                Some(skew) => (possession.skew, for_clock) = (skew, true),
                None => return Ok((answer, sent)),
            },
            _ => return Ok((answer, sent)),
        }
        tracing::debug!("`{endpoint}` wants another DPoP proof: asking once more");
    }
}

/// The client's side of DPoP at one authorization server; it may have none.
pub struct Possession {
    key: Option<DpopKey>,
    /// The server's latest.
    nonce: Option<Nonce>,
    /// How far the server's clock is ahead, in seconds.
    skew: i64,
    /// Tokens that are not bound are of no use.
    required: bool,
}

impl Possession {
    /// Nothing is proved.
    #[must_use]
    pub fn none() -> Self {
        Possession { key: None, nonce: None, skew: 0, required: false }
    }

    /// For new tokens, by the key of the ones before if there is one, else by a new key.
    ///
    /// # Errors
    /// [`DpopError::Crypto`].
    pub fn begin(before: Option<&Tokens>, choice: DpopChoice) -> Result<Self, DpopError> {
        let known = before.and_then(|tokens| tokens.dpop.as_ref());
        let kept = known.and_then(|known| DpopKey::from_pkcs8(&known.private_key).ok());
        let nonce = known.filter(|_| kept.is_some()).and_then(|known| Nonce::parse(known.nonce.as_deref()?));
        let key = kept.map_or_else(DpopKey::generate, Ok)?;
        Ok(Possession { key: Some(key), nonce, skew: 0, required: choice == DpopChoice::Always })
    }

    /// For a refresh of these tokens: by the key that they are bound to; where they are not, and are to be (`wanted`), by a
    /// new one, for a refresh may bind them. `None` where it cannot be done as the person wants it.
    ///
    /// # Errors
    /// [`DpopError::Crypto`].
    pub fn of_refresh(tokens: &Tokens, choice: DpopChoice, wanted: bool) -> Result<Option<Self>, DpopError> {
        match (choice, &tokens.dpop) {
            (DpopChoice::Never, Some(_)) => Ok(None),
            (_, Some(known)) if DpopKey::from_pkcs8(&known.private_key).is_err() => Ok(None),
            (DpopChoice::Never, None) => Ok(Some(Possession::none())),
            (DpopChoice::Auto, None) if !wanted => Ok(Some(Possession::none())),
            _ => Possession::begin(Some(tokens), choice).map(Some),
        }
    }

    /// The thumbprint of the key, for `dpop_jkt` (RFC 9449 §10).
    #[must_use]
    pub fn thumbprint(&self) -> Option<&str> {
        self.key.as_ref().map(DpopKey::thumbprint)
    }

    /// The tokens with the key that they are bound to, as they are kept.
    #[must_use]
    pub fn bind(&self, mut tokens: Tokens) -> Tokens {
        let nonce = self.nonce.as_ref().map(|nonce| nonce.as_str().to_owned());
        let binding = |key: &DpopKey| DpopBinding { private_key: key.pkcs8().clone(), nonce, extra: Extra::default() };
        tokens.dpop = self.key.as_ref().map(binding);
        tokens
    }

    fn prove(&self, request: &mut Request<Bytes>, endpoint: &Endpoint) -> Result<(), DpopError> {
        let Some(key) = &self.key else { return Ok(()) };
        let proof = key.proof(&Claims {
            method: request.method(),
            url: endpoint.url(),
            issued_at: unix_now().saturating_add_signed(self.skew),
            nonce: self.nonce.as_ref(),
            access_token: None,
        })?;
        request.headers_mut().insert(DPOP, proof);
        Ok(())
    }

    /// A server that does no DPoP answers Bearer, and that may be used as such (RFC 9449 §5).
    pub(super) fn judge(&self, endpoint: &Endpoint, tokens: &TokenResponse) -> Result<(), TokenError> {
        match tokens.token_type {
            TokenType::Dpop if self.key.is_none() => Err(TokenError::BoundUnasked { at: endpoint.shown() }),
            TokenType::Bearer if self.required => Err(TokenError::Unbound { at: endpoint.shown() }),
            TokenType::Dpop | TokenType::Bearer => Ok(()),
        }
    }
}

impl fmt::Debug for Possession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Possession").field("key", &self.key).field("skew", &self.skew).finish_non_exhaustive()
    }
}

/// Why there are no tokens.
#[derive(Debug, thiserror::Error)]
pub enum TokenRequestError {
    /// There is no answer.
    #[error(transparent)]
    Network(#[from] HttpError),
    /// The answer gives none.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// There is no proof.
    #[error(transparent)]
    Dpop(#[from] DpopError),
    /// There is no request: the client cannot prove itself, say.
    #[error(transparent)]
    Unasked(Problem),
}

impl From<TokenRequestError> for Problem {
    fn from(error: TokenRequestError) -> Self {
        match error {
            TokenRequestError::Network(error) => error.into(),
            TokenRequestError::Token(error) => error.into(),
            TokenRequestError::Dpop(error) => error.into(),
            TokenRequestError::Unasked(problem) => problem,
        }
    }
}

#[cfg(test)]
mod tests;
