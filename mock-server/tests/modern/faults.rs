//! What a modern server does wrong on purpose.

use mcp_mock_server::{Era, Fault, MockServer};
use serde_json::{Value, json};

use super::{VERSION, open, open_with};
use crate::client::{Client, messages};

#[tokio::test]
async fn a_mismatch_can_have_another_code() {
    let (server, client) = open().await;
    let request = client.prepare("tools/list", &Value::Null).without("mcp-method");
    server.set_fault(Some(Fault::WrongHeaderCode));
    assert_eq!(client.refused(&request).await, (400, -32001));
    server.set_faults([Fault::WrongHeaderCode.with("-32602").unwrap()]);
    assert_eq!(client.refused(&request).await, (400, -32602));
}

#[tokio::test]
async fn the_era_can_change() {
    let (server, modern) = open_with(MockServer::builder()).await;
    let mut legacy = Client::new(&server);
    legacy.initialize().await;
    server.set_fault(Some(Fault::EraChanges));
    assert_eq!(modern.result("server/discover", &Value::Null).await["supportedVersions"], json!([VERSION]));
    assert_eq!(legacy.send(crate::client::tool_call(1, "echo", &json!({}))).await.status(), 400);
    let (server, modern) = open().await;
    server.set_fault(Some(Fault::EraChanges));
    assert_eq!(modern.refused(&modern.prepare("tools/list", &Value::Null)).await, (400, -32000));
    Client::new(&server).initialize().await;
}

#[tokio::test]
async fn discover_can_tell_of_what_is_not_served() {
    let (server, client) = open_with(MockServer::builder().era(Era::Both)).await;
    server.set_fault(Some(Fault::StaleDiscover));
    assert_eq!(client.result("server/discover", &Value::Null).await["supportedVersions"][0], VERSION);
    let (_, answer) = client.answer(&client.prepare("tools/list", &Value::Null)).await;
    assert_eq!(
        (&answer["error"]["code"], &answer["error"]["data"]["supported"][0]),
        (&json!(-32022), &json!("2025-11-25"))
    );
    Client::new(&server).initialize().await;
}

#[tokio::test]
async fn methods_can_lack() {
    let (server, client) = open().await;
    for (fault, method) in [(Fault::NoDiscover, "server/discover"), (Fault::NoListen, "subscriptions/listen")] {
        server.set_fault(Some(fault));
        assert_eq!(client.refused(&client.prepare(method, &Value::Null)).await, (404, -32601), "{fault}");
    }
}

#[tokio::test]
async fn results_can_be_of_no_type_or_of_none_that_is_known() {
    let (server, client) = open().await;
    server.set_fault(Some(Fault::ResultType));
    assert_eq!(client.call("echo", &json!({})).await["resultType"], "sideways");
    assert_eq!(client.result("tools/list", &Value::Null).await["resultType"], "complete");
    server.set_fault(Some(Fault::NoResultType));
    let result = client.result("tools/list", &Value::Null).await;
    assert!(result["tools"].is_array() && result.get("resultType").is_none() && result.get("ttlMs").is_none());
    server.set_fault(Some(Fault::InputElsewhere));
    assert_eq!(client.result("tools/list", &Value::Null).await["resultType"], "input_required");
    assert_eq!(client.call("echo", &json!({})).await["resultType"], "complete");
}

#[tokio::test]
async fn annotations_can_be_invalid_or_come_late() {
    let (server, client) = open().await;
    let list = async || client.result("tools/list", &Value::Null).await["tools"].to_string();
    assert!(!list().await.contains("invalid-"));
    server.set_fault(Some(Fault::InvalidAnnotations));
    let tools = list().await;
    for name in ["empty", "not-a-token", "twice", "number", "items", "one-of"] {
        assert!(tools.contains(&format!("\"invalid-{name}\"")), "{name}");
    }
    server.set_fault(Some(Fault::LateAnnotations));
    assert!(!list().await.contains("x-mcp-header"));
    assert_eq!(client.refused(&client.tool("mirror", &json!({ "text": "a" }))).await, (400, -32020));
    assert!(list().await.contains("x-mcp-header"));
}

#[tokio::test]
async fn a_stream_can_hold_a_request_of_the_server() {
    let (server, client) = open().await;
    server.set_fault(Some(Fault::ServerRequests));
    let messages = messages(client.send(&client.tool("echo", &json!({}))).await).await;
    assert_eq!((&messages[0]["method"], messages.len()), (&json!("roots/list"), 2));
    assert_eq!(messages[1]["result"]["resultType"], "complete");
}
