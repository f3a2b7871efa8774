//! The HTTP+SSE transport of MCP 2024-11-05: one event stream, whose first event `endpoint` says where to POST; every
//! answer comes on the stream. It knows no method: what a request means is in `methods.rs`.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, Uri};
use tokio::sync::mpsc;
use url::{Url, form_urlencoded};

use crate::authorization::jwt::Claims;
use crate::faults::Fault;
use crate::mcp::breaks::Break;
use crate::mcp::endpoint::{accepts, admitted, answered, in_order, is_json, judge_scopes, taken_in};
use crate::mcp::message::{self, Message, Request};
use crate::mcp::methods::{self, Call, OwnedRequest};
use crate::mcp::refusal::Refusal;
use crate::mcp::reply::{in_form, run};
use crate::mcp::session::{Owner, Session, owner};
use crate::mcp::stream::{self, Outlet, Piece};
use crate::random;
use crate::settings::Transport;
use crate::state::{ServerState, Shared, lock};
use crate::wire::Fate;

/// The revision of this transport comes first: it is agreed on where ours is not the client's.
const VERSIONS: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"];

/// Where messages go.
pub(crate) const PATH: &str = "/messages";

/// One open stream and the session on it.
pub(crate) struct Link {
    /// The account that opened it.
    pub(crate) owner: Option<Owner>,
    /// `None` once the stream has ended.
    sender: Mutex<Option<mpsc::Sender<Piece>>>,
    session: Mutex<Option<Arc<Session>>>,
}

impl Link {
    pub(crate) fn is_open(&self) -> bool {
        lock(&self.sender).as_ref().is_some_and(|sender| !sender.is_closed())
    }

    /// Ends the stream cleanly.
    pub(crate) fn close(&self) {
        if let Some(sender) = lock(&self.sender).take() {
            // A full stream ends when its reader goes.
            let _ = sender.try_send(Piece::End);
        }
    }

    /// The session on it, once there is one.
    pub(crate) fn session(&self) -> Option<Arc<Session>> {
        lock(&self.session).clone()
    }

    fn sender(&self) -> Option<mpsc::Sender<Piece>> {
        lock(&self.sender).clone()
    }
}

/// `GET /mcp`: the stream, which begins with its endpoint.
pub(crate) fn open(state: &Shared, claims: Option<&Claims>, headers: &HeaderMap) -> Result<Response, Refusal> {
    if !accepts(headers, "text/event-stream") {
        return Err(Refusal::Accept("text/event-stream"));
    }
    let id = random::token()?;
    state.remember_secret(&id);
    let (sender, mut response) = stream::fed(state);
    let link = Link { owner: claims.map(owner), sender: Mutex::new(Some(sender.clone())), session: Mutex::default() };
    let link = Arc::new(link);
    state.sessions.add_link(id.clone(), link.clone());
    let first = Bytes::from(format!("event: endpoint\ndata: {}\n\n", endpoint_url(state, &id)));
    if let Some(time) = state.fault_number(Fault::EndpointLate) {
        // Not the link's own sender: its end must end the stream.
        let later = sender.downgrade();
        drop(sender);
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(time)).await;
            if let Some(sender) = later.upgrade() {
                let _ = sender.send(Piece::Event(first)).await;
            }
        });
    } else {
        // There is room: it is the first.
        let _ = sender.try_send(Piece::Event(first));
    }
    response.extensions_mut().insert(Fate::Reset);
    Ok(response)
}

fn endpoint_url(state: &ServerState, id: &str) -> String {
    let path = format!("{PATH}?sessionId={id}");
    if state.has(Fault::EndpointElsewhere) {
        // The same server by another name, so that the log shows who follows.
        return Url::parse(&state.origin).map_or(path.clone(), |mut url| {
            let _ = url.set_host(Some("localhost"));
            format!("{}{path}", url.as_str().trim_end_matches('/'))
        });
    }
    if state.settings.mcp.absolute_endpoint { format!("{}{path}", state.origin) } else { path }
}

/// Any method at `/messages`.
pub(crate) async fn messages(
    State(state): State<Shared>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if state.settings.mcp.transport != Transport::HttpSse {
        return StatusCode::NOT_FOUND.into_response();
    }
    answered(&state, PATH, &headers, async |_| {
        let claims = admitted(&state, (&method, &uri), &headers, &body)?;
        if method != Method::POST {
            return Err(Refusal::Method("POST"));
        }
        post(&state, claims, uri.query(), &headers, &body).await
    })
    .await
}

async fn post(
    state: &Shared,
    claims: Option<Claims>,
    query: Option<&str>,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Response, Refusal> {
    if !is_json(headers) {
        return Err(Refusal::ContentType);
    }
    let mut query = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let id = query.find(|(name, _)| name == "sessionId").ok_or(Refusal::NoSessionId)?.1;
    let link = state.sessions.link(&id, claims.as_ref()).ok_or(Refusal::UnknownSession)?;
    let (messages, batch) = message::parse(body)?;
    if let [Message::Request(request)] = messages.as_slice()
        && request.method == "initialize"
        && !batch
    {
        return initialize(state, claims.as_ref(), &link, request).await;
    }
    let session = link.session().ok_or(Refusal::NotInitialized)?;
    if batch && session.version != "2025-03-26" {
        return Err(Refusal::Batch);
    }
    in_order(state, &session, &messages)?;
    let requests = taken_in(&session, &messages);
    judge_scopes(state, claims.as_ref(), &requests)?;
    if let Some(sender) = link.sender().filter(|_| !requests.is_empty()) {
        let call = Call { state: state.clone(), session, claims, outlet: Outlet::Open(sender.clone()), modern: None };
        tokio::spawn(async move {
            tokio::select! {
                () = serve(&call, &link, &requests) => {}
                () = sender.closed() => {}
            }
        });
    }
    Ok(accepted())
}

async fn initialize(
    state: &ServerState,
    claims: Option<&Claims>,
    link: &Link,
    request: &Request<'_>,
) -> Result<Response, Refusal> {
    tokio::time::sleep(state.settings.initialize_delay).await;
    let sender = link.sender().ok_or(Refusal::UnknownSession)?;
    let id = request.id.get();
    let text = match methods::initialize(state, request.params, claims, &VERSIONS) {
        Ok((session, result)) => {
            session.open_standalone(|| Outlet::Open(sender.clone()));
            *lock(&link.session) = Some(Arc::new(session));
            message::result(id, &result)
        }
        Err(error) => message::error(Some(id), error.code, &state.words(&error.message), error.data.as_ref()),
    };
    let _ = sender.send(Piece::Event(stream::event(state, &in_form(state, text), None))).await;
    Ok(accepted())
}

fn accepted() -> Response {
    (StatusCode::ACCEPTED, "Accepted").into_response()
}

/// Runs the requests; each response goes on the stream, unless a fault breaks that first.
async fn serve(call: &Call, link: &Link, requests: &[OwnedRequest]) {
    for request in requests {
        let Some(answer) = run(call, request).await else { continue };
        let Some(sender) = link.sender() else { return };
        let event = stream::event(&call.state, &in_form(&call.state, answer.text), None);
        match Break::of_now(&call.state) {
            None if call.state.has(Fault::StreamCut) => link.close(),
            None => drop(sender.send(Piece::Event(event)).await),
            Some((kind, _)) => {
                if kind != Break::Closed {
                    let _ = sender.send(Piece::Event(event.slice(..event.len() / 2))).await;
                }
                if kind == Break::Reset {
                    let _ = sender.send(Piece::Break).await;
                }
                link.close();
            }
        }
    }
}
