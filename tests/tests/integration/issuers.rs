//! Servers that call themselves otherwise than they are named (A2, A3, A11): what passes, for whom, and what never does.

use mcp_bridge_tests::bridge::{Ended, Options};
use mcp_mock_server::{Endpoint, Fault, FaultSetting, MockServer};

use crate::{House, code};

const OTHER: &str = "https://other.example";

fn calls_itself(issuer: &str) -> FaultSetting {
    Fault::IssuerSpelling.with(issuer).unwrap()
}

/// Nothing was asked of a server that did not pass.
fn is_asked_nothing(house: &House) {
    let asked = [Endpoint::Registration, Endpoint::Authorization, Endpoint::Token].map(|at| house.server.count(at));
    assert_eq!(asked, [0, 0, 0]);
}

fn is_untouched(house: &House) {
    is_asked_nothing(house);
    assert_eq!(house.browser.tabs_opened(), 0);
}

#[tokio::test]
async fn a3_an_error_shows_both_spellings_and_names_the_flag() {
    let house = House::new(MockServer::builder().fault(calls_itself(OTHER))).await;
    let response = house.options().start().initialize().await;
    assert_eq!(code(&response), "issuer_mismatch");
    let message = response["error"]["message"].as_str().unwrap();
    assert!(message.contains(OTHER) && message.contains(&format!("`{}`", house.server.issuer())), "{message}");
    assert!(response["error"]["data"]["hint"].as_str().unwrap().contains("--issuer"), "{response}");
    is_untouched(&house);
}

#[tokio::test]
async fn a3_the_issuer_that_is_set_passes_and_is_the_one_that_the_response_must_name() {
    let house = House::new(MockServer::builder()).await;
    let other = format!("{}/other", house.server.issuer());
    house.server.set_faults([calls_itself(&other)]);
    let mut bridge = house.options().with(&["--issuer", &other]).start();
    assert!(bridge.initialize().await["result"].is_object());
    let record = std::fs::read_to_string(house.record()).unwrap();
    assert!(record.contains(&format!("\"issuer\": \"{other}\"")), "stored under it: {record}");
    assert_eq!(house.browser.tabs_opened(), 1);
}

#[tokio::test]
async fn a3_who_calls_itself_as_the_issuer_that_is_set_from_elsewhere_is_not_believed_and_that_issuer_is_asked() {
    let other = MockServer::builder().start().await.unwrap();
    let house = House::new(MockServer::builder().fault(calls_itself(&other.issuer()))).await;
    other.also_issue_for(house.server.mcp_url());
    // The tokens are the other's, which this server takes none of: what counts is where they were asked for.
    house.options().with(&["--issuer", &other.issuer()]).start().initialize().await;
    is_asked_nothing(&house);
    assert_eq!((other.count(Endpoint::Token) > 0, house.browser.tabs_opened()), (true, 1));
}

#[tokio::test]
async fn a3_an_issuer_that_does_not_answer_for_itself_is_nobody() {
    let other = MockServer::builder().oauth_metadata(false).openid_configuration(false).start().await.unwrap();
    let house = House::new(MockServer::builder().fault(calls_itself(&other.issuer()))).await;
    let response = house.options().with(&["--issuer", &other.issuer()]).start().initialize().await;
    assert!(response["error"].is_object(), "{response}");
    is_untouched(&house);
}

#[tokio::test]
async fn a11_the_issuer_that_is_set_lets_no_other_iss_pass() {
    let house = House::new(MockServer::builder()).await;
    let other = format!("{}/other", house.server.issuer());
    house.server.set_faults([calls_itself(&other), Fault::WrongIss.into()]);
    let response = house.options().with(&["--issuer", &other]).start().initialize().await;
    assert_eq!(code(&response), "issuer_mismatch");
    assert_eq!(house.server.count(Endpoint::Token), 0);
}

#[tokio::test]
async fn a3_the_issuer_that_is_set_vouches_for_no_other() {
    for published in ["https://third.example", "https://other.example/", "https://OTHER.example"] {
        let house = House::new(MockServer::builder().fault(calls_itself(published))).await;
        let response = house.options().with(&["--issuer", OTHER]).start().initialize().await;
        assert_eq!(code(&response), "issuer_mismatch", "{published}");
        is_untouched(&house);
    }
}

#[tokio::test]
async fn a2_of_several_servers_the_one_that_is_set_is_used() {
    let other = MockServer::builder().start().await.unwrap();
    let first = Fault::AnotherServerFirst.with(other.issuer().as_str()).unwrap();
    let house = House::new(MockServer::builder().fault(first)).await;
    let mut bridge = house.options().with(&["--issuer", &house.server.issuer()]).start();
    assert!(bridge.initialize().await["result"].is_object());
    assert_eq!((other.count(Endpoint::Registration), house.server.count(Endpoint::Registration)), (0, 1));
}

#[tokio::test]
async fn a2_an_issuer_that_is_not_among_those_that_are_named_is_an_error() {
    let house = House::new(MockServer::builder()).await;
    let response = house.options().with(&["--issuer", OTHER]).start().initialize().await;
    assert_eq!(code(&response), "issuer_mismatch");
    let message = response["error"]["message"].as_str().unwrap();
    assert!(message.contains(OTHER) && message.contains(&house.server.issuer()), "{message}");
    is_untouched(&house);
}

#[tokio::test]
async fn an_issuer_that_is_none_is_an_invalid_setting() {
    let state = tempfile::tempdir().unwrap();
    for issuer in ["other.example", "http://other.example", "https://other.example/?a=1", "https://u@other.example"] {
        let ended = Options::to("https://mcp.test/mcp", state.path()).with(&["--issuer", issuer]).start().end().await;
        assert_eq!(ended.status.code(), Some(2), "{issuer}: {}", ended.stderr);
    }
}

#[cfg(target_os = "linux")]
mod at_a_terminal {
    use super::*;
    use mcp_bridge_tests::PATIENCE;
    use tokio::io::AsyncWriteExt;

    /// `mcp-bridge login` at a terminal of its own, where this is typed.
    async fn login(house: &House, typed: &str) -> (bool, String) {
        let command =
            format!("'{}' login '{}'", mcp_bridge_tests::binary::mcp_bridge().display(), house.server.mcp_url());
        let mut child = tokio::process::Command::new("script")
            .args(["-qec", &command, "/dev/null"])
            .env("MCP_BRIDGE_STATE_DIR", house.state.path().join("state"))
            .envs(house.browser.environment())
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(typed.as_bytes()).await.unwrap();
        let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await.unwrap().unwrap();
        drop(stdin);
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    }

    #[tokio::test]
    async fn a3_a_person_is_asked_once_and_the_answer_counts_for_this_pair_alone() {
        let house = House::new(MockServer::builder().fault(calls_itself(OTHER))).await;
        let (success, said) = login(&house, "y\n").await;
        assert!(success && said.contains(OTHER) && said.contains("(y/N)"), "{said}");
        house.server.revoke_refresh_tokens();
        house.server.expire_access_tokens();
        let mut bridge = house.bridge().await;
        assert_eq!(house.browser.tabs_opened(), 2, "nobody was asked again");
        house.server.set_faults([calls_itself("https://third.example")]);
        house.server.revoke_refresh_tokens();
        house.server.expire_access_tokens();
        assert_eq!(code(&bridge.call_tool("list_files", serde_json::json!({})).await), "issuer_mismatch");
        assert_eq!(house.browser.tabs_opened(), 2);
    }

    #[tokio::test]
    async fn a3_whoever_does_not_say_yes_signs_in_nowhere() {
        let house = House::new(MockServer::builder().fault(calls_itself(OTHER))).await;
        let (success, said) = login(&house, "\n").await;
        assert!(!success && said.contains("--issuer"), "{said}");
        is_untouched(&house);
    }
}

#[tokio::test]
async fn a3_where_nobody_sits_at_a_terminal_nobody_is_asked() {
    let house = House::new(MockServer::builder().fault(calls_itself(OTHER))).await;
    let login = Options::new(&["login", &house.server.mcp_url()], house.state.path()).browser(&house.browser);
    let Ended { status, stderr, .. } = login.start().end().await;
    assert!(!status.success() && !stderr.contains("(y/N)"), "{stderr}");
    is_untouched(&house);
}
