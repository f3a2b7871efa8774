//! Resources (MCP 2025-11-25, server/resources): a few that are always there, templates for the made-up weather and
//! files, and subscriptions. All made up; the clock alone changes by itself, and tells nobody.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::mcp::changes::Listed;
use crate::mcp::message::INVALID_PARAMS;
use crate::mcp::methods::{Call, RpcError, parsed};
use crate::mcp::outages::http_date;
use crate::mcp::pages::page;
use crate::mcp::prompts::answered;
use crate::mcp::questions::{Way, ask};
use crate::mcp::tools::asking::form;
use crate::mcp::tools::conformance::primitives;
use crate::mcp::tools::everyday;

/// The legacy code for a resource that is not there.
const NOT_FOUND: i32 = -32002;
/// One transparent pixel.
const PIXEL: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/// The templates, each with the prefix of the URIs that it makes.
const WEATHER: &str = "mock://weather/";
const FILES: &str = "mock://files/";

/// The resource that asks its client back when it is read. It is not listed: many clients read whatever is.
pub(crate) const ASKING: &str = "mock://private";

#[derive(Deserialize)]
struct Uri {
    uri: String,
}

/// The result of `resources/list`.
pub(crate) fn list(call: &Call, params: Option<&RawValue>) -> Result<String, RpcError> {
    let resource = |uri: &str, name: &str, mime_type: &str| json!({ "uri": uri, "name": name, "mimeType": mime_type });
    let mut resources = vec![
        resource("mock://readme", "readme", "text/markdown"),
        resource("mock://clock", "clock", "text/plain"),
        resource("mock://pixel", "pixel", "image/png"),
        resource("mock://umlauts", "umlauts", "text/plain"),
    ];
    if call.session.has_surprise(Listed::Resources) {
        resources.push(resource("mock://surprise", "surprise", "text/plain"));
    }
    page(call, params, "resources", resources)
}

/// The result of `resources/templates/list`.
pub(crate) fn templates(call: &Call, params: Option<&RawValue>) -> Result<String, RpcError> {
    let template = |prefix: &str, variable: &str, name: &str, mime_type: &str| json!({ "uriTemplate": format!("{prefix}{{{variable}}}"), "name": name, "mimeType": mime_type });
    let templates = vec![
        template(WEATHER, "city", "weather", "application/json"),
        template(FILES, "+path", "files", "application/json"),
    ];
    page(call, params, "resourceTemplates", templates)
}

/// The result of `resources/read`.
pub(crate) async fn read(call: &Call, params: Option<&RawValue>) -> Result<String, RpcError> {
    let Uri { uri } = parsed(params)?;
    if uri == ASKING {
        let who = form("who", "Who wants to read it?", &json!({ "name": { "type": "string" } }), &["name"]);
        return match ask(call, &[who], Way::default()).await {
            Ok(answers) => {
                let contents = json!({ "uri": uri, "mimeType": "text/plain", "text": answered(&answers) });
                Ok(json!({ "contents": [contents] }).to_string())
            }
            Err(stop) => stop.of_other(),
        };
    }
    let contents = contents(call, &uri).ok_or_else(|| not_found(call, &uri))?;
    Ok(json!({ "contents": [contents] }).to_string())
}

fn contents(call: &Call, uri: &str) -> Option<Value> {
    let text = |mime_type: &str, text: &str| json!({ "uri": uri, "mimeType": mime_type, "text": text });
    match uri {
        "mock://readme" => Some(text("text/markdown", "# A mock\n\nNothing here is real.\n")),
        "mock://clock" => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            Some(text("text/plain", &http_date(now.as_secs())))
        }
        "mock://umlauts" => Some(text("text/plain", "äöü ÄÖÜ ß € 漢字 \u{1f980} \u{2028} \"\\\n")),
        "mock://pixel" => Some(json!({ "uri": uri, "mimeType": "image/png", "blob": PIXEL })),
        "mock://surprise" if call.session.has_surprise(Listed::Resources) => Some(text("text/plain", "surprise")),
        _ => {
            let result = if let Some(city) = uri.strip_prefix(WEATHER) {
                everyday::get_weather(&json!({ "city": city }).to_string())
            } else {
                everyday::list_files(&json!({ "path": uri.strip_prefix(FILES)? }).to_string())
            };
            let result = serde_json::from_str::<Value>(&result).ok()?;
            // A tool's failure has no structure: then there is no such resource.
            Some(text("application/json", &result.get("structuredContent")?.to_string()))
        }
    }
}

/// Whether there is such a resource, so that its changes can be told.
pub(crate) fn is_there(call: &Call, uri: &str) -> bool {
    contents(call, uri).is_some() || (call.state.settings.mcp.conformance_fixtures && primitives::is_there(uri))
}

/// The result of `resources/subscribe`.
pub(crate) fn subscribe(call: &Call, params: Option<&RawValue>) -> Result<String, RpcError> {
    let Uri { uri } = parsed(params)?;
    if contents(call, &uri).is_none() {
        return Err(not_found(call, &uri));
    }
    call.session.subscribe(uri);
    Ok("{}".to_owned())
}

/// The result of `resources/unsubscribe`.
pub(crate) fn unsubscribe(call: &Call, params: Option<&RawValue>) -> Result<String, RpcError> {
    let Uri { uri } = parsed(params)?;
    call.session.unsubscribe(&uri);
    Ok("{}".to_owned())
}

fn not_found(call: &Call, uri: &str) -> RpcError {
    let code = if call.modern.is_some() { INVALID_PARAMS } else { NOT_FOUND };
    RpcError { code, message: "there is no such resource".to_owned(), data: Some(json!({ "uri": uri })) }
}
