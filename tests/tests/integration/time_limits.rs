//! Time limits (T8) and what ends a request early (T9): the server is told, the host gets its one answer.

use std::time::{Duration, Instant};

use mcp_bridge_tests::bridge::Options;
use mcp_bridge_tests::scripted::{Answer, Scripted, Seen};
use mcp_mock_server::{Fault, ReplyForm};
use serde_json::{Value, json};

use crate::{House, cancelled, code, is_post, open, text, with};

fn slow() -> Value {
    json!({"name": "slow", "arguments": {"milliseconds": 60_000}})
}

#[tokio::test]
async fn t8_a_request_that_takes_too_long_gets_an_error_and_is_cancelled_at_the_server() {
    for reply in [ReplyForm::Json, ReplyForm::Sse] {
        let house = House::new(open().reply(reply)).await;
        let mut bridge = house.settled(house.options().with(&["--request-timeout", "1"])).await;
        let asked = Instant::now();
        let id = bridge.send_request("tools/call", slow()).await;
        assert_eq!(code(&bridge.response(id).await), "timed_out", "{reply:?}");
        assert!(asked.elapsed() >= Duration::from_secs(1), "{:?}", asked.elapsed());
        house.server.wait_for_slow(0).await;
        house.server.wait_for(|log| log.iter().any(|seen| is_post(seen, "notifications/cancelled"))).await;
        let log = house.server.log();
        let told = log.iter().find(|seen| is_post(seen, "notifications/cancelled")).unwrap();
        assert_eq!(told.json()["params"]["requestId"], id);
        assert!(house.server.sessions()[0].running.is_empty());
        assert!(bridge.call_tool("echo", json!({})).await["result"].is_object(), "the next call works");
    }
}

#[tokio::test]
async fn t8_the_limit_of_a_request_holds_whatever_the_server_does() {
    for fault in [Fault::NoResponseHead, Fault::HangsAfterHead] {
        let house = House::new(open()).await;
        let mut bridge = house.settled(house.options().with(&["--request-timeout", "1"])).await;
        house.server.set_fault(Some(fault));
        assert_eq!(code(&bridge.call_tool("echo", json!({})).await), "timed_out", "{fault}");
        assert!(bridge.call_tool("echo", json!({})).await["result"].is_object(), "{fault}: the next call works");
        assert_eq!(house.posts("tools/call"), 2, "{fault}");
    }
}

#[tokio::test]
async fn t8_a_stream_that_is_silent_for_too_long_is_taken_for_dead() {
    let house = House::new(open().reply(ReplyForm::Sse)).await;
    let mut bridge = house.settled(house.options().with(&["--idle-timeout", "1"])).await;
    let id = bridge.send_request("tools/call", slow()).await;
    assert_eq!(code(&bridge.response(id).await), "stream_broken");
    assert_eq!(house.posts("tools/call"), 1);
    // One that says something now and then lives as long as it likes.
    let arguments = json!({"steps": 4, "milliseconds": 400});
    let params = json!({"name": "progress", "arguments": arguments, "_meta": {"progressToken": "p"}});
    assert!(bridge.request("tools/call", params).await["result"].is_object());
}

#[tokio::test]
async fn t8_a_resumable_stream_that_is_silent_for_too_long_is_asked_for_again_and_the_call_is_answered() {
    let house = House::new(open().resumable(true).reply(ReplyForm::Sse)).await;
    let mut bridge = house.settled(house.options().with(&["--idle-timeout", "1"])).await;
    let id = bridge.send_request("tools/call", slow()).await;
    house.server.wait_for_slow(1).await;
    let resumed = |seen: &mcp_mock_server::Seen| seen.header("last-event-id").is_some();
    house.server.wait_for(|log| log.iter().filter(|seen| resumed(seen)).count() >= 2).await;
    house.server.release_slow();
    assert_eq!(text(&bridge.response(id).await), "released");
    assert_eq!(house.posts("tools/call"), 1);
}

#[tokio::test]
async fn t8_pings_go_at_their_interval_once_there_is_a_session_and_the_host_sees_none() {
    let house = House::new(open()).await;
    let bridge = house.settled(house.options().with(&["--ping-interval", "1"])).await;
    house
        .server
        .wait_for(|log| log.iter().filter(|seen| is_post(seen, "ping") && seen.status == 200).count() == 2)
        .await;
    let log = house.server.log();
    let pings: Vec<_> = log.iter().filter(|seen| is_post(seen, "ping")).collect();
    let between = pings[1].at.duration_since(pings[0].at).unwrap();
    assert!(between >= Duration::from_millis(900), "{between:?}");
    assert!(pings.iter().all(|seen| seen.header("mcp-session-id").is_some()));
    assert_eq!(bridge.end().await.stdout.len(), 1, "the answer to `initialize` alone");
}

#[tokio::test]
async fn t8_a_ping_finds_a_lost_session_and_begins_it_anew() {
    let house = House::new(open()).await;
    let bridge = house.settled(house.options().with(&["--ping-interval", "1"])).await;
    house.server.forget_sessions();
    house.server.wait_for(|log| log.iter().filter(|seen| is_post(seen, "initialize")).count() == 2).await;
    house.server.wait_for(|log| log.iter().any(|seen| is_post(seen, "ping") && seen.status == 200)).await;
    assert_eq!(bridge.end().await.stdout.len(), 1);
}

#[tokio::test]
async fn t8_an_answer_that_never_begins_ends_by_no_limit_but_one_that_is_set() {
    let house = House::new(open()).await;
    let mut bridge = house.settled(house.options()).await;
    house.server.set_faults([with(Fault::NoResponseHead, 1)]);
    let waits = bridge.send_request("tools/call", json!({"name": "echo", "arguments": {}})).await;
    house.server.wait_for(|log| log.iter().any(|seen| is_post(seen, "tools/call"))).await;
    assert!(bridge.request("ping", json!({})).await["result"].is_object(), "it holds up no other");
    bridge.send(cancelled(&json!(waits))).await;
    house.server.wait_for(|log| log.iter().any(|seen| is_post(seen, "notifications/cancelled"))).await;
    assert_eq!(bridge.end().await.stdout.len(), 2);
}

#[tokio::test]
async fn t9_a_cancellation_reaches_the_server_and_the_call_ends_there() {
    for reply in [ReplyForm::Json, ReplyForm::Sse] {
        let house = House::new(open().reply(reply)).await;
        let mut bridge = house.settled(house.options()).await;
        let id = bridge.send_request("tools/call", slow()).await;
        house.server.wait_for_slow(1).await;
        bridge.send(cancelled(&json!(id))).await;
        house.server.wait_for_slow(0).await;
        assert!(house.server.sessions()[0].running.is_empty());
        assert_eq!(bridge.request("ping", json!({})).await["result"], json!({}), "{reply:?}");
        assert_eq!(bridge.end().await.stdout.len(), 2, "{reply:?}: none for what was cancelled");
    }
}

#[tokio::test]
async fn t9_what_nobody_waits_for_is_not_cancelled_and_initialize_cannot_be() {
    let house = House::new(open().initialize_delay(Duration::from_millis(300))).await;
    let mut bridge = house.options().start();
    let initialize = bridge.send_initialize().await;
    bridge.send(cancelled(&json!(initialize))).await;
    assert!(bridge.response(initialize).await["result"].is_object());
    bridge.send(json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
    for id in [json!("nobody"), json!(initialize), json!(null), json!({})] {
        bridge.send(cancelled(&id)).await;
    }
    bridge.send(json!({"jsonrpc": "2.0", "method": "notifications/cancelled"})).await;
    bridge.send(json!({"jsonrpc": "2.0", "method": "notifications/x"})).await;
    house.server.wait_for(|log| log.iter().any(|seen| is_post(seen, "notifications/x"))).await;
    assert_eq!(house.posts("notifications/cancelled"), 0);
    assert_eq!(bridge.request("ping", json!({})).await["result"], json!({}));
}

#[tokio::test]
async fn t9_what_the_host_has_cancelled_is_not_sent_again() {
    let server = Scripted::start(|seen| match seen.method() {
        "resources/read" => Answer::open_stream(": hello\n\n"),
        _ => Answer::honest(seen),
    })
    .await;
    let state = tempfile::tempdir().unwrap();
    let mut bridge = Options::to(&server.url, state.path()).with(&["--idle-timeout", "1"]).start();
    bridge.initialize().await;
    // Both streams say nothing and are taken for dead: the first after nobody waits for it any more.
    let first = bridge.send_request("resources/read", json!({"uri": "a:1"})).await;
    server.wait_for_open(1).await;
    bridge.send(cancelled(&json!(first))).await;
    server.wait_for(|log| log.iter().any(|seen| seen.is("POST", "notifications/cancelled"))).await;
    let second = bridge.send_request("resources/read", json!({"uri": "a:2"})).await;
    let of = |log: &[Seen], id: u64| log.iter().filter(|seen| seen.http == "POST" && seen.json["id"] == id).count();
    server.wait_for(|log| of(log, second) == 2).await;
    assert_eq!(of(&server.log(), first), 1);
}
