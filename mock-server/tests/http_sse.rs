//! The HTTP+SSE transport of MCP 2024-11-05, and its faults.

use std::time::{Duration, Instant};

use mcp_mock_server::{Fault, MockServer, MockServerBuilder, Transport};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::client::{Client, PING, events, tool_call};

/// A client of the old transport: its stream, what was read of it, and where to POST.
struct Old {
    client: Client,
    stream: Response,
    text: String,
    endpoint: String,
}

impl Old {
    async fn opened(client: Client) -> Self {
        let mut stream = client.request(Method::GET).header("accept", "text/event-stream").send().await.unwrap();
        assert_eq!(stream.status(), StatusCode::OK);
        let first = stream.chunk().await.unwrap().unwrap();
        let first = std::str::from_utf8(&first).unwrap();
        let endpoint = first.strip_prefix("event: endpoint\ndata: ").unwrap().trim_end().to_owned();
        Old { client, stream, text: String::new(), endpoint }
    }

    async fn post(&self, body: impl Into<String>) -> Response {
        let url = url::Url::parse(&self.client.mcp_url).unwrap().join(&self.endpoint).unwrap();
        let mut request = self.client.http.post(url).header("content-type", "application/json").body(body.into());
        if let Some(token) = &self.client.access_token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        request.send().await.unwrap()
    }

    async fn next(&mut self) -> Value {
        while !self.text.contains("\n\n") {
            self.text.push_str(std::str::from_utf8(&self.stream.chunk().await.unwrap().unwrap()).unwrap());
        }
        let (event, rest) = self.text.split_once("\n\n").unwrap();
        let (message, rest) = (events(event).remove(0), rest.to_owned());
        self.text = rest;
        message
    }

    async fn initialize(&mut self) -> Value {
        let params = json!({
            "protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": { "name": "test", "version": "1" },
        });
        let body = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params });
        assert_eq!(self.post(body.to_string()).await.status(), StatusCode::ACCEPTED);
        self.next().await
    }
}

fn old() -> MockServerBuilder {
    MockServer::builder().transport(Transport::HttpSse).protected(false)
}

async fn open(builder: MockServerBuilder) -> (MockServer, Old) {
    let server = builder.start().await.unwrap();
    let mut old = Old::opened(Client::new(&server)).await;
    old.initialize().await;
    (server, old)
}

#[tokio::test]
async fn a_post_to_the_mcp_endpoint_is_refused_with_the_status_chosen() {
    for status in [405, 404, 400] {
        let server = old().post_refusal(status).start().await.unwrap();
        assert_eq!(Client::new(&server).send(PING).await.status(), status);
    }
}

#[tokio::test]
async fn messages_have_no_place_on_the_newer_transport() {
    let server = MockServer::builder().protected(false).start().await.unwrap();
    let url = format!("{}/messages?sessionId=x", server.issuer());
    assert_eq!(Client::new(&server).post_json(&url, &json!({})).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn answers_and_messages_come_on_the_stream() {
    let server = old().start().await.unwrap();
    let mut old = Old::opened(Client::new(&server)).await;
    assert!(old.endpoint.starts_with("/messages?sessionId="));
    assert_eq!(old.post(PING).await.status(), StatusCode::BAD_REQUEST);
    let reply = old.initialize().await;
    assert_eq!(reply["result"]["protocolVersion"], "2024-11-05");
    assert_eq!(old.post(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await.status(), 202);
    assert_eq!(old.post(PING).await.status(), 202);
    assert_eq!(old.next().await, json!({ "jsonrpc": "2.0", "id": 1, "result": {} }));
    old.post(tool_call(2, "announce", &json!({}))).await;
    assert_eq!(old.next().await["method"], "notifications/tools/list_changed");
}

#[tokio::test]
async fn a_slow_call_holds_up_no_other_and_can_be_cancelled() {
    let (server, mut old) = open(old()).await;
    old.post(tool_call(7, "slow", &json!({}))).await;
    server.wait_for_slow(1).await;
    old.post(PING).await;
    assert_eq!(old.next().await["id"], 1);
    let params = json!({ "requestId": 7 });
    old.post(json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params }).to_string()).await;
    server.wait_for_slow(0).await;
}

#[tokio::test]
async fn the_endpoint_may_be_absolute() {
    let (server, old) = open(old().absolute_endpoint(true)).await;
    assert!(old.endpoint.starts_with(&format!("{}/messages?", server.issuer())));
}

#[tokio::test]
async fn both_endpoints_demand_the_token() {
    let server = old().protected(true).start().await.unwrap();
    let stranger = Client::new(&server);
    let get = stranger.request(Method::GET).header("accept", "text/event-stream").send().await.unwrap();
    assert_eq!(get.status(), StatusCode::UNAUTHORIZED);
    let mut old = Old::opened(Client::signed_in(&server).await).await;
    old.initialize().await;
    old.client.access_token = None;
    assert_eq!(old.post(PING).await.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn what_is_for_no_open_stream_is_404() {
    let (server, mut old) = open(old()).await;
    server.end_streams();
    assert!(old.stream.chunk().await.unwrap().is_none());
    assert_eq!(old.post(PING).await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_end_of_the_stream_ends_what_runs() {
    let (server, old) = open(old()).await;
    old.post(tool_call(7, "slow", &json!({}))).await;
    server.wait_for_slow(1).await;
    drop(old);
    server.wait_for_slow(0).await;
}

#[tokio::test]
async fn a_forgotten_session_ends_its_stream() {
    let (server, mut old) = open(old()).await;
    server.forget_sessions();
    assert!(old.stream.chunk().await.unwrap().is_none());
}

mod faults_of_the_old_transport {
    use super::*;

    #[tokio::test]
    async fn endpoint_elsewhere() {
        let server = old().fault(Fault::EndpointElsewhere).start().await.unwrap();
        let old = Old::opened(Client::new(&server)).await;
        assert!(old.endpoint.starts_with(&format!("http://localhost:{}/messages?", server.address().port())));
    }

    #[tokio::test]
    async fn endpoint_late() {
        let server = old().fault(Fault::EndpointLate.with(40).unwrap()).start().await.unwrap();
        let begun = Instant::now();
        let mut old = Old::opened(Client::new(&server)).await;
        assert!(begun.elapsed() >= Duration::from_millis(40));
        old.initialize().await;
    }

    #[tokio::test]
    async fn stream_closed_before_response_half_event_and_stream_reset() {
        for (fault, text, cleanly) in [
            (Fault::StreamClosedBeforeResponse, "", true),
            (Fault::HalfEvent, "event: message\n", true),
            (Fault::StreamReset, "event: message\n", false),
            (Fault::StreamCut, "", true),
        ] {
            let (server, mut old) = open(old()).await;
            server.set_fault(Some(fault));
            assert_eq!(old.post(PING).await.status(), StatusCode::ACCEPTED);
            let mut got = String::new();
            let ended_cleanly = loop {
                match old.stream.chunk().await {
                    Ok(Some(bytes)) => got.push_str(std::str::from_utf8(&bytes).unwrap()),
                    ended => break ended.is_ok(),
                }
            };
            assert!(got.starts_with(text) && !got.contains("\n\n"), "{fault}: {got}");
            assert_eq!(ended_cleanly, cleanly, "{fault}");
        }
    }
}
