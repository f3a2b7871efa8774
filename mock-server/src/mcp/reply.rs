//! The form of an answer: one JSON body, an array, or an event stream that the work fills, with its connection or
//! without. It runs requests and knows none of them; those are in `methods.rs`.

use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;

use crate::faults::Fault;
use crate::mcp::message::{self, INVALID_REQUEST};
use crate::mcp::methods::{self, Answer, Call, OwnedRequest};
use crate::mcp::session::Session;
use crate::mcp::stream::{self, Outlet};
use crate::mcp::track::Track;
use crate::mcp::{breaks, modern, prompts, resources, tools};
use crate::settings::ReplyForm;
use crate::state::{ServerState, Shared};

/// Runs the requests and answers in the form of the moment; a tool that talks while it runs gets a stream.
pub(super) async fn reply(call: Call, requests: Vec<OwnedRequest>, batch: bool) -> Response {
    if as_stream(&call.state) || requests.iter().any(|request| talks(&call, request)) {
        if let Some(refusal) = refusal(&call, &requests).await {
            return refusal;
        }
        let state = call.state.clone();
        return breaks::broken(&state, stream_of(call, requests));
    }
    let mut responses = Vec::new();
    for request in &requests {
        responses.extend(run(&call, request).await);
    }
    match responses.as_slice() {
        // Cancelled: nobody is to get a response any more.
        [] => StatusCode::ACCEPTED.into_response(),
        [only] if !batch => alone(&call, only),
        all => json(format!("[{}]", all.iter().map(|answer| answer.text.as_str()).collect::<Vec<_>>().join(","))),
    }
}

fn alone(call: &Call, answer: &Answer) -> Response {
    let mut response = json(in_form(&call.state, answer.text.clone()));
    *response.status_mut() = status(call, answer);
    response
}

/// The error with a status of its own that a modern request gets instead of its stream: a stream says 200 before anything is
/// known. What asks for input keeps nothing between two rounds, so that to try it changes nothing.
async fn refusal(call: &Call, requests: &[OwnedRequest]) -> Option<Response> {
    let [request] = requests else { return None };
    if call.modern.is_none() || !asks(request) {
        return None;
    }
    let answer = methods::response(call, request).await;
    (status(call, &answer) != StatusCode::OK).then(|| alone(call, &answer))
}

/// Whether messages come before the response, so that it needs a stream.
fn talks(call: &Call, request: &OwnedRequest) -> bool {
    let tool = tools::name_of(request.params.as_deref()).filter(|_| request.method == "tools/call");
    tool.is_some_and(|name| tools::talks(&name)) || (call.modern.is_none() && asks(request))
}

/// Whether the client is asked something before the result.
fn asks(request: &OwnedRequest) -> bool {
    let params = request.params.as_deref();
    match request.method.as_str() {
        "tools/call" => tools::name_of(params).is_some_and(|name| tools::asks(&name)),
        "prompts/get" => tools::text_of(params, "name").as_deref() == Some(prompts::ASKING),
        "resources/read" => tools::text_of(params, "uri").as_deref() == Some(resources::ASKING),
        _ => false,
    }
}

/// The status of a JSON body: the modern era has one for some errors, a fault for all of them.
fn status(call: &Call, answer: &Answer) -> StatusCode {
    let Some(code) = answer.error else { return StatusCode::OK };
    match call.state.fault_number(Fault::RpcErrorStatus) {
        Some(status) => {
            let status = u16::try_from(status).ok().and_then(|status| StatusCode::from_u16(status).ok());
            status.unwrap_or(StatusCode::BAD_REQUEST)
        }
        None if call.modern.is_some() => modern::status_of(code),
        None => StatusCode::OK,
    }
}

/// The stream of a reply; where streams are resumable, the work goes on without its connection.
fn stream_of(call: Call, requests: Vec<OwnedRequest>) -> Response {
    if !call.state.settings.mcp.resumable || call.modern.is_some() {
        let state = call.state.clone();
        return stream::filled_by(&state, |outlet| async move { fill(&Call { outlet, ..call }, &requests).await });
    }
    let track = Track::begun(&call.state);
    call.session.keep(&track);
    let response = track.followed_from(&call.state, 0);
    let session = call.session.clone();
    session.spawn(async move {
        fill(&Call { outlet: Outlet::Kept(track.clone()), ..call }, &requests).await;
        track.end();
    });
    response
}

async fn fill(call: &Call, requests: &[OwnedRequest]) {
    if call.modern.is_some() && call.state.has(Fault::ServerRequests) {
        call.outlet.send(&call.state, &message::request("\"server-1\"", "roots/list", "{}")).await;
    }
    for request in requests {
        let Some(answer) = run(call, request).await else { continue };
        let times =
            if call.state.has(Fault::StreamCut) { 0 } else { 1 + u8::from(call.state.has(Fault::AnswersTwice)) };
        let text = in_form(&call.state, answer.text);
        for _ in 0..times {
            call.outlet.send(&call.state, &text).await;
        }
    }
}

/// A stream of one message.
pub(super) fn streamed(state: &Shared, session: &Arc<Session>, text: String) -> Response {
    if state.settings.mcp.resumable {
        let track = Track::begun(state);
        session.keep(&track);
        track.add(state, &text);
        track.end();
        return track.followed_from(state, 0);
    }
    let held = state.clone();
    stream::filled_by(state, |outlet| async move {
        outlet.send(&held, &text).await;
    })
}

/// The response, or none if the client cancelled the request.
pub(super) async fn run(call: &Call, request: &OwnedRequest) -> Option<Answer> {
    let Some(running) = call.session.begin(&request.id) else {
        let text = message::error(Some(&request.id), INVALID_REQUEST, "a request with this id is running", None);
        return Some(Answer { text, error: Some(INVALID_REQUEST) });
    };
    let answer = tokio::select! {
        () = running.cancelled.notified() => None,
        answer = methods::response(call, request) => Some(answer),
    };
    call.modern.as_ref().inspect(|modern| modern.ongoing.finish());
    answer
}

/// Whether a reply is a stream even if nothing comes before its response.
pub(super) fn as_stream(state: &ServerState) -> bool {
    let of_streams =
        [Fault::StreamCut, Fault::MultiLineData, Fault::OddEvents, Fault::AnswersTwice, Fault::ServerRequests];
    let wanted = of_streams.into_iter().any(|fault| state.has(fault)) || breaks::Break::of_now(state).is_some();
    state.settings.reply == ReplyForm::Sse || wanted
}

/// Puts a response into an array where the fault wants it.
pub(super) fn in_form(state: &ServerState, text: String) -> String {
    if state.has(Fault::BatchReply) { format!("[{text}]") } else { text }
}

pub(super) fn json(text: String) -> Response {
    ([(CONTENT_TYPE, "application/json")], text).into_response()
}
