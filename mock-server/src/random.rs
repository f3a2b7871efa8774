//! Unguessable text from the system's random numbers: client ids, secrets, codes, tokens, session ids.

use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The system gave no random numbers.
#[derive(Debug, thiserror::Error)]
#[error("the system gives no random numbers")]
pub(crate) struct NoRandomness;

/// 256 bits in base64url, 43 characters.
pub(crate) fn token() -> Result<String, NoRandomness> {
    let mut bytes = [0_u8; 32];
    rand::fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}
