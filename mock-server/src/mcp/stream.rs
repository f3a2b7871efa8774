//! Server-sent events: how a message becomes an event, the way into a stream, and a stream as a response body.
//! A body carries the work that fills it: when the connection goes, so does the work. Streams that outlive their
//! connection are in `track.rs`.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::body::{Body, HttpBody};
use axum::response::Response;
use bytes::Bytes;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use hyper::body::Frame;
use tokio::sync::mpsc;

use crate::faults::Fault;
use crate::faults::body::pretty;
use crate::mcp::outages::TornBody;
use crate::mcp::track::Track;
use crate::state::ServerState;

/// What goes into a stream: an event, or its end whoever may still hold a way into it.
pub(crate) enum Piece {
    Event(Bytes),
    End,
    /// The connection breaks.
    Break,
}

/// How many events wait for a slow reader.
const WAITING: usize = 64;

/// A message as an event; line breaks inside it become several `data` lines (WHATWG HTML §9.2.6).
pub(crate) fn event(state: &ServerState, message: &str, id: Option<&str>) -> Bytes {
    if state.has(Fault::OddEvents) {
        return odd_event(message, id);
    }
    let several = state.has(Fault::MultiLineData);
    let end = if several { "\r\n" } else { "\n" };
    let printed = if several || state.has(Fault::PrettyJson) { &pretty(message) } else { message };
    let mut text = String::with_capacity(printed.len() + 64);
    if let Some(id) = id {
        text.extend(["id: ", id, end]);
    }
    text.extend(["event: message", end]);
    for line in printed.replace("\r\n", "\n").split(['\n', '\r']) {
        text.extend(["data: ", line, end]);
    }
    text.push_str(end);
    Bytes::from(text)
}

/// The same event as the rules allow it and few expect it, between others that are none of MCP's.
fn odd_event(message: &str, id: Option<&str>) -> Bytes {
    let id = id.map(|id| format!("id:{id}\r")).unwrap_or_default();
    let foreign = "event: heartbeat\rdata: {\"beat\": 1}\r\revent: message\rid\r\r";
    let foreign = if id.is_empty() { foreign } else { "event: heartbeat\rdata: {\"beat\": 1}\r\r" };
    let lines = pretty(message).lines().map(|line| format!("data:{line}\r")).collect::<String>();
    format!(": a comment, and a field that nobody knows\rcolour: blue\rretry: soon\r{foreign}{id}{lines}\r").into()
}

/// The way from those who have something to say into a stream.
#[derive(Clone)]
pub(crate) enum Outlet {
    /// There is no stream: the reply is plain JSON.
    Closed,
    /// A stream that lives as long as its connection.
    Open(mpsc::Sender<Piece>),
    /// One that outlives it.
    Kept(Arc<Track>),
}

impl Outlet {
    /// Sends a message; `false` if nobody can get it any more.
    pub(crate) async fn send(&self, state: &ServerState, message: &str) -> bool {
        match self {
            Outlet::Closed => false,
            Outlet::Open(sender) => sender.send(Piece::Event(event(state, message, None))).await.is_ok(),
            Outlet::Kept(track) => track.add(state, message),
        }
    }

    /// As [`Outlet::send`], without a wait: lost if the stream is full.
    pub(crate) fn send_now(&self, state: &ServerState, message: &str) {
        match self {
            Outlet::Closed => {}
            Outlet::Open(sender) => drop(sender.try_send(Piece::Event(event(state, message, None)))),
            Outlet::Kept(track) => drop(track.add(state, message)),
        }
    }

    /// Whether somebody listens.
    pub(crate) fn is_read(&self) -> bool {
        match self {
            Outlet::Closed => false,
            Outlet::Open(sender) => !sender.is_closed(),
            Outlet::Kept(track) => track.is_read(),
        }
    }

    /// Ends the stream, whoever else may hold a way into it; returns when all of it was read.
    pub(crate) async fn end(&self) {
        match self {
            Outlet::Closed => {}
            Outlet::Open(sender) => {
                // Nobody reads it any more: then it has ended.
                drop(sender.send(Piece::End).await);
                sender.closed().await;
            }
            Outlet::Kept(track) => track.end(),
        }
    }

    /// Whether what is sent can still reach somebody.
    pub(crate) fn is_open(&self) -> bool {
        match self {
            Outlet::Kept(track) => !track.has_ended(),
            other => other.is_read(),
        }
    }
}

/// The response whose stream is filled by the work, and ends with it.
pub(crate) fn filled_by<F>(state: &ServerState, work: impl FnOnce(Outlet) -> F) -> Response
where
    F: Future<Output = ()> + Send + 'static,
{
    pumped(state, |sender| work(Outlet::Open(sender)))
}

/// The response that shows what others put into the channel.
pub(crate) fn fed(state: &ServerState) -> (mpsc::Sender<Piece>, Response) {
    let (sender, receiver) = mpsc::channel(WAITING);
    (sender, response(state, receiver, None))
}

/// As [`filled_by`], for work that puts pieces into the stream itself.
pub(crate) fn pumped<F>(state: &ServerState, work: impl FnOnce(mpsc::Sender<Piece>) -> F) -> Response
where
    F: Future<Output = ()> + Send + 'static,
{
    let (sender, receiver) = mpsc::channel(WAITING);
    response(state, receiver, Some(Box::pin(work(sender))))
}

fn response(state: &ServerState, receiver: mpsc::Receiver<Piece>, work: Option<Work>) -> Response {
    let mark = state.has(Fault::OddEvents);
    let stream = EventStream { receiver, work, end: Box::pin(state.trouble.streams_end()), mark, breaking: false };
    let mut response = Response::new(Body::new(stream));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

struct EventStream {
    receiver: mpsc::Receiver<Piece>,
    /// `None` once it is done, or where there was none.
    work: Option<Work>,
    /// Done when all streams are to end.
    end: Work,
    /// Whether a byte order mark is still to come.
    mark: bool,
    /// Whether the connection is to break now.
    breaking: bool,
}

impl HttpBody for EventStream {
    type Data = Bytes;
    type Error = TornBody;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.end.as_mut().poll(context).is_ready() {
            return Poll::Ready(None);
        }
        if std::mem::take(&mut self.mark) {
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"\xef\xbb\xbf")))));
        }
        if let Some(work) = &mut self.work
            && work.as_mut().poll(context).is_ready()
        {
            self.work = None;
        }
        if self.breaking {
            return Poll::Ready(Some(Err(TornBody)));
        }
        match ready!(self.receiver.poll_recv(context)) {
            Some(Piece::Event(event)) => Poll::Ready(Some(Ok(Frame::data(event)))),
            Some(Piece::End) | None => Poll::Ready(None),
            Some(Piece::Break) => {
                // Hyper is given a turn to send what it has.
                self.breaking = true;
                context.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }
}
