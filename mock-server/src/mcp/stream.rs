//! Server-sent events: how a message becomes an event, the way into a stream, and a stream as a response body.
//! A body carries the work that fills it: when the connection goes, so does the work.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use axum::response::Response;
use bytes::Bytes;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use hyper::body::Frame;
use tokio::sync::mpsc;

use crate::faults::Fault;
use crate::faults::body::pretty;
use crate::state::ServerState;

/// A message as an event; line breaks inside it become several `data` lines (WHATWG HTML §9.2.6).
pub(crate) fn event(state: &ServerState, message: &str) -> Bytes {
    let several = state.has(Fault::MultiLineData);
    let end = if several { "\r\n" } else { "\n" };
    let printed = if several || state.has(Fault::PrettyJson) { pretty(message) } else { message.to_owned() };
    let mut text = format!("event: message{end}");
    for line in printed.replace("\r\n", "\n").split(['\n', '\r']) {
        text.push_str("data: ");
        text.push_str(line);
        text.push_str(end);
    }
    text.push_str(end);
    Bytes::from(text)
}

/// The way from a running request to its own stream; closed where the reply is plain JSON.
#[derive(Clone)]
pub(crate) struct Outlet(Option<mpsc::Sender<Bytes>>);

impl Outlet {
    pub(crate) fn closed() -> Self {
        Outlet(None)
    }

    /// Sends a message before the response; lost if there is no stream or nobody reads it any more.
    pub(crate) async fn send(&self, state: &ServerState, message: &str) {
        if let Some(sender) = &self.0 {
            let _ = sender.send(event(state, message)).await;
        }
    }
}

/// The response whose stream is filled by the work, and ends with it.
pub(crate) fn filled_by<F: Future<Output = ()> + Send + 'static>(work: impl FnOnce(Outlet) -> F) -> Response {
    let (sender, receiver) = mpsc::channel(16);
    let work = work(Outlet(Some(sender)));
    response(EventStream { receiver, work: Some(Box::pin(work)) })
}

/// The response that shows what others put into the channel.
pub(crate) fn fed_by(receiver: mpsc::Receiver<Bytes>) -> Response {
    response(EventStream { receiver, work: None })
}

fn response(stream: EventStream) -> Response {
    let mut response = Response::new(Body::new(stream));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

struct EventStream {
    receiver: mpsc::Receiver<Bytes>,
    /// `None` once it is done, or where there was none.
    work: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl HttpBody for EventStream {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Some(work) = &mut self.work
            && work.as_mut().poll(context).is_ready()
        {
            self.work = None;
        }
        self.receiver.poll_recv(context).map(|event| event.map(|bytes| Ok(Frame::data(bytes))))
    }
}
