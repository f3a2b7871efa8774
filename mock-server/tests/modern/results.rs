//! What results have, log levels, progress, and the end of a call whose client went away.

use mcp_mock_server::{Era, MockServer, ReplyForm};
use serde_json::{Value, json};

use super::{META_LEVEL, META_SERVER, open, open_with};
use crate::client::{messages, read_events};

#[tokio::test]
async fn every_result_says_its_type_and_some_how_long_they_are_good() {
    let (_server, client) = open().await;
    let reference = json!({ "type": "ref/prompt", "name": "greet" });
    for (method, params, scope) in [
        ("tools/list", json!({}), Some("public")),
        ("prompts/list", json!({}), Some("public")),
        ("resources/list", json!({}), Some("public")),
        ("resources/templates/list", json!({}), Some("public")),
        ("resources/read", json!({ "uri": "mock://readme" }), Some("private")),
        ("prompts/get", json!({ "name": "review" }), None),
        ("tools/call", json!({ "name": "echo", "arguments": {} }), None),
        ("completion/complete", json!({ "ref": reference, "argument": { "name": "style", "value": "p" } }), None),
    ] {
        let result = client.result(method, &params).await;
        assert_eq!(result["resultType"], "complete", "{method}");
        assert_eq!(result["_meta"][META_SERVER]["name"], "mcp-mock-server", "{method}");
        assert_eq!((result["cacheScope"].as_str(), result["ttlMs"].is_u64()), (scope, scope.is_some()), "{method}");
    }
}

#[tokio::test]
async fn a_missing_resource_is_a_wrong_parameter() {
    let (_server, client) = open().await;
    let request = client.prepare("resources/read", &json!({ "uri": "mock://nowhere" }));
    assert_eq!(client.refused(&request).await.1, -32602);
}

#[tokio::test]
async fn log_messages_come_to_a_request_that_wants_them() {
    let (_server, client) = open().await;
    let levels = async |level: Value| {
        let request = client.tool("log", &json!({})).meta(META_LEVEL, level);
        let messages = messages(client.send(&request).await).await;
        messages.iter().filter_map(|message| message["params"]["level"].as_str().map(str::to_owned)).collect::<Vec<_>>()
    };
    assert_eq!(levels(Value::Null).await, Vec::<String>::new());
    assert_eq!(levels(json!("alert")).await, ["alert", "emergency"]);
    assert_eq!(levels(json!("debug")).await.len(), 8);
}

#[tokio::test]
async fn progress_comes_before_the_result_on_a_stream_that_no_proxy_holds_back() {
    let (_server, client) = open().await;
    let request = client.tool("progress", &json!({ "steps": 2 })).meta("progressToken", json!("t"));
    let response = client.send(&request).await;
    assert_eq!(response.headers()["x-accel-buffering"], "no");
    let messages = messages(response).await;
    assert_eq!(messages.len(), 3);
    assert!(messages[..2].iter().all(|message| message["params"]["progressToken"] == "t"));
    assert_eq!(messages[2]["result"]["resultType"], "complete");
}

#[tokio::test]
async fn a_stream_has_no_ids_even_where_legacy_ones_can_be_resumed() {
    let builder = MockServer::builder().era(Era::Both).reply(ReplyForm::Sse).resumable(true);
    let (_server, client) = open_with(builder).await;
    let text = client.send(&client.tool("echo", &json!({}))).await.text().await.unwrap();
    assert!(text.starts_with("event: message\ndata: "), "{text}");
}

#[tokio::test]
async fn an_error_with_a_status_of_its_own_is_no_stream() {
    let (_server, client) = open_with(MockServer::builder().era(Era::Modern).reply(ReplyForm::Sse)).await;
    assert_eq!(client.refused(&client.prepare("ping", &Value::Null)).await, (404, -32601));
}

#[tokio::test]
async fn a_closed_response_cancels_its_call() {
    for form in [ReplyForm::Json, ReplyForm::Sse] {
        let (server, client) = open_with(MockServer::builder().era(Era::Modern).reply(form)).await;
        let call = client.tool("slow", &json!({}));
        {
            let response = client.send(&call);
            tokio::pin!(response);
            tokio::select! {
                _ = async { response.await.text().await } => panic!("nobody released it"),
                () = server.wait_for_slow(1) => {}
            }
            assert_eq!(server.running(), ["1"]);
        }
        server.wait_for_cancelled(1).await;
        server.wait_for_slow(0).await;
        assert_eq!((server.running(), server.cancelled()), (vec![], vec!["1".to_owned()]));
    }
}

#[tokio::test]
async fn a_stream_that_is_closed_between_two_messages_cancels_its_call() {
    let (server, client) = open().await;
    let steps = json!({ "steps": 1000, "milliseconds": 20 });
    let mut stream = client.send(&client.tool("progress", &steps).meta("progressToken", json!("t"))).await;
    read_events(&mut stream, 2).await;
    assert_eq!(server.running(), ["1"]);
    drop(stream);
    server.wait_for_cancelled(1).await;
    assert!(server.running().is_empty());
}

#[tokio::test]
async fn a_call_that_is_answered_was_not_cancelled() {
    let (server, client) = open().await;
    client.call("echo", &json!({})).await;
    let mut stream =
        client.send(&client.tool("progress", &json!({ "steps": 1 })).meta("progressToken", json!(1))).await;
    read_events(&mut stream, 2).await;
    drop(stream);
    assert_eq!(server.cancelled(), Vec::<String>::new());
}
