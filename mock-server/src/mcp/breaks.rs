//! Faults within the event stream of a reply: it ends or breaks before its response, between two events or inside one.
//! It counts events and knows nothing of what they say.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, HttpBody};
use axum::response::Response;
use bytes::Bytes;
use hyper::body::Frame;

use crate::faults::Fault;
use crate::mcp::outages::TornBody;
use crate::state::ServerState;
use crate::wire::Fate;

/// How a stream ends too early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Break {
    /// Cleanly, between two events.
    Closed,
    /// Cleanly, inside an event.
    HalfEvent,
    /// By a reset, inside an event.
    Reset,
}

impl Break {
    /// The one of the moment, and how many events come before it.
    pub(crate) fn of_now(state: &ServerState) -> Option<(Break, u64)> {
        let all = [
            (Fault::StreamClosedBeforeResponse, Break::Closed),
            (Fault::HalfEvent, Break::HalfEvent),
            (Fault::StreamReset, Break::Reset),
            (Fault::StreamPolls, Break::Closed),
        ];
        all.into_iter().find_map(|(fault, kind)| Some((kind, state.fault_number(fault)?)))
    }
}

/// The stream of a reply, broken if a fault wants it so; a priming event does not count.
pub(crate) fn broken(state: &ServerState, mut response: Response) -> Response {
    let Some((kind, events)) = Break::of_now(state) else { return response };
    if kind == Break::Reset {
        response.extensions_mut().insert(Fate::Reset);
    }
    let left = events + u64::from(state.settings.mcp.resumable);
    response.map(|body| Body::new(Breaking { body, left, kind, after: After::Stream }))
}

/// A stream of a GET, which is closed at times where the server wants to be polled; its priming events do not count.
pub(crate) fn polled(state: &ServerState, response: Response, priming: u64) -> Response {
    let Some(events) = state.fault_number(Fault::StreamPolls) else { return response };
    let left = events + priming;
    response.map(|body| Body::new(Breaking { body, left, kind: Break::Closed, after: After::Stream }))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum After {
    Stream,
    /// Half an event is with hyper, which is given a turn to send it.
    Half,
    End,
}

struct Breaking {
    body: Body,
    left: u64,
    kind: Break,
    after: After,
}

impl HttpBody for Breaking {
    type Data = Bytes;
    type Error = TornBody;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, TornBody>>> {
        match self.after {
            After::Half => {
                self.after = After::End;
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            After::End => return Poll::Ready((self.kind == Break::Reset).then_some(Err(TornBody))),
            After::Stream if self.left == 0 && self.kind == Break::Closed => return Poll::Ready(None),
            After::Stream => {}
        }
        let Some(Ok(frame)) = ready!(Pin::new(&mut self.body).poll_frame(context)) else { return Poll::Ready(None) };
        if self.left > 0 {
            self.left -= 1;
            return Poll::Ready(Some(Ok(frame)));
        }
        self.after = After::Half;
        let event = frame.into_data().unwrap_or_default();
        Poll::Ready(Some(Ok(Frame::data(event.slice(..event.len() / 2)))))
    }
}
