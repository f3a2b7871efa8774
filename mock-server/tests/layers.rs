//! What is around every answer: request ids, limits, compression, and what web pages of other origins may do.

use std::time::Duration;

use mcp_mock_server::{Fault, MockServer, Settings};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::client::{Client, http, json_of, registration, tool_call};

const PAGE: &str = "https://page.example";

mod cors {
    use super::*;

    async fn asked_first(server: &MockServer, path: &str, method: &str) -> Response {
        let url = format!("{}{path}", server.issuer());
        let request = http().request(Method::OPTIONS, url).header("origin", PAGE);
        let request = request.header("access-control-request-method", method);
        request
            .header("access-control-request-headers", "authorization,content-type,mcp-session-id")
            .send()
            .await
            .unwrap()
    }

    fn allowed(response: &Response) -> Option<&str> {
        response.headers().get("access-control-allow-origin").map(|origin| origin.to_str().unwrap())
    }

    #[tokio::test]
    async fn a_client_that_is_a_page_may_find_register_and_get_tokens() {
        let server = MockServer::builder().start().await.unwrap();
        for (path, method) in [
            ("/.well-known/oauth-protected-resource/mcp", "GET"),
            ("/.well-known/oauth-authorization-server", "GET"),
            ("/.well-known/openid-configuration", "GET"),
            ("/jwks.json", "GET"),
            ("/register", "POST"),
            ("/register/client-1", "DELETE"),
            ("/token", "POST"),
            ("/revoke", "POST"),
        ] {
            let response = asked_first(&server, path, method).await;
            assert_eq!((response.status(), allowed(&response)), (StatusCode::OK, Some(PAGE)), "{path}");
            let methods = response.headers()["access-control-allow-methods"].to_str().unwrap();
            assert!(methods.contains(method), "{path}: {methods}");
            assert!(response.headers()["access-control-allow-headers"].to_str().unwrap().contains("authorization"));
            assert_eq!(response.headers().get("access-control-allow-credentials"), None);
        }
        let url = format!("{}/register", server.issuer());
        let request = http().post(url).header("origin", PAGE).header("content-type", "application/json");
        let response = request.body(registration("none").to_string()).send().await.unwrap();
        assert_eq!((response.status(), allowed(&response)), (StatusCode::CREATED, Some(PAGE)));
    }

    #[tokio::test]
    async fn pages_for_people_and_the_switchboard_are_not_for_other_pages() {
        let server = MockServer::builder().admin(true).start().await.unwrap();
        for path in ["/authorize", "/consent", "/admin/faults", "/introspect", "/mcp", "/"] {
            assert_eq!(allowed(&asked_first(&server, path, "GET").await), None, "{path}");
        }
    }

    #[tokio::test]
    async fn the_mcp_endpoint_is_for_the_origins_of_the_settings() {
        for (origin, open) in
            [(None, false), (Some("https://other.example"), false), (Some(PAGE), true), (Some("*"), true)]
        {
            let mut builder = MockServer::builder();
            if let Some(origin) = origin {
                builder = builder.allowed_origin(origin);
            }
            let server = builder.start().await.unwrap();
            assert_eq!(allowed(&asked_first(&server, "/mcp", "POST").await).is_some(), open, "{origin:?}");
            let client = Client::new(&server);
            let response = client.post("{}").header("origin", PAGE).send().await.unwrap();
            let status = if open { StatusCode::UNAUTHORIZED } else { StatusCode::FORBIDDEN };
            assert_eq!((response.status(), allowed(&response).is_some()), (status, open), "{origin:?}");
        }
    }

    #[tokio::test]
    async fn a_page_can_read_what_the_layers_answer_too() {
        let settings = Settings { body_limit: 10, ..Settings::default() };
        let server = MockServer::builder().settings(settings).start().await.unwrap();
        let request = http().post(format!("{}/register", server.issuer())).header("origin", PAGE);
        let response = request.body(registration("none").to_string()).send().await.unwrap();
        assert_eq!((response.status(), allowed(&response)), (StatusCode::PAYLOAD_TOO_LARGE, Some(PAGE)));
    }

    #[tokio::test]
    async fn a_page_can_read_the_session_and_the_challenge_whatever_is_wrong() {
        let server = MockServer::builder().allowed_origin(PAGE).fault(Fault::HtmlError).start().await.unwrap();
        let response = Client::new(&server).post("{}").header("origin", PAGE).send().await.unwrap();
        assert_eq!((response.status(), allowed(&response)), (StatusCode::INTERNAL_SERVER_ERROR, Some(PAGE)));
        let exposed = response.headers()["access-control-expose-headers"].to_str().unwrap().to_lowercase();
        assert!(exposed.contains("mcp-session-id") && exposed.contains("www-authenticate"), "{exposed}");
    }
}

mod compression {
    use super::*;

    fn plain() -> reqwest::Client {
        reqwest::Client::builder().no_proxy().no_gzip().build().unwrap()
    }

    async fn encoding(client: &Client, body: String) -> Option<String> {
        let response = client.post(body).header("accept-encoding", "gzip").send().await.unwrap();
        let encoding = response.headers().get("content-encoding").map(|encoding| encoding.to_str().unwrap().to_owned());
        response.bytes().await.unwrap();
        encoding
    }

    #[tokio::test]
    async fn whole_answers_of_some_size_are_packed_and_streams_are_not() {
        let server = MockServer::builder().start().await.unwrap();
        let client = Client { http: plain(), ..Client::initialized(&server).await };
        let large = json!({ "text": "a".repeat(2000) });
        assert_eq!(encoding(&client, tool_call(1, "echo", &large)).await.as_deref(), Some("gzip"));
        assert_eq!(encoding(&client, tool_call(2, "echo", &json!({}))).await, None);
        assert_eq!(encoding(&client, tool_call(3, "progress", &json!({ "steps": 50 }))).await, None);
    }

    #[tokio::test]
    async fn who_does_not_accept_it_gets_it_plain() {
        let server = MockServer::builder().start().await.unwrap();
        let url = format!("{}/.well-known/oauth-authorization-server", server.issuer());
        let response = plain().get(&url).send().await.unwrap();
        assert_eq!(response.headers().get("content-encoding"), None);
        let packed = plain().get(&url).header("accept-encoding", "gzip").send().await.unwrap();
        assert_eq!(packed.headers()["content-encoding"], "gzip");
        assert!(packed.bytes().await.unwrap().starts_with(&[0x1f, 0x8b]));
        assert_eq!(json_of(http().get(&url).send().await.unwrap()).await["issuer"], server.issuer());
    }

    #[tokio::test]
    async fn a_fault_is_seen_as_it_is() {
        let server = MockServer::builder().start().await.unwrap();
        let client = Client { http: plain(), ..Client::initialized(&server).await };
        server.set_faults([Fault::PrettyJson]);
        assert_eq!(encoding(&client, tool_call(1, "echo", &json!({ "text": "a".repeat(2000) }))).await, None);
    }
}

#[tokio::test]
async fn every_answer_has_a_request_id_the_clients_own_if_it_sent_one() {
    let server = MockServer::builder().start().await.unwrap();
    let url = format!("{}/nowhere", server.issuer());
    let made = http().get(&url).send().await.unwrap();
    assert!(!made.headers()["x-request-id"].is_empty());
    let own = http().get(&url).header("x-request-id", "mine").send().await.unwrap();
    assert_eq!(own.headers()["x-request-id"], "mine");
}

#[tokio::test]
async fn a_body_over_the_limit_is_413() {
    let settings = Settings { body_limit: 100, ..Settings::default() };
    let server = MockServer::builder().settings(settings).start().await.unwrap();
    let client = Client::new(&server);
    let body: Value = json!({ "client_name": "a".repeat(200) });
    let response = client.post_json(&format!("{}/register", server.issuer()), &body).await;
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn an_answer_that_takes_too_long_is_503() {
    let settings = Settings { request_timeout: Duration::from_millis(50), ..Settings::default() };
    let server = MockServer::builder().settings(settings).fault(Fault::TokenEndpointHangs).start().await.unwrap();
    let client = Client::registered(&server).await;
    assert_eq!(client.redeem("x", &[]).await.status(), StatusCode::SERVICE_UNAVAILABLE);
}
