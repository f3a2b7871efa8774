//! The bytes of the lean upstream's answers. Large texts are made once and shared by all answers; a stream leaves in
//! frames of the size in which servers write.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

/// The result of `tools/list`.
pub(super) const TOOLS: &str = r#"{"tools":[{"name":"echo","inputSchema":{"type":"object"}}]}"#;
/// The result of `server/discover`.
pub(super) const DISCOVERED: &str = r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"ttlMs":0,"cacheScope":"public"}"#;
/// A line of a large text as it stands in JSON: mostly plain characters, and a few that are escaped.
const LINE: &str = r#"    let answer = \"forty-two\"; // what a tool gives: source code, a log, a page of text\n"#;
/// How much of a stream is written at once, in bytes.
const CHUNK: usize = 64 * 1024;

/// A body that is there already.
#[derive(Debug, Default)]
pub(super) struct Frames {
    frames: VecDeque<Bytes>,
    /// Its length is told beforehand.
    is_whole: bool,
}

impl Frames {
    /// A body of one frame.
    pub(super) fn whole(body: impl Into<Bytes>) -> Self {
        Frames { frames: [body.into()].into(), is_whole: true }
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.frames.pop_front().map(|data| Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.frames.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        if !self.is_whole {
            return SizeHint::new();
        }
        SizeHint::with_exact(self.frames.iter().map(|frame| frame.len() as u64).sum())
    }
}

/// Large texts, by their length.
#[derive(Debug, Default)]
pub(super) struct Payload(Mutex<Vec<(usize, Bytes)>>);

impl Payload {
    /// A response with a text of about so many bytes.
    pub(super) fn response(&self, id: &str, length: usize) -> Frames {
        Frames { frames: self.parts(id, length).into(), is_whole: true }
    }

    /// The same as an event of a stream.
    pub(super) fn event(&self, id: &str, length: usize) -> Frames {
        let mut frames = VecDeque::from([Bytes::from_static(b"event: message\ndata: ")]);
        for mut part in self.parts(id, length) {
            while part.len() > CHUNK {
                frames.push_back(part.split_to(CHUNK));
            }
            frames.push_back(part);
        }
        frames.push_back(Bytes::from_static(b"\n\n"));
        Frames { frames, is_whole: false }
    }

    fn parts(&self, id: &str, length: usize) -> [Bytes; 3] {
        let [before, behind] = around_text(id);
        [before.into(), self.text(length), behind.into()]
    }

    fn text(&self, length: usize) -> Bytes {
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, text)) = made.iter().find(|(of, _)| *of == length) {
            return text.clone();
        }
        let text = Bytes::from(LINE.repeat(length.div_ceil(LINE.len())));
        made.push((length, text.clone()));
        text
    }
}

/// The response to `initialize`, for the version as it was asked for.
pub(super) fn initialize_result(version: &str) -> String {
    format!(
        r#"{{"protocolVersion":{version},"capabilities":{{"tools":{{}},"logging":{{}}}},"serverInfo":{{"name":"lean","version":"1"}}}}"#
    )
}

/// A response.
pub(super) fn result(id: &str, result: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#)
}

/// A small response to a call.
pub(super) fn text_result(id: &str) -> String {
    let [before, behind] = around_text(id);
    format!("{before}the text of a tool that has little to say{behind}")
}

/// JSON-RPC's answer to what is not known.
pub(super) fn method_not_found(id: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":-32601,"message":"method not found"}}}}"#)
}

/// A stream of one event.
pub(super) fn event(message: String) -> Frames {
    Frames { frames: [as_event(&message)].into(), is_whole: false }
}

/// A stream of notifications, each a write of its own, and the response.
pub(super) fn notifications(id: &str, count: usize) -> Frames {
    let notification = |number: usize| {
        let data = format!("step {number} of {count} is done");
        as_event(&format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/message","params":{{"level":"info","logger":"lean","data":"{data}"}}}}"#
        ))
    };
    let mut frames: VecDeque<Bytes> = (1..=count).map(notification).collect();
    frames.push_back(as_event(&text_result(id)));
    Frames { frames, is_whole: false }
}

fn as_event(message: &str) -> Bytes {
    format!("event: message\ndata: {message}\n\n").into()
}

fn around_text(id: &str) -> [String; 2] {
    let before = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":[{{"type":"text","text":""#);
    [before, r#""}],"isError":false}}"#.to_owned()]
}
