//! Resumable streams (MCP 2025-11-25, transports, resumability and redelivery), and the faults that break streams.

use std::time::Duration;

use mcp_mock_server::{Fault, MockServer, MockServerBuilder, ReplyForm};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::client::{Client, events, tool_call};

const STEPS: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"progress","arguments":{"steps":3},"_meta":{"progressToken":"p"}}}"#;

async fn open(builder: MockServerBuilder) -> (MockServer, Client) {
    let server = builder.protected(false).start().await.unwrap();
    let mut client = Client::new(&server);
    client.initialize().await;
    (server, client)
}

fn resumable() -> MockServerBuilder {
    MockServer::builder().resumable(true).reply(ReplyForm::Sse)
}

async fn resume(client: &Client, last: &str) -> Response {
    let request = client.request(Method::GET).header("accept", "text/event-stream").header("last-event-id", last);
    request.send().await.unwrap()
}

fn ids(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.strip_prefix("id: ")).collect()
}

fn last_id(text: &str) -> &str {
    ids(text).pop().unwrap()
}

fn steps(messages: &[Value]) -> Vec<&Value> {
    messages.iter().map(|message| &message["params"]["progress"]).filter(|step| !step.is_null()).collect()
}

/// What of a stream came before it broke.
async fn received(mut response: Response) -> (String, bool) {
    let mut text = String::new();
    loop {
        match response.chunk().await {
            Ok(Some(bytes)) => text.push_str(std::str::from_utf8(&bytes).unwrap()),
            Ok(None) => return (text, true),
            Err(_) => return (text, false),
        }
    }
}

mod resumable_streams {
    use super::*;

    #[tokio::test]
    async fn begin_with_a_priming_event_and_number_every_event() {
        let (_server, client) = open(resumable().sse_retry(Some(Duration::from_millis(70)))).await;
        let text = client.send(STEPS).await.text().await.unwrap();
        let other = client.send(STEPS).await.text().await.unwrap();
        let first = text.split("\n\n").next().unwrap();
        assert_eq!(first, format!("id: {}\nretry: 70\ndata:", ids(&text)[0]));
        assert_eq!(ids(&text).len(), 5);
        let mut all = [ids(&text), ids(&other)].concat();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 10);
        assert_eq!(steps(&events(&text)), [1, 2, 3]);
    }

    #[tokio::test]
    async fn say_nothing_of_retry_where_that_was_chosen() {
        let (_server, client) = open(resumable().sse_retry(None)).await;
        assert!(!client.send(STEPS).await.text().await.unwrap().contains("retry"));
    }

    #[tokio::test]
    async fn are_replayed_from_any_event() {
        let (_server, client) = open(resumable()).await;
        let text = client.send(STEPS).await.text().await.unwrap();
        for (passed, id) in ids(&text).into_iter().enumerate() {
            let rest = resume(&client, id).await.text().await.unwrap();
            assert_eq!(ids(&rest), ids(&text)[passed + 1..], "{id}");
        }
    }

    #[tokio::test]
    async fn go_on_with_a_request_whose_connection_is_gone() {
        let (server, client) = open(resumable()).await;
        let mut response = client.send(tool_call(1, "slow", &json!({}))).await;
        let priming = String::from_utf8(response.chunk().await.unwrap().unwrap().to_vec()).unwrap();
        drop(response);
        let resumed = resume(&client, last_id(&priming)).await;
        assert_eq!(server.slow_waiting(), 1);
        server.release_slow();
        assert_eq!(events(&resumed.text().await.unwrap())[0]["result"]["structuredContent"]["released"], true);
    }

    #[tokio::test]
    async fn are_read_by_the_last_who_asks() {
        let (server, client) = open(resumable()).await;
        let response = client.send(tool_call(1, "slow", &json!({}))).await;
        server.wait_for_slow(1).await;
        // Its id is not known to whoever resumes it: the first stream's is the handshake's.
        let second = resume(&client, "s2-0").await;
        assert_eq!(received(response).await.0.matches("data: {").count(), 0);
        server.release_slow();
        assert_eq!(events(&second.text().await.unwrap()).len(), 1);
    }

    #[tokio::test]
    async fn keep_what_the_standalone_stream_did_not_deliver() {
        let (_server, client) = open(resumable()).await;
        let mut stream = client.request(Method::GET).header("accept", "text/event-stream").send().await.unwrap();
        let priming = String::from_utf8(stream.chunk().await.unwrap().unwrap().to_vec()).unwrap();
        drop(stream);
        client.call("announce", &json!({})).await;
        let mut resumed = resume(&client, last_id(&priming)).await;
        let mut text = String::new();
        while text.matches("\n\n").count() < 2 {
            text.push_str(std::str::from_utf8(&resumed.chunk().await.unwrap().unwrap()).unwrap());
        }
        assert_eq!(events(&text)[0]["method"], "notifications/tools/list_changed");
    }

    #[tokio::test]
    async fn refuse_an_event_that_never_was() {
        let (_server, client) = open(resumable()).await;
        for id in ["s1-99", "s99-0", "nonsense", ""] {
            assert_eq!(resume(&client, id).await.status(), StatusCode::BAD_REQUEST, "{id}");
        }
    }

    #[tokio::test]
    async fn end_with_their_session() {
        let (server, client) = open(resumable()).await;
        let response = client.send(tool_call(1, "slow", &json!({}))).await;
        server.wait_for_slow(1).await;
        server.forget_sessions();
        assert!(received(response).await.1);
        server.wait_for_slow(0).await;
    }
}

#[tokio::test]
async fn all_streams_end_when_the_test_says_so() {
    for resumable in [false, true] {
        let (server, client) = open(MockServer::builder().resumable(resumable).reply(ReplyForm::Sse)).await;
        let response = client.send(tool_call(1, "slow", &json!({}))).await;
        let standalone = client.request(Method::GET).header("accept", "text/event-stream").send().await.unwrap();
        server.wait_for_slow(1).await;
        server.end_streams();
        for stream in [response, standalone] {
            let (text, cleanly) = received(stream).await;
            assert!(cleanly && !text.contains("result"), "{text}");
        }
        assert_eq!(server.slow_waiting(), usize::from(resumable));
    }
}

#[tokio::test]
async fn over_http2_a_reset_is_one_of_the_stream_alone() {
    let server = MockServer::builder().protected(false).tls().start().await.unwrap();
    let authority = reqwest::Certificate::from_pem(server.ca_pem().unwrap().as_bytes()).unwrap();
    let http = reqwest::Client::builder().no_proxy().tls_certs_only([authority]).build().unwrap();
    let mut client = Client { http, ..Client::new(&server) };
    client.initialize().await;
    let slow = client.send(tool_call(9, "slow", &json!({})));
    let (reply, ()) = tokio::join!(slow, async {
        server.wait_for_slow(1).await;
        server.set_faults([Fault::StreamReset.with(1).unwrap()]);
        let (text, cleanly) = received(client.send(STEPS).await).await;
        assert!(!cleanly && text.matches("\n\n").count() == 1, "{text}");
        server.set_fault(Some(Fault::ClosedBeforeAnswer));
        assert!(client.post(STEPS).send().await.is_err());
        server.release_slow();
    });
    assert_eq!((reply.status(), reply.version()), (StatusCode::OK, reqwest::Version::HTTP_2));
}

mod faults_of_streams {
    use super::*;

    #[tokio::test]
    async fn stream_closed_before_response() {
        for events_before in [0, 2] {
            let builder = resumable().fault(Fault::StreamClosedBeforeResponse.with(events_before).unwrap());
            let (_server, client) = open(builder).await;
            let (text, cleanly) = received(client.send(STEPS).await).await;
            assert!(cleanly);
            assert_eq!(events(&text).len() as u64, events_before);
            let rest = events(&resume(&client, last_id(&text)).await.text().await.unwrap());
            assert_eq!(rest.len() as u64, 4 - events_before);
            assert_eq!(rest.last().unwrap()["result"]["structuredContent"]["steps"], 3);
        }
        let (_server, client) = open(MockServer::builder().fault(Fault::StreamClosedBeforeResponse)).await;
        assert_eq!(received(client.send(STEPS).await).await, (String::new(), true));
    }

    #[tokio::test]
    async fn stream_reset_and_half_event() {
        for (fault, cleanly) in [(Fault::StreamReset, false), (Fault::HalfEvent, true)] {
            let (_server, client) = open(resumable().fault(fault.with(1).unwrap())).await;
            let (text, ended_cleanly) = received(client.send(STEPS).await).await;
            assert_eq!(ended_cleanly, cleanly, "{fault}");
            assert_eq!(text.matches("\n\n").count(), 2, "{fault}: {text}");
            assert!(!text.ends_with("\n\n") && text.contains(r#""progress":1"#), "{fault}: {text}");
            let whole = text.rsplit_once("\n\n").unwrap().0;
            let rest = events(&resume(&client, last_id(whole)).await.text().await.unwrap());
            assert_eq!(steps(&rest), [2, 3], "{fault}");
        }
    }

    #[tokio::test]
    async fn stream_polls() {
        let (_server, client) = open(resumable().fault(Fault::StreamPolls.with(2).unwrap())).await;
        let (text, cleanly) = received(client.send(STEPS).await).await;
        let mut got = events(&text);
        assert!(cleanly && got.len() == 2);
        let (text, _) = received(resume(&client, last_id(&text)).await).await;
        got.extend(events(&text));
        assert_eq!((got.len(), steps(&got).len()), (4, 3));
    }

    #[tokio::test]
    async fn replays_too_much() {
        let (_server, client) = open(resumable().fault(Fault::ReplaysTooMuch)).await;
        let text = client.send(STEPS).await.text().await.unwrap();
        let again = resume(&client, ids(&text)[2]).await.text().await.unwrap();
        assert_eq!(ids(&again), ids(&text));
    }

    #[tokio::test]
    async fn resume_refused() {
        for (number, status) in [(None, 405), (Some(404), 404), (Some(400), 400)] {
            let (server, client) = open(resumable().fault(Fault::ResumeRefused)).await;
            if let Some(number) = number {
                server.set_faults([Fault::ResumeRefused.with(number).unwrap()]);
            }
            let text = client.send(STEPS).await.text().await.unwrap();
            assert_eq!(resume(&client, last_id(&text)).await.status(), status);
            let stream = client.request(Method::GET).header("accept", "text/event-stream").send().await.unwrap();
            assert_eq!(stream.status(), StatusCode::OK);
        }
    }
}
