//! A public key that somebody registered: a client's, or that of an issuer of assertions. It checks signatures of JWTs and
//! nothing else; what a JWT says is judged in `authorization/assertion.rs`.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use tokio_rustls::rustls::pki_types::SubjectPublicKeyInfoDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;

/// The algorithms that are spoken (RFC 7518 §3.1, RFC 8037 §3.1).
pub(crate) const ALGORITHMS: [&str; 3] = ["ES256", "RS256", "EdDSA"];

/// A public key, which is good for one algorithm.
#[derive(Clone)]
pub struct PublicKey {
    algorithm: &'static str,
    key: Arc<ParsedPublicKey>,
}

/// A text that is no such key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublicKeyFault {
    /// No PEM, or none of a public key.
    #[error("it holds no public key in PEM (`PUBLIC KEY`)")]
    NotPem,
    /// Another algorithm.
    #[error("its key is none of P-256 (ES256), RSA (RS256) and Ed25519 (EdDSA)")]
    Unsupported,
}

impl PublicKey {
    /// The key in PEM, as `openssl pkey -pubout` writes it.
    ///
    /// # Errors
    /// [`PublicKeyFault`]
    pub fn from_pem(pem: &str) -> Result<Self, PublicKeyFault> {
        let der = SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes()).map_err(|_| PublicKeyFault::NotPem)?;
        let verifiers: [&dyn VerificationAlgorithm; 3] =
            [&ECDSA_P256_SHA256_FIXED, &RSA_PKCS1_2048_8192_SHA256, &ED25519];
        let known = ALGORITHMS.into_iter().zip(verifiers);
        let mut parsed = known.filter_map(|(name, verifier)| PublicKey::parsed(name, verifier, &der));
        parsed.next().ok_or(PublicKeyFault::Unsupported)
    }

    /// A key on P-256 as RFC 7517 has it.
    pub(crate) fn from_p256_jwk(jwk: &Value) -> Option<Self> {
        let coordinate = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str()?).ok();
        let point = [vec![4], coordinate("x")?, coordinate("y")?].concat();
        PublicKey::parsed("ES256", &ECDSA_P256_SHA256_FIXED, &point)
    }

    fn parsed(algorithm: &'static str, verifier: &'static dyn VerificationAlgorithm, bytes: &[u8]) -> Option<Self> {
        let key = Arc::new(ParsedPublicKey::new(verifier, bytes).ok()?);
        Some(PublicKey { algorithm, key })
    }

    /// Whether this key's owner has signed it, by this algorithm.
    pub(crate) fn has_signed(&self, algorithm: &str, message: &[u8], signature: &[u8]) -> bool {
        algorithm == self.algorithm && self.key.verify_sig(message, signature).is_ok()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.algorithm)
    }
}
