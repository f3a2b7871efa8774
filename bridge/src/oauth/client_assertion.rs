//! The assertion by which a client proves itself with a private key (RFC 7523 §2.2, §3; `private_key_jwt` of OpenID Connect
//! Core §9), and the key that signs it. It must never know where the key lies, a clock or who asks: time and `jti` come in.
//! Read `client_authentication` next.

#[cfg(test)]
mod tests;

use std::fmt;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair as RsaKeyPair;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::json;
use zeroize::{Zeroize, Zeroizing};

use crate::secret::Secret;

/// How long an assertion is good, in seconds: for one request, and for clocks that differ a little.
const LIFETIME: u64 = 120;

/// A private key that signs; its algorithm follows from it. Debug shows that algorithm alone.
pub struct SigningKey(Kind);

enum Kind {
    Es256(EcdsaKeyPair),
    Rs256(RsaKeyPair),
    EdDsa(Ed25519KeyPair),
}

/// What an assertion says (RFC 7523 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claims<'a> {
    /// `iss` and `sub`: the client.
    pub client_id: &'a str,
    /// `aud`: the issuer of the authorization server, one string.
    pub audience: &'a str,
    /// `iat`, in Unix seconds.
    pub now: u64,
    /// `jti`: random; each assertion has another.
    pub jti: &'a str,
}

/// Why a text is no key to sign with. The text itself is never shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SigningKeyError {
    /// No section of PEM holds a private key that can be read.
    #[error("it holds no private key in PEM, or one that has a password")]
    NotPem,
    /// A key of another algorithm, a damaged one, or RSA of less than 2048 bits (RFC 7518 §3.3).
    #[error("its key is none of P-256 (ES256), RSA of at least 2048 bits (RS256) and Ed25519 (EdDSA)")]
    Unsupported,
    /// The cryptographic library refused.
    #[error("its key signs nothing")]
    Sign,
}

impl SigningKey {
    /// Reads the first private key in PEM: PKCS#8, SEC 1 (`EC PRIVATE KEY`) or PKCS#1 (`RSA PRIVATE KEY`), without a
    /// password.
    ///
    /// # Errors
    /// [`SigningKeyError`]
    pub fn from_pem(pem: &Secret) -> Result<Self, SigningKeyError> {
        let mut der = PrivateKeyDer::from_pem_slice(pem.expose().as_bytes()).map_err(|_| SigningKeyError::NotPem)?;
        let kind = kind(&der);
        der.zeroize();
        kind.map(SigningKey).ok_or(SigningKeyError::Unsupported)
    }

    /// `alg` (RFC 7518 §3.1, RFC 8037 §3.1).
    #[must_use]
    pub fn algorithm(&self) -> &'static str {
        match self.0 {
            Kind::Es256(_) => "ES256",
            Kind::Rs256(_) => "RS256",
            Kind::EdDsa(_) => "EdDSA",
        }
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SigningKeyError> {
        let random = SystemRandom::new();
        let signed = match &self.0 {
            Kind::Es256(key) => key.sign(&random, message).map(|signature| signature.as_ref().to_vec()),
            Kind::EdDsa(key) => Ok(key.sign(message).as_ref().to_vec()),
            Kind::Rs256(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).map(|()| signature)
            }
        };
        signed.map_err(|_| SigningKeyError::Sign)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.algorithm())
    }
}

/// A signed assertion (RFC 7519 §7.1), good for two minutes. `key_id` becomes `kid`, for servers that know several keys.
///
/// # Errors
/// [`SigningKeyError::Sign`]
pub fn sign(key: &SigningKey, key_id: Option<&str>, claims: &Claims<'_>) -> Result<Secret, SigningKeyError> {
    let mut header = json!({"alg": key.algorithm(), "typ": "JWT"});
    if let Some(key_id) = key_id {
        header["kid"] = key_id.into();
    }
    let payload = json!({
        "iss": claims.client_id,
        "sub": claims.client_id,
        "aud": claims.audience,
        "iat": claims.now,
        "exp": claims.now.saturating_add(LIFETIME),
        "jti": claims.jti,
    });
    let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let mut token = Zeroizing::new(format!("{}.{}", part(&header), part(&payload)));
    let signature = key.sign(token.as_bytes())?;
    token.push('.');
    token.push_str(&URL_SAFE_NO_PAD.encode(signature));
    Ok(Secret::new(token.as_str()))
}

fn kind(der: &PrivateKeyDer<'_>) -> Option<Kind> {
    let curve = &ECDSA_P256_SHA256_FIXED_SIGNING;
    match der {
        PrivateKeyDer::Pkcs8(der) => {
            let der = der.secret_pkcs8_der();
            let es256 = EcdsaKeyPair::from_pkcs8(curve, der).map(Kind::Es256);
            let es256 = es256.or_else(|_| Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map(Kind::EdDsa));
            es256.or_else(|_| RsaKeyPair::from_pkcs8(der).map(Kind::Rs256)).ok()
        }
        PrivateKeyDer::Sec1(der) => {
            EcdsaKeyPair::from_private_key_der(curve, der.secret_sec1_der()).map(Kind::Es256).ok()
        }
        PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()).map(Kind::Rs256).ok(),
        _ => None,
    }
}
