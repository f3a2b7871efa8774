//! Servers that keep the rules in their own way, or not quite: late, half protected, forgetful (T1, T3, T4, T6, T12).

use std::time::Duration;

use mcp_bridge_tests::bridge::{Bridge, Options};
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
