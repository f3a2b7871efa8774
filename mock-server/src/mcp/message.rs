//! JSON-RPC messages: what came in, borrowed from the body with ids, parameters and results as they were spelled, and
//! what goes out, as text. It knows no method.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

pub(crate) const PARSE_ERROR: i32 = -32700;
pub(crate) const INVALID_REQUEST: i32 = -32600;
pub(crate) const METHOD_NOT_FOUND: i32 = -32601;
pub(crate) const INVALID_PARAMS: i32 = -32602;
pub(crate) const INTERNAL_ERROR: i32 = -32603;

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    jsonrpc: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    error: Option<&'a RawValue>,
}

/// Keeps `null`, which `Option` would swallow.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// A message of the client.
#[derive(Debug)]
pub(crate) enum Message<'a> {
    Request(Request<'a>),
    Notification { method: Cow<'a, str>, params: Option<&'a RawValue> },
    Response { id: &'a RawValue, answer: Answer<'a> },
}

/// A request; its id is spelled as it came.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) id: &'a RawValue,
    pub(crate) method: Cow<'a, str>,
    pub(crate) params: Option<&'a RawValue>,
}

/// A client's answer to a request of ours.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answer<'a> {
    Result(&'a RawValue),
    Error(&'a RawValue),
}

/// A body that is no message: the JSON-RPC code and why.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub(crate) struct NoMessage {
    pub(crate) code: i32,
    pub(crate) reason: String,
}

fn no_message(code: i32, reason: impl Into<String>) -> NoMessage {
    NoMessage { code, reason: reason.into() }
}

/// The message of a body, or those of a batch (MCP 2025-03-26).
pub(crate) fn parse(body: &[u8]) -> Result<(Vec<Message<'_>>, bool), NoMessage> {
    let text = std::str::from_utf8(body).map_err(|error| no_message(PARSE_ERROR, error.to_string()))?;
    if !text.trim_start().starts_with('[') {
        return Ok((vec![judged(text)?], false));
    }
    let members = serde_json::from_str::<Vec<&RawValue>>(text);
    let members = members.map_err(|error| no_message(PARSE_ERROR, error.to_string()))?;
    if members.is_empty() {
        return Err(no_message(INVALID_REQUEST, "a batch must not be empty"));
    }
    let messages = members.into_iter().map(|member| judged(member.get())).collect::<Result<_, _>>()?;
    Ok((messages, true))
}

fn judged(text: &str) -> Result<Message<'_>, NoMessage> {
    let envelope = serde_json::from_str::<Envelope<'_>>(text).map_err(|error| {
        let code = if error.is_data() { INVALID_REQUEST } else { PARSE_ERROR };
        no_message(code, error.to_string())
    })?;
    if envelope.jsonrpc.as_deref() != Some("2.0") {
        return Err(no_message(INVALID_REQUEST, "jsonrpc must be \"2.0\""));
    }
    if envelope.params.is_some_and(|params| !params.get().starts_with('{')) {
        return Err(no_message(INVALID_REQUEST, "params must be an object"));
    }
    match (envelope.id, envelope.method, envelope.result, envelope.error) {
        (Some(id), Some(method), None, None) if is_id(id) => {
            Ok(Message::Request(Request { id, method, params: envelope.params }))
        }
        (None, Some(method), None, None) => Ok(Message::Notification { method, params: envelope.params }),
        (Some(id), None, Some(result), None) if is_id(id) => {
            Ok(Message::Response { id, answer: Answer::Result(result) })
        }
        (Some(id), None, None, Some(error)) if is_id(id) => Ok(Message::Response { id, answer: Answer::Error(error) }),
        _ => Err(no_message(INVALID_REQUEST, "this is neither a request nor a notification nor a response")),
    }
}

/// MCP's ids are strings and numbers, never null.
fn is_id(id: &RawValue) -> bool {
    id.get().starts_with(|c: char| c == '"' || c == '-' || c.is_ascii_digit())
}

/// Text as a JSON string.
pub(crate) fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// A response; id and result are JSON.
pub(crate) fn result(id: &str, result: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#)
}

/// An error response; without an id if the request's cannot be known.
pub(crate) fn error(id: Option<&str>, code: i32, message: &str, data: Option<&Value>) -> String {
    let id = id.map(|id| format!(r#""id":{id},"#)).unwrap_or_default();
    let data = data.map(|data| format!(r#","data":{data}"#)).unwrap_or_default();
    format!(r#"{{"jsonrpc":"2.0",{id}"error":{{"code":{code},"message":{}{data}}}}}"#, quoted(message))
}

/// A request of ours.
pub(crate) fn request(id: &str, method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":{},"params":{params}}}"#, quoted(method))
}

/// A notification of ours.
pub(crate) fn notification(method: &str, params: Option<&str>) -> String {
    let params = params.map(|params| format!(r#","params":{params}"#)).unwrap_or_default();
    format!(r#"{{"jsonrpc":"2.0","method":{}{params}}}"#, quoted(method))
}

#[cfg(test)]
mod tests {
    use super::{INVALID_REQUEST, Message, PARSE_ERROR, parse};

    #[test]
    fn an_id_keeps_its_spelling() {
        for id in ["1", "\"1\"", "1.0", "12345678901234567890", "\"\\u0061\""] {
            let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#);
            let (messages, _) = parse(body.as_bytes()).unwrap();
            assert!(matches!(&messages[0], Message::Request(request) if request.id.get() == id), "{id}");
        }
    }

    #[test]
    fn what_is_no_message_is_refused_with_the_right_code() {
        for (name, body, code) in [
            ("not JSON", "{", PARSE_ERROR),
            ("a null id", r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, INVALID_REQUEST),
            ("an object as id", r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#, INVALID_REQUEST),
            ("no version", r#"{"id":1,"method":"ping"}"#, INVALID_REQUEST),
            ("positional params", r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}"#, INVALID_REQUEST),
            ("method and result", r#"{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}"#, INVALID_REQUEST),
            ("a number", "1", INVALID_REQUEST),
            ("an empty batch", "[]", INVALID_REQUEST),
        ] {
            assert_eq!(parse(body.as_bytes()).unwrap_err().code, code, "{name}");
        }
    }
}
