//! What every request must bring, how revisions are refused, and which era serves a request.

use mcp_mock_server::{Era, MockServer};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{META_CAPABILITIES, META_CLIENT, META_LEVEL, META_SERVER, META_VERSION, Modern, VERSION, open, open_with};
use crate::client::{Client, json_of};

#[tokio::test]
async fn discover_tells_what_is_served() {
    for (era, versions) in
        [(Era::Modern, json!([VERSION])), (Era::Both, json!([VERSION, "2025-11-25", "2025-06-18", "2025-03-26"]))]
    {
        let (_server, client) = open_with(MockServer::builder().era(era)).await;
        let result = client.result("server/discover", &Value::Null).await;
        assert_eq!(result["supportedVersions"], versions);
        assert_eq!(result["resultType"], "complete");
        assert_eq!(result["capabilities"]["tools"]["listChanged"], true);
        assert_eq!(result["_meta"][META_SERVER]["name"], "mcp-mock-server");
        assert!(result["instructions"].is_string() && result["ttlMs"].is_u64() && result["cacheScope"] == "public");
    }
}

#[tokio::test]
async fn a_request_without_its_metadata_is_malformed() {
    let (_server, client) = open().await;
    let request = || client.prepare("tools/list", &Value::Null);
    for (name, request, outcome) in [
        ("complete", request(), (200, 0)),
        ("no client info", request().meta(META_CLIENT, Value::Null), (200, 0)),
        ("no revision", request().meta(META_VERSION, Value::Null), (400, -32602)),
        ("no capabilities", request().meta(META_CAPABILITIES, Value::Null), (400, -32602)),
        ("capabilities that are none", request().meta(META_CAPABILITIES, json!(true)), (400, -32602)),
        ("an unknown log level", request().meta(META_LEVEL, json!("loud")), (400, -32602)),
        ("no metadata", request().param("_meta", json!({})), (400, -32602)),
    ] {
        assert_eq!(client.refused(&request).await, outcome, "{name}");
    }
}

#[tokio::test]
async fn another_revision_is_refused_with_those_that_are_served() {
    let (_server, client) = open().await;
    for version in ["1900-01-01", "2025-11-25", "2027-01-01"] {
        let request = client.prepare("tools/list", &Value::Null);
        let request = request.meta(META_VERSION, json!(version)).with("mcp-protocol-version", version);
        let (status, answer) = client.answer(&request).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert_eq!(answer["error"]["code"], -32022);
        assert_eq!(answer["error"]["data"], json!({ "supported": [VERSION], "requested": version }));
    }
}

#[tokio::test]
async fn a_method_that_the_revision_lacks_is_not_found() {
    let (_server, client) = open().await;
    for method in ["ping", "logging/setLevel", "resources/subscribe", "tasks/get", "initialize"] {
        assert_eq!(client.refused(&client.prepare(method, &Value::Null)).await, (404, -32601), "{method}");
    }
    let (_server, client) = open_with(MockServer::builder().era(Era::Modern).tools_only(true)).await;
    assert_eq!(client.refused(&client.prepare("prompts/list", &Value::Null)).await, (404, -32601));
}

#[tokio::test]
async fn a_legacy_client_is_told_what_a_modern_server_speaks() {
    let (server, _) = open().await;
    let client = Client::new(&server);
    let params =
        json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } });
    let body = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params });
    let response = client.send(body.to_string()).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    let error = json_of(response).await["error"].clone();
    assert_eq!((&error["code"], &error["data"]["supported"]), (&json!(-32020), &json!([VERSION])));
    assert!(error["message"].as_str().unwrap().contains(VERSION));
}

#[tokio::test]
async fn there_are_no_sessions_and_no_other_methods_of_http() {
    let (server, client) = open().await;
    let legacy = Client::new(&server);
    for method in [reqwest::Method::GET, reqwest::Method::DELETE] {
        let response = legacy.request(method).header("accept", "text/event-stream").send().await.unwrap();
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    }
    let request = client.prepare("tools/list", &Value::Null).with("mcp-session-id", "x").with("last-event-id", "1");
    let response = client.send(&request).await;
    assert_eq!((response.status(), response.headers().get("mcp-session-id")), (StatusCode::OK, None));
    assert!(server.sessions().is_empty());
}

#[tokio::test]
async fn a_body_is_one_request_or_notification() {
    let (_server, client) = open().await;
    let mut request = client.prepare("tools/list", &Value::Null);
    let answer = json!({ "jsonrpc": "2.0", "id": 1, "result": {} });
    for (body, status) in [
        (json!([request.body.clone()]), 400),
        (answer, 400),
        (json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 1 } }), 202),
    ] {
        request.body = body;
        assert_eq!(client.send(&request).await.status().as_u16(), status, "{}", request.body);
    }
}

#[tokio::test]
async fn a_server_of_both_eras_serves_each_request_by_its_own() {
    let (server, modern) = open_with(MockServer::builder().era(Era::Both)).await;
    let mut legacy = Client::new(&server);
    assert_eq!(legacy.initialize().await["result"]["protocolVersion"], "2025-11-25");
    assert_eq!(modern.call("get_weather", &json!({ "city": "Oslo" })).await["resultType"], "complete");
    assert!(legacy.call("get_weather", &json!({ "city": "Oslo" })).await["result"].get("resultType").is_none());
    legacy.listen().await;
    let nothing = modern.prepare("tools/list", &Value::Null).meta(META_VERSION, Value::Null);
    assert_eq!(modern.refused(&nothing).await, (400, -32602));
    let nothing = modern.prepare("tools/list", &Value::Null).without("mcp-protocol-version");
    assert_eq!(modern.refused(&nothing).await, (400, -32020));
}

#[tokio::test]
async fn a_legacy_server_gives_no_modern_error() {
    let (_server, client) = open_with(MockServer::builder()).await;
    let (status, code) = client.refused(&client.prepare("server/discover", &Value::Null)).await;
    assert!(status == 400 && !(-32099..=-32020).contains(&code), "{code}");
}

#[tokio::test]
async fn the_modern_era_asks_for_tokens_as_the_legacy_one_does() {
    let server = MockServer::builder().era(Era::Modern).start().await.unwrap();
    let mut client = Modern::new(&server);
    let response = client.send(&client.prepare("server/discover", &Value::Null)).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert!(response.headers().contains_key("www-authenticate"));
    client.token = Client::signed_in(&server).await.access_token;
    let profile = client.call("get_user_profile", &json!({})).await;
    assert_eq!(profile["structuredContent"]["sub"], "alice");
}

#[tokio::test]
async fn the_old_transport_cannot_be_modern() {
    let builder = MockServer::builder().era(Era::Both).transport(mcp_mock_server::Transport::HttpSse);
    assert!(builder.start().await.is_err());
}
