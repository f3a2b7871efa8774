//! Lists in pages (MCP 2025-11-25, pagination): what a cursor means, and how long a page is. A cursor is opaque to the
//! client; it knows nothing of what is listed.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::mcp::methods::{Call, RpcError, invalid_params, parsed};

/// The page that the parameters ask for, as the result of a list request under the list's key.
pub(crate) fn page(call: &Call, params: Option<&RawValue>, key: &str, items: Vec<Value>) -> Result<String, RpcError> {
    #[derive(Deserialize)]
    struct Params {
        cursor: Option<String>,
    }
    let start = match parsed::<Params>(params)?.cursor {
        None => 0,
        Some(cursor) => start_of(&cursor, key)
            .filter(|start| *start < items.len())
            .ok_or_else(|| invalid_params(format!("there is no page {cursor}")))?,
    };
    let size = call.state.settings.mcp.page_size.unwrap_or(usize::MAX).max(1);
    let end = start.saturating_add(size).min(items.len());
    let mut result = json!({ key: items.get(start..end).unwrap_or_default() });
    if end < items.len() {
        result["nextCursor"] = cursor_of(end, key).into();
    }
    Ok(result.to_string())
}

fn cursor_of(start: usize, key: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("{key}:{start}"))
}

fn start_of(cursor: &str, key: &str) -> Option<usize> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
    text.strip_prefix(key)?.strip_prefix(':')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{cursor_of, start_of};

    #[test]
    fn a_cursor_is_good_for_its_own_list_only() {
        assert_eq!(start_of(&cursor_of(7, "tools"), "tools"), Some(7));
        assert_eq!(start_of(&cursor_of(7, "tools"), "prompts"), None);
        assert_eq!(start_of("7", "tools"), None);
    }
}
