//! Client configuration (RFC 7592): reading, changing and deleting a registration by its own token.

use mcp_mock_server::MockServer;
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::client::{Client, json_of, registration};

/// A registration: the document that came back.
async fn registered(server: &MockServer, method: &str) -> Value {
    let url = format!("{}/register", server.issuer());
    json_of(Client::new(server).post_json(&url, &registration(method)).await).await
}

async fn sent(client: &Value, method: Method, token: Option<&str>, body: Option<&Value>) -> Response {
    let mut request = crate::client::http().request(method, client["registration_client_uri"].as_str().unwrap());
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    if let Some(body) = body {
        request = request.header("content-type", "application/json").body(body.to_string());
    }
    request.send().await.unwrap()
}

fn token(client: &Value) -> Option<&str> {
    client["registration_access_token"].as_str()
}

/// What a client may send to change its registration: all that it got but what is the server's.
fn change(client: &Value, name: &str, value: Value) -> Value {
    let mut body = client.clone();
    let members = body.as_object_mut().unwrap();
    for of_the_server in
        ["registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at"]
    {
        members.remove(of_the_server);
    }
    members.insert(name.to_owned(), value);
    body
}

mod rfc7592_2_1 {
    use super::*;

    #[tokio::test]
    async fn a_client_reads_what_it_registered() {
        let server = MockServer::builder().issuer_path("/t").start().await.unwrap();
        for method in ["none", "client_secret_post"] {
            let client = registered(&server, method).await;
            assert!(server.issued_secrets().contains(&token(&client).unwrap().to_owned()));
            let response = sent(&client, Method::GET, token(&client), None).await;
            assert_eq!(
                (response.status(), &response.headers()["cache-control"]),
                (StatusCode::OK, &"no-store".parse().unwrap())
            );
            assert_eq!(json_of(response).await, client, "{method}");
        }
    }

    #[tokio::test]
    async fn without_its_token_nothing_is_told_changed_or_deleted() {
        let server = MockServer::builder().known_client("by-hand", None, &["http://127.0.0.1/"]).start().await.unwrap();
        let (client, other) = (registered(&server, "none").await, registered(&server, "none").await);
        let mut by_hand = client.clone();
        by_hand["registration_client_uri"] = json!(format!("{}/register/by-hand", server.issuer()));
        let body = change(&client, "client_name", json!("Mallory"));
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            for (name, client, token) in [
                ("no token", &client, None),
                ("another client's", &client, token(&other)),
                ("an empty one", &client, Some("")),
                ("of a client without one", &by_hand, token(&client)),
                ("none for a client without one", &by_hand, Some("")),
            ] {
                let response = sent(client, method.clone(), token, Some(&body)).await;
                assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{method} {name}");
                assert!(
                    response.headers()["www-authenticate"].to_str().unwrap().starts_with("Bearer"),
                    "{method} {name}"
                );
            }
        }
        assert_eq!(json_of(sent(&client, Method::GET, token(&client), None).await).await, client);
    }
}

mod rfc7592_2_2 {
    use super::*;

    #[tokio::test]
    async fn a_change_replaces_the_metadata_and_keeps_id_secret_and_token() {
        let server = MockServer::builder().start().await.unwrap();
        let client = registered(&server, "client_secret_post").await;
        let mut body = change(&client, "client_name", json!("Renamed"));
        body.as_object_mut().unwrap().remove("client_secret");
        let response = sent(&client, Method::PUT, token(&client), Some(&body)).await;
        assert_eq!(response.status(), StatusCode::OK);
        let mut expected = client.clone();
        expected["client_name"] = json!("Renamed");
        assert_eq!(json_of(response).await, expected);
        assert_eq!(json_of(sent(&client, Method::GET, token(&client), None).await).await, expected);
    }

    #[tokio::test]
    async fn a_client_that_becomes_confidential_gets_a_secret_and_the_other_way_loses_it() {
        let server = MockServer::builder().start().await.unwrap();
        let client = registered(&server, "none").await;
        let body = change(&client, "token_endpoint_auth_method", json!("client_secret_basic"));
        let confidential = json_of(sent(&client, Method::PUT, token(&client), Some(&body)).await).await;
        assert!(confidential["client_secret"].is_string());
        let body = change(&confidential, "token_endpoint_auth_method", json!("none"));
        let public = json_of(sent(&client, Method::PUT, token(&client), Some(&body)).await).await;
        assert_eq!(public, client);
    }

    #[tokio::test]
    async fn what_is_the_servers_or_wrong_is_refused_and_nothing_changes() {
        let server = MockServer::builder().start().await.unwrap();
        let client = registered(&server, "client_secret_post").await;
        for (name, value, error) in [
            ("registration_access_token", json!("x"), "invalid_client_metadata"),
            ("registration_client_uri", json!("https://x.example/"), "invalid_client_metadata"),
            ("client_secret_expires_at", json!(0), "invalid_client_metadata"),
            ("client_id_issued_at", json!(0), "invalid_client_metadata"),
            ("client_id", json!("another"), "invalid_client_metadata"),
            ("client_id", json!(null), "invalid_client_metadata"),
            ("client_secret", json!("another"), "invalid_client_metadata"),
            ("redirect_uris", json!([]), "invalid_redirect_uri"),
            ("grant_types", json!(["password"]), "invalid_client_metadata"),
            ("software_statement", json!("x"), "invalid_software_statement"),
        ] {
            let response = sent(&client, Method::PUT, token(&client), Some(&change(&client, name, value))).await;
            assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{name}");
            assert_eq!(json_of(response).await["error"], error, "{name}");
        }
        assert_eq!(json_of(sent(&client, Method::GET, token(&client), None).await).await, client);
    }
}

mod rfc7592_2_3 {
    use super::*;

    #[tokio::test]
    async fn with_a_registration_go_its_tokens() {
        let server = MockServer::builder().start().await.unwrap();
        let document = registered(&server, "none").await;
        let mut client = Client::new(&server);
        client.id = document["client_id"].as_str().unwrap().to_owned();
        let code = client.code().await;
        let response = client.redeem(&code, &[]).await;
        client.keep(response).await;
        assert_eq!(sent(&document, Method::DELETE, token(&document), None).await.status(), StatusCode::NO_CONTENT);
        let response = client.send(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        let refreshed = client.refresh(client.refresh_token.as_ref().unwrap(), &[]).await;
        assert_eq!(json_of(refreshed).await["error"], "invalid_client");
        for method in [Method::GET, Method::DELETE] {
            assert_eq!(sent(&document, method, token(&document), None).await.status(), StatusCode::UNAUTHORIZED);
        }
    }
}

#[tokio::test]
async fn where_it_is_not_offered_there_is_neither_a_token_nor_an_endpoint() {
    let server = MockServer::builder().client_management(false).start().await.unwrap();
    let mut client = registered(&server, "none").await;
    assert_eq!((client.get("registration_access_token"), client.get("registration_client_uri")), (None, None));
    let url = format!("{}/register/{}", server.issuer(), client["client_id"].as_str().unwrap());
    client["registration_client_uri"] = json!(url);
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        assert_eq!(sent(&client, method, Some("x"), None).await.status(), StatusCode::NOT_FOUND);
    }
}
