//! The MCP endpoint (MCP 2025-11-25, transports): who may come in, in which form, and how the answer goes out.
//! The order of checks: Origin, token, form, session. What a request means is in `methods.rs`.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, ORIGIN};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::authorization::dpop::{self, Role};
use crate::authorization::jwt::Claims;
use crate::faults::Fault;
use crate::mcp::bearer::{self, Denial};
use crate::mcp::cookies::Node;
use crate::mcp::message::{self, Answer, Message, Request};
use crate::mcp::methods::{self, Call, OwnedRequest};
use crate::mcp::refusal::Refusal;
use crate::mcp::reply::{as_stream, in_form, json, reply, streamed};
use crate::mcp::session::{SESSION_HEADER, Session, VERSIONS};
use crate::mcp::stream::{self, Outlet};
use crate::mcp::track::Track;
use crate::mcp::{breaks, http_sse, modern, outages, tools};
use crate::random::{self, NoRandomness};
use crate::settings::{Era, Transport};
use crate::state::{ServerState, Shared};

/// The header that names the revision agreed on, in lower case.
pub(super) const VERSION_HEADER: &str = "mcp-protocol-version";

/// The header that names the last event that was seen, in lower case (WHATWG HTML §9.2.4).
const LAST_EVENT_ID: &str = "last-event-id";

/// Any method at `/mcp`.
pub(crate) async fn mcp(
    State(state): State<Shared>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if uri.path() == outages::MOVED && !state.has(Fault::RedirectHere) {
        return StatusCode::NOT_FOUND.into_response();
    }
    answered(&state, uri.path(), &headers, async |node| {
        let claims = admitted(&state, (&method, &uri), &headers, &body)?;
        match (method, state.settings.mcp.transport) {
            (Method::GET, Transport::HttpSse) => http_sse::open(&state, claims.as_ref(), &headers),
            (Method::POST, Transport::HttpSse) => Err(Refusal::OldTransport),
            (_, Transport::HttpSse) => Err(Refusal::Method("GET")),
            (Method::GET | Method::DELETE, _) if modern::era(&state) == Era::Modern => Err(Refusal::Method("POST")),
            (Method::POST, _) => post(&state, claims, node, &headers, &body).await,
            (Method::GET, _) => get(&state, claims.as_ref(), node, &headers),
            (Method::DELETE, _) => delete(&state, claims.as_ref(), node, &headers),
            _ => Err(Refusal::Method("GET, POST, DELETE")),
        }
    })
    .await
}

/// The answer with all that stands around it: what a balancer adds, and what the faults of the moment take.
pub(super) async fn answered(
    state: &ServerState,
    path: &str,
    headers: &HeaderMap,
    serve: impl AsyncFnOnce(&Node) -> Result<Response, Refusal>,
) -> Response {
    let node = Node::of(state, headers);
    if let Some(wrong) = outages::instead(state, path).await {
        return node.answer(state, wrong);
    }
    let mut response = serve(&node).await.unwrap_or_else(|refusal| refusal.response(state));
    dpop::add_headers(state, Role::Resource, response.headers_mut());
    outages::harmed(state, node.answer(state, response))
}

pub(super) fn admitted(
    state: &Shared,
    (method, uri): (&Method, &Uri),
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Option<Claims>, Refusal> {
    if headers.get(ORIGIN).is_some_and(|origin| !state.may_come_from(origin)) {
        return Err(Refusal::ForeignOrigin);
    }
    match bearer::admitted(state, (method, uri.path()), headers, uri.query()) {
        Err(Denial::NoToken) if state.settings.open_until_tools_call && !calls_a_tool(body) => Ok(None),
        judged => Ok(judged?),
    }
}

fn calls_a_tool(body: &[u8]) -> bool {
    let is_call =
        |message: &Message<'_>| matches!(message, Message::Request(request) if request.method == "tools/call");
    message::parse(body).is_ok_and(|(messages, _)| messages.iter().any(is_call))
}

/// One message, or a batch of them in a session of 2025-03-26.
async fn post(
    state: &Shared,
    claims: Option<Claims>,
    node: &Node,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Response, Refusal> {
    if !accepts(headers, "application/json") || !accepts(headers, "text/event-stream") {
        return Err(Refusal::Accept("application/json and text/event-stream"));
    }
    if !is_json(headers) {
        return Err(Refusal::ContentType);
    }
    let (messages, batch) = message::parse(body)?;
    if modern::is_for(state, headers, &messages) {
        return modern::post(state, claims, headers, &messages, batch).await;
    }
    let opening = messages.iter().find_map(|message| match message {
        Message::Request(request) if request.method == "initialize" => Some(request),
        _ => None,
    });
    match opening {
        Some(_) if batch => return Err(Refusal::InitializeInBatch),
        Some(request) => {
            tokio::time::sleep(state.settings.initialize_delay).await;
            return initialize(state, claims.as_ref(), node, request);
        }
        None => {}
    }
    let session = session(state, claims.as_ref(), node, headers)?;
    in_order(state, &session, &messages)?;
    if batch && session.version != "2025-03-26" {
        return Err(Refusal::Batch);
    }
    if messages.iter().any(|message| matches!(message, Message::Request(_))) {
        lose_at_times(state, &session, headers)?;
    }
    let requests = taken_in(&session, &messages);
    if requests.is_empty() {
        return Ok(acknowledged(state));
    }
    judge_scopes(state, claims.as_ref(), &requests)?;
    Ok(reply(Call { state: state.clone(), session, claims, outlet: Outlet::Closed, modern: None }, requests, batch)
        .await)
}

fn initialize(
    state: &Shared,
    claims: Option<&Claims>,
    node: &Node,
    request: &Request<'_>,
) -> Result<Response, Refusal> {
    let id = request.id.get();
    let (mut session, result) = match methods::initialize(state, request.params, claims, &VERSIONS) {
        Ok(opened) => opened,
        Err(error) => {
            let text = message::error(Some(id), error.code, &state.words(&error.message), error.data.as_ref());
            return Ok(json(in_form(state, text)));
        }
    };
    node.name().clone_into(&mut session.node);
    let session = Arc::new(session);
    let text = in_form(state, message::result(id, &result));
    let mut response = if as_stream(state) { streamed(state, &session, text) } else { json(text) };
    // The one session without an id has the empty one.
    let mut session_id = String::new();
    if !state.has(Fault::NoSession) {
        session_id = random::token()?;
        state.remember_secret(&session_id);
        let value = HeaderValue::from_str(&session_id).map_err(|_| NoRandomness)?;
        response.headers_mut().insert(HeaderName::from_static(SESSION_HEADER), value);
    }
    state.sessions.add(session_id, session);
    Ok(response)
}

/// The session that a request belongs to, after its `MCP-Protocol-Version` was checked.
fn session(
    state: &ServerState,
    claims: Option<&Claims>,
    node: &Node,
    headers: &HeaderMap,
) -> Result<Arc<Session>, Refusal> {
    if let Some(version) = headers.get(VERSION_HEADER)
        && !VERSIONS.iter().any(|known| version.as_bytes() == known.as_bytes())
    {
        return Err(Refusal::Version);
    }
    let session = state.sessions.find(session_id(state, headers)?, claims).ok_or(Refusal::UnknownSession)?;
    if session.node == node.name() { Ok(session) } else { Err(Refusal::OtherNode) }
}

fn session_id<'a>(state: &ServerState, headers: &'a HeaderMap) -> Result<&'a str, Refusal> {
    match headers.get(SESSION_HEADER).map(HeaderValue::to_str) {
        Some(Ok(id)) if !id.is_empty() => Ok(id),
        None if state.has(Fault::NoSession) => Ok(""),
        _ => Err(Refusal::NoSessionId),
    }
}

/// Nothing but a ping comes before the handshake is over (MCP 2025-11-25, lifecycle), where that was chosen.
pub(super) fn in_order(state: &ServerState, session: &Session, messages: &[Message<'_>]) -> Result<(), Refusal> {
    let early = |message: &Message<'_>| matches!(message, Message::Request(request) if request.method != "ping");
    if state.settings.mcp.strict_handshake && !session.is_initialized() && messages.iter().any(early) {
        return Err(Refusal::NotInitialized);
    }
    Ok(())
}

/// Forgets a session that has served as many requests as the fault allows it.
fn lose_at_times(state: &ServerState, session: &Session, headers: &HeaderMap) -> Result<(), Refusal> {
    let allowed = state.fault_number(Fault::LostSession);
    if allowed.is_some_and(|allowed| session.serve_one() >= allowed) {
        state.sessions.end(session_id(state, headers)?);
        return Err(Refusal::UnknownSession);
    }
    Ok(())
}

/// Acts on notifications and responses; what is left are the requests.
pub(super) fn taken_in(session: &Session, messages: &[Message<'_>]) -> Vec<OwnedRequest> {
    let mut requests = Vec::new();
    for message in messages {
        match message {
            Message::Request(request) => requests.push(request.into()),
            Message::Notification { method, params } if method == "notifications/cancelled" => {
                cancel(session, *params);
            }
            Message::Notification { method, .. } if method == "notifications/initialized" => session.set_initialized(),
            Message::Notification { .. } => {}
            Message::Response { id, answer: Answer::Result(result) } => {
                session.answered(id.get(), Ok(result.get().to_owned()));
            }
            Message::Response { id, answer: Answer::Error(error) } => {
                session.answered(id.get(), Err(error.get().to_owned()));
            }
        }
    }
    requests
}

fn cancel(session: &Session, params: Option<&RawValue>) {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Params<'a> {
        #[serde(borrow)]
        request_id: &'a RawValue,
    }
    // A notification has no answer: a malformed one is ignored.
    if let Ok(params) = methods::parsed::<Params<'_>>(params) {
        session.cancel(params.request_id.get());
    }
}

/// 403 before anything runs, if a tool needs a scope that the token lacks (MCP 2025-11-25, authorization).
pub(super) fn judge_scopes(
    state: &ServerState,
    claims: Option<&Claims>,
    requests: &[OwnedRequest],
) -> Result<(), Refusal> {
    let Some(claims) = claims else { return Ok(()) };
    for request in requests.iter().filter(|request| request.method == "tools/call") {
        let tool = tools::name_of(request.params.as_deref());
        if let Some(scope) = tool.and_then(|tool| state.settings.tool_scopes.get(&tool)) {
            if state.has(Fault::StepUpInVain) {
                return Err(Denial::InsufficientScope(scope.clone()).into());
            }
            bearer::has_scope(claims, scope)?;
        }
    }
    Ok(())
}

/// The standalone stream, or one that broke (MCP 2025-11-25, transports, resumability).
fn get(state: &ServerState, claims: Option<&Claims>, node: &Node, headers: &HeaderMap) -> Result<Response, Refusal> {
    if state.has(Fault::Get405) {
        return Err(Refusal::Method("POST, DELETE"));
    }
    if !accepts(headers, "text/event-stream") {
        return Err(Refusal::Accept("text/event-stream"));
    }
    let last = headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok());
    if last.is_some()
        && let Some(status) = state.fault_number(Fault::ResumeRefused)
    {
        return Err(Refusal::Resume(u16::try_from(status).unwrap_or_default()));
    }
    let session = session(state, claims, node, headers)?;
    match last {
        Some(last) if state.settings.mcp.resumable => resumed(state, &session, last),
        _ if state.settings.mcp.resumable => {
            let track = Track::begun(state);
            if !session.open_standalone(|| Outlet::Kept(track.clone())) {
                return Err(Refusal::SecondStream);
            }
            session.keep(&track);
            Ok(breaks::polled(state, track.followed_from(state, 0), 1))
        }
        _ => {
            let (sender, response) = stream::fed(state);
            if !session.open_standalone(|| Outlet::Open(sender)) {
                return Err(Refusal::SecondStream);
            }
            Ok(response)
        }
    }
}

/// What came after the event on its stream, and the stream from there on.
fn resumed(state: &ServerState, session: &Session, last: &str) -> Result<Response, Refusal> {
    let (name, position) = Track::place(last).ok_or(Refusal::UnknownEvent)?;
    let track = session.track(name).filter(|track| position < track.len()).ok_or(Refusal::UnknownEvent)?;
    let from = if state.has(Fault::ReplaysTooMuch) { 0 } else { position + 1 };
    Ok(breaks::polled(state, track.followed_from(state, from), u64::from(from == 0)))
}

fn delete(state: &ServerState, claims: Option<&Claims>, node: &Node, headers: &HeaderMap) -> Result<Response, Refusal> {
    if state.has(Fault::Delete405) {
        return Err(Refusal::Method("GET, POST"));
    }
    session(state, claims, node, headers)?;
    state.sessions.end(session_id(state, headers)?);
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The answer to what needs none.
fn acknowledged(state: &ServerState) -> Response {
    let status = state.fault_number(Fault::NotificationStatus).and_then(|status| u16::try_from(status).ok());
    let status = status.and_then(|status| StatusCode::from_u16(status).ok());
    status.unwrap_or(StatusCode::ACCEPTED).into_response()
}

/// Whether `Accept` names the media type, or a range that holds it (RFC 9110 §12.5.1).
pub(super) fn accepts(headers: &HeaderMap, media_type: &str) -> bool {
    let major = media_type.split('/').next().unwrap_or_default();
    let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|range| {
        let range = range.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        range == media_type || range == "*/*" || range.strip_suffix("/*") == Some(major)
    })
}

/// Whether the body says that it is JSON.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/json")
}
