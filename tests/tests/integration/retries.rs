//! What is sent again, and what never (T7), by the mock server's outages: connections that die, answers that are lost, a
//! server that is busy or away.

use std::time::{Duration, Instant, SystemTime};

use mcp_bridge_tests::bridge::Bridge;
use mcp_mock_server::{Fault, FaultSetting, MockServerBuilder, RetryAfter};
use serde_json::json;

use crate::{House, cancelled, code, is_post, open, with};

async fn house_with(server: MockServerBuilder, faults: &[FaultSetting]) -> (House, Bridge) {
    let house = House::new(server).await;
    let bridge = house.settled(house.options()).await;
    house.server.set_faults(faults.iter().cloned());
    (house, bridge)
}

#[tokio::test]
async fn t7_what_may_have_been_carried_out_is_sent_again_only_if_it_is_idempotent() {
    let outages = [Fault::ClosedBeforeAnswer, Fault::LostAnswer, Fault::ResetAtHeaders, Fault::ResetInBody];
    for fault in outages {
        let (house, mut bridge) = house_with(open(), &[fault.into()]).await;
        for (method, params) in [
            ("resources/list", json!({})),
            ("resources/read", json!({"uri": "mock://readme"})),
            ("tools/list", json!({})),
            ("ping", json!({})),
        ] {
            house.server.set_faults([fault]);
            let response = bridge.request(method, params).await;
            assert!(response["result"].is_object(), "{fault}: {method}: {response}");
            assert_eq!(house.posts(method), 2, "{fault}: {method}");
        }
        house.server.set_faults([fault]);
        let response = bridge.call_tool("echo", json!({})).await;
        let known = ["connection_broken", "connection_failed", "stream_broken"];
        assert!(known.contains(&code(&response)), "{fault}: {response}");
        assert_eq!(house.posts("tools/call"), 1, "{fault}: never twice");
        assert!(bridge.call_tool("echo", json!({})).await["result"].is_object(), "{fault}: the next call works");
        assert_eq!(house.posts("tools/call"), 2, "{fault}");
    }
}

#[tokio::test]
async fn t7_what_is_sent_again_in_vain_ends_in_an_error() {
    let (house, mut bridge) = house_with(open(), &[with(Fault::ClosedBeforeAnswer, 100)]).await;
    let response = bridge.request("resources/list", json!({})).await;
    assert!(!code(&response).is_empty());
    assert_eq!(house.posts("resources/list"), 5, "no more than four times again");
    house.server.set_fault(None);
    assert!(bridge.request("resources/list", json!({})).await["result"].is_object());
}

#[tokio::test]
async fn t7_a_connection_that_died_while_it_was_idle_costs_no_call() {
    let (house, mut bridge) = house_with(open(), &[with(Fault::IdleConnectionsClose, 20)]).await;
    for n in 0..5 {
        let response = bridge.call_tool("echo", json!({"n": n})).await;
        assert_eq!(response["result"]["structuredContent"]["n"], n, "{response}");
        tokio::time::sleep(Duration::from_millis(60)).await; // it is the time that closes it
    }
    assert_eq!(house.posts("tools/call"), 5, "each once");
}

#[tokio::test]
async fn t7_of_many_connections_that_are_dead_together_a_list_meets_one() {
    const MANY: usize = 8;
    let (house, mut bridge) = house_with(open(), &[]).await;
    let mut calls = Vec::new();
    for _ in 0..MANY {
        calls.push(bridge.send_request("tools/call", json!({"name": "slow", "arguments": {}})).await);
    }
    house.server.wait_for_slow(MANY).await;
    // From now on a connection is dead once it has answered.
    house.server.set_fault(Some(Fault::DeadOnReuse));
    house.server.release_slow();
    for call in calls {
        assert!(bridge.response(call).await["result"].is_object());
    }
    assert!(bridge.request("resources/list", json!({})).await["result"]["resources"].is_array());
    house.server.set_fault(None);
}

#[tokio::test]
async fn t7_a_connection_that_is_dead_when_it_is_used_again_costs_no_list_and_no_call_is_sent_twice() {
    let (house, mut bridge) = house_with(open(), &[Fault::DeadOnReuse.into()]).await;
    for n in 0..4 {
        let list = bridge.request("resources/list", json!({})).await;
        assert!(list["result"]["resources"].is_array(), "{n}: {list}");
    }
    let (mut answered, mut failed) = (0, 0);
    for n in 0..4 {
        match bridge.call_tool("echo", json!({"n": n})).await {
            response if response["result"].is_object() => answered += 1,
            response => {
                assert!(!code(&response).is_empty());
                failed += 1;
            }
        }
    }
    assert_eq!(house.posts("tools/call"), answered, "{failed} were lost, none was sent twice");
    house.server.set_fault(None);
}

#[tokio::test]
async fn t7_a_server_that_is_away_for_a_moment_costs_no_call() {
    for paused in [false, true] {
        let house = House::new(open()).await;
        let mut bridge = house.settled(house.options().with(&["--log", "info"])).await;
        house.server.pause().await;
        let id = bridge.send_request("tools/call", json!({"name": "echo", "arguments": {"n": 1}})).await;
        bridge.stderr_line_with("trying again").await;
        if paused {
            // Sessions are forgotten by a server that comes back another.
            house.server.forget_sessions();
        }
        house.server.resume().unwrap();
        let response = bridge.response(id).await;
        assert_eq!(response["result"]["structuredContent"], json!({"n": 1}), "{response}");
        let done = house.server.log().iter().filter(|seen| is_post(seen, "tools/call") && seen.status == 200).count();
        assert_eq!(done, 1);
    }
}

#[tokio::test]
async fn t7_a_busy_server_is_asked_again_when_it_says_and_the_call_is_carried_out_once() {
    for (fault, after, least) in [
        (Fault::RetryAfter429, RetryAfter::Seconds(1), Duration::from_secs(1)),
        (Fault::RetryAfter503, RetryAfter::Seconds(1), Duration::from_secs(1)),
        (Fault::RetryAfter429, RetryAfter::Date(2), Duration::from_secs(1)), // dates are in whole seconds
        (Fault::RetryAfter503, RetryAfter::Date(2), Duration::from_secs(1)),
    ] {
        let (house, mut bridge) = house_with(open().retry_after(Some(after)), &[fault.into()]).await;
        let response = bridge.call_tool("echo", json!({"n": 1})).await;
        assert_eq!(response["result"]["structuredContent"], json!({"n": 1}), "{fault} {after:?}: {response}");
        let log = house.server.log();
        let tries: Vec<(SystemTime, u16)> =
            log.iter().filter(|seen| is_post(seen, "tools/call")).map(|seen| (seen.at, seen.status)).collect();
        assert_eq!(tries.len(), 2, "{fault} {after:?}: {tries:?}");
        let waited = tries[1].0.duration_since(tries[0].0).unwrap();
        assert!(waited >= least, "{fault} {after:?}: {waited:?}");
        assert!(waited < least * 3, "{fault} {after:?}: {waited:?}");
    }
}

#[tokio::test]
async fn t7_a_busy_server_that_asks_for_too_long_a_wait_is_an_error_at_once_that_says_so() {
    for (fault, after) in
        [(Fault::RetryAfter429, RetryAfter::Seconds(3600)), (Fault::RetryAfter503, RetryAfter::Date(3600))]
    {
        let (house, mut bridge) = house_with(open().retry_after(Some(after)), &[with(fault, 100)]).await;
        let asked = Instant::now();
        let response = bridge.call_tool("echo", json!({})).await;
        assert_eq!(code(&response), "http_error");
        let message = response["error"]["message"].as_str().unwrap();
        assert!(message.contains("wants to be asked again in 3") && message.contains(" s"), "{message}");
        assert!(asked.elapsed() < Duration::from_secs(5), "{:?}", asked.elapsed());
        assert_eq!(house.posts("tools/call"), 1);
    }
}

#[tokio::test]
async fn t7_a_busy_answer_that_names_no_time_is_a_calls_error_and_a_list_is_tried_again() {
    let (house, mut bridge) = house_with(open().retry_after(None), &[Fault::RetryAfter503.into()]).await;
    assert_eq!(code(&bridge.call_tool("echo", json!({})).await), "http_error");
    house.server.set_faults([Fault::RetryAfter503]);
    assert!(bridge.request("resources/list", json!({})).await["result"].is_object());
    assert_eq!((house.posts("tools/call"), house.posts("resources/list")), (1, 2));
}

#[tokio::test]
async fn t7_a_notification_reaches_a_server_that_is_busy_or_away_for_a_moment() {
    let (house, mut bridge) = house_with(open(), &[Fault::RetryAfter503.into()]).await;
    bridge.send(json!({"jsonrpc": "2.0", "method": "notifications/x"})).await;
    house.server.wait_for(|log| log.iter().any(|seen| is_post(seen, "notifications/x") && seen.status == 202)).await;
    house.server.pause().await;
    bridge.send(json!({"jsonrpc": "2.0", "method": "notifications/y"})).await;
    house.server.resume().unwrap();
    house.server.wait_for(|log| log.iter().any(|seen| is_post(seen, "notifications/y") && seen.status == 202)).await;
    assert_eq!(house.posts("notifications/y"), 1);
}

#[tokio::test]
async fn t7_a_server_that_is_busy_at_the_start_is_waited_for_as_it_says() {
    for fault in [Fault::RetryAfter429, Fault::RetryAfter503] {
        let house = House::new(open().fault(fault)).await;
        let mut bridge = house.options().start();
        assert!(bridge.initialize().await["result"].is_object(), "{fault}");
        let log = house.server.log();
        let tries: Vec<SystemTime> =
            log.iter().filter(|seen| is_post(seen, "initialize")).map(|seen| seen.at).collect();
        assert_eq!(tries.len(), 2, "{fault}");
        assert!(tries[1].duration_since(tries[0]).unwrap() >= Duration::from_secs(1), "{fault}");
    }
    let server = open().retry_after(Some(RetryAfter::Seconds(3600))).fault(with(Fault::RetryAfter503, 100));
    let house = House::new(server).await;
    let mut bridge = house.options().start();
    let response = bridge.initialize().await;
    assert!(response["error"]["message"].as_str().unwrap().contains("3600 s"), "{response}");
    assert_eq!(house.posts("initialize"), 1);
}

#[tokio::test]
async fn t9_a_call_that_is_cancelled_before_it_reached_the_server_never_does() {
    let house = House::new(open()).await;
    let mut bridge = house.settled(house.options().with(&["--log", "info"])).await;
    house.server.pause().await;
    let id = bridge.send_request("tools/call", json!({"name": "echo", "arguments": {}})).await;
    bridge.stderr_line_with("trying again").await;
    bridge.send(cancelled(&json!(id))).await;
    house.server.resume().unwrap();
    house.server.wait_for(|log| log.iter().any(|seen| is_post(seen, "notifications/cancelled"))).await;
    assert!(bridge.call_tool("echo", json!({"n": 2})).await["result"].is_object());
    assert_eq!(house.posts("tools/call"), 1);
    assert_eq!(bridge.end().await.stdout.len(), 2);
}

#[tokio::test]
async fn t7_by_http2_too_what_is_lost_with_its_connection_is_sent_again_only_if_it_is_idempotent() {
    let house = House::new(open().tls()).await;
    let authority = house.state.path().join("ca.pem");
    std::fs::write(&authority, house.server.ca_pem().unwrap()).unwrap();
    let mut bridge = house.settled(house.options().with(&["--ca-file", authority.to_str().unwrap()])).await;
    for fault in [Fault::ClosedBeforeAnswer, Fault::LostAnswer, Fault::ResetInBody] {
        let (lists, calls) = (house.posts("resources/list"), house.posts("tools/call"));
        house.server.set_faults([fault]);
        let list = bridge.request("resources/list", json!({})).await;
        assert!(list["result"].is_object(), "{fault}: {list}");
        assert_eq!(house.posts("resources/list"), lists + 2, "{fault}");
        house.server.set_faults([fault]);
        assert!(!code(&bridge.call_tool("echo", json!({})).await).is_empty(), "{fault}");
        assert_eq!(house.posts("tools/call"), calls + 1, "{fault}: never twice");
        assert!(bridge.call_tool("echo", json!({})).await["result"].is_object(), "{fault}: the next call works");
    }
}
