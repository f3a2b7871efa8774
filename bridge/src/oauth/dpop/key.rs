//! The key of DPoP (RFC 9449): made here, kept by the caller as a secret, and the only place that signs. Its public part
//! goes into every proof, its thumbprint (RFC 7638) into tokens. It must never show its private part.

use std::fmt;

use aws_lc_rs::digest;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use serde::Serialize;
use url::Position;

use super::{Claims, DpopError};
use crate::oauth::state::random_text;
use crate::secret::Secret;

/// A P-256 key, parsed once. Cheap to sign with, some 40 µs.
pub struct DpopKey {
    pair: EcdsaKeyPair,
    pkcs8: Secret,
    /// The encoded header of every proof by it, with the dot behind.
    header: String,
    thumbprint: String,
}

/// The payload of a proof (RFC 9449 §4.2).
#[derive(Serialize)]
struct Payload<'a> {
    jti: &'a str,
    htm: &'a str,
    htu: &'a str,
    iat: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    ath: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
}

impl DpopKey {
    /// A new key.
    ///
    /// # Errors
    /// [`DpopError::Crypto`]: the system gives no randomness.
    pub fn generate() -> Result<Self, DpopError> {
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
            .map_err(|_| DpopError::Crypto)?;
        Self::from_pkcs8(&Secret::new(URL_SAFE_NO_PAD.encode(document.as_ref())))
    }

    /// A stored key: PKCS#8 (RFC 5208) in base64url.
    ///
    /// # Errors
    /// [`DpopError::KeyDamaged`]: it is no such thing.
    pub fn from_pkcs8(pkcs8: &Secret) -> Result<Self, DpopError> {
        let der = URL_SAFE_NO_PAD.decode(pkcs8.expose()).map_err(|_| DpopError::KeyDamaged)?;
        let der = zeroize::Zeroizing::new(der);
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der);
        let pair = pair.map_err(|_| DpopError::KeyDamaged)?;
        // An uncompressed point: 4, x, y (SEC 1 §2.3.3).
        let (x, y) = match pair.public_key().as_ref() {
            [4, point @ ..] if point.len() == 64 => point.split_at(32),
            _ => return Err(DpopError::KeyDamaged),
        };
        let jwk = jwk(&URL_SAFE_NO_PAD.encode(x), &URL_SAFE_NO_PAD.encode(y));
        let thumbprint = hash(&jwk);
        let header = format!(r#"{{"typ":"dpop+jwt","alg":"ES256","jwk":{jwk}}}"#);
        let header = format!("{}.", URL_SAFE_NO_PAD.encode(header));
        Ok(DpopKey { pair, pkcs8: pkcs8.clone(), header, thumbprint })
    }

    /// The private key, for the store: PKCS#8 in base64url.
    #[must_use]
    pub fn pkcs8(&self) -> &Secret {
        &self.pkcs8
    }

    /// The JWK thumbprint (RFC 7638): `dpop_jkt` (RFC 9449 §10) and `cnf.jkt` (§6.1).
    #[must_use]
    pub fn thumbprint(&self) -> &str {
        &self.thumbprint
    }

    /// A fresh proof (RFC 9449 §4.2), marked sensitive. No two are alike: send each one once.
    ///
    /// # Errors
    /// [`DpopError::Crypto`]: the system gives no randomness.
    pub fn proof(&self, claims: &Claims<'_>) -> Result<HeaderValue, DpopError> {
        let jti = random_text().map_err(|_| DpopError::Crypto)?;
        let payload = Payload {
            jti: jti.expose(),
            htm: claims.method.as_str(),
            htu: &claims.url[..Position::AfterPath],
            iat: claims.issued_at,
            ath: claims.access_token.map(|token| hash(token.expose())),
            nonce: claims.nonce.map(super::Nonce::as_str),
        };
        let payload = serde_json::to_vec(&payload).map_err(|_| DpopError::Crypto)?;
        let mut proof = self.header.clone();
        URL_SAFE_NO_PAD.encode_string(payload, &mut proof);
        let signature = self.pair.sign(&SystemRandom::new(), proof.as_bytes()).map_err(|_| DpopError::Crypto)?;
        proof.push('.');
        URL_SAFE_NO_PAD.encode_string(signature.as_ref(), &mut proof);
        let mut proof = HeaderValue::try_from(proof).map_err(|_| DpopError::Crypto)?;
        proof.set_sensitive(true);
        Ok(proof)
    }
}

/// The public key, its members in the order that the thumbprint demands (RFC 7638 §3.2, RFC 7518 §6.2.1).
fn jwk(x: &str, y: &str) -> String {
    format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#)
}

/// SHA-256 in base64url: a thumbprint (RFC 7638 §3.1), `ath` (RFC 9449 §4.2).
fn hash(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, text.as_bytes()))
}

impl fmt::Debug for DpopKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DpopKey({})", self.thumbprint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc9449_6_1_the_thumbprint_is_that_of_the_rfc() {
        let (x, y) = ("l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs", "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA");
        assert_eq!(hash(&jwk(x, y)), "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
    }

    #[test]
    fn rfc9449_7_1_ath_is_that_of_the_rfc() {
        let token = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
        assert_eq!(hash(token), "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo");
    }
}
