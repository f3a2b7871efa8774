//! The MCP endpoint in the description: one path, three methods (MCP 2025-11-25, transports), of which 2026-07-28 has one.

use utoipa::openapi::path::Parameter;
use utoipa::openapi::{HttpMethod, Required, Response};

use super::words::{
    Described, Endpoint, empty, endpoint, headed, header, in_path, json, named, query, string, text, with,
};
use crate::mcp::tools::asking;
use crate::mcp::{http_sse, outages};

const TAG: &str = "MCP";
/// The same endpoint, where the fault `redirect-here` leads.
const MOVED: &str = outages::MOVED;

pub(super) fn endpoints() -> Vec<Described> {
    let [message, page] = beside();
    vec![post("/mcp"), get("/mcp"), delete("/mcp"), post(MOVED), get(MOVED), delete(MOVED), message, page]
}

fn post(path: &str) -> Described {
    let about = "A request is answered by JSON or by an event stream, as the settings and the tool want it; notifications \
                 and responses get 202. An answer to initialize opens a session, whose id comes in Mcp-Session-Id. \
                 A request of MCP 2026-07-28, where the settings serve that, has no session: it says in params._meta which \
                 revision it is of and what its client can do, and in headers what its body says; an annotated argument \
                 of a tool goes into Mcp-Param-NAME.";
    let session = "Of an answer to initialize: the session's id, for every later request.";
    let accept = header("Accept", Required::True, "application/json and text/event-stream.");
    let done =
        with("The response to a request; its stream, where it is one.", "application/json", named("JsonRpcMessages"));
    let done = with_stream(headed(done, "Mcp-Session-Id", session));
    guarded(path, endpoint(HttpMethod::Post, path, TAG, "Send a message", about))
        .takes(std::iter::once(accept).chain(in_session()).chain(mirrored()))
        .body("application/json", named("JsonRpcMessages"))
        .answers(200, done)
        .answers(202, empty("Taken in: there is nothing to answer."))
        .answers(406, refused("Accept does not name both media types."))
        .answers(415, refused("The body is not application/json."))
        .done()
}

fn get(path: &str) -> Described {
    let about = "The standalone stream, on which the server sends what belongs to no request. One for each session; \
                 the modern era has subscriptions/listen instead.";
    let stream =
        with("The stream of messages.", "text/event-stream", string("Server-sent events, each a JSON-RPC message."));
    let accept = header("Accept", Required::True, "text/event-stream.");
    let last = header("Last-Event-ID", Required::False, "The last event seen, to resume a stream that broke.");
    guarded(path, endpoint(HttpMethod::Get, path, TAG, "Listen", about))
        .takes(std::iter::once(accept).chain(in_session()).chain([last]))
        .answers(200, stream)
        .answers(405, empty("There is no standalone stream, or the era is the modern one alone."))
        .answers(406, refused("Accept does not name text/event-stream."))
        .answers(409, refused("The session has such a stream already."))
        .done()
}

fn delete(path: &str) -> Described {
    guarded(path, endpoint(HttpMethod::Delete, path, TAG, "End the session", "The session and its streams end."))
        .takes(in_session())
        .answers(204, empty("It has ended."))
        .answers(405, empty("There are no sessions to end, or the era is the modern one alone."))
        .done()
}

/// What belongs to the endpoint without being it.
fn beside() -> [Described; 2] {
    let about =
        "Where messages go in the transport HTTP+SSE (MCP 2024-11-05); the answers come on the stream of GET /mcp.";
    let page = "What the tools that elicit by URL send a person to.";
    [
        guarded(
            http_sse::PATH,
            endpoint(HttpMethod::Post, http_sse::PATH, TAG, "Send a message beside the stream", about),
        )
        .takes([query("sessionId", Required::True, "As the event named endpoint of the stream says it.")])
        .body("application/json", named("JsonRpcMessages"))
        .answers(202, empty("Taken in."))
        .answers(405, empty("This is not POST, or the transport is another."))
        .answers(415, refused("The body is not application/json."))
        .done(),
        endpoint(HttpMethod::Get, format!("{}/{{id}}", asking::PAGES), TAG, "A page to visit", page)
            .takes([in_path("id", "The elicitation's id.")])
            .answers(200, text("Nothing is asked there."))
            .done(),
    ]
}

/// The headers of the modern era.
fn mirrored() -> [Parameter; 2] {
    [
        header("Mcp-Method", Required::False, "From 2026-07-28 on: the method of the body."),
        header(
            "Mcp-Name",
            Required::False,
            "From 2026-07-28 on: the name or the URI of tools/call, prompts/get and resources/read, by =?base64?…?= where \
             it is not plain.",
        ),
    ]
}

fn in_session() -> [Parameter; 2] {
    [
        header("Mcp-Session-Id", Required::False, "Of every request but initialize, where there are sessions."),
        header(
            "MCP-Protocol-Version",
            Required::False,
            "The revision agreed on, from 2025-06-18 on; from 2026-07-28 on that of params._meta, always.",
        ),
    ]
}

/// What all three have: the token, and the refusals before anything is looked at.
fn guarded(path: &str, endpoint: Endpoint) -> Endpoint {
    let challenge = "Where the metadata is, what was wrong with the token, which scope is needed (RFC 6750 §3).";
    endpoint
        .secured_by(&["access_token", ""])
        .answers(400, refused("The message, its metadata, its headers or its session id are not right."))
        .answers(401, headed(text("No token, or none that counts."), "WWW-Authenticate", challenge))
        .answers(
            403,
            headed(
                refused("The token lacks a scope, or a page of another origin asks."),
                "WWW-Authenticate",
                challenge,
            ),
        )
        .answers(
            404,
            if path == "/mcp" {
                refused("The session has ended; or the modern era lacks the method.")
            } else {
                empty("Not there now; or no session.")
            },
        )
        .answers(413, text("The body is larger than the limit."))
        .answers(503, text("The answer took longer than the limit."))
}

/// A refusal: a JSON-RPC error, or a word of text where no message was read.
fn refused(description: &str) -> Response {
    let mut response = json(description, "JsonRpcMessages");
    response.content.extend(text("").content);
    response
}

fn with_stream(mut response: Response) -> Response {
    response.content.extend(with("", "text/event-stream", string("Server-sent events.")).content);
    response
}
