//! HTTP+SSE, the transport of 2024-11-05 (T11): found by itself or told by flag, with all that can be wrong with its stream.

use std::time::{Duration, Instant};

use mcp_bridge_tests::bridge::Bridge;
use mcp_mock_server::{Fault, Listed, MockServer, MockServerBuilder, Seen, Transport};
use serde_json::{Value, json};

use crate::{House, code, is_post, open, progress, steps, text, with};

fn old() -> MockServerBuilder {
    open().transport(Transport::HttpSse)
}

async fn ready(house: &House, arguments: &[&str]) -> Bridge {
    let bridge = house.settled(house.options().with(arguments)).await;
    house.server.wait_for(|log| log.iter().any(|seen| is_post(seen, "notifications/initialized"))).await;
    bridge
}

fn streams(log: &[Seen]) -> usize {
    log.iter().filter(|seen| seen.method == "GET" && seen.status == 200).count()
}

#[tokio::test]
async fn t11_it_is_found_out_by_what_the_post_is_answered() {
    for status in [400, 404, 405] {
        for absolute in [false, true] {
            let house = House::new(old().post_refusal(status).absolute_endpoint(absolute)).await;
            let mut bridge = ready(&house, &[]).await;
            let response = bridge.call_tool("echo", json!({"n": 1})).await;
            assert_eq!(response["result"]["structuredContent"], json!({"n": 1}), "{status} {absolute}");
            assert!(bridge.end().await.status.success());
            let log = house.server.log();
            let to: Vec<&str> = log.iter().map(|seen| seen.path_and_query.split('?').next().unwrap()).collect();
            let expected = ["/mcp", "/mcp", "/mcp", "/messages", "/messages", "/messages"];
            assert_eq!(
                to, expected,
                "{status} {absolute}: a handshake and a discover in vain, the stream, three messages"
            );
            assert!(log.iter().all(|seen| seen.header("mcp-session-id").is_none()));
        }
    }
}

#[tokio::test]
async fn t11_other_refusals_do_not_lead_to_it() {
    for status in [403, 410, 500] {
        let house = House::new(old().post_refusal(status)).await;
        let mut bridge = house.options().start();
        let response = bridge.initialize().await;
        assert!(response["error"].is_object(), "{status}: {response}");
        assert!(!house.server.log().iter().any(|seen| seen.method == "GET"), "{status}");
    }
}

#[tokio::test]
async fn t11_transport_sse_asks_for_nothing_else_and_transport_http_never_for_it() {
    let house = House::new(old()).await;
    let mut bridge = ready(&house, &["--transport", "sse"]).await;
    assert!(bridge.call_tool("echo", json!({})).await["result"].is_object());
    assert!(!house.server.log().iter().any(|seen| seen.method == "POST" && seen.path_and_query == "/mcp"));

    let house = House::new(old()).await;
    let mut bridge = house.options().with(&["--transport", "http"]).start();
    assert_eq!(bridge.initialize().await["error"]["message"], "messages are not taken here");
    assert!(!house.server.log().iter().any(|seen| seen.method == "GET"));

    let house = House::new(open().fault(Fault::Get405)).await;
    let mut bridge = house.options().with(&["--transport", "sse"]).start();
    assert_eq!(code(&bridge.initialize().await), "not_an_mcp_server");
    assert!(!house.server.log().iter().any(|seen| seen.method == "POST"));
}

#[tokio::test]
async fn t11_where_there_is_no_such_stream_either_the_host_gets_the_posts_own_error() {
    let house = House::new(open().fault(Fault::Get405)).await;
    let mut bridge = house.options().start();
    let params = json!({"protocolVersion": 7});
    let response = bridge.request("initialize", params).await;
    assert_eq!(response["error"]["code"], -32602, "{response}");
}

#[tokio::test]
async fn t11_an_endpoint_on_another_origin_gets_nothing() {
    for arguments in [&[][..], &["--transport", "sse"]] {
        let house = House::new(old().fault(Fault::EndpointElsewhere)).await;
        let mut bridge = house.options().with(arguments).start();
        assert_eq!(code(&bridge.initialize().await), "redirect_refused");
        let log = house.server.log();
        assert!(!log.iter().any(|seen| seen.path_and_query.starts_with("/messages")), "{log:?}");
    }
}

#[tokio::test]
async fn t11_an_endpoint_that_comes_late_is_waited_for() {
    let house = House::new(old().fault(with(Fault::EndpointLate, 700))).await;
    let started = Instant::now();
    let mut bridge = ready(&house, &[]).await;
    assert!(started.elapsed() >= Duration::from_millis(700));
    assert!(bridge.call_tool("echo", json!({})).await["result"].is_object());
}

#[tokio::test]
async fn t11_progress_questions_and_news_come_by_the_stream_in_order() {
    let house = House::new(old()).await;
    let mut bridge = ready(&house, &[]).await;
    let response = bridge.request("tools/call", progress(20, "p")).await;
    assert_eq!(response["result"]["structuredContent"], json!({"steps": 20}));
    assert_eq!(steps(&bridge, "p"), (1..=20).collect::<Vec<_>>(), "all before the response");

    let ask = bridge.send_request("tools/call", json!({"name": "ask", "arguments": {}})).await;
    let question = bridge.next().await;
    assert_eq!(question["method"], "elicitation/create");
    let answer = json!({"action": "accept", "content": {"name": "Anna"}});
    bridge.send(json!({"jsonrpc": "2.0", "id": question["id"], "result": answer})).await;
    assert!(text(&bridge.response(ask).await).contains("Anna"));

    house.server.change_list(Listed::Prompts).await;
    assert_eq!(bridge.next().await["method"], "notifications/prompts/list_changed");

    let slow = json!({"name": "slow", "arguments": {"milliseconds": 60_000}});
    let id = bridge.send_request("tools/call", slow).await;
    house.server.wait_for_slow(1).await;
    bridge.send(crate::cancelled(&json!(id))).await;
    house.server.wait_for_slow(0).await;
    assert_eq!(bridge.request("ping", json!({})).await["result"], json!({}));
}

#[tokio::test]
async fn t11_many_requests_at_once_get_their_own_answers_as_they_were_spelt() {
    let house = House::new(old()).await;
    let mut bridge = ready(&house, &[]).await;
    let params = |n: usize| json!({"name": "echo", "arguments": {"n": n}});
    for n in 0..50 {
        let id = if n % 2 == 0 { json!(n + 100) } else { json!(format!("{n}")) };
        bridge.send(json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params(n)})).await;
    }
    for _ in 0..50 {
        let answer = bridge.next().await;
        let n = answer["result"]["structuredContent"]["n"].as_u64().unwrap();
        let expected = if n % 2 == 0 { json!(n + 100) } else { json!(format!("{n}")) };
        assert_eq!(answer["id"], expected);
    }
}

#[tokio::test]
async fn t11_a_stream_that_breaks_fails_what_is_in_flight_and_the_next_call_works() {
    let faults = [Fault::StreamCut, Fault::StreamClosedBeforeResponse, Fault::HalfEvent, Fault::StreamReset];
    for fault in faults {
        let house = House::new(old()).await;
        let mut bridge = ready(&house, &[]).await;
        let set = json!({"level": "error"});
        assert_eq!(bridge.request("logging/setLevel", set).await["result"], json!({}), "{fault}");
        let slow = json!({"name": "slow", "arguments": {"milliseconds": 60_000}});
        let waits = bridge.send_request("tools/call", slow).await;
        house.server.wait_for_slow(1).await;
        house.server.set_fault(Some(fault));
        let call = bridge.send_request("tools/call", json!({"name": "echo", "arguments": {}})).await;
        for id in [call, waits] {
            assert_eq!(code(&bridge.response(id).await), "stream_broken", "{fault}");
        }
        house.server.set_fault(None);
        assert!(bridge.call_tool("echo", json!({})).await["result"].is_object(), "{fault}");
        let log = house.server.log();
        let calls = log.iter().filter(|seen| is_post(seen, "tools/call")).count();
        assert_eq!((calls, streams(&log)), (3, 2), "{fault}: none is sent again");
        let open: Vec<Value> = house.server.sessions().iter().map(|session| json!(session.level)).collect();
        assert!(open.contains(&json!("error")), "{fault}: what was set is set again: {open:?}");
        assert_eq!(bridge.end().await.stdout.len(), 5, "{fault}");
    }
}

#[tokio::test]
async fn t11_a_server_that_starts_anew_is_found_again_although_the_host_is_silent() {
    let house = House::new(old()).await;
    let mut bridge = ready(&house, &[]).await;
    house.server.end_streams();
    house.server.wait_for(|log| streams(log) == 2).await;
    house.server.wait_for(|log| log.iter().filter(|s| is_post(s, "notifications/initialized")).count() == 2).await;
    house.server.change_list(Listed::Tools).await;
    assert_eq!(bridge.next().await["method"], "notifications/tools/list_changed");
}

#[tokio::test]
async fn t11_a_list_whose_stream_breaks_is_asked_for_again() {
    let house = House::new(old()).await;
    let mut bridge = ready(&house, &[]).await;
    house.server.set_fault(Some(Fault::StreamCut));
    let list = bridge.send_request("resources/list", json!({})).await;
    house.server.wait_for(|log| streams(log) == 2).await;
    house.server.set_fault(None);
    assert!(bridge.response(list).await["result"]["resources"].is_array());
}

#[tokio::test]
async fn t11_a_sign_in_goes_before_it_and_the_token_with_all_of_it() {
    let house = House::new(MockServer::builder().transport(Transport::HttpSse)).await;
    let mut bridge = house.bridge().await;
    assert!(bridge.call_tool("echo", json!({})).await["result"].is_object());
    assert_eq!(house.browser.tabs_opened(), 1);
    let log = house.server.log();
    let messages: Vec<_> = log.iter().filter(|seen| seen.path_and_query.starts_with("/messages")).collect();
    assert!(messages.len() >= 3 && messages.iter().all(|seen| seen.header("authorization").is_some()));
}
