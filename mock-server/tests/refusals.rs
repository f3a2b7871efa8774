//! The refusals that a client can heal by asking otherwise, seen from outside: each with the request that passes beside it.

use mcp_mock_server::{Fault, FaultSetting, MockServer};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::client::{Client, http, json_of, parameters_of, registration};

async fn with(fault: impl Into<FaultSetting>) -> MockServer {
    MockServer::builder().fault(fault).start().await.unwrap()
}

fn set(fault: Fault, text: &str) -> FaultSetting {
    fault.with(text).unwrap()
}

async fn document(url: String) -> Value {
    json_of(http().get(url).send().await.unwrap()).await
}

#[tokio::test]
async fn issuer_spelling_and_another_server_first() {
    let server = with(set(Fault::IssuerSpelling, "https://other.example")).await;
    let issuer = server.issuer();
    let metadata = document(format!("{issuer}/.well-known/oauth-authorization-server")).await;
    assert_eq!(metadata["issuer"], "https://other.example");
    assert_eq!(metadata["token_endpoint"], format!("{issuer}/token"));
    let client = Client::registered(&server).await;
    assert_eq!(parameters_of(&client.authorize(&[]).await)["iss"], "https://other.example");
    server.set_faults([set(Fault::AnotherServerFirst, "https://first.example")]);
    let resource = document(format!("{issuer}/.well-known/oauth-protected-resource/mcp")).await;
    assert_eq!(resource["authorization_servers"], json!(["https://first.example", issuer]));
}

#[tokio::test]
async fn localhost_only() {
    let server = with(Fault::LocalhostOnly).await;
    let register = format!("{}/register", server.issuer());
    let client = Client::new(&server);
    let refused = client.post_json(&register, &registration("none")).await;
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    assert_eq!(json_of(refused).await["error"], "invalid_redirect_uri");
    let mut by_name = registration("none");
    by_name["redirect_uris"] = json!(["http://localhost:4711/callback"]);
    assert_eq!(client.post_json(&register, &by_name).await.status(), StatusCode::CREATED);
    server.set_fault(None);
    let client = Client::registered(&server).await;
    server.set_fault(Some(Fault::LocalhostOnly));
    let page = client.authorize(&[]).await;
    assert_eq!(page.status(), StatusCode::BAD_REQUEST);
    assert!(page.text().await.unwrap().contains("redirect_uri"));
}

#[tokio::test]
async fn resource_refused() {
    let server = with(Fault::ResourceRefused).await;
    let client = Client::registered(&server).await;
    assert_eq!(parameters_of(&client.authorize(&[]).await)["error"], "invalid_target");
    let code = parameters_of(&client.authorize(&[("resource", None)]).await)["code"].clone();
    assert_eq!(client.redeem(&code, &[("resource", None)]).await.status(), StatusCode::OK);
    server.set_faults([set(Fault::ResourceRefused, "entra")]);
    let refused = parameters_of(&client.authorize(&[]).await);
    assert_eq!(refused["error"], "invalid_request");
    assert!(refused["error_description"].starts_with("AADSTS9010010"));
    server.set_faults([set(Fault::ResourceRefused, "token")]);
    let code = client.code().await;
    assert_eq!(json_of(client.redeem(&code, &[]).await).await["error"], "invalid_target");
    server.set_faults([set(Fault::ResourceRefused, "refresh")]);
    let client = Client::signed_in(&server).await;
    let token = client.refresh_token.clone().unwrap();
    assert_eq!(json_of(client.refresh(&token, &[]).await).await["error"], "invalid_target");
    assert_eq!(client.refresh(&token, &[("resource", None)]).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn scope_refused_and_scopes_refused() {
    let server = with(Fault::ScopeRefused).await;
    let client = Client::registered(&server).await;
    let asked = async |scope: Option<&str>| {
        let answer = parameters_of(&client.authorize(&[("scope", scope)]).await);
        answer.get("error").map(|error| format!("{error}: {}", answer["error_description"]))
    };
    let named = asked(Some("mcp:tools offline_access")).await;
    assert_eq!(named.as_deref(), Some("invalid_scope: the scope 'offline_access' is not allowed for this client"));
    assert_eq!(asked(Some("mcp:tools")).await, None);
    server.set_fault(Some(Fault::ScopesRefused));
    let unnamed = Some("invalid_scope: the scope is not allowed");
    assert_eq!(asked(Some("mcp:tools offline_access")).await.as_deref(), unnamed);
    assert_eq!(asked(Some("mcp:tools")).await, None);
    server.set_faults([set(Fault::ScopesRefused, "none")]);
    assert_eq!(asked(Some("mcp:tools")).await.as_deref(), unnamed);
    assert_eq!(asked(None).await, None);
}

#[tokio::test]
async fn offline_needs_consent() {
    let server = with(Fault::OfflineNeedsConsent).await;
    let client = Client::registered(&server).await;
    let scope = ("scope", Some("mcp:tools offline_access"));
    for (prompt, comes) in [(None, false), (Some("login"), false), (Some("consent"), true)] {
        let code = parameters_of(&client.authorize(&[scope, ("prompt", prompt)]).await)["code"].clone();
        let answer = json_of(client.redeem(&code, &[]).await).await;
        assert_eq!(answer["refresh_token"].is_string(), comes, "{prompt:?}");
    }
}

#[tokio::test]
async fn refresh_needs_scope() {
    let server = with(Fault::RefreshNeedsScope).await;
    let client = Client::signed_in(&server).await;
    let token = client.refresh_token.clone().unwrap();
    assert_eq!(json_of(client.refresh(&token, &[]).await).await["error"], "invalid_request");
    assert_eq!(client.refresh(&token, &[("scope", Some("mcp:tools"))]).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn form_token_answers() {
    let server = with(Fault::FormTokenAnswers).await;
    let client = Client::registered(&server).await;
    let code = client.code().await;
    for expected in ["access_token=", "error=invalid_grant"] {
        let answer = client.redeem(&code, &[]).await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("application/x-www-form-urlencoded"));
        assert!(answer.text().await.unwrap().contains(expected));
    }
}
