//! Sessions (T3, T4, T6): what belongs to one, and what the host does not notice when the server forgets it.

use std::time::Duration;

use mcp_bridge_tests::bridge::Bridge;
use mcp_mock_server::{Endpoint, Fault, FaultSetting, ReplyForm, Seen};
use serde_json::{Value, json};

use crate::{House, code, is_post, open, with};

fn streams(log: &[Seen]) -> usize {
    log.iter().filter(|seen| seen.endpoint == Endpoint::Mcp && seen.method == "GET" && seen.status == 200).count()
}

async fn settled(house: &House) -> Bridge {
    house.settled(house.options()).await
}

#[tokio::test]
async fn t6_a_server_that_forgets_its_sessions_again_and_again_costs_no_answer() {
    let forgets = with(Fault::LostSession, 3);
    for other in [None, Some(FaultSetting::from(Fault::LostSession400))] {
        let faults: Vec<_> = other.into_iter().chain([forgets.clone()]).collect();
        for reply in [ReplyForm::Json, ReplyForm::Sse] {
            let house = House::new(open().reply(reply)).await;
            let mut bridge = settled(&house).await;
            house.server.set_faults(faults.iter().cloned());
            for n in 0..10 {
                let response = bridge.call_tool("echo", json!({"n": n})).await;
                assert_eq!(response["result"]["structuredContent"]["n"], n, "{faults:?}: {response}");
            }
            let begun = house.posts("initialize") - 1;
            assert!((3..=4).contains(&begun), "{faults:?}: {begun}");
            assert_eq!(house.posts("notifications/initialized"), begun + 1, "each is told that the host is ready");
            assert_eq!(bridge.end().await.stdout.len(), 11, "{faults:?}: the host notices nothing");
        }
    }
}

#[tokio::test]
async fn t6_many_that_find_out_at_once_make_one_session() {
    let house = House::new(open()).await;
    let mut bridge = settled(&house).await;
    house.server.forget_sessions();
    let mut ids = Vec::new();
    for n in 0..20 {
        ids.push(bridge.send_request("tools/call", json!({"name": "echo", "arguments": {"n": n}})).await);
    }
    for (n, id) in ids.into_iter().enumerate() {
        assert_eq!(bridge.response(id).await["result"]["structuredContent"], json!({"n": n}));
    }
    assert_eq!((house.posts("initialize"), house.server.sessions().len()), (2, 1));
    let log = house.server.log();
    let again =
        log.iter().filter(|seen| is_post(seen, "initialize")).map(|seen| (seen.json(), seen.header("mcp-session-id")));
    let (bodies, ids): (Vec<Value>, Vec<Option<&str>>) = again.unzip();
    assert_eq!(bodies[0]["params"], bodies[1]["params"], "the host's own words");
    assert_eq!(ids, [None, None]);
}

#[tokio::test]
async fn t6_the_level_the_subscriptions_and_the_stream_are_there_again() {
    let house = House::new(open()).await;
    let mut bridge = settled(&house).await;
    for (method, params) in [
        ("logging/setLevel", json!({"level": "warning"})),
        ("resources/subscribe", json!({"uri": "mock://readme"})),
        ("resources/subscribe", json!({"uri": "mock://clock"})),
        ("resources/unsubscribe", json!({"uri": "mock://clock"})),
    ] {
        assert_eq!(bridge.request(method, params).await["result"], json!({}), "{method}");
    }
    house.server.forget_sessions();
    assert_eq!(bridge.request("ping", json!({})).await["result"], json!({}));
    house.server.wait_for(|log| streams(log) == 2).await;
    let sessions = house.server.sessions();
    assert_eq!(sessions.len(), 1);
    assert!(sessions[0].initialized && sessions[0].has_stream);
    assert_eq!(
        (sessions[0].level.as_str(), &sessions[0].subscriptions),
        ("warning", &vec!["mock://readme".to_owned()])
    );
    assert_eq!(house.server.update_resource("mock://readme").await, 1);
    assert_eq!(bridge.next().await["params"]["uri"], "mock://readme");
    assert_eq!(bridge.end().await.stdout.len(), 1 + 4 + 1 + 1, "no answer to what was set again");
}

#[tokio::test]
async fn t6_a_notification_finds_out_too_that_the_session_is_lost() {
    let house = House::new(open()).await;
    let mut bridge = settled(&house).await;
    house.server.forget_sessions();
    bridge.send(json!({"jsonrpc": "2.0", "method": "notifications/roots/list_changed"})).await;
    house.server.wait_for(|log| log.iter().filter(|seen| is_post(seen, "initialize")).count() == 2).await;
    assert_eq!(bridge.request("ping", json!({})).await["result"], json!({}));
    assert_eq!(house.posts("initialize"), 2);
}

#[tokio::test]
async fn t6_while_a_session_is_begun_anew_nothing_is_sent_without_one() {
    let house = House::new(open().initialize_delay(Duration::from_millis(400))).await;
    let mut bridge = house.settled(house.options().with(&["--max-in-flight", "1"])).await;
    let slow = json!({"name": "slow", "arguments": {"milliseconds": 60_000}});
    let first = bridge.send_request("tools/call", slow).await;
    house.server.wait_for_slow(1).await;
    let second = bridge.send_request("tools/call", json!({"name": "echo", "arguments": {"n": 1}})).await;
    house.server.forget_sessions();
    bridge.send(json!({"jsonrpc": "2.0", "method": "notifications/x"})).await;
    house.server.wait_for(|log| log.iter().filter(|seen| is_post(seen, "initialize")).count() == 2).await;
    // There is room now for the one that waited, and no session yet.
    house.server.release_slow();
    assert!(bridge.response(first).await["result"].is_object());
    let response = bridge.response(second).await;
    assert_eq!(response["result"]["structuredContent"], json!({"n": 1}), "{response}");
    let log = house.server.log();
    let without = |seen: &&Seen| seen.header("mcp-session-id").is_none() && !is_post(seen, "initialize");
    assert_eq!(log.iter().filter(without).count(), 0);
}

#[tokio::test]
async fn t6_where_there_is_no_session_id_a_404_is_the_requests_own() {
    let house = House::new(open().fault(Fault::NoSession)).await;
    let mut bridge = settled(&house).await;
    house.server.forget_sessions();
    let response = bridge.call_tool("echo", json!({})).await;
    assert_eq!(response["error"]["code"], -32000, "what the server said: {response}");
    assert_eq!(house.posts("initialize"), 1);
}

#[tokio::test]
async fn t4_the_answer_to_a_request_of_a_lost_session_goes_nowhere() {
    let house = House::new(open()).await;
    let mut bridge = settled(&house).await;
    let id = bridge.send_request("tools/call", json!({"name": "ask", "arguments": {}})).await;
    let question = bridge.next().await;
    assert_eq!(question["method"], "elicitation/create");
    house.server.forget_sessions();
    house.server.end_streams();
    assert_eq!(code(&bridge.response(id).await), "stream_broken");
    assert_eq!(bridge.request("ping", json!({})).await["result"], json!({}));
    let answer = json!({"action": "accept", "content": {"name": "Anna"}});
    bridge.send(json!({"jsonrpc": "2.0", "id": question["id"], "result": answer})).await;
    // What comes behind it shows that it was passed over.
    bridge.send(json!({"jsonrpc": "2.0", "method": "notifications/x"})).await;
    house.server.wait_for(|log| log.iter().any(|seen| is_post(seen, "notifications/x"))).await;
    assert!(!house.server.log().iter().any(|seen| seen.json()["result"].is_object()), "nowhere");
}

#[tokio::test]
async fn t3_the_revision_that_was_agreed_on_goes_with_everything_where_it_knows_the_header() {
    for (revision, header) in
        [("2025-03-26", None), ("2025-06-18", Some("2025-06-18")), ("2025-11-25", Some("2025-11-25"))]
    {
        let house = House::new(open()).await;
        let mut bridge = house.options().start();
        bridge.initialize_as(revision).await;
        house.server.wait_for(|log| streams(log) == 1).await;
        assert_eq!(bridge.request("ping", json!({})).await["result"], json!({}));
        bridge.end().await;
        let log = house.server.log();
        let later: Vec<_> = log.iter().filter(|seen| !is_post(seen, "initialize")).collect();
        assert!(later.len() >= 4, "{revision}");
        assert!(later.iter().all(|seen| seen.header("mcp-protocol-version") == header), "{revision}: {later:?}");
    }
}

#[tokio::test]
async fn t3_a_server_that_refuses_the_goodbye_changes_nothing() {
    let house = House::new(open().fault(Fault::Delete405)).await;
    let mut bridge = settled(&house).await;
    assert_eq!(bridge.request("ping", json!({})).await["result"], json!({}));
    let ended = bridge.end().await;
    assert!(ended.status.success());
    assert_eq!(
        house.server.log().last().map(|seen| (seen.method.to_string(), seen.status)),
        Some(("DELETE".into(), 405))
    );
    assert_eq!(ended.stdout.len(), 2);
}
