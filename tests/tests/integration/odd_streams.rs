//! Event streams and handshakes that are whole in part only: what of them is good counts, and what is not is asked for again
//! within bounds (T5, T7, T11).

use std::time::Duration;

use mcp_bridge_tests::bridge::{Bridge, Options};
use mcp_bridge_tests::scripted::{Answer, Scripted, Seen};
use mcp_mock_server::{Fault, MockServer};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{House, code};

async fn start(script: impl FnMut(&Seen) -> Answer + Send + 'static) -> (Scripted, Bridge, TempDir) {
    let server = Scripted::start(script).await;
    let state = tempfile::tempdir().unwrap();
    let bridge = Options::to(&server.url, state.path()).patience(Duration::from_secs(10)).start();
    (server, bridge, state)
}

/// An event stream that is over.
fn stream(events: &str) -> Answer {
    Answer::whole("200 OK", "content-type: text/event-stream\r\n", events)
}

#[tokio::test]
async fn t5_what_came_before_an_event_that_cannot_be_read_is_told() {
    let (_server, mut bridge, _state) = start(|seen| match seen.method() {
        "tools/call" => {
            let response = json!({"jsonrpc": "2.0", "id": seen.json["id"], "result": {"content": []}});
            stream(&format!("data: {response}\n\ndata: [oops\n\n"))
        }
        _ => Answer::honest(seen),
    })
    .await;
    bridge.initialize().await;
    assert!(bridge.call_tool("x", json!({})).await["result"].is_object());
    assert!(bridge.end().await.status.success());
}

#[tokio::test]
async fn t5_an_id_that_no_header_can_carry_leads_nowhere() {
    let (server, mut bridge, _state) = start(|seen| match seen.method() {
        "tools/call" => stream("id: a\u{1}b\ndata:\n\n"),
        _ => Answer::honest(seen),
    })
    .await;
    bridge.initialize().await;
    bridge.request("tools/list", json!({})).await;
    let asked = server.log().iter().filter(|seen| seen.http == "GET").count();
    assert_eq!(code(&bridge.call_tool("x", json!({})).await), "stream_broken");
    assert_eq!(server.log().iter().filter(|seen| seen.http == "GET").count(), asked);
}

#[tokio::test]
async fn t5_a_time_that_nobody_waits_for_is_an_error_at_once() {
    let (_server, mut bridge, _state) = start(|seen| match seen.method() {
        "tools/call" => stream("retry: 3600000\nid: 1\ndata:\n\n"),
        _ => Answer::honest(seen),
    })
    .await;
    bridge.initialize().await;
    assert_eq!(code(&bridge.call_tool("x", json!({})).await), "stream_broken");
}

#[tokio::test]
async fn t11_a_message_beside_the_first_event_hides_nothing() {
    let (server, mut bridge, _state) = start(|seen| match (seen.http.as_str(), seen.path.as_str()) {
        ("GET", _) => Answer::open_stream(concat!(
            "event: endpoint\ndata: /messages\n\n",
            "event: message\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{}}\n\n"
        )),
        ("POST", "/mcp") => Answer::whole("405 Method Not Allowed", "", ""),
        _ => Answer::whole("202 Accepted", "", ""),
    })
    .await;
    bridge.send_initialize().await;
    server.wait_for(|log| log.iter().any(|seen| seen.path == "/messages" && seen.is("POST", "initialize"))).await;
    assert_eq!(bridge.next().await["method"], "notifications/message");
}

#[tokio::test]
async fn t7_a_handshake_whose_answer_breaks_off_is_begun_anew() {
    let fault = Fault::ClosedBeforeAnswer.with("2").unwrap();
    let house = House::new(MockServer::builder().protected(false).fault(fault)).await;
    let mut bridge = house.bridge().await;
    assert!(bridge.call_tool("list_files", json!({})).await["result"].is_object());
    assert_eq!(house.server.log().iter().filter(|seen| seen.json()["method"] == "initialize").count(), 3);
}

#[tokio::test]
async fn t7_a_busy_server_that_names_a_time_beyond_all_time_is_an_error_that_says_so() {
    let (_server, mut bridge, _state) = start(|seen| match seen.method() {
        "tools/call" => Answer::whole("503 Service Unavailable", "retry-after: 18446744073709551615\r\n", ""),
        _ => Answer::honest(seen),
    })
    .await;
    bridge.initialize().await;
    let refused: Value = bridge.call_tool("x", json!({})).await;
    assert_eq!(code(&refused), "http_error", "{refused}");
}

#[cfg(unix)]
mod one_socket {
    use std::io::Write;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;
    use std::process::{Command, Stdio};
    use std::time::Instant;

    use super::*;

    #[tokio::test]
    async fn h7_one_socket_for_both_ways_does_not_keep_the_end_waiting_for_a_host_that_does_not_read() {
        let house = House::new(MockServer::builder().protected(false)).await;
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        let end = || Stdio::from(OwnedFd::from(theirs.try_clone().unwrap()));
        let mut bridge = Command::new(mcp_bridge_tests::binary::mcp_bridge())
            .args(["--upstream", &house.server.mcp_url(), "--log", "off", "--state-dir"])
            .arg(house.state.path().join("state"))
            .stdin(end())
            .stdout(end())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        drop(theirs);
        let initialize = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"h","version":"1"}}}"#;
        writeln!(ours, "{initialize}").unwrap();
        for id in 2..12 {
            let call = r#""method":"tools/call","params":{"name":"large","arguments":{"bytes":1000000}}"#;
            writeln!(ours, r#"{{"jsonrpc":"2.0","id":{id},{call}}}"#).unwrap();
        }
        house.server.wait_for(|log| log.iter().any(|seen| seen.json()["method"] == "tools/call")).await;
        ours.shutdown(std::net::Shutdown::Write).unwrap();
        let begun = Instant::now();
        let ended = tokio::task::spawn_blocking(move || bridge.wait()).await.unwrap().unwrap();
        // 5 s for the last answers, and one for the farewell.
        assert!(ended.success() && begun.elapsed() < Duration::from_secs(15), "{ended} after {:?}", begun.elapsed());
    }
}
