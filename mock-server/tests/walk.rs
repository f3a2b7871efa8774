//! The whole honest walk: from the first 401 to a tool's result, a refresh and the end of the session.

use mcp_mock_server::{Endpoint, MockServer};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::client::{Client, VERIFIER, json_of};

#[tokio::test]
async fn the_whole_walk_leads_to_a_tools_result() {
    let server = MockServer::builder().start().await.unwrap();
    let mut client = Client::new(&server);

    let refused = client.send(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#).await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    let challenge = refused.headers()["www-authenticate"].to_str().unwrap().to_owned();
    let metadata_url = format!("{}/.well-known/oauth-protected-resource/mcp", server.issuer());
    assert_eq!(challenge, format!("Bearer resource_metadata=\"{metadata_url}\", scope=\"mcp:tools\""));

    let resource = json_of(client.http.get(&metadata_url).send().await.unwrap()).await;
    assert_eq!(resource["resource"], server.mcp_url());
    assert_eq!(resource["authorization_servers"], json!([server.issuer()]));

    let url = format!("{}/.well-known/oauth-authorization-server", server.issuer());
    let metadata = json_of(client.http.get(url).send().await.unwrap()).await;
    assert_eq!(metadata["issuer"], server.issuer());
    assert_eq!(metadata["code_challenge_methods_supported"], json!(["S256"]));

    client.register("none").await;
    let code = client.code().await;
    let response = client.redeem(&code, &[]).await;
    assert_eq!(response.headers()["cache-control"], "no-store");
    client.keep(response).await;

    let result = client.initialize().await;
    assert_eq!(result["result"]["protocolVersion"], "2025-11-25");
    let accepted = client.send(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
    assert_eq!(accepted.status(), StatusCode::ACCEPTED);

    let profile = client.call("get_user_profile", &json!({})).await;
    assert_eq!(profile["result"]["structuredContent"]["email"], "alice@example.com");

    let refresh_token = client.refresh_token.clone().unwrap();
    let response = client.refresh(&refresh_token, &[]).await;
    client.keep(response).await;
    assert_ne!(client.refresh_token.as_ref(), Some(&refresh_token));
    let weather = client.call("get_weather", &json!({ "city": "Oslo" })).await;
    assert_eq!(weather["result"]["structuredContent"]["city"], "Oslo");

    let ended = client.request(Method::DELETE).send().await.unwrap();
    assert_eq!(ended.status(), StatusCode::NO_CONTENT);
    let gone = client.send(r#"{"jsonrpc":"2.0","id":2,"method":"ping"}"#).await;
    assert_eq!(gone.status(), StatusCode::NOT_FOUND);
    assert_eq!(server.count(Endpoint::Token), 2);
    assert_eq!(server.families_revoked(), 0);
}

#[tokio::test]
async fn the_log_holds_every_request_and_the_secrets_are_known() {
    let server = MockServer::builder().start().await.unwrap();
    let client = Client::initialized(&server).await;
    server.wait_for(|seen| seen.iter().any(|request| request.endpoint == Endpoint::Mcp)).await;
    let log = server.log();
    assert_eq!(log.iter().map(|request| request.status).collect::<Vec<_>>(), [201, 302, 200, 200]);
    assert_eq!(log[1].param("code_challenge_method"), Some("S256"));
    assert_eq!(log[2].param("grant_type"), Some("authorization_code"));
    assert_eq!(log[3].json()["method"], "initialize");
    let secrets = server.issued_secrets();
    for secret in [client.access_token.unwrap(), client.refresh_token.unwrap(), VERIFIER.to_owned()] {
        assert!(secrets.contains(&secret));
    }
}
