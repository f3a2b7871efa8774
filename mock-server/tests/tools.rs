//! The tools: the everyday ones and those that try a client.

use mcp_mock_server::{Endpoint, MockServer};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::client::{Client, events, json_of, messages, tool_call};

async fn open() -> (MockServer, Client) {
    let server = MockServer::builder().protected(false).start().await.unwrap();
    let mut client = Client::new(&server);
    client.initialize().await;
    (server, client)
}

/// Reads from a stream until so many events are there.
async fn read_events(response: &mut Response, count: usize) -> Vec<Value> {
    let mut text = String::new();
    while text.matches("\n\n").count() < count {
        text.push_str(std::str::from_utf8(&response.chunk().await.unwrap().unwrap()).unwrap());
    }
    events(&text)
}

#[tokio::test]
async fn every_tool_has_a_name_a_description_and_a_schema() {
    let (_server, client) = open().await;
    let reply = json_of(client.send(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#).await).await;
    let tools = reply["result"]["tools"].as_array().unwrap();
    let names = tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect::<Vec<_>>();
    assert_eq!(names, ["get_weather", "list_files", "get_user_profile", "slow", "progress", "ask", "echo", "announce"]);
    for tool in tools {
        assert_eq!(tool["inputSchema"]["type"], "object");
        assert!(tool["description"].is_string());
    }
}

#[tokio::test]
async fn a_call_that_makes_no_sense_is_invalid_params() {
    let (_server, client) = open().await;
    for params in [json!({ "name": "no_such_tool" }), json!({}), json!({ "name": "echo", "arguments": [] })] {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
        assert_eq!(json_of(client.send(body.to_string()).await).await["error"]["code"], -32602, "{params}");
    }
}

#[tokio::test]
async fn a_wrong_argument_is_the_tools_failure() {
    let (_server, client) = open().await;
    assert_eq!(client.call("get_weather", &json!({ "city": 5 })).await["result"]["isError"], true);
}

#[tokio::test]
async fn echo_returns_its_arguments_byte_for_byte() {
    let (_server, client) = open().await;
    let arguments = r#"{"b":1.0, "a":12345678901234567890123,"b":"\u0061\/","n":1e400,  "e":-0}"#;
    let params = format!(r#"{{"name":"echo","arguments":{arguments}}}"#);
    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#);
    let text = client.send(body).await.text().await.unwrap();
    assert!(text.contains(&format!(r#""structuredContent":{arguments}}}"#)), "{text}");
    assert!(text.contains(&serde_json::to_string(arguments).unwrap()), "{text}");
}

#[tokio::test]
async fn slow_answers_when_it_is_released_or_when_the_time_is_over() {
    let (server, client) = open().await;
    let reply = client.call("slow", &json!({ "milliseconds": 0 })).await;
    assert_eq!(reply["result"]["structuredContent"]["released"], false);
    let arguments = json!({});
    let (reply, ()) = tokio::join!(client.call("slow", &arguments), async {
        server.wait_for_slow(1).await;
        assert_eq!(server.slow_waiting(), 1);
        server.release_slow();
    });
    assert_eq!(reply["result"]["structuredContent"]["released"], true);
    assert_eq!(server.slow_waiting(), 0);
}

#[tokio::test]
async fn progress_reports_each_step_under_the_token_as_it_was_spelled() {
    let (_server, client) = open().await;
    let params = r#"{"name":"progress","arguments":{"steps":3},"_meta":{"progressToken":"\u0061"}}"#;
    let response = client.send(format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{params}}}"#)).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let text = response.text().await.unwrap();
    assert_eq!(text.matches(r#""progressToken":"\u0061""#).count(), 3);
    let messages = events(&text);
    assert_eq!(messages.len(), 4);
    assert_eq!(messages[2]["params"]["progress"], 3);
    assert_eq!(messages[3]["result"]["structuredContent"]["steps"], 3);
}

#[tokio::test]
async fn progress_without_a_token_is_only_the_result() {
    let (_server, client) = open().await;
    let response = client.send(tool_call(1, "progress", &json!({ "steps": 5 }))).await;
    assert_eq!(messages(response).await.len(), 1);
}

#[tokio::test]
async fn ask_waits_for_the_clients_answer_and_tells_it() {
    let (_server, client) = open().await;
    for (answer, told) in [
        (json!({ "result": { "action": "accept", "content": { "name": "Ada" } } }), "result"),
        (json!({ "error": { "code": -1, "message": "no" } }), "error"),
    ] {
        let mut response = client.send(tool_call(1, "ask", &json!({ "message": "Who?" }))).await;
        let asked = read_events(&mut response, 1).await.remove(0);
        assert_eq!((&asked["method"], &asked["params"]["message"]), (&"elicitation/create".into(), &"Who?".into()));
        let mut body = json!({ "jsonrpc": "2.0", "id": asked["id"] });
        body[told] = answer[told].clone();
        assert_eq!(client.send(body.to_string()).await.status(), StatusCode::ACCEPTED);
        let reply = messages(response).await.remove(0);
        assert_eq!(reply["result"]["structuredContent"][told], answer[told]);
    }
}

#[tokio::test]
async fn ask_fails_for_a_client_that_cannot_be_asked() {
    let server = MockServer::builder().protected(false).start().await.unwrap();
    let mut client = Client::new(&server);
    let info = json!({ "name": "test", "version": "1" });
    let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info });
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params });
    let response = client.send(body.to_string()).await;
    client.session = Some(response.headers()["mcp-session-id"].to_str().unwrap().to_owned());
    assert_eq!(client.call("ask", &json!({})).await["result"]["isError"], true);
}

#[tokio::test]
async fn announce_speaks_on_the_standalone_stream_as_far_as_the_level_allows() {
    let (server, client) = open().await;
    assert_eq!(client.call("announce", &json!({})).await["result"]["structuredContent"]["sent"], 0);
    let mut stream = client.request(Method::GET).header("accept", "text/event-stream").send().await.unwrap();
    assert_eq!(client.call("announce", &json!({})).await["result"]["structuredContent"]["sent"], 2);
    let heard = read_events(&mut stream, 2).await;
    assert_eq!(heard[0]["method"], "notifications/tools/list_changed");
    assert_eq!(heard[1]["method"], "notifications/message");
    let params = json!({ "level": "warning" });
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "logging/setLevel", "params": params });
    assert_eq!(json_of(client.send(body.to_string()).await).await["result"], json!({}));
    assert_eq!(client.call("announce", &json!({})).await["result"]["structuredContent"]["sent"], 1);
    assert!(server.count(Endpoint::Mcp) >= 5);
}

#[tokio::test]
async fn an_unknown_log_level_is_invalid_params() {
    let (_server, client) = open().await;
    let params = json!({ "level": "loud" });
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "logging/setLevel", "params": params });
    assert_eq!(json_of(client.send(body.to_string()).await).await["error"]["code"], -32602);
}
