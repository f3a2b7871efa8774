//! Streams that break (T5), in every way that the mock server knows: what was lost comes once and in time, or the call fails
//! by name.

use std::time::{Duration, SystemTime};

use mcp_bridge_tests::bridge::Bridge;
use mcp_mock_server::{Fault, FaultSetting, Listed, MockServerBuilder, ReplyForm, Seen};
use serde_json::{Value, json};

use crate::{House, cancelled, code, is_post, open, progress, steps, text, with};

/// What may pass between the end of a `retry` time and the request that it delays.
const LATE: Duration = Duration::from_millis(200);

fn resumable() -> MockServerBuilder {
    open().resumable(true)
}

async fn broken(server: MockServerBuilder, faults: Vec<FaultSetting>) -> (House, Bridge) {
    let house = House::new(server).await;
    let bridge = house.settled(house.options()).await;
    house.server.set_faults(faults);
    (house, bridge)
}

/// The GETs that go on behind an event.
fn resumptions(log: &[Seen]) -> Vec<Seen> {
    log.iter().filter(|seen| seen.method == "GET" && seen.header("last-event-id").is_some()).cloned().collect()
}

#[tokio::test]
async fn t5_a_stream_that_breaks_is_gone_on_with_and_each_event_comes_once() {
    let table = [
        vec![with(Fault::StreamClosedBeforeResponse, 0)],
        vec![with(Fault::StreamClosedBeforeResponse, 3)],
        vec![with(Fault::HalfEvent, 0)],
        vec![with(Fault::HalfEvent, 3)],
        vec![with(Fault::StreamReset, 0)],
        vec![with(Fault::StreamReset, 3)],
        vec![with(Fault::StreamClosedBeforeResponse, 3), Fault::ReplaysTooMuch.into()],
        vec![with(Fault::StreamReset, 5), Fault::ReplaysTooMuch.into(), Fault::OddEvents.into()],
        vec![with(Fault::StreamPolls, 2)],
    ];
    for faults in table {
        let name = faults.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        let (house, mut bridge) = broken(resumable().sse_retry(Some(Duration::from_millis(50))), faults).await;
        let response = bridge.request("tools/call", progress(6, "p")).await;
        assert_eq!(response["result"]["structuredContent"], json!({"steps": 6}), "{name}: {response}");
        assert_eq!(steps(&bridge, "p"), [1, 2, 3, 4, 5, 6], "{name}");
        assert_eq!(house.posts("tools/call"), 1, "{name}: it is never sent again");
        assert!(!resumptions(&house.server.log()).is_empty(), "{name}");
        house.server.set_fault(None);
        assert_eq!(bridge.request("ping", json!({})).await["result"], json!({}), "{name}");
        assert_eq!(bridge.end().await.stdout.len(), 3 + 6, "{name}");
    }
}

#[tokio::test]
async fn t5_the_stream_is_asked_for_never_sooner_than_retry_says_and_not_much_later() {
    for retry in [Duration::from_millis(150), Duration::from_millis(700)] {
        let faults = vec![with(Fault::StreamClosedBeforeResponse, 0)];
        let (house, mut bridge) = broken(resumable().sse_retry(Some(retry)), faults).await;
        let mut waits = Vec::new();
        for _ in 0..3 {
            bridge.call_tool("echo", json!({"n": 1})).await;
            let log = house.server.log();
            let post = log.iter().rfind(|seen| is_post(seen, "tools/call")).unwrap().at;
            waits.push(between(post, resumptions(&log).last().unwrap().at));
        }
        assert!(waits.iter().all(|wait| *wait >= retry), "{retry:?}: {waits:?}");
        let shortest = waits.iter().min().unwrap();
        assert!(*shortest <= retry + LATE, "{retry:?}: {waits:?}");
    }
}

fn between(earlier: SystemTime, later: SystemTime) -> Duration {
    later.duration_since(earlier).unwrap()
}

#[tokio::test]
async fn t5_a_call_goes_on_while_its_stream_is_away() {
    let (house, mut bridge) = broken(resumable().reply(ReplyForm::Sse), Vec::new()).await;
    let id = bridge.send_request("tools/call", json!({"name": "slow", "arguments": {"milliseconds": 60_000}})).await;
    house.server.wait_for_slow(1).await;
    for times in 1..=2 {
        house.server.end_streams();
        // Of the call and of the session.
        house.server.wait_for(|log| resumptions(log).len() == 2 * times).await;
    }
    house.server.end_streams();
    house.server.release_slow();
    assert_eq!(text(&bridge.response(id).await), "released");
    assert_eq!(house.posts("tools/call"), 1);
}

#[tokio::test]
async fn t5_a_resumption_that_is_refused_is_an_error_that_says_so_and_the_next_call_works() {
    for status in [400, 404, 405] {
        let faults = vec![with(Fault::StreamClosedBeforeResponse, 1), with(Fault::ResumeRefused, status)];
        let (house, mut bridge) = broken(resumable(), faults).await;
        let response = bridge.request("tools/call", progress(4, "p")).await;
        assert_eq!(code(&response), "stream_broken", "{status}");
        assert_eq!(steps(&bridge, "p"), [1], "{status}");
        assert_eq!(house.posts("tools/call"), 1, "{status}: it may have been carried out");
        house.server.set_fault(None);
        assert!(bridge.call_tool("echo", json!({})).await["result"].is_object(), "{status}");
    }
}

#[tokio::test]
async fn t5_without_an_event_to_go_on_behind_a_call_fails_and_a_list_is_asked_for_again() {
    for fault in [Fault::StreamClosedBeforeResponse, Fault::HalfEvent, Fault::StreamReset] {
        let (house, mut bridge) = broken(open(), vec![with(fault, 0)]).await;
        assert_eq!(code(&bridge.call_tool("echo", json!({})).await), "stream_broken", "{fault}");
        assert_eq!(house.posts("tools/call"), 1, "{fault}");
        let list = bridge.send_request("resources/list", json!({})).await;
        let lists = |log: &[Seen]| log.iter().filter(|seen| is_post(seen, "resources/list")).count();
        house.server.wait_for(|log| lists(log) == 2).await;
        house.server.set_fault(None);
        assert!(bridge.response(list).await["result"]["resources"].is_array(), "{fault}");
    }
}

#[tokio::test]
async fn t5_what_the_session_is_told_while_its_stream_is_away_comes_later_and_once() {
    let replays = vec![Fault::ReplaysTooMuch.into()];
    let polls = vec![with(Fault::StreamPolls, 1)];
    for faults in [Vec::new(), replays, polls] {
        let name = format!("{faults:?}");
        let (house, mut bridge) = broken(resumable(), faults).await;
        let mut told = Vec::new();
        for list in [Listed::Tools, Listed::Resources, Listed::Prompts] {
            house.server.end_streams();
            house.server.change_list(list).await;
            told.push(bridge.next().await["method"].clone());
        }
        let kinds = ["tools", "resources", "prompts"].map(|kind| format!("notifications/{kind}/list_changed"));
        assert_eq!(told, kinds.map(Value::from), "{name}");
        assert!(resumptions(&house.server.log()).len() >= 3, "{name}");
        assert_eq!(bridge.end().await.stdout.len(), 4, "{name}: each once");
    }
}

#[tokio::test]
async fn t4_a_stream_without_event_ids_is_opened_again_too() {
    let (house, mut bridge) = broken(open(), Vec::new()).await;
    house.server.end_streams();
    let gets = |log: &[Seen]| log.iter().filter(|seen| seen.method == "GET" && seen.status == 200).count();
    house.server.wait_for(|log| gets(log) == 2).await;
    house.server.change_list(Listed::Tools).await;
    assert_eq!(bridge.next().await["method"], "notifications/tools/list_changed");
}

#[tokio::test]
async fn t5_a_stream_that_brings_nothing_is_asked_for_ever_more_slowly() {
    let faults = vec![Fault::StreamCut.into()];
    let (house, mut bridge) = broken(resumable().sse_retry(Some(Duration::from_millis(50))), faults).await;
    let id = bridge.send_request("tools/call", json!({"name": "echo", "arguments": {}})).await;
    house.server.wait_for(|log| resumptions(log).len() == 5).await;
    let times: Vec<SystemTime> = resumptions(&house.server.log()).iter().map(|seen| seen.at).collect();
    let pauses: Vec<Duration> = times.windows(2).map(|pair| between(pair[0], pair[1])).collect();
    assert!(pauses.windows(2).all(|pair| pair[1] > pair[0].mul_f64(1.3)), "{pauses:?}");
    // Nobody asks any more for what the host has cancelled.
    house.server.set_fault(None);
    bridge.send(cancelled(&json!(id))).await;
    house.server.wait_for(|log| log.iter().any(|seen| is_post(seen, "notifications/cancelled"))).await;
    assert_eq!(bridge.request("ping", json!({})).await["result"], json!({}));
    assert_eq!(bridge.end().await.stdout.len(), 2);
    assert_eq!(house.posts("tools/call"), 1);
}

#[tokio::test]
async fn t5_a_question_of_the_server_on_a_stream_that_was_gone_on_with_is_asked_and_answered_once() {
    let polls = vec![with(Fault::StreamPolls, 1)];
    let (_house, mut bridge) = broken(resumable().sse_retry(Some(Duration::from_millis(50))), polls).await;
    for n in 0..3 {
        let id = bridge.send_request("tools/call", json!({"name": "ask", "arguments": {}})).await;
        let question = bridge.next().await;
        assert_eq!(question["method"], "elicitation/create", "{n}: {question}");
        let answer = json!({"action": "accept", "content": {"name": "Anna"}});
        bridge.send(json!({"jsonrpc": "2.0", "id": question["id"], "result": answer})).await;
        assert!(text(&bridge.response(id).await).contains("Anna"), "{n}");
    }
    assert_eq!(bridge.end().await.stdout.len(), 1 + 3 * 2);
}

#[tokio::test]
async fn t5_many_streams_that_break_at_once_are_each_gone_on_with() {
    let faults = vec![with(Fault::StreamPolls, 2)];
    let (_house, mut bridge) = broken(resumable().sse_retry(Some(Duration::from_millis(50))), faults).await;
    let mut ids = Vec::new();
    for n in 0..12 {
        ids.push(bridge.send_request("tools/call", progress(5, &format!("p{n}"))).await);
    }
    for id in ids {
        assert_eq!(bridge.response(id).await["result"]["structuredContent"], json!({"steps": 5}));
    }
    for n in 0..12 {
        assert_eq!(steps(&bridge, &format!("p{n}")), [1, 2, 3, 4, 5], "{n}");
    }
}

#[tokio::test]
async fn t5_a_session_that_is_lost_while_a_stream_is_away_fails_its_call_and_no_other() {
    let server = resumable().reply(ReplyForm::Sse).sse_retry(Some(Duration::from_millis(300)));
    let (house, mut bridge) = broken(server, Vec::new()).await;
    let id = bridge.send_request("tools/call", json!({"name": "slow", "arguments": {"milliseconds": 60_000}})).await;
    house.server.wait_for_slow(1).await;
    house.server.end_streams();
    house.server.forget_sessions();
    assert_eq!(code(&bridge.response(id).await), "stream_broken");
    assert_eq!(bridge.call_tool("echo", json!({"n": 1})).await["result"]["structuredContent"], json!({"n": 1}));
    assert_eq!((house.posts("tools/call"), house.posts("initialize")), (2, 2));
}
