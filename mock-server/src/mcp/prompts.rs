//! Prompts (MCP 2025-11-25, server/prompts): one with arguments, one with a resource in it, one that asks; and what can
//! stand for an argument (server/utilities/completion).

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::mcp::changes::Listed;
use crate::mcp::methods::{Call, RpcError, invalid_params, parsed};
use crate::mcp::pages::page;
use crate::mcp::questions::{Way, ask};
use crate::mcp::session::ClientAnswer;
use crate::mcp::tools::asking::form;

/// How many completions go into an answer.
const COMPLETIONS: usize = 100;
const CITIES: [&str; 7] = ["Berlin", "Bergen", "Bern", "London", "Oslo", "Paris", "Rome"];
/// The prompt that asks its client back.
pub(crate) const ASKING: &str = "interview";
const STYLES: [&str; 3] = ["formal", "friendly", "pirate"];

/// The result of `prompts/list`.
pub(crate) fn list(call: &Call, params: Option<&RawValue>) -> Result<String, RpcError> {
    let mut prompts = vec![
        json!({
            "name": "greet",
            "description": "Greets somebody",
            "arguments": [
                { "name": "name", "description": "Who is greeted", "required": true },
                { "name": "style", "description": "How", "required": false },
            ],
        }),
        json!({ "name": "review", "description": "Asks for a review of the readme" }),
        json!({ "name": ASKING, "description": "Asks the client by elicitation what it is to be about" }),
    ];
    if call.session.has_surprise(Listed::Prompts) {
        prompts.push(json!({ "name": "surprise", "description": "Was not there before" }));
    }
    page(call, params, "prompts", prompts)
}

/// The result of `prompts/get`.
pub(crate) async fn get(call: &Call, params: Option<&RawValue>) -> Result<String, RpcError> {
    #[derive(Deserialize)]
    struct Params {
        name: String,
        #[serde(default)]
        arguments: HashMap<String, String>,
    }
    let params = parsed::<Params>(params)?;
    let content = match params.name.as_str() {
        "greet" => {
            let name = params.arguments.get("name").ok_or_else(|| invalid_params("the argument name is missing"))?;
            let style = params.arguments.get("style").map_or("friendly", String::as_str);
            text(&format!("Greet {name} in a {style} way."))
        }
        "review" => json!({
            "type": "resource",
            "resource": { "uri": "mock://readme", "mimeType": "text/markdown", "text": "# A mock\n\nNothing here is real.\n" },
        }),
        ASKING => {
            let about = form("about", "What is it about?", &json!({ "topic": { "type": "string" } }), &["topic"]);
            match ask(call, &[about], Way::default()).await {
                Ok(answers) => text(&format!("Talk about {}.", answered(&answers))),
                Err(stop) => return stop.of_other(),
            }
        }
        "surprise" if call.session.has_surprise(Listed::Prompts) => text("Surprise!"),
        other => return Err(invalid_params(format!("there is no prompt {other}"))),
    };
    let message = json!({ "role": "user", "content": content });
    Ok(json!({ "description": params.name, "messages": [message] }).to_string())
}

/// The first answer, be it an error, as it came.
pub(crate) fn answered(answers: &[ClientAnswer]) -> &str {
    answers.first().map_or("", |answer| match answer {
        Ok(text) | Err(text) => text,
    })
}

fn text(text: &str) -> Value {
    json!({ "type": "text", "text": text })
}

#[derive(Deserialize)]
#[serde(tag = "type")]
enum Reference {
    #[serde(rename = "ref/prompt")]
    Prompt { name: String },
    #[serde(rename = "ref/resource")]
    Resource { uri: String },
}

/// The result of `completion/complete`.
pub(crate) fn complete(params: Option<&RawValue>) -> Result<String, RpcError> {
    #[derive(Deserialize)]
    struct Params {
        r#ref: Reference,
        argument: Argument,
    }
    #[derive(Deserialize)]
    struct Argument {
        name: String,
        value: String,
    }
    let Params { r#ref: reference, argument } = parsed::<Params>(params)?;
    let known: &[&str] = match (&reference, argument.name.as_str()) {
        (Reference::Prompt { name }, "style") if name == "greet" => &STYLES,
        (Reference::Prompt { name }, "name") if name == "greet" => &["Ada", "Alan", "Grace"],
        (Reference::Prompt { name }, _) if name == "greet" || name == "review" => &[],
        (Reference::Resource { uri }, "city") if uri == "mock://weather/{city}" => &CITIES,
        (Reference::Resource { uri }, _) if uri.starts_with("mock://") => &[],
        (Reference::Prompt { name: what } | Reference::Resource { uri: what }, _) => {
            return Err(invalid_params(format!("there is nothing to complete in {what}")));
        }
    };
    let begins = |word: &&&str| word.to_lowercase().starts_with(&argument.value.to_lowercase());
    let values = known.iter().filter(begins).take(COMPLETIONS).collect::<Vec<_>>();
    Ok(json!({ "completion": { "total": values.len(), "hasMore": false, "values": values } }).to_string())
}
