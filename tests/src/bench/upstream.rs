//! The server that is measured against: as much MCP as the rows need and nothing besides, so that its own cost hides no
//! difference. It believes every token, and must never be taken for a model of how a server should be.
//! Read next: [`reply`], the bytes that it answers with.

mod reply;

use std::convert::Infallible;
use std::io::{self, Read, Write};
use std::sync::Arc;

use hyper::body::{Body as _, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use memchr::memmem;
use tokio::net::{TcpListener, TcpStream};

use self::reply::{Frames, Payload};

/// The path that wants a token.
pub const PROTECTED: &str = "/mcp";
/// The path that wants none, for bridges that are not signed in.
pub const OPEN: &str = "/open";
/// The path of a server of MCP 2026-07-28, which wants no token either.
pub const MODERN: &str = "/modern";
/// Where the resource metadata is (RFC 9728 §3.1).
const METADATA: &str = "/.well-known/oauth-protected-resource/mcp";
/// How much of a message's beginning and end is looked at, in bytes.
const EDGE: usize = 1024;

struct Server {
    challenge: HeaderValue,
    metadata: String,
    payload: Payload,
}

/// Serves on a free port, whose origin is the first line of stdout, until stdin ends.
///
/// # Errors
/// Where there is no port to be had.
pub async fn serve(issuer: &str) -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let origin = format!("http://{}", listener.local_addr()?);
    writeln!(io::stdout().lock(), "{origin}")?;
    let (end, ended) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let _ = io::stdin().lock().read_to_end(&mut Vec::new());
        let _ = end.send(());
    });
    let challenge = format!("Bearer resource_metadata=\"{origin}{METADATA}\"");
    let challenge = HeaderValue::from_str(&challenge).map_err(io::Error::other)?;
    let metadata = format!(r#"{{"resource":"{origin}{PROTECTED}","authorization_servers":["{issuer}"]}}"#);
    let server = Arc::new(Server { challenge, metadata, payload: Payload::default() });
    tokio::select! {
        _ = ended => Ok(()),
        error = accept(&listener, &server) => error,
    }
}

async fn accept(listener: &TcpListener, server: &Arc<Server>) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(converse(stream, server.clone()));
    }
}

async fn converse(stream: TcpStream, server: Arc<Server>) {
    let service = service_fn(|request| {
        let server = server.clone();
        async move { Ok::<_, Infallible>(server.answer(request).await) }
    });
    // A client that goes away is no concern of the server.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

impl Server {
    async fn answer(&self, request: Request<Incoming>) -> Response<Frames> {
        match request.uri().path() {
            METADATA => return json(Frames::whole(self.metadata.clone())),
            PROTECTED if !has_token(&request) => {
                let mut response = empty(StatusCode::UNAUTHORIZED);
                response.headers_mut().insert(WWW_AUTHENTICATE, self.challenge.clone());
                return response;
            }
            PROTECTED | OPEN | MODERN => {}
            _ => return empty(StatusCode::NOT_FOUND),
        }
        let modern = request.uri().path() == MODERN;
        match *request.method() {
            Method::POST => self.answer_message(request.into_body(), modern).await,
            Method::DELETE => empty(StatusCode::OK),
            _ => empty(StatusCode::METHOD_NOT_ALLOWED),
        }
    }

    async fn answer_message(&self, body: Incoming, modern: bool) -> Response<Frames> {
        let Some(edges) = edges(body).await else { return empty(StatusCode::BAD_REQUEST) };
        let Some(id) = field(&edges, "\"id\":") else { return empty(StatusCode::ACCEPTED) };
        let result = |result: &str| json(Frames::whole(reply::result(id, result)));
        match field(&edges, "\"method\":").unwrap_or_default() {
            "\"server/discover\"" if modern => result(reply::DISCOVERED),
            "\"initialize\"" if !modern => {
                let version = field(&edges, "\"protocolVersion\":").unwrap_or("\"2025-11-25\"");
                let mut response = result(&reply::initialize_result(version));
                response.headers_mut().insert("mcp-session-id", HeaderValue::from_static("the-only-session"));
                response
            }
            "\"tools/call\"" => self.call(id, &edges),
            "\"tools/list\"" => result(reply::TOOLS),
            "\"ping\"" | "\"logging/setLevel\"" => result("{}"),
            _ => json(Frames::whole(reply::method_not_found(id))),
        }
    }

    fn call(&self, id: &str, edges: &str) -> Response<Frames> {
        let n = field(edges, "\"n\":").and_then(|n| n.parse().ok()).unwrap_or_default();
        match field(edges, "\"name\":").unwrap_or_default() {
            "\"echo-sse\"" => stream(reply::event(reply::text_result(id))),
            "\"large\"" => json(self.payload.response(id, n)),
            "\"large-sse\"" => stream(self.payload.event(id, n)),
            "\"notify\"" => stream(reply::notifications(id, n)),
            _ => json(Frames::whole(reply::text_result(id))),
        }
    }
}

fn has_token(request: &Request<Incoming>) -> bool {
    let token = request.headers().get(AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    token.is_some_and(|token| !token.is_empty())
}

/// Reads a message to its end, and keeps only its beginning and its end.
async fn edges(mut body: Incoming) -> Option<String> {
    use http_body_util::BodyExt as _;

    let (mut head, mut tail) = (Vec::with_capacity(EDGE), Vec::new());
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.ok()?.into_data() else { continue };
        let room = (EDGE - head.len()).min(data.len());
        head.extend_from_slice(&data[..room]);
        if room < data.len() {
            tail.extend_from_slice(&data[room.max(data.len().saturating_sub(EDGE))..]);
            tail.drain(..tail.len().saturating_sub(EDGE));
        }
        if body.is_end_stream() {
            break;
        }
    }
    head.append(&mut tail);
    String::from_utf8(head).ok()
}

/// The number or string behind a name. It takes the first such name for the outermost: the rows send nothing else.
fn field<'a>(message: &'a str, name: &str) -> Option<&'a str> {
    let rest = &message[memmem::find(message.as_bytes(), name.as_bytes())? + name.len()..];
    let end = match rest.strip_prefix('"') {
        Some(text) => text.find('"')? + 2,
        None => rest.find(|c: char| !c.is_ascii_digit())?,
    };
    Some(&rest[..end])
}

fn json(frames: Frames) -> Response<Frames> {
    with_type(frames, HeaderValue::from_static("application/json"))
}

fn stream(frames: Frames) -> Response<Frames> {
    with_type(frames, HeaderValue::from_static("text/event-stream"))
}

fn with_type(frames: Frames, content_type: HeaderValue) -> Response<Frames> {
    let mut response = Response::new(frames);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

fn empty(status: StatusCode) -> Response<Frames> {
    let mut response = Response::new(Frames::default());
    *response.status_mut() = status;
    response
}
