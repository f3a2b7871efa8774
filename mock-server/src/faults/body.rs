//! Faults of bodies: the same answer, spelled in a way that is allowed but trips careless readers.
//! Pretty-printing works on the text, so that no number or escape changes its spelling.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, HttpBody, to_bytes};
use axum::response::Response;
use bytes::{Buf, Bytes};
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use hyper::body::Frame;

use serde_json::Value;

use crate::faults::Fault;
use crate::faults::codings::{Coded, Coding};
use crate::state::ServerState;

/// The longest padding, in bytes: more would be our own undoing.
const MOST_PADDING: usize = 256 * 1024 * 1024;

/// The response with its body spelled as the faults of the moment want it.
pub(crate) async fn altered(state: &ServerState, request: &HeaderMap, response: Response) -> Response {
    let mut response = response;
    if state.has(Fault::PrettyJson) && is_json(&response) {
        response = pretty_printed(response).await;
    }
    for (fault, coding) in [(Fault::Zstd, Coding::Zstd), (Fault::Brotli, Coding::Brotli)] {
        if state.has(fault) && accepts(request, coding.name()) {
            response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static(coding.name()));
            response = with_body(response, |body| Body::new(Coded::new(body, coding)));
        }
    }
    if state.has(Fault::Gzip) && accepts(request, "gzip") {
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        response = with_body(response, |body| Body::new(Gzip::new(body)));
    }
    if state.has(Fault::Drip) {
        response = with_body(response, |inner| Body::new(Drip { inner, rest: Bytes::new(), pause: false }));
    }
    response
}

/// A JSON object with a member more, as long as its fault wants it.
pub(crate) fn pad(state: &ServerState, document: &mut Value) {
    let length = state.fault_number(Fault::Padding).and_then(|length| usize::try_from(length).ok());
    if let Some(length) = length {
        document["padding"] = "x".repeat(length.min(MOST_PADDING)).into();
    }
}

/// JSON over several lines, each value as it was spelled.
pub(crate) fn pretty(json: &str) -> String {
    let mut text = String::with_capacity(json.len() * 2);
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for c in json.chars() {
        if in_string {
            text.push(c);
            in_string = escaped || c != '"';
            escaped = !escaped && c == '\\';
            continue;
        }
        match c {
            '{' | '[' => {
                depth += 1;
                text.push(c);
                new_line(&mut text, depth);
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut text, depth);
                text.push(c);
            }
            ',' => {
                text.push(c);
                new_line(&mut text, depth);
            }
            ' ' | '\t' | '\r' | '\n' => {}
            _ => {
                in_string = c == '"';
                text.push(c);
            }
        }
    }
    text
}

fn new_line(text: &mut String, depth: usize) {
    text.push('\n');
    text.extend(std::iter::repeat_n("  ", depth));
}

fn is_json(response: &Response) -> bool {
    response.headers().get(CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"application/json"))
}

fn accepts(request: &HeaderMap, coding: &str) -> bool {
    let accepted = request.get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    accepted.split(',').any(|known| known.split(';').next().unwrap_or_default().trim() == coding)
}

async fn pretty_printed(response: Response) -> Response {
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let text = pretty(&String::from_utf8_lossy(&bytes));
    with_body(Response::from_parts(parts, Body::empty()), |_| Body::from(text))
}

fn with_body(response: Response, change: impl FnOnce(Body) -> Body) -> Response {
    let (mut parts, body) = response.into_parts();
    parts.headers.remove(CONTENT_LENGTH);
    Response::from_parts(parts, change(body))
}

/// A body whose bytes come one at a time, each in a packet of its own.
struct Drip {
    inner: Body,
    rest: Bytes,
    /// Whether to say "not yet" once, which makes hyper flush what it has.
    pause: bool,
}

impl HttpBody for Drip {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if std::mem::take(&mut self.pause) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        while self.rest.is_empty() {
            match ready!(Pin::new(&mut self.inner).poll_frame(context)) {
                Some(Ok(frame)) => self.rest = frame.into_data().unwrap_or_default(),
                other => return Poll::Ready(other),
            }
        }
        self.pause = true;
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(1)))))
    }
}

/// A body in gzip's stored blocks (RFC 1951 §3.2.4, RFC 1952 §2.3): no compression, but every reader must unpack it.
struct Gzip {
    inner: Body,
    head_sent: bool,
    rest: Bytes,
    checksum: u32,
    length: u32,
    ended: bool,
}

impl Gzip {
    fn new(inner: Body) -> Self {
        Gzip { inner, head_sent: false, rest: Bytes::new(), checksum: !0, length: 0, ended: false }
    }

    fn block(&mut self) -> Vec<u8> {
        let data = self.rest.split_to(self.rest.len().min(usize::from(u16::MAX)));
        let length = u16::try_from(data.len()).unwrap_or(u16::MAX);
        self.length = self.length.wrapping_add(u32::from(length));
        self.checksum = crc32(self.checksum, &data);
        let mut block = vec![0];
        block.extend(length.to_le_bytes());
        block.extend((!length).to_le_bytes());
        block.extend(data);
        block
    }

    fn end(&self) -> Vec<u8> {
        let mut end = vec![1, 0, 0, 0xff, 0xff];
        end.extend((!self.checksum).to_le_bytes());
        end.extend(self.length.to_le_bytes());
        end
    }
}

impl HttpBody for Gzip {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if !std::mem::replace(&mut self.head_sent, true) {
            let head = Bytes::from_static(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);
            return Poll::Ready(Some(Ok(Frame::data(head))));
        }
        while !self.rest.has_remaining() {
            if self.ended {
                return Poll::Ready(None);
            }
            match ready!(Pin::new(&mut self.inner).poll_frame(context)) {
                Some(Ok(frame)) => self.rest = frame.into_data().unwrap_or_default(),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => {
                    self.ended = true;
                    return Poll::Ready(Some(Ok(Frame::data(self.end().into()))));
                }
            }
        }
        let block = self.block();
        Poll::Ready(Some(Ok(Frame::data(block.into()))))
    }
}

/// CRC-32 (RFC 1952 §8), not yet inverted.
fn crc32(checksum: u32, data: &[u8]) -> u32 {
    data.iter().fold(checksum, |checksum, byte| {
        (0..8).fold(checksum ^ u32::from(*byte), |c, _| if c & 1 == 1 { (c >> 1) ^ 0xedb8_8320 } else { c >> 1 })
    })
}

#[cfg(test)]
mod tests {
    use super::{crc32, pretty};

    #[test]
    fn pretty_printing_keeps_the_spelling_of_every_value() {
        let json = r#"{"a":1.0,"b\"{,":[12345678901234567890,"x, y\\"],"c":{}}"#;
        let text = pretty(json);
        assert!(text.lines().count() > 5);
        assert!(text.contains("1.0") && text.contains("12345678901234567890") && text.contains(r#""x, y\\""#));
        assert_eq!(text.replace(['\n'], "").replace("  ", ""), json);
    }

    #[test]
    fn the_checksum_is_the_one_of_gzip() {
        assert_eq!(!crc32(!0, b"123456789"), 0xcbf4_3926);
    }
}
