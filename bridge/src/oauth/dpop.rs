//! Demonstrating Proof of Possession (RFC 9449): the key that tokens are bound to, a proof for every single request, and
//! what the two servers say of proofs and nonces. ES256 alone. It must never send, store or read a clock: who signs says
//! when. Read next: `worker::token_request` for the authorization server, `tokens::dpop` for the resource.

mod key;
mod presenter;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use url::Url;

pub use self::key::DpopKey;
pub use self::presenter::Presenter;
use super::challenge::Challenge;
use super::json;
use crate::problem::Code;
use crate::secret::Secret;
use crate::settings::DpopChoice;
use crate::untrusted::Untrusted;

/// The header of a proof (RFC 9449 §4.1).
pub const DPOP: HeaderName = HeaderName::from_static("dpop");
/// The header by which a server gives a nonce (RFC 9449 §8.1).
pub const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");
/// The algorithm of every proof (RFC 7518 §3.4).
pub const ALGORITHM: &str = "ES256";

/// The longest nonce that is kept, in bytes; it goes into a header again.
const LONGEST_NONCE: usize = 2048;
/// A difference of clocks that no server minds, in seconds.
const SMALL_SKEW: i64 = 2;

/// What one proof is for (RFC 9449 §4.2).
#[derive(Clone, Copy, Debug)]
pub struct Claims<'a> {
    /// `htm`: the method of the request.
    pub method: &'a Method,
    /// `htu`: the URL of the request; its query and fragment are left out.
    pub url: &'a Url,
    /// `iat`, in Unix seconds.
    pub issued_at: u64,
    /// `nonce`, as the server gave it.
    pub nonce: Option<&'a Nonce>,
    /// The token whose hash is `ath`; none at a token endpoint.
    pub access_token: Option<&'a Secret>,
}

/// A nonce of a server: visible ASCII without quote and backslash (RFC 9449 §8.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nonce(String);

impl Nonce {
    /// The nonce, if it is one.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_nqchar = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        let good = (1..=LONGEST_NONCE).contains(&text.len()) && text.bytes().all(is_nqchar);
        good.then(|| Nonce(text.to_owned()))
    }

    /// What an answer of any status gives for the next request (RFC 9449 §8.2); none where it gives several.
    #[must_use]
    pub fn given_by(headers: &HeaderMap) -> Option<Self> {
        let mut given = headers.get_all(DPOP_NONCE).into_iter();
        match (given.next(), given.next()) {
            (Some(nonce), None) => Nonce::parse(nonce.to_str().ok()?),
            _ => None,
        }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a server has against a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Objection {
    /// `use_dpop_nonce`: it wants its nonce in it, or a newer one (RFC 9449 §8, §9).
    UseNonce,
    /// `invalid_dpop_proof` (RFC 9449 §5, §7.1).
    InvalidProof,
}

impl Objection {
    /// What a token endpoint answers (RFC 9449 §5, §8). RFC 6749 lets it be 401 where the client proved itself by a header.
    #[must_use]
    pub fn of_token_endpoint(status: StatusCode, body: &[u8]) -> Option<Self> {
        if !matches!(status, StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED) {
            return None;
        }
        Self::from_error(json::text(&json::object(body)?, "error")?)
    }

    /// What the challenges of a resource say (RFC 9449 §7.1, §9).
    #[must_use]
    pub fn of_resource(challenges: &[Challenge]) -> Option<Self> {
        let dpop = challenges.iter().filter(|challenge| challenge.scheme == "dpop");
        dpop.filter_map(|challenge| challenge.parameter("error")).find_map(Self::from_error)
    }

    fn from_error(error: &str) -> Option<Self> {
        match error {
            "use_dpop_nonce" => Some(Objection::UseNonce),
            "invalid_dpop_proof" => Some(Objection::InvalidProof),
            _ => None,
        }
    }
}

/// How far the server's clock, by its `Date`, is ahead of `now` (Unix seconds), in seconds. `None` where it says none or the
/// two are as good as equal: then it is not the time that a proof was refused for.
#[must_use]
pub fn skew(headers: &HeaderMap, now: u64) -> Option<i64> {
    let date = httpdate::parse_http_date(headers.get(http::header::DATE)?.to_str().ok()?).ok()?;
    let theirs = date.duration_since(std::time::UNIX_EPOCH).ok()?.as_secs();
    let skew = i64::try_from(theirs).ok()?.checked_sub(i64::try_from(now).ok()?)?;
    (skew.abs() > SMALL_SKEW).then_some(skew)
}

/// Whether proofs by the algorithm that we sign with are among these.
#[must_use]
pub fn is_listed(algorithms: &[String]) -> bool {
    algorithms.iter().any(|name| name == ALGORITHM)
}

/// What is known of whether tokens are to be bound.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted<'a> {
    /// `dpop_bound_access_tokens_required` of the resource (RFC 9728 §2).
    pub by_metadata: bool,
    /// The resource's challenge is `DPoP` and no `Bearer` (RFC 9449 §7.1).
    pub by_challenge: bool,
    /// The resource's own `dpop_signing_alg_values_supported` (RFC 9728 §2) names what we sign with: it takes bound tokens.
    /// That the authorization server issues them says nothing of what its resources take.
    pub taken: bool,
    /// `dpop_signing_alg_values_supported` of the authorization server (RFC 9449 §5.1), if it was published.
    pub offered: Option<&'a [String]>,
}

impl Wanted<'_> {
    /// Whether a sign-in asks for bound tokens.
    ///
    /// # Errors
    /// [`DpopError::Algorithm`]: they are demanded, and the server does them by other algorithms only.
    pub fn decide(&self, choice: DpopChoice) -> Result<bool, DpopError> {
        let is_offered = self.offered.is_some_and(is_listed);
        let is_demanded = self.by_metadata || self.by_challenge;
        match (choice, self.offered) {
            (DpopChoice::Never, _) => Ok(false),
            (_, Some(offered)) if !is_offered && (is_demanded || choice == DpopChoice::Always) => {
                Err(DpopError::Algorithm { offered: Untrusted::new(offered.join(" ")) })
            }
            (DpopChoice::Always, _) => Ok(true),
            (DpopChoice::Auto, _) => Ok(is_demanded || self.taken && is_offered),
        }
    }
}

/// The credentials of one request: `Authorization`, and the proof where the token is bound.
#[derive(Clone, Debug)]
pub struct Authorization {
    /// `Bearer …` or `DPoP …`, marked sensitive.
    pub value: HeaderValue,
    /// The `DPoP` header, marked sensitive: it is good for a moment, with the token.
    pub proof: Option<HeaderValue>,
}

impl Authorization {
    /// Puts them where they belong, over headers of the person's.
    pub fn add_to(self, headers: &mut HeaderMap) {
        headers.insert(AUTHORIZATION, self.value);
        if let Some(proof) = self.proof {
            headers.insert(DPOP, proof);
        }
    }
}

/// Why there is no proof, or no use for one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DpopError {
    /// No key could be made, or nothing signed with it.
    #[error("no DPoP proof can be signed on this machine")]
    Crypto,
    /// What is stored is no key for ES256.
    #[error("the stored DPoP key is damaged")]
    KeyDamaged,
    /// `dpop_signing_alg_values_supported` has no ES256, and bound tokens are demanded.
    #[error(
        "tokens bound by DPoP are demanded, and the authorization server takes proofs signed by `{offered}`, not ES256"
    )]
    #[expect(missing_docs, reason = "the field is what the message shows")]
    Algorithm { offered: Untrusted },
}

impl DpopError {
    /// The stable name.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            DpopError::Crypto => Code::Internal,
            DpopError::KeyDamaged | DpopError::Algorithm { .. } => Code::DpopFailed,
        }
    }

    /// What the person can do.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            DpopError::Crypto => "check that this machine has a working source of random numbers",
            DpopError::KeyDamaged => "run `mcp-bridge login URL --force` to sign in with a new one",
            DpopError::Algorithm { .. } => {
                "ask the server's operator for ES256; `--dpop never` signs in without DPoP where the server allows it"
            }
        }
    }
}

#[cfg(test)]
mod tests;
