//! A JSON-RPC message as a borrowed envelope: kind, id and method are read, everything else stays the bytes that came.
//! It must never know where a message comes from or goes to. Read next: `relay`, which decides by the envelope.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use self::scan::Shape;
use crate::problem::{Code, Problem};

pub mod scan;

/// JSON-RPC 2.0 §5.1: the line is not JSON.
pub const PARSE_ERROR: i32 = -32700;
/// JSON-RPC 2.0 §5.1: the JSON is no message.
pub const INVALID_REQUEST: i32 = -32600;
/// JSON-RPC 2.0 §5.1: the method does not exist.
pub const METHOD_NOT_FOUND: i32 = -32601;
/// JSON-RPC 2.0 §5.1: the parameters are wrong.
pub const INVALID_PARAMS: i32 = -32602;
/// JSON-RPC 2.0 §5.1: ours, told apart from an upstream's own by `data.source`.
pub const INTERNAL_ERROR: i32 = -32603;

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Has a method and an id: one response is due.
    Request,
    /// Has a method and no id.
    Notification,
    /// Has a result or an error.
    Response,
}

/// The outer fields of one message, borrowed from its bytes.
#[derive(Debug)]
pub struct Envelope<'a> {
    /// What the message is.
    pub kind: Kind,
    /// The id to the letter: a JSON string or number. `None` for a notification, and for an error response that has none.
    pub id: Option<&'a str>,
    /// The method of a request or notification.
    pub method: Option<Cow<'a, str>>,
    /// The parameters to the letter, unread.
    pub params: Option<&'a str>,
    /// The result of a response to the letter, unread.
    pub result: Option<&'a str>,
    id_as_sent: Option<&'a str>,
}

/// Why bytes are no message, with the id where one could be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Invalid {
    /// [`PARSE_ERROR`] or [`INVALID_REQUEST`].
    pub code: i32,
    /// The id to the letter.
    pub id: Option<String>,
    /// What is wrong.
    pub reason: Cow<'static, str>,
    /// The stable name, `data.code` of the answer.
    pub name: Code,
    /// It was meant as a response: nobody waits for an answer, and one with its id would answer another request.
    pub is_response: bool,
}

/// The outer fields, each to the letter.
#[derive(Default)]
struct Fields<'a> {
    jsonrpc: Option<&'a str>,
    id: Option<&'a str>,
    method: Option<&'a str>,
    params: Option<&'a str>,
    result: Option<&'a str>,
    error: Option<&'a str>,
    /// One of them that came twice.
    twice: Option<&'static str>,
}

impl<'a> Fields<'a> {
    fn take(&mut self, key: &str, value: &'a str) {
        let key = if key.contains('\\') { unescaped(key) } else { Cow::Borrowed(key) };
        let (name, field) = match &*key {
            "jsonrpc" => ("jsonrpc", &mut self.jsonrpc),
            "id" => ("id", &mut self.id),
            "method" => ("method", &mut self.method),
            "params" => ("params", &mut self.params),
            "result" => ("result", &mut self.result),
            "error" => ("error", &mut self.error),
            _ => return,
        };
        if field.replace(value).is_some() {
            self.twice = Some(name);
        }
    }
}

/// A key that has escapes; one that has half a surrogate is none of ours.
fn unescaped(key: &str) -> Cow<'_, str> {
    serde_json::from_str(&format!("\"{key}\"")).map_or(Cow::Borrowed(key), Cow::Owned)
}

impl<'a> Envelope<'a> {
    /// Reads the envelope of one message.
    ///
    /// # Errors
    /// [`Invalid`] with the JSON-RPC code that an answer must carry (JSON-RPC 2.0 §5.1).
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Invalid> {
        let text =
            str::from_utf8(bytes).map_err(|e| Invalid::syntax(format!("not UTF-8 after {} bytes", e.valid_up_to())))?;
        if is_array(bytes) {
            return Err(Invalid::message(None, "no JSON-RPC message: an array, and batches are not taken"));
        }
        let mut fields = Fields::default();
        match scan::members(text, |key, value| fields.take(key, value)) {
            Err(error) => Err(Invalid::syntax(error.to_string())),
            Ok(Shape::Other) => Err(Invalid::message(None, "no JSON-RPC message: no object")),
            Ok(Shape::Object) => match fields.twice {
                Some(name) => Err(Invalid::message(None, format!("no JSON-RPC message: `{name}` comes twice"))),
                None => Envelope::classify(&fields),
            },
        }
    }

    fn classify(fields: &Fields<'a>) -> Result<Self, Invalid> {
        let id = fields.id;
        let readable = id.filter(|id| is_request_id(id));
        let is_response = fields.method.is_none() && (fields.result.is_some() || fields.error.is_some());
        let refuse = |reason: &'static str| Err(Invalid { is_response, ..Invalid::message(readable, reason) });
        if fields.jsonrpc.is_none_or(|version| version != "\"2.0\"") {
            return refuse("no JSON-RPC 2.0 message: `jsonrpc` must be \"2.0\"");
        }
        let kind = match (fields.method.is_some(), fields.result.is_some(), fields.error.is_some()) {
            (true, false, false) if id.is_some() => Kind::Request,
            (true, false, false) => Kind::Notification,
            (false, true, false) | (false, false, true) => Kind::Response,
            _ => return refuse("no JSON-RPC message: it needs exactly one of `method`, `result` and `error`"),
        };
        // An error about a message whose id could not be read has none, or null (JSON-RPC 2.0 §5).
        let may_lack_id = kind == Kind::Notification || fields.error.is_some() && id.is_none_or(|id| id == "null");
        if readable.is_none() && !may_lack_id {
            return refuse("no MCP message: `id` must be a string or a number");
        }
        let method = match fields.method {
            None => None,
            Some(raw) => match string_value(raw) {
                Some(method) => Some(method),
                None => return refuse("no JSON-RPC message: `method` must be a string"),
            },
        };
        Ok(Envelope { kind, id: readable, method, params: fields.params, result: fields.result, id_as_sent: fields.id })
    }

    /// Whether this is a request or notification of the given method.
    #[must_use]
    pub fn is(&self, method: &str) -> bool {
        self.method.as_deref() == Some(method)
    }

    /// The same message with another id, every other byte untouched. `bytes` must be what this envelope was read from.
    #[must_use]
    pub fn with_id(&self, bytes: &[u8], id: &str) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len() + id.len() + 6);
        match self.id_as_sent {
            Some(sent) => {
                let start = sent.as_ptr() as usize - bytes.as_ptr() as usize;
                out.extend_from_slice(&bytes[..start]);
                out.extend_from_slice(id.as_bytes());
                out.extend_from_slice(&bytes[start + sent.len()..]);
            }
            None => {
                let body = bytes.iter().position(|&b| b == b'{').map_or(0, |brace| brace + 1);
                out.extend_from_slice(&bytes[..body]);
                out.extend_from_slice(format!("\"id\":{id},").as_bytes());
                out.extend_from_slice(&bytes[body..]);
            }
        }
        out
    }
}

impl Invalid {
    fn syntax(reason: impl Into<Cow<'static, str>>) -> Self {
        Invalid { code: PARSE_ERROR, id: None, reason: reason.into(), name: Code::ParseError, is_response: false }
    }

    /// JSON that is no message that can be taken.
    #[must_use]
    pub fn message(id: Option<&str>, reason: impl Into<Cow<'static, str>>) -> Self {
        let (id, reason) = (id.map(str::to_owned), reason.into());
        Invalid { code: INVALID_REQUEST, id, reason, name: Code::InvalidRequest, is_response: false }
    }

    /// A request whose id waits for its response already.
    #[must_use]
    pub fn duplicate_id(id: &str) -> Self {
        let reason = "a request with this id is still in flight";
        Invalid { name: Code::DuplicateId, ..Invalid::message(Some(id), reason) }
    }
}

/// The code of an error response (JSON-RPC 2.0 §5.1); `None` of anything else.
#[must_use]
pub fn error_code(message: &[u8]) -> Option<i64> {
    #[derive(Deserialize)]
    struct Response {
        error: ResponseError,
    }
    #[derive(Deserialize)]
    struct ResponseError {
        code: i64,
    }
    serde_json::from_slice::<Response>(message).ok().map(|response| response.error.code)
}

/// The error of an error response (JSON-RPC 2.0 §5.1), to the letter; `None` of anything else.
#[must_use]
pub fn error(message: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Response {
        error: Box<RawValue>,
    }
    serde_json::from_slice::<Response>(message).ok().map(|response| response.error.get().to_owned())
}

/// Whether two ids mean the same although they are spelt differently: servers re-serialise what they are sent.
#[must_use]
pub fn same_id(a: &str, b: &str) -> bool {
    if a == b {
        return true;
    }
    match (string_value(a), string_value(b)) {
        (Some(a), Some(b)) => a == b,
        (None, None) => matches!((a.parse::<f64>(), b.parse::<f64>()), (Ok(a), Ok(b)) if a == b),
        _ => false,
    }
}

/// Whether the bytes begin as an array.
#[must_use]
pub fn is_array(bytes: &[u8]) -> bool {
    bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[')
}

/// The members of a batch (2025-03-26), or `None` where the bytes are no array.
///
/// # Errors
/// [`Invalid`] where they begin as an array and are none.
pub fn batch(bytes: &[u8]) -> Result<Option<Vec<&[u8]>>, Invalid> {
    if !is_array(bytes) {
        return Ok(None);
    }
    let members: Vec<&RawValue> =
        serde_json::from_slice(bytes).map_err(|e| Invalid::syntax(format!("not JSON: {e}")))?;
    Ok(Some(members.into_iter().map(|member| member.get().as_bytes()).collect()))
}

/// Puts a message on one line: between JSON tokens a line break is worth a blank, and inside strings there is none.
pub fn into_one_line(message: &mut [u8]) {
    for byte in message.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')) {
        *byte = b' ';
    }
}

/// The error response for a problem of ours (H13): `data.source` tells it from the upstream's own errors.
#[must_use]
pub fn problem_response(id: &str, problem: &Problem) -> Vec<u8> {
    let mut data = serde_json::json!({ "source": "mcp-bridge", "code": problem.code, "hint": problem.hint });
    if let Some(url) = &problem.url {
        data["url"] = url.as_str().into();
    }
    let error = serde_json::json!({ "code": INTERNAL_ERROR, "message": problem.message, "data": data });
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"error\":{error}}}").into_bytes()
}

/// A response with a result of ours.
#[must_use]
pub fn result_response(id: &str, result: &serde_json::Value) -> Vec<u8> {
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{result}}}").into_bytes()
}

/// JSON-RPC's own "method not found", for a probe that the server cannot answer now.
#[must_use]
pub fn method_not_found(id: &str) -> Vec<u8> {
    let data = serde_json::json!({ "source": "mcp-bridge", "code": Code::SignInNeeded,
        "hint": "go on with `initialize`" });
    let error = serde_json::json!({ "code": METHOD_NOT_FOUND, "message": "method not found", "data": data });
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"error\":{error}}}").into_bytes()
}

/// JSON-RPC's own "invalid params", for what the bridge answers itself.
#[must_use]
pub fn invalid_params(id: &str, words: &str) -> Vec<u8> {
    let hint = "send what MCP has for this method";
    let data = serde_json::json!({ "source": "mcp-bridge", "code": Code::InvalidRequest, "hint": hint });
    let error = serde_json::json!({ "code": INVALID_PARAMS, "message": words, "data": data });
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"error\":{error}}}").into_bytes()
}

/// The error response for a line that is no message. `null_id` says whether the host knows JSON-RPC's `id: null`;
/// MCP has none since 2025-11-25.
#[must_use]
pub fn invalid_response(invalid: &Invalid, null_id: bool) -> Vec<u8> {
    let hint = match invalid.name {
        Code::DuplicateId => "give each request an id of its own",
        _ => "send one JSON-RPC message a line",
    };
    let data = serde_json::json!({ "source": "mcp-bridge", "code": invalid.name, "hint": hint });
    let error = serde_json::json!({ "code": invalid.code, "message": invalid.reason, "data": data });
    let id = match &invalid.id {
        Some(id) => format!("\"id\":{id},"),
        None if null_id => "\"id\":null,".to_owned(),
        None => String::new(),
    };
    format!("{{\"jsonrpc\":\"2.0\",{id}\"error\":{error}}}").into_bytes()
}

fn is_request_id(raw: &str) -> bool {
    matches!(raw.as_bytes().first(), Some(b'"' | b'-' | b'0'..=b'9'))
}

fn string_value(raw: &str) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') { serde_json::from_str(raw).ok().map(Cow::Owned) } else { Some(Cow::Borrowed(inner)) }
}

#[cfg(test)]
mod tests;
