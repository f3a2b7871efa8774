//! Batches, which the revision 2025-03-26 alone has (H3): each member is a message by itself, the answers are one array.

use mcp_bridge_tests::bridge::Bridge;
use serde_json::{Value, json};

use crate::{House, cancelled, open};

async fn bridge(house: &House, revision: &str) -> Bridge {
    let mut bridge = house.options().start();
    assert_eq!(bridge.initialize_as(revision).await["result"]["protocolVersion"], revision);
    bridge
}

/// The members of an array, by their ids.
fn by_id(answer: &Value, id: Value) -> Value {
    let members = answer.as_array().unwrap_or_else(|| panic!("no array: {answer}"));
    let found: Vec<_> = members.iter().filter(|member| member["id"] == id).collect();
    assert_eq!(found.len(), 1, "{id} in {answer}");
    found[0].clone()
}

#[tokio::test]
async fn h3_each_member_of_a_batch_is_answered_in_one_array() {
    let house = House::new(open()).await;
    let mut bridge = bridge(&house, "2025-03-26").await;
    bridge
        .send(json!([
            {"jsonrpc": "2.0", "id": 10, "method": "ping"},
            {"jsonrpc": "2.0", "method": "notifications/x"},
            {"jsonrpc": "2.0", "id": "a", "method": "tools/call", "params": {"name": "echo", "arguments": {"n": 1}}},
            {"jsonrpc": "2.0", "id": "bad", "method": 5},
            7,
            {"jsonrpc": "2.0", "id": "none", "method": "no/such"},
        ]))
        .await;
    let answer = bridge.next().await;
    assert_eq!(answer.as_array().unwrap().len(), 5, "{answer}");
    assert_eq!(by_id(&answer, json!(10))["result"], json!({}));
    assert_eq!(by_id(&answer, json!("a"))["result"]["structuredContent"], json!({"n": 1}));
    assert_eq!(by_id(&answer, json!("bad"))["error"]["code"], -32600);
    assert_eq!(by_id(&answer, Value::Null)["error"]["code"], -32600);
    assert_eq!(by_id(&answer, json!("none"))["error"]["code"], -32601);
    house.server.wait_for(|log| log.iter().any(|seen| crate::is_post(seen, "notifications/x"))).await;
    let arrays = house.server.log().iter().filter(|seen| seen.json().is_array()).count();
    assert_eq!(arrays, 0, "each went by itself");
    assert_eq!(bridge.end().await.stdout.len(), 2);
}

#[tokio::test]
async fn h3_a_batch_of_which_nothing_is_due_gets_no_answer() {
    let house = House::new(open()).await;
    let mut bridge = bridge(&house, "2025-03-26").await;
    bridge
        .send(json!([{"jsonrpc": "2.0", "method": "notifications/x"}, {"jsonrpc": "2.0", "id": "s", "result": {}}]))
        .await;
    house.server.wait_for(|log| log.iter().any(|seen| crate::is_post(seen, "notifications/x"))).await;
    assert_eq!(bridge.request("ping", json!({})).await["result"], json!({}));
    assert_eq!(bridge.end().await.stdout.len(), 2, "to `initialize` and to the ping");
}

#[tokio::test]
async fn h3_a_batch_that_is_empty_or_holds_initialize_is_refused_as_a_whole() {
    let house = House::new(open()).await;
    let mut bridge = bridge(&house, "2025-03-26").await;
    let initialize = json!({"jsonrpc": "2.0", "id": 8, "method": "initialize", "params": {}});
    for batch in [json!([]), json!([initialize, {"jsonrpc": "2.0", "id": 9, "method": "ping"}])] {
        bridge.send(&batch).await;
        let answer = bridge.next().await;
        assert_eq!(answer["error"]["code"], -32600, "{batch}: {answer}");
        assert_eq!(answer["id"], Value::Null);
    }
    bridge.send("[{\"jsonrpc\":\"2.0\",").await;
    assert_eq!(bridge.next().await["error"]["code"], -32700);
    assert_eq!(bridge.request("ping", json!({})).await["result"], json!({}));
    assert_eq!((house.posts("initialize"), house.posts("ping")), (1, 1));
}

#[tokio::test]
async fn h3_a_member_that_the_host_cancels_is_left_out_and_the_others_are_answered() {
    let house = House::new(open()).await;
    let mut bridge = bridge(&house, "2025-03-26").await;
    let slow = json!({"name": "slow", "arguments": {"milliseconds": 60_000}});
    bridge
        .send(json!([
            {"jsonrpc": "2.0", "id": "c", "method": "tools/call", "params": slow},
            {"jsonrpc": "2.0", "id": "p", "method": "ping"},
        ]))
        .await;
    house.server.wait_for_slow(1).await;
    bridge.send(cancelled(&json!("c"))).await;
    let answer = bridge.next().await;
    assert_eq!(answer, json!([{"jsonrpc": "2.0", "id": "p", "result": {}}]));
    // One of which all is cancelled is answered with nothing.
    bridge.send(json!([{"jsonrpc": "2.0", "id": "d", "method": "tools/call", "params": slow}])).await;
    house.server.wait_for_slow(1).await;
    bridge.send(cancelled(&json!("d"))).await;
    house.server.wait_for_slow(0).await;
    assert_eq!(bridge.request("ping", json!({})).await["result"], json!({}));
    assert_eq!(bridge.end().await.stdout.len(), 3);
}

#[tokio::test]
async fn h3_other_revisions_have_no_batches() {
    for revision in ["2025-06-18", "2025-11-25"] {
        let house = House::new(open()).await;
        let mut bridge = bridge(&house, revision).await;
        bridge.send(json!([{"jsonrpc": "2.0", "id": 9, "method": "ping"}])).await;
        assert_eq!(bridge.next().await["error"]["code"], -32600, "{revision}");
        assert_eq!(house.posts("ping"), 0);
        assert_eq!(bridge.request("ping", json!({})).await["result"], json!({}));
    }
}
