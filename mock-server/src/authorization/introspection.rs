//! Token introspection (RFC 7662): what a token says and whether it counts, for who may know. A client that was registered
//! by hand, as a resource server is, may ask of any token; others ask of their own and hear of the rest that they are not
//! active.

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CACHE_CONTROL, PRAGMA, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::authorization::access_token;
use crate::authorization::client_authentication::authenticated;
use crate::authorization::jwt::seconds;
use crate::authorization::parameters::Parameters;
use crate::authorization::records::Records;
use crate::authorization::refusal::{Refusal, refusal, unauthenticated};
use crate::state::{ServerState, Shared};

/// Who asks.
enum Asker {
    /// One who may know of every token.
    ResourceServer,
    /// A client, which may know of its own.
    Client(String),
}

/// Why nothing is told.
enum Denial {
    Refused(Refusal),
    /// The bearer token that should allow to ask is no good.
    Token,
}

impl From<Refusal> for Denial {
    fn from(refusal: Refusal) -> Self {
        Denial::Refused(refusal)
    }
}

/// `POST /introspect` (RFC 7662 §2).
pub(crate) async fn introspect(
    State(state): State<Shared>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if !state.settings.introspection || !state.settings.protected {
        return StatusCode::NOT_FOUND.into_response();
    }
    let answer = match answer(&state, query.as_deref(), &headers, &body) {
        Ok(document) => Json(document).into_response(),
        Err(Denial::Refused(refusal)) => refusal.response(&state),
        Err(Denial::Token) => {
            let challenge = "Bearer realm=\"introspection\", error=\"invalid_token\"";
            (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, challenge)]).into_response()
        }
    };
    ([(CACHE_CONTROL, "no-store"), (PRAGMA, "no-cache")], answer).into_response()
}

fn answer(state: &ServerState, query: Option<&str>, headers: &HeaderMap, body: &[u8]) -> Result<Value, Denial> {
    let form = Parameters::of_body(query, headers, body)?;
    let mut records = state.records();
    let asker = asker(state, &mut records, headers, &form)?;
    let token = form.get("token").ok_or_else(|| refusal("invalid_request", "token is missing"))?;
    // token_type_hint only helps to search (§2.1); we find either kind without it.
    let told = of_access_token(state, &records, token).or_else(|| of_refresh_token(state, &records, token));
    let told = told.filter(|told| match &asker {
        Asker::ResourceServer => true,
        Asker::Client(id) => told["client_id"] == **id,
    });
    Ok(told.unwrap_or_else(|| json!({ "active": false })))
}

/// RFC 7662 §2.1: by the client's own authentication, which must be one, or by a bearer token of ours.
fn asker(state: &ServerState, records: &mut Records, headers: &HeaderMap, form: &Parameters) -> Result<Asker, Denial> {
    let header = headers.get(AUTHORIZATION).and_then(|header| header.to_str().ok()).unwrap_or_default();
    if let Some((scheme, token)) = header.split_once(' ')
        && scheme.eq_ignore_ascii_case("bearer")
    {
        let claims = access_token::read(state, records, token, None).map_err(|_| Denial::Token)?;
        let live = records.access_token_end(&claims.jti).is_none();
        return if live { Ok(Asker::Client(claims.client_id)) } else { Err(Denial::Token) };
    }
    let client =
        authenticated(records, &state.issuer, headers, form).map_err(|fault| unauthenticated(state, fault, headers))?;
    match client.registration {
        _ if client.is_public() => Err(Refusal::public_client().into()),
        None => Ok(Asker::ResourceServer),
        Some(_) => Ok(Asker::Client(client.id)),
    }
}

fn of_access_token(state: &ServerState, records: &Records, token: &str) -> Option<Value> {
    let claims = access_token::read(state, records, token, None).ok()?;
    if claims.have_expired() || records.access_token_end(&claims.jti).is_some() {
        return None;
    }
    let mut told = json!({
        "active": true,
        "scope": claims.scope,
        "client_id": claims.client_id,
        "username": claims.name,
        "token_type": if claims.cnf.is_some() { "DPoP" } else { "Bearer" },
        "exp": claims.exp,
        "iat": claims.iat,
        "sub": claims.sub,
        "aud": claims.aud,
        "iss": claims.iss,
        "jti": claims.jti,
    });
    if let Some(key) = claims.cnf {
        told["cnf"] = json!(key);
    }
    Some(told)
}

fn of_refresh_token(state: &ServerState, records: &Records, token: &str) -> Option<Value> {
    let (grant, expires_at) = records.live_refresh_token(token)?;
    Some(json!({
        "active": true,
        "scope": grant.scope.to_string(),
        "client_id": grant.client_id,
        "username": grant.account.name,
        "exp": seconds(expires_at),
        "iat": seconds(grant.at),
        "sub": grant.account.sub,
        "iss": state.issuer,
    }))
}
