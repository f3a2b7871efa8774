//! OpenID Connect, as far as a client of an authorization server may ask for it: the ID token.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mcp_mock_server::{Approval, MockServer};
use reqwest::StatusCode;
use serde_json::Value;

use crate::client::{Client, claims_of, json_of, parameters_of};

/// The token answer for these scopes.
async fn answer(client: &Client, scope: &str, nonce: Option<&str>) -> Value {
    let response = client.authorize(&[("scope", Some(scope)), ("nonce", nonce)]).await;
    let code = parameters_of(&response)["code"].clone();
    json_of(client.redeem(&code, &[]).await).await
}

#[tokio::test]
async fn who_asks_for_openid_gets_a_token_for_the_client_alone() {
    let server = MockServer::builder().start().await.unwrap();
    let client = Client::registered(&server).await;
    let document = answer(&client, "openid mcp:tools", Some("n-1")).await;
    let claims = claims_of(document["id_token"].as_str().unwrap());
    assert_eq!((&claims["iss"], &claims["aud"]), (&server.issuer().into(), &client.id.clone().into()));
    assert_eq!((&claims["sub"], &claims["nonce"]), (&"alice".into(), &"n-1".into()));
    assert!(claims["exp"].as_u64() > claims["iat"].as_u64() && claims["auth_time"].as_u64() <= claims["iat"].as_u64());
    let hash = digest(&SHA256, document["access_token"].as_str().unwrap().as_bytes());
    assert_eq!(claims["at_hash"], URL_SAFE_NO_PAD.encode(&hash.as_ref()[..16]));
    assert_eq!((claims.get("name"), claims.get("email")), (None, None));
}

#[tokio::test]
async fn name_and_mail_are_told_who_asks_for_them() {
    let server = MockServer::builder().start().await.unwrap();
    let client = Client::registered(&server).await;
    let document = answer(&client, "openid profile email mcp:tools", None).await;
    let claims = claims_of(document["id_token"].as_str().unwrap());
    assert_eq!((&claims["name"], &claims["email"]), (&"Alice Example".into(), &"alice@example.com".into()));
    assert_eq!(claims.get("nonce"), None);
}

#[tokio::test]
async fn who_does_not_ask_gets_none_and_a_refresh_gives_none() {
    let server = MockServer::builder().start().await.unwrap();
    let client = Client::registered(&server).await;
    assert_eq!(answer(&client, "mcp:tools", Some("n")).await.get("id_token"), None);
    let document = answer(&client, "openid mcp:tools", None).await;
    let token = document["refresh_token"].as_str().unwrap();
    let refreshed = json_of(client.refresh(token, &[]).await).await;
    assert!(refreshed["access_token"].is_string() && refreshed.get("id_token").is_none());
}

#[tokio::test]
async fn an_id_token_is_no_access_token() {
    let server = MockServer::builder().start().await.unwrap();
    let mut client = Client::registered(&server).await;
    let document = answer(&client, "openid mcp:tools", None).await;
    client.access_token = document["id_token"].as_str().map(str::to_owned);
    let response = client.send(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn who_wants_no_page_where_a_person_must_be_asked_is_told_so() {
    let server = MockServer::builder().auto_approve(Approval::Ask).start().await.unwrap();
    let client = Client::registered(&server).await;
    let silent = client.authorize(&[("scope", Some("openid")), ("prompt", Some("none"))]).await;
    assert_eq!(parameters_of(&silent)["error"], "interaction_required");
}
