//! The authorization endpoint: what is a page, what is a redirect with an error, and what every answer carries.

use mcp_mock_server::{Approval, Layout, MockServer};
use reqwest::StatusCode;

use serde_json::json;

use crate::client::{Client, REDIRECT_URI, claims_of, json_of, parameters_of};

mod rfc6749_4_1_2 {
    use super::*;

    #[tokio::test]
    async fn a_code_comes_with_the_state_and_the_issuer() {
        let server = MockServer::builder().start().await.unwrap();
        let client = Client::registered(&server).await;
        let answer = parameters_of(&client.authorize(&[]).await);
        assert!(answer.contains_key("code"));
        assert_eq!(answer["state"], "xyz-state");
        assert_eq!(answer["iss"], server.issuer());
    }
}

mod rfc6749_4_1_2_1 {
    use super::*;

    #[tokio::test]
    async fn an_unknown_client_or_redirect_uri_gets_a_page_and_no_redirect() {
        let server = MockServer::builder().start().await.unwrap();
        let client = Client::registered(&server).await;
        for (name, change) in [
            ("an unknown client", ("client_id", Some("somebody"))),
            ("no client", ("client_id", None)),
            ("no redirect URI", ("redirect_uri", None)),
            ("another host", ("redirect_uri", Some("https://elsewhere.example/callback"))),
            ("another path", ("redirect_uri", Some("http://127.0.0.1:4711/other"))),
            ("a name for the address", ("redirect_uri", Some("http://localhost:4711/callback"))),
            ("a query", ("redirect_uri", Some("http://127.0.0.1:4711/callback?x=1"))),
        ] {
            let response = client.authorize(&[change]).await;
            assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{name}");
            assert_eq!(response.headers().get("location"), None, "{name}");
        }
    }

    #[tokio::test]
    async fn what_else_is_wrong_is_told_by_redirect_with_state_and_issuer() {
        let server = MockServer::builder().start().await.unwrap();
        let client = Client::registered(&server).await;
        for (name, change, error) in [
            ("another response type", ("response_type", Some("token")), "unsupported_response_type"),
            ("no response type", ("response_type", None), "invalid_request"),
            ("no PKCE", ("code_challenge", None), "invalid_request"),
            ("plain PKCE", ("code_challenge_method", Some("plain")), "invalid_request"),
            ("PKCE without a method, which is plain", ("code_challenge_method", None), "invalid_request"),
            ("a challenge of the wrong length", ("code_challenge", Some("c2hvcnQ")), "invalid_request"),
            ("no resource", ("resource", None), "invalid_target"),
            ("another resource", ("resource", Some("https://elsewhere.example/mcp")), "invalid_target"),
            ("the resource's origin", ("resource", Some(&*server.issuer())), "invalid_target"),
            ("an unknown scope", ("scope", Some("mcp:tools everything")), "invalid_scope"),
            ("a scope that is none", ("scope", Some("mcp\\tools")), "invalid_scope"),
        ] {
            let answer = parameters_of(&client.authorize(&[change]).await);
            assert_eq!(answer["error"], error, "{name}");
            assert_eq!((&*answer["state"], &answer["iss"]), ("xyz-state", &server.issuer()), "{name}");
            assert!(!answer.contains_key("code"), "{name}");
        }
    }

    #[tokio::test]
    async fn a_repeated_parameter_is_refused() {
        let server = MockServer::builder().start().await.unwrap();
        let client = Client::registered(&server).await;
        let url = client.authorize(&[]).await.url().to_string();
        let repeated = |name: &str| client.http.get(format!("{url}&{name}=mcp:tools")).send();
        assert_eq!(parameters_of(&repeated("scope").await.unwrap())["error"], "invalid_request");
        for name in ["client_id", "redirect_uri"] {
            assert_eq!(repeated(name).await.unwrap().status(), StatusCode::BAD_REQUEST, "{name}");
        }
    }

    #[tokio::test]
    async fn a_client_without_the_grant_of_codes_gets_none() {
        let id = "https://client.example/oauth/refresh-only.json";
        let document = json!({
            "client_id": id,
            "client_name": "Test",
            "redirect_uris": [REDIRECT_URI],
            "grant_types": ["refresh_token"],
            "token_endpoint_auth_method": "none",
        });
        let builder = MockServer::builder().client_metadata_documents(true).client_document(id, document);
        let server = builder.start().await.unwrap();
        let client = Client { id: id.to_owned(), ..Client::new(&server) };
        assert_eq!(parameters_of(&client.authorize(&[]).await)["error"], "unauthorized_client");
        let refused = json_of(client.redeem("any", &[]).await).await;
        assert_eq!(refused["error"], "unauthorized_client");
    }

    #[tokio::test]
    async fn a_person_who_says_no_is_access_denied() {
        let server = MockServer::builder().auto_approve(Approval::Deny).start().await.unwrap();
        let client = Client::registered(&server).await;
        let answer = parameters_of(&client.authorize(&[]).await);
        assert_eq!((&*answer["error"], &answer["iss"]), ("access_denied", &server.issuer()));
    }
}

mod rfc8707_2 {
    use super::*;

    #[tokio::test]
    async fn several_resources_are_more_than_a_grant_is_for() {
        let server = MockServer::builder().also_issues_for("https://other.example").start().await.unwrap();
        let client = Client::registered(&server).await;
        let url = client.authorize(&[]).await.url().to_string();
        let response = client.http.get(format!("{url}&resource=https://other.example")).send().await.unwrap();
        assert_eq!(parameters_of(&response)["error"], "invalid_target");
    }
}

mod rfc8252_7_3 {
    use super::*;

    #[tokio::test]
    async fn the_port_of_a_loopback_address_is_free() {
        let server = MockServer::builder().start().await.unwrap();
        let client = Client::registered(&server).await;
        let response = client.authorize(&[("redirect_uri", Some("http://127.0.0.1:9/callback"))]).await;
        assert!(parameters_of(&response).contains_key("code"));
        assert!(response.headers()["location"].to_str().unwrap().starts_with("http://127.0.0.1:9/callback?"));
    }
}

#[tokio::test]
async fn the_layout_of_2025_03_26_needs_no_resource() {
    let server = MockServer::builder().layout(Layout::Authorization2025_03_26).start().await.unwrap();
    let client = Client::registered(&server).await;
    let answer = parameters_of(&client.authorize(&[("resource", None)]).await);
    assert!(answer.contains_key("code"));
    let answer = parameters_of(&client.authorize(&[("resource", Some("https://elsewhere.example/"))]).await);
    assert_eq!(answer["error"], "invalid_target");
}

#[tokio::test]
async fn the_account_that_approves_becomes_the_subject() {
    for (named, subject) in [(None, "alice"), (Some("bob"), "bob"), (Some("nobody"), "alice")] {
        let mut builder = MockServer::builder();
        if let Some(sub) = named {
            builder = builder.approve_as(sub);
        }
        let server = builder.start().await.unwrap();
        let token = Client::signed_in(&server).await.access_token.unwrap();
        assert_eq!(claims_of(&token)["sub"], subject);
    }
}

#[tokio::test]
async fn where_a_person_is_asked_they_are_sent_to_a_page_of_the_issuer() {
    let server = MockServer::builder().auto_approve(Approval::Ask).start().await.unwrap();
    let client = Client::registered(&server).await;
    let response = client.authorize(&[]).await;
    assert_eq!(response.status(), StatusCode::FOUND);
    let page = response.headers()["location"].to_str().unwrap();
    assert!(page.starts_with(&format!("{}/consent?request=", server.issuer())), "{page}");
    assert_eq!(parameters_of(&client.authorize(&[("scope", Some("x"))]).await)["error"], "invalid_scope");
}
