//! The nine steps of the flow, each asserted on what went over the wire.

use mcp_mock_server::{AuthMethod, Endpoint, Layout, MockServer, Seen};
use serde_json::json;

use crate::{House, text};

/// All requests to one endpoint.
fn seen(house: &House, endpoint: Endpoint) -> Vec<Seen> {
    house.server.log().into_iter().filter(|seen| seen.endpoint == endpoint).collect()
}

/// After a sign-in and a call.
async fn signed_in() -> House {
    let house = House::new(MockServer::builder()).await;
    let mut bridge = house.bridge().await;
    let response = bridge.call_tool("get_weather", json!({"city": "Oslo"})).await;
    assert!(text(&response).starts_with("Oslo"), "{response}");
    assert!(bridge.end().await.status.success());
    house
}

#[tokio::test]
async fn step_1_the_first_message_goes_without_a_token_and_is_challenged() {
    let house = signed_in().await;
    let first = &house.server.log()[0];
    assert_eq!((first.endpoint, first.status), (Endpoint::Mcp, 401));
    assert_eq!(first.header("authorization"), None);
    assert_eq!(first.header("origin"), None);
    assert_eq!(first.header("content-type"), Some("application/json"));
    assert_eq!(first.header("accept"), Some("application/json, text/event-stream"));
}

#[tokio::test]
async fn step_2_the_resource_metadata_is_read_where_the_challenge_says() {
    let house = signed_in().await;
    let asked = seen(&house, Endpoint::ResourceMetadata);
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].path_and_query, "/.well-known/oauth-protected-resource/mcp");
}

#[tokio::test]
async fn step_3_the_authorization_servers_metadata_is_read_by_rfc_8414() {
    let house = signed_in().await;
    let asked = seen(&house, Endpoint::ServerMetadata);
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].path_and_query, "/.well-known/oauth-authorization-server");
}

#[tokio::test]
async fn step_4_the_client_registers_itself_once() {
    let house = signed_in().await;
    let asked = seen(&house, Endpoint::Registration);
    assert_eq!(asked.len(), 1);
    let sent = asked[0].json();
    assert_eq!(sent["client_name"], "mcp-bridge");
    assert_eq!(sent["grant_types"], json!(["authorization_code", "refresh_token"]));
    assert_eq!(sent["response_types"], json!(["code"]));
    assert_eq!(sent["token_endpoint_auth_method"], "none");
    assert_eq!(sent["application_type"], "native");
    assert!(sent["redirect_uris"][0].as_str().unwrap().starts_with("http://127.0.0.1:"));
    assert!(sent["software_id"].is_string() && sent["software_version"].is_string());
}

#[tokio::test]
async fn step_5_the_authorization_request_has_pkce_state_resource_and_scope() {
    let house = signed_in().await;
    let asked = seen(&house, Endpoint::Authorization);
    assert_eq!((asked.len(), house.browser.tabs_opened()), (1, 1));
    let request = &asked[0];
    assert_eq!(request.param("response_type"), Some("code"));
    assert_eq!(request.param("code_challenge_method"), Some("S256"));
    assert_eq!(request.param("code_challenge").map(str::len), Some(43));
    assert_eq!(request.param("resource"), Some(house.server.mcp_url().as_str()));
    assert_eq!(request.param("scope"), Some("mcp:tools offline_access"));
    assert!(request.param("state").is_some_and(|state| state.len() >= 43));
    let redirect_uri = request.param("redirect_uri").unwrap();
    assert!(redirect_uri.starts_with("http://127.0.0.1:") && redirect_uri.ends_with("/callback"));
}

#[tokio::test]
async fn step_6_the_code_is_exchanged_with_its_verifier_and_the_same_resource() {
    let house = signed_in().await;
    let asked = seen(&house, Endpoint::Token);
    assert_eq!(asked.len(), 1);
    let (authorization, exchange) = (&seen(&house, Endpoint::Authorization)[0], &asked[0]);
    assert_eq!(exchange.param("grant_type"), Some("authorization_code"));
    assert_eq!(exchange.param("code_verifier").map(str::len), Some(43));
    for same in ["redirect_uri", "resource", "client_id"] {
        assert_eq!(exchange.param(same), authorization.param(same), "{same}");
    }
}

#[tokio::test]
async fn step_7_the_challenged_message_is_sent_again_with_the_token_and_so_is_every_other() {
    let house = signed_in().await;
    let messages = seen(&house, Endpoint::Mcp);
    assert_eq!(messages[0].body, messages[1].body, "the same bytes once more");
    for message in &messages[1..] {
        assert!(message.header("authorization").unwrap().starts_with("Bearer "), "{message:?}");
        assert!(!message.path_and_query.contains("token"), "a token never goes into a URL");
    }
    assert!(messages.iter().any(|m| m.method == "GET") && messages.iter().any(|m| m.method == "DELETE"));
}

#[tokio::test]
async fn step_8_a_token_that_the_server_rejects_is_refreshed_without_a_person() {
    let house = House::new(MockServer::builder()).await;
    let mut bridge = house.bridge().await;
    house.server.expire_access_tokens();
    let response = bridge.call_tool("list_files", json!({})).await;
    assert!(response["result"].is_object(), "{response}");
    let exchanges = seen(&house, Endpoint::Token);
    let grants: Vec<_> = exchanges.iter().map(|seen| seen.param("grant_type").unwrap()).collect();
    assert_eq!(grants, ["authorization_code", "refresh_token"]);
    assert_eq!(exchanges[1].param("resource"), exchanges[0].param("resource"));
    assert_eq!(exchanges[1].param("scope"), None, "a refresh asks for no scope");
    assert_eq!((house.browser.tabs_opened(), house.server.families_revoked()), (1, 0));
}

#[tokio::test]
async fn step_9_a_restart_asks_nothing() {
    let house = signed_in().await;
    let before = house.server.log().len();
    let mut bridge = house.bridge().await;
    let response = bridge.call_tool("get_user_profile", json!({})).await;
    assert!(text(&response).contains("alice@example.com"), "{response}");
    assert!(bridge.end().await.status.success());
    let since = house.server.log().split_off(before);
    assert!(since.iter().all(|seen| seen.endpoint == Endpoint::Mcp && seen.status < 400), "{since:#?}");
    assert_eq!(house.browser.tabs_opened(), 1);
}

#[tokio::test]
async fn a14_a_token_is_refreshed_before_it_ends() {
    let house = signed_in().await;
    house.age_the_token(970, 30);
    let before = house.server.log().len();
    drop(house.bridge().await);
    let since = house.server.log().split_off(before);
    assert_eq!(since[0].param("grant_type"), Some("refresh_token"), "before anything else");
    assert!(since.iter().all(|seen| seen.status < 400), "{since:#?}");
    assert_eq!(house.browser.tabs_opened(), 1);
}

#[tokio::test]
async fn a3_a_server_of_2025_03_26_is_signed_in_to_with_its_own_metadata_or_none() {
    for builder in [
        MockServer::builder().layout(Layout::Authorization2025_03_26),
        MockServer::builder().layout(Layout::Authorization2025_03_26).no_server_metadata(),
    ] {
        let house = House::new(builder).await;
        let mut bridge = house.bridge().await;
        assert!(text(&bridge.call_tool("get_user_profile", json!({})).await).contains("alice"));
        assert_eq!(house.browser.tabs_opened(), 1);
    }
}

#[tokio::test]
async fn a13_a_secret_that_registration_gave_is_used_as_the_server_demands() {
    for (method, name) in [(AuthMethod::Basic, "client_secret_basic"), (AuthMethod::Post, "client_secret_post")] {
        let house = House::new(MockServer::builder().token_endpoint_auth_method(method)).await;
        let mut bridge = house.bridge().await;
        house.server.expire_access_tokens();
        assert!(bridge.call_tool("list_files", json!({})).await["result"].is_object());
        assert_eq!(seen(&house, Endpoint::Registration)[0].json()["token_endpoint_auth_method"], name);
        for exchange in seen(&house, Endpoint::Token) {
            assert_eq!(exchange.status, 200, "{name}");
            let basic = exchange.header("authorization").is_some_and(|value| value.starts_with("Basic "));
            assert_eq!(
                (basic, exchange.param("client_secret").is_some()),
                (!name.ends_with("post"), name.ends_with("post"))
            );
        }
    }
}

#[tokio::test]
async fn a1_without_a_challenge_that_names_it_the_metadata_is_looked_for_at_the_well_known_places() {
    let house = House::new(MockServer::builder().layout(Layout::Authorization2025_03_26)).await;
    drop(house.bridge().await);
    let paths = house.server.log().into_iter().map(|seen| seen.path_and_query);
    let asked: Vec<_> = paths.filter(|path| path.contains("oauth-protected-resource")).collect();
    assert_eq!(asked, ["/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-protected-resource"]);
}

#[tokio::test]
async fn a9_the_scope_flag_wins_over_what_the_server_names() {
    let house = House::new(MockServer::builder()).await;
    let mut bridge =
        house.options().with(&["--scope", "mcp:tools mcp:admin", "--client-name", "Anna's bridge"]).start();
    assert!(bridge.initialize().await["result"].is_object());
    assert_eq!(seen(&house, Endpoint::Authorization)[0].param("scope"), Some("mcp:tools mcp:admin offline_access"));
    assert_eq!(seen(&house, Endpoint::Registration)[0].json()["client_name"], "Anna's bridge");
}
