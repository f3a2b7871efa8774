//! Token introspection (RFC 7662): who may ask, and what is told of which token.

use mcp_mock_server::{MockServer, TokenFormat};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use url::form_urlencoded;

use crate::client::{Client, json_of};

const RESOURCE_SERVER: (&str, &str) = ("resource-server", "s3cret");

async fn server(format: TokenFormat) -> MockServer {
    let builder = MockServer::builder().token_format(format);
    builder.known_client(RESOURCE_SERVER.0, Some(RESOURCE_SERVER.1), &["http://127.0.0.1/"]).start().await.unwrap()
}

/// How the asker proves itself.
enum Proof<'a> {
    Nothing,
    Public(&'a str),
    Basic(&'a str, &'a str),
    Bearer(&'a str),
}

async fn asked(server: &MockServer, proof: &Proof<'_>, token: Option<&str>) -> Response {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(token.map(|token| ("token", token)));
    let mut request = crate::client::http().post(format!("{}/introspect", server.issuer()));
    match proof {
        Proof::Nothing => {}
        Proof::Public(id) => {
            form.append_pair("client_id", id);
        }
        Proof::Basic(id, secret) => request = request.basic_auth(id, Some(secret)),
        Proof::Bearer(token) => request = request.bearer_auth(token),
    }
    let request = request.header("content-type", "application/x-www-form-urlencoded").body(form.finish());
    request.send().await.unwrap()
}

async fn told(server: &MockServer, token: &str) -> Value {
    let response = asked(server, &Proof::Basic(RESOURCE_SERVER.0, RESOURCE_SERVER.1), Some(token)).await;
    assert_eq!(
        (response.status(), &response.headers()["cache-control"]),
        (StatusCode::OK, &"no-store".parse().unwrap())
    );
    json_of(response).await
}

fn inactive() -> Value {
    json!({ "active": false })
}

mod rfc7662_2_2 {
    use super::*;

    #[tokio::test]
    async fn of_a_live_token_all_is_told_in_either_form() {
        for format in [TokenFormat::Jwt, TokenFormat::Opaque] {
            let server = server(format).await;
            let client = Client::signed_in(&server).await;
            let access = told(&server, client.access_token.as_ref().unwrap()).await;
            assert_eq!((&access["active"], &access["token_type"]), (&true.into(), &"Bearer".into()));
            assert_eq!((&access["client_id"], &access["scope"]), (&client.id.clone().into(), &"mcp:tools".into()));
            assert_eq!((&access["iss"], &access["aud"]), (&server.issuer().into(), &server.mcp_url().into()));
            assert_eq!(access["sub"], "alice");
            assert!(access["exp"].as_u64() > access["iat"].as_u64());
            let refresh = told(&server, client.refresh_token.as_ref().unwrap()).await;
            assert_eq!((&refresh["active"], &refresh["client_id"]), (&true.into(), &client.id.clone().into()));
        }
    }

    #[tokio::test]
    async fn of_any_other_nothing_but_that_it_is_not_active() {
        let server = server(TokenFormat::Jwt).await;
        let mut client = Client::signed_in(&server).await;
        let spent = client.refresh_token.clone().unwrap();
        client.refreshed().await;
        assert_eq!(told(&server, &spent).await, inactive());
        assert_eq!(told(&server, "guessed").await, inactive());
        let (access, refresh) = (client.access_token.clone().unwrap(), client.refresh_token.clone().unwrap());
        server.expire_access_tokens();
        server.revoke_refresh_tokens();
        assert_eq!(told(&server, &access).await, inactive());
        assert_eq!(told(&server, &refresh).await, inactive());
    }

    #[tokio::test]
    async fn a_client_hears_of_its_own_tokens_only() {
        let server = server(TokenFormat::Jwt).await;
        let mut confidential = Client::new(&server);
        confidential.register("client_secret_basic").await;
        let secret = confidential.secret.clone().unwrap();
        let (one, other) = (Client::signed_in(&server).await, Client::signed_in(&server).await);
        let (token, others) = (one.access_token.as_ref().unwrap(), other.access_token.as_ref().unwrap());
        for (name, proof, token, active) in [
            ("its own, by bearer", Proof::Bearer(token), token, true),
            ("another's, by bearer", Proof::Bearer(token), others, false),
            ("another's, by secret", Proof::Basic(&confidential.id, &secret), token, false),
        ] {
            let document = json_of(asked(&server, &proof, Some(token)).await).await;
            assert_eq!(document["active"], active, "{name}");
        }
    }
}

mod rfc7662_2_1 {
    use super::*;

    #[tokio::test]
    async fn who_does_not_prove_itself_is_refused() {
        let server = server(TokenFormat::Jwt).await;
        let client = Client::signed_in(&server).await;
        let token = client.access_token.clone().unwrap();
        let revoked = Client::signed_in(&server).await;
        let old = revoked.access_token.clone().unwrap();
        revoked.revoke(&old, &[]).await;
        for (name, proof, status) in [
            ("nobody", Proof::Nothing, StatusCode::BAD_REQUEST),
            ("a public client", Proof::Public(&client.id), StatusCode::UNAUTHORIZED),
            ("a wrong secret", Proof::Basic(RESOURCE_SERVER.0, "guessed"), StatusCode::UNAUTHORIZED),
            ("a wrong token", Proof::Bearer("guessed"), StatusCode::UNAUTHORIZED),
            ("a revoked token", Proof::Bearer(&old), StatusCode::UNAUTHORIZED),
        ] {
            let response = asked(&server, &proof, Some(&token)).await;
            assert_eq!(response.status(), status, "{name}");
            assert!(!response.text().await.unwrap().contains("active"), "{name}");
        }
    }

    #[tokio::test]
    async fn a_request_without_a_token_is_invalid() {
        let server = server(TokenFormat::Jwt).await;
        let response = asked(&server, &Proof::Basic(RESOURCE_SERVER.0, RESOURCE_SERVER.1), None).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        assert_eq!(json_of(response).await["error"], "invalid_request");
    }
}

#[tokio::test]
async fn the_metadata_name_it_where_it_is_offered() {
    for offered in [true, false] {
        let server = MockServer::builder().introspection(offered).start().await.unwrap();
        let url = format!("{}/.well-known/oauth-authorization-server", server.issuer());
        let document = json_of(crate::client::http().get(url).send().await.unwrap()).await;
        assert_eq!(document.get("introspection_endpoint").is_some(), offered);
        let status = asked(&server, &Proof::Nothing, Some("x")).await.status();
        assert_eq!(status == StatusCode::NOT_FOUND, !offered);
    }
}
