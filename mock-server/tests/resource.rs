//! The gate of the MCP endpoint: which tokens are let in, and what the challenge says to the others.

use std::time::Duration;

use mcp_mock_server::{Layout, MockServer};
use reqwest::{Method, Response, StatusCode};
use serde_json::json;

use crate::client::{Client, PING, parameters_of};

const LIST: &str = r#"{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#;

fn challenge(response: &Response) -> String {
    response.headers()["www-authenticate"].to_str().unwrap().to_owned()
}

mod rfc6750_3 {
    use super::*;

    #[tokio::test]
    async fn a_request_without_a_token_is_told_no_error_code() {
        let server = MockServer::builder().start().await.unwrap();
        for method in [Method::POST, Method::GET, Method::DELETE] {
            let response = Client::new(&server).request(method).send().await.unwrap();
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
            assert!(!challenge(&response).contains("error="));
        }
    }

    #[tokio::test]
    async fn a_token_that_does_not_count_is_invalid_token() {
        let server = MockServer::builder().start().await.unwrap();
        let elsewhere = MockServer::builder().start().await.unwrap();
        let mut client = Client::initialized(&server).await;
        let token = client.access_token.clone().unwrap();
        let foreign = Client::signed_in(&elsewhere).await.access_token.unwrap();
        let signature = token.rfind('.').unwrap();
        let forged = format!("{}.{}", &token[..signature], &foreign[foreign.rfind('.').unwrap() + 1..]);
        for (name, header) in [
            ("another server's", format!("Bearer {foreign}")),
            ("one with another signature", format!("Bearer {forged}")),
            ("one without a signature", format!("Bearer {}.", &token[..signature])),
            ("nonsense", "Bearer nonsense".to_owned()),
            ("another scheme", format!("Basic {token}")),
        ] {
            client.access_token = None;
            let response = client.post(PING).header("authorization", header).send().await.unwrap();
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{name}");
            assert!(challenge(&response).contains("error=\"invalid_token\""), "{name}");
            assert!(challenge(&response).contains("resource_metadata="), "{name}");
        }
    }

    #[tokio::test]
    async fn a_revoked_and_an_expired_token_are_told_apart() {
        let server = MockServer::builder().start().await.unwrap();
        let mut client = Client::initialized(&server).await;
        server.revoke_access_tokens();
        assert!(challenge(&client.send(PING).await).contains("was revoked"));
        let token = client.refresh_token.clone().unwrap();
        let response = client.refresh(&token, &[]).await;
        client.keep(response).await;
        assert_eq!(client.send(PING).await.status(), StatusCode::OK);
        server.expire_access_tokens();
        assert!(challenge(&client.send(PING).await).contains("expired"));
    }

    #[tokio::test]
    async fn a_token_ends_with_its_lifetime_without_leeway() {
        let server = MockServer::builder().access_token_lifetime(Duration::ZERO).start().await.unwrap();
        let client = Client::signed_in(&server).await;
        assert!(challenge(&client.send(PING).await).contains("expired"));
    }

    #[tokio::test]
    async fn a_token_without_the_scope_is_403_insufficient_scope() {
        let server = MockServer::builder().start().await.unwrap();
        let mut client = Client::registered(&server).await;
        let code = parameters_of(&client.authorize(&[("scope", Some("offline_access"))]).await)["code"].clone();
        let response = client.redeem(&code, &[]).await;
        client.keep(response).await;
        let response = client.send(PING).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
        assert!(challenge(&response).contains("error=\"insufficient_scope\""));
        assert!(challenge(&response).contains("scope=\"mcp:tools\""));
    }

    #[tokio::test]
    async fn a_tool_may_need_a_scope_of_its_own() {
        let server = MockServer::builder().tool_scope("get_weather", "mcp:admin").start().await.unwrap();
        let client = Client::initialized(&server).await;
        let body = crate::client::tool_call(1, "get_weather", &json!({ "city": "Oslo" }));
        let response = client.send(body).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
        assert!(challenge(&response).contains("scope=\"mcp:admin\""));
        assert_eq!(client.call("list_files", &json!({})).await["result"]["structuredContent"]["path"], "/");
    }
}

mod rfc6750_2_3 {
    use super::*;

    #[tokio::test]
    async fn a_token_in_the_url_is_refused() {
        let server = MockServer::builder().start().await.unwrap();
        let mut client = Client::signed_in(&server).await;
        client.mcp_url = format!("{}?access_token={}", client.mcp_url, client.access_token.clone().unwrap());
        let response = client.send(PING).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        assert!(challenge(&response).contains("error=\"invalid_request\""));
    }
}

#[tokio::test]
async fn an_unprotected_server_asks_for_nothing_and_has_no_metadata() {
    let server = MockServer::builder().protected(false).start().await.unwrap();
    let mut client = Client::new(&server);
    client.initialize().await;
    let profile = client.call("get_user_profile", &json!({})).await;
    assert_eq!(profile["result"]["structuredContent"]["sub"], "guest");
    for path in ["oauth-protected-resource/mcp", "oauth-authorization-server"] {
        let url = format!("{}/.well-known/{path}", server.issuer());
        assert_eq!(client.http.get(url).send().await.unwrap().status(), StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn a_server_that_is_open_until_tools_call_demands_a_token_for_that_alone() {
    let server = MockServer::builder().open_until_tools_call(true).start().await.unwrap();
    let mut client = Client::new(&server);
    client.initialize().await;
    for open in [r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#, PING, LIST] {
        assert!(client.send(open).await.status().is_success(), "{open}");
    }
    let stream = client.request(Method::GET).header("accept", "text/event-stream").send().await.unwrap();
    assert_eq!(stream.status(), StatusCode::OK);
    let call = crate::client::tool_call(1, "get_user_profile", &json!({}));
    let response = client.send(call.clone()).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert!(!challenge(&response).contains("error="));
    let bad = client.post(LIST).bearer_auth("nonsense").send().await.unwrap();
    assert_eq!(bad.status(), StatusCode::UNAUTHORIZED);
    client.access_token = Client::signed_in(&server).await.access_token;
    let profile = client.call("get_user_profile", &json!({})).await;
    assert_eq!(profile["result"]["structuredContent"]["sub"], "alice");
}

#[tokio::test]
async fn the_layout_of_2025_03_26_has_no_resource_metadata() {
    for (with_metadata, status) in [(true, StatusCode::OK), (false, StatusCode::NOT_FOUND)] {
        let mut builder = MockServer::builder().layout(Layout::Authorization2025_03_26);
        if !with_metadata {
            builder = builder.no_server_metadata();
        }
        let server = builder.start().await.unwrap();
        let client = Client::signed_in(&server).await;
        let response = Client::new(&server).send(PING).await;
        assert!(!challenge(&response).contains("resource_metadata"));
        let get = |path: &str| client.http.get(format!("{}/.well-known/{path}", server.issuer())).send();
        assert_eq!(get("oauth-protected-resource/mcp").await.unwrap().status(), StatusCode::NOT_FOUND);
        assert_eq!(get("oauth-authorization-server").await.unwrap().status(), status);
    }
}

#[tokio::test]
async fn another_account_does_not_get_into_a_session() {
    let server = MockServer::builder().start().await.unwrap();
    let owner = Client::initialized(&server).await;
    let mut other = Client::signed_in(&server).await;
    other.session = owner.session.clone();
    assert_eq!(other.send(PING).await.status(), StatusCode::NOT_FOUND);
}
