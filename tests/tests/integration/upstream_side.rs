//! The upstream's side: JSON and streams, the session, the standalone stream, requests of the server (T1 to T4, T10, T12).

use mcp_mock_server::{Endpoint, Fault, MockServer, ReplyForm};
use serde_json::{Value, json};

use crate::{House, text};

#[tokio::test]
async fn t1_json_and_event_streams_both_bring_the_response() {
    for reply in [ReplyForm::Json, ReplyForm::Sse] {
        let house = House::new(MockServer::builder().reply(reply)).await;
        let mut bridge = house.bridge().await;
        for _ in 0..3 {
            assert!(text(&bridge.call_tool("get_weather", json!({"city": "Oslo"})).await).starts_with("Oslo"));
        }
        assert!(bridge.end().await.status.success());
    }
}

#[tokio::test]
async fn h1_every_odd_form_of_a_good_reply_reaches_the_host_as_one_line() {
    let faults = [
        Fault::PrettyJson,
        Fault::MultiLineData,
        Fault::BatchReply,
        Fault::Drip,
        Fault::Gzip,
        Fault::NoSession,
        Fault::Get405,
    ];
    for fault in faults {
        let house = House::new(MockServer::builder().protected(false).fault(fault)).await;
        let mut bridge = house.bridge().await;
        let arguments = json!({"text": "a\nb\r\n\u{2028}ä😀", "list": [1, 2.50, -0.0]});
        let response = bridge.call_tool("echo", arguments.clone()).await;
        assert_eq!(response["result"]["structuredContent"], arguments, "{fault}: {response}");
        let ended = bridge.end().await;
        assert_eq!(ended.stdout.len(), 2, "{fault}: {:#?}", ended.stdout);
    }
}

#[tokio::test]
async fn t3_the_session_and_the_version_go_with_everything_after_initialize() {
    let house = House::new(MockServer::builder()).await;
    let mut bridge = house.bridge().await;
    bridge.call_tool("list_files", json!({})).await;
    house.server.wait_for(|log| log.iter().any(|seen| seen.method == "GET" && seen.endpoint == Endpoint::Mcp)).await;
    assert!(bridge.end().await.status.success());
    let messages: Vec<_> = house.server.log().into_iter().filter(|seen| seen.endpoint == Endpoint::Mcp).collect();
    let (first, later): (Vec<_>, Vec<_>) =
        messages.into_iter().partition(|seen| seen.method == "POST" && seen.json()["method"] == "initialize");
    assert!(first.iter().all(|seen| seen.header("mcp-session-id").is_none()));
    let session = later[0].header("mcp-session-id").unwrap().to_owned();
    for seen in &later {
        assert_eq!(seen.header("mcp-session-id"), Some(session.as_str()), "{} {}", seen.method, seen.path_and_query);
        assert_eq!(seen.header("mcp-protocol-version"), Some("2025-11-25"));
    }
    assert_eq!(later.last().unwrap().method, "DELETE", "the session is ended");
}

#[tokio::test]
async fn t3_what_comes_before_initialize_is_answered_waits_and_initialized_is_acknowledged_first() {
    let house = House::new(MockServer::builder()).await;
    let mut bridge = house.options().start();
    // All at once, as an impatient host does; nothing is answered before the sign-in.
    let initialize = bridge.send_initialize().await;
    bridge.send(json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
    let list = bridge.send_request("tools/list", json!({})).await;
    assert!(bridge.response(initialize).await["result"].is_object());
    assert!(bridge.response(list).await["result"]["tools"].is_array());
    let posts = house.server.log().into_iter().filter(|seen| seen.endpoint == Endpoint::Mcp && seen.method == "POST");
    let accepted: Vec<Value> =
        posts.filter(|seen| seen.status < 300).map(|seen| seen.json()["method"].clone()).collect();
    assert_eq!(accepted, ["initialize", "notifications/initialized", "tools/list"]);
}

#[tokio::test]
async fn t4_what_the_server_says_unasked_reaches_the_host() {
    let house = House::new(MockServer::builder()).await;
    let mut bridge = house.bridge().await;
    house
        .server
        .wait_for(|log| {
            log.iter().any(|seen| seen.method == "GET" && seen.status == 200 && seen.endpoint == Endpoint::Mcp)
        })
        .await;
    let id = bridge.send_request("tools/call", json!({"name": "announce", "arguments": {}})).await;
    let mut methods = Vec::new();
    let mut answered = false;
    while methods.len() < 2 || !answered {
        let message = bridge.next().await;
        match message["method"].as_str() {
            Some(method) => methods.push(method.to_owned()),
            None => answered = message["id"] == id,
        }
    }
    methods.sort();
    assert_eq!(methods, ["notifications/message", "notifications/tools/list_changed"]);
}

#[tokio::test]
async fn t4_a_request_of_the_server_reaches_the_host_and_its_answer_goes_back() {
    let house = House::new(MockServer::builder()).await;
    let mut bridge = house.bridge().await;
    let id = bridge.send_request("tools/call", json!({"name": "ask", "arguments": {}})).await;
    let request = bridge.next().await;
    assert_eq!(request["method"], "elicitation/create", "{request}");
    bridge
        .send(
            json!({"jsonrpc": "2.0", "id": request["id"], "result": {"action": "accept", "content": {"name": "Anna"}}}),
        )
        .await;
    let response = bridge.response(id).await;
    assert!(text(&response).contains("Anna"), "{response}");
}

#[tokio::test]
async fn t10_progress_comes_in_order_before_the_response() {
    let house = House::new(MockServer::builder()).await;
    let mut bridge = house.bridge().await;
    let params = json!({"name": "progress", "arguments": {"steps": 50}, "_meta": {"progressToken": "p1"}});
    let id = bridge.send_request("tools/call", params).await;
    let response = bridge.response(id).await;
    assert!(response["result"].is_object(), "{response}");
    let steps: Vec<_> = bridge
        .others
        .iter()
        .filter(|message| message["method"] == "notifications/progress")
        .map(|message| message["params"]["progress"].as_u64().unwrap())
        .collect();
    assert_eq!(steps, (1..=50).collect::<Vec<_>>());
}

#[tokio::test]
async fn t10_progress_is_passed_on_while_the_call_goes_on() {
    let house = House::new(MockServer::builder().reply(ReplyForm::Sse)).await;
    let mut bridge = house.bridge().await;
    let slow = bridge.send_request("tools/call", json!({"name": "slow", "arguments": {"milliseconds": 60_000}})).await;
    house.server.wait_for_slow(1).await;
    let params = json!({"name": "progress", "arguments": {"steps": 3}, "_meta": {"progressToken": 7}});
    let quick = bridge.request("tools/call", params).await;
    assert!(quick["result"].is_object());
    assert_eq!(bridge.others.iter().filter(|message| message["params"]["progressToken"] == 7).count(), 3);
    house.server.release_slow();
    assert!(bridge.response(slow).await["result"].is_object());
}

#[tokio::test]
async fn an_error_of_the_server_passes_as_it_is() {
    let house = House::new(MockServer::builder().protected(false)).await;
    let mut bridge = house.bridge().await;
    let response = bridge.request("no/such/method", json!({})).await;
    assert_eq!(response["error"]["code"], -32601);
    assert!(response["error"]["data"]["source"].is_null());
}

#[tokio::test]
async fn headers_of_the_persons_go_with_every_request_to_the_server_and_to_nobody_else() {
    let house = House::new(MockServer::builder()).await;
    let mut bridge = house.options().with(&["--header", "X-Key: hunter2", "--header=X-Other:1"]).start();
    assert!(bridge.initialize().await["result"].is_object());
    assert!(bridge.end().await.status.success());
    for seen in house.server.log() {
        let expected = (seen.endpoint == Endpoint::Mcp).then_some("hunter2");
        assert_eq!(seen.header("x-key"), expected, "{} {}", seen.method, seen.path_and_query);
    }
}
