//! The fixtures that the official conformance suite looks for, by the names that it gives them, in front of our own
//! (`McpSettings::conformance_fixtures`). What they say is the suite's wording. Nothing else of the server knows them;
//! resources, prompts and completion are in `conformance/primitives.rs`, what the modern era alone has in
//! `conformance/modern.rs`.

pub(crate) mod modern;
pub(crate) mod primitives;

use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::mcp::message::notification;
use crate::mcp::methods::{Call, RpcError, invalid_params, parsed};
use crate::mcp::questions::{Question, Stop, Way, ask};
use crate::mcp::tools::{CallParams, failure, text_of, tool};

/// One red pixel, and a moment of silence.
const PIXEL: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==";
const SILENCE: &str = "UklGRiQAAABXQVZFZm10IBAAAAABAAEARKwAAIhYAQACABAAZGF0YQAAAAA=";
/// The time between two notifications of one tool.
const PAUSE: Duration = Duration::from_millis(50);

/// The tools without arguments, and what each does.
const PLAIN: [(&str, &str); 10] = [
    ("test_simple_text", "Returns a text"),
    ("test_image_content", "Returns an image"),
    ("test_audio_content", "Returns a sound"),
    ("test_embedded_resource", "Returns a resource"),
    ("test_multiple_content_types", "Returns a text, an image and a resource"),
    ("test_tool_with_logging", "Sends three log messages"),
    ("test_tool_with_progress", "Reports its progress three times"),
    ("test_error_handling", "Always fails"),
    ("test_elicitation_sep1034_defaults", "Asks with a default for each primitive type"),
    ("test_elicitation_sep1330_enums", "Asks with each variant of an enumeration"),
];

/// The result of a request, if it is for one of the fixtures or for a list of them.
pub(crate) async fn answer(call: &Call, method: &str, params: Option<&RawValue>) -> Option<Result<String, RpcError>> {
    match method {
        "tools/list" => {
            let tools = if call.modern.is_some() { [table(), modern::table()].concat() } else { table() };
            Some(Ok(json!({ "tools": tools }).to_string()))
        }
        "prompts/get" if call.modern.is_some() && text_of(params, "name").as_deref() == Some(modern::PROMPT) => {
            Some(modern::prompt(call).await)
        }
        "tools/call" => tool_result(call, parsed(params).ok()?).await,
        _ => primitives::answer(call, method, params),
    }
}

/// Whether a fixture asks the client something.
pub(super) fn asks(name: &str) -> bool {
    name.starts_with("test_elicitation") || name == "test_sampling" || modern::asks(name)
}

pub(super) fn table() -> Vec<Value> {
    let none = json!({ "type": "object", "properties": {} });
    let one =
        |name: &str| json!({ "type": "object", "properties": { name: { "type": "string" } }, "required": [name] });
    let mut tools = PLAIN.map(|(name, description)| tool(name, name, description, &none)).to_vec();
    tools.push(tool("test_sampling", "test_sampling", "Asks the client's model", &one("prompt")));
    tools.push(tool("test_elicitation", "test_elicitation", "Asks for a name and an address", &one("message")));
    let schema = serde_json::from_str(include_str!("conformance/schema.json")).unwrap_or_default();
    let name = "json_schema_2020_12_tool";
    tools.push(tool(name, name, "Has a schema with the keywords of JSON Schema 2020-12", &schema));
    tools
}

async fn tool_result(call: &Call, params: CallParams<'_>) -> Option<Result<String, RpcError>> {
    let arguments = params.arguments.map_or("{}", RawValue::get);
    let token = params.meta.and_then(|meta| meta.progress_token);
    Some(match params.name.as_str() {
        "test_simple_text" => contents(&[text("This is a simple text response for testing.")]),
        "test_image_content" => contents(&[image()]),
        "test_audio_content" => contents(&[json!({ "type": "audio", "data": SILENCE, "mimeType": "audio/wav" })]),
        "test_embedded_resource" => {
            contents(&[resource("test://embedded-resource", "text/plain", "This is an embedded resource content.")])
        }
        "test_multiple_content_types" => {
            let data = resource("test://mixed-content-resource", "application/json", r#"{"test":"data","value":123}"#);
            contents(&[text("Multiple content types test:"), image(), data])
        }
        "test_tool_with_logging" => logging(call).await,
        "test_tool_with_progress" => progress(call, token).await,
        "test_error_handling" => Ok(failure("This tool intentionally returns an error for testing")),
        "test_sampling" => sampling(call, arguments).await,
        "test_elicitation" => elicitation(call, arguments).await,
        "test_elicitation_sep1034_defaults" => elicited(call, "Please review these defaults", &defaults()).await,
        "test_elicitation_sep1330_enums" => elicited(call, "Please choose", &enumerations()).await,
        "json_schema_2020_12_tool" => contents(&[text(arguments)]),
        name if call.modern.is_some() => return modern::call(call, name, arguments).await,
        _ => return None,
    })
}

fn contents(contents: &[Value]) -> Result<String, RpcError> {
    Ok(json!({ "content": contents }).to_string())
}

fn text(text: &str) -> Value {
    json!({ "type": "text", "text": text })
}

fn image() -> Value {
    json!({ "type": "image", "data": PIXEL, "mimeType": "image/png" })
}

fn resource(uri: &str, mime_type: &str, text: &str) -> Value {
    json!({ "type": "resource", "resource": { "uri": uri, "mimeType": mime_type, "text": text } })
}

async fn logging(call: &Call) -> Result<String, RpcError> {
    for (number, words) in ["started", "processing data", "completed"].into_iter().enumerate() {
        if number > 0 {
            sleep(PAUSE).await;
        }
        let words = if number == 1 { format!("Tool {words}") } else { format!("Tool execution {words}") };
        if call.session.wants_level("info") {
            let params = json!({ "level": "info", "data": words }).to_string();
            call.outlet.send(&call.state, &notification("notifications/message", Some(&params))).await;
        }
    }
    contents(&[text("Three log messages were sent.")])
}

async fn progress(call: &Call, token: Option<&RawValue>) -> Result<String, RpcError> {
    for progress in [0, 50, 100] {
        if progress > 0 {
            sleep(PAUSE).await;
        }
        if let Some(token) = token {
            let params = format!(r#"{{"progressToken":{},"progress":{progress},"total":100}}"#, token.get());
            call.outlet.send(&call.state, &notification("notifications/progress", Some(&params))).await;
        }
    }
    contents(&[text("Progress was reported three times.")])
}

async fn sampling(call: &Call, arguments: &str) -> Result<String, RpcError> {
    #[derive(Deserialize)]
    struct Arguments {
        prompt: String,
    }
    let Arguments { prompt } = understood(arguments)?;
    let message = json!({ "role": "user", "content": text(&prompt) });
    let params = json!({ "messages": [message], "maxTokens": 100 });
    match asked(call, "sampling/createMessage", params, ("sampling", None)).await {
        Ok(answer) => {
            let words = answer["content"]["text"].as_str().unwrap_or_default();
            contents(&[text(&format!("LLM response: {words}"))])
        }
        Err(stop) => stop.of_tool(),
    }
}

async fn elicitation(call: &Call, arguments: &str) -> Result<String, RpcError> {
    #[derive(Deserialize)]
    struct Arguments {
        message: String,
    }
    let Arguments { message } = understood(arguments)?;
    let schema = json!({
        "type": "object",
        "properties": {
            "username": { "type": "string", "description": "User's response" },
            "email": { "type": "string", "description": "User's email address" },
        },
        "required": ["username", "email"],
    });
    match filled_in(call, &message, &schema).await {
        Ok(answer) => contents(&[text(&format!("User response: {answer}"))]),
        Err(stop) => stop.of_tool(),
    }
}

async fn elicited(call: &Call, message: &str, properties: &Value) -> Result<String, RpcError> {
    let schema = json!({ "type": "object", "properties": properties, "required": [] });
    match filled_in(call, message, &schema).await {
        Ok(answer) => {
            let action = answer["action"].as_str().unwrap_or_default();
            contents(&[text(&format!("Elicitation completed: action={action}, content={}", answer["content"]))])
        }
        Err(stop) => stop.of_tool(),
    }
}

async fn filled_in(call: &Call, message: &str, schema: &Value) -> Result<Value, Stop> {
    let params = json!({ "message": message, "requestedSchema": schema });
    asked(call, "elicitation/create", params, ("elicitation", Some("form"))).await
}

/// The client's result, or its error as a text.
async fn asked(
    call: &Call,
    method: &'static str,
    params: Value,
    capability: (&'static str, Option<&'static str>),
) -> Result<Value, Stop> {
    let question = Question { key: "question".to_owned(), method, params, capability: Some(capability) };
    let answer = ask(call, &[question], Way::default()).await?.pop();
    let text = answer.map(|answer| answer.unwrap_or_else(|error| error)).unwrap_or_default();
    Ok(serde_json::from_str(&text).unwrap_or_default())
}

fn defaults() -> Value {
    json!({
        "name": { "type": "string", "default": "John Doe" },
        "age": { "type": "integer", "default": 30 },
        "score": { "type": "number", "default": 95.5 },
        "status": { "type": "string", "enum": ["active", "inactive", "pending"], "default": "active" },
        "verified": { "type": "boolean", "default": true },
    })
}

fn enumerations() -> Value {
    let options = json!(["option1", "option2", "option3"]);
    let titled = |kind: &str| {
        json!([
            { "const": "value1", "title": format!("First {kind}") },
            { "const": "value2", "title": format!("Second {kind}") },
            { "const": "value3", "title": format!("Third {kind}") },
        ])
    };
    json!({
        "untitledSingle": { "type": "string", "enum": options },
        "titledSingle": { "type": "string", "oneOf": titled("Option") },
        "legacyEnum": {
            "type": "string",
            "enum": ["opt1", "opt2", "opt3"],
            "enumNames": ["Option One", "Option Two", "Option Three"],
        },
        "untitledMulti": { "type": "array", "items": { "type": "string", "enum": options } },
        "titledMulti": { "type": "array", "items": { "anyOf": titled("Choice") } },
    })
}

fn understood<'a, T: Deserialize<'a>>(arguments: &'a str) -> Result<T, RpcError> {
    serde_json::from_str(arguments).map_err(|error| invalid_params(error.to_string()))
}
