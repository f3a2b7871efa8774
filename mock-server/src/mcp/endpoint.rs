//! The MCP endpoint (MCP 2025-11-25, transports): who may come in, in which form, and how the answer goes out.
//! The order of checks: Origin, token, form, session. What a request means is in `methods.rs`.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, ORIGIN};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::authorization::jwt::Claims;
use crate::faults::Fault;
use crate::mcp::bearer::{self, Denial};
use crate::mcp::message::{self, Answer, INVALID_REQUEST, Message, Request};
use crate::mcp::methods::{self, Call, OwnedRequest};
use crate::mcp::refusal::Refusal;
use crate::mcp::session::{SESSION_HEADER, Session, VERSIONS};
use crate::mcp::stream::{self, Outlet};
use crate::mcp::tools;
use crate::random::{self, NoRandomness};
use crate::settings::ReplyForm;
use crate::state::{ServerState, Shared};

/// The header that names the revision agreed on, in lower case.
const VERSION_HEADER: &str = "mcp-protocol-version";

/// Any method at `/mcp`.
pub(crate) async fn mcp(
    State(state): State<Shared>,
    method: Method,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let served = match admitted(&state, query.as_deref(), &headers, &body) {
        Err(refusal) => Err(refusal),
        Ok(claims) => match method {
            Method::POST => post(&state, claims, &headers, &body).await,
            Method::GET => get(&state, claims.as_ref(), &headers),
            Method::DELETE => delete(&state, claims.as_ref(), &headers),
            _ => Err(Refusal::Method("GET, POST, DELETE")),
        },
    };
    served.unwrap_or_else(|refusal| refusal.response(&state))
}

fn admitted(state: &Shared, query: Option<&str>, headers: &HeaderMap, body: &[u8]) -> Result<Option<Claims>, Refusal> {
    if headers.get(ORIGIN).is_some_and(|origin| !state.may_come_from(origin)) {
        return Err(Refusal::ForeignOrigin);
    }
    match bearer::admitted(state, headers, query) {
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
async fn post(state: &Shared, claims: Option<Claims>, headers: &HeaderMap, body: &[u8]) -> Result<Response, Refusal> {
    if !accepts(headers, "application/json") || !accepts(headers, "text/event-stream") {
        return Err(Refusal::Accept("application/json and text/event-stream"));
    }
    if media_type(headers) != "application/json" {
        return Err(Refusal::ContentType);
    }
    let (messages, batch) = message::parse(body)?;
    let opening = messages.iter().find_map(|message| match message {
        Message::Request(request) if request.method == "initialize" => Some(request),
        _ => None,
    });
    match opening {
        Some(_) if batch => return Err(Refusal::InitializeInBatch),
        Some(request) => {
            tokio::time::sleep(state.settings.initialize_delay).await;
            return initialize(state, claims.as_ref(), request);
        }
        None => {}
    }
    let session = session(state, claims.as_ref(), headers)?;
    if batch && session.version != "2025-03-26" {
        return Err(Refusal::Batch);
    }
    let requests = taken_in(&session, &messages);
    if requests.is_empty() {
        return Ok(StatusCode::ACCEPTED.into_response());
    }
    judge_scopes(state, claims.as_ref(), &requests)?;
    Ok(reply(Call { state: state.clone(), session, claims, outlet: Outlet::closed() }, requests, batch).await)
}

fn initialize(state: &Shared, claims: Option<&Claims>, request: &Request<'_>) -> Result<Response, Refusal> {
    let id = request.id.get();
    let (session, result) = match methods::initialize(request.params, claims) {
        Ok(opened) => opened,
        Err(error) => {
            let text = message::error(Some(id), error.code, &state.words(&error.message));
            return Ok(json(in_form(state, text)));
        }
    };
    let text = in_form(state, message::result(id, &result));
    let mut response = if as_stream(state) {
        let state = state.clone();
        stream::filled_by(|outlet| async move { outlet.send(&state, &text).await })
    } else {
        json(text)
    };
    // The one session without an id has the empty one.
    let mut session_id = String::new();
    if !state.has(Fault::NoSession) {
        session_id = random::token()?;
        state.remember_secret(&session_id);
        let value = HeaderValue::from_str(&session_id).map_err(|_| NoRandomness)?;
        response.headers_mut().insert(HeaderName::from_static(SESSION_HEADER), value);
    }
    state.sessions.add(session_id, Arc::new(session));
    Ok(response)
}

/// The session that a request belongs to, after its `MCP-Protocol-Version` was checked.
fn session(state: &ServerState, claims: Option<&Claims>, headers: &HeaderMap) -> Result<Arc<Session>, Refusal> {
    if let Some(version) = headers.get(VERSION_HEADER)
        && !VERSIONS.iter().any(|known| version.as_bytes() == known.as_bytes())
    {
        return Err(Refusal::Version);
    }
    let id = match headers.get(SESSION_HEADER).map(HeaderValue::to_str) {
        Some(Ok(id)) if !id.is_empty() => id,
        None if state.has(Fault::NoSession) => "",
        _ => return Err(Refusal::NoSessionId),
    };
    state.sessions.find(id, claims).ok_or(Refusal::UnknownSession)
}

/// Acts on notifications and responses; what is left are the requests.
fn taken_in(session: &Session, messages: &[Message<'_>]) -> Vec<OwnedRequest> {
    let mut requests = Vec::new();
    for message in messages {
        match message {
            Message::Request(request) => requests.push(request.into()),
            Message::Notification { method, params } if method == "notifications/cancelled" => {
                cancel(session, *params);
            }
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
fn judge_scopes(state: &ServerState, claims: Option<&Claims>, requests: &[OwnedRequest]) -> Result<(), Refusal> {
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

/// Runs the requests and answers in the form of the moment; a tool that talks while it runs gets a stream.
async fn reply(call: Call, requests: Vec<OwnedRequest>, batch: bool) -> Response {
    let talks = |request: &OwnedRequest| {
        request.method == "tools/call" && tools::name_of(request.params.as_deref()).is_some_and(|n| tools::talks(&n))
    };
    if as_stream(&call.state) || requests.iter().any(talks) {
        return stream::filled_by(|outlet| async move {
            let call = Call { outlet, ..call };
            for request in &requests {
                if let Some(text) = run(&call, request).await
                    && !call.state.has(Fault::StreamCut)
                {
                    call.outlet.send(&call.state, &in_form(&call.state, text)).await;
                }
            }
        });
    }
    let mut responses = Vec::new();
    for request in &requests {
        responses.extend(run(&call, request).await);
    }
    match responses.pop() {
        // Cancelled: nobody is to get a response any more.
        None => StatusCode::ACCEPTED.into_response(),
        Some(only) if !batch => json(in_form(&call.state, only)),
        Some(last) => {
            responses.push(last);
            json(format!("[{}]", responses.join(",")))
        }
    }
}

/// The response, or none if the client cancelled the request.
async fn run(call: &Call, request: &OwnedRequest) -> Option<String> {
    let Some(running) = call.session.begin(&request.id) else {
        return Some(message::error(Some(&request.id), INVALID_REQUEST, "a request with this id is running"));
    };
    tokio::select! {
        () = running.cancelled.notified() => None,
        text = methods::response(call, request) => Some(text),
    }
}

/// The standalone stream.
fn get(state: &ServerState, claims: Option<&Claims>, headers: &HeaderMap) -> Result<Response, Refusal> {
    if state.has(Fault::Get405) {
        return Err(Refusal::Method("POST, DELETE"));
    }
    if !accepts(headers, "text/event-stream") {
        return Err(Refusal::Accept("text/event-stream"));
    }
    let receiver = session(state, claims, headers)?.open_standalone().ok_or(Refusal::SecondStream)?;
    Ok(stream::fed_by(receiver))
}

fn delete(state: &ServerState, claims: Option<&Claims>, headers: &HeaderMap) -> Result<Response, Refusal> {
    session(state, claims, headers)?;
    let id = headers.get(SESSION_HEADER).and_then(|id| id.to_str().ok()).unwrap_or_default();
    state.sessions.end(id);
    Ok(StatusCode::NO_CONTENT.into_response())
}

fn as_stream(state: &ServerState) -> bool {
    state.settings.reply == ReplyForm::Sse || state.has(Fault::StreamCut) || state.has(Fault::MultiLineData)
}

/// Puts a response into an array where the fault wants it.
fn in_form(state: &ServerState, text: String) -> String {
    if state.has(Fault::BatchReply) { format!("[{text}]") } else { text }
}

/// Whether `Accept` names the media type, or a range that holds it (RFC 9110 §12.5.1).
fn accepts(headers: &HeaderMap, media_type: &str) -> bool {
    let major = media_type.split('/').next().unwrap_or_default();
    let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|range| {
        let range = range.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        range == media_type || range == "*/*" || range.strip_suffix("/*") == Some(major)
    })
}

fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn json(text: String) -> Response {
    ([(CONTENT_TYPE, "application/json")], text).into_response()
}
