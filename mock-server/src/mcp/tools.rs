//! The tools: one table with names, descriptions and schemas, and the way to each. The everyday ones are in
//! `tools/everyday.rs`; those made for tests of clients wait and report (`trials.rs`), change and speak (`changing.rs`),
//! ask back (`asking.rs`) or weigh much (`payloads.rs`). The official suite finds its own in `conformance.rs`.

mod annotations;
pub(crate) mod asking;
mod changing;
pub(crate) mod conformance;
pub(crate) mod everyday;
mod payloads;
mod trials;

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

pub(crate) use self::annotations::annotated;
use crate::mcp::changes::Listed;
use crate::mcp::message::quoted;
use crate::mcp::methods::{Call, RpcError, invalid_params, parsed};
use crate::mcp::pages::page;

/// `params` of `tools/call`.
#[derive(Deserialize)]
pub(crate) struct CallParams<'a> {
    name: String,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
    #[serde(borrow, rename = "_meta")]
    meta: Option<Meta<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Meta<'a> {
    #[serde(borrow)]
    progress_token: Option<&'a RawValue>,
}

/// The tool that a `tools/call` is for.
pub(crate) fn name_of(params: Option<&RawValue>) -> Option<String> {
    text_of(params, "name")
}

/// A parameter that is a text.
pub(crate) fn text_of(params: Option<&RawValue>, key: &str) -> Option<String> {
    let params = parsed::<HashMap<String, &RawValue>>(params).ok()?;
    serde_json::from_str(params.get(key)?.get()).ok()
}

/// Whether a tool sends messages before its response, and so needs a stream.
pub(crate) fn talks(name: &str) -> bool {
    matches!(name, "progress" | "log" | "test_tool_with_logging" | "test_logging_tool" | "test_tool_with_progress")
}

/// Whether a tool asks the client something.
pub(crate) fn asks(name: &str) -> bool {
    conformance::asks(name) || (asking::NAMES.contains(&name) && !matches!(name, "needs-url" | "ask-later"))
}

/// The result of `tools/list`; titles came with revision 2025-06-18.
pub(crate) fn list(call: &Call, params: Option<&RawValue>) -> Result<String, RpcError> {
    let mut tools = table();
    annotations::harm(&call.state, &mut tools);
    if call.session.has_surprise(Listed::Tools) {
        tools.push(tool("surprise", "Surprise", "Was not there before", &json!({ "type": "object" })));
    }
    if call.session.version < "2025-06-18" {
        for tool in &mut tools {
            tool.as_object_mut().map(|tool| tool.remove("title"));
        }
    }
    page(call, params, "tools", tools)
}

fn table() -> Vec<Value> {
    [everyday::table(), trials::table(), changing::table(), asking::table(), payloads::table()].concat()
}

fn tool(name: &str, title: &str, description: &str, schema: &Value) -> Value {
    json!({ "name": name, "title": title, "description": description, "inputSchema": schema })
}

/// The result of `tools/call`.
pub(crate) async fn call(call: &Call, params: Option<&RawValue>) -> Result<String, RpcError> {
    let params = parsed::<CallParams<'_>>(params)?;
    let arguments = params.arguments.map_or("{}", RawValue::get);
    if !arguments.starts_with('{') {
        return Err(invalid_params("arguments must be an object"));
    }
    Ok(match params.name.as_str() {
        "get_weather" => everyday::get_weather(arguments),
        "list_files" => everyday::list_files(arguments),
        "get_user_profile" => everyday::get_user_profile(call.claims.as_ref()),
        "slow" => trials::slow(call, arguments).await,
        "progress" => trials::progress(call, arguments, params.meta.and_then(|meta| meta.progress_token)).await,
        "mirror" => content(arguments, arguments),
        "echo" => content(arguments, arguments),
        "announce" => changing::announce(call).await,
        "change" => changing::change(call, arguments).await,
        "log" => changing::log(call, arguments).await,
        "large" => payloads::large(arguments),
        "contents" => payloads::contents(),
        "surprise" if call.session.has_surprise(Listed::Tools) => content("surprise", "{}"),
        name if asking::NAMES.contains(&name) => return asking::call(call, name, arguments).await,
        other => return Err(invalid_params(format!("there is no tool {other}"))),
    })
}

/// A result with a text and the same as a structure, both given as they are to be read; the structure is JSON.
fn content(text: &str, structure: &str) -> String {
    format!(r#"{{"content":[{{"type":"text","text":{}}}],"structuredContent":{structure}}}"#, quoted(text))
}

/// A result that says that the tool could not do it.
pub(crate) fn failure(text: &str) -> String {
    json!({ "content": [{ "type": "text", "text": text }], "isError": true }).to_string()
}

/// The arguments as a type of their own; wrong ones are the tool's failure, so that a model can mend its call
/// (MCP 2025-11-25, tools, error handling).
fn understood<'a, T: Deserialize<'a>>(arguments: &'a str) -> Result<T, String> {
    serde_json::from_str(arguments).map_err(|error| failure(&format!("these arguments are wrong: {error}")))
}
