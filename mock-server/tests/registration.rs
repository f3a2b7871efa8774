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
            ("client_uri", json!("no address")),
            ("logo_uri", json!("javascript:alert(1)")),
            ("tos_uri", json!("")),
            ("policy_uri", json!("/relative")),
            ("jwks_uri", json!("urn:x")),
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
    async fn two_key_sets_are_refused() {
        let server = MockServer::builder().start().await.unwrap();
        let mut body = with("jwks_uri", json!("https://client.example/jwks.json"));
        assert_eq!(answer(&server, &body).await.0, StatusCode::CREATED);
        body["jwks"] = json!({ "keys": [] });
        assert_eq!(answer(&server, &body).await.1["error"], "invalid_client_metadata");
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

mod rfc7591_3 {
    use super::*;

    #[tokio::test]
    async fn where_a_token_is_demanded_only_it_registers() {
        let server = MockServer::builder().initial_access_token("let-me-in").start().await.unwrap();
        let client = Client::new(&server);
        let send = |header: Option<&'static str>| {
            let request = client.http.post(format!("{}/register", server.issuer()));
            let request = request.header("content-type", "application/json").body(registration("none").to_string());
            let request = if let Some(header) = header { request.header("authorization", header) } else { request };
            async { request.send().await.unwrap() }
        };
        for (header, error) in [
            (None, false),
            (Some("Basic bGV0LW1lLWlu"), false),
            (Some("Bearer guessed"), true),
            (Some("Bearer let-me-in-2"), true),
        ] {
            let response = send(header).await;
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{header:?}");
            let challenge = response.headers()["www-authenticate"].to_str().unwrap();
            assert!(challenge.starts_with("Bearer"), "{header:?}");
            assert_eq!(challenge.contains("invalid_token"), error, "{header:?}");
        }
        assert_eq!(send(Some("bearer let-me-in")).await.status(), StatusCode::CREATED);
        assert!(server.issued_secrets().contains(&"let-me-in".to_owned()));
    }
}

mod rfc7591_2_3 {
    use serde_json::Map;

    use super::*;

    fn statement(server: &MockServer, claims: &Value) -> String {
        let claims = claims.as_object().cloned().unwrap_or_else(Map::new);
        server.software_statement(claims).unwrap()
    }

    #[tokio::test]
    async fn what_a_statement_says_goes_before_what_the_client_says() {
        let server = MockServer::builder().start().await.unwrap();
        let statement = statement(&server, &json!({ "client_name": "Vouched for", "software_id": "4711" }));
        let (status, document) = answer(&server, &with("software_statement", json!(statement))).await;
        assert_eq!(status, StatusCode::CREATED);
        assert_eq!((&document["client_name"], &document["software_id"]), (&"Vouched for".into(), &"4711".into()));
        assert_eq!(document["software_statement"], json!(statement));
        assert_eq!(document.get("iss"), None);
    }

    #[tokio::test]
    async fn a_statement_that_is_none_or_is_wrongly_signed_is_invalid() {
        let server = MockServer::builder().start().await.unwrap();
        let other = MockServer::builder().start().await.unwrap();
        let good = statement(&server, &json!({}));
        let (claims, signature) = (good.split('.').nth(1).unwrap(), good.split('.').nth(2).unwrap());
        let forged = statement(&other, &json!({ "iss": server.issuer() }));
        for (name, statement) in [
            ("no text", json!(5)),
            ("no JWT", json!("a.b.c")),
            ("no signature", json!(format!("eyJhbGciOiJub25lIn0.{claims}."))),
            ("another algorithm", json!(format!("eyJhbGciOiJIUzI1NiJ9.{claims}.{signature}"))),
            ("another's key under our name", json!(forged)),
            ("expired", json!(statement(&server, &json!({ "exp": 1 })))),
        ] {
            let (status, document) = answer(&server, &with("software_statement", statement)).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{name}");
            assert_eq!(document["error"], "invalid_software_statement", "{name}");
        }
    }

    #[tokio::test]
    async fn a_statement_of_another_issuer_is_unapproved() {
        let server = MockServer::builder().start().await.unwrap();
        let other = MockServer::builder().start().await.unwrap();
        let body = with("software_statement", json!(statement(&other, &json!({}))));
        let (status, document) = answer(&server, &body).await;
        assert_eq!((status, &document["error"]), (StatusCode::BAD_REQUEST, &"unapproved_software_statement".into()));
    }

    #[tokio::test]
    async fn metadata_in_a_statement_is_judged_as_any() {
        let server = MockServer::builder().start().await.unwrap();
        for (claims, error) in [
            (json!({ "redirect_uris": ["http://client.example/"] }), "invalid_redirect_uri"),
            (json!({ "grant_types": ["password"] }), "invalid_client_metadata"),
        ] {
            let body = with("software_statement", json!(statement(&server, &claims)));
            assert_eq!(answer(&server, &body).await.1["error"], error);
        }
    }
}
