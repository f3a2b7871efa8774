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
    let refused = match endpoint {
        Endpoint::Token => state.fault_text(Fault::TokenError).map(|code| refusal(state, &code)),
        Endpoint::Registration => state.fault_text(Fault::RegistrationError).map(|code| refusal(state, &code)),
        _ => None,
    };
    match refused.or_else(|| by_status(state, endpoint)) {
        Some(answer) => Some(answer),
        None => by_name(state, endpoint).await,
    }
}

/// An OAuth error with this code.
fn refusal(state: &ServerState, code: &str) -> Response {
    let body = json!({ "error": code, "error_description": state.words("refused on purpose") });
    (StatusCode::BAD_REQUEST, Json(body)).into_response()
}

fn by_status(state: &ServerState, endpoint: Endpoint) -> Option<Response> {
    let fault = match endpoint {
        Endpoint::ServerMetadata | Endpoint::OpenidConfiguration => Fault::MetadataStatus,
        Endpoint::ResourceMetadata => Fault::ResourceMetadataStatus,
        Endpoint::Token => Fault::TokenStatus,
        _ => return None,
    };
    let status = u16::try_from(state.fault_number(fault)?).ok().and_then(|number| StatusCode::from_u16(number).ok());
    Some(text(state, status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)))
}

async fn by_name(state: &ServerState, endpoint: Endpoint) -> Option<Response> {
    match endpoint {
        Endpoint::Mcp if state.has(Fault::HtmlMcp) => Some(page(state, StatusCode::OK)),
        Endpoint::Mcp if state.has(Fault::HtmlError) => Some(page(state, StatusCode::INTERNAL_SERVER_ERROR)),
        Endpoint::Mcp if state.has(Fault::Mcp503) => Some(text(state, StatusCode::SERVICE_UNAVAILABLE)),
        Endpoint::Mcp if state.has(Fault::RedirectMcp) => Some(redirect(&state.mcp_url)),
        Endpoint::Mcp if state.has(Fault::Empty200) => Some(empty()),
        Endpoint::Token if state.has(Fault::TokenEndpointHangs) => std::future::pending().await,
        Endpoint::Token if state.has(Fault::TokenEndpointDown) => Some(text(state, StatusCode::SERVICE_UNAVAILABLE)),
        Endpoint::Token if state.has(Fault::TokenRedirect) => Some(redirect(&format!("{}/token", state.issuer))),
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
fn redirect(url: &str) -> Response {
    let elsewhere = Url::parse(url).ok().and_then(|mut url| {
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
