//! Headers that mirror the body: which must be there, how they are spelled, and that they say the same.

use serde_json::{Value, json};

use super::{encoded, open};

#[tokio::test]
async fn a_header_that_lacks_or_differs_is_a_mismatch() {
    let (_server, client) = open().await;
    let list = || client.prepare("tools/list", &Value::Null);
    let call = || client.tool("get_weather", &json!({ "city": "Oslo" }));
    let read = || client.prepare("resources/read", &json!({ "uri": "mock://readme" }));
    let prompt = || client.prepare("prompts/get", &json!({ "name": "review" }));
    for (name, request, outcome) in [
        ("a list", list(), (200, 0)),
        ("no revision", list().without("mcp-protocol-version"), (400, -32020)),
        ("another revision", list().with("mcp-protocol-version", "2025-11-25"), (400, -32020)),
        ("no method", list().without("mcp-method"), (400, -32020)),
        ("another method", list().with("mcp-method", "prompts/list"), (400, -32020)),
        ("another case", list().with("mcp-method", "Tools/List"), (400, -32020)),
        ("a call", call(), (200, 0)),
        ("no name", call().without("mcp-name"), (400, -32020)),
        ("another name", call().with("mcp-name", "echo"), (400, -32020)),
        ("an encoded name", call().with("mcp-name", "=?base64?Z2V0X3dlYXRoZXI=?="), (200, 0)),
        ("another encoded name", call().with("mcp-name", "=?base64?ZWNobw==?="), (400, -32020)),
        ("no Base64", call().with("mcp-name", "=?base64?%?="), (400, -32020)),
        ("no URI", read().without("mcp-name"), (400, -32020)),
        ("the URI", read(), (200, 0)),
        ("no prompt", prompt().without("mcp-name"), (400, -32020)),
        ("the prompt", prompt(), (200, 0)),
    ] {
        assert_eq!(client.refused(&request).await, outcome, "{name}");
    }
}

#[tokio::test]
async fn an_annotated_argument_and_its_header_come_together() {
    let (_server, client) = open().await;
    let call = |arguments: Value| client.tool("mirror", &arguments);
    let text = "Grüße\n";
    for (name, request, outcome) in [
        ("no argument", call(json!({})), (200, 0)),
        ("null", call(json!({ "text": null })), (200, 0)),
        ("a text without header", call(json!({ "text": "a" })), (400, -32020)),
        ("a text", call(json!({ "text": "a" })).with("mcp-param-text", "a"), (200, 0)),
        ("an empty text", call(json!({ "text": "" })).with("mcp-param-text", ""), (200, 0)),
        ("another text", call(json!({ "text": "a" })).with("mcp-param-text", "b"), (400, -32020)),
        ("a header alone", call(json!({})).with("mcp-param-text", "a"), (400, -32020)),
        ("an encoded text", call(json!({ "text": text })).with("mcp-param-text", &encoded(text)), (200, 0)),
        ("a number", call(json!({ "number": 42 })).with("mcp-param-number", "42"), (200, 0)),
        ("the same number", call(json!({ "number": 42 })).with("mcp-param-number", "42.0"), (200, 0)),
        ("true", call(json!({ "yes": true })).with("mcp-param-yes", "true"), (200, 0)),
        ("false", call(json!({ "yes": true })).with("mcp-param-yes", "false"), (400, -32020)),
        ("within", call(json!({ "inner": { "text": "x" } })).with("mcp-param-inner-text", "x"), (200, 0)),
        ("within, without", call(json!({ "inner": { "text": "x" } })), (400, -32020)),
        ("one that is not known", call(json!({})).with("mcp-param-other", "x"), (200, 0)),
        ("of another tool", client.tool("list_files", &json!({ "path": "/" })), (400, -32020)),
    ] {
        assert_eq!(client.refused(&request).await, outcome, "{name}");
    }
}

#[tokio::test]
async fn the_annotations_are_in_the_list() {
    let (_server, client) = open().await;
    let result = client.result("tools/list", &Value::Null).await;
    let mirror = result["tools"].as_array().unwrap().iter().find(|tool| tool["name"] == "mirror").unwrap();
    assert_eq!(mirror["inputSchema"]["properties"]["text"]["x-mcp-header"], "Text");
}
