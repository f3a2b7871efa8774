//! One message out, its reply in: JSON, an array, or a stream of events, all seen as one sequence of messages (T1, T12).

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use url::Url;

use super::error::{UpstreamError, excerpt, is_oauth_error};
use super::{MAX_MESSAGE, Upstream, headers, sse};
use crate::http::{classify, read_limited};
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
    bond: Bond,
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
    Unread(Box<reqwest::Response>),
    /// What a body held: nothing, one message or an array of them.
    Body(VecDeque<Bytes>),
    Stream(Box<Stream>),
}

/// A stream of events, seen as the messages that they carry.
#[derive(Debug)]
pub struct Stream {
    response: reqwest::Response,
    url: Url,
    /// What the server may repeat, and nobody is shown.
    sent: Vec<HeaderValue>,
    parser: sse::Parser,
    ready: VecDeque<Bytes>,
}

impl Upstream {
    /// POSTs one message, to the byte as it is (T1). `wanted` says what for, and when it arrived. Returns with the
    /// beginning of the reply: the server has the message.
    ///
    /// # Errors
    /// Whatever keeps a reply from coming: network, token, a redirect that is not followed.
    pub async fn post(&self, message: Bytes, wanted: (Purpose, Instant)) -> Result<Reply, UpstreamError> {
        let headers = |session: &_| headers::of_post(&self.headers, session);
        let (response, in_session, sent) = self.send(Method::POST, headers, Some(message), wanted).await?;
        let status = response.status();
        let headers = response.headers().clone();
        let messages = if status.is_success() && is_event_stream(&headers) {
            Messages::Stream(Box::new(Stream::new(response, self.url.clone(), sent.clone())))
        } else {
            Messages::Unread(Box::new(response))
        };
        let bond = if status == StatusCode::NOT_FOUND && in_session { Bond::SessionLost } else { Bond::None };
        Ok(Reply { status, headers, sent, bond, messages })
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
        matches!(self.messages, Messages::Stream(_))
    }

    /// Whether it says no more than that the message was taken (202); then there is nothing to read.
    #[must_use]
    pub fn is_acknowledgement(&self) -> bool {
        self.status == StatusCode::ACCEPTED
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
            let body = read_limited(response, MAX_MESSAGE).await?;
            let messages = if self.status.is_success() {
                messages_of(self.status, &self.headers, body)
            } else {
                error_of(self.status, body, self.bond).map(|error| VecDeque::from([error]))
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
        }
    }
}

impl Stream {
    pub(super) fn new(response: reqwest::Response, url: Url, sent: Vec<HeaderValue>) -> Self {
        Stream { response, url, sent, parser: sse::Parser::new(MAX_MESSAGE), ready: VecDeque::new() }
    }

    /// The next message on one line, or `None` at the end.
    ///
    /// # Errors
    /// Where the stream breaks or an event is over the limit.
    pub async fn next(&mut self) -> Result<Option<Bytes>, UpstreamError> {
        loop {
            if let Some(message) = self.ready.pop_front() {
                return Ok(Some(message));
            }
            let Some(chunk) = self.response.chunk().await.map_err(|e| classify(&e, &self.url))? else {
                return Ok(None);
            };
            let ready = &mut self.ready;
            let mut broken = Ok(());
            self.parser
                .push(&chunk, |event| {
                    if event.is_message() && broken.is_ok() {
                        broken = one_line_each(event.data.into(), ready);
                    }
                })
                .map_err(|sse::TooLarge(limit)| UpstreamError::TooLarge(limit))?;
            broken.map_err(|error| error.without(&headers::secrets(&self.sent)))?;
        }
    }

    /// Where a new stream should go on, and how long to wait before.
    #[must_use]
    pub fn position(&self) -> (Vec<u8>, Option<std::time::Duration>) {
        (self.parser.last_event_id().to_vec(), self.parser.retry())
    }
}

/// An error status with a JSON-RPC response passes as it is, on one line (T12, H1); any other becomes an error of ours.
fn error_of(status: StatusCode, body: Bytes, bond: Bond) -> Result<Bytes, UpstreamError> {
    match Envelope::parse(&body) {
        Ok(envelope) if envelope.kind == Kind::Response => Ok(one_line(body)),
        _ if bond == Bond::SessionLost => Err(UpstreamError::SessionLost),
        _ => Err(UpstreamError::Status { status, excerpt: excerpt(&body), of_oauth: is_oauth_error(&body) }),
    }
}

/// Where a 307 or 308 leads on the same origin (T12); `None` where it is no redirect.
pub(super) fn same_origin_redirect(response: &reqwest::Response, url: &Url) -> Result<Option<Url>, UpstreamError> {
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
fn one_line_each(body: Bytes, messages: &mut VecDeque<Bytes>) -> Result<(), UpstreamError> {
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
        let error = error_of(StatusCode::BAD_REQUEST, body, Bond::None).unwrap();
        assert!(!error.contains(&b'\n'));
    }

    #[test]
    fn t12_a_web_page_is_no_mcp() {
        assert!(matches!(messages("<html>"), Err(UpstreamError::NotMcp { .. })));
    }
}
