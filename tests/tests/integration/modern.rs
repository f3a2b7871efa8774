//! A host of the modern era (MCP 2026-07-28) at a server of it: nothing is translated, and what goes by HTTP alone is added
//! (T9, T13, T3).

use std::time::Duration;

use mcp_bridge_tests::bridge::{Bridge, Options};
use mcp_bridge_tests::scripted::{Answer, Scripted, Seen};
use mcp_mock_server::{Era, MockServer};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::House;

async fn start(script: impl FnMut(&Seen) -> Answer + Send + 'static) -> (Scripted, Bridge, TempDir) {
    // These servers say no more than what is asked here.
    start_with(script, &["--era", "modern"]).await
}

async fn start_with(
    script: impl FnMut(&Seen) -> Answer + Send + 'static,
    arguments: &[&str],
) -> (Scripted, Bridge, TempDir) {
    let server = Scripted::start(script).await;
    let state = tempfile::tempdir().unwrap();
    let options = Options::to(&server.url, state.path()).patience(Duration::from_secs(10));
    let bridge = options.with(arguments).start();
    (server, bridge, state)
}

fn modern(params: Value) -> Value {
    let mut params = params;
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "modern-host", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    params
}

/// Says yes to everything, with a session id that nobody asked for.
fn yes(seen: &Seen) -> Answer {
    let result = json!({"jsonrpc": "2.0", "id": seen.json["id"], "result": {"resultType": "complete"}});
    Answer::whole("200 OK", "content-type: application/json\r\nmcp-session-id: unasked\r\n", &result.to_string())
}

#[tokio::test]
async fn t13_the_headers_of_a_modern_request_mirror_its_body_which_goes_as_it_is() {
    let (server, mut bridge, _state) = start(yes).await;
    bridge.request("server/discover", modern(json!({}))).await;
    bridge.request("tools/call", modern(json!({"name": "w\u{e4}rme", "arguments": {"n": 1.0}}))).await;
    bridge.request("resources/read", modern(json!({"uri": "mock://readme"}))).await;
    bridge.end().await;
    let log = server.log();
    let mirrored = |seen: &Seen| {
        ["mcp-protocol-version", "mcp-method", "mcp-name"]
            .map(|name| seen.headers.get(name).cloned().unwrap_or_default())
    };
    assert_eq!(mirrored(&log[0]), ["2026-07-28", "server/discover", ""]);
    assert_eq!(mirrored(&log[1]), ["2026-07-28", "tools/call", "=?base64?d8Okcm1l?="]);
    assert_eq!(mirrored(&log[2]), ["2026-07-28", "resources/read", "mock://readme"]);
    assert_eq!(log[1].json["params"], modern(json!({"name": "w\u{e4}rme", "arguments": {"n": 1.0}})));
}

#[tokio::test]
async fn t3_a_modern_server_gets_no_session_id_although_it_sends_one_and_neither_get_nor_delete() {
    let (server, mut bridge, _state) = start(yes).await;
    for _ in 0..2 {
        bridge.request("tools/list", modern(json!({}))).await;
    }
    assert!(bridge.end().await.status.success());
    let log = server.log();
    assert_eq!(log.len(), 2, "{log:?}");
    assert!(log.iter().all(|seen| seen.http == "POST" && !seen.headers.contains_key("mcp-session-id")));
}

#[tokio::test]
async fn t13_a_legacy_session_has_none_of_these_headers() {
    let (server, mut bridge, _state) = start_with(Answer::honest, &[]).await;
    bridge.initialize().await;
    bridge.request("tools/list", modern(json!({}))).await;
    bridge.end().await;
    assert!(server.log().iter().all(|seen| !seen.headers.contains_key("mcp-method")), "{:?}", server.log());
}

#[tokio::test]
async fn t9_a_modern_request_that_is_cancelled_has_its_stream_closed_and_no_notification_is_sent() {
    let (server, mut bridge, _state) = start(|seen| match seen.method() {
        "tools/call" => Answer::open_stream(": working\n\n"),
        _ => yes(seen),
    })
    .await;
    let call = bridge.send_request("tools/call", modern(json!({"name": "slow"}))).await;
    server.wait_for_open(1).await;
    bridge.send(json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": call}})).await;
    server.wait_for_open(0).await;
    bridge.request("tools/list", modern(json!({}))).await;
    bridge.end().await;
    assert_eq!(server.count("POST", "notifications/cancelled"), 0);
}

#[tokio::test]
async fn t13_a_strict_modern_server_takes_what_a_modern_host_sends_and_t9_sees_what_it_cancels() {
    let house = House::new(MockServer::builder().era(Era::Modern)).await;
    let mut bridge = house.options().start();
    let listed = bridge.request("tools/list", modern(json!({}))).await;
    let count = listed["result"]["tools"].as_array().map_or(0, Vec::len);
    assert!(count > 5 && listed["result"]["resultType"] == "complete", "{listed}");
    let arguments = json!({"text": "w\u{e4}rme", "number": 7, "yes": true, "inner": {"text": " x"}});
    let mirrored = bridge.request("tools/call", modern(json!({"name": "mirror", "arguments": arguments}))).await;
    assert!(mirrored["result"]["content"].is_array(), "{mirrored}");
    let read = bridge.request("resources/read", modern(json!({"uri": "mock://umlauts"}))).await;
    assert!(read["result"].is_object() || read["error"].is_object(), "{read}");
    let discovered = bridge.request("server/discover", modern(json!({}))).await;
    assert!(discovered["result"]["supportedVersions"].is_array(), "{discovered}");
    let slow = bridge.send_request("tools/call", modern(json!({"name": "slow", "arguments": {}}))).await;
    house.server.wait_for_slow(1).await;
    bridge.send(json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": slow}})).await;
    house.server.wait_for_cancelled(1).await;
    assert!(bridge.end().await.status.success());
    assert_eq!(house.browser.tabs_opened(), 1);
}

fn answer(seen: &Seen, body: &Value) -> Answer {
    let mut body = body.clone();
    (body["jsonrpc"], body["id"]) = ("2.0".into(), seen.json["id"].clone());
    Answer::json(if body["error"].is_object() { "400 Bad Request" } else { "200 OK" }, &body)
}

/// A strict server: its tool `query` wants its region as a header, and `broken` says something impossible.
fn strict(seen: &Seen) -> Answer {
    let region = json!({"type": "string", "x-mcp-header": "Region"});
    let tool = |name: &str, region: &Value| json!({"name": name, "inputSchema": {"type": "object", "properties": {"region": region}}});
    let broken = json!({"type": "array", "items": region});
    match seen.method() {
        "tools/list" if seen.json["params"]["cursor"].is_null() => {
            answer(seen, &json!({"result": {"tools": [tool("broken", &broken)], "nextCursor": "2"}}))
        }
        "tools/list" => answer(seen, &json!({"result": {"tools": [tool("query", &region), tool("query2", &region)]}})),
        _ if seen.headers.contains_key("mcp-param-region") => answer(seen, &json!({"result": {"content": []}})),
        _ => answer(seen, &json!({"error": {"code": -32020, "message": "a header is missing"}})),
    }
}

#[tokio::test]
async fn t14_what_a_list_says_of_headers_holds_for_the_calls_and_a_tool_that_says_it_wrongly_is_left_out() {
    let (server, mut bridge, _state) = start(strict).await;
    let first = bridge.request("tools/list", modern(json!({}))).await;
    assert_eq!(first["result"]["tools"], json!([]));
    let second = bridge.request("tools/list", modern(json!({"cursor": "2"}))).await;
    assert_eq!(second["result"]["tools"].as_array().map(Vec::len), Some(2));
    let call = modern(json!({"name": "query", "arguments": {"region": "us-west1"}}));
    assert!(bridge.request("tools/call", call).await["result"].is_object());
    bridge.end().await;
    assert_eq!(server.log().last().unwrap().headers["mcp-param-region"], "us-west1");
    assert_eq!(server.count("POST", "tools/call"), 1);
}

#[tokio::test]
async fn t14_a_call_that_is_refused_for_its_headers_is_sent_once_more_after_the_list_was_read_anew() {
    let (server, mut bridge, _state) = start(strict).await;
    let call = |region: Value| modern(json!({"name": "query", "arguments": {"region": region}}));
    assert!(bridge.request("tools/call", call(json!("eu"))).await["result"].is_object());
    assert_eq!((server.count("POST", "tools/list"), server.count("POST", "tools/call")), (2, 2));
    // Where there is nothing to be sent, the refusal is the answer: once more, and no oftener.
    let refused = bridge.request("tools/call", call(Value::Null)).await;
    assert_eq!(refused["error"]["code"], -32020, "{refused}");
    bridge.end().await;
    assert_eq!((server.count("POST", "tools/list"), server.count("POST", "tools/call")), (4, 4));
}

#[tokio::test]
async fn h7_a_listen_stream_does_not_keep_the_end_waiting() {
    let (server, mut bridge, _state) = start(|seen| match seen.method() {
        "subscriptions/listen" => Answer::open_stream(
            "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/subscriptions/acknowledged\",\"params\":{}}\n\n",
        ),
        _ => yes(seen),
    })
    .await;
    bridge.send_request("subscriptions/listen", modern(json!({"notifications": {"toolsListChanged": true}}))).await;
    assert_eq!(bridge.next().await["method"], "notifications/subscriptions/acknowledged");
    server.wait_for_open(1).await;
    let begun = std::time::Instant::now();
    assert!(bridge.end().await.status.success());
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
}
