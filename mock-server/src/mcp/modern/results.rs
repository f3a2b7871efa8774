//! What results have in this era: their type, how long they are good for and for whom (MCP 2026-07-28, basic/index, caching),
//! and who sent them; and the result of `server/discover`.

use serde_json::json;

use super::era;
use crate::faults::Fault;
use crate::mcp::message::quoted;
use crate::mcp::methods::{Call, INSTRUCTIONS, capabilities, server_info};
use crate::mcp::session::{MODERN_VERSION, VERSIONS};
use crate::settings::Era;
use crate::state::ServerState;

/// How a result begins that is none yet.
pub(crate) const INPUT_REQUIRED: &str = r#"{"resultType":"input_required""#;

/// The revisions that are served, the newest first.
pub(crate) fn versions(state: &ServerState) -> Vec<&'static str> {
    match era(state) {
        Era::Legacy => VERSIONS.to_vec(),
        Era::Modern => vec![MODERN_VERSION],
        Era::Both => [&[MODERN_VERSION][..], &VERSIONS].concat(),
    }
}

/// The result of `server/discover`, still without what all results have.
pub(crate) fn discovered(state: &ServerState) -> String {
    let result = json!({
        "supportedVersions": versions(state),
        "capabilities": capabilities(state),
        "instructions": INSTRUCTIONS,
    });
    result.to_string()
}

/// A method's result with what all have; one that asks for input says so itself, and is not to be kept.
pub(crate) fn completed(call: &Call, method: &str, result: &str) -> String {
    let meta = format!(r#""_meta":{{"io.modelcontextprotocol/serverInfo":{}}}"#, server_info());
    if let Some(rest) = result.strip_prefix(INPUT_REQUIRED) {
        return format!("{INPUT_REQUIRED},{meta}{rest}");
    }
    let state = &call.state;
    if state.has(Fault::InputElsewhere)
        && !matches!(method, "tools/call" | "prompts/get" | "resources/read" | "server/discover")
    {
        let roots = r#"{"roots":{"method":"roots/list","params":{}}}"#;
        return format!(r#"{INPUT_REQUIRED},{meta},"inputRequests":{roots}}}"#);
    }
    let members = result.strip_prefix('{').unwrap_or_default();
    let comma = if members.starts_with('}') { "" } else { "," };
    if state.has(Fault::NoResultType) {
        return format!("{{{meta}{comma}{members}");
    }
    let wrong = state.fault_text(Fault::ResultType).filter(|_| method == "tools/call");
    let kind = quoted(wrong.as_deref().unwrap_or("complete"));
    let kept = kept(method)
        .map(|(milliseconds, scope)| format!(r#","ttlMs":{milliseconds},"cacheScope":"{scope}""#))
        .unwrap_or_default();
    format!(r#"{{"resultType":{kind},{meta}{kept}{comma}{members}"#)
}

/// For how many milliseconds a method's result is good, and for whom.
fn kept(method: &str) -> Option<(u64, &'static str)> {
    match method {
        "server/discover" => Some((3_600_000, "public")),
        "tools/list" | "prompts/list" | "resources/list" | "resources/templates/list" => Some((300_000, "public")),
        // The clock is never the same.
        "resources/read" => Some((0, "private")),
        _ => None,
    }
}
