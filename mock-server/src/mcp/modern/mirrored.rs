//! Headers that say what the body says (MCP 2026-07-28, transports, request metadata), so that others can route by them: who
//! reads both must refuse a request in which they differ. Which parameters are
//! mirrored the tools say.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue};
use serde_json::Value;

use super::breach::Breach;
use super::metadata::Metadata;
use super::results;
use crate::mcp::endpoint::VERSION_HEADER;
use crate::mcp::message::Request;
use crate::mcp::tools;
use crate::state::ServerState;

const METHOD: &str = "mcp-method";
const NAME: &str = "mcp-name";
const PARAMETER: &str = "mcp-param-";

/// The headers that every request must have.
pub(super) fn present(state: &ServerState, headers: &HeaderMap, request: &Request<'_>) -> Result<(), Breach> {
    for header in [VERSION_HEADER, METHOD] {
        match only(headers, header) {
            Ok(Some(_)) => {}
            Ok(None) if request.method == "initialize" => {
                return Err(Breach::Handshake { header, supported: results::versions(state) });
            }
            Ok(None) => return Err(Breach::NoHeader(header.to_owned())),
            Err(breach) => return Err(breach),
        }
    }
    Ok(())
}

/// The revision is the one of the metadata.
pub(super) fn version(headers: &HeaderMap, metadata: &Metadata) -> Result<(), Breach> {
    same(headers, VERSION_HEADER, &metadata.version, |value| value.to_str().ok().map(str::to_owned))
}

/// Method, name and annotated parameters are those of the body.
pub(super) fn checked(headers: &HeaderMap, request: &Request<'_>) -> Result<(), Breach> {
    same(headers, METHOD, &request.method, |value| value.to_str().ok().map(str::to_owned))?;
    let key = match request.method.as_ref() {
        "tools/call" | "prompts/get" => "name",
        "resources/read" => "uri",
        _ => return Ok(()),
    };
    let params = request.params.and_then(|params| serde_json::from_str::<Value>(params.get()).ok()).unwrap_or_default();
    // A body without it is the method's to refuse.
    let Some(name) = params[key].as_str() else { return Ok(()) };
    same(headers, NAME, name, decoded)?;
    if request.method == "tools/call" {
        for (path, header) in tools::annotated(name) {
            parameter(headers, &format!("{PARAMETER}{}", header.to_ascii_lowercase()), at(&params["arguments"], path))?;
        }
    }
    Ok(())
}

fn at<'a>(arguments: &'a Value, path: &[String]) -> &'a Value {
    path.iter().fold(arguments, |value, name| &value[name.as_str()])
}

/// One mirrored parameter: there if and only if the argument is, and the same.
fn parameter(headers: &HeaderMap, header: &str, argument: &Value) -> Result<(), Breach> {
    let body = match argument {
        Value::Null => {
            return match only(headers, header)? {
                Some(_) => Err(Breach::NotInBody(header.to_owned())),
                None => Ok(()),
            };
        }
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => argument.to_string(),
        // The wrong type: the tool's to refuse.
        Value::Array(_) | Value::Object(_) => return Ok(()),
    };
    let value = only(headers, header)?.ok_or_else(|| Breach::NoHeader(header.to_owned()))?;
    let said = decoded(value).ok_or_else(|| Breach::Unreadable(header.to_owned()))?;
    let equal = match argument.as_f64() {
        Some(number) => said == body || said.parse::<f64>().is_ok_and(|said| said.to_bits() == number.to_bits()),
        None => said == body,
    };
    if equal { Ok(()) } else { Err(Breach::Differs { header: header.to_owned(), said, body }) }
}

fn same(
    headers: &HeaderMap,
    header: &str,
    body: &str,
    read: impl FnOnce(&HeaderValue) -> Option<String>,
) -> Result<(), Breach> {
    let value = only(headers, header)?.ok_or_else(|| Breach::NoHeader(header.to_owned()))?;
    let said = read(value).ok_or_else(|| Breach::Unreadable(header.to_owned()))?;
    if said == body {
        return Ok(());
    }
    Err(Breach::Differs { header: header.to_owned(), said, body: body.to_owned() })
}

/// A header's value; two values are none that can be compared.
fn only<'a>(headers: &'a HeaderMap, header: &str) -> Result<Option<&'a HeaderValue>, Breach> {
    let mut values = headers.get_all(header).iter();
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        _ => Err(Breach::Unreadable(header.to_owned())),
    }
}

/// What a value means: as it is, or by the Base64 sentinel; `None` if it has other than visible ASCII, blanks and tabs.
fn decoded(value: &HeaderValue) -> Option<String> {
    let text = value.to_str().ok()?;
    match text.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?=")) {
        Some(encoded) => String::from_utf8(STANDARD.decode(encoded).ok()?).ok(),
        None => Some(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};
    use serde_json::json;

    use super::{decoded, parameter};

    #[test]
    fn the_examples_of_the_specification_are_decoded() {
        for (value, meant) in [
            ("us-west1", Some("us-west1")),
            ("=?base64?SGVsbG8sIOS4lueVjA==?=", Some("Hello, 世界")),
            ("=?base64?IHBhZGRlZCA=?=", Some(" padded ")),
            ("=?base64?bGluZTEKbGluZTI=?=", Some("line1\nline2")),
            ("=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?=", Some("=?base64?literal?=")),
            ("=?BASE64?IHBhZGRlZCA=?=", Some("=?BASE64?IHBhZGRlZCA=?=")),
            ("=?base64?not base64?=", None),
            ("=?base64??=", Some("")),
        ] {
            let value = HeaderValue::from_str(value).unwrap();
            assert_eq!(decoded(&value).as_deref(), meant, "{value:?}");
        }
        assert_eq!(decoded(&HeaderValue::from_bytes("ä".as_bytes()).unwrap()), None);
    }

    #[test]
    fn a_parameter_and_its_header_come_together_and_say_the_same() {
        for (name, said, argument, fits) in [
            ("a text", Some("x"), json!("x"), true),
            ("another text", Some("y"), json!("x"), false),
            ("an empty text", Some(""), json!(""), true),
            ("no header", None, json!("x"), false),
            ("a number", Some("42"), json!(42), true),
            ("the same number", Some("42.0"), json!(42), true),
            ("another number", Some("43"), json!(42), false),
            ("true", Some("true"), json!(true), true),
            ("capitals", Some("True"), json!(true), false),
            ("null", None, json!(null), true),
            ("a header for null", Some("null"), json!(null), false),
        ] {
            let mut headers = HeaderMap::new();
            said.map(|said| headers.insert("mcp-param-x", HeaderValue::from_str(said).unwrap()));
            assert_eq!(parameter(&headers, "mcp-param-x", &argument).is_ok(), fits, "{name}");
        }
    }
}
