//! No host gives up on us: what it asks at its start is answered in time, with or without the server, and made good when
//! the server is there (A17, H11).

use mcp_bridge_tests::bridge::{Bridge, Options};
use mcp_bridge_tests::browser::Browser;
use mcp_mock_server::{Endpoint, MockServer, MockServerBuilder};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{House, free_address, text};

/// The names of the tools that the host sees now.
async fn tools(bridge: &mut Bridge) -> Vec<String> {
    let response = bridge.request("tools/list", json!({})).await;
    let tools = response["result"]["tools"].as_array().unwrap_or_else(|| panic!("no tools in {response}"));
    tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
}

/// Waits for a notification; what came before counts.
async fn notification(bridge: &mut Bridge, method: &str) -> Value {
    if let Some(at) = bridge.others.iter().position(|message| message["method"] == method) {
        return bridge.others.remove(at);
    }
    loop {
        let message = bridge.next().await;
        if message["method"] == method {
            return message;
        }
        bridge.others.push(message);
    }
}

#[tokio::test]
async fn a17_a_host_whose_patience_is_shorter_than_a_sign_in_lives_and_its_call_succeeds_with_one_tab() {
    let mut house = House::with_patient_browser(MockServer::builder()).await;
    let mut bridge = house.options().with(&["--patience", "1"]).start();
    let initialized = bridge.initialize().await;
    assert_eq!(initialized["result"]["serverInfo"]["name"], "mcp-bridge");
    assert_eq!(initialized["result"]["capabilities"]["tools"]["listChanged"], true);
    let tab = house.browser.next_tab().await;
    assert_eq!(tools(&mut bridge).await, ["mcp_bridge_status"]);
    let status = bridge.call_tool("mcp_bridge_status", json!({})).await;
    assert!(text(&status).contains(&tab.url), "where to sign in: {status}");
    let call = bridge.send_request("tools/call", json!({"name": "get_weather", "arguments": {"city": "Oslo"}})).await;

    assert_eq!(tab.follow().await.status, 200);
    let response = bridge.response(call).await;
    assert!(text(&response).starts_with("Oslo"), "{response}");
    notification(&mut bridge, "notifications/tools/list_changed").await;
    assert!(tools(&mut bridge).await.contains(&"get_weather".to_owned()));
    assert!(text(&bridge.call_tool("mcp_bridge_status", json!({})).await).contains("is connected"));
    assert_eq!(house.browser.tabs_opened(), 1);
}

#[tokio::test]
async fn a17_a_host_that_gives_up_and_starts_again_after_the_sign_in_finds_everything_there() {
    let mut house = House::with_patient_browser(MockServer::builder()).await;
    let mut bridge = house.options().with(&["--patience", "1"]).start();
    bridge.initialize().await;
    bridge.kill().await;
    house.browser.next_tab().await.follow().await;
    let mut again = house.bridge().await;
    assert!(text(&again.call_tool("get_user_profile", json!({})).await).contains("alice"));
    assert_eq!(house.browser.tabs_opened(), 1);
}

#[tokio::test]
async fn a17_the_tab_is_good_although_the_host_has_killed_and_started_the_bridge_ten_times() {
    let mut house = House::with_patient_browser(MockServer::builder()).await;
    let mut bridge = house.options().start();
    bridge.send_initialize().await;
    let tab = house.browser.next_tab().await;
    for _ in 0..10 {
        bridge.kill().await;
        bridge = house.options().start();
        bridge.send_request("tools/list", json!({})).await;
    }
    let id = bridge.send_request("ping", json!({})).await;
    assert_eq!(tab.follow().await.status, 200);
    bridge.response(id).await;
    assert_eq!((house.browser.tabs_opened(), house.server.count(Endpoint::Registration)), (1, 1));
}

#[tokio::test]
async fn a17_a_server_that_is_down_at_the_start_and_comes_up_later_is_no_failure() {
    let address = free_address().await;
    let state = tempfile::tempdir().unwrap();
    let mut bridge = Options::to(&format!("http://{address}/mcp"), state.path()).with(&["--patience", "1"]).start();
    assert_eq!(bridge.initialize().await["result"]["serverInfo"]["name"], "mcp-bridge");
    assert_eq!(tools(&mut bridge).await, ["mcp_bridge_status"]);
    let status = bridge.call_tool("mcp_bridge_status", json!({})).await;
    assert!(text(&status).contains("refused the connection"), "{status}");
    let call = bridge.send_request("tools/call", json!({"name": "get_weather", "arguments": {"city": "Oslo"}})).await;

    let _server = MockServer::builder().protected(false).listen(address).start().await.unwrap();
    assert!(text(&bridge.response(call).await).starts_with("Oslo"));
    notification(&mut bridge, "notifications/tools/list_changed").await;
    assert!(tools(&mut bridge).await.contains(&"get_weather".to_owned()));
}

#[tokio::test]
async fn a17_a_host_gets_the_last_known_answers_while_the_server_is_away() {
    let address = free_address().await;
    let server = |builder: MockServerBuilder| builder.protected(false).listen(address).start();
    let first = server(MockServer::builder()).await.unwrap();
    let state = tempfile::tempdir().unwrap();
    let start = || Options::to(&format!("http://{address}/mcp"), state.path()).with(&["--patience", "1"]).start();
    let mut bridge = start();
    let initialized = bridge.initialize().await;
    let known = tools(&mut bridge).await;
    bridge.end().await;
    first.stop().await;

    let mut bridge = start();
    assert_eq!(bridge.initialize().await["result"], initialized["result"]);
    assert_eq!(tools(&mut bridge).await, known);
    let call = bridge.send_request("tools/call", json!({"name": "get_weather", "arguments": {"city": "Oslo"}})).await;
    let _second = server(MockServer::builder()).await.unwrap();
    assert!(text(&bridge.response(call).await).starts_with("Oslo"));
    assert!(
        bridge.others.iter().all(|message| message["method"] != "notifications/tools/list_changed"),
        "nothing changed"
    );
}

#[tokio::test]
async fn a17_what_was_promised_and_is_not_there_is_made_up() {
    let mut house = House::with_patient_browser(MockServer::builder().tools_only(true)).await;
    let mut bridge = house.options().with(&["--patience", "1"]).start();
    assert!(bridge.initialize().await["result"]["capabilities"]["resources"].is_object());
    house.browser.next_tab().await.follow().await;
    // The server has no resources and says "method not found"; a host that was promised some would take it for an error.
    assert!(text(&bridge.call_tool("get_weather", json!({"city": "Oslo"})).await).starts_with("Oslo"));
    let response = bridge.request("resources/list", json!({})).await;
    assert_eq!(response["result"], json!({"resources": []}));
}

#[tokio::test]
async fn a17_requests_that_wait_show_progress_and_the_log_carries_the_link() {
    let mut house = House::with_patient_browser(MockServer::builder()).await;
    let mut bridge = house.options().with(&["--patience", "1"]).start();
    bridge.initialize().await;
    let tab = house.browser.next_tab().await;
    let log = notification(&mut bridge, "notifications/message").await;
    assert!(log["params"]["data"].as_str().unwrap().contains(&tab.url), "{log}");
    let params = json!({"name": "list_files", "arguments": {}, "_meta": {"progressToken": "mine"}});
    let call = bridge.send_request("tools/call", params).await;
    let progress = notification(&mut bridge, "notifications/progress").await;
    assert_eq!(progress["params"]["progressToken"], "mine");
    assert!(progress["params"]["message"].as_str().unwrap().contains(&tab.url), "{progress}");
    tab.follow().await;
    assert!(bridge.response(call).await["result"].is_object());
}

#[tokio::test]
async fn a12_where_no_browser_opens_a_host_that_can_show_a_url_is_asked_to() {
    let house = House::new(MockServer::builder()).await;
    let mut bridge = house.options().with(&["--patience", "1", "--no-browser"]).start();
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": {"elicitation": {"url": {}}},
        "clientInfo": {"name": "t", "version": "1"}});
    assert!(bridge.request("initialize", params).await["result"].is_object());
    bridge.send(json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
    let asked = notification(&mut bridge, "elicitation/create").await;
    assert_eq!(asked["params"]["mode"], "url");
    bridge.send(json!({"jsonrpc": "2.0", "id": asked["id"], "result": {"action": "accept"}})).await;
    mcp_bridge_tests::browser::visit(asked["params"]["url"].as_str().unwrap()).await;
    let complete = notification(&mut bridge, "notifications/elicitation/complete").await;
    assert_eq!(complete["params"]["elicitationId"], asked["params"]["elicitationId"]);
    assert!(text(&bridge.call_tool("get_user_profile", json!({})).await).contains("alice"));
    let ours = asked["id"].as_str().unwrap();
    assert!(house.server.log().iter().all(|seen| !String::from_utf8_lossy(&seen.body).contains(ours)), "it is our own");
    assert_eq!(house.browser.tabs_opened(), 0);
}

#[tokio::test]
async fn h11_a_lone_discover_opens_no_tab_and_is_told_to_go_on_with_initialize() {
    let house = House::new(MockServer::builder()).await;
    let mut bridge = house.options().start();
    let response = bridge.request("server/discover", json!({})).await;
    assert_eq!(response["error"]["code"], -32601, "{response}");
    assert_eq!(house.browser.tabs_opened(), 0);
    assert!(bridge.initialize().await["result"].is_object());
    assert_eq!(house.browser.tabs_opened(), 1);
}

#[tokio::test]
async fn h11_a_discover_that_initialize_overtakes_is_never_answered() {
    let address = free_address().await;
    let state = tempfile::tempdir().unwrap();
    let silent = TcpListener::bind(address).await.unwrap();
    let mut bridge = Options::to(&format!("http://{address}/mcp"), state.path()).with(&["--patience", "2"]).start();
    bridge.send(json!({"jsonrpc": "2.0", "id": "probe", "method": "server/discover"})).await;
    assert!(bridge.initialize().await["result"].is_object());
    drop(silent);
    let ended = bridge.end().await;
    assert!(ended.stdout.iter().all(|line| !line.contains("probe")), "{:#?}", ended.stdout);
}

#[tokio::test]
async fn t6_a_session_that_the_server_has_forgotten_is_begun_anew_and_the_host_notices_nothing() {
    let house = House::new(MockServer::builder()).await;
    let mut bridge = house.bridge().await;
    assert!(bridge.call_tool("list_files", json!({})).await["result"].is_object());
    house.server.forget_sessions();
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(bridge.send_request("tools/call", json!({"name": "list_files", "arguments": {}})).await);
    }
    for id in ids {
        assert!(bridge.response(id).await["result"].is_object());
    }
    let begun = house
        .server
        .log()
        .iter()
        .filter(|seen| seen.status == 200 && String::from_utf8_lossy(&seen.body).contains("\"method\":\"initialize\""))
        .count();
    assert_eq!((begun, house.browser.tabs_opened()), (2, 1), "one new session for all");
}

#[tokio::test]
async fn a17_a_ping_is_answered_while_a_person_signs_in_and_opens_no_tab_afterwards() {
    let mut house = House::with_patient_browser(MockServer::builder()).await;
    let mut bridge = house.options().with(&["--patience", "1"]).start();
    bridge.initialize().await;
    let tab = house.browser.next_tab().await;
    assert_eq!(bridge.request("ping", json!({})).await["result"], json!({}));
    assert_eq!(bridge.request("logging/setLevel", json!({"level": "error"})).await["result"], json!({}));
    tab.follow().await;
    assert!(bridge.call_tool("list_files", json!({})).await["result"].is_object());
    house.server.revoke_refresh_tokens();
    house.server.revoke_access_tokens();
    assert_eq!(bridge.request("ping", json!({})).await["result"], json!({}));
    assert_eq!(house.browser.tabs_opened(), 1);
}

#[tokio::test]
async fn a17_a_list_that_is_asked_for_often_during_the_sign_in_is_fetched_once_and_announced_once() {
    let mut house = House::with_patient_browser(MockServer::builder()).await;
    let mut bridge = house.options().with(&["--patience", "1"]).start();
    bridge.initialize().await;
    let tab = house.browser.next_tab().await;
    let mut asked = Vec::new();
    for _ in 0..10 {
        asked.push(bridge.send_request("tools/list", json!({})).await);
    }
    for id in asked {
        assert_eq!(bridge.response(id).await["result"]["tools"][0]["name"], "mcp_bridge_status");
    }
    tab.follow().await;
    notification(&mut bridge, "notifications/tools/list_changed").await;
    assert!(bridge.call_tool("list_files", json!({})).await["result"].is_object());
    let announced = bridge.others.iter().filter(|message| message["method"] == "notifications/tools/list_changed");
    assert_eq!(announced.count(), 0, "no second time");
    let lists =
        house.server.log().iter().filter(|seen| String::from_utf8_lossy(&seen.body).contains("tools/list")).count();
    assert_eq!(lists, 1);
}

#[tokio::test]
async fn a17_a_host_that_has_only_the_status_tool_gets_a_second_sign_in_by_calling_it() {
    let mut house = House::with_patient_browser(MockServer::builder()).await;
    let mut bridge = house.options().with(&["--patience", "1", "--sign-in-timeout", "3"]).start();
    bridge.initialize().await;
    let tab = house.browser.next_tab().await;
    assert_eq!(tools(&mut bridge).await, ["mcp_bridge_status"]);
    let mut said = String::new();
    while !said.contains("tried once more") {
        said = text(&bridge.call_tool("mcp_bridge_status", json!({})).await).to_owned();
        tokio::task::yield_now().await;
    }
    drop(tab);
    house.browser.next_tab().await.follow().await;
    notification(&mut bridge, "notifications/tools/list_changed").await;
    assert!(tools(&mut bridge).await.contains(&"get_weather".to_owned()));
}

#[tokio::test]
async fn h8_two_handshakes_under_way_are_both_answered_under_their_own_ids() {
    let server = MockServer::builder().protected(false).initialize_delay(std::time::Duration::from_millis(300));
    let server = server.start().await.unwrap();
    let state = tempfile::tempdir().unwrap();
    let mut bridge = Options::to(&server.mcp_url(), state.path()).with(&["--patience", "0"]).start();
    let (first, second) = (bridge.send_initialize().await, bridge.send_initialize().await);
    assert!(bridge.response(first).await["result"].is_object());
    assert!(bridge.response(second).await["result"].is_object());
}

#[tokio::test]
async fn a17_an_authorization_server_that_is_away_at_the_start_is_asked_again_when_it_is_back() {
    let (for_issuer, for_resource) = (free_address().await, free_address().await);
    let issuing =
        || MockServer::builder().listen(for_issuer).also_issues_for(format!("http://{for_resource}/mcp")).start();
    let issuer = issuing().await.unwrap();
    let resource = MockServer::builder().listen(for_resource).authorization_server(issuer.issuer()).trusts(&issuer);
    let server = resource.start().await.unwrap();
    let house = House { server, browser: Browser::obliging().await, state: tempfile::tempdir().unwrap() };
    house.bridge().await.end().await;
    let path = house.record();
    let mut record: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let tokens = &mut record["issuers"][issuer.issuer()]["tokens"];
    (tokens["obtained_at"], tokens["signed_in_at"]) = ((now - 7200).into(), (now - 7200).into());
    tokens["expires_at"] = (now - 3600).into();
    std::fs::write(&path, record.to_string()).unwrap();
    issuer.stop().await;

    let mut bridge = house.options().with(&["--patience", "1"]).start();
    assert!(bridge.initialize().await["result"].is_object());
    let issuer = issuing().await.unwrap();
    let response = bridge.call_tool("list_files", json!({})).await;
    // It remembers nothing, and the server does not know its new keys: what counts is that it was asked.
    assert_ne!(response["error"]["data"]["code"], "connection_refused", "{response}");
    assert!(issuer.count(Endpoint::Token) > 0, "{response}");
}

#[tokio::test]
async fn h12_before_the_host_is_initialized_nothing_of_ours_reaches_it_but_logs() {
    let house = House::new(MockServer::builder()).await;
    let mut bridge = house.options().with(&["--patience", "1", "--no-browser"]).start();
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": {"elicitation": {"url": {}}},
        "clientInfo": {"name": "t", "version": "1"}});
    assert!(bridge.request("initialize", params).await["result"].is_object());
    assert_eq!(tools(&mut bridge).await, ["mcp_bridge_status"]);
    let status = text(&bridge.call_tool("mcp_bridge_status", json!({})).await).to_owned();
    let url = status.split_whitespace().find(|word| word.starts_with("http") && word.contains("authorize")).unwrap();
    mcp_bridge_tests::browser::visit(url.trim_matches(['`', ',', '.'])).await;
    house.server.wait_for(|log| log.iter().any(|seen| crate::is_post(seen, "initialize") && seen.status == 200)).await;
    assert_eq!(bridge.request("ping", json!({})).await["result"], json!({}));
    assert!(bridge.others.iter().all(|message| message["method"] == "notifications/message"), "{:?}", bridge.others);
    bridge.send(json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
    notification(&mut bridge, "notifications/tools/list_changed").await;
}
