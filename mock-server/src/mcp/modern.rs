//! The modern era (MCP 2026-07-28): no handshake, no sessions; every request brings its metadata, which its headers mirror.
//! It judges a request and hands it to the same methods as the legacy era. Metadata are in `modern/metadata.rs`, headers in
//! `modern/mirrored.rs`, what is asked back in `modern/input.rs`, subscriptions in `modern/listen.rs`.

pub(crate) mod breach;
pub(crate) mod input;
pub(crate) mod listen;
mod metadata;
mod mirrored;
pub(crate) mod ongoing;
pub(crate) mod results;

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use self::breach::Breach;
use self::input::Input;
use self::listen::Subscriptions;
use self::metadata::Metadata;
use self::ongoing::{Ongoing, OngoingCalls};
use crate::authorization::jwt::Claims;
use crate::faults::Fault;
use crate::mcp::endpoint::{VERSION_HEADER, judge_scopes};
use crate::mcp::message::{self, INVALID_REQUEST, METHOD_NOT_FOUND, Message, NoMessage, Request};
use crate::mcp::methods::{Call, OwnedRequest};
use crate::mcp::refusal::Refusal;
use crate::mcp::reply::{json, reply};
use crate::mcp::session::{MODERN_VERSION, Session, Surprises, VERSIONS};
use crate::mcp::stream::Outlet;
use crate::settings::Era;
use crate::state::{ServerState, Shared};

/// The method whose answer is a stream without an end.
const LISTEN: &str = "subscriptions/listen";

/// The methods of the revision (MCP 2026-07-28, schema).
pub(crate) const METHODS: [&str; 10] = [
    "server/discover",
    LISTEN,
    "tools/list",
    "tools/call",
    "resources/list",
    "resources/templates/list",
    "resources/read",
    "prompts/list",
    "prompts/get",
    "completion/complete",
];

/// What outlives a request.
pub(crate) struct Served {
    /// The lists that hold something more, the same for everybody.
    pub(crate) surprises: Surprises,
    /// The requests that run, and those whose client went away.
    pub(crate) calls: Arc<OngoingCalls>,
    /// The subscriptions that are open.
    pub(crate) subscriptions: Subscriptions,
}

impl Served {
    pub(crate) fn new() -> Self {
        Served { surprises: Surprises::default(), calls: Arc::default(), subscriptions: Subscriptions::default() }
    }
}

/// What a running request has of its own.
pub(crate) struct Modern {
    /// What its client answered.
    pub(crate) input: Input,
    /// Notes how it ends.
    pub(crate) ongoing: Ongoing,
}

/// The eras that are served at the moment.
pub(crate) fn era(state: &ServerState) -> Era {
    match state.settings.mcp.era {
        era if !state.has(Fault::EraChanges) => era,
        Era::Legacy => Era::Modern,
        Era::Modern | Era::Both => Era::Legacy,
    }
}

/// Whether these messages are to be served by this revision: always or never, or, where both eras are, if a request brings
/// modern metadata or its header (MCP 2026-07-28, versioning).
pub(super) fn is_for(state: &ServerState, headers: &HeaderMap, messages: &[Message<'_>]) -> bool {
    match era(state) {
        Era::Legacy => false,
        Era::Modern => true,
        Era::Both => {
            headers.get(VERSION_HEADER).is_some_and(|version| version.as_bytes() == MODERN_VERSION.as_bytes())
                || messages
                    .iter()
                    .any(|message| matches!(message, Message::Request(request) if metadata::is_in(request.params)))
        }
    }
}

/// One request, or a notification, of which none means anything here.
pub(super) async fn post(
    state: &Shared,
    claims: Option<Claims>,
    headers: &HeaderMap,
    messages: &[Message<'_>],
    batch: bool,
) -> Result<Response, Refusal> {
    let refused = |reason: &str| Err(NoMessage { code: INVALID_REQUEST, reason: reason.to_owned() }.into());
    match messages {
        _ if batch => refused("a body is one message (MCP 2026-07-28)"),
        [Message::Request(request)] => match judged(state, headers, request) {
            Ok(metadata) => served(state, claims, request, metadata).await,
            Err(breach) => Ok(breach.response(state, request.id.get())),
        },
        [Message::Notification { .. }] => Ok(StatusCode::ACCEPTED.into_response()),
        _ => refused("clients send no responses (MCP 2026-07-28)"),
    }
}

/// First what stands outside, then the metadata, then whether both are the same, then what may differ from server to server.
fn judged(state: &ServerState, headers: &HeaderMap, request: &Request<'_>) -> Result<Metadata, Breach> {
    mirrored::present(state, headers, request)?;
    let metadata = Metadata::of(request)?;
    mirrored::version(headers, &metadata)?;
    let stale = state.has(Fault::StaleDiscover) && request.method != "server/discover";
    if stale {
        return Err(Breach::Version { supported: VERSIONS.to_vec(), requested: metadata.version });
    }
    if metadata.version != MODERN_VERSION {
        return Err(Breach::Version { supported: results::versions(state), requested: metadata.version });
    }
    mirrored::checked(headers, request)?;
    if !has(state, &request.method) {
        return Err(Breach::Method(request.method.clone().into_owned()));
    }
    Ok(metadata)
}

/// Whether there is such a method here.
fn has(state: &ServerState, method: &str) -> bool {
    let of_tools = method.starts_with("tools/") || matches!(method, "server/discover" | LISTEN);
    let missing = match method {
        "server/discover" => state.has(Fault::NoDiscover),
        LISTEN => state.has(Fault::NoListen),
        _ => false,
    };
    !missing && METHODS.contains(&method) && (of_tools || !state.settings.mcp.tools_only)
}

async fn served(
    state: &Shared,
    claims: Option<Claims>,
    request: &Request<'_>,
    metadata: Metadata,
) -> Result<Response, Refusal> {
    let session = Session::of_request(metadata.capabilities, metadata.level, state.modern.surprises.clone());
    let requests = vec![OwnedRequest::from(request)];
    judge_scopes(state, claims.as_ref(), &requests)?;
    let input = match Input::of(state, request, claims.as_ref()) {
        Ok(input) => input,
        Err(breach) => return Ok(breach.response(state, request.id.get())),
    };
    let ongoing = state.modern.calls.begin(request.id.get());
    let modern = Some(Modern { input, ongoing });
    let call = Call { state: state.clone(), session: Arc::new(session), claims, outlet: Outlet::Closed, modern };
    if request.method == LISTEN {
        call.modern.as_ref().inspect(|modern| modern.ongoing.finish());
        return Ok(match listen::opened(&call, request.id.get(), request.params).await {
            Ok(response) => unbuffered(response),
            Err(error) => json(message::error(Some(request.id.get()), error.code, &state.words(&error.message), None)),
        });
    }
    Ok(unbuffered(reply(call, requests, false).await))
}

/// Says to proxies that a stream is not to be held back.
fn unbuffered(mut response: Response) -> Response {
    let stream = response.headers().get(http::header::CONTENT_TYPE).is_some_and(|kind| kind == "text/event-stream");
    if stream {
        response.headers_mut().insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    }
    response
}

/// The status that belongs to an error (MCP 2026-07-28, transports).
pub(super) fn status_of(code: i32) -> StatusCode {
    match code {
        METHOD_NOT_FOUND => StatusCode::NOT_FOUND,
        breach::HEADER_MISMATCH | breach::MISSING_CAPABILITY | breach::UNSUPPORTED_VERSION => StatusCode::BAD_REQUEST,
        _ => StatusCode::OK,
    }
}
