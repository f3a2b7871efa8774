//! The switchboard of faults: off by default, then for this machine only.

use std::time::{Duration, Instant};

use mcp_mock_server::{Endpoint, Fault, MockServer};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::client::{Client, http, json_of};

async fn sent(server: &MockServer, method: Method, headers: &[(&str, &str)], body: &str) -> Response {
    let mut request = http().request(method, format!("{}/admin/faults", server.issuer())).body(body.to_owned());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap()
}

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn faults_are_shown_replaced_and_ended_while_the_server_runs() {
    let server = MockServer::builder().admin(true).fault(Fault::Gzip).start().await.unwrap();
    let shown = json_of(sent(&server, Method::GET, &[], "").await).await;
    assert_eq!(shown["active"], json!(["gzip"]));
    assert_eq!(shown["known"].as_array().unwrap().len(), Fault::all().count());
    let replaced = sent(&server, Method::PUT, &[JSON], r#"["no-pkce", "token-error=slow_down"]"#).await;
    assert_eq!(replaced.headers().get("access-control-allow-origin"), None);
    assert_eq!(json_of(replaced).await["active"], json!(["no-pkce", "token-error=slow_down"]));
    let client = Client::registered(&server).await;
    assert_eq!(json_of(client.redeem("x", &[]).await).await["error"], "slow_down");
    let ended = json_of(sent(&server, Method::DELETE, &[], "").await).await;
    assert_eq!(ended["active"], json!([]));
    assert_eq!(json_of(client.redeem("x", &[]).await).await["error"], "invalid_grant");
    assert_eq!(server.count(Endpoint::Admin), 3);
}

#[tokio::test]
async fn it_is_not_there_unless_the_settings_say_so() {
    let server = MockServer::builder().start().await.unwrap();
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        assert_eq!(sent(&server, method.clone(), &[JSON], "[]").await.status(), StatusCode::NOT_FOUND, "{method}");
    }
}

#[tokio::test]
async fn who_is_not_at_this_machine_and_what_is_no_fault_is_refused() {
    let server = MockServer::builder().admin(true).fault(Fault::Gzip).start().await.unwrap();
    let own = server.issuer();
    for (name, headers, body, status) in [
        ("another host", vec![JSON, ("host", "evil.example")], "[]", StatusCode::FORBIDDEN),
        ("a page", vec![JSON, ("origin", "https://evil.example")], "[]", StatusCode::FORBIDDEN),
        ("a page of the server's origin", vec![JSON, ("origin", &*own)], "[]", StatusCode::FORBIDDEN),
        ("no content type", vec![], "[]", StatusCode::BAD_REQUEST),
        ("no array", vec![JSON], "{}", StatusCode::BAD_REQUEST),
        ("an unknown fault", vec![JSON], r#"["gzip", "wrong-planet"]"#, StatusCode::BAD_REQUEST),
        ("a wrong value", vec![JSON], r#"["slow=soon"]"#, StatusCode::BAD_REQUEST),
    ] {
        let response = sent(&server, Method::PUT, &headers, body).await;
        assert_eq!(response.status(), status, "{name}");
        assert!(json_of(response).await["error"].is_string(), "{name}");
    }
    assert_eq!(json_of(sent(&server, Method::GET, &[], "").await).await["active"], json!(["gzip"]));
}

#[tokio::test]
async fn no_fault_gets_in_its_own_way() {
    let faults = [Fault::Slow.with(60_000).unwrap(), Fault::EvilWords.into(), Fault::Drip.into()];
    let server = MockServer::builder().admin(true).start().await.unwrap();
    server.set_faults(faults);
    let began = Instant::now();
    let document: Value = json_of(sent(&server, Method::DELETE, &[], "").await).await;
    assert_eq!(document["active"], json!([]));
    assert!(began.elapsed() < Duration::from_secs(20));
}
