//! The faults that a proxy, a load balancer or the network would cause at the MCP endpoint.

use std::time::{Duration, Instant};

use mcp_mock_server::{Fault, MockServer, RetryAfter};
use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::client::{Client, PING, json_of, open, tool_call};

/// What one ping brings, byte by byte, on a connection of its own.
async fn raw_ping(server: &MockServer, client: &Client) -> (Vec<u8>, bool) {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    raw_exchange(&mut stream, client).await
}

async fn raw_exchange(stream: &mut TcpStream, client: &Client) -> (Vec<u8>, bool) {
    let head = format!(
        "POST /mcp HTTP/1.1\r\nhost: x\r\nmcp-session-id: {}\r\ncontent-type: application/json\r\n\
         accept: application/json, text/event-stream\r\ncontent-length: {}\r\n\r\n",
        client.session.as_deref().unwrap_or_default(),
        PING.len()
    );
    stream.write_all(format!("{head}{PING}").as_bytes()).await.unwrap();
    let mut bytes = Vec::new();
    let cleanly = stream.read_to_end(&mut bytes).await.is_ok();
    (bytes, cleanly)
}

#[tokio::test]
async fn retry_after_429_and_retry_after_503() {
    for (fault, status) in [(Fault::RetryAfter429, 429), (Fault::RetryAfter503, 503)] {
        let (server, client) = open().await;
        server.set_faults([fault.with(2).unwrap()]);
        for _ in 0..2 {
            let response = client.send(PING).await;
            assert_eq!(
                (response.status().as_u16(), &response.headers()["retry-after"]),
                (status, &"1".parse().unwrap())
            );
        }
        assert_eq!(client.send(PING).await.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn retry_after_may_be_a_date_or_missing() {
    for (setting, is_there) in [(Some(RetryAfter::Date(3)), true), (None, false)] {
        let builder = MockServer::builder().protected(false).retry_after(setting).fault(Fault::RetryAfter503);
        let server = builder.start().await.unwrap();
        let response = Client::new(&server).send(PING).await;
        let value = response.headers().get("retry-after").map(|value| value.to_str().unwrap());
        assert_eq!(value.is_some_and(|value| value.ends_with(" GMT")), is_there);
    }
}

#[tokio::test]
async fn closed_before_answer_does_not_act_and_lost_answer_does() {
    for (fault, acts) in [(Fault::ClosedBeforeAnswer, false), (Fault::LostAnswer, true)] {
        let (server, client) = open().await;
        server.set_faults([fault.with(2).unwrap()]);
        for _ in 0..2 {
            assert_eq!(raw_ping(&server, &client).await, (Vec::new(), true), "{fault}");
        }
        let delete = client.request(Method::DELETE);
        server.set_faults([fault.with(1).unwrap()]);
        assert!(delete.send().await.is_err(), "{fault}");
        let status = if acts { StatusCode::NOT_FOUND } else { StatusCode::OK };
        assert_eq!(client.send(PING).await.status(), status, "{fault}");
    }
}

#[tokio::test]
async fn no_response_head() {
    let (server, client) = open().await;
    server.set_faults([Fault::NoResponseHead.with(1).unwrap()]);
    tokio::select! {
        _ = client.send(PING) => panic!("it was answered"),
        () = server.wait_for(|seen| seen.last().is_some_and(|last| last.json()["method"] == "ping")) => {}
    }
    assert_eq!(client.send(PING).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn hangs_after_head() {
    let (server, client) = open().await;
    server.set_faults([Fault::HangsAfterHead.with(1).unwrap()]);
    let mut response = client.send(PING).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert!(tokio::time::timeout(Duration::from_millis(30), response.chunk()).await.is_err());
    assert_eq!(json_of(client.send(PING).await).await["id"], 1);
}

#[tokio::test]
async fn reset_at_headers() {
    let (server, client) = open().await;
    server.set_faults([Fault::ResetAtHeaders.with(1).unwrap()]);
    let (bytes, cleanly) = raw_ping(&server, &client).await;
    assert!(bytes.starts_with(b"HTTP/1.1 200 OK\r\n") && bytes.len() == 24, "{}", String::from_utf8_lossy(&bytes));
    assert!(!cleanly);
    assert_eq!(client.send(PING).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn reset_in_body() {
    let (server, client) = open().await;
    server.set_faults([Fault::ResetInBody.with(1).unwrap()]);
    let (bytes, cleanly) = raw_ping(&server, &client).await;
    let text = String::from_utf8(bytes).unwrap();
    let body = text.split_once("\r\n\r\n").unwrap().1;
    assert!(!cleanly && body.starts_with(r#"{"jsonrpc":"#) && !body.ends_with('}'), "{text}");
    assert!(text.contains("content-length: "), "{text}");
}

#[tokio::test]
async fn idle_connections_close() {
    let (server, client) = open().await;
    server.set_faults([Fault::IdleConnectionsClose.with(20).unwrap()]);
    let begun = Instant::now();
    let (bytes, cleanly) = raw_ping(&server, &client).await;
    assert!(cleanly && begun.elapsed() >= Duration::from_millis(20));
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.ends_with('}') && !text.contains("connection:"), "{text}");
    // A response that takes longer is not cut.
    let reply = client.call("slow", &json!({ "milliseconds": 60 })).await;
    assert_eq!(reply["result"]["structuredContent"]["released"], false);
}

#[tokio::test]
async fn dead_on_reuse() {
    let (server, client) = open().await;
    server.set_fault(Some(Fault::DeadOnReuse));
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let head = format!(
        "DELETE /mcp HTTP/1.1\r\nhost: x\r\nmcp-session-id: {}\r\n\r\n",
        client.session.as_deref().unwrap_or_default()
    );
    stream.write_all(b"GET /mcp HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 406");
    let seen = server.log().len();
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut rest = Vec::new();
    assert!(stream.read_to_end(&mut rest).await.is_err());
    assert_eq!(server.log().len(), seen);
    server.set_fault(None);
    let client = Client { http: crate::client::http(), ..client };
    assert_eq!(client.send(PING).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn lost_session_and_lost_session_400() {
    let after_two = Fault::LostSession.with(2).unwrap();
    for (faults, status) in [
        (vec![after_two.clone()], StatusCode::NOT_FOUND),
        (vec![after_two, Fault::LostSession400.into()], StatusCode::BAD_REQUEST),
    ] {
        let (server, mut client) = open().await;
        server.set_faults(faults);
        for _ in 0..2 {
            for _ in 0..2 {
                assert_eq!(client.send(PING).await.status(), StatusCode::OK);
            }
            let note = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
            assert_eq!(client.send(note).await.status(), StatusCode::ACCEPTED);
            let response = client.send(tool_call(1, "echo", &json!({}))).await;
            assert_eq!(response.status(), status);
            assert!(response.text().await.unwrap().contains("session"));
            client.session = None;
            client.initialize().await;
        }
    }
}

#[tokio::test]
async fn lost_session_400_is_for_sessions_forgotten_otherwise_too() {
    let (server, client) = open().await;
    server.set_fault(Some(Fault::LostSession400));
    for _ in 0..5 {
        assert_eq!(client.send(PING).await.status(), StatusCode::OK);
    }
    server.forget_sessions();
    assert_eq!(client.send(PING).await.status(), StatusCode::BAD_REQUEST);
}
