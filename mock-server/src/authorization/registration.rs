//! Dynamic client registration (RFC 7591). What a client may say of itself is in `client_metadata.rs`, what others vouch
//! for in `software_statement.rs`, what it may do with its registration later in `client_management.rs`.

use std::time::SystemTime;

use aws_lc_rs::constant_time;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value, json};

use crate::authorization::client_metadata::{self, Judged, MetadataFault};
use crate::authorization::jwt::seconds;
use crate::authorization::records::{Client, Registration};
use crate::authorization::redirect_uri;
use crate::authorization::software_statement::{self, StatementFault};
use crate::faults::Fault;
use crate::random::{self, NoRandomness};
use crate::settings::AuthMethod;
use crate::state::{ServerState, Shared};

/// Why a registration, or a change of one, is refused (RFC 7591 §3.2.2, RFC 7592 §2).
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("the body must be a JSON object of content type application/json: {0}")]
    NotJson(String),
    #[error(transparent)]
    Metadata(#[from] MetadataFault),
    #[error(transparent)]
    Statement(#[from] StatementFault),
    #[error("{0} belongs to the server: a client may not change it")]
    NotTheClients(&'static str),
    #[error("{0} is not the one of this client")]
    OtherClient(&'static str),
    #[error("a token is needed here, as `Authorization: Bearer`")]
    NoToken,
    #[error("the token is not the one that is needed here, or the client is gone")]
    WrongToken,
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

impl Refusal {
    pub(crate) fn response(&self, state: &ServerState) -> Response {
        let (status, code) = match self {
            Refusal::Metadata(fault) => (StatusCode::BAD_REQUEST, fault.code()),
            Refusal::Statement(fault) => (StatusCode::BAD_REQUEST, fault.code()),
            Refusal::NotJson(_) | Refusal::NotTheClients(_) | Refusal::OtherClient(_) => {
                (StatusCode::BAD_REQUEST, "invalid_client_metadata")
            }
            Refusal::NoToken | Refusal::WrongToken => (StatusCode::UNAUTHORIZED, "invalid_token"),
            Refusal::NoRandomness(_) => (StatusCode::INTERNAL_SERVER_ERROR, "server_error"),
        };
        let response = refused(state, status, code, &self.to_string());
        // RFC 6750 §3: no error code for who sent no token.
        let challenge = match self {
            Refusal::NoToken => "Bearer realm=\"registration\"",
            Refusal::WrongToken => "Bearer realm=\"registration\", error=\"invalid_token\"",
            _ => return response,
        };
        ([(WWW_AUTHENTICATE, challenge)], response).into_response()
    }
}

fn refused(state: &ServerState, status: StatusCode, code: &str, description: &str) -> Response {
    let body = json!({ "error": code, "error_description": state.words(description) });
    (status, [(CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

/// `POST /register` (RFC 7591 §3).
pub(crate) async fn register(State(state): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    if !state.settings.registration || !state.settings.protected {
        return StatusCode::NOT_FOUND.into_response();
    }
    if state.has(Fault::RegistrationRefused) {
        return refused(
            &state,
            StatusCode::BAD_REQUEST,
            "invalid_redirect_uri",
            "this server takes no loopback client",
        );
    }
    match accepted(&state, &headers, &body) {
        Ok(document) => (StatusCode::CREATED, [(CACHE_CONTROL, "no-store")], Json(document)).into_response(),
        Err(refusal) => refusal.response(&state),
    }
}

/// Judges the metadata, keeps the client and returns the client information response (RFC 7591 §3.2.1).
fn accepted(state: &ServerState, headers: &HeaderMap, body: &[u8]) -> Result<Value, Refusal> {
    if let Some(needed) = &state.settings.initial_access_token {
        judge_token(headers, needed)?;
    }
    let (judged, statement) = judged(state, read(headers, body)?)?;
    if state.has(Fault::LocalhostOnly)
        && let Some(uri) = judged.redirect_uris.iter().find(|uri| redirect_uri::is_loopback_address(uri))
    {
        return Err(MetadataFault::RedirectUri(uri.clone()).into());
    }
    let id = format!("client-{}", random::token()?);
    let client = client(state, id, judged, statement, None)?;
    let document = information(state, &client);
    state.records().add_client(client);
    state.count(|counts| counts.registrations += 1);
    Ok(document)
}

/// The JSON object of a body.
pub(crate) fn read(headers: &HeaderMap, body: &[u8]) -> Result<Map<String, Value>, Refusal> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if content_type.split(';').next().map(str::trim) != Some("application/json") {
        return Err(Refusal::NotJson(format!("content type `{content_type}`")));
    }
    serde_json::from_slice(body).map_err(|error| Refusal::NotJson(error.to_string()))
}

/// The metadata, in which a software statement goes before the client's own words; and the statement.
pub(crate) fn judged(
    state: &ServerState,
    mut document: Map<String, Value>,
) -> Result<(Judged, Option<Value>), Refusal> {
    let statement = document.remove("software_statement");
    if let Some(statement) = &statement {
        document.extend(software_statement::vouched_for(state, statement)?);
    }
    Ok((client_metadata::judged(&state.settings, Value::Object(document))?, statement))
}

/// The client of these metadata: a new one, or one that was registered before, with its secret and its token.
pub(crate) fn client(
    state: &ServerState,
    id: String,
    judged: Judged,
    statement: Option<Value>,
    before: Option<&Client>,
) -> Result<Client, Refusal> {
    let Judged { metadata, redirect_uris, grant_types, auth_method } = judged;
    let kept = before.filter(|client| client.secret.is_some());
    let (secret, secret_expires_at) = match kept {
        _ if auth_method == AuthMethod::None => (None, None),
        Some(client) => (client.secret.clone(), client.secret_expires_at),
        None => {
            (Some(random::token()?), state.settings.client_secret_lifetime.map(|lifetime| SystemTime::now() + lifetime))
        }
    };
    let registration = match before.and_then(|client| client.registration.as_ref()) {
        Some(before) => (before.issued_at, before.token.clone()),
        None => (SystemTime::now(), random::token()?),
    };
    for secret in secret.iter().chain([&registration.1]) {
        state.remember_secret(secret);
    }
    let name = metadata.client_name.clone();
    let mut metadata = json!(metadata);
    if let Some(statement) = statement {
        metadata["software_statement"] = statement;
    }
    Ok(Client {
        id,
        name,
        secret,
        key: None,
        secret_expires_at,
        auth_methods: vec![auth_method],
        redirect_uris,
        grant_types,
        registration: Some(Registration { metadata, issued_at: registration.0, token: registration.1 }),
    })
}

/// The client information response (RFC 7591 §3.2.1, RFC 7592 §3).
pub(crate) fn information(state: &ServerState, client: &Client) -> Value {
    let Some(registration) = &client.registration else { return Value::Null };
    let mut document = registration.metadata.clone();
    document["client_id"] = json!(client.id);
    document["client_id_issued_at"] = json!(seconds(registration.issued_at));
    if let Some(secret) = &client.secret {
        document["client_secret"] = json!(secret);
        document["client_secret_expires_at"] = json!(client.secret_expires_at.map_or(0, seconds));
    }
    if state.settings.client_management {
        document["registration_access_token"] = json!(registration.token);
        document["registration_client_uri"] = json!(format!("{}/register/{}", state.issuer, client.id));
    }
    document
}

/// Whether this token, and no other, was sent (RFC 6750 §2.1).
pub(crate) fn judge_token(headers: &HeaderMap, needed: &str) -> Result<(), Refusal> {
    let header = headers.get(AUTHORIZATION).ok_or(Refusal::NoToken)?;
    let (scheme, sent) = header.to_str().ok().and_then(|text| text.split_once(' ')).ok_or(Refusal::NoToken)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Refusal::NoToken);
    }
    constant_time::verify_slices_are_equal(sent.as_bytes(), needed.as_bytes()).map_err(|_| Refusal::WrongToken)
}
