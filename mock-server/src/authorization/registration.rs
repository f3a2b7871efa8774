//! Dynamic client registration (RFC 7591), strict: what is not understood is refused or left out, never guessed.

use std::time::SystemTime;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::authorization::jwt::seconds;
use crate::authorization::records::Client;
use crate::authorization::redirect_uri;
use crate::authorization::scope::Scope;
use crate::faults::Fault;
use crate::random::{self, NoRandomness};
use crate::settings::AuthMethod;
use crate::state::{ServerState, Shared};

/// The client metadata that is understood (RFC 7591 §2, `application_type` of OpenID Connect); other members are ignored.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Metadata {
    redirect_uris: Option<Vec<String>>,
    token_endpoint_auth_method: Option<String>,
    grant_types: Option<Vec<String>>,
    response_types: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logo_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    contacts: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tos_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    software_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    software_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    application_type: Option<String>,
}

/// Why a registration is refused (RFC 7591 §3.2.2).
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("the body must be a JSON object of content type application/json: {0}")]
    NotJson(String),
    #[error("redirect_uris is missing or empty")]
    NoRedirectUri,
    #[error("this redirect URI is neither https nor http on a loopback host, or has a fragment: {0}")]
    RedirectUri(String),
    #[error("{0}: not supported: {1}")]
    Unsupported(&'static str, String),
    #[error("the grant type authorization_code and the response type code belong together")]
    Inconsistent,
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
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
        Err(refusal) => {
            let (status, code) = match refusal {
                Refusal::NoRedirectUri | Refusal::RedirectUri(_) => (StatusCode::BAD_REQUEST, "invalid_redirect_uri"),
                Refusal::NoRandomness(_) => (StatusCode::INTERNAL_SERVER_ERROR, "server_error"),
                _ => (StatusCode::BAD_REQUEST, "invalid_client_metadata"),
            };
            refused(&state, status, code, &refusal.to_string())
        }
    }
}

fn refused(state: &ServerState, status: StatusCode, code: &str, description: &str) -> Response {
    let body = json!({ "error": code, "error_description": state.words(description) });
    (status, [(CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

/// Judges the metadata, keeps the client and returns the client information response (RFC 7591 §3.2.1).
fn accepted(state: &ServerState, headers: &HeaderMap, body: &[u8]) -> Result<Value, Refusal> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if content_type.split(';').next().map(str::trim) != Some("application/json") {
        return Err(Refusal::NotJson(format!("content type `{content_type}`")));
    }
    let mut metadata = serde_json::from_slice::<Metadata>(body).map_err(|error| Refusal::NotJson(error.to_string()))?;
    let redirect_uris = judge_redirect_uris(&metadata)?;
    let grant_types = judge_types(&mut metadata)?;
    let auth_method = judge_auth_method(state, metadata.token_endpoint_auth_method.as_deref())?;
    judge_rest(state, &metadata)?;
    metadata.token_endpoint_auth_method = Some(auth_method.name().to_owned());

    let secret = if auth_method == AuthMethod::None { None } else { Some(random::token()?) };
    let id = format!("client-{}", random::token()?);
    let lifetime = state.settings.client_secret_lifetime.filter(|_| secret.is_some());
    let client = Client {
        id,
        name: metadata.client_name.clone(),
        secret,
        secret_expires_at: lifetime.map(|lifetime| SystemTime::now() + lifetime),
        auth_methods: vec![auth_method],
        redirect_uris,
        grant_types,
        dynamic: true,
    };
    let document = information(&metadata, &client);
    if let Some(secret) = &client.secret {
        state.remember_secret(secret);
    }
    state.records().add_client(client);
    state.count(|counts| counts.registrations += 1);
    Ok(document)
}

fn judge_redirect_uris(metadata: &Metadata) -> Result<Vec<String>, Refusal> {
    let uris = metadata.redirect_uris.clone().unwrap_or_default();
    if uris.is_empty() {
        return Err(Refusal::NoRedirectUri);
    }
    match uris.iter().find(|uri| !redirect_uri::may_be_registered(uri)) {
        Some(bad) => Err(Refusal::RedirectUri(bad.clone())),
        None => Ok(uris),
    }
}

/// Fills in the defaults of RFC 7591 §2 and checks §2.1: both lists, each by itself and together.
fn judge_types(metadata: &mut Metadata) -> Result<Vec<String>, Refusal> {
    let grants = metadata.grant_types.get_or_insert_with(|| vec!["authorization_code".to_owned()]).clone();
    let responses = metadata.response_types.get_or_insert_with(|| vec!["code".to_owned()]);
    if let Some(other) = grants.iter().find(|name| !["authorization_code", "refresh_token"].contains(&name.as_str())) {
        return Err(Refusal::Unsupported("grant_types", other.clone()));
    }
    if let Some(other) = responses.iter().find(|name| *name != "code") {
        return Err(Refusal::Unsupported("response_types", other.clone()));
    }
    if responses.is_empty() || !grants.iter().any(|name| name == "authorization_code") {
        return Err(Refusal::Inconsistent);
    }
    Ok(grants)
}

/// The method asked for; without one basic, RFC 7591's default, or the only one that this server takes.
fn judge_auth_method(state: &ServerState, asked: Option<&str>) -> Result<AuthMethod, Refusal> {
    let Some(asked) = asked else {
        return Ok(state.settings.token_endpoint_auth_method.unwrap_or(AuthMethod::Basic));
    };
    let known = AuthMethod::from_name(asked).filter(|method| state.settings.auth_methods().contains(method));
    known.ok_or_else(|| Refusal::Unsupported("token_endpoint_auth_method", asked.to_owned()))
}

fn judge_rest(state: &ServerState, metadata: &Metadata) -> Result<(), Refusal> {
    if let Some(kind) = metadata.application_type.as_deref().filter(|kind| !["native", "web"].contains(kind)) {
        return Err(Refusal::Unsupported("application_type", kind.to_owned()));
    }
    let supported = state.settings.server_scopes().into_iter().collect::<Scope>();
    match &metadata.scope {
        Some(scope) if !Scope::parse(scope).is_some_and(|scope| scope.is_within(&supported)) => {
            Err(Refusal::Unsupported("scope", scope.clone()))
        }
        _ => Ok(()),
    }
}

fn information(metadata: &Metadata, client: &Client) -> Value {
    let mut document = json!(metadata);
    document["client_id"] = json!(client.id);
    document["client_id_issued_at"] = json!(seconds(SystemTime::now()));
    if let Some(secret) = &client.secret {
        document["client_secret"] = json!(secret);
        document["client_secret_expires_at"] = json!(client.secret_expires_at.map_or(0, seconds));
    }
    document
}
