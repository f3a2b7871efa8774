//! The tools that change something or speak up: lists, subscribed resources, log messages of every level.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::mcp::changes::{self, Listed};
use crate::mcp::methods::Call;
use crate::mcp::session::LEVELS;
use crate::mcp::tools::{content, tool, understood};

/// Their rows of `tools/list`.
pub(super) fn table() -> Vec<Value> {
    vec![
        tool(
            "announce",
            "Announce",
            "Tells of a list change, and sends a log message, on the standalone stream or the subscriptions",
            &json!({ "type": "object", "properties": {}, "additionalProperties": false }),
        ),
        tool(
            "change",
            "Change",
            "Adds a surprise to a list or takes it away, or updates a resource, and tells of it",
            &json!({
                "type": "object",
                "properties": {
                    "list": { "type": "string", "enum": ["tools", "resources", "prompts"] },
                    "resource": { "type": "string", "format": "uri" },
                },
            }),
        ),
        tool(
            "log",
            "Log",
            "Sends a log message of every level that is wanted before its reply",
            &json!({ "type": "object", "properties": { "message": { "type": "string" } } }),
        ),
    ]
}

pub(super) async fn announce(call: &Call) -> String {
    if call.modern.is_some() {
        return told(call.state.modern.subscriptions.tell_list(&call.state, Listed::Tools).await);
    }
    if call.session.standalone().is_none() {
        return content("there is no standalone stream", r#"{"sent":0}"#);
    }
    let told = changes::announce(&call.state, &call.session, Listed::Tools).await;
    let logged = changes::log(&call.state, &call.session, "info", "something happened").await;
    self::told(usize::from(told) + usize::from(logged))
}

fn told(sent: usize) -> String {
    content(&format!("{sent} messages sent"), &json!({ "sent": sent }).to_string())
}

pub(super) async fn change(call: &Call, arguments: &str) -> String {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Arguments {
        list: Option<Listed>,
        resource: Option<String>,
    }
    let arguments = match understood::<Arguments>(arguments) {
        Ok(arguments) => arguments,
        Err(failure) => return failure,
    };
    let state = &call.state;
    let mut sent = 0;
    if let Some(list) = arguments.list {
        sent += match call.modern {
            Some(_) => changes::change_modern_list(state, list).await,
            None => usize::from(changes::change_list(state, &call.session, list).await),
        };
    }
    if let Some(uri) = arguments.resource {
        sent += match call.modern {
            Some(_) => state.modern.subscriptions.tell_resource(state, &uri).await,
            None => usize::from(changes::update_resource(state, &call.session, &uri).await),
        };
    }
    told(sent)
}

pub(super) async fn log(call: &Call, arguments: &str) -> String {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Arguments {
        message: Option<String>,
    }
    let arguments = match understood::<Arguments>(arguments) {
        Ok(arguments) => arguments,
        Err(failure) => return failure,
    };
    let text = arguments.message.as_deref().unwrap_or("something happened");
    let mut sent = 0_usize;
    for level in LEVELS.into_iter().filter(|level| call.session.wants_level(level)) {
        sent += usize::from(call.outlet.send(&call.state, &changes::log_message(level, text)).await);
    }
    told(sent)
}
