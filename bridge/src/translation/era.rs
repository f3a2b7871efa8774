//! Which era a server speaks, told by its answers (MCP 2026-07-28, versioning and transports). A server may speak both. It
//! must never know how an answer came. Read next: [`super::legacy_to_modern`].

use serde::{Deserialize, Serialize};

use super::json::RawObject;
use super::{LEGACY, MODERN, keys};
use crate::message::{self, Envelope};

/// MCP 2026-07-28: headers and body do not fit.
pub const HEADER_MISMATCH: i64 = -32_020;
/// MCP 2026-07-28: the client did not declare what the request needs.
pub const MISSING_CAPABILITY: i64 = -32_021;
/// MCP 2026-07-28: the revision is not served.
pub const UNSUPPORTED_VERSION: i64 = -32_022;

/// One of the two eras of MCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Era {
    /// With a handshake, up to 2025-11-25.
    Legacy,
    /// With metadata in every request, from 2026-07-28 on.
    Modern,
}

/// What is known of a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spoken {
    /// Whether it takes a handshake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legacy: Option<bool>,
    /// Whether it has `server/discover`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modern: Option<bool>,
}

impl Spoken {
    /// What is known where nothing needs to be found out.
    #[must_use]
    pub fn only(era: Era) -> Self {
        Spoken { legacy: Some(era == Era::Legacy), modern: Some(era == Era::Modern) }
    }

    /// Whether a handshake is not worth trying first.
    #[must_use]
    pub fn is_modern_only(self) -> bool {
        self == Spoken::only(Era::Modern)
    }
}

/// What the answer to `server/discover` tells.
#[derive(Debug, PartialEq, Eq)]
pub enum Finding {
    /// A `DiscoverResult` of the modern era.
    Modern,
    /// An error of the modern era: it is worth asking once more, and no handshake is.
    ModernError,
    /// Anything else: no modern server answers so.
    Legacy,
}

/// Judges the response to a `server/discover` of [`MODERN`].
#[must_use]
pub fn of_discover(response: &[u8]) -> Finding {
    let result = Envelope::parse(response).ok().and_then(|envelope| envelope.result);
    match result {
        Some(result) => match supported_versions(result) {
            Some(versions) if speaks_modern(&versions) => Finding::Modern,
            _ => Finding::Legacy,
        },
        None => match message::error_code(response) {
            Some(UNSUPPORTED_VERSION) if !rejects_modern(response) => Finding::ModernError,
            Some(HEADER_MISMATCH | MISSING_CAPABILITY) => Finding::ModernError,
            _ => Finding::Legacy,
        },
    }
}

/// Whether a response is an error that only the modern era has.
#[must_use]
pub fn is_modern_error(response: &[u8]) -> bool {
    matches!(message::error_code(response), Some(HEADER_MISMATCH | MISSING_CAPABILITY | UNSUPPORTED_VERSION))
}

/// Whether an error with HTTP's word for "not so" (400, 404, 405) may be a server's that has no modern era: not its words
/// about parameters and methods, which both eras have. `None` is an answer that is no JSON-RPC.
#[must_use]
pub fn doubts_modern(code: Option<i64>) -> bool {
    !matches!(code, Some(HEADER_MISMATCH | MISSING_CAPABILITY | UNSUPPORTED_VERSION | -32_603 | -32_602 | -32_601))
}

/// Whether a response to `initialize` names the modern revision, which has no handshake.
#[must_use]
pub fn promises_modern(response: &[u8]) -> bool {
    let result = Envelope::parse(response).ok().and_then(|envelope| envelope.result).and_then(RawObject::parse);
    result.is_some_and(|result| result.text("protocolVersion").as_deref() == Some(MODERN))
}

/// A `server/discover` with the metadata of another modern request; `None` where that has none.
#[must_use]
pub fn discover_on_behalf_of(request: &[u8], id: &str) -> Option<String> {
    let params = Envelope::parse(request).ok()?.params?;
    let params = RawObject::parse(params)?;
    let given = params.object("_meta")?;
    let mut meta = RawObject::default();
    for key in [keys::PROTOCOL_VERSION, keys::CLIENT_INFO, keys::CLIENT_CAPABILITIES] {
        if let Some(value) = given.get(key) {
            meta.set(key, value);
        }
    }
    let params = format!("{{\"_meta\":{meta}}}");
    Some(format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"server/discover\",\"params\":{params}}}"))
}

/// Whether an error says by its data that the modern revision is not among those that are served.
fn rejects_modern(response: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Response {
        error: Error,
    }
    #[derive(Deserialize)]
    struct Error {
        data: Data,
    }
    #[derive(Deserialize)]
    struct Data {
        supported: Vec<String>,
    }
    serde_json::from_slice::<Response>(response).is_ok_and(|response| !speaks_modern(&response.error.data.supported))
}

fn supported_versions(result: &str) -> Option<Vec<String>> {
    serde_json::from_str(RawObject::parse(result)?.get("supportedVersions")?).ok()
}

/// Revisions that are not known here count as modern: they are newer, and their servers say which of ours they serve.
fn speaks_modern(versions: &[String]) -> bool {
    versions.iter().any(|version| version == MODERN)
        || !versions.is_empty() && versions.iter().all(|version| !LEGACY.contains(&version.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(body: &str) -> Vec<u8> {
        format!(r#"{{"jsonrpc":"2.0","id":1,{body}}}"#).into_bytes()
    }

    #[test]
    fn e0_a_discover_result_or_a_modern_error_means_modern_and_anything_else_legacy() {
        let table = [
            (r#""result":{"supportedVersions":["2026-07-28"],"capabilities":{}}"#, Finding::Modern),
            (r#""result":{"supportedVersions":["2025-11-25","2026-07-28"]}"#, Finding::Modern),
            (r#""result":{"supportedVersions":["2025-11-25"]}"#, Finding::Legacy),
            (r#""result":{"supportedVersions":[]}"#, Finding::Legacy),
            (r#""result":{"supportedVersions":"2026-07-28"}"#, Finding::Legacy),
            (r#""result":{}"#, Finding::Legacy),
            (
                r#""error":{"code":-32022,"message":"","data":{"supported":["2026-07-28"],"requested":"2026-07-28"}}"#,
                Finding::ModernError,
            ),
            (r#""error":{"code":-32022,"message":"","data":{"supported":["2025-11-25"]}}"#, Finding::Legacy),
            (r#""error":{"code":-32022,"message":""}"#, Finding::ModernError),
            (r#""error":{"code":-32020,"message":""}"#, Finding::ModernError),
            (r#""error":{"code":-32021,"message":""}"#, Finding::ModernError),
            (r#""error":{"code":-32601,"message":"method not found"}"#, Finding::Legacy),
            (r#""error":{"code":-32600,"message":"Missing session ID"}"#, Finding::Legacy),
            (r#""error":{"code":-32000,"message":"Server not initialized"}"#, Finding::Legacy),
        ];
        for (body, finding) in table {
            assert_eq!(of_discover(&response(body)), finding, "{body}");
        }
        assert_eq!(of_discover(b"no json"), Finding::Legacy);
    }

    #[test]
    fn e0_a_handshake_is_no_handshake_by_the_modern_revision() {
        let answered =
            |version: &str| promises_modern(&response(&format!(r#""result":{{"protocolVersion":"{version}"}}"#)));
        assert!(answered("2026-07-28") && !answered("2025-11-25"));
    }

    #[test]
    fn e0_what_both_eras_say_is_no_reason_to_doubt() {
        for (code, doubts) in [
            (Some(-32_602), false),
            (Some(-32_601), false),
            (Some(-32_020), false),
            (Some(-32_000), true),
            (Some(-32_600), true),
            (None, true),
        ] {
            assert_eq!(doubts_modern(code), doubts, "{code:?}");
        }
    }
}
