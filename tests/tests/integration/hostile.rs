//! Servers and web pages that lie: nothing goes where the next step would go, and the host holds one error that names it.

use mcp_bridge_tests::browser::visit;
use mcp_mock_server::{Endpoint, Fault, MockServer};
use serde_json::json;

use crate::{House, code};

/// The flow ends with this code, before the given endpoint is asked anything.
async fn ends(fault: Fault, expected: &str, never_asked: Endpoint) {
    let house = House::new(MockServer::builder().fault(fault)).await;
    let mut bridge = house.options().start();
    let response = bridge.initialize().await;
    assert_eq!(code(&response), expected, "{fault}: {response}");
    assert!(bridge.end().await.status.success());
    assert_eq!(house.server.count(never_asked), 0, "{fault}");
    if never_asked == Endpoint::Registration {
        assert_eq!(house.browser.tabs_opened(), 0, "{fault}");
    }
}

#[tokio::test]
async fn a2_metadata_of_another_resource_is_refused() {
    ends(Fault::WrongResource, "resource_mismatch", Endpoint::Registration).await;
}

#[tokio::test]
async fn a3_metadata_of_another_issuer_is_refused() {
    ends(Fault::WrongIssuer, "issuer_mismatch", Endpoint::Registration).await;
}

#[tokio::test]
async fn a4_a_server_that_does_not_say_that_it_does_pkce_is_refused() {
    ends(Fault::NoPkce, "pkce_unsupported", Endpoint::Registration).await;
}

#[tokio::test]
async fn a11_a_response_of_another_issuer_is_refused_before_its_code_is_used() {
    ends(Fault::WrongIss, "issuer_mismatch", Endpoint::Token).await;
}

#[tokio::test]
async fn a11_a_response_without_the_promised_iss_is_refused() {
    ends(Fault::NoIss, "issuer_mismatch", Endpoint::Token).await;
}

#[tokio::test]
async fn a10_forged_responses_change_nothing_and_the_sign_in_completes() {
    let mut house = House::with_patient_browser(MockServer::builder()).await;
    let mut bridge = house.options().start();
    let id = bridge.send_initialize().await;
    let tab = house.browser.next_tab().await;
    let callback = tab.parameter("redirect_uri").unwrap();
    let state = tab.parameter("state").unwrap();
    for (forged, status) in [
        (format!("{callback}?error=access_denied"), 400),
        (format!("{callback}?code=stolen&state=guessed"), 400),
        (format!("{callback}?code=stolen"), 400),
        (format!("{callback}?code=a&state={state}&state={state}"), 400),
        (callback.replace("/callback", "/other"), 404),
    ] {
        let page = visit(&forged).await;
        assert_eq!(page.status, status, "{forged}");
        assert!(!page.text.contains("stolen"), "nothing of a request is in the page");
    }
    let page = tab.follow().await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains("signed in"), "{}", page.text);
    assert!(page.headers["content-security-policy"].to_str().unwrap().contains("default-src 'none'"));
    assert!(bridge.response(id).await["result"].is_object());
    assert_eq!((house.browser.tabs_opened(), house.server.count(Endpoint::Token)), (1, 1));
}

#[tokio::test]
async fn a10_the_page_does_not_tell_of_success_when_the_exchange_failed() {
    let mut house = House::with_patient_browser(MockServer::builder().fault(Fault::TokenEndpointDown)).await;
    let mut bridge = house.options().start();
    let id = bridge.send_initialize().await;
    let page = house.browser.next_tab().await.follow().await;
    assert!(!page.text.contains("You are signed in"), "{}", page.text);
    assert_eq!(code(&bridge.response(id).await), "http_error");
}

#[tokio::test]
async fn t12_a_redirect_to_another_origin_gets_neither_the_token_nor_a_header_of_the_persons() {
    let house = House::new(MockServer::builder()).await;
    let mut bridge = house.options().with(&["--header", "X-Key: hunter2"]).start();
    assert!(bridge.initialize().await["result"].is_object());
    house.server.set_fault(Some(Fault::RedirectMcp));
    let before = house.server.log().len();
    let response = bridge.call_tool("list_files", json!({})).await;
    assert_eq!(code(&response), "redirect_refused");
    let since = house.server.log().split_off(before);
    assert!(since.iter().all(|seen| !seen.header("host").unwrap().starts_with("localhost")), "{since:#?}");
}

#[tokio::test]
async fn a21_a_token_for_one_upstream_is_not_sent_to_another() {
    let house = House::new(MockServer::builder()).await;
    drop(house.bridge().await);
    let other = MockServer::builder().protected(false).start().await.unwrap();
    let mut bridge =
        mcp_bridge_tests::bridge::Options::to(&other.mcp_url(), house.state.path()).browser(&house.browser).start();
    assert!(bridge.initialize().await["result"].is_object());
    assert!(other.log().iter().all(|seen| seen.header("authorization").is_none()));
}
