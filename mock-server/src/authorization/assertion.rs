//! A JWT as an assertion (RFC 7523 §3, RFC 7521 §5.2), judged strictly: signed by the key of whom it names, for us alone, not
//! expired, and where it is for one use, not used before. Whose key that is, is for its callers to know.

use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::authorization::jwt::seconds;
use crate::authorization::records::Records;
use crate::public_key::PublicKey;

/// The longest time from now that one for a single use may be good, in seconds.
const LONGEST: u64 = 3600;

/// The rule that an assertion breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AssertionFault {
    #[error("the assertion is no JWT with iss and sub")]
    NoJwt,
    #[error("the assertion is not signed by the key of its issuer")]
    Signature,
    #[error("the audience of the assertion is not this issuer, as one string")]
    Audience,
    #[error("the assertion has expired, is not good yet, or does not say until when it is")]
    Time,
    #[error("the assertion is good for more than an hour")]
    TooLong,
    #[error("the assertion has no jti, or one that was used before")]
    Reused,
}

/// What an assertion says, nothing of it checked yet.
pub(crate) struct Assertion<'a> {
    signed: &'a str,
    signature: Vec<u8>,
    header: Value,
    claims: Value,
}

impl<'a> Assertion<'a> {
    pub(crate) fn read(token: &'a str) -> Result<Self, AssertionFault> {
        let (signed, signature) = token.rsplit_once('.').ok_or(AssertionFault::NoJwt)?;
        let (header, claims) = signed.split_once('.').ok_or(AssertionFault::NoJwt)?;
        let bytes = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| AssertionFault::NoJwt);
        let json = |part: &str| serde_json::from_slice(&bytes(part)?).map_err(|_| AssertionFault::NoJwt);
        let read = Assertion { signed, signature: bytes(signature)?, header: json(header)?, claims: json(claims)? };
        if read.text("iss").is_some() && read.text("sub").is_some() { Ok(read) } else { Err(AssertionFault::NoJwt) }
    }

    /// A claim that is a text.
    pub(crate) fn text(&self, claim: &str) -> Option<&str> {
        self.claims[claim].as_str()
    }

    /// The media type (RFC 8725 §3.11).
    pub(crate) fn kind(&self) -> Option<&str> {
        self.header["typ"].as_str()
    }

    /// Signature, audience and time.
    pub(crate) fn judge(&self, key: &PublicKey, audience: &str) -> Result<(), AssertionFault> {
        let algorithm = self.header["alg"].as_str().unwrap_or_default();
        if !key.has_signed(algorithm, self.signed.as_bytes(), &self.signature) {
            return Err(AssertionFault::Signature);
        }
        if self.text("aud") != Some(audience) {
            return Err(AssertionFault::Audience);
        }
        let now = seconds(SystemTime::now());
        let is_good_yet = self.claims["nbf"].as_u64().is_none_or(|from| from <= now);
        if is_good_yet && self.claims["exp"].as_u64().is_some_and(|end| end > now) {
            Ok(())
        } else {
            Err(AssertionFault::Time)
        }
    }

    /// That it is for one use (RFC 7523 §3, `jti`), and this is the first.
    pub(crate) fn use_once(&self, records: &mut Records) -> Result<(), AssertionFault> {
        if self.claims["exp"].as_u64().is_none_or(|end| end > seconds(SystemTime::now()) + LONGEST) {
            return Err(AssertionFault::TooLong);
        }
        let (issuer, jti) = (self.text("iss").unwrap_or_default(), self.text("jti").unwrap_or_default());
        if !jti.is_empty() && records.use_assertion(issuer, jti) { Ok(()) } else { Err(AssertionFault::Reused) }
    }
}
