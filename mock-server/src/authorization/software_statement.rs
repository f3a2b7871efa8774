//! Software statements (RFC 7591 §2.3, §3.1.1): metadata that somebody vouches for by a signature, and that goes before
//! what the client says itself. Approved is who signs with this server's own key; others cannot be checked here.

use serde_json::{Map, Value};

use crate::authorization::jwt;
use crate::state::ServerState;

/// Claims about the statement itself (RFC 7519 §4.1), which are no metadata.
const OF_THE_STATEMENT: [&str; 7] = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti"];

/// Why a statement is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StatementFault {
    #[error("the software statement is no text")]
    NoText,
    #[error("the software statement is no JWT with an issuer: {0}")]
    NoJwt(String),
    #[error("the software statement is not signed by whom it names, or has expired: {0}")]
    Signature(String),
    #[error("software statements of {0} are not approved here")]
    Unapproved(String),
}

impl StatementFault {
    /// The error code of RFC 7591 §3.2.2.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            StatementFault::Unapproved(_) => "unapproved_software_statement",
            _ => "invalid_software_statement",
        }
    }
}

/// The metadata that a statement vouches for.
pub(crate) fn vouched_for(state: &ServerState, statement: &Value) -> Result<Map<String, Value>, StatementFault> {
    let text = statement.as_str().ok_or(StatementFault::NoText)?;
    let issuer = jwt::unchecked_issuer(text).map_err(StatementFault::NoJwt)?;
    if issuer != state.issuer {
        return Err(StatementFault::Unapproved(issuer));
    }
    let claims = state.key.read_statement(text, &issuer);
    let mut claims = claims.map_err(|error| StatementFault::Signature(error.to_string()))?;
    claims.retain(|name, _| !OF_THE_STATEMENT.contains(&name.as_str()));
    Ok(claims)
}
