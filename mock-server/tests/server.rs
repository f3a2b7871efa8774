//! The server as an object: its start, its end, its log.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use mcp_mock_server::{Counts, Endpoint, MockServer, StartError};
use reqwest::Method;
use serde_json::json;

use crate::client::{Client, tool_call};

#[tokio::test]
async fn an_address_in_use_is_an_error() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let started = MockServer::builder().listen(taken.local_addr().unwrap()).start().await;
    assert!(matches!(started, Err(StartError::Listen { .. })));
}

#[tokio::test]
async fn after_stop_the_port_is_free_and_streams_are_closed() {
    let server = MockServer::builder().protected(false).start().await.unwrap();
    let mut client = Client::new(&server);
    client.initialize().await;
    let stream = client.request(Method::GET).header("accept", "text/event-stream").send().await.unwrap();
    let address = server.address();
    server.stop().await;
    assert!(stream.text().await.is_err());
    assert!(client.post("{}").send().await.is_err());
    MockServer::builder().listen(address).start().await.unwrap();
}

#[tokio::test]
async fn a_paused_server_refuses_connections_and_comes_back_as_it_was() {
    let server = MockServer::builder().start().await.unwrap();
    let mut client = Client::initialized(&server).await;
    let stream = client.request(Method::GET).header("accept", "text/event-stream").send().await.unwrap();
    for _ in 0..2 {
        server.pause().await;
        assert!(client.post("{}").send().await.unwrap_err().is_connect());
    }
    assert!(stream.text().await.is_err());
    for _ in 0..2 {
        server.resume().unwrap();
        client.call("echo", &json!({})).await;
        client.refreshed().await;
    }
}

#[tokio::test]
async fn a_slow_handshake_delays_nothing_else() {
    let delay = Duration::from_millis(60);
    let server = MockServer::builder().protected(false).initialize_delay(delay).start().await.unwrap();
    let mut client = Client::new(&server);
    let begun = Instant::now();
    client.initialize().await;
    assert!(begun.elapsed() >= delay);
    let server = MockServer::builder().initialize_delay(Duration::from_secs(3600)).start().await.unwrap();
    let mut client = Client::signed_in(&server).await;
    tokio::select! {
        biased;
        () = server.wait_for(|seen| seen.iter().any(|request| request.endpoint == Endpoint::Mcp)) => {}
        _ = client.initialize() => panic!("it was not delayed"),
    }
    client.refreshed().await;
}

#[tokio::test]
async fn a_dropped_server_closes_what_is_in_flight() {
    let server = MockServer::builder().protected(false).start().await.unwrap();
    let mut client = Client::new(&server);
    client.initialize().await;
    let call = client.post(tool_call(1, "slow", &json!({})));
    let (response, ()) = tokio::join!(call.send(), async {
        server.wait_for_slow(1).await;
        drop(server);
    });
    assert!(response.is_err());
}

#[tokio::test]
async fn a_request_is_in_the_log_before_it_is_answered() {
    let server = MockServer::builder().protected(false).start().await.unwrap();
    let mut client = Client::new(&server);
    client.initialize().await;
    tokio::join!(client.send(tool_call(1, "slow", &json!({}))), async {
        server.wait_for(|seen| seen.iter().any(|request| request.status == 0)).await;
        server.wait_for_slow(1).await;
        server.release_slow();
    });
    server.wait_for(|seen| seen.iter().all(|request| request.status == 200)).await;
    assert_eq!(server.count(Endpoint::Mcp), 2);
}

#[tokio::test]
async fn what_is_nowhere_is_404_and_in_the_log() {
    let server = MockServer::builder().start().await.unwrap();
    let client = Client::new(&server);
    for path in ["/nowhere", "/.well-known/nowhere", "/.well-known/oauth-protected-resource"] {
        let response = client.http.get(format!("{}{path}", server.issuer())).send().await.unwrap();
        assert_eq!(response.status(), 404, "{path}");
    }
    assert_eq!(server.count(Endpoint::Other), 3);
}

#[tokio::test]
async fn a_limited_log_keeps_the_last_requests_while_the_numbers_go_on() {
    let server = MockServer::builder().log_limit(3).start().await.unwrap();
    let client = Client::initialized(&server).await;
    client.call("echo", &json!({ "last": true })).await;
    let log = server.log();
    let endpoints = log.iter().map(|seen| seen.endpoint).collect::<Vec<_>>();
    assert_eq!(endpoints, [Endpoint::Token, Endpoint::Mcp, Endpoint::Mcp]);
    assert!(log.iter().all(|seen| seen.status == 200));
    assert_eq!((server.count(Endpoint::Registration), server.count(Endpoint::Mcp)), (1, 2));
    server.wait_for(|seen| seen.len() == 3 && seen[2].json()["params"]["name"] == "echo").await;
}

#[tokio::test]
async fn the_answer_to_a_request_that_the_log_has_dropped_goes_nowhere() {
    let server = MockServer::builder().protected(false).log_limit(1).start().await.unwrap();
    let mut client = Client::new(&server);
    client.initialize().await;
    tokio::join!(client.send(tool_call(1, "slow", &json!({}))), async {
        server.wait_for_slow(1).await;
        client.call("echo", &json!({})).await;
        server.release_slow();
    });
    assert_eq!(server.log()[0].json()["params"]["name"], "echo");
}

#[tokio::test]
async fn the_numbers_tell_what_happened() {
    let server = MockServer::builder().start().await.unwrap();
    let mut client = Client::initialized(&server).await;
    let old = client.refresh_token.clone().unwrap();
    client.refreshed().await;
    client.refresh(&old, &[]).await;
    assert_eq!(client.send(tool_call(1, "echo", &json!({}))).await.status(), 401);
    client.revoke("unknown", &[]).await;
    client.revoke("unknown", &[("client_id", None)]).await;
    client.authorize(&[("client_id", None)]).await;
    let expected = Counts {
        authorizations: 2,
        registrations: 1,
        code_exchanges: 1,
        refreshes: 1,
        refreshes_refused: 1,
        families_revoked: 1,
        mcp_ok: 1,
        mcp_unauthorized: 1,
        revocations: 1,
    };
    assert_eq!(server.counts(), expected);
}

#[tokio::test]
async fn who_waits_in_vain_is_shown_the_log_without_its_secrets() {
    let server = MockServer::builder().start().await.unwrap();
    let mut client = Client::initialized(&server).await;
    client.refreshed().await;
    client.authorize(&[]).await;
    let time = Duration::from_millis(1);
    assert!(server.try_wait_for(time, |seen| !seen.is_empty()).await.is_ok());
    let timed_out = server.try_wait_for(time, <[_]>::is_empty).await.unwrap_err();
    assert_eq!(timed_out.waited(), time);
    for text in [timed_out.to_string(), format!("{timed_out:?}")] {
        assert!(text.contains("POST /token -> 200 grant_type=refresh_token"));
        for secret in server.issued_secrets() {
            assert!(!text.contains(&secret), "{secret} in {text}");
        }
    }
}

#[tokio::test]
async fn the_log_holds_the_headers_of_responses() {
    let server = MockServer::builder().start().await.unwrap();
    Client::new(&server).send("{}").await;
    let log = server.log();
    assert!(log[0].response_header("www-authenticate").unwrap().starts_with("Bearer "));
    assert_eq!(log[0].response_headers.get_all("www-authenticate").iter().count(), 1);
}
