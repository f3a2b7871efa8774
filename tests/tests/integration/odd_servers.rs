//! Servers that keep the rules in their own way, or not quite: late, half protected, forgetful (T1, T3, T4, T6, T12).

use std::time::Duration;

use mcp_bridge_tests::bridge::{Bridge, Options};
use mcp_bridge_tests::browser::Browser;
use mcp_bridge_tests::scripted::{Answer, Scripted, Seen};
use serde_json::json;
use tempfile::TempDir;

use crate::code;

/// Well under the limit that the bridge has for a notification.
const SOON: Duration = Duration::from_secs(10);

async fn start(script: impl FnMut(&Seen) -> Answer + Send + 'static) -> (Scripted, Bridge, TempDir) {
    let server = Scripted::start(script).await;
    let state = tempfile::tempdir().unwrap();
    let bridge = Options::to(&server.url, state.path()).patience(SOON).start();
    (server, bridge, state)
}

#[tokio::test]
async fn t12_gzip_is_all_that_is_offered_for_it_is_all_that_is_decoded() {
    let (server, mut bridge, _state) = start(Answer::honest).await;
    bridge.initialize().await;
    bridge.end().await;
    for seen in server.log() {
        assert_eq!(seen.headers.get("accept-encoding").map(String::as_str), Some("gzip"), "{}", seen.http);
    }
}

#[tokio::test]
async fn t3_an_acknowledgement_that_never_ends_holds_up_nothing() {
    let endless = "HTTP/1.1 202 Accepted\r\ntransfer-encoding: chunked\r\n\r\n";
    for acknowledgement in [Answer::open_stream(": hello\n\n"), Answer::SayAndHang(endless.to_owned())] {
        let (server, mut bridge, _state) = start(move |seen| match seen.method() {
            "notifications/initialized" => acknowledgement.clone(),
            _ => Answer::honest(seen),
        })
        .await;
        bridge.initialize().await;
        assert!(bridge.request("ping", json!({})).await["result"].is_object());
        let methods: Vec<String> = server.log().iter().map(|seen| seen.method().to_owned()).collect();
        assert_eq!(methods, ["initialize", "notifications/initialized", "", "ping"]);
    }
}

#[tokio::test]
async fn t3_initialized_that_takes_a_token_opens_no_tab_and_is_said_before_the_call_that_may() {
    let mut denied = true;
    let browser = Browser::obliging().await;
    let server = Scripted::start(move |seen| match Answer::sign_in(seen, denied) {
        Some(answer) => {
            denied &= !seen.path.starts_with("/authorize");
            answer
        }
        None if seen.headers.contains_key("authorization") || seen.is("POST", "initialize") => Answer::honest(seen),
        None => Answer::unauthorized(),
    })
    .await;
    let state = tempfile::tempdir().unwrap();
    let mut bridge = Options::to(&server.url, state.path()).browser(&browser).start();
    bridge.initialize().await;
    bridge.send(json!({"jsonrpc": "2.0", "method": "notifications/x"})).await;
    server.wait_for(|log| log.iter().filter(|seen| seen.is("POST", "notifications/initialized")).count() >= 2).await;
    assert_eq!(browser.tabs_opened(), 0, "nobody has asked for anything yet");

    assert_eq!(code(&bridge.call_tool("x", json!({})).await), "sign_in_denied");
    assert_eq!(browser.tabs_opened(), 1);
    assert!(bridge.call_tool("y", json!({})).await["result"].is_object());
    assert_eq!(browser.tabs_opened(), 2);
    let taken: Vec<String> = server
        .log()
        .iter()
        .filter(|seen| seen.http == "POST" && seen.headers.contains_key("authorization"))
        .map(|seen| seen.method().to_owned())
        .filter(|method| method != "notifications/x")
        .collect();
    assert_eq!(taken, ["notifications/initialized", "tools/call"], "each once, in this order");
}

#[tokio::test]
async fn t4_a_stream_that_is_refused_with_every_token_is_not_asked_for_again() {
    let browser = Browser::obliging().await;
    let server = Scripted::start(|seen| match Answer::sign_in(seen, false) {
        Some(answer) => answer,
        None if seen.headers.contains_key("authorization") && seen.http != "GET" => Answer::honest(seen),
        None => Answer::unauthorized(),
    })
    .await;
    let state = tempfile::tempdir().unwrap();
    let options = Options::to(&server.url, state.path()).browser(&browser).with(&["--log", "debug"]);
    let mut bridge = options.start();
    bridge.initialize().await;
    bridge.stderr_line_with("there is no standalone stream for this session").await;
    let refreshes = server.log().iter().filter(|seen| seen.path == "/token").count() - 1;
    assert!(refreshes <= 1, "{refreshes} refresh tokens for a stream");
    assert!(bridge.request("ping", json!({})).await["result"].is_object());
    assert_eq!(browser.tabs_opened(), 1);
}

#[tokio::test]
async fn t3_a_second_initialize_ends_the_first_session_and_its_stream() {
    let mut sessions = 0;
    let (server, mut bridge, _state) = start(move |seen| match (seen.http.as_str(), seen.method()) {
        ("POST", "initialize") => {
            sessions += 1;
            Answer::session(&format!("s{sessions}"), seen)
        }
        ("GET", _) => Answer::open_stream(": hello\n\n"),
        _ => Answer::honest(seen),
    })
    .await;
    let has = |http: &'static str, session: &'static str| {
        move |log: &[Seen]| {
            log.iter().any(|s| s.http == http && s.headers.get("mcp-session-id").is_some_and(|id| id == session))
        }
    };
    bridge.initialize().await;
    server.wait_for(has("GET", "s1")).await;
    assert!(bridge.initialize().await["result"].is_object());
    server.wait_for(has("DELETE", "s1")).await;
    server.wait_for(has("GET", "s2")).await;
    server.wait_for_open(1).await; // of the second session alone
    bridge.end().await;
    assert!(has("DELETE", "s2")(&server.log()));
}

#[tokio::test]
async fn t12_an_error_with_an_error_status_reaches_its_request_on_one_line_whatever_its_id() {
    let table = [
        ("400 Bad Request", json!("server-error"), true),
        ("400 Bad Request", json!(null), true),
        ("404 Not Found", json!(2), true),
        ("404 Not Found", json!(null), false),
    ];
    for (status, id, passes) in table {
        let body = json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32602, "message": "no"}});
        let body = serde_json::to_string_pretty(&body).unwrap();
        let (_server, mut bridge, _state) = start(move |seen| match seen.method() {
            "tools/call" => Answer::whole(status, "content-type: application/json\r\n", &body),
            _ => Answer::honest(seen),
        })
        .await;
        bridge.initialize().await;
        let response = bridge.call_tool("x", json!({})).await;
        if passes {
            assert_eq!(response["error"], json!({"code": -32602, "message": "no"}), "{status} {id}");
        } else {
            assert_eq!(code(&response), "session_lost", "{status} {id}");
        }
        assert_eq!(bridge.end().await.stdout.len(), 2);
    }
}
