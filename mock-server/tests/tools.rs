//! The tools: the everyday ones and those that try a client.

use mcp_mock_server::{Endpoint, MockServer, ReplyForm};
use reqwest::Method;
use serde_json::json;

use crate::client::{Client, events, json_of, messages, read_events, tool_call};

async fn open() -> (MockServer, Client) {
    let server = MockServer::builder().protected(false).start().await.unwrap();
    let mut client = Client::new(&server);
    client.initialize().await;
    (server, client)
}

#[tokio::test]
async fn every_tool_has_a_name_a_description_and_a_schema() {
    let (_server, client) = open().await;
    let reply = json_of(client.send(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#).await).await;
    let tools = reply["result"]["tools"].as_array().unwrap();
    let names = tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect::<Vec<_>>();
    let everyday = ["get_weather", "list_files", "get_user_profile"];
    let trials = ["slow", "progress", "echo", "mirror", "announce", "change", "log"];
    let asking = ["ask", "ask-elicitation", "ask-url", "ask-sampling", "ask-roots", "ask-ping"];
    let asking = [&asking[..], &["ask-several", "ask-rounds", "ask-later", "needs-url"]].concat();
    assert_eq!(names, [&everyday[..], &trials, &asking, &["large", "contents"]].concat());
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

#[tokio::test]
async fn progress_takes_its_time_between_two_steps_where_that_was_asked() {
    let (_server, client) = open().await;
    let begun = std::time::Instant::now();
    client.call("progress", &json!({ "steps": 3, "milliseconds": 10 })).await;
    assert!(begun.elapsed() >= std::time::Duration::from_millis(30));
}

#[tokio::test]
async fn log_speaks_on_its_own_stream_as_far_as_the_level_allows() {
    let (_server, client) = open().await;
    let params = json!({ "level": "error" });
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "logging/setLevel", "params": params });
    client.send(body.to_string()).await;
    let heard = messages(client.send(tool_call(2, "log", &json!({ "message": "oh" }))).await).await;
    let levels = heard.iter().filter_map(|message| message["params"]["level"].as_str()).collect::<Vec<_>>();
    assert_eq!(levels, ["error", "critical", "alert", "emergency"]);
    assert_eq!((&heard[0]["params"]["data"], heard.len()), (&json!("oh"), 5));
}

#[tokio::test]
async fn large_returns_up_to_32_mib_in_both_forms() {
    for reply in [ReplyForm::Json, ReplyForm::Sse] {
        let server = MockServer::builder().protected(false).reply(reply).start().await.unwrap();
        let mut client = Client::new(&server);
        client.initialize().await;
        let bytes = 32 * 1024 * 1024;
        let reply = client.call("large", &json!({ "bytes": bytes })).await;
        assert_eq!(reply["result"]["content"][0]["text"].as_str().unwrap().len(), bytes);
        assert_eq!(client.call("large", &json!({ "bytes": bytes + 1 })).await["result"]["isError"], true);
    }
}

#[tokio::test]
async fn contents_has_one_of_each_kind() {
    let (_server, client) = open().await;
    let reply = client.call("contents", &json!({})).await;
    let contents = reply["result"]["content"].as_array().unwrap();
    let kinds = contents.iter().map(|content| content["type"].as_str().unwrap()).collect::<Vec<_>>();
    assert_eq!(kinds, ["text", "image", "audio", "resource_link", "resource"]);
}
