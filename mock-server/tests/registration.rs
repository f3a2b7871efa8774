//! Client registration (RFC 7591): what is granted, what is refused and with which error code.

use mcp_mock_server::{AuthMethod, MockServer};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::client::{Client, json_of, registration};

async fn answer(server: &MockServer, body: &Value) -> (StatusCode, Value) {
    let response = Client::new(server).post_json(&format!("{}/register", server.issuer()), body).await;
    (response.status(), json_of(response).await)
}

fn with(name: &str, value: Value) -> Value {
    let mut body = registration("none");
    body[name] = value;
    body
}

mod rfc7591_3_2_1 {
    use super::*;

    #[tokio::test]
    async fn a_public_client_gets_an_id_and_its_metadata_back() {
        let server = MockServer::builder().start().await.unwrap();
        let (status, document) = answer(&server, &registration("none")).await;
        assert_eq!(status, StatusCode::CREATED);
        assert!(document["client_id"].is_string() && document["client_id_issued_at"].is_u64());
        assert_eq!(document.get("client_secret"), None);
        for (name, value) in registration("none").as_object().unwrap() {
            assert_eq!(&document[name], value, "{name}");
        }
    }

    #[tokio::test]
    async fn a_confidential_client_gets_a_secret_that_does_not_expire() {
        let server = MockServer::builder().start().await.unwrap();
        for method in ["client_secret_basic", "client_secret_post"] {
            let (_, document) = answer(&server, &registration(method)).await;
            assert!(document["client_secret"].is_string(), "{method}");
            assert_eq!(document["client_secret_expires_at"], 0, "{method}");
        }
    }

    #[tokio::test]
    async fn without_a_method_it_is_basic_or_the_only_one_on_offer() {
        let mut body = registration("none");
        body.as_object_mut().unwrap().remove("token_endpoint_auth_method");
        for (only, granted) in [(None, "client_secret_basic"), (Some(AuthMethod::Post), "client_secret_post")] {
            let mut builder = MockServer::builder();
            if let Some(only) = only {
                builder = builder.token_endpoint_auth_method(only);
            }
            let server = builder.start().await.unwrap();
            assert_eq!(answer(&server, &body).await.1["token_endpoint_auth_method"], granted);
        }
    }
}

mod rfc7591_3_2_2 {
    use super::*;

    #[tokio::test]
    async fn a_redirect_uri_that_is_neither_https_nor_loopback_is_refused() {
        let server = MockServer::builder().start().await.unwrap();
        for (name, uris) in [
            ("none", json!(null)),
            ("an empty list", json!([])),
            ("http to another host", json!(["http://client.example/callback"])),
            ("a fragment", json!(["https://client.example/callback#part"])),
            ("a scheme of its own", json!(["com.example.app:/callback"])),
            ("one good and one bad", json!(["http://127.0.0.1/callback", "http://client.example/callback"])),
        ] {
            let (status, document) = answer(&server, &with("redirect_uris", uris)).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{name}");
            assert_eq!(document["error"], "invalid_redirect_uri", "{name}");
        }
    }

    #[tokio::test]
    async fn metadata_that_is_not_supported_is_refused() {
        let server = MockServer::builder().start().await.unwrap();
        for (name, value) in [
            ("grant_types", json!(["authorization_code", "password"])),
            ("grant_types", json!(["refresh_token"])),
            ("response_types", json!(["token"])),
            ("response_types", json!([])),
            ("token_endpoint_auth_method", json!("private_key_jwt")),
            ("application_type", json!("toaster")),
            ("scope", json!("everything")),
            ("client_name", json!(5)),
        ] {
            let (status, document) = answer(&server, &with(name, value.clone())).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{name} {value}");
            assert_eq!(document["error"], "invalid_client_metadata", "{name} {value}");
        }
    }

    #[tokio::test]
    async fn a_method_other_than_the_only_one_on_offer_is_refused() {
        let server = MockServer::builder().token_endpoint_auth_method(AuthMethod::Basic).start().await.unwrap();
        assert_eq!(answer(&server, &registration("client_secret_basic")).await.0, StatusCode::CREATED);
        let (status, document) = answer(&server, &registration("none")).await;
        assert_eq!((status, document["error"].as_str()), (StatusCode::BAD_REQUEST, Some("invalid_client_metadata")));
    }

    #[tokio::test]
    async fn a_form_is_refused() {
        let server = MockServer::builder().start().await.unwrap();
        let request = Client::new(&server).http.post(format!("{}/register", server.issuer()));
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let response = request.body(registration("none").to_string()).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        assert_eq!(json_of(response).await["error"], "invalid_client_metadata");
    }
}

#[tokio::test]
async fn without_registration_there_is_neither_an_endpoint_nor_a_word_of_it() {
    let server = MockServer::builder().registration(false).start().await.unwrap();
    let client = Client::new(&server);
    let url = format!("{}/.well-known/oauth-authorization-server", server.issuer());
    let metadata = json_of(client.http.get(url).send().await.unwrap()).await;
    assert_eq!(metadata.get("registration_endpoint"), None);
    let response = client.post_json(&format!("{}/register", server.issuer()), &registration("none")).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
}
