//! Every request has exactly one response, and the end is the end, whatever the server does meanwhile (H7, H8, H9).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use mcp_bridge_tests::bridge::Bridge;
use mcp_mock_server::{Fault, FaultSetting, ReplyForm};
use serde_json::{Value, json};

use crate::{House, code, is_post, open, with};

/// How often each id was answered.
fn answers(lines: &[String]) -> BTreeMap<String, usize> {
    let mut counted = BTreeMap::new();
    for line in lines {
        let message: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        if message.get("method").is_none() {
            *counted.entry(message["id"].to_string()).or_default() += 1;
        }
    }
    counted
}

/// Sends `many` calls at once and waits for all their responses.
async fn all_answered(bridge: &mut Bridge, many: u64) -> Vec<Value> {
    let mut ids = Vec::new();
    for n in 0..many {
        ids.push(bridge.send_request("tools/call", json!({"name": "echo", "arguments": {"n": n}})).await);
    }
    let mut responses = Vec::new();
    for id in ids {
        responses.push(bridge.response(id).await);
    }
    responses
}

#[tokio::test]
async fn h8_each_of_twenty_requests_has_one_response_whatever_is_wrong_and_the_next_call_works() {
    let table = [
        with(Fault::ClosedBeforeAnswer, 5),
        with(Fault::LostAnswer, 5),
        with(Fault::ResetAtHeaders, 5),
        with(Fault::ResetInBody, 5),
        with(Fault::RetryAfter429, 5),
        with(Fault::LostSession, 4),
        with(Fault::StreamClosedBeforeResponse, 0),
        with(Fault::StreamReset, 0),
        with(Fault::HalfEvent, 0),
        Fault::AnswersTwice.into(),
        Fault::WrongId.into(),
        Fault::Empty200.into(),
        Fault::HtmlError.into(),
        Fault::Mcp503.into(),
        Fault::StreamCut.into(),
        Fault::RedirectMcp.into(),
    ];
    for fault in table {
        let house = House::new(open().retry_after(None)).await;
        let mut bridge = house.settled(house.options()).await;
        house.server.set_faults([FaultSetting::clone(&fault)]);
        for response in all_answered(&mut bridge, 20).await {
            assert!(response["result"].is_object() || !code(&response).is_empty(), "{fault}: {response}");
        }
        let sent = house.posts("tools/call");
        let refused =
            house.server.log().iter().filter(|seen| is_post(seen, "tools/call") && seen.status == 404).count();
        assert!(sent - refused <= 20, "{fault}: {sent} were sent");
        house.server.set_fault(None);
        assert!(bridge.call_tool("echo", json!({})).await["result"].is_object(), "{fault}: the next call works");
        let ended = bridge.end().await;
        let counted = answers(&ended.stdout);
        assert_eq!(counted.len(), 22, "{fault}");
        assert!(counted.values().all(|count| *count == 1), "{fault}: {counted:?}");
    }
}

#[tokio::test]
async fn h7_at_the_end_of_input_each_request_has_its_answer_or_an_error_in_time_whatever_is_wrong() {
    for fault in [Fault::NoResponseHead, Fault::HangsAfterHead, Fault::RetryAfter503] {
        let house = House::new(open()).await;
        let mut bridge = house.settled(house.options()).await;
        house.server.set_faults([with(fault, 1000)]);
        let ids = [
            bridge.send_request("tools/call", json!({"name": "echo", "arguments": {}})).await,
            bridge.send_request("resources/list", json!({})).await,
        ];
        let seen = |seen: &mcp_mock_server::Seen| is_post(seen, "tools/call");
        house.server.wait_for(|log| log.iter().any(seen)).await;
        let ends = Instant::now();
        let ended = bridge.end().await;
        assert!(ends.elapsed() < Duration::from_secs(8), "{fault}: {:?}", ends.elapsed());
        assert!(ended.status.success(), "{fault}");
        let counted = answers(&ended.stdout);
        assert!(ids.iter().all(|id| counted.get(&id.to_string()) == Some(&1)), "{fault}: {counted:?}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn h7_a_signal_ends_at_once_what_is_tried_again_and_again() {
    let house = House::new(open()).await;
    let mut bridge = house.settled(house.options().with(&["--log", "info"])).await;
    house.server.pause().await;
    let id = bridge.send_request("tools/call", json!({"name": "echo", "arguments": {}})).await;
    bridge.stderr_line_with("trying again").await;
    let signalled = Instant::now();
    bridge.signal("-TERM").await;
    assert_eq!(code(&bridge.response(id).await), "shutting_down");
    assert!(bridge.ended().await.status.success());
    assert!(signalled.elapsed() < Duration::from_secs(4), "{:?}", signalled.elapsed());
}

#[tokio::test]
async fn h9_notifications_keep_their_order_also_where_the_server_stumbles() {
    let house = House::new(open()).await;
    let mut bridge = house.settled(house.options()).await;
    house.server.set_faults([with(Fault::RetryAfter503, 1)]);
    for n in 0..20 {
        bridge.send(json!({"jsonrpc": "2.0", "method": "notifications/n", "params": {"n": n}})).await;
    }
    let taken = |seen: &&mcp_mock_server::Seen| is_post(seen, "notifications/n") && seen.status == 202;
    house.server.wait_for(|log| log.iter().filter(taken).count() == 20).await;
    let log = house.server.log();
    let order: Vec<u64> = log.iter().filter(taken).map(|seen| seen.json()["params"]["n"].as_u64().unwrap()).collect();
    assert_eq!(order, (0..20).collect::<Vec<_>>());
}

#[tokio::test]
async fn h9_a_call_that_waits_for_a_busy_server_or_its_stream_holds_up_no_other() {
    let house = House::new(open().resumable(true).reply(ReplyForm::Sse)).await;
    let mut bridge = house.settled(house.options()).await;
    let slow = json!({"name": "slow", "arguments": {"milliseconds": 60_000}});
    let waits = bridge.send_request("tools/call", slow).await;
    house.server.wait_for_slow(1).await;
    house.server.end_streams();
    house.server.set_faults([with(Fault::RetryAfter429, 1)]);
    let busy = bridge.send_request("tools/call", json!({"name": "echo", "arguments": {"n": 1}})).await;
    house.server.wait_for(|log| log.iter().any(|seen| seen.status == 429)).await;
    for _ in 0..5 {
        assert_eq!(bridge.request("ping", json!({})).await["result"], json!({}));
    }
    house.server.release_slow();
    for id in [waits, busy] {
        assert!(bridge.response(id).await["result"].is_object());
    }
}
