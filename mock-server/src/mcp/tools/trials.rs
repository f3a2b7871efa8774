//! The tools that try a client: one that waits, one that reports, one that asks back, one that speaks on the other stream.

use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::mcp::message::{notification, request};
use crate::mcp::methods::Call;
use crate::mcp::tools::{content, failure, tool, understood};

/// How long `slow` waits by default.
const SLOW: Duration = Duration::from_secs(30);
/// How long `ask` waits for its answer.
const ANSWER: Duration = Duration::from_secs(300);

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
                "properties": { "steps": { "type": "integer", "minimum": 0, "maximum": 10_000 } },
                "required": ["steps"],
            }),
        ),
        tool(
            "ask",
            "Ask",
            "Asks for a name by elicitation and tells the answer",
            &json!({
                "type": "object", "properties": { "message": { "type": "string" } },
            }),
        ),
        tool("echo", "Echo", "Returns its arguments, not a byte changed", &json!({ "type": "object" })),
        tool(
            "announce",
            "Announce",
            "Sends a list change and a log message on the standalone stream",
            &json!({
                "type": "object", "properties": {}, "additionalProperties": false,
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
    }
    let Arguments { steps } = match understood(arguments) {
        Ok(arguments) => arguments,
        Err(failure) => return failure,
    };
    if let Some(token) = token {
        for step in 1..=steps {
            let params = format!(
                r#"{{"progressToken":{},"progress":{step},"total":{steps},"message":"step {step} of {steps}"}}"#,
                token.get()
            );
            call.outlet.send(&call.state, &notification("notifications/progress", Some(&params))).await;
        }
    }
    content(&format!("{steps} steps done"), &json!({ "steps": steps }).to_string())
}

pub(super) async fn ask(call: &Call, arguments: &str) -> String {
    #[derive(Deserialize)]
    struct Arguments {
        message: Option<String>,
    }
    let Arguments { message } = match understood(arguments) {
        Ok(arguments) => arguments,
        Err(failure) => return failure,
    };
    if !call.session.can_elicit {
        return failure("this client did not declare that it can be asked");
    }
    let params = json!({
        "message": message.as_deref().unwrap_or("What is your name?"),
        "requestedSchema": {
            "type": "object",
            "properties": { "name": { "type": "string", "title": "Name" } },
            "required": ["name"],
        },
    });
    let (id, answer) = call.session.ask();
    call.outlet.send(&call.state, &request(&id, "elicitation/create", &params.to_string())).await;
    match tokio::time::timeout(ANSWER, answer).await {
        Ok(Ok(Ok(result))) => content(&result, &format!(r#"{{"result":{result}}}"#)),
        Ok(Ok(Err(error))) => content(&error, &format!(r#"{{"error":{error}}}"#)),
        Ok(Err(_)) => failure("the session ended before the answer"),
        Err(_) => failure("nobody answered"),
    }
}

pub(super) async fn announce(call: &Call) -> String {
    let Some(standalone) = call.session.standalone() else {
        return content("there is no standalone stream", r#"{"sent":0}"#);
    };
    let mut messages = vec![notification("notifications/tools/list_changed", None)];
    if call.session.wants_level("info") {
        let params = json!({ "level": "info", "logger": "announce", "data": "something happened" });
        messages.push(notification("notifications/message", Some(&params.to_string())));
    }
    let mut sent = 0;
    for message in messages {
        sent += usize::from(standalone.send(&call.state, &message).await);
    }
    content(&format!("{sent} messages sent"), &json!({ "sent": sent }).to_string())
}
