//! The fault of servers that repeat in an error what they were sent, secrets and all. JSON-RPC errors stay as they are:
//! they belong to the client's caller.

use axum::body::{Body, to_bytes};
use axum::response::Response;
use http::HeaderMap;
use http::header::{AUTHORIZATION, CONTENT_LENGTH};
use serde_json::Value;

use crate::faults::Fault;
use crate::log::Seen;
use crate::mcp::session::SESSION_HEADER;
use crate::state::ServerState;

/// The secret parameters of a token or revocation request.
const PARAMETERS: [&str; 5] = ["refresh_token", "code", "code_verifier", "client_secret", "token"];

/// Everything secret in a request, as a server's developer would print it.
pub(crate) fn secrets(state: &ServerState, request: &Seen) -> Option<String> {
    if !state.has(Fault::EchoesSecrets) {
        return None;
    }
    let parameters = PARAMETERS.iter().filter_map(|name| request.param(name));
    Some(parameters.chain(headers(&request.headers)).collect::<Vec<_>>().join(" "))
}

fn headers(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    [AUTHORIZATION.as_str(), SESSION_HEADER].into_iter().filter_map(|name| headers.get(name)?.to_str().ok())
}

/// The error with the secrets in it.
pub(crate) async fn added(secrets: &str, response: Response) -> Response {
    if !response.status().is_client_error() && !response.status().is_server_error() {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let text = match serde_json::from_slice::<Value>(&bytes) {
        Ok(json) if json["error"].is_object() => bytes,
        Ok(mut json) if json["error"].is_string() => {
            let words = json["error_description"].as_str().unwrap_or_default();
            json["error_description"] = format!("{secrets} {words}").into();
            json.to_string().into()
        }
        _ => format!("{secrets} {}", String::from_utf8_lossy(&bytes)).into(),
    };
    parts.headers.remove(CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(text))
}
