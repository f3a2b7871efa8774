//! Every path of the server and the layers around all of them: request ids, traces, limits, panics, and the log.
//! Secrets are kept out of traces: sensitive headers are marked and queries are not traced. What web pages of other origins
//! may do is in `router/cors.rs`, what is compressed in `router/compression.rs`.

mod compression;
mod cors;

use std::any::Any;
use std::time::SystemTime;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use http::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::request_id::{MakeRequestId, PropagateRequestIdLayer, RequestId, SetRequestIdLayer};
use tower_http::sensitive_headers::{SetSensitiveRequestHeadersLayer, SetSensitiveResponseHeadersLayer};
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::TraceLayer;
use url::form_urlencoded;

use crate::authorization::{dpop, metadata, routes};
use crate::faults;
use crate::faults::admin;
use crate::faults::answer::NoAnswer;
use crate::log::{Endpoint, Seen};
use crate::mcp::session::SESSION_HEADER;
use crate::mcp::tools::asking;
use crate::mcp::{endpoint, http_sse, outages};
use crate::pages;
use crate::random;
use crate::refused;
use crate::state::Shared;

/// The service of each port: that of the MCP server, and that of the authorization server if it has one of its own.
pub(crate) fn services(state: &Shared) -> (Router, Option<Router>) {
    let authorization = routes::routes(&state.settings.issuer_path);
    if state.settings.separate_authorization_server.is_none() {
        return (layered(state.clone(), resource().merge(authorization), pages::routes()), None);
    }
    let of_resource = layered(state.clone(), resource(), pages::routes());
    (of_resource, Some(layered(state.clone(), authorization, pages::assets())))
}

/// The MCP server and what belongs to it.
fn resource() -> Router<Shared> {
    Router::new()
        .route("/.well-known/oauth-protected-resource/mcp", get(metadata::protected_resource))
        .route("/mcp", any(endpoint::mcp))
        .route(admin::PATH, get(admin::shown).put(admin::replaced).delete(admin::ended))
        .route(outages::MOVED, any(endpoint::mcp))
        .route(&format!("{}/{{id}}", asking::PAGES), get(asking::page_to_visit))
        .route(http_sse::PATH, any(http_sse::messages))
}

/// Routes within the layers that are around all of them, and beside them the pages: no fault strikes those, and looking
/// at the log does not fill it.
fn layered(state: Shared, routes: Router<Shared>, pages: Router<Shared>) -> Router {
    let sensitive =
        [AUTHORIZATION, COOKIE, HeaderName::from_static(SESSION_HEADER), HeaderName::from_static(dpop::DPOP)];
    // A redirect to a client holds its code.
    let sensitive_in_answers = [WWW_AUTHENTICATE, LOCATION, SET_COOKIE, HeaderName::from_static(SESSION_HEADER)];
    routes
        .fallback(|| async { StatusCode::NOT_FOUND })
        .layer(from_fn_with_state(state.clone(), observe))
        .layer(compression::layer())
        .merge(pages)
        .layer(RequestBodyLimitLayer::new(state.settings.body_limit))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, state.settings.request_timeout))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(cors::layer(state.clone()))
        .layer(SetSensitiveResponseHeadersLayer::new(sensitive_in_answers))
        .layer(PropagateRequestIdLayer::x_request_id())
        .layer(TraceLayer::new_for_http().make_span_with(span))
        .layer(SetRequestIdLayer::x_request_id(RandomId))
        .layer(SetSensitiveRequestHeadersLayer::new(sensitive))
        .with_state(state)
}

/// Writes the log and lets the faults in: those that answer instead of us, then those that change a body.
async fn observe(State(state): State<Shared>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, state.settings.body_limit).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let seen = Seen {
        endpoint: Endpoint::of_path(parts.uri.path(), &state.settings.issuer_path),
        method: parts.method.clone(),
        path_and_query: parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
        headers: parts.headers.clone(),
        body: body.to_vec(),
        at: SystemTime::now(),
        status: 0,
        response_headers: HeaderMap::new(),
        refusal: None,
        form: parameters(parts.uri.query(), parts.headers.get(CONTENT_TYPE), &body),
    };
    for name in ["state", "code_verifier"] {
        if let Some(secret) = seen.param(name) {
            state.remember_secret(secret);
        }
    }
    let endpoint = seen.endpoint;
    let headers = parts.headers.clone();
    let secrets = faults::echo::secrets(&state, &seen);
    let index = state.log.arrived(seen);
    if endpoint == Endpoint::Admin {
        let (response, refusal) = refused::reason(next.run(Request::from_parts(parts, Body::from(body))).await).await;
        state.log.answered(index, response.status(), response.headers(), refusal);
        return response;
    }
    let response = match faults::answer::instead(&state, endpoint).await {
        Some(wrong) => wrong,
        None => next.run(Request::from_parts(parts, Body::from(body))).await,
    };
    if endpoint == Endpoint::Mcp {
        state.count(|counts| counts.mcp_answered(response.status()));
    }
    let (response, refusal) = refused::reason(response).await;
    let response = match secrets {
        Some(secrets) => faults::echo::added(&secrets, response).await,
        None => response,
    };
    let mut response = faults::body::altered(&state, &headers, response).await;
    if !state.faults().is_empty() {
        response.extensions_mut().insert(compression::AsItIs);
    }
    if response.extensions().get::<NoAnswer>().is_none() {
        state.log.answered(index, response.status(), response.headers(), refusal);
    }
    response
}

fn parameters(query: Option<&str>, content_type: Option<&HeaderValue>, body: &[u8]) -> Vec<(String, String)> {
    let mut parameters = form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect::<Vec<_>>();
    if content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/x-www-form-urlencoded")) {
        parameters.extend(form_urlencoded::parse(body).into_owned());
    }
    parameters
}

fn span(request: &http::Request<Body>) -> tracing::Span {
    let id = request.extensions().get::<RequestId>().and_then(|id| id.header_value().to_str().ok()).unwrap_or_default();
    tracing::info_span!("request", method = %request.method(), path = request.uri().path(), id)
}

fn panicked(_: Box<dyn Any + Send>) -> Response {
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}

#[derive(Clone, Copy)]
struct RandomId;

impl MakeRequestId for RandomId {
    fn make_request_id<B>(&mut self, _: &http::Request<B>) -> Option<RequestId> {
        let id = random::token().ok()?;
        HeaderValue::from_str(&id).ok().map(RequestId::new)
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::routing::get;
    use http::{Request, StatusCode};
    use hyper::service::Service as _;
    use hyper_util::service::TowerToHyperService;

    use super::layered;
    use crate::authorization::jwt::SigningKey;
    use crate::settings::Settings;
    use crate::state::ServerState;

    #[tokio::test]
    async fn a_panic_is_500_and_ends_nothing_else() {
        let origin = "http://127.0.0.1:1".to_owned();
        let state = ServerState::new(Settings::default(), origin.clone(), origin, SigningKey::generate().unwrap());
        let routes = Router::new().route(
            "/panic",
            get(|| async {
                if true {
                    panic!("on purpose")
                }
            }),
        );
        let service = TowerToHyperService::new(layered(state.into(), routes, Router::new()));
        for (path, status) in [("/panic", StatusCode::INTERNAL_SERVER_ERROR), ("/else", StatusCode::NOT_FOUND)] {
            let request = Request::get(path).body(Body::empty()).unwrap();
            assert_eq!(service.call(request).await.unwrap().status(), status);
        }
    }
}
