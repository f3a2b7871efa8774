//! The tools whose answers are hard to carry: large ones, and one with every kind of content.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::mcp::tools::{failure, tool, understood};

/// The largest text that `large` returns, in bytes: 32 MiB.
const LARGEST: usize = 32 * 1024 * 1024;
/// What the large text is made of; 64 bytes, none of which JSON must escape.
const LINE: &str = "The quick brown fox jumps over the lazy dog, and on it goes ... ";
/// One transparent pixel, and a moment of silence.
const PIXEL: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==";
const SILENCE: &str = "UklGRiQAAABXQVZFZm10IBAAAAABAAEARKwAAIhYAQACABAAZGF0YQAAAAA=";

/// Their rows of `tools/list`.
pub(super) fn table() -> Vec<Value> {
    vec![
        tool(
            "large",
            "Large",
            "Returns a text of so many bytes",
            &json!({
                "type": "object",
                "properties": { "bytes": { "type": "integer", "minimum": 0, "maximum": LARGEST } },
                "required": ["bytes"],
            }),
        ),
        tool(
            "contents",
            "Contents",
            "Returns a text, an image, a sound, a link to a resource, and a resource",
            &json!({ "type": "object", "properties": {} }),
        ),
    ]
}

pub(super) fn large(arguments: &str) -> String {
    #[derive(Deserialize)]
    struct Arguments {
        bytes: usize,
    }
    let Arguments { bytes } = match understood(arguments) {
        Ok(arguments) => arguments,
        Err(failure) => return failure,
    };
    if bytes > LARGEST {
        return failure(&format!("no more than {LARGEST} bytes are returned"));
    }
    let mut result = String::with_capacity(bytes + 128);
    result.push_str(r#"{"content":[{"type":"text","text":""#);
    (0..bytes / LINE.len()).for_each(|_| result.push_str(LINE));
    result.push_str(&LINE[..bytes % LINE.len()]);
    result.push_str(r#""}]}"#);
    result
}

pub(super) fn contents() -> String {
    let resource = json!({ "uri": "mock://readme", "mimeType": "text/markdown", "text": "# A mock\n" });
    json!({
        "content": [
            { "type": "text", "text": "one of each", "annotations": { "audience": ["user"], "priority": 0.5 } },
            { "type": "image", "data": PIXEL, "mimeType": "image/png" },
            { "type": "audio", "data": SILENCE, "mimeType": "audio/wav" },
            { "type": "resource_link", "uri": "mock://clock", "name": "clock", "mimeType": "text/plain" },
            { "type": "resource", "resource": resource },
        ],
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::{LINE, large};

    #[test]
    fn a_large_text_has_the_size_asked_for() {
        assert_eq!(LINE.len(), 64);
        for bytes in [0, 1, 64, 1000] {
            let result = serde_json::from_str::<serde_json::Value>(&large(&format!(r#"{{"bytes":{bytes}}}"#))).unwrap();
            assert_eq!(result["content"][0]["text"].as_str().unwrap().len(), bytes);
        }
        assert!(large(r#"{"bytes":33554433}"#).contains("isError"));
    }
}
