//! Every recovery, with the tabs, registrations and token requests that it costs (A7, A14 to A16).

use std::time::{Duration, Instant};

use mcp_bridge_tests::bridge::Options;
use mcp_mock_server::{Endpoint, Fault, MockServer};
use serde_json::json;

use crate::{House, code, text};

impl House {
    /// What it took so far: tabs, registrations, refreshes carried out, families revoked.
    fn cost(&self) -> (usize, usize, usize, usize) {
        let counts = self.server.counts();
        (self.browser.tabs_opened(), counts.registrations, counts.refreshes, counts.families_revoked)
    }
}

#[tokio::test]
async fn a16_a_scope_that_is_demanded_is_signed_in_for_with_what_was_granted_and_the_call_goes_on() {
    let house = House::new(MockServer::builder().tool_scope("list_files", "mcp:admin")).await;
    let mut bridge = house.bridge().await;
    assert!(text(&bridge.call_tool("list_files", json!({})).await).contains("README"));
    assert!(text(&bridge.call_tool("list_files", json!({})).await).contains("README"));
    assert!(text(&bridge.call_tool("get_weather", json!({"city": "Oslo"})).await).starts_with("Oslo"));
    // Registered anew: the first registration was for less scope.
    assert_eq!(house.cost(), (2, 2, 0, 0));
    let log = house.server.log();
    let asked: Vec<_> = log.iter().filter(|seen| seen.param("response_type").is_some()).collect();
    assert_eq!(asked[1].param("scope"), Some("mcp:admin mcp:tools offline_access"), "the union");
}

#[tokio::test]
async fn a16_a_step_up_that_does_not_help_stops_and_is_not_tried_at_every_call() {
    let server = MockServer::builder().tool_scope("list_files", "mcp:admin").fault(Fault::StepUpInVain);
    let house = House::new(server).await;
    let mut bridge = house.bridge().await;
    for _ in 0..3 {
        assert_eq!(code(&bridge.call_tool("list_files", json!({})).await), "insufficient_scope");
    }
    assert!(house.browser.tabs_opened() <= 2, "{}", house.browser.tabs_opened());
    assert!(text(&bridge.call_tool("get_weather", json!({"city": "Oslo"})).await).starts_with("Oslo"));
}

#[tokio::test]
async fn a16_a_token_that_another_bridge_refreshed_is_not_taken_for_the_scope_that_is_demanded() {
    let house = House::new(MockServer::builder().tool_scope("list_files", "mcp:admin")).await;
    let mut bridge = house.bridge().await;
    assert!(text(&bridge.call_tool("get_weather", json!({"city": "Oslo"})).await).starts_with("Oslo"));
    // As if it would end soon: the other one refreshes it first, and the server takes the old one still.
    house.age_the_token(3600, 1);
    let mut other = house.bridge().await;
    assert!(text(&other.call_tool("get_weather", json!({"city": "Oslo"})).await).starts_with("Oslo"));
    assert_eq!(house.cost(), (1, 1, 1, 0));
    assert!(text(&bridge.call_tool("list_files", json!({})).await).contains("README"));
    assert_eq!(house.browser.tabs_opened(), 2);
}

#[tokio::test]
async fn a16_what_was_signed_in_for_at_a_terminal_meanwhile_is_not_signed_in_for_again() {
    let house = House::new(MockServer::builder().tool_scope("list_files", "mcp:admin")).await;
    let mut bridge = house.bridge().await;
    let url = house.server.mcp_url();
    let login = Options::new(&["login", &url, "--force", "--scope", "mcp:tools mcp:admin"], house.state.path());
    assert!(login.browser(&house.browser).start().end().await.status.success());
    let tabs = house.browser.tabs_opened();
    assert!(text(&bridge.call_tool("list_files", json!({})).await).contains("README"));
    assert_eq!(house.browser.tabs_opened(), tabs);
}

#[tokio::test]
async fn a15_a_client_that_the_server_has_forgotten_is_registered_anew_with_one_tab() {
    for fault in [None, Some(Fault::ForgottenClientIsInvalidGrant)] {
        let house = House::new(MockServer::builder()).await;
        let mut bridge = house.bridge().await;
        house.server.set_fault(fault);
        house.server.forget_clients();
        house.server.expire_access_tokens();
        assert!(text(&bridge.call_tool("get_user_profile", json!({})).await).contains("alice"), "{fault:?}");
        assert_eq!(house.cost(), (2, 2, 0, 0), "{fault:?}");
    }
}

#[tokio::test]
async fn a15_a_client_that_may_not_refresh_any_more_signs_in_once() {
    let house = House::new(MockServer::builder()).await;
    let mut bridge = house.bridge().await;
    house.server.set_fault(Some(Fault::UnauthorizedClient));
    house.server.expire_access_tokens();
    assert!(text(&bridge.call_tool("get_user_profile", json!({})).await).contains("alice"));
    assert_eq!(house.cost(), (2, 2, 0, 0));
}

#[tokio::test]
async fn a6_a_client_whose_secret_has_ended_is_registered_anew_with_one_tab() {
    use mcp_mock_server::AuthMethod;
    let server = MockServer::builder()
        .token_endpoint_auth_method(AuthMethod::Basic)
        .client_secret_lifetime(Duration::from_secs(1));
    let house = House::new(server).await;
    let mut bridge = house.bridge().await;
    // The server's clock decides, and nothing tells when it has.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    house.server.expire_access_tokens();
    assert!(text(&bridge.call_tool("get_user_profile", json!({})).await).contains("alice"));
    let (tabs, registrations, _, revoked) = house.cost();
    assert_eq!((tabs, registrations, revoked), (2, 2, 0));
}

#[tokio::test]
async fn a14_where_an_expired_token_kills_the_refresh_token_it_is_refreshed_first() {
    let house = House::new(MockServer::builder().fault(Fault::ExpiredTokenKillsRefresh)).await;
    house.bridge().await.end().await;
    house.age_the_token(7200, 0);
    let mut bridge = house.bridge().await;
    assert!(text(&bridge.call_tool("get_user_profile", json!({})).await).contains("alice"));
    assert_eq!(house.cost(), (1, 1, 1, 0));
}

#[tokio::test]
async fn a14_a_refresh_ahead_of_time_that_hangs_does_not_hold_up_a_token_that_is_good() {
    let house = House::new(MockServer::builder()).await;
    house.bridge().await.end().await;
    house.age_the_token(3560, 40);
    house.server.set_fault(Some(Fault::TokenEndpointHangs));
    let begun = Instant::now();
    // The host waits longer than the bridge for the refresh: no answer stands in for the server's.
    let mut bridge = house.options().with(&["--patience", "0"]).start();
    bridge.initialize().await;
    assert!(text(&bridge.call_tool("get_user_profile", json!({})).await).contains("alice"));
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert_eq!(house.browser.tabs_opened(), 1);
}

#[tokio::test]
async fn a14_a_machine_that_slept_for_a_day_refreshes_once() {
    let house = House::new(MockServer::builder()).await;
    house.bridge().await.end().await;
    house.server.expire_access_tokens();
    house.age_the_token(90_000, 0);
    let mut bridge = house.bridge().await;
    for _ in 0..3 {
        assert!(bridge.call_tool("list_files", json!({})).await["result"].is_object());
    }
    assert_eq!(house.cost(), (1, 1, 1, 0));
}

#[tokio::test]
async fn a14_a_clock_that_was_set_back_causes_no_refresh_and_a_401_still_mends() {
    let house = House::new(MockServer::builder()).await;
    house.bridge().await.end().await;
    house.postdate_the_token(86_400);
    let mut bridge = house.bridge().await;
    for _ in 0..3 {
        assert!(bridge.call_tool("list_files", json!({})).await["result"].is_object());
    }
    assert_eq!(house.cost(), (1, 1, 0, 0));
    house.server.expire_access_tokens();
    assert!(bridge.call_tool("list_files", json!({})).await["result"].is_object());
    assert_eq!(house.cost(), (1, 1, 1, 0));
}

#[tokio::test]
async fn a14_an_unfinished_sign_in_leaves_the_one_that_works_as_it_was() {
    let mut house = House::with_patient_browser(MockServer::builder()).await;
    let mut bridge = house.options().start();
    let id = bridge.send_initialize().await;
    house.browser.next_tab().await.follow().await;
    assert!(bridge.response(id).await["result"].is_object());
    // Somebody begins anew, with another port even, and does not finish.
    let port = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port().to_string();
    for more in [&["--sign-in-timeout", "1"][..], &["--sign-in-timeout", "1", "--callback-port", &port]] {
        let url = house.server.mcp_url();
        let login = Options::new(&["login", &url, "--force"], house.state.path()).with(more).browser(&house.browser);
        let ended = login.start().end().await;
        assert_eq!(ended.status.code(), Some(4), "{}", ended.stderr);
    }
    house.server.expire_access_tokens();
    assert!(text(&bridge.call_tool("get_user_profile", json!({})).await).contains("alice"));
    assert_eq!(house.server.counts().refreshes, 1);
    assert_eq!(house.browser.tabs_opened(), 3, "one, and the two that nobody finished");
}

#[tokio::test]
async fn a14_a_lost_answer_is_asked_for_once_more_at_once() {
    let house = House::new(MockServer::builder().refresh_grace(Duration::from_secs(10))).await;
    let mut bridge = house.bridge().await;
    house.server.set_fault(Some(Fault::LostTokenAnswer));
    house.server.expire_access_tokens();
    assert!(text(&bridge.call_tool("get_user_profile", json!({})).await).contains("alice"));
    assert_eq!(house.cost(), (1, 1, 2, 0));
}

#[tokio::test]
async fn a17_sign_ins_at_different_servers_take_turns_one_tab_at_a_time() {
    let mut house = House::with_patient_browser(MockServer::builder()).await;
    let other = MockServer::builder().start().await.unwrap();
    let mut first = house.options().start();
    let first_id = first.send_initialize().await;
    let first_tab = house.browser.next_tab().await;
    let mut second = Options::to(&other.mcp_url(), house.state.path()).browser(&house.browser).start();
    let second_id = second.send_initialize().await;
    other.wait_for(|log| log.iter().any(|seen| seen.endpoint == Endpoint::Registration && seen.status != 0)).await;
    assert_eq!(house.browser.tabs_opened(), 1);
    first_tab.follow().await;
    assert!(first.response(first_id).await["result"].is_object());
    let second_tab = house.browser.next_tab().await;
    assert!(second_tab.url.starts_with(&other.issuer()));
    second_tab.follow().await;
    assert!(second.response(second_id).await["result"].is_object());
    assert_eq!(house.browser.tabs_opened(), 2);
}

#[tokio::test]
async fn a17_twenty_bridges_with_an_empty_state_folder_cost_one_tab_and_one_registration() {
    let house = House::new(MockServer::builder()).await;
    let mut bridges = Vec::new();
    for _ in 0..20 {
        let mut bridge = house.options().start();
        let id = bridge.send_initialize().await;
        bridges.push((bridge, id));
    }
    for (bridge, id) in &mut bridges {
        assert!(bridge.response(*id).await["result"].is_object());
    }
    assert_eq!(house.cost(), (1, 1, 0, 0));
    assert_eq!(house.server.counts().authorizations, 1);
}

#[tokio::test]
async fn a15_a_token_that_worked_in_an_earlier_bridge_is_not_taken_for_one_that_never_did() {
    // No refresh token, and a server that has forgotten everything within minutes of the sign-in.
    let house = House::new(MockServer::builder()).await;
    let mut bridge = house.bridge().await;
    assert!(bridge.call_tool("list_files", json!({})).await["result"].is_object());
    bridge.end().await;
    house.server.revoke_refresh_tokens();
    house.server.revoke_access_tokens();
    house.drop_the_refresh_token();
    let mut again = house.bridge().await;
    assert!(text(&again.call_tool("get_user_profile", json!({})).await).contains("alice"));
    assert_eq!(house.browser.tabs_opened(), 2);
}

#[tokio::test]
async fn a15_login_asks_the_server_before_it_says_that_one_is_signed_in() {
    let house = House::new(MockServer::builder()).await;
    house.bridge().await.end().await;
    house.server.expire_access_tokens();
    let url = house.server.mcp_url();
    let login = || Options::new(&["login", &url], house.state.path()).browser(&house.browser).start();
    let ended = login().end().await;
    assert!(ended.status.success() && ended.stderr.contains("renewed"), "{}", ended.stderr);
    assert!(login().end().await.stderr.contains("already signed in"));
    assert_eq!(house.cost(), (1, 1, 1, 0));
}

#[tokio::test]
async fn a17_a_hint_names_the_command_for_this_very_account_and_store() {
    let mut house = House::with_patient_browser(MockServer::builder()).await;
    let mut bridge = house.options().with(&["--profile", "work", "--sign-in-timeout", "1"]).start();
    let response = bridge.call_tool("list_files", json!({})).await;
    house.browser.next_tab().await;
    let hint = response["error"]["data"]["hint"].as_str().unwrap();
    let state = house.state.path().join("state");
    let command =
        format!("mcp-bridge login {} --profile work --state-dir '{}'", house.server.mcp_url(), state.display());
    assert!(hint.contains(&command), "{hint}");
}
