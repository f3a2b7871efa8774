//! Every failure has a stable code, says what happened and where, and what to do; the host gets it as the answer to its
//! request, the person on stderr, and the next message works (H8, H13).

use std::time::Duration;

use mcp_bridge_tests::bridge::{Bridge, Options};
use mcp_mock_server::{Approval, Endpoint, Fault, MockServer, ReplyForm};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::{House, code, free_address, text};

/// The message and the hint as both the host and the person get them.
async fn is_told_twice(bridge: &mut Bridge, response: &Value) {
    bridge.stderr_line_with(response["error"]["message"].as_str().unwrap()).await;
    bridge.stderr_line_with(response["error"]["data"]["hint"].as_str().unwrap()).await;
}

#[tokio::test]
async fn a_host_that_does_not_exist_is_named() {
    let state = tempfile::tempdir().unwrap();
    let mut bridge = Options::to("https://nowhere.invalid/mcp", state.path()).start();
    let response = bridge.call_tool("x", json!({})).await;
    assert_eq!(code(&response), "unknown_host");
    assert_eq!(response["error"]["data"]["url"], "https://nowhere.invalid/mcp");
    is_told_twice(&mut bridge, &response).await;
    assert!(bridge.end().await.status.success());
}

#[tokio::test]
async fn a_refused_connection_is_an_error_and_the_next_message_works_once_the_server_is_there() {
    let address = free_address().await;
    let state = tempfile::tempdir().unwrap();
    let mut bridge = Options::to(&format!("http://{address}/mcp"), state.path()).start();
    let response = bridge.call_tool("x", json!({})).await;
    assert_eq!(code(&response), "connection_refused");
    is_told_twice(&mut bridge, &response).await;
    let _server = MockServer::builder().protected(false).listen(address).start().await.unwrap();
    assert!(bridge.initialize().await["result"].is_object());
}

#[tokio::test]
async fn a_server_without_tls_behind_an_https_url_is_a_tls_error() {
    let server = MockServer::builder().start().await.unwrap();
    let state = tempfile::tempdir().unwrap();
    let mut bridge = Options::to(&format!("https://{}/mcp", server.address()), state.path()).start();
    let response = bridge.initialize().await;
    assert_eq!(code(&response), "tls_failed");
    is_told_twice(&mut bridge, &response).await;
}

#[tokio::test]
async fn h13_each_answer_that_is_no_mcp_has_its_code_and_the_next_message_works() {
    let house = House::new(MockServer::builder().reply(ReplyForm::Sse)).await;
    let mut bridge = house.bridge().await;
    let table = [
        (Fault::HtmlMcp, "not_an_mcp_server"),
        (Fault::HtmlError, "http_error"),
        (Fault::Mcp503, "http_error"),
        (Fault::Empty200, "not_an_mcp_server"),
        (Fault::RedirectMcp, "redirect_refused"),
        (Fault::StreamCut, "stream_broken"),
    ];
    for (fault, expected) in table {
        house.server.set_fault(Some(fault));
        let response = bridge.call_tool("get_weather", json!({"city": "Oslo"})).await;
        assert_eq!(code(&response), expected, "{fault}: {response}");
        is_told_twice(&mut bridge, &response).await;
        house.server.set_fault(None);
        let response = bridge.call_tool("get_weather", json!({"city": "Oslo"})).await;
        assert!(response["result"].is_object(), "after {fault}: {response}");
    }
    assert_eq!(house.browser.tabs_opened(), 1);
}

#[tokio::test]
async fn t12_an_error_page_is_quoted_short_and_without_markup() {
    let house = House::new(MockServer::builder().protected(false).fault(Fault::HtmlError)).await;
    let mut bridge = house.options().start();
    let response = bridge.initialize().await;
    let message = response["error"]["message"].as_str().unwrap();
    assert!(message.contains("500") && !message.contains('<') && message.len() < 400, "{message}");
}

#[tokio::test]
async fn a_server_without_registration_is_named() {
    let house = House::new(MockServer::builder().registration(false)).await;
    let mut bridge = house.options().start();
    let response = bridge.initialize().await;
    assert_eq!(code(&response), "registration_unsupported");
    is_told_twice(&mut bridge, &response).await;
    assert_eq!(house.browser.tabs_opened(), 0);
}

#[tokio::test]
async fn a6_a_refused_registration_shows_the_servers_words_after_both_spellings_of_loopback() {
    let house = House::new(MockServer::builder().fault(Fault::RegistrationRefused)).await;
    let mut bridge = house.options().start();
    let response = bridge.initialize().await;
    assert_eq!(code(&response), "registration_refused");
    assert!(response["error"]["message"].as_str().unwrap().contains("invalid_redirect_uri"), "{response}");
    let sent = house.server.log().into_iter().filter(|seen| seen.endpoint == Endpoint::Registration);
    let uris: Vec<_> = sent.map(|seen| seen.json()["redirect_uris"][0].as_str().unwrap().to_owned()).collect();
    assert_eq!(uris.len(), 2);
    assert!(uris[0].starts_with("http://127.0.0.1:") && uris[1].starts_with("http://localhost:"), "{uris:?}");
}

#[tokio::test]
async fn a_denied_sign_in_is_an_error_and_the_next_call_asks_again() {
    let house = House::new(MockServer::builder().auto_approve(Approval::Deny)).await;
    let mut bridge = house.options().start();
    let response = bridge.initialize().await;
    assert_eq!(code(&response), "sign_in_denied");
    is_told_twice(&mut bridge, &response).await;
    assert_eq!(code(&bridge.initialize().await), "sign_in_denied");
    assert_eq!((house.browser.tabs_opened(), house.server.count(Endpoint::Token)), (2, 0));
}

#[tokio::test]
async fn a_sign_in_that_nobody_finishes_ends_with_how_to_go_on_and_the_next_call_opens_a_new_tab() {
    let mut house = House::with_patient_browser(MockServer::builder()).await;
    let mut bridge = house.options().with(&["--sign-in-timeout", "1"]).start();
    let response = bridge.initialize().await;
    assert_eq!(code(&response), "sign_in_timed_out");
    let hint = response["error"]["data"]["hint"].as_str().unwrap();
    assert!(hint.contains(&format!("mcp-bridge login {}", house.server.mcp_url())), "{hint}");
    is_told_twice(&mut bridge, &response).await;
    house.browser.next_tab().await;
    let id = bridge.send_initialize().await;
    let page = house.browser.next_tab().await.follow().await;
    assert!(page.status == 200, "{page:?}");
    assert!(bridge.response(id).await["result"].is_object());
}

#[tokio::test]
async fn a_state_folder_that_cannot_be_used_is_named_before_anything_is_asked() {
    let house = House::new(MockServer::builder()).await;
    let file = house.state.path().join("file");
    std::fs::write(&file, "not a folder").unwrap();
    let mut bridge = house.options().with(&["--state-dir", file.join("state").to_str().unwrap()]).start();
    let response = bridge.initialize().await;
    assert_eq!(code(&response), "state_dir_unusable");
    is_told_twice(&mut bridge, &response).await;
    assert_eq!((house.browser.tabs_opened(), house.server.count(Endpoint::Registration)), (0, 0));
}

#[tokio::test]
async fn a15_a_token_endpoint_that_is_down_costs_no_sign_in() {
    let house = House::new(MockServer::builder()).await;
    let mut bridge = house.bridge().await;
    for fault in [Fault::TokenEndpointDown, Fault::TokenHtml] {
        house.server.expire_access_tokens();
        house.server.set_fault(Some(fault));
        let response = bridge.call_tool("list_files", json!({})).await;
        assert!(["http_error", "token_response_invalid"].contains(&code(&response)), "{fault}: {response}");
        house.server.set_fault(None);
        let response = bridge.call_tool("list_files", json!({})).await;
        assert!(response["result"].is_object(), "after {fault}: {response}");
    }
    assert_eq!((house.browser.tabs_opened(), house.server.families_revoked()), (1, 0));
}

#[tokio::test]
async fn a14_a_token_is_used_until_it_ends_where_refreshing_it_ahead_of_time_fails() {
    let house = House::new(MockServer::builder()).await;
    house.bridge().await.end().await;
    house.age_the_token(970, 30);
    house.server.set_fault(Some(Fault::TokenEndpointDown));
    let mut bridge = house.bridge().await;
    assert!(bridge.call_tool("list_files", json!({})).await["result"].is_object());
    bridge.stderr_line_with("the token is used until it ends").await;
    // Not tried again at every message.
    assert_eq!((house.browser.tabs_opened(), house.server.count(Endpoint::Token)), (1, 2));
}

#[tokio::test]
async fn a15_a_server_that_rejects_a_fresh_token_gets_no_second_tab() {
    let house = House::new(MockServer::builder().fault(Fault::RejectsEveryToken)).await;
    let mut bridge = house.options().start();
    for _ in 0..3 {
        assert_eq!(code(&bridge.initialize().await), "token_rejected");
    }
    assert_eq!(house.browser.tabs_opened(), 1);
}

#[tokio::test]
async fn a_scope_that_the_token_lacks_is_named_with_the_flag_that_asks_for_it() {
    let house =
        House::new(MockServer::builder().tool_scope("list_files", "mcp:admin").fault(Fault::StepUpInVain)).await;
    let mut bridge = house.bridge().await;
    let response = bridge.call_tool("list_files", json!({})).await;
    assert_eq!(code(&response), "insufficient_scope");
    assert!(response["error"]["message"].as_str().unwrap().contains("mcp:admin"), "{response}");
    assert!(response["error"]["data"]["hint"].as_str().unwrap().contains("--scope"), "{response}");
}

#[tokio::test]
async fn a_revoked_refresh_token_leads_to_one_new_sign_in() {
    let house = House::new(MockServer::builder()).await;
    let mut bridge = house.bridge().await;
    house.server.revoke_refresh_tokens();
    house.server.revoke_access_tokens();
    let response = bridge.call_tool("get_user_profile", json!({})).await;
    assert!(text(&response).contains("alice"), "{response}");
    assert_eq!((house.browser.tabs_opened(), house.server.count(Endpoint::Registration)), (2, 1));
}

#[tokio::test]
async fn a_servers_words_cannot_write_on_the_terminal() {
    let builder = MockServer::builder().auto_approve(Approval::Deny).fault(Fault::EvilWords);
    let house = House::new(builder).await;
    let mut bridge = house.options().with(&["--log", "trace"]).start();
    let response = bridge.initialize().await;
    assert_eq!(code(&response), "sign_in_denied");
    let ended = bridge.end().await;
    for said in [&ended.stderr, response["error"]["message"].as_str().unwrap()] {
        let evil =
            said.chars().find(|c| (c.is_control() && *c != '\n') || matches!(c, '\u{202e}' | '\u{2066}' | '\u{2028}'));
        assert_eq!(evil, None, "{said:?}");
        assert!(said.contains("owned"), "the words themselves are shown: {said:?}");
    }
}

#[tokio::test]
async fn a_server_that_never_answers_the_metadata_request_is_given_up_within_its_limit() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let mut connections = Vec::new();
        while let Ok((mut stream, _)) = silent.accept().await {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            let mut head = [0; 4096];
            let read = stream.read(&mut head).await.unwrap_or(0);
            if head[..read].starts_with(b"POST") {
                let _ = stream.write_all(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n").await;
            }
            connections.push(stream); // everything else waits for ever
        }
    });
    let state = tempfile::tempdir().unwrap();
    let mut bridge = Options::to(&format!("http://{address}/mcp"), state.path()).start();
    let response = tokio::time::timeout(Duration::from_secs(29), bridge.call_tool("x", json!({}))).await.unwrap();
    assert_eq!(code(&response), "timed_out");
    server.abort();
}
