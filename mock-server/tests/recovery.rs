//! What a client must recover from: each thing that a server can do to a sign-in, seen from outside.

use mcp_mock_server::{Fault, MockServer};
use reqwest::{Response, StatusCode};

use crate::client::{Client, json_of};

pub(crate) const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;

/// The status and the error code of an OAuth refusal.
pub(crate) async fn refusal(response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    (status, json_of(response).await["error"].as_str().unwrap_or_default().to_owned())
}

fn refused(status: u16, error: &str) -> (u16, String) {
    (status, error.to_owned())
}

mod of_a_forgotten_client {
    use super::*;

    #[tokio::test]
    async fn the_token_endpoint_answers_invalid_client_and_the_authorization_endpoint_a_page() {
        let server = MockServer::builder().start().await.unwrap();
        let client = Client::initialized(&server).await;
        let code = client.code().await;
        server.forget_clients();
        let token = client.refresh_token.clone().unwrap();
        assert_eq!(refusal(client.refresh(&token, &[]).await).await, refused(400, "invalid_client"));
        assert_eq!(refusal(client.redeem(&code, &[]).await).await, refused(400, "invalid_client"));
        assert_eq!(refusal(client.revoke(&token, &[]).await).await, refused(400, "invalid_client"));
        let page = client.authorize(&[]).await;
        assert_eq!(page.status(), StatusCode::BAD_REQUEST);
        assert_eq!(page.headers().get("location"), None);
        assert!(page.text().await.unwrap().contains("the client is not known"));
        assert_eq!(client.send(PING).await.status(), StatusCode::OK);
        Client::initialized(&server).await;
    }

    #[tokio::test]
    async fn a_client_that_used_the_header_gets_401() {
        let server = MockServer::builder().start().await.unwrap();
        let mut client = Client::new(&server);
        client.register("client_secret_basic").await;
        server.forget_clients();
        let request = client.token(&[("grant_type", "refresh_token"), ("refresh_token", "any")]);
        let response = request.basic_auth(&client.id, client.secret.as_deref()).send().await.unwrap();
        assert_eq!(refusal(response).await, refused(401, "invalid_client"));
    }

    #[tokio::test]
    async fn forgotten_client_is_invalid_grant() {
        let server = MockServer::builder().fault(Fault::ForgottenClientIsInvalidGrant).start().await.unwrap();
        let mut client = Client::signed_in(&server).await;
        client.refreshed().await;
        server.forget_clients();
        let token = client.refresh_token.clone().unwrap();
        assert_eq!(refusal(client.refresh(&token, &[]).await).await, refused(400, "invalid_grant"));
        assert_eq!(client.authorize(&[]).await.status(), StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn unauthorized_client() {
    let server = MockServer::builder().fault(Fault::UnauthorizedClient).start().await.unwrap();
    let mut client = Client::signed_in(&server).await;
    let token = client.refresh_token.clone().unwrap();
    assert_eq!(refusal(client.refresh(&token, &[]).await).await, refused(400, "unauthorized_client"));
    server.set_fault(None);
    client.refreshed().await;
}
