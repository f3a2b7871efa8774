//! The tools that try a client's patience and care: one that waits, one that reports in pieces, one that repeats.

use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::mcp::message::notification;
use crate::mcp::methods::Call;
use crate::mcp::tools::{content, tool, understood};

/// How long `slow` waits by default.
const SLOW: Duration = Duration::from_secs(30);

/// Their rows of `tools/list`.
pub(super) fn table() -> Vec<Value> {
    vec![
        tool(
            "slow",
            "Slow",
            "Answers when it is released or when the time is over",
            &json!({
                "type": "object",
                "properties": { "milliseconds": { "type": "integer", "minimum": 0, "default": 30_000 } },
            }),
        ),
        tool(
            "progress",
            "Progress",
            "Reports its progress step by step",
            &json!({
                "type": "object",
                "properties": {
                    "steps": { "type": "integer", "minimum": 0, "maximum": 10_000 },
                    "milliseconds": { "type": "integer", "description": "Between two steps", "default": 0 },
                },
                "required": ["steps"],
            }),
        ),
        tool("echo", "Echo", "Returns its arguments, not a byte changed", &json!({ "type": "object" })),
        tool(
            "mirror",
            "Mirror",
            "Returns its arguments, which in the modern era headers must say too, one of each type",
            &json!({
                "type": "object",
                "properties": {
                    "text": { "type": "string", "x-mcp-header": "Text" },
                    "number": { "type": "integer", "x-mcp-header": "Number" },
                    "yes": { "type": "boolean", "x-mcp-header": "Yes" },
                    "inner": {
                        "type": "object",
                        "properties": { "text": { "type": "string", "x-mcp-header": "Inner-Text" } },
                    },
                },
            }),
        ),
    ]
}

pub(super) async fn slow(call: &Call, arguments: &str) -> String {
    #[derive(Deserialize)]
    struct Arguments {
        milliseconds: Option<u64>,
    }
    let Arguments { milliseconds } = match understood(arguments) {
        Ok(arguments) => arguments,
        Err(failure) => return failure,
    };
    let released = call.state.slow.wait(milliseconds.map_or(SLOW, Duration::from_millis)).await;
    let text = if released { "released" } else { "the time is over" };
    content(text, &json!({ "released": released }).to_string())
}

pub(super) async fn progress(call: &Call, arguments: &str, token: Option<&RawValue>) -> String {
    #[derive(Deserialize)]
    struct Arguments {
        steps: u16,
        #[serde(default)]
        milliseconds: u64,
    }
    let Arguments { steps, milliseconds } = match understood(arguments) {
        Ok(arguments) => arguments,
        Err(failure) => return failure,
    };
    for step in 1..=steps {
        if milliseconds > 0 {
            tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        }
        if let Some(token) = token {
            let params = format!(
                r#"{{"progressToken":{},"progress":{step},"total":{steps},"message":"step {step} of {steps}"}}"#,
                token.get()
            );
            call.outlet.send(&call.state, &notification("notifications/progress", Some(&params))).await;
        }
    }
    content(&format!("{steps} steps done"), &json!({ "steps": steps }).to_string())
}
