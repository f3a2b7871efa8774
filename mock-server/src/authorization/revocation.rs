//! The revocation endpoint (RFC 7009): a refresh token ends with its whole family, an access token by itself.
//! Client authentication is the token endpoint's. A token that nobody knows is as good as revoked.

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, PRAGMA};
use http::{HeaderMap, StatusCode};

use crate::authorization::access_token;
use crate::authorization::client_authentication::authenticated;
use crate::authorization::parameters::Parameters;
use crate::authorization::records::{Client, Records};
use crate::authorization::refusal::{Refusal, refusal, unauthenticated};
use crate::faults::Fault;
use crate::state::{ServerState, Shared};

/// `POST /revoke` (RFC 7009 §2.1).
pub(crate) async fn revoke(
    State(state): State<Shared>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if !state.settings.revocation || !state.settings.protected {
        return StatusCode::NOT_FOUND.into_response();
    }
    let answer = match revoked(&state, query.as_deref(), &headers, &body) {
        Ok(()) => {
            state.count(|counts| counts.revocations += 1);
            StatusCode::OK.into_response()
        }
        Err(refusal) => refusal.response(&state),
    };
    ([(CACHE_CONTROL, "no-store"), (PRAGMA, "no-cache")], answer).into_response()
}

fn revoked(state: &ServerState, query: Option<&str>, headers: &HeaderMap, body: &[u8]) -> Result<(), Refusal> {
    let form = Parameters::of_body(query, headers, body)?;
    let mut records = state.records();
    let client = authenticated(&mut records, &state.issuer, headers, &form)
        .map_err(|fault| unauthenticated(state, fault, headers))?;
    let token = form.get("token").ok_or_else(|| refusal("invalid_request", "token is missing"))?;
    // token_type_hint only helps to search (§2.1); we find either kind without it, so a wrong one does no harm.
    if let Some((id, family)) = records.family_of_refresh_token(token) {
        judge_owner(&family.grant.client_id, &client)?;
        records.revoke_family(id);
        return Ok(());
    }
    revoke_access_token(state, &mut records, &client, token)
}

fn revoke_access_token(
    state: &ServerState,
    records: &mut Records,
    client: &Client,
    token: &str,
) -> Result<(), Refusal> {
    let Ok(claims) = access_token::read(state, records, token, None) else { return Ok(()) };
    judge_owner(&claims.client_id, client)?;
    if state.has(Fault::RefreshTokensOnly) {
        return Err(refusal("unsupported_token_type", "only refresh tokens can be revoked here"));
    }
    records.revoke_access_token(&claims.jti);
    Ok(())
}

/// §2.1: the token must have been issued to the client that asks.
fn judge_owner(owner: &str, client: &Client) -> Result<(), Refusal> {
    if owner == client.id { Ok(()) } else { Err(refusal("invalid_grant", "the token was issued to another client")) }
}
