//! ID tokens (OpenID Connect Core §2, §3.1.3.6): who signed in, for the client and nobody else. Issued with the first
//! access token of a grant that has the scope `openid`.

use std::time::SystemTime;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;

use crate::authorization::jwt::{KeyError, seconds};
use crate::authorization::records::Grant;
use crate::settings::{EMAIL_SCOPE, OPENID_SCOPE, PROFILE_SCOPE};
use crate::state::ServerState;

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    exp: u64,
    iat: u64,
    auth_time: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
    at_hash: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
}

/// The ID token of a grant, if it was asked for.
pub(crate) fn issued(state: &ServerState, grant: &Grant, access_token: &str) -> Result<Option<String>, KeyError> {
    if !grant.scope.contains(OPENID_SCOPE) {
        return Ok(None);
    }
    let now = SystemTime::now();
    let claims = Claims {
        iss: &state.issuer,
        sub: &grant.account.sub,
        aud: &grant.client_id,
        exp: seconds(now + state.settings.access_token_lifetime),
        iat: seconds(now),
        auth_time: seconds(grant.at),
        nonce: grant.nonce.as_deref(),
        at_hash: half_hash(access_token),
        name: grant.scope.contains(PROFILE_SCOPE).then_some(&grant.account.name),
        email: grant.scope.contains(EMAIL_SCOPE).then_some(&grant.account.email),
    };
    let token = state.key.sign_id_token(&claims)?;
    state.remember_secret(&token);
    Ok(Some(token))
}

/// The left half of the hash of a token (OpenID Connect Core §3.1.3.6).
fn half_hash(token: &str) -> String {
    let hash = digest(&SHA256, token.as_bytes());
    URL_SAFE_NO_PAD.encode(&hash.as_ref()[..16])
}
