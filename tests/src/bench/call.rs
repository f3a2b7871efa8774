//! A call of a tool, ready to be sent with any id, and how an answer is told from what else comes: by a look at the edges
//! of a line, without parsing it.

use bytes::Bytes;
use memchr::memmem;

/// The first request of a session.
pub const INITIALIZE: &str = r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"bench","version":"1"}}}"#;
/// What a host says next.
pub const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

/// A call without its id.
#[derive(Clone, Debug)]
pub struct Call {
    rest: Bytes,
}

impl Call {
    /// A small call that is answered by a JSON body.
    #[must_use]
    pub fn small() -> Self {
        Call::new("echo", r#"{"text":"what a host says to a tool"}"#)
    }

    /// A small call that is answered by a stream.
    #[must_use]
    pub fn small_on_a_stream() -> Self {
        Call::new("echo-sse", r#"{"text":"what a host says to a tool"}"#)
    }

    /// A call that is answered by so many bytes in a JSON body.
    #[must_use]
    pub fn down(bytes: usize) -> Self {
        Call::new("large", &format!(r#"{{"n":{bytes}}}"#))
    }

    /// A call that is answered by so many bytes in one event of a stream.
    #[must_use]
    pub fn down_on_a_stream(bytes: usize) -> Self {
        Call::new("large-sse", &format!(r#"{{"n":{bytes}}}"#))
    }

    /// A call of so many bytes.
    #[must_use]
    pub fn up(bytes: usize) -> Self {
        let line = "the text of a file that a host hands to a tool, in lines of this length\\n";
        Call::new("echo", &format!(r#"{{"text":"{}"}}"#, line.repeat(bytes.div_ceil(line.len()))))
    }

    /// A call that is answered by so many notifications and a response.
    #[must_use]
    pub fn notify(count: usize) -> Self {
        Call::new("notify", &format!(r#"{{"n":{count}}}"#))
    }

    /// A small call of a host of MCP 2026-07-28.
    #[must_use]
    pub fn small_and_modern() -> Self {
        let meta = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"bench","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}"#;
        let params = format!(r#"{{"name":"echo","arguments":{{"text":"what a host says to a tool"}},{meta}}}"#);
        Call { rest: format!(",\"method\":\"tools/call\",\"params\":{params}}}\n").into() }
    }

    fn new(tool: &str, arguments: &str) -> Self {
        let params = format!(r#"{{"name":"{tool}","arguments":{arguments}}}"#);
        Call { rest: format!(",\"method\":\"tools/call\",\"params\":{params}}}\n").into() }
    }

    /// The line with an id, in two parts: the second may be large and is never copied.
    #[must_use]
    pub fn line(&self, id: u64) -> (String, &[u8]) {
        (format!("{{\"jsonrpc\":\"2.0\",\"id\":{id}"), &self.rest)
    }

    /// The message with an id, without a line's end.
    #[must_use]
    pub fn body(&self, id: u64) -> Bytes {
        let (beginning, rest) = self.line(id);
        [beginning.as_bytes(), &rest[..rest.len() - 1]].concat().into()
    }
}

/// What a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A response with a result.
    Answer,
    /// A response with an error.
    Error,
    /// A notification, or a request of the server.
    Other,
}

/// What a line is by its beginning and its end: some put the id last.
#[must_use]
pub fn kind(edges: &[u8]) -> Kind {
    let has = |name: &str| memmem::find(edges, name.as_bytes()).is_some();
    if has("\"method\":") || !has("\"id\":") {
        Kind::Other
    } else if has("\"error\":{") {
        Kind::Error
    } else {
        Kind::Answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_known_by_its_edges() {
        for (line, expected) in [
            (r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, Kind::Answer),
            (r#"{"result":{"content":[]},"jsonrpc":"2.0","id":1}"#, Kind::Answer),
            (r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"no"}}"#, Kind::Error),
            (r#"{"jsonrpc":"2.0","method":"notifications/message","params":{}}"#, Kind::Other),
            (r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, Kind::Other),
            ("a word of greeting", Kind::Other),
        ] {
            assert_eq!(kind(line.as_bytes()), expected, "{line}");
        }
    }

    #[test]
    fn a_call_is_the_same_bytes_for_all_who_are_measured() {
        let call = Call::small();
        let (beginning, rest) = call.line(7);
        assert_eq!([beginning.as_bytes(), rest].concat(), [&Call::small().body(7)[..], b"\n"].concat());
        assert!(serde_json::from_slice::<serde_json::Value>(&Call::up(1000).body(7)).is_ok());
    }
}
