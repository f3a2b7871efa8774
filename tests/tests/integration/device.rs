//! Signing in by device code (A18, RFC 8628): a person enters a short code on another device, one prompt serves every bridge,
//! and the server is polled no faster than it wants.

use std::time::Duration;

use mcp_bridge_tests::bridge::{Bridge, Options};
use mcp_bridge_tests::browser::visit;
use mcp_mock_server::{Approval, Endpoint, Fault, MockServer, MockServerBuilder, Seen};
use serde_json::{Value, json};

use crate::{House, code, text};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
const BY_CODE: [&str; 3] = ["--grant", "device-code", "--no-browser"];

fn server() -> MockServerBuilder {
    MockServer::builder().device_code(Duration::from_secs(600), Duration::from_secs(1))
}

/// The URL and the code that a bridge shows its person.
async fn prompt(bridge: &mut Bridge) -> (String, String) {
    let words = bridge.stderr_line_with("enter the code").await;
    let code = words.split("enter the code ").nth(1).unwrap().trim_end_matches(':').to_owned();
    (bridge.stderr_line_with("/device?").await, code)
}

fn polls(house: &House) -> Vec<Seen> {
    house.server.log().into_iter().filter(|seen| seen.param("grant_type") == Some(GRANT)).collect()
}

/// Waits until so many polls were answered with this status.
async fn answered(house: &House, status: u16, count: usize) {
    let is_it = |seen: &&Seen| seen.param("grant_type") == Some(GRANT) && seen.status == status;
    house.server.wait_for(|log| log.iter().filter(is_it).count() == count).await;
}

fn one(house: &House, endpoint: Endpoint) -> Seen {
    let mut seen: Vec<_> = house.server.log().into_iter().filter(|seen| seen.endpoint == endpoint).collect();
    assert_eq!(seen.len(), 1, "{endpoint:?}");
    seen.remove(0)
}

#[tokio::test]
async fn a18_a_person_elsewhere_signs_in_once_and_a_restart_asks_nothing() {
    let house = House::new(server()).await;
    let mut bridge = house.options().with(&BY_CODE).start();
    let id = bridge.send_initialize().await;
    let (url, user_code) = prompt(&mut bridge).await;
    assert!(url.ends_with(&format!("?user_code={user_code}")), "{url}");
    assert!(visit(&url).await.text.contains("signed in"));
    assert!(bridge.response(id).await["result"].is_object());

    let registered = one(&house, Endpoint::Registration).json();
    assert_eq!(registered["grant_types"], json!([GRANT, "refresh_token"]));
    assert_eq!(registered.get("redirect_uris"), None, "nobody is redirected");
    let (asked, last) = (one(&house, Endpoint::DeviceAuthorization), polls(&house).pop().unwrap());
    assert_eq!(asked.param("scope"), Some("mcp:tools offline_access"));
    for seen in [&asked, &last] {
        assert_eq!(seen.param("resource"), Some(house.server.mcp_url().as_str()));
    }
    assert_eq!((house.server.count(Endpoint::Authorization), house.browser.tabs_opened()), (0, 0));

    house.server.expire_access_tokens();
    assert!(text(&bridge.call_tool("get_user_profile", json!({})).await).contains("alice"));
    assert_eq!(house.server.counts().refreshes, 1);
    let ended = bridge.end().await;
    let mut again = house.options().start();
    assert!(again.initialize().await["result"].is_object());
    assert_eq!(house.server.count(Endpoint::DeviceAuthorization), 1);
    for secret in house.server.issued_secrets() {
        assert!(!ended.stderr.contains(&secret) && !ended.stdout.join("\n").contains(&secret));
    }
}

#[tokio::test]
async fn a18_the_page_is_opened_with_the_code_in_it_where_a_browser_opens() {
    let mut house = House::with_patient_browser(server()).await;
    let mut bridge = house.options().with(&["--grant", "device-code"]).start();
    let id = bridge.send_initialize().await;
    let tab = house.browser.next_tab().await;
    assert_eq!(
        prompt(&mut bridge).await,
        (tab.url.clone(), tab.parameter("user_code").unwrap()),
        "it is shown as well"
    );
    tab.follow().await;
    assert!(bridge.response(id).await["result"].is_object());
    assert_eq!(house.browser.tabs_opened(), 1);
}

/// No browser opens for these.
fn headless(house: &House, words: &[&str]) -> Options {
    Options::new(words, house.state.path()).variable("PATH", "/nonexistent").variable("BROWSER", "/nonexistent")
}

#[tokio::test]
async fn a18_where_no_browser_opens_the_code_is_the_way_if_the_server_offers_it() {
    let house = House::new(server()).await;
    let mut bridge = headless(&house, &["--upstream", &house.server.mcp_url()]).start();
    let id = bridge.send_initialize().await;
    let (url, _) = prompt(&mut bridge).await;
    visit(&url).await;
    assert!(bridge.response(id).await["result"].is_object());
    let registrations = || {
        let seen = house.server.log().into_iter().filter(|seen| seen.endpoint == Endpoint::Registration);
        seen.map(|seen| seen.json()["grant_types"][0].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(
        (registrations(), house.server.count(Endpoint::Authorization)),
        (vec!["authorization_code".into(), GRANT.into()], 0)
    );
    let mut login = headless(&house, &["login", &house.server.mcp_url(), "--force"]).start();
    visit(&login.stderr_line_with("/device?").await).await;
    assert!(login.ended().await.status.success());
    assert_eq!(
        registrations().iter().filter(|grant| *grant == GRANT).count(),
        1,
        "the client for devices signs in again"
    );
}

#[tokio::test]
async fn a18_who_wants_the_url_printed_or_the_code_grant_gets_no_device_code() {
    for more in [["--no-browser", "--log=info"], ["--grant", "authorization-code"]] {
        let house = House::new(server()).await;
        let mut login = headless(&house, &["login", &house.server.mcp_url()]).with(&more).start();
        let url = login.stderr_line_with("/authorize?").await;
        visit(&url).await;
        assert!(login.ended().await.status.success(), "{more:?}");
        assert_eq!(house.server.count(Endpoint::DeviceAuthorization), 0, "{more:?}");
    }
}

#[tokio::test]
async fn a17_one_prompt_serves_every_bridge_and_outlives_the_one_that_asked() {
    let house = House::new(server()).await;
    let mut first = house.options().with(&BY_CODE).start();
    first.send_initialize().await;
    let (url, user_code) = prompt(&mut first).await;
    first.kill().await;
    let mut bridges = [house.options().with(&BY_CODE).start(), house.options().with(&BY_CODE).start()];
    let mut ids = Vec::new();
    for bridge in &mut bridges {
        ids.push(bridge.send_initialize().await);
        assert_eq!(prompt(bridge).await, (url.clone(), user_code.clone()));
    }
    let mut login = Options::new(&["login", &house.server.mcp_url()], house.state.path()).with(&BY_CODE).start();
    assert!(login.stderr_line_with("the code is").await.contains(&user_code));
    visit(&url).await;
    for (bridge, id) in bridges.iter_mut().zip(ids) {
        assert!(bridge.response(id).await["result"].is_object());
    }
    assert!(login.ended().await.status.success());
    assert_eq!((house.server.count(Endpoint::DeviceAuthorization), house.server.count(Endpoint::Registration)), (1, 1));
}

#[tokio::test]
async fn a17_the_host_is_told_the_url_and_the_code() {
    let house = House::new(server()).await;
    let mut bridge = house.options().with(&BY_CODE).with(&["--patience", "1"]).start();
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": {"elicitation": {"url": {}}},
        "clientInfo": {"name": "t", "version": "1"}});
    let told = bridge.request("initialize", params).await;
    let (url, user_code) = prompt(&mut bridge).await;
    let instructions = told["result"]["instructions"].as_str().unwrap().to_owned();
    assert!(instructions.contains(&url) && instructions.contains(&user_code), "{instructions}");
    bridge.send(json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
    let asked = loop {
        let message = bridge.next().await;
        if message["method"] == "elicitation/create" {
            break message;
        }
    };
    assert_eq!(asked["params"]["url"], url);
    assert!(asked["params"]["message"].as_str().unwrap().contains(&user_code), "{asked}");
    visit(&url).await;
    assert!(text(&bridge.call_tool("get_user_profile", json!({})).await).contains("alice"));
}

#[tokio::test]
async fn rfc8628_3_5_a_no_ends_it_with_the_servers_words() {
    let house = House::new(server().auto_approve(Approval::Deny)).await;
    let mut bridge = house.options().with(&BY_CODE).start();
    let id = bridge.send_initialize().await;
    let (url, _) = prompt(&mut bridge).await;
    visit(&url).await;
    let response = bridge.response(id).await;
    assert_eq!(code(&response), "sign_in_denied", "{response}");
    let count = polls(&house).len();
    let mut login = Options::new(&["login", &house.server.mcp_url()], house.state.path()).with(&BY_CODE).start();
    visit(&login.stderr_line_with("/device?").await).await;
    assert_eq!(login.ended().await.status.code(), Some(4));
    assert!(
        polls(&house).len() > count && house.server.count(Endpoint::Registration) == 1,
        "the same client asked again"
    );
}

#[tokio::test]
async fn rfc8628_3_5_a_code_that_nobody_enters_ends() {
    // Two seconds, told truly; or a minute, of which this client waits one second.
    for (lifetime, more) in [(2, ["--sign-in-timeout", "300"]), (60, ["--sign-in-timeout", "1"])] {
        let builder = MockServer::builder().device_code(Duration::from_secs(lifetime), Duration::from_secs(1));
        let house = House::new(builder).await;
        let options = house.options().with(&BY_CODE).with(&["--patience", "0"]).with(&more);
        let response = options.start().initialize().await;
        assert_eq!(code(&response), "sign_in_timed_out", "{response}");
        assert!(response["error"]["data"]["hint"].as_str().unwrap().contains("mcp-bridge login"), "{response}");
    }
}

#[tokio::test]
async fn rfc8628_3_5_slow_down_is_kept_to_for_good() {
    let house = House::new(server()).await;
    house.server.set_fault(Some(Fault::SlowDown));
    let mut bridge = house.options().with(&BY_CODE).with(&["--patience", "0"]).start();
    let id = bridge.send_initialize().await;
    let (url, _) = prompt(&mut bridge).await;
    answered(&house, 400, 2).await;
    visit(&url).await;
    assert!(bridge.response(id).await["result"].is_object());
    let polls = polls(&house);
    assert_eq!(polls.len(), 3, "one slowed down, one pending, one with tokens");
    for pair in polls.windows(2) {
        let gap = pair[1].at.duration_since(pair[0].at).unwrap();
        assert!(gap >= Duration::from_secs(6), "{gap:?}");
    }
    let refusals: Vec<_> = polls.iter().filter_map(|seen| seen.refusal.clone()).collect();
    assert_eq!(refusals.iter().filter(|words| words.contains("between two polls")).count(), 1, "{refusals:?}");
}

#[tokio::test]
async fn rfc8628_3_5_a_server_in_trouble_is_asked_again_more_slowly_and_the_sign_in_goes_on() {
    let house = House::new(server()).await;
    house.server.set_fault(Some(Fault::TokenEndpointDown));
    let mut bridge = house.options().with(&BY_CODE).with(&["--patience", "0"]).start();
    let id = bridge.send_initialize().await;
    let (url, _) = prompt(&mut bridge).await;
    answered(&house, 503, 2).await;
    house.server.set_fault(None);
    visit(&url).await;
    assert!(bridge.response(id).await["result"].is_object());
    let polls = polls(&house);
    let gap = |at: usize| polls[at].at.duration_since(polls[at - 1].at).unwrap().as_secs();
    assert!(gap(1) >= 2 && gap(2) >= 4, "{} {}", gap(1), gap(2));
}

#[tokio::test]
async fn a12_nobody_is_sent_to_a_page_without_tls() {
    let house = House::new(server()).await;
    house.server.set_fault(Some(Fault::InsecureVerificationUri));
    let response = house.options().with(&["--grant", "device-code"]).start().initialize().await;
    assert_eq!(code(&response), "insecure_url", "{response}");
    assert_eq!(house.browser.tabs_opened(), 0);
}

#[tokio::test]
async fn what_a_server_leaves_out_of_its_codes_is_done_without() {
    let house = House::new(server()).await;
    for (fault, has_code) in [(Fault::NoVerificationUriComplete, false), (Fault::NoDeviceInterval, true)] {
        house.server.set_fault(Some(fault));
        let words = ["login", &house.server.mcp_url(), "--force"];
        let mut login = Options::new(&words, house.state.path()).with(&BY_CODE).start();
        let user_code = login.stderr_line_with("the code is ").await;
        let user_code = user_code.split("the code is ").nth(1).unwrap().split(';').next().unwrap().to_owned();
        let url = login.stderr_line_with("/device").await;
        assert_eq!(url.contains("user_code="), has_code, "{url}");
        let page = url.split('?').next().unwrap();
        visit(&format!("{page}?user_code={user_code}")).await;
        assert!(login.ended().await.status.success(), "{fault:?}");
    }
}

#[tokio::test]
async fn a_server_that_offers_none_is_an_error_that_says_so() {
    let house = House::new(MockServer::builder()).await;
    let response = house.options().with(&BY_CODE).start().initialize().await;
    assert_eq!(code(&response), "invalid_setting", "{response}");
    let words: &Value = &response["error"]["message"];
    assert!(words.as_str().unwrap().contains("device_authorization_endpoint"), "{response}");
}

#[tokio::test]
async fn a15_a_client_that_the_server_has_forgotten_registers_anew_and_a_given_one_is_told_of() {
    let house = House::new(server()).await;
    let login = |more: &[&str]| {
        let words = ["login", &house.server.mcp_url(), "--force"];
        Options::new(&words, house.state.path()).with(&BY_CODE).with(more).start()
    };
    for registrations in [1, 2] {
        let mut login = login(&[]);
        visit(&login.stderr_line_with("/device?").await).await;
        assert!(login.ended().await.status.success());
        assert_eq!(house.server.count(Endpoint::Registration), registrations);
        house.server.forget_clients();
    }
    let ended = login(&["--client-id", "nobody"]).end().await;
    assert!(ended.stderr.contains("the client `nobody` is not accepted"), "{}", ended.stderr);
    assert_eq!(house.server.count(Endpoint::Registration), 2);
}
