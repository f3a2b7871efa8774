//! `subscriptions/listen` of a host of MCP 2026-07-28: at a server with a handshake it is served from the session (E9), at a
//! server of its own era it outlives the stream that carries it (E11).

use std::time::Duration;

use mcp_bridge_tests::bridge::{Bridge, Options};
use mcp_bridge_tests::scripted::{Answer, Scripted, Seen};
use mcp_mock_server::Listed;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::modern_host_legacy::{Pair, pair};

const README: &str = "mock://readme";
const CLOCK: &str = "mock://clock";
const TAG: &str = "io.modelcontextprotocol/subscriptionId";

/// Listens, and gives the id and the acknowledgement.
async fn listens(pair: &mut Pair, wanted: Value) -> (u64, Value) {
    let id = pair.send("subscriptions/listen", json!({"notifications": wanted})).await;
    let acknowledged = pair.bridge.next().await;
    assert_eq!(acknowledged["method"], "notifications/subscriptions/acknowledged", "{acknowledged}");
    assert_eq!(acknowledged["params"]["_meta"][TAG], id);
    (id, acknowledged["params"]["notifications"].clone())
}

fn tag(message: &Value) -> &Value {
    &message["params"]["_meta"][TAG]
}

fn uris(pair: &Pair, method: &str) -> Vec<Value> {
    pair.seen(method).iter().map(|seen| seen.json()["params"]["uri"].clone()).collect()
}

#[tokio::test]
async fn e9_a_listener_is_told_first_what_it_is_served_and_then_what_it_wants() {
    let mut pair = pair().await;
    let wanted = json!({"toolsListChanged": true, "resourceSubscriptions": [README]});
    let (id, served) = listens(&mut pair, wanted.clone()).await;
    assert_eq!(served, wanted);
    pair.house.server.change_list(Listed::Prompts).await;
    pair.house.server.change_list(Listed::Tools).await;
    let changed = pair.bridge.next().await;
    assert_eq!((&changed["method"], tag(&changed)), (&json!("notifications/tools/list_changed"), &json!(id)));
    assert_eq!(pair.house.server.update_resource(CLOCK).await, 0);
    assert_eq!(pair.house.server.update_resource(README).await, 1);
    let updated = pair.bridge.next().await;
    assert_eq!((&updated["params"]["uri"], tag(&updated)), (&json!(README), &json!(id)));
    pair.ends_well().await;
}

#[tokio::test]
async fn e9_a_notification_comes_once_for_each_listener_and_a_resource_is_subscribed_to_once() {
    let mut pair = pair().await;
    let (first, _) = listens(&mut pair, json!({"resourceSubscriptions": [README, CLOCK]})).await;
    let (second, _) = listens(&mut pair, json!({"resourceSubscriptions": [README]})).await;
    pair.house.server.update_resource(README).await;
    let tags = [pair.bridge.next().await, pair.bridge.next().await].map(|updated| tag(&updated).clone());
    assert_eq!(tags, [json!(first), json!(second)]);
    assert_eq!(uris(&pair, "resources/subscribe"), [CLOCK, README]);
    pair.bridge
        .send(json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": first}}))
        .await;
    pair.house.server.wait_for(|log| log.iter().any(|seen| seen.json()["method"] == "resources/unsubscribe")).await;
    assert_eq!(uris(&pair, "resources/unsubscribe"), [CLOCK]);
    pair.house.server.update_resource(README).await;
    assert_eq!(tag(&pair.bridge.next().await), &json!(second));
    let ended = pair.bridge.end().await;
    let answers =
        |id: u64| ended.stdout.iter().filter(|line| line.contains(&format!("\"id\":{id},\"result\""))).count();
    assert_eq!((answers(first), answers(second)), (0, 1), "cancelled: no response; ended by us: one");
}

#[tokio::test]
async fn e9_the_end_of_the_bridge_ends_a_listener_with_a_tagged_result() {
    let mut pair = pair().await;
    let (id, _) = listens(&mut pair, json!({"toolsListChanged": true})).await;
    let ended = pair.bridge.end().await;
    let last: Value = serde_json::from_str(ended.stdout.last().unwrap()).unwrap();
    let result = json!({"resultType": "complete", "_meta": {TAG: id}});
    assert_eq!(last, json!({"jsonrpc": "2.0", "id": id, "result": result}));
}

#[tokio::test]
async fn e9_a_resource_that_the_server_does_not_know_is_not_acknowledged() {
    let mut pair = pair().await;
    let (_, served) = listens(&mut pair, json!({"resourceSubscriptions": [README, "mock://nothing"]})).await;
    assert_eq!(served, json!({"resourceSubscriptions": [README]}));
    let refused = pair.request("subscriptions/listen", json!({})).await;
    assert_eq!(refused["error"]["code"], -32602, "{refused}");
    pair.ends_well().await;
}

#[tokio::test]
async fn e9_subscriptions_are_there_again_after_the_server_has_forgotten_the_session() {
    let mut pair = pair().await;
    let (id, _) = listens(&mut pair, json!({"resourceSubscriptions": [README]})).await;
    pair.house.server.forget_sessions();
    pair.request("tools/list", json!({})).await;
    pair.house.server.update_resource(README).await;
    assert_eq!(tag(&pair.bridge.next().await), &json!(id));
    pair.ends_well().await;
}

#[tokio::test]
async fn h12_who_does_not_listen_hears_nothing() {
    let mut pair = pair().await;
    pair.request("tools/list", json!({})).await;
    pair.house.server.change_list(Listed::Tools).await;
    pair.request("tools/call", json!({"name": "announce", "arguments": {}})).await;
    pair.request("tools/list", json!({})).await;
    assert!(pair.bridge.others.is_empty(), "{:?}", pair.bridge.others);
    pair.ends_well().await;
}

fn events(messages: &[Value]) -> String {
    messages.iter().map(|message| format!("data: {message}\n\n")).collect()
}

fn notification(method: &str, id: &Value, mut params: Value) -> Value {
    params["_meta"] = json!({TAG: id});
    json!({"jsonrpc": "2.0", "method": method, "params": params})
}

fn acknowledges(seen: &Seen) -> Value {
    let params = json!({"notifications": seen.json["params"]["notifications"]});
    notification("notifications/subscriptions/acknowledged", &seen.json["id"], params)
}

/// A modern server whose first stream ends at once; what it does with later ones is said by `then`.
async fn breaks_once(then: fn(&Seen) -> Answer) -> (Scripted, Bridge, TempDir) {
    let mut streams = 0;
    let server = Scripted::start(move |seen| match seen.method() {
        "subscriptions/listen" => {
            streams += 1;
            match streams {
                1 => Answer::whole("200 OK", "content-type: text/event-stream\r\n", &events(&[acknowledges(seen)])),
                _ => then(seen),
            }
        }
        _ => {
            let result = json!({"supportedVersions": ["2026-07-28"], "capabilities": {}, "resultType": "complete"});
            Answer::json("200 OK", &json!({"jsonrpc": "2.0", "id": seen.json["id"], "result": result}))
        }
    })
    .await;
    let state = tempfile::tempdir().unwrap();
    let bridge = Options::to(&server.url, state.path()).patience(Duration::from_secs(10)).start();
    (server, bridge, state)
}

async fn listens_to_modern(bridge: &mut Bridge) -> u64 {
    let meta = json!({"io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {}});
    let params = json!({"_meta": meta, "notifications": {"toolsListChanged": true}});
    let id = bridge.send_request("subscriptions/listen", params).await;
    let acknowledged = bridge.next().await;
    assert_eq!(acknowledged["method"], "notifications/subscriptions/acknowledged", "{acknowledged}");
    id
}

#[tokio::test]
async fn e11_a_stream_that_breaks_is_opened_again_under_another_id_and_the_host_sees_its_own() {
    let (server, mut bridge, _state) = breaks_once(|seen| {
        let changed = notification("notifications/prompts/list_changed", &seen.json["id"], json!({}));
        Answer::open_stream(&events(&[acknowledges(seen), changed]))
    })
    .await;
    let id = listens_to_modern(&mut bridge).await;
    let announced = bridge.next().await;
    assert_eq!((&announced["method"], tag(&announced)), (&json!("notifications/tools/list_changed"), &json!(id)));
    let changed = bridge.next().await;
    assert_eq!((&changed["method"], tag(&changed)), (&json!("notifications/prompts/list_changed"), &json!(id)));
    let ids: Vec<_> = server
        .log()
        .iter()
        .filter(|seen| seen.is("POST", "subscriptions/listen"))
        .map(|seen| seen.json["id"].clone())
        .collect();
    assert!(ids.len() == 2 && ids[0] == id && ids[1] != ids[0], "{ids:?}");
    bridge.send(json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}})).await;
    server.wait_for_open(0).await;
    let ended = bridge.end().await;
    assert!(!ended.stdout.iter().any(|line| line.contains("result")), "{:?}", ended.stdout);
}

#[tokio::test]
async fn e11_where_the_server_refuses_another_stream_the_listener_ends_with_a_tagged_result() {
    let (_server, mut bridge, _state) = breaks_once(|seen| {
        let error = json!({"code": -32601, "message": "no more"});
        Answer::json("400 Bad Request", &json!({"jsonrpc": "2.0", "id": seen.json["id"], "error": error}))
    })
    .await;
    let id = listens_to_modern(&mut bridge).await;
    let ended = bridge.next().await;
    assert_eq!(ended, json!({"jsonrpc": "2.0", "id": id, "result": {"resultType": "complete", "_meta": {TAG: id}}}));
    assert!(bridge.end().await.status.success());
}
