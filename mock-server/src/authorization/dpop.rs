//! Proofs of possession (RFC 9449 §4.3), judged strictly: form, key, signature, request, time, nonce, and none twice. It
//! knows no token but by its text: what one is bound to is compared by the token endpoint and by the resource's gate.

use std::collections::HashSet;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::DATE;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use jsonwebtoken::jwk::{Jwk, ThumbprintHash};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde::Deserialize;
use serde_json::Value;

use crate::authorization::jwt::seconds;
use crate::faults::Fault;
use crate::mcp::outages::http_date;
use crate::random;
use crate::state::{ServerState, lock};

/// The header of a proof, in lower case.
pub(crate) const DPOP: &str = "dpop";
/// The header that gives a nonce, in lower case (RFC 9449 §8.1).
pub(crate) const DPOP_NONCE: &str = "dpop-nonce";

/// How old a proof may be, and how far ahead of our clock, in seconds.
const WINDOW: u64 = 60;

/// Which of the two servers is asked: each has nonces of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    AuthorizationServer,
    Resource,
}

/// What a proof must be for.
#[derive(Clone, Copy)]
pub(crate) struct Expected<'a> {
    pub(crate) role: Role,
    pub(crate) method: &'a Method,
    pub(crate) url: &'a str,
    /// The token that it comes with, at a resource.
    pub(crate) access_token: Option<&'a str>,
}

/// Why a proof is refused (RFC 9449 §4.3).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ProofFault {
    #[error("there is no DPoP proof")]
    Missing,
    #[error("there is more than one DPoP proof")]
    Several,
    #[error("the DPoP proof is no JWT with a jwk in its header")]
    NoJwt,
    #[error("the type of the DPoP proof is not dpop+jwt")]
    Type,
    #[error("the DPoP proof is not signed by ES256")]
    Algorithm,
    #[error("the jwk of the DPoP proof holds a private key")]
    PrivateKey,
    #[error("the signature of the DPoP proof is not of its jwk, or a claim is missing")]
    Signature,
    #[error("the DPoP proof is for the method {found}, not for {expected}")]
    Method { found: String, expected: String },
    #[error("the DPoP proof is for the URL {found}, not for {expected}")]
    Url { found: String, expected: String },
    #[error("the DPoP proof is too old, or from the future")]
    Time,
    #[error("the DPoP proof was used before")]
    Replay,
    #[error("the DPoP proof is not for this access token")]
    Token,
    #[error("refused on purpose")]
    OnPurpose,
    /// RFC 9449 §8, §9: not the proof is wrong, but it lacks the nonce or has an old one.
    #[error("the DPoP proof must have the nonce that is given")]
    Nonce(Option<String>),
}

impl ProofFault {
    /// The error code of RFC 9449 §12.2.
    pub(crate) fn code(&self) -> &'static str {
        if matches!(self, ProofFault::Nonce(_)) { "use_dpop_nonce" } else { "invalid_dpop_proof" }
    }
}

#[derive(Deserialize)]
struct ProofClaims {
    jti: String,
    htm: String,
    htu: String,
    iat: u64,
    ath: Option<String>,
    nonce: Option<String>,
}

/// What is remembered of proofs and nonces.
#[derive(Default)]
pub(crate) struct Proofs {
    used: Mutex<HashSet<String>>,
    /// Of the authorization server and of the resource.
    nonces: [Mutex<Option<String>>; 2],
}

impl Proofs {
    /// The nonce that is wanted now; none only if there is no randomness.
    pub(crate) fn nonce(&self, role: Role) -> Option<String> {
        let mut current = lock(&self.nonces[role as usize]);
        if current.is_none() {
            *current = random::token().ok();
        }
        current.clone()
    }

    /// The nonce that was wanted is old now.
    pub(crate) fn change(&self, role: Role) {
        *lock(&self.nonces[role as usize]) = None;
    }
}

/// The thumbprint (RFC 7638) of the key that the request proves to have.
pub(crate) fn proved(state: &ServerState, headers: &HeaderMap, expected: Expected<'_>) -> Result<String, ProofFault> {
    let mut fields = headers.get_all(DPOP).into_iter();
    let text = match (fields.next(), fields.next()) {
        (None, _) => return Err(ProofFault::Missing),
        (Some(_), Some(_)) => return Err(ProofFault::Several),
        (Some(field), None) => field.to_str().map_err(|_| ProofFault::NoJwt)?,
    };
    state.remember_secret(text);
    let (jwk, claims) = read(text)?;
    if state.has(Fault::DpopProofRefused) {
        return Err(ProofFault::OnPurpose);
    }
    judge(&claims, expected, now(state))?;
    judge_nonce(state, &claims, expected.role)?;
    if !lock(&state.proofs.used).insert(claims.jti) {
        return Err(ProofFault::Replay);
    }
    jwk.thumbprint(ThumbprintHash::SHA256).map_err(|_| ProofFault::NoJwt)
}

/// The key and the claims of a proof that is well-formed and signed by that key.
fn read(text: &str) -> Result<(Jwk, ProofClaims), ProofFault> {
    let header = text.split('.').next().and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
    let header: Value = header.and_then(|json| serde_json::from_slice(&json).ok()).ok_or(ProofFault::NoJwt)?;
    if header["typ"] != "dpop+jwt" {
        return Err(ProofFault::Type);
    }
    if header["alg"] != "ES256" {
        return Err(ProofFault::Algorithm);
    }
    if header["jwk"].get("d").is_some() {
        return Err(ProofFault::PrivateKey);
    }
    let jwk: Jwk = serde_json::from_value(header["jwk"].clone()).map_err(|_| ProofFault::NoJwt)?;
    let key = DecodingKey::from_jwk(&jwk).map_err(|_| ProofFault::NoJwt)?;
    let mut rules = Validation::new(Algorithm::ES256);
    (rules.validate_exp, rules.validate_aud) = (false, false);
    rules.required_spec_claims.clear();
    let token = decode::<ProofClaims>(text, &key, &rules).map_err(|_| ProofFault::Signature)?;
    Ok((jwk, token.claims))
}

fn judge(claims: &ProofClaims, expected: Expected<'_>, now: u64) -> Result<(), ProofFault> {
    if claims.htm != expected.method.as_str() {
        let (found, expected) = (claims.htm.clone(), expected.method.to_string());
        return Err(ProofFault::Method { found, expected });
    }
    if claims.htu != expected.url {
        let (found, expected) = (claims.htu.clone(), expected.url.to_owned());
        return Err(ProofFault::Url { found, expected });
    }
    if claims.iat.abs_diff(now) > WINDOW {
        return Err(ProofFault::Time);
    }
    let hash = expected.access_token.map(|token| {
        let hash = digest::digest(&digest::SHA256, token.as_bytes());
        URL_SAFE_NO_PAD.encode(hash)
    });
    if claims.ath == hash { Ok(()) } else { Err(ProofFault::Token) }
}

fn judge_nonce(state: &ServerState, claims: &ProofClaims, role: Role) -> Result<(), ProofFault> {
    let (loops, none) = (state.has(Fault::DpopNonceLoop), state.has(Fault::DpopNonceNotGiven));
    if none {
        return Err(ProofFault::Nonce(None));
    }
    if loops {
        state.proofs.change(role);
        return Err(ProofFault::Nonce(state.proofs.nonce(role)));
    }
    if !state.settings.dpop_nonce {
        return Ok(());
    }
    let wanted = state.proofs.nonce(role);
    if claims.nonce != wanted {
        return Err(ProofFault::Nonce(wanted));
    }
    if state.has(Fault::DpopNonceOnce) {
        state.proofs.change(role);
    }
    Ok(())
}

/// The time by our clock, in seconds since 1970.
fn now(state: &ServerState) -> u64 {
    seconds(SystemTime::now() + Duration::from_secs(state.fault_number(Fault::ClockAhead).unwrap_or_default()))
}

/// What the answers of an endpoint of this role carry besides: the next nonce, and the time by our clock.
pub(crate) fn add_headers(state: &ServerState, role: Role, headers: &mut HeaderMap) {
    if state.settings.dpop_nonce && state.has(Fault::DpopNonceOnce) {
        add_nonce(headers, state.proofs.nonce(role).as_deref());
    }
    if state.has(Fault::ClockAhead)
        && let Ok(date) = HeaderValue::try_from(http_date(now(state)))
    {
        headers.insert(DATE, date);
    }
}

/// Gives a nonce (RFC 9449 §8.1).
pub(crate) fn add_nonce(headers: &mut HeaderMap, nonce: Option<&str>) {
    if let Some(value) = nonce.and_then(|nonce| HeaderValue::from_str(nonce).ok()) {
        headers.insert(HeaderName::from_static(DPOP_NONCE), value);
    }
}
