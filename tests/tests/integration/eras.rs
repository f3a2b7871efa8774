//! How the era of a server is found out (E0), told by the requests that it sees.

use std::time::Duration;

use mcp_bridge_tests::bridge::{Bridge, Options};
use mcp_bridge_tests::scripted::{Answer, Scripted, Seen};
use serde_json::{Value, json};
use tempfile::TempDir;

async fn scripted(
    script: impl FnMut(&Seen) -> Answer + Send + 'static,
    arguments: &[&str],
) -> (Scripted, Bridge, TempDir) {
    let server = Scripted::start(script).await;
    let state = tempfile::tempdir().unwrap();
    let options = Options::to(&server.url, state.path()).patience(Duration::from_secs(10));
    let bridge = options.with(arguments).start();
    (server, bridge, state)
}

fn result(seen: &Seen, result: &Value) -> Answer {
    Answer::json("200 OK", &json!({"jsonrpc": "2.0", "id": seen.json["id"], "result": result}))
}

/// A modern server that is as lenient as can be.
fn lenient(seen: &Seen) -> Answer {
    match seen.method() {
        "server/discover" => result(seen, &json!({"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}})),
        "initialize" => {
            let error = json!({"code": -32601, "message": "no such method"});
            Answer::json("404 Not Found", &json!({"jsonrpc": "2.0", "id": seen.json["id"], "error": error}))
        }
        _ => result(seen, &json!({"tools": []})),
    }
}

#[tokio::test]
async fn e0_a_handshake_goes_first_as_it_is_and_its_error_leads_to_discover() {
    let (server, mut bridge, _state) = scripted(lenient, &[]).await;
    bridge.initialize().await;
    bridge.request("tools/list", json!({"x": 1})).await;
    assert!(bridge.end().await.status.success());
    let methods: Vec<_> = server.log().iter().map(|seen| format!("{} {}", seen.http, seen.method())).collect();
    assert_eq!(methods, ["POST initialize", "POST server/discover", "POST tools/list"]);
    let listed = &server.log()[2];
    assert_eq!(listed.json["params"]["x"], 1);
    assert_eq!(listed.json["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"], "2026-07-28");
    assert_eq!(listed.headers["mcp-method"], "tools/list");
}

#[tokio::test]
async fn e0_a_forced_era_is_not_found_out() {
    let (server, mut bridge, _state) = scripted(lenient, &["--era", "modern"]).await;
    bridge.initialize().await;
    assert!(bridge.end().await.status.success());
    assert_eq!(server.log().iter().map(Seen::method).collect::<Vec<_>>(), ["server/discover"]);
    let (server, mut bridge, _state) = scripted(lenient, &["--era", "legacy"]).await;
    let id = bridge.send_initialize().await;
    assert_eq!(bridge.response(id).await["error"]["code"], -32601);
    assert!(bridge.end().await.status.success());
    assert_eq!(server.count("POST", "server/discover"), 0);
}

#[tokio::test]
async fn e0_a_server_that_refuses_both_gives_its_first_error() {
    let refuse = |seen: &Seen| {
        let error = json!({"code": -32000, "message": seen.method()});
        Answer::json("200 OK", &json!({"jsonrpc": "2.0", "id": seen.json["id"], "error": error}))
    };
    let (server, mut bridge, _state) = scripted(refuse, &[]).await;
    let id = bridge.send_initialize().await;
    assert_eq!(bridge.response(id).await["error"]["message"], "initialize");
    assert!(bridge.end().await.status.success());
    assert_eq!(server.log().iter().map(Seen::method).collect::<Vec<_>>(), ["initialize", "server/discover"]);
}

#[tokio::test]
async fn t5_a_list_whose_answer_broke_off_is_asked_for_again_under_another_id() {
    let mut lists = 0;
    let script = move |seen: &Seen| match seen.method() {
        "tools/list" => {
            lists += 1;
            if lists == 1 {
                Answer::whole("200 OK", "content-type: text/event-stream\r\n", ": cut\n\n")
            } else {
                lenient(seen)
            }
        }
        _ => lenient(seen),
    };
    let (server, mut bridge, _state) = scripted(script, &[]).await;
    bridge.initialize().await;
    let listed = bridge.request("tools/list", json!({})).await;
    assert_eq!(listed["result"]["tools"], json!([]), "{listed}");
    assert!(bridge.end().await.status.success());
    let ids: Vec<_> =
        server.log().iter().filter(|seen| seen.method() == "tools/list").map(|seen| seen.json["id"].clone()).collect();
    assert!(ids.len() == 2 && ids[0] != ids[1], "{ids:?}");
}
