//! A legacy host at a server of MCP 2026-07-28 (E0 to E6): the host notices nothing, and a strict server takes everything.

use std::time::Duration;

use mcp_bridge_tests::bridge::Bridge;
use mcp_mock_server::{Era, Fault, Listed, MockServer, MockServerBuilder};
use serde_json::{Value, json};

use crate::House;

/// A strict modern server without a sign-in, and a host that can be asked everything.
struct Pair {
    house: House,
    bridge: Bridge,
}

async fn pair(server: MockServerBuilder) -> Pair {
    pair_with(server, json!({"elicitation": {"form": {}, "url": {}}, "sampling": {}, "roots": {"listChanged": true}}))
        .await
}

async fn pair_with(server: MockServerBuilder, capabilities: Value) -> Pair {
    let house = House::new(server.protected(false)).await;
    let mut bridge = house.options().patience(Duration::from_secs(10)).start();
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": capabilities,
        "clientInfo": {"name": "old-host", "version": "1"}});
    let initialized = bridge.request("initialize", params).await;
    assert_eq!(initialized["result"]["protocolVersion"], "2025-11-25", "{initialized}");
    bridge.send(json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
    Pair { house, bridge }
}

fn modern() -> MockServerBuilder {
    MockServer::builder().era(Era::Modern)
}

impl Pair {
    /// Answers each question with what `answer` says until the response to this request comes; gives it and the questions.
    async fn answering(&mut self, id: u64, answer: impl Fn(&Value) -> Value) -> (Value, Vec<Value>) {
        let mut questions = Vec::new();
        loop {
            let message = self.bridge.next().await;
            if message["method"].is_null() && message["id"] == id {
                return (message, questions);
            }
            if message["id"].is_null() {
                continue;
            }
            let mut response = answer(&message);
            (response["jsonrpc"], response["id"]) = ("2.0".into(), message["id"].clone());
            self.bridge.send(response).await;
            questions.push(message);
        }
    }

    async fn ends_well(self) {
        assert!(self.bridge.end().await.status.success());
    }
}

fn willing(question: &Value) -> Value {
    json!({"result": match question["method"].as_str().unwrap() {
        "elicitation/create" if question["params"]["mode"] == "url" => json!({"action": "accept"}),
        "elicitation/create" => json!({"action": "accept", "content": {"name": "Ada"}}),
        "sampling/createMessage" => {
            json!({"role": "assistant", "model": "m", "content": {"type": "text", "text": "Paris"}})
        }
        "roots/list" => json!({"roots": [{"uri": "file:///home"}]}),
        other => panic!("{other}"),
    }})
}

#[tokio::test]
async fn e1_the_handshake_is_answered_from_discover_and_every_request_carries_its_metadata() {
    let mut pair = pair(modern()).await;
    let listed = pair.bridge.request("tools/list", json!({})).await;
    assert!(listed["result"]["tools"].as_array().is_some_and(|tools| tools.len() > 5), "{listed}");
    let arguments = json!({"text": "w\u{e4}rme", "number": 7, "yes": true, "inner": {"text": " x"}});
    let mirrored = pair.bridge.call_tool("mirror", arguments).await;
    assert!(mirrored["result"]["content"].is_array(), "{mirrored}");
    for (method, params) in [
        ("resources/list", json!({})),
        ("resources/templates/list", json!({})),
        ("resources/read", json!({"uri": "mock://umlauts"})),
        ("prompts/list", json!({})),
        ("ping", json!({})),
    ] {
        let response = pair.bridge.request(method, params).await;
        assert!(response["result"].is_object(), "{method}: {response}");
    }
    pair.ends_well().await;
}

#[tokio::test]
async fn e1_a_sign_in_comes_first_and_the_server_sees_no_session() {
    let house = House::new(modern()).await;
    let mut bridge = house.options().start();
    let initialized = bridge.initialize().await;
    assert!(initialized["result"]["serverInfo"]["name"].is_string(), "{initialized}");
    let echoed = bridge.call_tool("echo", json!({"text": "x"})).await;
    assert!(echoed["result"]["content"].is_array(), "{echoed}");
    assert!(bridge.end().await.status.success());
    assert_eq!(house.browser.tabs_opened(), 1);
}

#[tokio::test]
async fn e0_the_era_is_known_at_the_next_start_and_found_out_anew_when_it_has_changed() {
    let Pair { house, bridge } = pair(modern()).await;
    let count = |house: &House| house.server.log().iter().filter(|seen| seen.method == "POST").count();
    assert!(bridge.end().await.status.success());
    let before = count(&house);
    let mut bridge = house.options().patience(Duration::from_secs(10)).start();
    bridge.initialize().await;
    bridge.request("tools/list", json!({})).await;
    assert!(bridge.end().await.status.success());
    // The discover, the list, perhaps the stream of changes: no initialize that is refused.
    assert!(count(&house) - before <= 3, "{:?}", house.server.log());
    house.server.set_fault(Some(Fault::EraChanges));
    let mut bridge = house.options().patience(Duration::from_secs(10)).start();
    bridge.initialize().await;
    let listed = bridge.request("tools/list", json!({})).await;
    assert!(listed["result"]["tools"].is_array(), "{listed}");
    // While it runs it changes back, and once more.
    for fault in [None, Some(Fault::EraChanges)] {
        house.server.set_fault(fault);
        let called = bridge.call_tool("echo", json!({"text": "x"})).await;
        assert!(called["result"]["content"].is_array(), "{fault:?}: {called}");
    }
    assert!(bridge.end().await.status.success());
}

#[tokio::test]
async fn e2_what_the_server_asks_becomes_requests_to_the_host_all_at_once() {
    let mut pair = pair(modern()).await;
    for (tool, questions) in [
        ("ask", vec!["elicitation/create"]),
        ("ask-url", vec!["elicitation/create"]),
        ("ask-sampling", vec!["sampling/createMessage"]),
        ("ask-roots", vec!["roots/list"]),
        ("ask-several", vec!["elicitation/create", "roots/list", "sampling/createMessage"]),
        ("ask-later", vec![]),
    ] {
        let id = pair.bridge.send_request("tools/call", json!({"name": tool, "arguments": {}})).await;
        let (response, asked) = pair.answering(id, willing).await;
        assert!(
            response["result"]["content"].is_array() && response["result"]["isError"] != true,
            "{tool}: {response}"
        );
        let mut methods: Vec<_> = asked.iter().map(|asked| asked["method"].as_str().unwrap()).collect();
        methods.sort_unstable();
        assert_eq!(methods, questions, "{tool}");
        if tool == "ask-url" {
            assert!(asked[0]["params"]["elicitationId"].is_string(), "{asked:?}");
        }
    }
    pair.ends_well().await;
}

#[tokio::test]
async fn e2_ten_rounds_are_gone_and_no_eleventh() {
    let mut pair = pair(modern()).await;
    for (rounds, good) in [(10, true), (11, false)] {
        let arguments = json!({"name": "ask-rounds", "arguments": {"rounds": rounds}});
        let id = pair.bridge.send_request("tools/call", arguments).await;
        let (response, asked) = pair.answering(id, willing).await;
        assert_eq!(response["result"].is_object(), good, "{response}");
        assert_eq!(asked.len(), 10);
    }
    pair.ends_well().await;
}

#[tokio::test]
async fn e2_what_the_host_refuses_or_never_declared_fails_the_call_and_the_next_one_works() {
    let mut pair = pair_with(modern().fault(Fault::UndeclaredInput), json!({"elicitation": {}})).await;
    let id = pair.bridge.send_request("tools/call", json!({"name": "ask", "arguments": {}})).await;
    let (refused, asked) = pair.answering(id, |_| json!({"error": {"code": -1, "message": "not now"}})).await;
    assert_eq!((refused["error"]["data"]["code"].as_str(), asked.len()), (Some("input_refused"), 1), "{refused}");
    let id = pair.bridge.send_request("tools/call", json!({"name": "ask-sampling", "arguments": {}})).await;
    let (undeclared, asked) = pair.answering(id, willing).await;
    assert_eq!((undeclared["error"]["data"]["code"].as_str(), asked.len()), (Some("not_an_mcp_server"), 0));
    let id = pair.bridge.send_request("tools/call", json!({"name": "ask", "arguments": {}})).await;
    assert!(pair.answering(id, willing).await.0["result"].is_object());
    pair.ends_well().await;
}

#[tokio::test]
async fn e2_input_where_none_may_be_asked_for_and_other_kinds_of_results_are_errors() {
    let call = json!({"name": "echo", "arguments": {}});
    for (fault, method, params) in
        [(Fault::InputElsewhere, "tools/list", json!({})), (Fault::ResultType, "tools/call", call)]
    {
        let mut pair = pair(modern()).await;
        pair.house.server.set_fault(Some(fault));
        let refused = pair.bridge.request(method, params.clone()).await;
        assert_eq!(refused["error"]["data"]["code"], "not_an_mcp_server", "{fault:?}: {refused}");
        pair.house.server.set_fault(None);
        assert!(pair.bridge.request(method, params).await["result"].is_object());
        pair.ends_well().await;
    }
}

#[tokio::test]
async fn e3_changes_that_the_server_offers_reach_the_host_without_a_tag() {
    let mut pair = pair(modern()).await;
    pair.bridge.request("tools/list", json!({})).await;
    pair.house.server.change_list(Listed::Tools).await;
    let told = pair.bridge.next().await;
    assert_eq!(told["method"], "notifications/tools/list_changed");
    assert!(told["params"]["_meta"].is_null(), "{told}");
    pair.ends_well().await;
}

#[tokio::test]
async fn e3_a_resource_is_subscribed_to_by_another_stream_and_unsubscribed_from() {
    let mut pair = pair(modern()).await;
    let uri = json!({"uri": "mock://clock"});
    let subscribed = pair.bridge.request("resources/subscribe", uri.clone()).await;
    assert_eq!(subscribed["result"], json!({}), "{subscribed}");
    pair.house.server.update_resource("mock://clock").await;
    let told = pair.bridge.next().await;
    assert_eq!((told["method"].as_str(), &told["params"]), (Some("notifications/resources/updated"), &uri));
    pair.house.server.update_resource("mock://readme").await;
    let unsubscribed = pair.bridge.request("resources/unsubscribe", uri).await;
    assert_eq!(unsubscribed["result"], json!({}), "{unsubscribed}");
    pair.house.server.update_resource("mock://clock").await;
    assert_eq!(pair.bridge.request("ping", json!({})).await["result"], json!({}));
    pair.house.server.change_list(Listed::Tools).await;
    assert_eq!(pair.bridge.next().await["method"], "notifications/tools/list_changed");
    pair.ends_well().await;
}

#[tokio::test]
async fn e3_a_resource_that_the_server_does_not_acknowledge_is_an_error() {
    let mut pair = pair(modern()).await;
    pair.house.server.set_fault(Some(Fault::NoResourceUpdates));
    let refused = pair.bridge.request("resources/subscribe", json!({"uri": "mock://clock"})).await;
    assert_eq!(refused["error"]["code"], -32602, "{refused}");
    pair.ends_well().await;
}

#[tokio::test]
async fn e3_a_stream_that_ends_is_opened_again_and_what_may_have_changed_is_announced() {
    let mut pair = pair(modern()).await;
    pair.bridge.request("resources/subscribe", json!({"uri": "mock://clock"})).await;
    pair.house.server.end_subscriptions().await;
    let mut told = Vec::new();
    while told.len() < 4 {
        told.push(pair.bridge.next().await["method"].as_str().unwrap().to_owned());
    }
    told.sort();
    assert_eq!(
        told,
        [
            "notifications/prompts/list_changed",
            "notifications/resources/list_changed",
            "notifications/resources/updated",
            "notifications/tools/list_changed"
        ]
    );
    pair.ends_well().await;
}

#[tokio::test]
async fn e4_the_level_is_kept_and_put_into_each_request() {
    let mut pair = pair(modern()).await;
    let log = json!({"name": "log", "arguments": {"level": "info"}});
    let id = pair.bridge.send_request("tools/call", log.clone()).await;
    assert_eq!(pair.bridge.next().await["id"], id, "no log before a level is set");
    assert_eq!(pair.bridge.request("logging/setLevel", json!({"level": "debug"})).await["result"], json!({}));
    assert_eq!(pair.bridge.request("logging/setLevel", json!({"level": "loud"})).await["error"]["code"], -32602);
    pair.bridge.send_request("tools/call", log).await;
    assert_eq!(pair.bridge.next().await["method"], "notifications/message");
    pair.bridge.send(json!({"jsonrpc": "2.0", "method": "notifications/roots/list_changed"})).await;
    pair.ends_well().await;
}

#[tokio::test]
async fn e5_a_missing_resource_has_the_code_of_the_hosts_era() {
    let mut pair = pair(modern()).await;
    let missing = pair.bridge.request("resources/read", json!({"uri": "mock://nowhere"})).await;
    assert_eq!(missing["error"]["code"], -32002, "{missing}");
    pair.ends_well().await;
}

#[tokio::test]
async fn e6_a_cancelled_request_closes_its_stream_and_withdraws_what_the_host_was_asked() {
    let mut pair = pair(modern()).await;
    let slow = pair.bridge.send_request("tools/call", json!({"name": "slow", "arguments": {}})).await;
    pair.house.server.wait_for_slow(1).await;
    let cancel = |id: u64| json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}});
    pair.bridge.send(cancel(slow)).await;
    pair.house.server.wait_for_cancelled(1).await;
    let asks = pair.bridge.send_request("tools/call", json!({"name": "ask", "arguments": {}})).await;
    let question = pair.bridge.next().await;
    assert_eq!(question["method"], "elicitation/create");
    pair.bridge.send(cancel(asks)).await;
    let withdrawn = pair.bridge.next().await;
    assert_eq!(withdrawn["method"], "notifications/cancelled");
    assert_eq!(withdrawn["params"]["requestId"], question["id"]);
    // An answer that comes too late goes nowhere.
    pair.bridge.send(json!({"jsonrpc": "2.0", "id": question["id"], "result": {"action": "cancel"}})).await;
    assert_eq!(pair.bridge.request("ping", json!({})).await["result"], json!({}));
    pair.ends_well().await;
}

#[tokio::test]
async fn h12_a_request_of_a_modern_server_reaches_no_host() {
    let mut pair = pair(modern().fault(Fault::ServerRequests)).await;
    let id = pair.bridge.send_request("tools/call", json!({"name": "progress", "arguments": {}})).await;
    let first = pair.bridge.next().await;
    assert_eq!(first["id"], id, "{first}");
    pair.ends_well().await;
}
