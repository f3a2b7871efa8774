//! What the suite looks for in the modern era alone (MCP 2026-07-28): tools and a prompt that ask for input, by the keys and
//! the words that it wants, tools that change lists, and one with an argument that a header mirrors.

use serde_json::{Value, json};

use super::{contents, logging, text};
use crate::mcp::changes::Listed;
use crate::mcp::methods::{Call, RpcError};
use crate::mcp::questions::{Question, Stop, Way, ask};
use crate::mcp::session::ClientAnswer;
use crate::mcp::tools::asking::form;
use crate::mcp::tools::tool;

/// How the names of the tools begin that ask for input.
const INPUT: &str = "test_input_required_result_";
/// The tools without arguments, and what each does.
const TOOLS: [(&str, &str); 13] = [
    ("test_input_required_result_elicitation", "Asks for a name"),
    ("test_input_required_result_sampling", "Asks the client's model"),
    ("test_input_required_result_list_roots", "Asks for roots"),
    ("test_input_required_result_request_state", "Asks for a confirmation, with a state"),
    ("test_input_required_result_multiple_inputs", "Asks for a name, for a model and for roots"),
    ("test_input_required_result_multi_round", "Asks twice, one after the other"),
    ("test_input_required_result_tampered_state", "Asks for a confirmation, with a state that is sealed"),
    ("test_input_required_result_capabilities", "Asks what the client declared that it can be asked"),
    ("test_missing_capability", "Needs a model"),
    ("test_streaming_elicitation", "Asks for a name"),
    ("test_logging_tool", "Sends three log messages"),
    ("test_trigger_tool_change", "Tells that the list of tools changed"),
    ("test_trigger_prompt_change", "Tells that the list of prompts changed"),
];
/// The tool with an argument that a header mirrors.
const MIRRORED: &str = "test_custom_header";
/// The prompt that asks.
pub(super) const PROMPT: &str = "test_input_required_result_prompt";

/// Their rows of `tools/list`.
pub(crate) fn table() -> Vec<Value> {
    let none = json!({ "type": "object", "properties": {} });
    let mirrored = json!({ "region": { "type": "string", "x-mcp-header": "Region" } });
    let mirrored = json!({ "type": "object", "properties": mirrored });
    let mut tools = TOOLS.map(|(name, description)| tool(name, name, description, &none)).to_vec();
    tools.push(tool(MIRRORED, MIRRORED, "Has an argument that a header mirrors", &mirrored));
    tools
}

/// Whether one of the tools asks the client something.
pub(super) fn asks(name: &str) -> bool {
    name.starts_with(INPUT) || matches!(name, "test_missing_capability" | "test_streaming_elicitation")
}

/// The result of one of the tools, if it is one.
pub(super) async fn call(call: &Call, name: &str, arguments: &str) -> Option<Result<String, RpcError>> {
    let changed = async |list| {
        call.state.modern.subscriptions.tell_list(&call.state, list).await;
        Some(contents(&[text("It was told.")]))
    };
    match name {
        MIRRORED => Some(contents(&[text(arguments)])),
        "test_logging_tool" => Some(logging(call).await),
        "test_trigger_tool_change" => changed(Listed::Tools).await,
        "test_trigger_prompt_change" => changed(Listed::Prompts).await,
        _ if asks(name) => Some(match answers(call, name).await {
            Ok(answers) => {
                let answers = answers.into_iter().map(|answer| answer.unwrap_or_else(|error| error));
                contents(&[text(&format!("state-ok: {}", answers.collect::<Vec<_>>().join(", ")))])
            }
            Err(stop) => stop.of_tool(),
        }),
        _ => None,
    }
}

async fn answers(call: &Call, name: &str) -> Result<Vec<ClientAnswer>, Stop> {
    let stateless = Way { with_state: false, ..Way::default() };
    let greeting = || model("greeting", "Generate a greeting");
    match name.strip_prefix(INPUT).unwrap_or(name) {
        "elicitation" | "test_streaming_elicitation" => ask(call, &[user_name()], stateless).await,
        "sampling" => ask(call, &[model("capital_question", "What is the capital of France?")], stateless).await,
        "list_roots" => ask(call, &[roots()], stateless).await,
        "request_state" | "tampered_state" => ask(call, &[confirmation()], Way::default()).await,
        "multiple_inputs" => ask(call, &[user_name(), greeting(), roots()], Way::default()).await,
        "multi_round" => in_rounds(call).await,
        "capabilities" => {
            let mut questions = vec![user_name(), greeting(), roots()];
            questions.retain(|question| question.may_be_asked(call));
            ask(call, &questions, Way::default()).await
        }
        _ => ask(call, &[greeting()], Way::default()).await,
    }
}

/// The result of the prompt.
pub(super) async fn prompt(call: &Call) -> Result<String, RpcError> {
    let context = json!({ "context": { "type": "string" } });
    let question = form("user_context", "What context should the prompt use?", &context, &["context"]);
    match ask(call, &[question], Way { with_state: false, ..Way::default() }).await {
        Ok(_) => {
            let message = json!({ "role": "user", "content": text("This is a prompt with a context.") });
            Ok(json!({ "messages": [message] }).to_string())
        }
        Err(stop) => stop.of_other(),
    }
}

async fn in_rounds(call: &Call) -> Result<Vec<ClientAnswer>, Stop> {
    let name = json!({ "name": { "type": "string" } });
    let colour = json!({ "color": { "type": "string" } });
    let first = form("step1", "Step 1: What is your name?", &name, &["name"]);
    let second = form("step2", "Step 2: What is your favorite color?", &colour, &["color"]);
    let mut answers = ask(call, &[first], Way::default()).await?;
    answers.extend(ask(call, &[second], Way::default()).await?);
    Ok(answers)
}

fn user_name() -> Question {
    form("user_name", "What is your name?", &json!({ "name": { "type": "string" } }), &["name"])
}

fn confirmation() -> Question {
    form("confirm", "Please confirm", &json!({ "ok": { "type": "boolean" } }), &["ok"])
}

fn model(key: &str, words: &str) -> Question {
    let message = json!({ "role": "user", "content": text(words) });
    Question {
        key: key.to_owned(),
        method: "sampling/createMessage",
        params: json!({ "messages": [message], "maxTokens": 100 }),
        capability: Some(("sampling", None)),
    }
}

fn roots() -> Question {
    Question {
        key: "client_roots".to_owned(),
        method: "roots/list",
        params: json!({}),
        capability: Some(("roots", None)),
    }
}
