//! Why a response refuses its request, read from the response itself, so that every refusal there is can be told without
//! a word in each handler: OAuth errors, JSON-RPC errors, error redirects, plain text. It changes no response.

use axum::body::{Body, HttpBody, to_bytes};
use axum::response::Response;
use http::header::{CONTENT_TYPE, LOCATION};
use serde_json::Value;
use url::{Url, form_urlencoded};

use crate::wire::Fate;

/// The largest body that is read for its reason, in bytes.
const READABLE: u64 = 16 * 1024;

/// The most characters of a reason that are kept.
const KEPT: usize = 300;

/// Marks, among a response's extensions, the refusal that its page shows.
#[derive(Clone, Debug)]
pub(crate) struct Refused(pub(crate) String);

/// The response as it was, and why it refuses, if it does.
pub(crate) async fn reason(response: Response) -> (Response, Option<String>) {
    if let Some(Refused(reason)) = response.extensions().get::<Refused>() {
        let reason = shortened(reason);
        return (response, Some(reason));
    }
    let status = response.status();
    if status.is_redirection() {
        let reason = redirected(&response);
        return (response, reason);
    }
    let is_json = response.headers().get(CONTENT_TYPE).is_some_and(|v| v.as_bytes().starts_with(b"application/json"));
    let is_error = status.is_client_error() || status.is_server_error();
    let is_small = response.body().size_hint().upper().is_some_and(|size| size <= READABLE);
    // A body that is to break is none to be read here.
    let breaks = response.extensions().get::<Fate>().is_some();
    if breaks || !is_small || !(is_error || is_json) {
        return (response, None);
    }
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let reason = if is_error { Some(error(&bytes)).filter(|text| !text.is_empty()) } else { rpc_error(&bytes) };
    (Response::from_parts(parts, Body::from(bytes)), reason.as_deref().map(shortened))
}

/// RFC 6749 §4.1.2.1.
fn redirected(response: &Response) -> Option<String> {
    let url = Url::parse(response.headers().get(LOCATION)?.to_str().ok()?).ok()?;
    let query = form_urlencoded::parse(url.query()?.as_bytes()).collect::<Vec<_>>();
    let value = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_ref());
    let reason = told(value("error")?, value("error_description"));
    Some(shortened(&reason))
}

fn error(body: &[u8]) -> String {
    match serde_json::from_slice::<Value>(body) {
        Ok(json) => match json["error"].as_str() {
            Some(code) => told(code, json["error_description"].as_str()),
            None => rpc_message(&json).unwrap_or_default(),
        },
        Err(_) => String::from_utf8_lossy(body).trim().to_owned(),
    }
}

/// A JSON-RPC error in a 200; most answers are none, and are not parsed.
fn rpc_error(body: &[u8]) -> Option<String> {
    let may_be = body.windows(9).any(|bytes| bytes == b"\"error\":{");
    may_be.then(|| serde_json::from_slice::<Value>(body).ok()).flatten().as_ref().and_then(rpc_message)
}

fn rpc_message(json: &Value) -> Option<String> {
    let error = json.get("error")?;
    let message = error["message"].as_str()?;
    Some(error["code"].as_i64().map_or(message.to_owned(), |code| format!("{code}: {message}")))
}

fn told(code: &str, description: Option<&str>) -> String {
    description.map_or(code.to_owned(), |description| format!("{code}: {description}"))
}

fn shortened(text: &str) -> String {
    text.chars().take(KEPT).collect()
}

#[cfg(test)]
mod tests {
    use axum::response::{Html, IntoResponse, Response};
    use axum::{Extension, Json};
    use http::StatusCode;
    use http::header::LOCATION;
    use serde_json::json;

    use super::{Refused, reason};

    #[tokio::test]
    async fn every_kind_of_refusal_tells_its_reason() {
        let oauth = json!({ "error": "invalid_grant", "error_description": "the code has expired" });
        let rpc = json!({ "jsonrpc": "2.0", "id": 1, "error": { "code": -32601, "message": "no such method" } });
        let away = [(LOCATION, "http://127.0.0.1:1/cb?error=access_denied&error_description=no&state=s")];
        let page = (StatusCode::BAD_REQUEST, Extension(Refused("not known".to_owned())), Html("<p>not known</p>"));
        let cases: [(&str, Response, Option<&str>); 8] = [
            (
                "OAuth",
                (StatusCode::BAD_REQUEST, Json(oauth)).into_response(),
                Some("invalid_grant: the code has expired"),
            ),
            (
                "JSON-RPC in 400",
                (StatusCode::BAD_REQUEST, Json(rpc.clone())).into_response(),
                Some("-32601: no such method"),
            ),
            ("JSON-RPC in 200", Json(rpc).into_response(), Some("-32601: no such method")),
            ("a redirect", (StatusCode::FOUND, away).into_response(), Some("access_denied: no")),
            ("text", (StatusCode::NOT_ACCEPTABLE, "two types\n").into_response(), Some("two types")),
            ("a page", page.into_response(), Some("not known")),
            ("nothing", StatusCode::NOT_FOUND.into_response(), None),
            ("a result", Json(json!({ "result": { "error": "x" } })).into_response(), None),
        ];
        for (name, response, expected) in cases {
            assert_eq!(reason(response).await.1.as_deref(), expected, "{name}");
        }
    }
}
