//! The same where something goes wrong, ends or comes late: sessions, too many questions, servers that are away.

use super::*;

#[tokio::test]
async fn t6_a_session_that_the_server_forgets_is_begun_anew_for_a_modern_host_too() {
    let mut pair = pair().await;
    pair.call("echo", json!({})).await;
    pair.house.server.forget_sessions();
    let echoed = pair.call("echo", json!({"n": 1})).await;
    assert_eq!(echoed["result"]["resultType"], "complete", "{echoed}");
    assert_eq!(pair.seen("initialize").len(), 2);
    pair.ends_well().await;
}

#[tokio::test]
async fn e8_of_too_many_held_calls_the_oldest_is_cancelled_at_the_server() {
    let mut pair = pair().await;
    let first = pair.call("ask", json!({})).await;
    let mut sent = Vec::new();
    for _ in 0..64 {
        sent.push(pair.send("tools/call", json!({"name": "ask", "arguments": {}})).await);
    }
    for id in sent {
        let asked = pair.bridge.response(id).await;
        assert_eq!(asked["result"]["resultType"], "input_required", "{asked}");
    }
    let cancelled = |log: &[Seen]| log.iter().any(|seen| seen.json()["method"] == "notifications/cancelled");
    pair.house.server.wait_for(cancelled).await;
    let id = pair.seen("tools/call").remove(0).json()["id"].clone();
    assert_eq!(pair.seen("notifications/cancelled").remove(0).json()["params"]["requestId"], id);
    let stale = pair.retry("ask", &first, json!({"q1": accepted("Ada")})).await;
    assert_eq!(stale["error"]["code"], -32602, "{stale}");
    pair.ends_well().await;
}

#[tokio::test]
async fn e10_what_is_under_way_ends_in_its_own_session_although_another_one_has_begun() {
    let mut pair = pair().await;
    let all = std::mem::replace(&mut pair.capabilities, json!({"elicitation": {}}));
    let asked = pair.call("ask", json!({})).await;
    let slow = pair.send("tools/call", json!({"name": "slow", "arguments": {}})).await;
    pair.house.server.wait_for_slow(1).await;
    pair.capabilities = all;
    pair.call("echo", json!({})).await;
    assert_eq!(pair.seen("initialize").len(), 2);
    let told = pair.retry("ask", &asked, json!({"q1": accepted("Ada")})).await;
    assert!(text(&told).contains("Ada"), "{told}");
    pair.house.server.release_slow();
    let released = pair.bridge.response(slow).await;
    assert_eq!(text(&released), "released", "{released}");
    pair.house.server.wait_for(|log| log.iter().any(|seen| seen.method == "DELETE")).await;
    pair.ends_well().await;
}

#[tokio::test]
async fn h11_initialize_after_a_discovery_makes_the_rest_legacy() {
    let mut pair = pair().await;
    pair.request("server/discover", json!({})).await;
    pair.bridge.initialize().await;
    let call = pair.bridge.send_request("tools/call", json!({"name": "ask", "arguments": {}})).await;
    let question = pair.bridge.next().await;
    assert_eq!(question["method"], "elicitation/create", "{question}");
    pair.bridge.send(json!({"jsonrpc": "2.0", "id": question["id"], "result": accepted("Ada")})).await;
    let told = pair.bridge.response(call).await;
    assert!(text(&told).contains("Ada") && told["result"]["resultType"].is_null(), "{told}");
    assert!(pair.bridge.end().await.status.success());
}

#[tokio::test]
async fn h11_a_discovery_opens_no_tab_although_the_era_is_known_and_the_next_call_does() {
    let house = House::new(MockServer::builder().era(Era::Legacy)).await;
    let (bridge, capabilities) = (house.options().with(&["--era", "legacy"]).start(), json!({}));
    let mut pair = Pair { house, bridge, capabilities };
    let discovered = pair.request("server/discover", json!({})).await;
    assert_eq!(discovered["error"]["code"], -32601, "{discovered}");
    assert_eq!(pair.house.browser.tabs_opened(), 0);
    let echoed = pair.call("echo", json!({"n": 1})).await;
    assert_eq!(echoed["result"]["resultType"], "complete", "{echoed}");
    assert_eq!(pair.house.browser.tabs_opened(), 1);
    let discovered = pair.request("server/discover", json!({})).await;
    assert!(discovered["result"]["supportedVersions"].is_array(), "{discovered}");
    pair.ends_well().await;
}

#[tokio::test]
async fn e7_a_list_in_the_place_of_a_server_that_is_away_says_that_it_is_good_for_nothing_but_now() {
    let mut pair = pair().await;
    pair.bridge.end().await;
    pair.bridge = pair.house.options().with(&["--patience", "1"]).start();
    pair.request("tools/list", json!({})).await;
    pair.house.server.pause().await;
    let listed = pair.request("tools/list", json!({})).await;
    assert_eq!(
        (&listed["result"]["resultType"], &listed["result"]["ttlMs"]),
        (&json!("complete"), &json!(0)),
        "{listed}"
    );
    pair.house.server.resume().unwrap();
    pair.ends_well().await;
}

#[tokio::test]
async fn t11_a_modern_host_works_at_a_server_of_the_oldest_transport() {
    let house = House::new(MockServer::builder().transport(Transport::HttpSse).era(Era::Legacy).protected(false)).await;
    let (bridge, capabilities) = (house.options().start(), json!({"elicitation": {}}));
    let mut pair = Pair { house, bridge, capabilities };
    let asked = pair.call("ask", json!({})).await;
    assert_eq!(asked["result"]["resultType"], "input_required", "{asked}");
    let told = pair.retry("ask", &asked, json!({"q1": accepted("Ada")})).await;
    assert!(text(&told).contains("Ada"), "{told}");
    pair.ends_well().await;
}
