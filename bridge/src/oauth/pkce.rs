//! Proof Key for Code Exchange (RFC 7636), S256 only. The verifier stays in this process until the token request; it
//! must never be written down. Its sibling is `state`.

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::state::{RandomError, random_text};
use crate::secret::Secret;

/// `code_challenge_method`.
pub const METHOD: &str = "S256";

/// A verifier and its challenge, for one authorization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pkce {
    /// `code_verifier`: 43 characters out of 32 random bytes (RFC 7636 §4.1).
    pub verifier: Secret,
    /// `code_challenge`: base64url of the verifier's SHA-256 (RFC 7636 §4.2).
    pub challenge: String,
}

impl Pkce {
    /// A new pair.
    pub fn generate() -> Result<Self, RandomError> {
        random_text().map(Pkce::from_verifier)
    }

    /// The pair of this verifier.
    #[must_use]
    pub fn from_verifier(verifier: Secret) -> Self {
        let challenge = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.expose().as_bytes()));
        Pkce { verifier, challenge }
    }
}

#[cfg(test)]
mod tests {
    use super::Pkce;
    use crate::secret::Secret;
    use std::collections::HashSet;

    #[test]
    fn rfc7636_appendix_b() {
        let pkce = Pkce::from_verifier(Secret::new("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"));
        assert_eq!(pkce.challenge, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn rfc7636_4_1_a_verifier_has_43_characters_of_the_alphabet() {
        let verifier = Pkce::generate().unwrap().verifier;
        assert_eq!(verifier.expose().len(), 43);
        assert!(verifier.expose().bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b)));
    }

    #[test]
    fn ten_thousand_verifiers_all_differ() {
        let all: HashSet<String> =
            (0..10_000).map(|_| Pkce::generate().unwrap().verifier.expose().to_owned()).collect();
        assert_eq!(all.len(), 10_000);
    }

    #[test]
    fn the_verifier_is_not_shown() {
        let pkce = Pkce::from_verifier(Secret::new("hunter2"));
        assert!(!format!("{pkce:?}").contains("hunter2"));
    }
}
