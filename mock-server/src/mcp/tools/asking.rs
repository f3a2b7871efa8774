//! The tools that ask the client something: elicitation in both modes, sampling, roots, ping, one question or several. Each
//! tells the answers as they came. How they are asked, in either era, is in `../questions.rs`.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::mcp::message::notification;
use crate::mcp::methods::{Call, RpcError};
use crate::mcp::questions::{On, Question, Stop, Way, ask};
use crate::mcp::session::ClientAnswer;
use crate::mcp::tools::{content, tool, understood};

/// Where the pages of URL mode are.
pub(crate) const PAGES: &str = "/elicitation";
/// The legacy code for a call that needs a page to be visited first.
const URL_ELICITATION_REQUIRED: i32 = -32042;
/// The most rounds that `ask-rounds` asks.
const ROUNDS: u16 = 100;

/// Their names.
pub(super) const NAMES: [&str; 10] = [
    "ask",
    "ask-elicitation",
    "ask-url",
    "ask-sampling",
    "ask-roots",
    "ask-ping",
    "ask-several",
    "ask-rounds",
    "ask-later",
    "needs-url",
];

/// Their rows of `tools/list`.
pub(super) fn table() -> Vec<Value> {
    let on = json!({ "type": "string", "enum": ["reply", "standalone"], "default": "reply" });
    let message = json!({ "type": "string" });
    let state = json!({ "type": "boolean", "default": true, "description": "Whether a requestState goes along" });
    let with_message = json!({ "type": "object", "properties": { "message": message, "on": on, "state": state } });
    let plain = json!({ "type": "object", "properties": { "on": on } });
    let none = json!({ "type": "object", "properties": {} });
    let rounds = json!({ "type": "integer", "minimum": 1, "maximum": ROUNDS, "default": 2 });
    vec![
        tool("ask", "Ask", "Asks for a name by elicitation and tells the answer", &with_message),
        tool("ask-elicitation", "Ask a form", "Asks by elicitation in form mode, a field of each type", &with_message),
        tool(
            "ask-url",
            "Ask by a page",
            "Asks by elicitation in URL mode, then says that it is complete",
            &with_message,
        ),
        tool("ask-sampling", "Ask a model", "Asks the client's model and tells what it says", &with_message),
        tool("ask-roots", "Ask for roots", "Asks for the client's roots and tells them", &plain),
        tool("ask-ping", "Ask for life", "Pings the client; in the modern era, without pings, just answers", &plain),
        tool("ask-several", "Ask much", "Asks by elicitation, for a model and for roots, all at once", &plain),
        tool(
            "ask-rounds",
            "Ask on and on",
            "Asks by elicitation, and when it has the answer asks again",
            &json!({ "type": "object", "properties": { "rounds": rounds } }),
        ),
        tool("ask-later", "Ask for patience", "Asks nothing, but in the modern era wants to be called again", &none),
        tool(
            "needs-url",
            "Needs a page",
            "The first call in a session fails with the error that demands a page (-32042); in the modern era asks by it",
            &none,
        ),
    ]
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Arguments {
    message: Option<String>,
    on: On,
    rounds: Option<u16>,
    state: Option<bool>,
}

impl Arguments {
    fn way(&self) -> Way {
        Way { on: self.on, with_state: self.state.unwrap_or(true) }
    }
}

/// The page behind the URLs of `ask-url` and `needs-url`; whoever opens it is done.
pub(crate) async fn page_to_visit() -> &'static str {
    "Nothing is asked here: this page belongs to a mock server. You can close it.\n"
}

/// The result of one of the tools of this file.
pub(super) async fn call(call: &Call, name: &str, arguments: &str) -> Result<String, RpcError> {
    let arguments = match understood::<Arguments>(arguments) {
        Ok(arguments) => arguments,
        Err(failure) => return Ok(failure),
    };
    let done = match name {
        "ask-several" => several(call, arguments.way()).await,
        "ask-rounds" => in_rounds(call, arguments.rounds.unwrap_or(2).min(ROUNDS)).await,
        "ask-later" => later(call),
        "ask-url" => by_page(call, &arguments).await,
        "needs-url" if call.modern.is_none() => return needs_url(call),
        "needs-url" => by_page(call, &arguments).await,
        "ask-ping" if call.modern.is_some() => Ok(content("there are no pings", r#"{"result":{}}"#)),
        _ => one(call, question(name, arguments.message.as_deref()), arguments.way()).await,
    };
    done.or_else(Stop::of_tool)
}

fn question(name: &str, message: Option<&str>) -> Question {
    match name {
        "ask" => name_of_somebody("name", message.unwrap_or("What is your name?")),
        "ask-elicitation" => form("form", message.unwrap_or("Tell me about it."), &fields(), &["text"]),
        "ask-sampling" => sampling(message.unwrap_or("What is the capital of France?")),
        "ask-roots" => roots(),
        _ => Question { key: "ping".to_owned(), method: "ping", params: json!({}), capability: None },
    }
}

fn name_of_somebody(key: &str, message: &str) -> Question {
    form(key, message, &json!({ "name": { "type": "string", "title": "Name" } }), &["name"])
}

/// A question by elicitation in form mode.
pub(crate) fn form(key: &str, message: &str, properties: &Value, required: &[&str]) -> Question {
    let schema = json!({ "type": "object", "properties": properties, "required": required });
    Question {
        key: key.to_owned(),
        method: "elicitation/create",
        params: json!({ "message": message, "requestedSchema": schema }),
        capability: Some(("elicitation", Some("form"))),
    }
}

fn fields() -> Value {
    json!({
        "text": { "type": "string", "minLength": 1 },
        "number": { "type": "integer", "minimum": 0, "maximum": 10 },
        "yes": { "type": "boolean", "default": false },
        "choice": { "type": "string", "enum": ["one", "two"] },
    })
}

fn sampling(text: &str) -> Question {
    let params = json!({
        "messages": [{ "role": "user", "content": { "type": "text", "text": text } }],
        "modelPreferences": { "hints": [{ "name": "small" }], "speedPriority": 0.5 },
        "systemPrompt": "You are brief.",
        "maxTokens": 100,
    });
    Question { key: "model".to_owned(), method: "sampling/createMessage", params, capability: Some(("sampling", None)) }
}

fn roots() -> Question {
    Question { key: "roots".to_owned(), method: "roots/list", params: json!({}), capability: Some(("roots", None)) }
}

async fn one(call: &Call, question: Question, way: Way) -> Result<String, Stop> {
    let answers = ask(call, &[question], way).await?;
    Ok(answers.first().map(told).unwrap_or_default())
}

fn told(answer: &ClientAnswer) -> String {
    match answer {
        Ok(result) => content(result, &format!(r#"{{"result":{result}}}"#)),
        Err(error) => content(error, &format!(r#"{{"error":{error}}}"#)),
    }
}

fn told_together(answers: &[ClientAnswer]) -> String {
    let answers = answers.iter().map(|answer| match answer {
        Ok(result) => format!(r#"{{"result":{result}}}"#),
        Err(error) => format!(r#"{{"error":{error}}}"#),
    });
    let answers = answers.collect::<Vec<_>>().join(",");
    content(&format!("[{answers}]"), &format!(r#"{{"answers":[{answers}]}}"#))
}

async fn several(call: &Call, way: Way) -> Result<String, Stop> {
    let questions = [question("ask", None), question("ask-sampling", None), roots()];
    Ok(told_together(&ask(call, &questions, way).await?))
}

async fn in_rounds(call: &Call, rounds: u16) -> Result<String, Stop> {
    let mut answers = Vec::new();
    for round in 1..=rounds {
        let question = name_of_somebody(&format!("round-{round}"), &format!("Who is number {round}?"));
        answers.extend(ask(call, &[question], Way::default()).await?);
    }
    Ok(told_together(&answers))
}

fn later(call: &Call) -> Result<String, Stop> {
    match &call.modern {
        Some(modern) if !modern.input.has_state() => {
            Err(Stop::InputRequired(modern.input.required(&call.state, &[], true)))
        }
        _ => Ok(content("now", r#"{"now":true}"#)),
    }
}

async fn by_page(call: &Call, arguments: &Arguments) -> Result<String, Stop> {
    let id = format!("page-{}", call.state.trouble.next_stream());
    let question = Question {
        key: "page".to_owned(),
        method: "elicitation/create",
        params: page(call, &id, arguments.message.as_deref()),
        capability: Some(("elicitation", Some("url"))),
    };
    let result = one(call, question, arguments.way()).await?;
    if call.modern.is_none() {
        let params = json!({ "elicitationId": id }).to_string();
        call.outlet.send(&call.state, &notification("notifications/elicitation/complete", Some(&params))).await;
    }
    Ok(result)
}

fn page(call: &Call, id: &str, message: Option<&str>) -> Value {
    let mut page = json!({
        "mode": "url",
        "url": format!("{}{PAGES}/{id}", call.state.origin),
        "message": message.unwrap_or("Please visit this page."),
    });
    if call.modern.is_none() {
        page["elicitationId"] = id.into();
    }
    page
}

fn needs_url(call: &Call) -> Result<String, RpcError> {
    if call.session.visit_page() {
        return Ok(content("the page was visited", r#"{"visited":true}"#));
    }
    let id = format!("page-{}", call.state.trouble.next_stream());
    let data = json!({ "elicitations": [page(call, &id, None)] });
    Err(RpcError {
        code: URL_ELICITATION_REQUIRED,
        message: "a page must be visited first".to_owned(),
        data: Some(data),
    })
}
