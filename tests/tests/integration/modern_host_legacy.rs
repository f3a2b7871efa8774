//! A host of MCP 2026-07-28 at a server with a handshake (E7 to E10, H12): its requests, what they are answered with, and what
//! the server asks meanwhile. What it listens to is in `modern_host_listens`.

mod trouble;

use std::time::Duration;

use mcp_bridge_tests::bridge::Bridge;
use mcp_mock_server::{Era, MockServer, Seen, Transport};
use serde_json::{Value, json};

use crate::House;

/// A legacy server without a sign-in, and a modern host.
pub(crate) struct Pair {
    pub(crate) house: House,
    pub(crate) bridge: Bridge,
    capabilities: Value,
}

pub(crate) async fn pair() -> Pair {
    let house = House::new(MockServer::builder().era(Era::Legacy).protected(false)).await;
    let bridge = house.options().patience(Duration::from_secs(10)).start();
    let capabilities = json!({"elicitation": {"form": {}, "url": {}}, "sampling": {"tools": {}}, "roots": {}});
    Pair { house, bridge, capabilities }
}

fn meta(capabilities: &Value) -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "modern-host", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": capabilities,
    })
}

impl Pair {
    /// The same parameters with the metadata of this host; what is in `_meta` already stays.
    pub(crate) fn params(&self, mut params: Value) -> Value {
        let own = meta(&self.capabilities);
        for (key, value) in own.as_object().unwrap() {
            if params["_meta"].get(key).is_none() {
                params["_meta"][key] = value.clone();
            }
        }
        params
    }

    pub(crate) async fn request(&mut self, method: &str, params: Value) -> Value {
        let params = self.params(params);
        self.bridge.request(method, params).await
    }

    pub(crate) async fn send(&mut self, method: &str, params: Value) -> u64 {
        let params = self.params(params);
        self.bridge.send_request(method, params).await
    }

    async fn call(&mut self, name: &str, arguments: Value) -> Value {
        self.request("tools/call", json!({"name": name, "arguments": arguments})).await
    }

    /// Goes on with what was answered by `asked`.
    async fn retry(&mut self, name: &str, asked: &Value, responses: Value) -> Value {
        let state = &asked["result"]["requestState"];
        let params = json!({"name": name, "arguments": {}, "inputResponses": responses, "requestState": state});
        self.request("tools/call", params).await
    }

    pub(crate) fn seen(&self, method: &str) -> Vec<Seen> {
        let log = self.house.server.log();
        log.into_iter().filter(|seen| seen.json()["method"] == method).collect()
    }

    /// Ends the host. It has got no request and nothing that it did not ask for (H12).
    pub(crate) async fn ends_well(self) {
        let ended = self.bridge.end().await;
        assert!(ended.status.success(), "{}", ended.stderr);
        for line in &ended.stdout {
            let line: Value = serde_json::from_str(line).unwrap();
            assert!(line["method"].is_null() || line["id"].is_null(), "a request: {line}");
        }
    }
}

fn text(response: &Value) -> &str {
    response["result"]["content"][0]["text"].as_str().unwrap_or_default()
}

fn accepted(name: &str) -> Value {
    json!({"action": "accept", "content": {"name": name}})
}

#[tokio::test]
async fn e7_a_server_with_a_handshake_is_discovered_and_its_results_say_what_the_era_demands() {
    let mut pair = pair().await;
    let discovered = pair.request("server/discover", json!({})).await;
    let result = &discovered["result"];
    assert_eq!(result["supportedVersions"], json!(["2026-07-28"]), "{discovered}");
    assert_eq!(
        (&result["resultType"], &result["ttlMs"], &result["cacheScope"]),
        (&json!("complete"), &json!(0), &json!("private"))
    );
    assert!(result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"].is_string(), "{discovered}");
    assert!(result["capabilities"]["tools"].is_object() && result["capabilities"]["tasks"].is_null(), "{discovered}");
    let listed = pair.request("tools/list", json!({})).await;
    assert_eq!((&listed["result"]["resultType"], &listed["result"]["ttlMs"]), (&json!("complete"), &json!(0)));
    let called = pair.call("echo", json!({"n": 1})).await;
    assert_eq!(called["result"]["resultType"], "complete");
    assert!(called["result"]["ttlMs"].is_null(), "{called}");
    let missing = pair.request("resources/read", json!({"uri": "mock://nothing"})).await;
    assert_eq!(missing["error"]["code"], -32602, "{missing}");
    assert_eq!((pair.seen("initialize").len(), pair.seen("server/discover").len()), (1, 1));
    pair.ends_well().await;
}

#[tokio::test]
async fn e7_the_server_gets_a_request_without_the_metadata_of_the_era_and_with_the_rest_of_it() {
    let mut pair = pair().await;
    let params = json!({"name": "echo", "arguments": {"n": 1}, "_meta": {"example.com/trace": "t"}});
    pair.request("tools/call", params).await;
    let call = pair.seen("tools/call").remove(0).json();
    assert_eq!(call["params"], json!({"name": "echo", "arguments": {"n": 1}, "_meta": {"example.com/trace": "t"}}));
    let initialize = pair.seen("initialize").remove(0).json();
    assert_eq!(initialize["params"]["protocolVersion"], "2025-11-25");
    assert_eq!(initialize["params"]["clientInfo"]["name"], "modern-host");
    assert_eq!(initialize["params"]["capabilities"], pair.capabilities);
    pair.ends_well().await;
}

#[tokio::test]
async fn e7_a_request_that_lacks_its_metadata_is_refused() {
    let mut pair = pair().await;
    pair.request("server/discover", json!({})).await;
    let version = "io.modelcontextprotocol/protocolVersion";
    let bare = pair.bridge.request("tools/list", json!({})).await;
    let incapable = pair.bridge.request("tools/list", json!({"_meta": {version: "2026-07-28"}})).await;
    let other = pair.request("tools/list", json!({"_meta": {version: "2027-01-01"}})).await;
    assert_eq!((&bare["error"]["code"], &incapable["error"]["code"]), (&json!(-32602), &json!(-32602)));
    assert_eq!(other["error"]["code"], -32022, "{other}");
    assert_eq!(other["error"]["data"], json!({"supported": ["2026-07-28"], "requested": "2027-01-01"}));
    assert!(pair.seen("tools/list").is_empty());
    pair.ends_well().await;
}

#[tokio::test]
async fn e8_a_question_of_the_server_is_asked_by_a_result_and_answered_by_a_retry() {
    let mut pair = pair().await;
    for on in ["reply", "standalone"] {
        let asked = pair.call("ask", json!({"on": on})).await;
        assert_eq!(asked["result"]["resultType"], "input_required", "{on}: {asked}");
        let question = &asked["result"]["inputRequests"]["q1"];
        assert_eq!(question["method"], "elicitation/create", "{asked}");
        assert!(question["params"]["requestedSchema"].is_object(), "{asked}");
        let params = json!({"name": "ask", "arguments": {"on": on}, "inputResponses": {"q1": accepted("Ada")},
            "requestState": asked["result"]["requestState"]});
        let told = pair.request("tools/call", params).await;
        assert_eq!(told["result"]["resultType"], "complete", "{told}");
        assert!(text(&told).contains("Ada"), "{told}");
    }
    assert_eq!(pair.seen("tools/call").len(), 2, "the held call goes on");
    pair.ends_well().await;
}

#[tokio::test]
async fn e8_several_questions_come_at_once_and_what_is_not_answered_is_asked_again() {
    let mut pair = pair().await;
    let asked = pair.call("ask-several", json!({})).await;
    let requests = asked["result"]["inputRequests"].as_object().cloned().unwrap_or_default();
    let key_of = |method: &str| {
        let found = requests.iter().find(|(_, request)| request["method"] == method);
        found.map(|(key, _)| key.clone()).unwrap_or_default()
    };
    let keys = ["elicitation/create", "sampling/createMessage", "roots/list"].map(key_of);
    assert!(requests.len() == 3 && keys.iter().all(|key| !key.is_empty()), "{asked}");
    let sampled = json!({"role": "assistant", "content": {"type": "text", "text": "Paris"}, "model": "m"});
    let again = pair.retry("ask-several", &asked, json!({&keys[0]: accepted("Ada"), &keys[1]: sampled})).await;
    assert_eq!(again["result"]["inputRequests"], json!({&keys[2]: requests[&keys[2]]}), "{again}");
    assert_ne!(again["result"]["requestState"], asked["result"]["requestState"]);
    let told = pair.retry("ask-several", &again, json!({&keys[2]: {"roots": [{"uri": "file:///r"}]}})).await;
    assert!(["Ada", "Paris", "file:///r"].iter().all(|part| text(&told).contains(part)), "{told}");
    pair.ends_well().await;
}

#[tokio::test]
async fn e8_a_server_may_ask_in_rounds() {
    let mut pair = pair().await;
    let mut answer = pair.call("ask-rounds", json!({})).await;
    for (key, name) in [("q1", "Ada"), ("q2", "Bo")] {
        assert!(answer["result"]["inputRequests"][key].is_object(), "{answer}");
        answer = pair.retry("ask-rounds", &answer, json!({key: accepted(name)})).await;
    }
    assert!(text(&answer).contains("Ada") && text(&answer).contains("Bo"), "{answer}");
    pair.ends_well().await;
}

#[tokio::test]
async fn e8_a_state_that_is_forged_used_or_another_requests_is_refused() {
    let mut pair = pair().await;
    let asked = pair.call("ask", json!({})).await;
    let state = asked["result"]["requestState"].clone();
    let with = |state: &Value, name: &str| json!({"name": name, "arguments": {}, "requestState": state, "inputResponses": {"q1": accepted("Ada")}});
    let forged = pair.request("tools/call", with(&json!("forged"), "ask")).await;
    let another = pair.request("tools/call", with(&state, "ask-roots")).await;
    let odd = pair
        .request("tools/call", json!({"name": "ask", "arguments": {}, "requestState": state, "inputResponses": [1]}))
        .await;
    let told = pair.request("tools/call", with(&state, "ask")).await;
    let used = pair.request("tools/call", with(&state, "ask")).await;
    for refused in [forged, another, odd, used] {
        assert_eq!(refused["error"]["code"], -32602, "{refused}");
    }
    assert!(text(&told).contains("Ada"), "{told}");
    assert_eq!(pair.seen("tools/call").len(), 1);
    pair.ends_well().await;
}

#[tokio::test]
async fn e8_what_the_host_does_not_declare_is_refused_and_a_ping_is_answered() {
    let mut pair = pair().await;
    // The session knows all of it, the requests that follow do not say so.
    pair.call("echo", json!({})).await;
    pair.capabilities = json!({"elicitation": {}});
    let told = pair.call("ask-roots", json!({})).await;
    assert!(text(&told).contains("-32601"), "{told}");
    let told = pair.call("ask-url", json!({})).await;
    assert!(text(&told).contains("-32602"), "{told}");
    for on in ["reply", "standalone"] {
        let told = pair.call("ask-ping", json!({"on": on})).await;
        assert_eq!(told["result"]["structuredContent"], json!({"result": {}}), "{told}");
    }
    pair.ends_well().await;
}

#[tokio::test]
async fn e8_a_page_that_must_be_visited_first_is_asked_for_and_the_call_sent_again() {
    let mut pair = pair().await;
    let asked = pair.call("needs-url", json!({})).await;
    let page = &asked["result"]["inputRequests"]["q1"]["params"];
    assert_eq!(page["mode"], "url", "{asked}");
    assert!(page["url"].is_string() && page["elicitationId"].is_null(), "{asked}");
    let told = pair.retry("needs-url", &asked, json!({"q1": {"action": "accept"}})).await;
    assert_eq!(text(&told), "the page was visited", "{told}");
    pair.ends_well().await;
}

#[tokio::test]
async fn e8_a_page_that_a_host_cannot_show_is_a_capability_that_it_lacks() {
    let mut pair = pair().await;
    pair.capabilities = json!({"elicitation": {}});
    let told = pair.call("needs-url", json!({})).await;
    assert_eq!(told["error"]["code"], -32021, "{told}");
    assert_eq!(told["error"]["data"]["requiredCapabilities"], json!({"elicitation": {"url": {}}}));
    pair.ends_well().await;
}

#[tokio::test]
async fn e10_log_messages_come_to_who_asks_for_them_and_the_level_is_set_when_it_changes() {
    let mut pair = pair().await;
    let logs = |pair: &mut Pair| {
        let logs: Vec<_> = pair.bridge.others.drain(..).map(|log| log["params"]["level"].clone()).collect();
        logs
    };
    pair.call("log", json!({})).await;
    assert_eq!(logs(&mut pair), [] as [Value; 0]);
    for level in ["error", "error", "warning"] {
        let meta = json!({"io.modelcontextprotocol/logLevel": level});
        pair.request("tools/call", json!({"name": "log", "arguments": {}, "_meta": meta})).await;
        let logs = logs(&mut pair);
        assert!(logs.first() == Some(&json!(level)) && !logs.contains(&json!("info")), "{logs:?}");
    }
    let set: Vec<_> = pair.seen("logging/setLevel").iter().map(|seen| seen.json()["params"]["level"].clone()).collect();
    assert_eq!(set, ["error", "warning"]);
    pair.call("log", json!({})).await;
    assert_eq!(logs(&mut pair), [] as [Value; 0]);
    pair.ends_well().await;
}

#[tokio::test]
async fn e10_a_request_that_declares_more_makes_a_new_session_and_less_does_not() {
    let mut pair = pair().await;
    pair.capabilities = json!({"sampling": {}});
    pair.call("echo", json!({})).await;
    pair.capabilities = json!({});
    pair.call("echo", json!({})).await;
    assert_eq!(pair.seen("initialize").len(), 1);
    pair.capabilities = json!({"roots": {"listChanged": true}});
    let asked = pair.call("ask-roots", json!({})).await;
    assert_eq!(asked["result"]["inputRequests"]["q1"]["method"], "roots/list", "{asked}");
    let capabilities = pair.seen("initialize").remove(1).json()["params"]["capabilities"].clone();
    assert_eq!(capabilities, json!({"sampling": {}, "roots": {}}));
    pair.ends_well().await;
}

#[tokio::test]
async fn e10_what_the_host_cancels_is_cancelled_at_the_server_under_our_id() {
    let mut pair = pair().await;
    let slow = pair.send("tools/call", json!({"name": "slow", "arguments": {}})).await;
    pair.house.server.wait_for_slow(1).await;
    pair.bridge
        .send(json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": slow}}))
        .await;
    let cancelled = |log: &[Seen]| log.iter().any(|seen| seen.json()["method"] == "notifications/cancelled");
    pair.house.server.wait_for(cancelled).await;
    let id = pair.seen("tools/call").remove(0).json()["id"].clone();
    assert_eq!(pair.seen("notifications/cancelled").remove(0).json()["params"]["requestId"], id);
    let echoed = pair.call("echo", json!({"n": 1})).await;
    assert_eq!(echoed["result"]["resultType"], "complete");
    pair.ends_well().await;
}

#[tokio::test]
async fn e8_progress_comes_under_the_token_of_the_request_that_waits() {
    let mut pair = pair().await;
    let params = json!({"name": "progress", "arguments": {"steps": 2}, "_meta": {"progressToken": "mine"}});
    pair.request("tools/call", params).await;
    let tokens: Vec<_> = pair.bridge.others.iter().map(|message| message["params"]["progressToken"].clone()).collect();
    assert_eq!(tokens, ["mine", "mine"], "{:?}", pair.bridge.others);
    pair.ends_well().await;
}
