//! Proof Key for Code Exchange (RFC 7636), S256 only.

use aws_lc_rs::{constant_time, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Whether this can be an S256 challenge: 32 bytes in base64url (RFC 7636 §4.2).
pub(crate) fn is_challenge(challenge: &str) -> bool {
    URL_SAFE_NO_PAD.decode(challenge).is_ok_and(|bytes| bytes.len() == 32)
}

/// Whether the verifier has the right form (RFC 7636 §4.1) and belongs to the challenge (§4.6).
pub(crate) fn is_verified(verifier: &str, challenge: &str) -> bool {
    let unreserved = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    let well_formed = (43..=128).contains(&verifier.len()) && verifier.bytes().all(unreserved);
    let hash = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()));
    well_formed && constant_time::verify_slices_are_equal(hash.as_bytes(), challenge.as_bytes()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::{is_challenge, is_verified};

    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn the_example_of_rfc7636_appendix_b_is_verified() {
        assert!(is_challenge(CHALLENGE) && is_verified(VERIFIER, CHALLENGE));
    }

    #[test]
    fn another_verifier_is_not() {
        assert!(!is_verified(&VERIFIER.replace('d', "e"), CHALLENGE));
    }

    #[test]
    fn a_short_verifier_is_not() {
        assert!(!is_verified("short", CHALLENGE));
    }
}
