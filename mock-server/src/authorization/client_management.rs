//! Client configuration (RFC 7592): a client reads, changes or deletes its own registration, by the token that came with it.
//! With a registration go its codes and its tokens.

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::CACHE_CONTROL;
use http::{HeaderMap, StatusCode};
use serde_json::Value;

use crate::authorization::records::Client;
use crate::authorization::registration::{self, Refusal, information, judge_token};
use crate::state::{ServerState, Shared};

/// What a request to change a registration may not hold (RFC 7592 §2.2).
const OF_THE_SERVER: [&str; 4] =
    ["registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at"];

/// `GET /register/ID` (RFC 7592 §2.1).
pub(crate) async fn read(State(state): State<Shared>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    answered(&state, own(&state, &id, &headers).map(|client| information(&state, &client)))
}

/// `PUT /register/ID` (RFC 7592 §2.2): all metadata anew.
pub(crate) async fn update(
    State(state): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    answered(&state, updated(&state, &id, &headers, &body))
}

/// `DELETE /register/ID` (RFC 7592 §2.3).
pub(crate) async fn delete(State(state): State<Shared>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    if !is_offered(&state) {
        return StatusCode::NOT_FOUND.into_response();
    }
    match own(&state, &id, &headers) {
        Ok(client) => {
            state.records().remove_client(&client.id);
            (StatusCode::NO_CONTENT, [(CACHE_CONTROL, "no-store")]).into_response()
        }
        Err(refusal) => refusal.response(&state),
    }
}

fn is_offered(state: &ServerState) -> bool {
    state.settings.client_management && state.settings.registration && state.settings.protected
}

fn answered(state: &ServerState, answer: Result<Value, Refusal>) -> Response {
    if !is_offered(state) {
        return StatusCode::NOT_FOUND.into_response();
    }
    match answer {
        Ok(document) => ([(CACHE_CONTROL, "no-store")], Json(document)).into_response(),
        Err(refusal) => refusal.response(state),
    }
}

/// The client, if it is the one whose token was sent. That there is none is told in the same words as a wrong token.
fn own(state: &ServerState, id: &str, headers: &HeaderMap) -> Result<Client, Refusal> {
    if !is_offered(state) {
        return Err(Refusal::WrongToken);
    }
    let client = state.records().client(id).cloned();
    match client.as_ref().and_then(|client| client.registration.as_ref()) {
        Some(registration) => judge_token(headers, &registration.token)?,
        None => {
            judge_token(headers, "")?;
            return Err(Refusal::WrongToken);
        }
    }
    client.ok_or(Refusal::WrongToken)
}

fn updated(state: &ServerState, id: &str, headers: &HeaderMap, body: &[u8]) -> Result<Value, Refusal> {
    let before = own(state, id, headers)?;
    let mut document = registration::read(headers, body)?;
    if let Some(name) = OF_THE_SERVER.into_iter().find(|name| document.contains_key(*name)) {
        return Err(Refusal::NotTheClients(name));
    }
    if document.remove("client_id").as_ref().and_then(Value::as_str) != Some(&before.id) {
        return Err(Refusal::OtherClient("client_id"));
    }
    if let Some(secret) = document.remove("client_secret")
        && secret.as_str() != before.secret.as_deref()
    {
        return Err(Refusal::OtherClient("client_secret"));
    }
    let (judged, statement) = registration::judged(state, document)?;
    let client = registration::client(state, before.id.clone(), judged, statement, Some(&before))?;
    let answer = information(state, &client);
    state.records().add_client(client);
    Ok(answer)
}
