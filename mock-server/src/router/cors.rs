//! What a client that is a web page of another origin may do (Fetch, CORS): read the metadata, register, get tokens; at the
//! MCP endpoint, only from the origins of the settings. Pages for people and the switchboard are not for other pages.

use std::time::Duration;

use http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, Method};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

use crate::authorization::dpop::DPOP_NONCE;
use crate::log::Endpoint;
use crate::mcp::session::SESSION_HEADER;
use crate::state::Shared;

/// How long a browser may remember the answer to its question.
const REMEMBERED: Duration = Duration::from_secs(600);

/// Answers what browsers ask first, and names the origin in what they ask then.
pub(super) fn layer(state: Shared) -> CorsLayer {
    let allowed = AllowOrigin::predicate(move |origin, request| {
        is_open(&state, Endpoint::of_path(request.uri.path(), &state.settings.issuer_path), origin)
    });
    CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([
            WWW_AUTHENTICATE,
            HeaderName::from_static(SESSION_HEADER),
            HeaderName::from_static(DPOP_NONCE),
            CONTENT_TYPE,
        ])
        .max_age(REMEMBERED)
}

fn is_open(state: &Shared, endpoint: Endpoint, origin: &HeaderValue) -> bool {
    match endpoint {
        Endpoint::ResourceMetadata
        | Endpoint::ServerMetadata
        | Endpoint::OpenidConfiguration
        | Endpoint::Jwks
        | Endpoint::Registration
        | Endpoint::ClientManagement
        | Endpoint::DeviceAuthorization
        | Endpoint::Token
        | Endpoint::Revocation => true,
        Endpoint::Mcp => state.may_come_from(origin),
        _ => false,
    }
}
