//! Faults that answer what was asked in a way that is allowed and rare, or nearly right.

use mcp_mock_server::{Fault, FaultSetting, MockServer};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::client::{Client, PING, json_of, tool_call};

const UNKNOWN: &str = r#"{"jsonrpc":"2.0","id":1,"method":"no/such"}"#;
const INITIALIZED: &str = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

async fn with(fault: impl Into<FaultSetting>) -> (MockServer, Client) {
    let server = MockServer::builder().protected(false).fault(fault).start().await.unwrap();
    let mut client = Client::new(&server);
    client.initialize().await;
    (server, client)
}

#[tokio::test]
async fn notification_status() {
    let (server, client) = with(Fault::NotificationStatus).await;
    assert_eq!(client.send(INITIALIZED).await.status(), StatusCode::OK);
    server.set_faults([Fault::NotificationStatus.with(204).unwrap()]);
    assert_eq!(client.send(INITIALIZED).await.status(), StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn odd_events() {
    let (server, client) = with(Fault::ReplaysTooMuch).await;
    server.set_fault(Some(Fault::OddEvents));
    let params = json!({ "name": "progress", "arguments": { "steps": 1 }, "_meta": { "progressToken": 1 } });
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    let bytes = client.send(body.to_string()).await.bytes().await.unwrap();
    assert!(bytes.starts_with(b"\xef\xbb\xbf:"));
    let text = std::str::from_utf8(&bytes[3..]).unwrap();
    assert!(!text.contains('\n') && text.contains("\rcolour: blue\r") && text.contains("\revent: heartbeat\r"));
    let unnamed = text.split("\r\r").filter(|event| event.contains("data:") && !event.contains("event:"));
    let data = unnamed.map(|event| event.split('\r').filter_map(|line| line.strip_prefix("data:")).collect::<String>());
    let messages = data.map(|data| serde_json::from_str::<serde_json::Value>(&data).unwrap()).collect::<Vec<_>>();
    assert_eq!(messages.len(), 2);
    assert_eq!(messages[1]["result"]["structuredContent"]["steps"], 1);
}

#[tokio::test]
async fn answers_twice() {
    let (_server, client) = with(Fault::AnswersTwice).await;
    let messages = crate::client::messages(client.send(PING).await).await;
    assert_eq!(messages, [json!({ "jsonrpc": "2.0", "id": 1, "result": {} }), messages[0].clone()]);
}

#[tokio::test]
async fn wrong_id_and_error_without_id() {
    let (server, client) = with(Fault::WrongId).await;
    assert_eq!(json_of(client.send(PING).await).await["id"], "nobody");
    server.set_fault(Some(Fault::ErrorWithoutId));
    assert_eq!(json_of(client.send(PING).await).await["id"], 1);
    let error = json_of(client.send(UNKNOWN).await).await;
    assert_eq!((error.get("id"), &error["error"]["code"]), (None, &json!(-32601)));
}

#[tokio::test]
async fn rpc_error_status() {
    let (server, client) = with(Fault::RpcErrorStatus).await;
    for status in [400, 500] {
        server.set_faults([Fault::RpcErrorStatus.with(status).unwrap()]);
        let response = client.send(UNKNOWN).await;
        assert_eq!(response.status(), status);
        assert_eq!(json_of(response).await["error"]["code"], -32601);
        assert_eq!(client.send(PING).await.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn content_type() {
    let (server, client) = with(Fault::ContentType).await;
    assert_eq!(client.send(PING).await.headers()["content-type"], "text/plain");
    server.set_faults([Fault::ContentType.with("application/json; charset=UTF-8").unwrap()]);
    assert_eq!(client.send(PING).await.headers()["content-type"], "application/json; charset=UTF-8");
}

#[tokio::test]
async fn redirect_here() {
    let (server, mut client) = with(Fault::ReplaysTooMuch).await;
    for status in [301, 307, 308] {
        server.set_faults([Fault::RedirectHere.with(status).unwrap()]);
        let response = client.send(PING).await;
        assert_eq!((response.status().as_u16(), &response.headers()["location"]), (status, &"/moved".parse().unwrap()));
    }
    client.mcp_url = client.mcp_url.replace("/mcp", "/moved");
    assert_eq!(client.send(PING).await.status(), StatusCode::OK);
    server.set_fault(None);
    assert_eq!(client.send(PING).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn zstd_and_brotli_come_only_to_those_who_accept_them() {
    let head = json!({ "name": "echo", "arguments": { "text": "x".repeat(70_000) } });
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": head }).to_string();
    for (fault, name, head, end) in [
        (Fault::Zstd, "zstd", &[0x28, 0xb5, 0x2f, 0xfd, 0, 0x58][..], &[1, 0, 0][..]),
        (Fault::Brotli, "br", &[0x0c], &[3]),
    ] {
        let (server, client) = with(Fault::ReplaysTooMuch).await;
        let plain = client.send(body.clone()).await.bytes().await.unwrap();
        server.set_fault(Some(fault));
        let refused = client.post(body.clone()).header("accept-encoding", "gzip").send().await.unwrap();
        assert_eq!(refused.headers().get("content-encoding"), None);
        let coded = client.post(body.clone()).header("accept-encoding", format!("gzip, {name};q=0.5")).send();
        let coded = coded.await.unwrap();
        assert_eq!(coded.headers()["content-encoding"], name);
        let coded = coded.bytes().await.unwrap();
        assert_eq!(unpacked(&coded, head, end, fault == Fault::Zstd), plain);
    }
}

/// The content of blocks that are not compressed.
fn unpacked(coded: &[u8], head: &[u8], end: &[u8], zstd: bool) -> Vec<u8> {
    let mut rest = coded.strip_prefix(head).unwrap().strip_suffix(end).unwrap();
    let mut plain = Vec::new();
    while let [a, b, c, after @ ..] = rest {
        let bits = u32::from_le_bytes([*a, *b, *c, 0]) >> 3;
        let length = if zstd { bits } else { (bits & 0xffff) + 1 } as usize;
        plain.extend_from_slice(&after[..length]);
        rest = &after[length..];
    }
    plain
}

#[tokio::test]
async fn delete_405() {
    let (_server, client) = with(Fault::Delete405).await;
    assert_eq!(client.request(Method::DELETE).send().await.unwrap().status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(client.send(PING).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_strict_handshake_lets_only_pings_pass_until_it_is_over() {
    let server = MockServer::builder().protected(false).strict_handshake(true).start().await.unwrap();
    let mut client = Client::new(&server);
    client.initialize().await;
    assert_eq!(client.send(PING).await.status(), StatusCode::OK);
    assert_eq!(client.send(tool_call(1, "echo", &json!({}))).await.status(), StatusCode::BAD_REQUEST);
    assert_eq!(client.send(INITIALIZED).await.status(), StatusCode::ACCEPTED);
    assert_eq!(client.send(tool_call(1, "echo", &json!({}))).await.status(), StatusCode::OK);
}
