//! Faults that answer instead of the honest server, as a proxy in front of it would: before anything is checked.

use std::time::Duration;

use axum::Json;
use axum::body::Body;
use axum::response::{Html, IntoResponse, Response};
use http::header::{CONTENT_TYPE, LOCATION};
use http::{StatusCode, header};
use serde_json::json;
use url::Url;

use crate::faults::Fault;
use crate::log::Endpoint;
use crate::state::ServerState;

/// Marks a response, among its extensions, that is never sent: the connection ends instead.
#[derive(Clone, Copy)]
pub(crate) struct NoAnswer;

const PAGE: &str = "<!DOCTYPE html>\n<html><head><title>Gateway</title></head>\n<body><h1>Something else answers here</h1></body></html>\n";

/// The wrong answer, if a fault has one for this endpoint. One that hangs does so until the connection or the time ends.
pub(crate) async fn instead(state: &ServerState, endpoint: Endpoint) -> Option<Response> {
    if let Some(time) = state.fault_number(Fault::Slow) {
        tokio::time::sleep(Duration::from_millis(time)).await;
    }
    if let Some(code) = state.fault_text(Fault::TokenError).filter(|_| endpoint == Endpoint::Token) {
        let body = json!({ "error": code, "error_description": state.words("refused on purpose") });
        return Some((StatusCode::BAD_REQUEST, Json(body)).into_response());
    }
    match endpoint {
        Endpoint::Mcp if state.has(Fault::HtmlMcp) => Some(page(state, StatusCode::OK)),
        Endpoint::Mcp if state.has(Fault::HtmlError) => Some(page(state, StatusCode::INTERNAL_SERVER_ERROR)),
        Endpoint::Mcp if state.has(Fault::Mcp503) => Some(text(state, StatusCode::SERVICE_UNAVAILABLE)),
        Endpoint::Mcp if state.has(Fault::RedirectMcp) => Some(redirect(state)),
        Endpoint::Mcp if state.has(Fault::Empty200) => Some(empty()),
        Endpoint::Token if state.has(Fault::TokenEndpointHangs) => std::future::pending().await,
        Endpoint::Token if state.has(Fault::TokenEndpointDown) => Some(text(state, StatusCode::SERVICE_UNAVAILABLE)),
        Endpoint::Token if state.has(Fault::TokenHtml) => Some(page(state, StatusCode::OK)),
        _ => None,
    }
}

fn page(state: &ServerState, status: StatusCode) -> Response {
    (status, Html(state.words(PAGE))).into_response()
}

fn text(state: &ServerState, status: StatusCode) -> Response {
    (status, [(CONTENT_TYPE, "text/plain; charset=utf-8")], state.words("out for lunch")).into_response()
}

/// The other origin is the same server by another name, so that the log shows who follows.
fn redirect(state: &ServerState) -> Response {
    let elsewhere = Url::parse(&state.mcp_url).ok().and_then(|mut url| {
        url.set_host(Some("localhost")).ok()?;
        Some(url.to_string())
    });
    (StatusCode::TEMPORARY_REDIRECT, [(LOCATION, elsewhere.unwrap_or_default())]).into_response()
}

fn empty() -> Response {
    let mut response = Body::empty().into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    response
}
