//! The suite's resources, prompts and completion. What is not among them is left to our own.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{PIXEL, image, text};
use crate::mcp::methods::{Call, RpcError, invalid_params, parsed};

const STATIC_TEXT: &str = "test://static-text";
const STATIC_BINARY: &str = "test://static-binary";
const WATCHED: &str = "test://watched-resource";

/// The result of a request for one of them, or for a list of them.
pub(super) fn answer(call: &Call, method: &str, params: Option<&RawValue>) -> Option<Result<String, RpcError>> {
    match method {
        "resources/list" => Some(Ok(json!({ "resources": resources() }).to_string())),
        "resources/templates/list" => Some(Ok(json!({ "resourceTemplates": [template()] }).to_string())),
        "resources/read" => read(&uri(params)?).map(|contents| Ok(json!({ "contents": [contents] }).to_string())),
        "resources/subscribe" => {
            let uri = uri(params).filter(|uri| read(uri).is_some())?;
            call.session.subscribe(uri);
            Some(Ok("{}".to_owned()))
        }
        "prompts/list" => Some(Ok(json!({ "prompts": prompts() }).to_string())),
        "prompts/get" => prompt(params),
        "completion/complete" => completion(params),
        _ => None,
    }
}

/// Whether one of the resources has this URI.
pub(crate) fn is_there(uri: &str) -> bool {
    read(uri).is_some()
}

fn resources() -> Vec<Value> {
    let rows = [
        (STATIC_TEXT, "static-text", "A text that stays as it is", "text/plain"),
        (STATIC_BINARY, "static-binary", "An image that stays as it is", "image/png"),
        (WATCHED, "watched-resource", "A text to subscribe to", "text/plain"),
    ];
    let row = |(uri, name, description, mime_type)| json!({ "uri": uri, "name": name, "description": description, "mimeType": mime_type });
    rows.map(row).to_vec()
}

fn template() -> Value {
    json!({
        "uriTemplate": "test://template/{id}/data",
        "name": "template",
        "description": "Data for an id",
        "mimeType": "application/json",
    })
}

fn uri(params: Option<&RawValue>) -> Option<String> {
    #[derive(Deserialize)]
    struct Params {
        uri: String,
    }
    parsed::<Params>(params).ok().map(|params| params.uri)
}

fn read(uri: &str) -> Option<Value> {
    let text = |mime_type: &str, text: &str| json!({ "uri": uri, "mimeType": mime_type, "text": text });
    match uri {
        STATIC_TEXT => Some(text("text/plain", "This is the content of the static text resource.")),
        STATIC_BINARY => Some(json!({ "uri": uri, "mimeType": "image/png", "blob": PIXEL })),
        WATCHED => Some(text("text/plain", "This is watched.")),
        _ => {
            let id = uri.strip_prefix("test://template/")?.strip_suffix("/data")?;
            let data = json!({ "id": id, "templateTest": true, "data": format!("Data for ID: {id}") });
            Some(text("application/json", &data.to_string()))
        }
    }
}

fn prompts() -> Vec<Value> {
    let argument =
        |name: &str, description: &str| json!({ "name": name, "description": description, "required": true });
    let row = |name: &str, description: &str, arguments: Vec<Value>| json!({ "name": name, "description": description, "arguments": arguments });
    vec![
        row("test_simple_prompt", "A prompt without arguments", Vec::new()),
        row(
            "test_prompt_with_arguments",
            "A prompt with two arguments",
            vec![argument("arg1", "The first"), argument("arg2", "The second")],
        ),
        row(
            "test_prompt_with_embedded_resource",
            "A prompt with a resource in it",
            vec![argument("resourceUri", "The URI of the resource")],
        ),
        row("test_prompt_with_image", "A prompt with an image in it", Vec::new()),
    ]
}

fn prompt(params: Option<&RawValue>) -> Option<Result<String, RpcError>> {
    #[derive(Deserialize)]
    struct Params {
        name: String,
        #[serde(default)]
        arguments: HashMap<String, String>,
    }
    let Params { name, arguments } = parsed::<Params>(params).ok()?;
    let argument = |name: &str| {
        arguments.get(name).cloned().ok_or_else(|| invalid_params(format!("the argument {name} is missing")))
    };
    let contents = match name.as_str() {
        "test_simple_prompt" => Ok(vec![text("This is a simple prompt for testing.")]),
        "test_prompt_with_arguments" => argument("arg1").and_then(|first| {
            let second = argument("arg2")?;
            Ok(vec![text(&format!("Prompt with arguments: arg1='{first}', arg2='{second}'"))])
        }),
        "test_prompt_with_embedded_resource" => argument("resourceUri").map(|uri| {
            let words = "Embedded resource content for testing.";
            let resource = json!({ "uri": uri, "mimeType": "text/plain", "text": words });
            vec![
                json!({ "type": "resource", "resource": resource }),
                text("Please process the embedded resource above."),
            ]
        }),
        "test_prompt_with_image" => Ok(vec![image(), text("Please analyze the image above.")]),
        _ => return None,
    };
    Some(contents.map(|contents| {
        let messages = contents.into_iter().map(|content| json!({ "role": "user", "content": content }));
        json!({ "messages": messages.collect::<Vec<_>>() }).to_string()
    }))
}

/// What begins with the value, for the first argument of one prompt.
fn completion(params: Option<&RawValue>) -> Option<Result<String, RpcError>> {
    let params = serde_json::from_str::<Value>(params?.get()).ok()?;
    if params["ref"]["name"] != "test_prompt_with_arguments" {
        return None;
    }
    let begun = params["argument"]["value"].as_str().unwrap_or_default();
    let values = ["paris", "park", "party"].into_iter().filter(|word| word.starts_with(begun)).collect::<Vec<_>>();
    Some(Ok(json!({ "completion": { "values": values, "total": values.len(), "hasMore": false } }).to_string()))
}
