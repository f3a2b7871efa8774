//! The switchboard: faults shown and switched while the server runs, by `/admin/faults`, where the settings allow it.
//! Only a request that names a loopback host is heard and none that a page of another origin sent (no CORS either).

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HOST, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, StatusCode, Uri};
use serde_json::{Value, json};

use crate::faults::{Fault, FaultSetting};
use crate::state::{ServerState, Shared};

/// The path of the switchboard.
pub(crate) const PATH: &str = "/admin/faults";

/// Why a request changes nothing.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("this is not served")]
    Off,
    #[error("the Host must be a loopback address or localhost")]
    Host,
    #[error("requests from web pages are not heard")]
    Page,
    #[error("the body must be a JSON array of texts, of content type application/json: {0}")]
    Body(String),
    #[error("{0}")]
    Fault(#[from] crate::faults::WrongFault),
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = match self {
            Refusal::Off => StatusCode::NOT_FOUND,
            Refusal::Host | Refusal::Page => StatusCode::FORBIDDEN,
            Refusal::Body(_) | Refusal::Fault(_) => StatusCode::BAD_REQUEST,
        };
        (status, Json(json!({ "error": self.to_string() }))).into_response()
    }
}

/// `GET /admin/faults`: those of the moment, and all there are.
pub(crate) async fn shown(State(state): State<Shared>, target: Uri, headers: HeaderMap) -> Response {
    answered(&state, heard(&state, &target, &headers))
}

/// `PUT /admin/faults`: replaces all by those of the body, as `["get-405", "slow=20ms"]`.
pub(crate) async fn replaced(State(state): State<Shared>, target: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let done = heard(&state, &target, &headers).and_then(|()| {
        state.set_faults(read(&headers, &body)?);
        Ok(())
    });
    answered(&state, done)
}

/// `DELETE /admin/faults`: ends them all.
pub(crate) async fn ended(State(state): State<Shared>, target: Uri, headers: HeaderMap) -> Response {
    let done = heard(&state, &target, &headers).map(|()| state.set_faults(Vec::new()));
    answered(&state, done)
}

fn answered(state: &ServerState, done: Result<(), Refusal>) -> Response {
    let answer = done.map(|()| Json(document(&state.faults())));
    ([(CACHE_CONTROL, "no-store")], answer).into_response()
}

fn document(active: &[FaultSetting]) -> Value {
    let known = Fault::all().map(
        |fault| json!({ "name": fault.name(), "value": fault.takes().placeholder(), "sentence": fault.sentence() }),
    );
    json!({
        "active": active.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "known": known.collect::<Vec<_>>(),
    })
}

/// Whether somebody at this machine asks, not a page that a browser at this machine shows (by DNS rebinding, or by CORS).
fn heard(state: &ServerState, target: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
    if !state.settings.admin {
        return Err(Refusal::Off);
    }
    if headers.contains_key(ORIGIN) {
        return Err(Refusal::Page);
    }
    let named = headers.get(HOST).and_then(|host| host.to_str().ok()?.parse::<Authority>().ok());
    // HTTP/2 names the host in the target.
    let named = named.or_else(|| target.authority().cloned());
    if named.is_some_and(|host| is_loopback(&host)) { Ok(()) } else { Err(Refusal::Host) }
}

fn is_loopback(authority: &Authority) -> bool {
    let host = authority.host();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

fn read(headers: &HeaderMap, body: &[u8]) -> Result<Vec<FaultSetting>, Refusal> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if content_type.split(';').next().map(str::trim) != Some("application/json") {
        return Err(Refusal::Body(format!("content type `{content_type}`")));
    }
    let names = serde_json::from_slice::<Vec<String>>(body).map_err(|error| Refusal::Body(error.to_string()))?;
    Ok(names.iter().map(|name| name.parse()).collect::<Result<_, _>>()?)
}

#[cfg(test)]
mod tests {
    use super::{Authority, is_loopback};

    #[test]
    fn a_host_is_judged_by_its_name_or_address() {
        for (host, loopback) in [
            ("localhost", true),
            ("LOCALHOST:80", true),
            ("127.0.0.1:4711", true),
            ("127.8.9.1", true),
            ("[::1]:4711", true),
            ("localhost.evil.example", false),
            ("evil.example:4711", false),
            ("localhost@evil.example", false),
            ("192.0.2.1", false),
            ("", false),
        ] {
            let judged = host.parse::<Authority>().is_ok_and(|authority| is_loopback(&authority));
            assert_eq!(judged, loopback, "{host}");
        }
    }
}
