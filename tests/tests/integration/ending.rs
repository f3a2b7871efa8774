//! The end (H7), however the host brings it about and whatever else is going on: it is never kept waiting for.

use mcp_bridge_tests::bridge::Options;
use mcp_bridge_tests::scripted::{Answer, Scripted};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{House, code, open};

#[tokio::test]
async fn h7_at_the_end_of_input_what_is_in_flight_is_still_answered() {
    let house = House::new(open()).await;
    let mut bridge = house.bridge().await;
    let id = bridge.send_request("tools/call", json!({"name": "slow", "arguments": {"milliseconds": 60_000}})).await;
    house.server.wait_for_slow(1).await;
    bridge.close_stdin();
    house.server.release_slow();
    let response = bridge.response(id).await;
    assert!(response["result"].is_object(), "{response}");
    let ended = bridge.ended().await;
    assert!(ended.status.success());
    assert!(house.server.log().iter().any(|seen| seen.method == "DELETE"), "the session is ended");
}

#[tokio::test]
async fn h7_at_the_end_of_input_nothing_is_waited_for_where_nothing_is_in_flight() {
    let server = Scripted::start(|seen| match seen.http.as_str() {
        "GET" => Answer::open_stream(": hello\n\n"),
        _ => Answer::honest(seen),
    })
    .await;
    let state = tempfile::tempdir().unwrap();
    let mut bridge = Options::to(&server.url, state.path()).with(&["--log", "debug"]).start();
    bridge.initialize().await;
    server.wait_for(|log| log.iter().any(|seen| seen.http == "GET")).await;
    let ended = bridge.end().await;
    assert_eq!(server.log().last().unwrap().http, "DELETE");
    assert!(ended.stderr.contains("everything is said"), "no limit was used up: {}", ended.stderr);
}

#[cfg(unix)]
#[tokio::test]
async fn h7_a_signal_ends_the_bridge_at_once_and_no_request_is_left_without_an_answer() {
    for signal in ["-TERM", "-INT"] {
        let house = House::new(open()).await;
        let mut bridge = house.bridge().await;
        let id =
            bridge.send_request("tools/call", json!({"name": "slow", "arguments": {"milliseconds": 60_000}})).await;
        house.server.wait_for_slow(1).await;
        bridge.signal(signal).await;
        assert_eq!(code(&bridge.response(id).await), "shutting_down");
        assert!(bridge.ended().await.status.success());
    }
}

#[cfg(unix)]
#[tokio::test]
async fn h7_a_signal_has_its_limit_although_the_server_does_not_answer_the_goodbye() {
    let server = Scripted::start(|seen| match seen.http.as_str() {
        "DELETE" => Answer::SayAndHang(String::new()),
        _ => Answer::honest(seen),
    })
    .await;
    let state = tempfile::tempdir().unwrap();
    let mut bridge = Options::to(&server.url, state.path()).start();
    bridge.initialize().await;
    let signalled = std::time::Instant::now();
    bridge.signal("-TERM").await;
    assert!(bridge.ended().await.status.success());
    assert!(signalled.elapsed().as_secs() < 5, "{:?}", signalled.elapsed());
    assert_eq!(server.log().last().unwrap().http, "DELETE");
}

#[cfg(unix)]
#[tokio::test]
async fn h7_a_signal_ends_a_bridge_whose_host_does_not_read() {
    let house = House::new(open()).await;
    let mut bridge = house.options().deaf().start();
    bridge.send_initialize().await;
    bridge.send(json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
    let text = "x".repeat(16 * 1024);
    for _ in 0..100 {
        bridge.send_request("tools/call", json!({"name": "echo", "arguments": {"text": text}})).await;
    }
    house.server.wait_for(|log| log.iter().filter(|seen| seen.method == "POST").count() >= 102).await;
    bridge.signal("-TERM").await;
    assert!(bridge.exited().await.success());
}

#[tokio::test]
async fn h7_nothing_the_host_sends_keeps_its_cancellations_and_signals_waiting() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let state = tempfile::tempdir().unwrap();
    let mut bridge = Options::to(&format!("http://{}/mcp", silent.local_addr().unwrap()), state.path()).start();
    bridge.send_initialize().await;
    let call = json!({"jsonrpc": "2.0", "id": "c", "method": "tools/call", "params": {"name": "x"}});
    bridge.send(&call).await;
    for n in 0..400 {
        bridge.send(json!({"jsonrpc": "2.0", "method": "notifications/x", "params": {"n": n}})).await;
    }
    bridge.send(json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "c"}})).await;
    bridge.send(&call).await; // refused, were the first one not cancelled
    bridge.send("no JSON").await;
    assert_eq!(bridge.next().await["error"]["code"], -32700);
    #[cfg(unix)]
    {
        bridge.signal("-TERM").await;
        assert_eq!(bridge.ended().await.stdout.len(), 3, "and the two that were open");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn h7_a_closed_stdout_ends_a_bridge_that_has_nothing_to_say() {
    let house = House::new(open()).await;
    let mut bridge = house.bridge().await;
    bridge.close_stdout().await;
    assert!(bridge.exited().await.success());
    assert!(house.server.log().iter().any(|seen| seen.method == "DELETE"), "the session is ended");
    assert!(!bridge.stderr().contains("panicked"), "{}", bridge.stderr());
}

#[tokio::test]
async fn three_lines_by_a_pipe_give_three_answers_and_exit_0() {
    let house = House::new(open()).await;
    let mut bridge = house.options().start();
    bridge.send_initialize().await;
    bridge.send_request("tools/list", json!({})).await;
    bridge.send_request("ping", json!({})).await;
    let ended = bridge.end().await;
    assert!(ended.status.success());
    assert_eq!(ended.stdout.len(), 3);
    for line in &ended.stdout {
        assert!(serde_json::from_str::<Value>(line).unwrap()["result"].is_object(), "{line}");
    }
}
