//! Answers that are allowed and rare, or not allowed and met (T1, T2, T12): each reaches its request, or is its error.

use mcp_bridge_tests::bridge::Bridge;
use mcp_mock_server::{Fault, FaultSetting, ReplyForm};
use serde_json::json;

use crate::{House, code, open, progress, steps, with};

async fn answering(faults: &[FaultSetting]) -> (House, Bridge) {
    let house = House::new(open()).await;
    let bridge = house.settled(house.options()).await;
    house.server.set_faults(faults.iter().cloned());
    (house, bridge)
}

#[tokio::test]
async fn t1_whatever_2xx_a_notification_is_answered_with_it_has_arrived() {
    for status in [200, 201, 202, 204] {
        let house = House::new(open().fault(with(Fault::NotificationStatus, status))).await;
        let mut bridge = house.settled(house.options().with(&["--log", "warn"])).await;
        bridge.send(json!({"jsonrpc": "2.0", "method": "notifications/x"})).await;
        let ask = bridge.send_request("tools/call", json!({"name": "ask", "arguments": {}})).await;
        let question = bridge.next().await;
        bridge.send(json!({"jsonrpc": "2.0", "id": question["id"], "result": {"action": "cancel"}})).await;
        assert!(bridge.response(ask).await["result"].is_object(), "{status}");
        assert_eq!(house.posts("notifications/x"), 1, "{status}");
        let ended = bridge.end().await;
        assert!(!ended.stderr.contains("did not arrive"), "{status}: {}", ended.stderr);
        assert_eq!(ended.stdout.len(), 3, "{status}");
    }
}

#[tokio::test]
async fn t1_a_notification_that_is_refused_is_said_on_stderr_and_costs_nothing_else() {
    let house = House::new(open()).await;
    let mut bridge = house.settled(house.options().with(&["--log", "warn"])).await;
    house.server.set_faults([with(Fault::NotificationStatus, 500)]);
    bridge.send(json!({"jsonrpc": "2.0", "method": "notifications/x"})).await;
    bridge.stderr_line_with("did not arrive").await;
    assert_eq!(bridge.request("ping", json!({})).await["result"], json!({}));
    assert_eq!((house.posts("notifications/x"), bridge.end().await.stdout.len()), (1, 2));
}

#[tokio::test]
async fn t2_events_as_the_rules_allow_and_few_expect_them_are_understood() {
    for resumable in [false, true] {
        let server = open().reply(ReplyForm::Sse).resumable(resumable).fault(Fault::OddEvents);
        let house = House::new(server).await;
        let mut bridge = house.settled(house.options()).await;
        let arguments = json!({"text": "a\nb\r\n\u{2028}ä😀", "list": [1, 2.50, -0.0]});
        let response = bridge.call_tool("echo", arguments.clone()).await;
        assert_eq!(response["result"]["structuredContent"], arguments, "{response}");
        bridge.request("tools/call", progress(5, "p")).await;
        assert_eq!(steps(&bridge, "p"), [1, 2, 3, 4, 5]);
        let ended = bridge.end().await;
        assert_eq!(ended.stdout.len(), 3 + 5, "events of other names are no messages: {:#?}", ended.stdout);
    }
}

#[tokio::test]
async fn t2_a_stream_that_comes_byte_by_byte_and_compressed_is_the_same_stream() {
    let faults = [Fault::OddEvents, Fault::Drip, Fault::Gzip];
    for some in [&faults[..2], &faults[..], &faults[1..]] {
        let house = House::new(open().reply(ReplyForm::Sse)).await;
        let mut bridge = house.settled(house.options()).await;
        house.server.set_faults(some.iter().copied());
        let arguments = json!({"text": "ä😀".repeat(100)});
        let response = bridge.call_tool("echo", arguments.clone()).await;
        assert_eq!(response["result"]["structuredContent"], arguments, "{some:?}");
        bridge.request("tools/call", progress(5, "p")).await;
        assert_eq!(steps(&bridge, "p"), [1, 2, 3, 4, 5], "{some:?}");
    }
}

#[tokio::test]
async fn t12_an_error_of_the_server_passes_without_its_id_and_with_any_status() {
    let table: [Vec<FaultSetting>; 6] = [
        vec![Fault::ErrorWithoutId.into()],
        vec![with(Fault::RpcErrorStatus, 400)],
        vec![with(Fault::RpcErrorStatus, 404)],
        vec![with(Fault::RpcErrorStatus, 500)],
        vec![Fault::ErrorWithoutId.into(), with(Fault::RpcErrorStatus, 400)],
        vec![Fault::ErrorWithoutId.into(), with(Fault::RpcErrorStatus, 500), Fault::PrettyJson.into()],
    ];
    for faults in table {
        let (house, mut bridge) = answering(&faults).await;
        let response = bridge.request("no/such", json!({})).await;
        assert_eq!(response["error"]["code"], -32601, "{faults:?}: {response}");
        assert!(response["error"]["data"]["source"].is_null(), "{faults:?}: it is the server's own");
        assert_eq!(house.posts("no/such"), 1, "{faults:?}");
        assert!(bridge.call_tool("echo", json!({})).await["result"].is_object(), "{faults:?}");
    }
}

#[tokio::test]
async fn t12_a_result_with_an_id_that_nobody_used_is_not_taken_for_an_answer() {
    for reply in [ReplyForm::Json, ReplyForm::Sse] {
        let house = House::new(open().reply(reply)).await;
        let mut bridge = house.settled(house.options()).await;
        house.server.set_fault(Some(Fault::WrongId));
        let response = bridge.call_tool("echo", json!({})).await;
        assert!(["not_an_mcp_server", "stream_broken"].contains(&code(&response)), "{reply:?}: {response}");
        assert_eq!(house.posts("tools/call"), 1);
        house.server.set_fault(None);
        assert!(bridge.call_tool("echo", json!({})).await["result"].is_object(), "{reply:?}");
        assert_eq!(bridge.end().await.stdout.len(), 3, "{reply:?}");
    }
}

#[tokio::test]
async fn h8_a_response_that_comes_twice_reaches_the_host_once() {
    for faults in [&[Fault::AnswersTwice][..], &[Fault::AnswersTwice, Fault::OddEvents]] {
        let house = House::new(open()).await;
        let mut bridge = house.settled(house.options()).await;
        house.server.set_faults(faults.iter().copied());
        for n in 0..5 {
            let response = bridge.call_tool("echo", json!({"n": n})).await;
            assert_eq!(response["result"]["structuredContent"], json!({"n": n}), "{faults:?}");
        }
        assert_eq!(bridge.end().await.stdout.len(), 6, "{faults:?}");
    }
}

#[tokio::test]
async fn t12_a_redirect_on_the_same_origin_is_followed_where_it_keeps_the_method() {
    for status in [307, 308] {
        let (house, mut bridge) = answering(&[with(Fault::RedirectHere, status)]).await;
        let response = bridge.call_tool("echo", json!({"n": 1})).await;
        assert_eq!(response["result"]["structuredContent"], json!({"n": 1}), "{status}: {response}");
        let log = house.server.log();
        let moved = log.iter().rfind(|seen| seen.path_and_query == "/moved").unwrap();
        assert_eq!((moved.method.as_str(), moved.json()["method"].as_str()), ("POST", Some("tools/call")));
        assert!(moved.header("mcp-session-id").is_some());
        assert!(bridge.end().await.status.success());
    }
    for status in [301, 302, 303] {
        let (house, mut bridge) = answering(&[with(Fault::RedirectHere, status)]).await;
        assert_eq!(code(&bridge.call_tool("echo", json!({})).await), "redirect_refused", "{status}");
        assert!(!house.server.log().iter().any(|seen| seen.path_and_query == "/moved"), "{status}");
    }
}

#[tokio::test]
async fn t12_json_is_known_by_what_it_is_whatever_content_type_it_has() {
    for content_type in ["text/plain", "application/octet-stream", "text/html; charset=utf-8"] {
        let fault = Fault::ContentType.with(content_type).unwrap();
        let (house, mut bridge) = answering(&[fault]).await;
        let response = bridge.call_tool("echo", json!({"n": 1})).await;
        assert_eq!(response["result"]["structuredContent"], json!({"n": 1}), "{content_type}: {response}");
        house.server.set_fault(Some(Fault::HtmlMcp));
        assert_eq!(code(&bridge.call_tool("echo", json!({})).await), "not_an_mcp_server");
    }
}

#[tokio::test]
async fn t12_what_is_compressed_is_opened_and_nothing_that_was_not_offered_is_sent() {
    for fault in [Fault::Gzip, Fault::Brotli, Fault::Zstd] {
        let (house, mut bridge) = answering(&[fault.into()]).await;
        let response = bridge.call_tool("large", json!({"bytes": 300_000})).await;
        assert_eq!(crate::text(&response).len(), 300_000, "{fault}");
        let log = house.server.log();
        let coding = log.iter().rfind(|seen| seen.method == "POST").unwrap().response_header("content-encoding");
        assert_eq!(coding, (fault == Fault::Gzip).then_some("gzip"), "{fault}");
        let response = bridge.request("no/such", json!({})).await;
        assert_eq!(response["error"]["code"], -32601, "{fault}");
    }
}
