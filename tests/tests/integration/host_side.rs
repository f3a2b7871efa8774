//! The host's side: lines, ids, order (H1 to H6, H8, H9).

use mcp_bridge_tests::bridge::{Ended, Options};
use mcp_mock_server::{MockServer, ReplyForm};
use serde_json::{Value, json};

use crate::{House, open};

/// Every line of stdout is one JSON-RPC message.
fn only_messages(ended: &Ended) {
    for line in &ended.stdout {
        let message: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        assert_eq!(message["jsonrpc"], "2.0", "{line}");
    }
}

#[tokio::test]
async fn h2_stdout_carries_messages_and_nothing_else_also_at_the_most_verbose_level() {
    let house = House::new(MockServer::builder()).await;
    let mut bridge = house.options().with(&["--log", "trace"]).start();
    bridge.initialize().await;
    bridge.send("this is no JSON").await;
    bridge.try_response(Value::is_null).await.unwrap();
    let ended = bridge.end().await;
    only_messages(&ended);
    assert_eq!(ended.stdout.iter().filter(|line| !line.contains("\"method\"")).count(), 2, "{:#?}", ended.stdout);
    assert!(!ended.stderr.is_empty());
}

#[tokio::test]
async fn h3_a_bad_line_is_answered_and_the_next_one_works() {
    let house = House::new(open()).await;
    let mut bridge = house.options().start();
    bridge.send("{\"jsonrpc\":").await;
    let answer = bridge.next().await;
    assert_eq!((&answer["error"]["code"], &answer["id"]), (&json!(-32700), &Value::Null));
    assert!(answer.as_object().unwrap().contains_key("id"), "before `initialize` JSON-RPC's rule holds");
    bridge.initialize().await;
    for (line, code, id) in [
        ("nonsense", -32700, None),
        ("{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"ping\"}", -32600, None),
        ("{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"method\":5}", -32600, Some("x")),
        ("[]", -32600, None),
    ] {
        bridge.send(line).await;
        let answer = bridge.next().await;
        assert_eq!(answer["error"]["code"], code, "{line}");
        assert_eq!(answer.get("id").and_then(Value::as_str), id, "{line}");
    }
    bridge.send("").await;
    bridge.send("   ").await;
    assert!(bridge.request("ping", json!({})).await["result"].is_object());
}

#[tokio::test]
async fn h3_a_bad_response_is_not_answered_for_its_id_may_be_one_of_the_hosts_own() {
    let house = House::new(open()).await;
    let mut bridge = house.bridge().await;
    bridge.send(r#"{"jsonrpc":"2.0","id":1,"result":{},"error":null}"#).await;
    bridge.send(r#"{"id":1,"result":{}}"#).await;
    bridge.send(r#"{"jsonrpc":"2.0","id":2,"method":"ping"}"#).await;
    assert_eq!(bridge.next().await["id"], 2);
}

#[tokio::test]
async fn h4_a_line_over_the_limit_gets_an_error_with_its_id_and_the_next_one_works() {
    let house = House::new(open()).await;
    let mut bridge = house.bridge().await;
    let text = "x".repeat(64 * 1024 * 1024);
    bridge.send(format!("{{\"jsonrpc\":\"2.0\",\"id\":\"long\",\"method\":\"ping\",\"params\":\"{text}\"}}")).await;
    let answer = bridge.next().await;
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!("long"), &json!(-32600)));
    assert!(bridge.request("ping", json!({})).await["result"].is_object());
}

#[tokio::test]
async fn h5_every_answer_has_the_id_as_it_was_sent() {
    for reply in [ReplyForm::Json, ReplyForm::Sse] {
        let house = House::new(open().reply(reply)).await;
        let mut bridge = house.bridge().await;
        for id in ["7", "\"7\"", "1.0", "-1", "12345678901234567890", "\"a\\u0041\\\"\"", "1e2", "\"\""] {
            bridge.send(format!("{{\"id\":{id},\"jsonrpc\":\"2.0\",\"method\":\"ping\"}}")).await;
            let line = bridge.next_line().await;
            assert!(
                line.contains(&format!("\"id\":{id},")) || line.contains(&format!("\"id\":{id}}}")),
                "{id}: {line}"
            );
        }
    }
}

#[tokio::test]
async fn h5_an_error_of_ours_has_the_id_as_it_was_sent_too() {
    let state = tempfile::tempdir().unwrap();
    let mut bridge = Options::to("http://127.0.0.1:1/mcp", state.path()).start();
    for id in ["1.0", "12345678901234567890", "\"a\\u0041\""] {
        bridge.send(format!("{{\"id\":{id},\"jsonrpc\":\"2.0\",\"method\":\"ping\"}}")).await;
        let line = bridge.next_line().await;
        assert!(line.contains(&format!("\"id\":{id},")), "{id}: {line}");
    }
}

#[tokio::test]
async fn h6_a_message_reaches_the_server_byte_for_byte_and_so_does_the_answer_the_host() {
    let house = House::new(open()).await;
    let mut bridge = house.bridge().await;
    let line = r#"{ "method":"tools\/call", "x-new":[1.10,1e400,12345678901234567890123],"id":9,"params":{"_meta":{"b":1,"a":"\u00e4"},"name":"echo","arguments":{"z":0.10000000000000000001,"a":"\ud83d\ude00"}},"jsonrpc":"2.0" }"#;
    bridge.send(line).await;
    let answer = bridge.next_line().await;
    assert!(answer.contains(r#"{"z":0.10000000000000000001,"a":"\ud83d\ude00"}"#), "{answer}");
    let log = house.server.log();
    let arrived = log.iter().rfind(|seen| seen.method == "POST").unwrap();
    assert_eq!(std::str::from_utf8(&arrived.body).unwrap(), line);
}

#[tokio::test]
async fn h8_a_cancelled_request_gets_no_answer_and_its_id_can_be_used_again() {
    let house = House::new(open()).await;
    let mut bridge = house.bridge().await;
    bridge.send(json!({"jsonrpc": "2.0", "id": "c", "method": "tools/call", "params": {"name": "slow", "arguments": {"milliseconds": 60_000}}})).await;
    house.server.wait_for_slow(1).await;
    bridge.send(json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "c"}})).await;
    house
        .server
        .wait_for(|log| log.iter().any(|seen| String::from_utf8_lossy(&seen.body).contains("notifications/cancelled")))
        .await;
    bridge.send(json!({"jsonrpc": "2.0", "id": "c", "method": "ping"})).await;
    let answer = bridge.next().await;
    assert_eq!((&answer["id"], &answer["result"]), (&json!("c"), &json!({})), "the answer to the ping");
    house.server.release_slow();
    let ended = bridge.end().await;
    assert_eq!(ended.stdout.len(), 2, "{:#?}", ended.stdout);
}

#[tokio::test]
async fn h8_an_id_that_is_still_in_flight_is_refused_and_the_first_request_is_answered() {
    let house = House::new(open()).await;
    let mut bridge = house.bridge().await;
    let slow = json!({"jsonrpc": "2.0", "id": 100, "method": "tools/call", "params": {"name": "slow", "arguments": {"milliseconds": 60_000}}});
    bridge.send(&slow).await;
    house.server.wait_for_slow(1).await;
    bridge.send(&slow).await;
    assert_eq!(bridge.next().await["error"]["code"], -32600);
    house.server.release_slow();
    assert!(bridge.response(100).await["result"].is_object());
}

#[tokio::test]
async fn h9_a_slow_request_holds_up_no_other() {
    let house = House::new(open()).await;
    let mut bridge = house.bridge().await;
    let slow = bridge.send_request("tools/call", json!({"name": "slow", "arguments": {"milliseconds": 60_000}})).await;
    house.server.wait_for_slow(1).await;
    for _ in 0..20 {
        assert!(bridge.request("ping", json!({})).await["result"].is_object());
    }
    house.server.release_slow();
    assert!(bridge.response(slow).await["result"].is_object());
}

#[tokio::test]
async fn a_hundred_requests_at_once_get_a_hundred_answers() {
    let house = House::new(open().reply(ReplyForm::Sse)).await;
    let mut bridge = house.bridge().await;
    let mut ids = Vec::new();
    for n in 0..100 {
        ids.push(bridge.send_request("tools/call", json!({"name": "echo", "arguments": {"n": n}})).await);
    }
    let mut answers = std::collections::BTreeMap::new();
    while answers.len() < 100 {
        let message = bridge.next().await;
        answers.insert(message["id"].as_u64().unwrap(), message["result"]["structuredContent"]["n"].clone());
    }
    for (n, id) in ids.iter().enumerate() {
        assert_eq!(answers[id], json!(n));
    }
    assert_eq!(bridge.end().await.stdout.len(), 101);
}
