//! One message out, its reply in: JSON, an array, or a stream of events, all seen as one sequence of messages (T1, T12).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use url::Url;

use super::error::{UpstreamError, excerpt, is_oauth_error};
use super::http_sse::Awaited;
use super::session::Session;
use super::stream::{Place, Stream};
use super::{Upstream, headers, modern, retry};
use crate::http::{Answer, read_limited};
use crate::message::{self, Envelope, Kind};
use crate::safe_url::SafeUrl;
use crate::tokens::Purpose;
use crate::untrusted::Untrusted;

/// How many redirects on the same origin are followed.
pub(super) const MAX_REDIRECTS: usize = 3;

/// The reply to one message. Its beginning is there; the rest is read as it is asked for.
#[derive(Debug)]
pub struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    /// What the server may repeat, and nobody is shown.
    sent: Vec<HeaderValue>,
    /// The longest message, in bytes.
    longest: usize,
    /// It was sent within a session, and a lost one may be begun anew for it.
    may_lose_session: bool,
    bond: Bond,
    modern: bool,
    messages: Messages,
}

/// What ties a message of a reply to the request that was sent, besides its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bond {
    /// Nothing: the reply may hold several messages.
    None,
    /// It is all there is: an error is the request's, whatever its id (T12).
    Alone,
    /// The session is unknown (404): only a response that has the request's very id is one (T6).
    SessionLost,
}

#[derive(Debug)]
enum Messages {
    /// A body that nobody has asked for yet.
    Unread(Box<Answer>),
    /// What a body held: nothing, one message or an array of them.
    Body(VecDeque<Bytes>),
    Stream(Box<Stream>),
    /// It comes by the stream of HTTP+SSE (T11).
    Elsewhere(Awaited),
}

impl Upstream {
    /// POSTs one message, to the byte as it is (T1). `wanted` says what for, and when it arrived. Returns with the
    /// beginning of the reply: the server has the message.
    ///
    /// # Errors
    /// Whatever keeps a reply from coming: network, token, a redirect that is not followed.
    pub async fn post(&self, message: Bytes, wanted: (Purpose, Instant)) -> Result<Reply, UpstreamError> {
        self.post_within(self.session(), message, wanted).await
    }

    /// The same outside of any session: a modern request, whatever else is spoken with the server.
    ///
    /// # Errors
    /// As [`Upstream::post`].
    pub async fn post_alone(&self, message: Bytes, wanted: (Purpose, Instant)) -> Result<Reply, UpstreamError> {
        self.post_within(Session::default(), message, wanted).await
    }

    /// The same within a session, which may be an earlier one.
    ///
    /// # Errors
    /// As [`Upstream::post`].
    pub async fn post_within(
        &self,
        session: Session,
        message: Bytes,
        wanted: (Purpose, Instant),
    ) -> Result<Reply, UpstreamError> {
        let is_negotiated = session.is_negotiated();
        let headers = |session: &Session| {
            let mut headers = headers::of_post(&self.headers, session);
            if !session.is_negotiated() {
                modern::mirror(&message, &self.tools, &mut headers);
            }
            headers
        };
        let connection = self.http_sse.connection().filter(|_| is_negotiated || !modern::is_modern(&message));
        // Before it is asked: the answer may be faster than the acknowledgement.
        let awaited = connection.as_ref().map(|connection| connection.await_response(&message)).transpose()?.flatten();
        let target = connection.as_ref().map_or(&self.target, |connection| &connection.endpoint);
        let (mut response, in_session, sent) =
            self.send(Method::POST, target, (session, headers), Some(message.clone()), wanted).await?;
        let in_session = in_session || connection.is_some();
        let status = response.status();
        let headers = response.take_headers();
        let messages = if let Some(awaited) = awaited.filter(|_| status.is_success()) {
            Messages::Elsewhere(awaited)
        } else if status.is_success() && is_event_stream(&headers) {
            Messages::Stream(Box::new(self.stream(response, sent.clone(), Place::default())))
        } else {
            Messages::Unread(Box::new(response))
        };
        let bond = if status == StatusCode::NOT_FOUND && in_session { Bond::SessionLost } else { Bond::None };
        let longest = self.transport.max_message;
        Ok(Reply { status, headers, sent, longest, may_lose_session: in_session, bond, modern: false, messages })
    }
}

impl Reply {
    /// The HTTP status, a success unless a JSON-RPC error came with another.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The headers, for what `initialize` sets up.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Whether more may come after the response: the connection is only free once a stream is read to its end.
    #[must_use]
    pub fn is_stream(&self) -> bool {
        matches!(self.messages, Messages::Stream(_) | Messages::Elsewhere(_))
    }

    /// Whether it says no more than that the message was taken (202); then there is nothing to read.
    #[must_use]
    pub fn is_acknowledgement(&self) -> bool {
        self.status == StatusCode::ACCEPTED
    }

    /// After how long the server, which is busy, wants the same request again (T7).
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        retry::retry_after(self.status, &self.headers)
    }

    /// A session that seems to be lost is not begun anew for this request: what the server says of it is its answer.
    pub fn takes_loss(&mut self) {
        self.may_lose_session = false;
    }

    /// The same reply, which cannot be gone on with elsewhere in the modern era (T5).
    #[must_use]
    pub fn of_era(mut self, modern: bool) -> Self {
        self.modern = modern;
        self
    }

    /// Whether it is of the modern era.
    #[must_use]
    pub fn is_modern(&self) -> bool {
        self.modern
    }

    /// Where its stream left off, if it is one that can be gone on with.
    #[must_use]
    pub fn into_place(self) -> Option<Place> {
        match self.messages {
            _ if self.modern => None,
            Messages::Stream(stream) => Some(stream.into_place()),
            Messages::Unread(_) | Messages::Body(_) | Messages::Elsewhere(_) => None,
        }
    }

    /// Whether its stream brought an event.
    #[must_use]
    pub fn lived(&self) -> bool {
        matches!(&self.messages, Messages::Stream(stream) if stream.lived())
    }

    /// The same reply on another connection (T5).
    pub(super) fn on(stream: Stream, longest: usize) -> Reply {
        Reply {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            sent: Vec::new(),
            longest,
            may_lose_session: false,
            bond: Bond::None,
            modern: false,
            messages: Messages::Stream(Box::new(stream)),
        }
    }

    /// What ties the message that [`Reply::next`] gave last to the request.
    #[must_use]
    pub fn bond(&self) -> Bond {
        self.bond
    }

    /// The next message on one line, or `None` at the end.
    ///
    /// # Errors
    /// A status without a JSON-RPC body, something else than MCP, a stream that breaks, a message over the limit.
    pub async fn next(&mut self) -> Result<Option<Bytes>, UpstreamError> {
        if let Messages::Unread(response) = &mut self.messages {
            let body = read_limited(response.as_mut(), self.longest).await?;
            let messages = if self.status.is_success() {
                messages_of(self.status, &self.headers, body)
            } else if self.may_lose_session && self.status == StatusCode::BAD_REQUEST && is_about_the_session(&body) {
                Err(UpstreamError::SessionLost)
            } else {
                self.error_of(body).map(|error| VecDeque::from([error]))
            };
            let messages = messages.map_err(|error| error.without(&headers::secrets(&self.sent)))?;
            if messages.len() == 1 && self.bond == Bond::None {
                self.bond = Bond::Alone;
            }
            self.messages = Messages::Body(messages);
        }
        match &mut self.messages {
            Messages::Unread(_) => Ok(None), // read above
            Messages::Body(messages) => Ok(messages.pop_front()),
            Messages::Stream(stream) => stream.next().await,
            Messages::Elsewhere(awaited) => awaited.next().await,
        }
    }

    /// An error status with a JSON-RPC response passes as it is, on one line (T12, H1); any other becomes an error of ours.
    fn error_of(&self, body: Bytes) -> Result<Bytes, UpstreamError> {
        match Envelope::parse(&body) {
            Ok(envelope) if envelope.kind == Kind::Response => Ok(one_line(body)),
            _ if self.bond == Bond::SessionLost => Err(UpstreamError::SessionLost),
            _ => Err(UpstreamError::Status {
                excerpt: excerpt(&body),
                of_oauth: is_oauth_error(&body),
                status: self.status,
                retry_after: self.retry_after(),
            }),
        }
    }

    /// The error that its status is, whatever its body says.
    #[must_use]
    pub fn refused(&self) -> UpstreamError {
        let (status, retry_after) = (self.status, self.retry_after());
        UpstreamError::Status { status, excerpt: Untrusted::new(""), of_oauth: false, retry_after }
    }
}

/// Old servers answer 400 to a session that they do not know, with words about it (T6).
fn is_about_the_session(body: &[u8]) -> bool {
    let beginning = &body[..body.len().min(4096)];
    beginning.windows(7).any(|word| word.eq_ignore_ascii_case(b"session"))
}

/// Where a 307 or 308 leads on the same origin (T12); `None` where it is no redirect.
pub(super) fn same_origin_redirect(response: &Answer, url: &Url) -> Result<Option<Url>, UpstreamError> {
    let status = response.status();
    if !status.is_redirection() {
        return Ok(None);
    }
    let location = response.headers().get(LOCATION).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let to = location.as_deref().and_then(|location| url.join(location).ok());
    let keeps_method = matches!(status, StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT);
    match to {
        Some(to) if keeps_method && to.origin() == url.origin() => Ok(Some(to)),
        _ => {
            let shown = location.unwrap_or_default();
            let to = to.map_or_else(|| SafeUrl::from_text(&shown), |to| SafeUrl::new(&to));
            Err(UpstreamError::Redirect { status, to })
        }
    }
}

pub(super) fn is_event_stream(headers: &HeaderMap) -> bool {
    media_type(headers).is_some_and(|media| media.eq_ignore_ascii_case("text/event-stream"))
}

fn media_type(headers: &HeaderMap) -> Option<&str> {
    headers.get(CONTENT_TYPE)?.to_str().ok()?.split(';').next().map(str::trim)
}

fn messages_of(status: StatusCode, headers: &HeaderMap, body: Bytes) -> Result<VecDeque<Bytes>, UpstreamError> {
    let mut messages = VecDeque::new();
    match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
        None => {}
        Some(b'{' | b'[') => one_line_each(body, &mut messages)?,
        Some(_) => {
            let content_type = Untrusted::new(media_type(headers).unwrap_or("no content type"));
            return Err(UpstreamError::NotMcp { status, content_type, excerpt: excerpt(&body) });
        }
    }
    Ok(messages)
}

/// One message, or the members of an array (2025-03-26), each on one line (H1).
pub(super) fn one_line_each(body: Bytes, messages: &mut VecDeque<Bytes>) -> Result<(), UpstreamError> {
    let batch = message::batch(&body).map_err(|_| UpstreamError::NotAResponse(excerpt(&body)))?;
    match batch {
        Some(members) => messages.extend(members.into_iter().map(|member| one_line(body.slice_ref(member)))),
        None => messages.push_back(one_line(body)),
    }
    Ok(())
}

fn one_line(message: Bytes) -> Bytes {
    if memchr::memchr2(b'\n', b'\r', &message).is_none() {
        return message;
    }
    let mut message = Vec::from(message);
    message::into_one_line(&mut message);
    message.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(body: &'static str) -> Result<Vec<String>, UpstreamError> {
        messages_of(StatusCode::OK, &HeaderMap::new(), Bytes::from_static(body.as_bytes()))
            .map(|messages| messages.iter().map(|m| String::from_utf8_lossy(m).into_owned()).collect())
    }

    #[test]
    fn t1_a_body_is_one_message_or_an_array_of_them() {
        assert_eq!(messages("{\n \"a\": 1\n}\n").unwrap(), ["{  \"a\": 1 } "]);
        assert_eq!(messages("[{\"a\":1},\n{\"b\":2}]").unwrap(), ["{\"a\":1}", "{\"b\":2}"]);
        assert_eq!(messages(" \n").unwrap(), Vec::<String>::new());
    }

    #[test]
    fn h1_an_error_that_came_on_several_lines_goes_on_one() {
        let body = Bytes::from_static(b"{\n\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":1,\"message\":\"\"}}\n");
        let reply = Reply {
            status: StatusCode::BAD_REQUEST,
            headers: HeaderMap::new(),
            sent: Vec::new(),
            longest: 1000,
            may_lose_session: false,
            bond: Bond::None,
            modern: false,
            messages: Messages::Body(VecDeque::new()),
        };
        assert!(!reply.error_of(body).unwrap().contains(&b'\n'));
    }

    #[test]
    fn t6_old_servers_say_by_400_that_they_do_not_know_the_session() {
        assert!(is_about_the_session(br#"{"error":{"message":"Bad Request: No valid Session ID provided"}}"#));
        assert!(!is_about_the_session(b"bad request"));
    }

    #[test]
    fn t12_a_web_page_is_no_mcp() {
        assert!(matches!(messages("<html>"), Err(UpstreamError::NotMcp { .. })));
    }
}
