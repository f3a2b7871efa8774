//! The tools that ask the client something: elicitation in both modes, sampling, roots, ping. Each tells the answer as it
//! came, on the stream of the reply or, if told so, on the standalone one.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::mcp::message::{notification, request};
use crate::mcp::methods::{Call, RpcError};
use crate::mcp::session::ClientAnswer;
use crate::mcp::stream::Outlet;
use crate::mcp::tools::{content, failure, tool, understood};

/// Where the pages of URL mode are.
pub(crate) const PAGES: &str = "/elicitation";
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(300);
/// MCP's code for a call that needs a page to be visited first.
const URL_ELICITATION_REQUIRED: i32 = -32042;

/// Their names.
pub(super) const NAMES: [&str; 7] =
    ["ask", "ask-elicitation", "ask-url", "ask-sampling", "ask-roots", "ask-ping", "needs-url"];

/// Their rows of `tools/list`.
pub(super) fn table() -> Vec<Value> {
    let on = json!({ "type": "string", "enum": ["reply", "standalone"], "default": "reply" });
    let message = json!({ "type": "string" });
    let with_message = json!({ "type": "object", "properties": { "message": message, "on": on } });
    let plain = json!({ "type": "object", "properties": { "on": on } });
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
        tool("ask-ping", "Ask for life", "Pings the client", &plain),
        tool(
            "needs-url",
            "Needs a page",
            "The first call in a session fails with the error that demands a page (-32042)",
            &json!({ "type": "object", "properties": {} }),
        ),
    ]
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum On {
    #[default]
    Reply,
    Standalone,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Arguments {
    message: Option<String>,
    on: On,
}

/// What is asked, and the capability that a client must have declared for it.
struct Question {
    method: &'static str,
    params: String,
    capability: Option<(&'static str, Option<&'static str>)>,
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
    let message = arguments.message.as_deref();
    let id = format!("page-{}", call.state.trouble.next_stream());
    let question = match name {
        "ask" => form(
            message.unwrap_or("What is your name?"),
            &json!({ "name": { "type": "string", "title": "Name" } }),
            &["name"],
        ),
        "ask-elicitation" => form(message.unwrap_or("Tell me about it."), &fields(), &["text"]),
        "ask-url" => Question {
            method: "elicitation/create",
            params: page(call, &id, message).to_string(),
            capability: Some(("elicitation", Some("url"))),
        },
        "ask-sampling" => sampling(message.unwrap_or("What is the capital of France?")),
        "ask-roots" => Question { method: "roots/list", params: "{}".to_owned(), capability: Some(("roots", None)) },
        "needs-url" => return needs_url(call, &id),
        _ => Question { method: "ping", params: "{}".to_owned(), capability: None },
    };
    let (capability, mode) = question.capability.unzip();
    if capability.is_some_and(|capability| !call.session.client_can(capability, mode.flatten())) {
        return Ok(failure("this client did not declare that it can be asked"));
    }
    let result = answered(call, &question, arguments.on).await;
    if name == "ask-url" {
        let params = json!({ "elicitationId": id }).to_string();
        call.outlet.send(&call.state, &notification("notifications/elicitation/complete", Some(&params))).await;
    }
    Ok(result)
}

fn form(message: &str, properties: &Value, required: &[&str]) -> Question {
    let schema = json!({ "type": "object", "properties": properties, "required": required });
    let params = json!({ "message": message, "requestedSchema": schema }).to_string();
    Question { method: "elicitation/create", params, capability: Some(("elicitation", Some("form"))) }
}

fn fields() -> Value {
    json!({
        "text": { "type": "string", "minLength": 1 },
        "number": { "type": "integer", "minimum": 0, "maximum": 10 },
        "yes": { "type": "boolean", "default": false },
        "choice": { "type": "string", "enum": ["one", "two"] },
    })
}

fn page(call: &Call, id: &str, message: Option<&str>) -> Value {
    json!({
        "mode": "url",
        "elicitationId": id,
        "url": format!("{}{PAGES}/{id}", call.state.origin),
        "message": message.unwrap_or("Please visit this page."),
    })
}

fn sampling(text: &str) -> Question {
    let params = json!({
        "messages": [{ "role": "user", "content": { "type": "text", "text": text } }],
        "modelPreferences": { "hints": [{ "name": "small" }], "speedPriority": 0.5 },
        "systemPrompt": "You are brief.",
        "maxTokens": 100,
    });
    Question { method: "sampling/createMessage", params: params.to_string(), capability: Some(("sampling", None)) }
}

fn needs_url(call: &Call, id: &str) -> Result<String, RpcError> {
    if call.session.visit_page() {
        return Ok(content("the page was visited", r#"{"visited":true}"#));
    }
    let data = json!({ "elicitations": [page(call, id, None)] });
    Err(RpcError {
        code: URL_ELICITATION_REQUIRED,
        message: "a page must be visited first".to_owned(),
        data: Some(data),
    })
}

async fn answered(call: &Call, question: &Question, on: On) -> String {
    let outlet = match on {
        On::Reply => Some(call.outlet.clone()),
        On::Standalone => call.session.standalone(),
    };
    let Some(outlet) = outlet.filter(|outlet| !matches!(outlet, Outlet::Closed)) else {
        return failure("there is no standalone stream");
    };
    match answer(call, outlet, question.method, &question.params).await {
        Ok(Ok(result)) => content(&result, &format!(r#"{{"result":{result}}}"#)),
        Ok(Err(error)) => content(&error, &format!(r#"{{"error":{error}}}"#)),
        Err(reason) => failure(reason),
    }
}

/// Asks on the stream of the reply; the client's result, or why there is none.
pub(super) async fn ask_client(
    call: &Call,
    method: &str,
    params: &Value,
    (capability, mode): (&str, Option<&str>),
) -> Result<Value, String> {
    if !call.session.client_can(capability, mode) {
        return Err(format!("this client did not declare {capability}"));
    }
    let result = answer(call, call.outlet.clone(), method, &params.to_string()).await?;
    serde_json::from_str(&result?).map_err(|error| error.to_string())
}

/// The client's answer, or why there is none.
async fn answer(call: &Call, outlet: Outlet, method: &str, params: &str) -> Result<ClientAnswer, &'static str> {
    let (mut asked, answer) = Asked::of(call, outlet.clone());
    outlet.send(&call.state, &request(asked.id(), method, params)).await;
    let answer = tokio::time::timeout(ANSWER, answer).await;
    if matches!(answer, Ok(Ok(_))) {
        asked.is_open = false;
    }
    answer.map_err(|_| "nobody answered")?.map_err(|_| "the session ended before the answer")
}

/// A question that is out; dropped before its answer it is withdrawn (MCP 2025-11-25, cancellation).
struct Asked<'a> {
    call: &'a Call,
    outlet: Outlet,
    id: String,
    is_open: bool,
}

impl<'a> Asked<'a> {
    fn of(call: &'a Call, outlet: Outlet) -> (Self, oneshot::Receiver<ClientAnswer>) {
        let (id, answer) = call.session.ask();
        (Asked { call, outlet, id, is_open: true }, answer)
    }

    fn id(&self) -> &str {
        &self.id
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        if self.is_open {
            self.call.session.forget_question(&self.id);
            let params = format!(r#"{{"requestId":{},"reason":"the call has ended"}}"#, self.id);
            self.outlet.send_now(&self.call.state, &notification("notifications/cancelled", Some(&params)));
        }
    }
}
