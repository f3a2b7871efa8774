//! The tools that ask the client back, on either stream, and what a client must have declared for each.

use mcp_mock_server::MockServer;
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use crate::client::{Client, messages, read_events, tool_call};

async fn open(capabilities: &Value) -> (MockServer, Client) {
    let server = MockServer::builder().protected(false).start().await.unwrap();
    let mut client = Client::new(&server);
    client.initialize_with(capabilities).await;
    (server, client)
}

fn everything() -> Value {
    json!({ "elicitation": { "form": {}, "url": {} }, "sampling": {}, "roots": { "listChanged": true } })
}

/// Answers the request on a stream by a result, and reads what comes of it.
async fn answered(client: &Client, mut stream: Response, result: &Value) -> (Value, Vec<Value>) {
    let asked = read_events(&mut stream, 1).await.remove(0);
    let body = json!({ "jsonrpc": "2.0", "id": asked["id"], "result": result });
    assert_eq!(client.send(body.to_string()).await.status(), StatusCode::ACCEPTED);
    (asked, messages(stream).await)
}

#[tokio::test]
async fn each_tool_asks_its_question_and_tells_the_answer() {
    let (_server, client) = open(&everything()).await;
    for (tool, method) in [
        ("ask", "elicitation/create"),
        ("ask-elicitation", "elicitation/create"),
        ("ask-url", "elicitation/create"),
        ("ask-sampling", "sampling/createMessage"),
        ("ask-roots", "roots/list"),
        ("ask-ping", "ping"),
    ] {
        let stream = client.send(tool_call(1, tool, &json!({ "message": "Who?" }))).await;
        let (asked, mut rest) = answered(&client, stream, &json!({ "told": tool })).await;
        assert_eq!(asked["method"], method, "{tool}");
        let reply = rest.pop().unwrap();
        assert_eq!(reply["result"]["structuredContent"]["result"], json!({ "told": tool }), "{tool}");
        if tool == "ask-url" {
            assert_eq!((&asked["params"]["mode"], &asked["params"]["message"]), (&json!("url"), &json!("Who?")));
            assert_eq!(rest[0]["method"], "notifications/elicitation/complete");
            assert_eq!(rest[0]["params"]["elicitationId"], asked["params"]["elicitationId"]);
        }
    }
}

#[tokio::test]
async fn an_error_is_an_answer_too() {
    let (_server, client) = open(&everything()).await;
    let mut stream = client.send(tool_call(1, "ask", &json!({}))).await;
    let asked = read_events(&mut stream, 1).await.remove(0);
    let error = json!({ "code": -1, "message": "no" });
    client.send(json!({ "jsonrpc": "2.0", "id": asked["id"], "error": error }).to_string()).await;
    assert_eq!(messages(stream).await[0]["result"]["structuredContent"]["error"], error);
}

#[tokio::test]
async fn the_question_comes_on_the_standalone_stream_where_that_was_asked() {
    let (_server, client) = open(&everything()).await;
    let on = json!({ "on": "standalone" });
    assert_eq!(client.call("ask-roots", &on).await["result"]["isError"], true);
    let mut stream = client.listen().await;
    let (reply, ()) = tokio::join!(client.call("ask-roots", &on), async {
        let asked = read_events(&mut stream, 1).await.remove(0);
        assert_eq!(asked["method"], "roots/list");
        let body = json!({ "jsonrpc": "2.0", "id": asked["id"], "result": { "roots": [] } });
        client.send(body.to_string()).await;
    });
    assert_eq!(reply["result"]["structuredContent"]["result"]["roots"], json!([]));
}

#[tokio::test]
async fn who_did_not_declare_it_is_not_asked() {
    let form_only = json!({ "elicitation": {} });
    for (capabilities, tool, is_asked) in [
        (&json!({}), "ask", false),
        (&json!({}), "ask-sampling", false),
        (&json!({}), "ask-roots", false),
        (&form_only, "ask-url", false),
        (&json!({ "elicitation": { "url": {} } }), "ask-elicitation", false),
        (&form_only, "ask-elicitation", true),
        (&json!({}), "ask-ping", true),
    ] {
        let (_server, client) = open(capabilities).await;
        let mut stream = client.send(tool_call(1, tool, &json!({}))).await;
        let first = read_events(&mut stream, 1).await.remove(0);
        assert_eq!(first["method"].is_string(), is_asked, "{tool} {capabilities}");
        assert_eq!(first["result"]["isError"] == true, !is_asked, "{tool} {capabilities}");
    }
}

#[tokio::test]
async fn a_question_is_withdrawn_when_its_call_is_cancelled() {
    let (_server, client) = open(&everything()).await;
    let mut stream = client.listen().await;
    let cancel = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 1 } });
    let (_, ()) = tokio::join!(client.send(tool_call(1, "ask-roots", &json!({ "on": "standalone" }))), async {
        let asked = read_events(&mut stream, 1).await.remove(0);
        client.send(cancel.to_string()).await;
        let withdrawn = read_events(&mut stream, 1).await.remove(0);
        assert_eq!(withdrawn["method"], "notifications/cancelled");
        assert_eq!(withdrawn["params"]["requestId"], asked["id"]);
    });
}

#[tokio::test]
async fn needs_url_fails_once_with_the_page_to_visit() {
    let (_server, client) = open(&everything()).await;
    let error = client.call("needs-url", &json!({})).await["error"].clone();
    let page = &error["data"]["elicitations"][0];
    assert_eq!((&error["code"], &page["mode"]), (&json!(-32042), &json!("url")));
    let url = page["url"].as_str().unwrap();
    assert!(url.ends_with(page["elicitationId"].as_str().unwrap()));
    assert_eq!(client.http.get(url).send().await.unwrap().status(), StatusCode::OK);
    assert_eq!(client.call("needs-url", &json!({})).await["result"]["structuredContent"]["visited"], true);
}
