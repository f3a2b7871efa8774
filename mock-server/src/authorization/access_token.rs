//! Access tokens in both forms: a signed JWT that says all (RFC 9068), or an opaque text that only the records explain.
//! Whether a token still counts is a question to the records, by its `jti`.

use crate::authorization::jwt::{Claims, KeyError, TokenFault};
use crate::authorization::records::Records;
use crate::random::{self, NoRandomness};
use crate::settings::TokenFormat;
use crate::state::ServerState;

/// Why no token can be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IssueFault {
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

/// A token that stands for these claims.
pub(crate) fn issued(state: &ServerState, records: &mut Records, claims: &Claims) -> Result<String, IssueFault> {
    let token = match state.settings.token_format {
        TokenFormat::Jwt => state.key.sign(claims)?,
        TokenFormat::Opaque => {
            let text = random::token()?;
            records.add_opaque_token(text.clone(), claims.clone());
            text
        }
    };
    state.remember_secret(&token);
    Ok(token)
}

/// The claims of a token that this server issued, for this audience, or for any if none is given; be it expired.
pub(crate) fn read(
    issuer: &ServerState,
    records: &Records,
    token: &str,
    audience: Option<&str>,
) -> Result<Claims, TokenFault> {
    match records.opaque_token(token) {
        Some(claims) if audience.is_some_and(|audience| audience != claims.aud) => Err(TokenFault::Audience),
        Some(claims) => Ok(claims.clone()),
        None => issuer.key.read(token, &issuer.issuer, audience),
    }
}
