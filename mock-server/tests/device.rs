//! Devices that sign in by a code (RFC 8628), over real sockets.

use std::time::Duration;

use mcp_mock_server::{Approval, Endpoint, Fault, MockServer, MockServerBuilder};
use reqwest::header::{CONTENT_TYPE, ORIGIN};
use reqwest::{RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use url::form_urlencoded;

use crate::client::{Client, http, json_of};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// A server whose devices need not wait between two polls.
fn builder() -> MockServerBuilder {
    MockServer::builder().device_code(Duration::from_secs(600), Duration::ZERO)
}

struct Device {
    server: MockServer,
    client: Client,
}

impl Device {
    async fn new(builder: MockServerBuilder) -> Self {
        let server = builder.start().await.unwrap();
        let mut client = Client::new(&server);
        let metadata = json!({
            "client_name": "Telly", "grant_types": [GRANT, "refresh_token"], "response_types": [],
            "token_endpoint_auth_method": "none",
        });
        let response = client.post_json(&format!("{}/register", server.issuer()), &metadata).await;
        assert_eq!(response.status(), StatusCode::CREATED);
        client.id = json_of(response).await["client_id"].as_str().unwrap().to_owned();
        Device { server, client }
    }

    async fn post(&self, path: &str, form: &[(&str, &str)]) -> (StatusCode, Value) {
        let url = format!("{}{path}", self.server.issuer());
        let response = sent(http().post(url), form).await;
        (response.status(), json_of(response).await)
    }

    async fn codes(&self) -> Value {
        let form = [("client_id", &*self.client.id), ("resource", &*self.client.mcp_url), ("scope", "mcp:tools")];
        let (status, codes) = self.post("/device_authorization", &form).await;
        assert_eq!(status, StatusCode::OK, "{codes}");
        codes
    }

    async fn poll(&self, codes: &Value) -> (StatusCode, Value) {
        let code = codes["device_code"].as_str().unwrap();
        let form = [
            ("grant_type", GRANT),
            ("device_code", code),
            ("client_id", &self.client.id),
            ("resource", &self.client.mcp_url),
        ];
        self.post("/token", &form).await
    }

    async fn error(&self, codes: &Value) -> String {
        let (status, body) = self.poll(codes).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        body["error"].as_str().unwrap().to_owned()
    }
}

async fn sent(request: RequestBuilder, form: &[(&str, &str)]) -> Response {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(body).send().await.unwrap()
}

async fn visit(url: &str) -> (StatusCode, String) {
    let response = http().get(url).send().await.unwrap();
    (response.status(), response.text().await.unwrap())
}

#[tokio::test]
async fn a_device_gets_tokens_once_a_person_has_entered_its_code() {
    let device = Device::new(builder()).await;
    let codes = device.codes().await;
    assert_eq!(device.error(&codes).await, "authorization_pending");
    let (status, form) = visit(codes["verification_uri"].as_str().unwrap()).await;
    assert!(status.is_success() && form.contains("user_code"), "{form}");
    // As a person types it.
    let typed = codes["user_code"].as_str().unwrap().to_lowercase().replace('-', " ");
    let url = format!("{}?user_code={}", codes["verification_uri"].as_str().unwrap(), typed.replace(' ', "+"));
    assert!(visit(&url).await.1.contains("signed in"));
    let (status, tokens) = device.poll(&codes).await;
    assert_eq!(status, StatusCode::OK, "{tokens}");
    assert!(tokens["access_token"].is_string() && tokens["refresh_token"].is_string());
    assert_eq!(tokens["scope"], "mcp:tools");
    assert_eq!(device.error(&codes).await, "invalid_grant", "a code gives tokens once");
}

#[tokio::test]
async fn the_page_asks_who_is_there_and_takes_a_decision_of_its_own_form_only() {
    let device = Device::new(builder().auto_approve(Approval::Ask)).await;
    let codes = device.codes().await;
    let (_, page) = visit(codes["verification_uri_complete"].as_str().unwrap()).await;
    assert!(page.contains("Telly") && page.contains(codes["user_code"].as_str().unwrap()), "{page}");
    assert_eq!(device.error(&codes).await, "authorization_pending");
    let form = [
        ("user_code", codes["user_code"].as_str().unwrap()),
        ("decision", "allow"),
        ("account", "bob"),
        ("scope", "mcp:tools"),
    ];
    let page = format!("{}/device", device.server.issuer());
    let own = device.server.issuer();
    let table = [
        ("https://evil.example", StatusCode::FORBIDDEN),
        (&own, StatusCode::OK),
        (&own, StatusCode::BAD_REQUEST), // it was decided
    ];
    for (origin, status) in table {
        assert_eq!(sent(http().post(&page).header(ORIGIN, origin), &form).await.status(), status, "{origin}");
    }
    assert!(device.poll(&codes).await.0.is_success());
}

#[tokio::test]
async fn who_polls_too_fast_is_slowed_down_by_five_seconds() {
    let builder = MockServer::builder().device_code(Duration::from_secs(600), Duration::from_secs(60));
    let device = Device::new(builder).await;
    let codes = device.codes().await;
    assert_eq!(codes["interval"], 60);
    assert_eq!(device.error(&codes).await, "authorization_pending");
    let (_, slow) = device.poll(&codes).await;
    assert_eq!(slow["error"], "slow_down");
    assert!(slow["error_description"].as_str().unwrap().contains("65 s"), "{slow}");
}

#[tokio::test]
async fn a_code_ends_with_its_time_and_with_a_no() {
    let short = MockServer::builder().device_code(Duration::ZERO, Duration::ZERO);
    let device = Device::new(short).await;
    let codes = device.codes().await;
    assert_eq!(visit(codes["verification_uri_complete"].as_str().unwrap()).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(device.error(&codes).await, "expired_token");

    let device = Device::new(builder().auto_approve(Approval::Deny)).await;
    let codes = device.codes().await;
    assert!(visit(codes["verification_uri_complete"].as_str().unwrap()).await.1.contains("Denied"));
    assert_eq!(device.error(&codes).await, "access_denied");
}

#[tokio::test]
async fn each_wrong_request_is_refused_by_name() {
    let device = Device::new(builder()).await;
    let (id, resource) = (device.client.id.clone(), device.client.mcp_url.clone());
    let table = [
        ("an unknown client", vec![("client_id", "nobody")], "invalid_client"),
        ("no resource", vec![("client_id", &*id)], "invalid_target"),
        ("a scope", vec![("client_id", &id), ("resource", &resource), ("scope", "moon")], "invalid_scope"),
    ];
    for (name, form, error) in table {
        assert_eq!(device.post("/device_authorization", &form).await.1["error"], error, "{name}");
    }
    let codes = device.codes().await;
    let mut other = Device::new(builder()).await;
    other.client.issuer = device.server.issuer();
    let form = [("grant_type", GRANT), ("device_code", codes["device_code"].as_str().unwrap()), ("client_id", &id)];
    assert_eq!(device.post("/token", &form).await.1["error"], "invalid_target", "another resource than was asked for");
    assert_eq!(device.post("/token", &[form[0], form[2]]).await.1["error"], "invalid_request");
    let registered = Client::registered(&device.server).await;
    let form = [("client_id", &*registered.id), ("resource", &*resource)];
    assert_eq!(device.post("/device_authorization", &form).await.1["error"], "unauthorized_client");
}

#[tokio::test]
async fn it_is_off_unless_it_is_switched_on() {
    let server = MockServer::builder().start().await.unwrap();
    let metadata = visit(&format!("{}/.well-known/oauth-authorization-server", server.issuer())).await.1;
    assert!(!metadata.contains("device"), "{metadata}");
    for path in ["/device", "/device_authorization"] {
        let status = http().post(format!("{}{path}", server.issuer())).send().await.unwrap().status();
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
    }
    let on = Device::new(builder()).await;
    let metadata = visit(&format!("{}/.well-known/oauth-authorization-server", on.server.issuer())).await.1;
    assert!(metadata.contains("device_authorization_endpoint") && metadata.contains(GRANT), "{metadata}");
    on.codes().await;
    assert!(on.server.log().iter().any(|seen| seen.endpoint == Endpoint::DeviceAuthorization));
}

#[tokio::test]
async fn each_fault_changes_one_thing_of_the_codes() {
    let device = Device::new(builder()).await;
    let lacks = |codes: &Value, name: &str| codes.get(name).is_none();
    device.server.set_faults([Fault::NoVerificationUriComplete]);
    assert!(lacks(&device.codes().await, "verification_uri_complete"));
    device.server.set_faults([Fault::NoDeviceInterval]);
    assert!(lacks(&device.codes().await, "interval"));
    device.server.set_faults([Fault::InsecureVerificationUri]);
    assert!(device.codes().await["verification_uri"].as_str().unwrap().starts_with("http://elsewhere.example"));
    device.server.set_faults([Fault::SlowDown]);
    let codes = device.codes().await;
    assert_eq!(device.error(&codes).await, "slow_down");
    assert_eq!(device.error(&codes).await, "slow_down", "now it is too fast");
}
