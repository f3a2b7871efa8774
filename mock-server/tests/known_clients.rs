//! Clients that need no registration: those registered by hand, and those known by the URL of their document.

use mcp_mock_server::{AuthMethod, MockServer, MockServerBuilder};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use crate::client::{Client, REDIRECT_URI, json_of};

const URL: &str = "https://client.example/oauth/client.json";

fn document() -> Value {
    json!({
        "client_id": URL,
        "client_name": "Example",
        "redirect_uris": ["http://127.0.0.1/callback"],
        "grant_types": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_method": "none",
    })
}

async fn client(builder: MockServerBuilder, id: &str) -> (MockServer, Client) {
    let server = builder.start().await.unwrap();
    let mut client = Client::new(&server);
    client.id = id.to_owned();
    (server, client)
}

async fn metadata(server: &MockServer) -> Value {
    let url = format!("{}/.well-known/oauth-authorization-server", server.issuer());
    json_of(Client::new(server).http.get(url).send().await.unwrap()).await
}

async fn is_refused_by_a_page(response: Response, reason: &str) {
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert_eq!(response.headers().get("location"), None);
    let page = response.text().await.unwrap();
    assert!(page.contains(reason), "{page}");
}

#[tokio::test]
async fn the_document_to_copy_is_one_that_is_taken() {
    let document: Value = serde_json::from_str(include_str!("../../config/client-metadata.json")).unwrap();
    let url = document["client_id"].as_str().unwrap().to_owned();
    let builder = MockServer::builder().client_metadata_documents(true).client_document(&url, document);
    let (_server, client) = client(builder, &url).await;
    assert!(client.authorize(&[]).await.status().is_redirection());
}

mod registered_by_hand {
    use super::*;

    #[tokio::test]
    async fn a_public_client_needs_no_registration_and_is_never_forgotten() {
        let builder = MockServer::builder().registration(false).known_client("by-hand", None, &[REDIRECT_URI]);
        let (server, mut client) = client(builder, "by-hand").await;
        server.forget_clients();
        let code = client.code().await;
        let response = client.redeem(&code, &[]).await;
        client.keep(response).await;
        client.refreshed().await;
        client.initialize().await;
        is_refused_by_a_page(client.authorize(&[("client_id", Some("somebody"))]).await, "not known").await;
    }

    #[tokio::test]
    async fn a_secret_may_come_by_basic_or_by_post_and_must_come() {
        let (id, secret) = ("by hand", "s3cret: +&=%");
        let builder = MockServer::builder().known_client(id, Some(secret), &[REDIRECT_URI]);
        let (server, client) = client(builder, id).await;
        assert!(server.issued_secrets().iter().any(|known| known == secret));
        let code = client.code().await;
        let response = client.redeem(&code, &[("client_secret", Some(secret))]).await;
        let token = json_of(response).await["refresh_token"].as_str().unwrap().to_owned();
        let form = [("grant_type", "refresh_token"), ("refresh_token", &token), ("resource", &client.mcp_url)];
        let request = client.token(&form).basic_auth("by+hand", Some("s3cret%3A+%2B%26%3D%25"));
        assert_eq!(request.send().await.unwrap().status(), StatusCode::OK);
        for wrong in [None, Some("guessed")] {
            let response = client.redeem(&code, &[("client_secret", wrong)]).await;
            assert_eq!(json_of(response).await["error"], "invalid_client");
        }
    }

    #[tokio::test]
    async fn the_only_method_on_offer_holds_for_them_too() {
        let builder = MockServer::builder().token_endpoint_auth_method(AuthMethod::Basic);
        let (_server, client) = client(builder.known_client("id", Some("secret"), &[REDIRECT_URI]), "id").await;
        let code = client.code().await;
        let response = client.redeem(&code, &[("client_secret", Some("secret"))]).await;
        assert_eq!(json_of(response).await["error"], "invalid_client");
    }
}

mod known_by_a_document {
    use super::*;

    #[tokio::test]
    async fn the_url_is_a_client_id_where_the_metadata_says_so() {
        let builder = MockServer::builder().client_metadata_documents(true).client_document(URL, document());
        let (server, mut client) = client(builder, URL).await;
        assert_eq!(metadata(&server).await["client_id_metadata_document_supported"], true);
        let code = client.code().await;
        let response = client.redeem(&code, &[]).await;
        client.keep(response).await;
        client.refreshed().await;
        client.initialize().await;
        server.forget_clients();
        client.code().await;
    }

    #[tokio::test]
    async fn the_redirect_uri_must_be_one_of_the_document() {
        let builder = MockServer::builder().client_metadata_documents(true).client_document(URL, document());
        let (_server, client) = client(builder, URL).await;
        let response = client.authorize(&[("redirect_uri", Some("http://127.0.0.1:1/elsewhere"))]).await;
        is_refused_by_a_page(response, "not registered").await;
    }

    #[tokio::test]
    async fn a_document_that_breaks_a_rule_is_refused_by_a_page() {
        let mut other = document();
        other["client_id"] = json!("https://client.example/other.json");
        let builder = MockServer::builder().client_metadata_documents(true).client_document(URL, other);
        let (_server, client) = client(builder, URL).await;
        is_refused_by_a_page(client.authorize(&[]).await, "to the letter").await;
    }

    #[tokio::test]
    async fn a_url_without_a_document_or_without_support_is_not_known() {
        let (_server, without) = client(MockServer::builder().client_metadata_documents(true), URL).await;
        is_refused_by_a_page(without.authorize(&[]).await, "not known").await;
        let (server, unsupported) = client(MockServer::builder().client_document(URL, document()), URL).await;
        is_refused_by_a_page(unsupported.authorize(&[]).await, "not known").await;
        assert_eq!(metadata(&server).await.get("client_id_metadata_document_supported"), None);
    }
}
