//! A request of the modern era (MCP 2026-07-28), which carries its own metadata: how it is known, and the headers that mirror
//! it for whoever routes requests without reading them (T13). Pure; the body goes as it is.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::headers::MCP_PROTOCOL_VERSION;
use super::tool_headers::ToolHeaders;
use crate::message::{Envelope, Kind};

const MCP_METHOD: HeaderName = HeaderName::from_static("mcp-method");
const MCP_NAME: HeaderName = HeaderName::from_static("mcp-name");

/// What of the parameters is mirrored, or says that there is something to mirror.
#[derive(Deserialize)]
struct Params {
    #[serde(rename = "_meta")]
    meta: Meta,
    name: Option<String>,
    uri: Option<String>,
    #[serde(rename = "taskId")]
    task_id: Option<String>,
}

#[derive(Deserialize)]
struct Meta {
    #[serde(rename = "io.modelcontextprotocol/protocolVersion")]
    protocol_version: String,
}

/// Whether a message is a request of the modern era: it says so itself, whatever else is spoken on the same pipe.
#[must_use]
pub fn is_modern(message: &[u8]) -> bool {
    Envelope::parse(message).is_ok_and(|envelope| params(&envelope).is_some())
}

/// A request for the list of tools on behalf of another, with the same metadata; `None` where that is not modern.
#[must_use]
pub fn list_tools(on_behalf_of: &[u8], id: &str, cursor: Option<&str>) -> Option<Vec<u8>> {
    #[derive(Deserialize)]
    struct Params<'a> {
        #[serde(rename = "_meta", borrow)]
        meta: &'a RawValue,
    }
    let envelope = Envelope::parse(on_behalf_of).ok()?;
    let meta = serde_json::from_str::<Params<'_>>(envelope.params?).ok()?.meta;
    let cursor = cursor.map(|cursor| format!(",\"cursor\":{cursor}")).unwrap_or_default();
    let params = format!("{{\"_meta\":{meta}{cursor}}}");
    Some(format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"tools/list\",\"params\":{params}}}").into_bytes())
}

/// Adds the headers of a modern request; none of any other.
pub(super) fn mirror(message: &[u8], tools: &ToolHeaders, headers: &mut HeaderMap) {
    let Ok(envelope) = Envelope::parse(message) else { return };
    let (Some(params), Some(method)) = (params(&envelope), envelope.method.as_deref()) else { return };
    let name = match method {
        "tools/call" | "prompts/get" => params.name,
        "resources/read" => params.uri,
        "tasks/get" | "tasks/update" | "tasks/cancel" => params.task_id,
        _ => None,
    };
    let mirrored = [
        (MCP_PROTOCOL_VERSION, Some(params.meta.protocol_version)),
        (MCP_METHOD, Some(method.to_owned())),
        (MCP_NAME, name),
    ];
    if method == "tools/call" {
        tools.mirror(envelope.params.unwrap_or_default(), headers);
    }
    for (header, value) in mirrored {
        if let Some(value) = value.and_then(|value| HeaderValue::try_from(encoded(value)).ok()) {
            headers.insert(header, value);
        }
    }
}

fn params(envelope: &Envelope<'_>) -> Option<Params> {
    // Most messages are told by a search, without being read.
    let params = envelope.params.filter(|params| params.contains("io.modelcontextprotocol/protocolVersion"))?;
    (envelope.kind == Kind::Request).then(|| serde_json::from_str(params).ok())?
}

/// A value as a header may carry it: as it is, else in Base64 between marks.
pub(super) fn encoded(value: String) -> String {
    let is_printable = value.bytes().all(|byte| matches!(byte, 0x20..=0x7e));
    let has_outer_blanks = value.starts_with(' ') || value.ends_with(' ');
    let looks_encoded = value.starts_with("=?base64?") && value.ends_with("?=");
    let is_plain = is_printable && !has_outer_blanks && !looks_encoded;
    if is_plain { value } else { format!("=?base64?{}?=", STANDARD.encode(value)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mirrored(message: &str) -> Vec<(String, String)> {
        let mut headers = HeaderMap::new();
        mirror(message.as_bytes(), &ToolHeaders::default(), &mut headers);
        headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect()
    }

    fn request(method: &str, more: &str) -> String {
        let meta = r#""_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}"#;
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{{{meta}{more}}}}}"#)
    }

    #[test]
    fn t13_version_method_and_name_are_mirrored() {
        let table = [
            ("server/discover", "", None),
            ("tools/call", r#","name":"echo","uri":"x:1""#, Some("echo")),
            ("prompts/get", r#","name":"greet""#, Some("greet")),
            ("resources/read", r#","uri":"mock://readme","name":"x""#, Some("mock://readme")),
            ("tasks/cancel", r#","taskId":"t-1""#, Some("t-1")),
            ("tools/list", r#","name":"x""#, None),
        ];
        for (method, more, name) in table {
            let own = |name: &str, value: &str| (name.to_owned(), value.to_owned());
            let mut expected = vec![own("mcp-protocol-version", "2026-07-28"), own("mcp-method", method)];
            expected.extend(name.map(|name| own("mcp-name", name)));
            assert_eq!(mirrored(&request(method, more)), expected);
        }
    }

    #[test]
    fn t13_what_a_header_cannot_carry_as_it_is_goes_in_base64() {
        let table = [
            ("us-west1", "us-west1"),
            ("Hello, 世界", "=?base64?SGVsbG8sIOS4lueVjA==?="),
            (" padded ", "=?base64?IHBhZGRlZCA=?="),
            ("line1\nline2", "=?base64?bGluZTEKbGluZTI=?="),
            ("a\ttab", "=?base64?YQl0YWI=?="),
            ("=?base64?literal?=", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="),
        ];
        for (value, expected) in table {
            assert_eq!(encoded(value.to_owned()), expected);
        }
    }

    #[test]
    fn t13_what_is_not_modern_is_not_mirrored() {
        let legacy = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","_meta":{"x":1}}}"#;
        let notification = request("x", "").replace(r#""id":1,"#, "");
        let in_text =
            r#"{"jsonrpc":"2.0","id":1,"method":"x","params":{"text":"io.modelcontextprotocol/protocolVersion"}}"#;
        for message in [legacy, &notification, in_text, "no json"] {
            assert!(mirrored(message).is_empty() && !is_modern(message.as_bytes()), "{message}");
        }
        assert!(is_modern(request("tools/list", "").as_bytes()));
    }
}
