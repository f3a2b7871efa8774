//! Faults of the MCP endpoint that a proxy, a balancer or the network would cause: busy answers, lost answers, heads
//! and bodies cut, connections that die. What breaks within an event stream is in `breaks.rs`.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::{Body, HttpBody};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use hyper::body::Frame;

use crate::faults::Fault;
use crate::faults::answer::NoAnswer;
use crate::mcp::trouble::happens;
use crate::settings::RetryAfter;
use crate::state::ServerState;
use crate::wire::Fate;

/// Where `redirect-here` leads.
pub(crate) const MOVED: &str = "/moved";
/// So much of a head is sent before it is cut.
const HALF_A_HEAD: usize = 24;

/// The answer of the moment instead of an honest one; nothing was looked at yet. One that hangs never comes.
pub(crate) async fn instead(state: &ServerState, path: &str) -> Option<Response> {
    if happens(state, Fault::ClosedBeforeAnswer) {
        return Some(no_answer(Response::default()));
    }
    if happens(state, Fault::NoResponseHead) {
        std::future::pending::<()>().await;
    }
    if happens(state, Fault::RetryAfter429) {
        return Some(busy(state, StatusCode::TOO_MANY_REQUESTS));
    }
    if happens(state, Fault::RetryAfter503) {
        return Some(busy(state, StatusCode::SERVICE_UNAVAILABLE));
    }
    let status = state.fault_number(Fault::RedirectHere).filter(|_| path != MOVED)?;
    let status = u16::try_from(status).ok().and_then(|status| StatusCode::from_u16(status).ok());
    Some((status.unwrap_or(StatusCode::TEMPORARY_REDIRECT), [(LOCATION, MOVED)]).into_response())
}

/// The honest answer on a connection that does it harm.
pub(crate) fn harmed(state: &ServerState, response: Response) -> Response {
    let mut response = response;
    if let Some(content_type) = state.fault_text(Fault::ContentType).filter(|_| is_json(&response))
        && let Ok(value) = HeaderValue::from_str(&content_type)
    {
        response.headers_mut().insert(CONTENT_TYPE, value);
    }
    if happens(state, Fault::LostAnswer) {
        return no_answer(response);
    }
    if happens(state, Fault::ResetAtHeaders) {
        response.extensions_mut().insert(Fate::CutHead(HALF_A_HEAD));
    } else if is_json(&response) && happens(state, Fault::ResetInBody) {
        response.extensions_mut().insert(Fate::Reset);
        response = response.map(|body| Body::new(Torn { body, step: Step::Whole }));
    } else if happens(state, Fault::HangsAfterHead) {
        response = response.map(|_| Body::new(Silence));
    } else if let Some(time) = state.fault_number(Fault::IdleConnectionsClose) {
        response.extensions_mut().insert(Fate::IdleClose(Duration::from_millis(time)));
    } else if state.has(Fault::DeadOnReuse) {
        response.extensions_mut().insert(Fate::DeadOnReuse);
    }
    response
}

fn no_answer(mut response: Response) -> Response {
    response.extensions_mut().insert(NoAnswer);
    response
}

fn busy(state: &ServerState, status: StatusCode) -> Response {
    let mut response = (status, [(CONTENT_TYPE, "text/plain; charset=utf-8")], state.words("too busy")).into_response();
    let value = match state.settings.mcp.retry_after {
        None => None,
        Some(RetryAfter::Seconds(seconds)) => Some(seconds.to_string()),
        Some(RetryAfter::Date(in_seconds)) => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            Some(http_date(now.as_secs() + in_seconds))
        }
    };
    if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
        response.headers_mut().insert(RETRY_AFTER, value);
    }
    response
}

/// A time as RFC 9110 §5.6.7 writes it, from seconds since 1970.
pub(crate) fn http_date(seconds: u64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let weekday = DAYS.get(usize::try_from(days % 7).unwrap_or_default()).copied().unwrap_or_default();
    let is_leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let (mut year, mut day) = (1970, days);
    while day >= 365 + u64::from(is_leap(year)) {
        day -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let lengths = [31, 28 + u64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = MONTHS[0];
    for (name, length) in MONTHS.into_iter().zip(lengths) {
        month = name;
        if day < length {
            break;
        }
        day -= length;
    }
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{weekday}, {:02} {month} {year} {hour:02}:{minute:02}:{second:02} GMT", day + 1)
}

fn is_json(response: &Response) -> bool {
    response.headers().get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/json"))
}

/// Why a body ends before its end.
#[derive(Debug, thiserror::Error)]
#[error("the body is torn on purpose")]
pub(crate) struct TornBody;

enum Step {
    Whole,
    /// The first half is with hyper, which is given a turn to send it.
    HalfSent,
    Torn,
}

/// A body of which half comes, then the connection breaks; its length is what the head promised.
struct Torn {
    body: Body,
    step: Step,
}

impl HttpBody for Torn {
    type Data = Bytes;
    type Error = TornBody;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, TornBody>>> {
        match self.step {
            Step::Whole => {
                let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
                let bytes = frame.and_then(Result::ok).and_then(|frame| frame.into_data().ok()).unwrap_or_default();
                self.step = Step::HalfSent;
                Poll::Ready(Some(Ok(Frame::data(bytes.slice(..bytes.len() / 2)))))
            }
            Step::HalfSent => {
                self.step = Step::Torn;
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Step::Torn => Poll::Ready(Some(Err(TornBody))),
        }
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        self.body.size_hint()
    }
}

/// A body that never comes.
struct Silence;

impl HttpBody for Silence {
    type Data = Bytes;
    type Error = TornBody;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, TornBody>>> {
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::http_date;

    #[test]
    fn a_date_is_written_as_rfc_9110_does() {
        for (seconds, date) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (1_767_225_599, "Wed, 31 Dec 2025 23:59:59 GMT"),
        ] {
            assert_eq!(http_date(seconds), date);
        }
    }
}
