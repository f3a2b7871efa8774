//! How a person forms the authorization request: redirect URI, resource, further parameters (A8, A10), and the document that
//! tells a server of the redirect URIs (A20).

use mcp_bridge_tests::bridge::Options;
use mcp_mock_server::{Endpoint, Fault, Layout, MockServer, Seen};
use serde_json::{Value, json};

use crate::{House, code, free_address, text};

fn seen(house: &House, endpoint: Endpoint) -> Vec<Seen> {
    house.server.log().into_iter().filter(|seen| seen.endpoint == endpoint).collect()
}

fn login(house: &House, more: &[&str]) -> Options {
    let words = ["login", &house.server.mcp_url()];
    Options::new(&words, house.state.path()).with(more).browser(&house.browser)
}

#[tokio::test]
async fn a10_the_redirect_uri_is_registered_and_served_as_it_was_chosen() {
    let house = House::new(MockServer::builder()).await;
    let mut bridge = house.options().with(&["--redirect-host", "localhost", "--callback-path", "/oauth/cb"]).start();
    assert!(bridge.initialize().await["result"].is_object());
    let registered = seen(&house, Endpoint::Registration)[0].json()["redirect_uris"][0].as_str().unwrap().to_owned();
    assert!(registered.starts_with("http://localhost:") && registered.ends_with("/oauth/cb"), "{registered}");
    assert_eq!(seen(&house, Endpoint::Authorization)[0].param("redirect_uri"), Some(registered.as_str()));
    assert_eq!(seen(&house, Endpoint::Token)[0].param("redirect_uri"), Some(registered.as_str()));
}

#[tokio::test]
async fn a10_a_registration_is_used_again_only_for_the_redirect_uri_that_it_has() {
    let house = House::new(MockServer::builder()).await;
    let table = [
        (&["--force"][..], 1),
        (&["--force"], 1),
        (&["--force", "--redirect-host", "127.0.0.1"], 1),
        (&["--force", "--redirect-host", "localhost"], 2),
        (&["--force", "--redirect-host", "localhost", "--callback-path", "/x"], 3),
        (&["--force", "--callback-path", "/x"], 3),
    ];
    for (more, registrations) in table {
        let ended = login(&house, more).start().end().await;
        assert!(ended.status.success(), "{more:?}: {}", ended.stderr);
        assert_eq!(house.server.count(Endpoint::Registration), registrations, "{more:?}");
    }
}

#[tokio::test]
async fn a6_a_spelling_that_was_chosen_is_the_only_one_that_is_tried() {
    for (more, tried) in [(&[][..], 2), (&["--redirect-host", "127.0.0.1"], 1), (&["--redirect-host", "localhost"], 1)]
    {
        let house = House::new(MockServer::builder().fault(Fault::RegistrationRefused)).await;
        let response = house.options().with(more).start().initialize().await;
        assert_eq!(code(&response), "registration_refused", "{response}");
        assert_eq!(house.server.count(Endpoint::Registration), tried, "{more:?}");
    }
}

#[tokio::test]
async fn a_given_client_comes_back_to_the_redirect_uri_that_was_registered_for_it() {
    let port = free_address().await.port().to_string();
    let registered = format!("http://localhost:{port}/app/return");
    let house = House::new(MockServer::builder().registration(false).known_client("c", None, &[&registered])).await;
    let flags = [
        "--client-id=c",
        "--redirect-host=localhost",
        "--callback-path=/app/return",
        &format!("--callback-port={port}"),
    ];
    let mut bridge = house.options().with(&flags).start();
    assert!(bridge.initialize().await["result"].is_object());
    assert!(text(&bridge.call_tool("get_user_profile", json!({})).await).contains("alice"));
}

#[tokio::test]
async fn a8_further_parameters_go_to_the_authorization_endpoint_and_nowhere_else() {
    let house = House::new(MockServer::builder()).await;
    let flags = ["--authorize-param", "prompt=consent", "--authorize-param", "login_hint=a&b=c"];
    let mut bridge = house.options().with(&flags).start();
    assert!(bridge.initialize().await["result"].is_object());
    let asked = &seen(&house, Endpoint::Authorization)[0];
    assert_eq!(
        (asked.param("prompt"), asked.param("login_hint"), asked.param("b")),
        (Some("consent"), Some("a&b=c"), None)
    );
    assert_eq!(seen(&house, Endpoint::Token)[0].param("prompt"), None);
}

#[tokio::test]
async fn a_parameter_of_the_protocol_is_refused_before_anything_is_asked() {
    let house = House::new(MockServer::builder()).await;
    for name in ["state", "code_challenge", "redirect_uri", "resource", "response_mode", "request_uri"] {
        let ended = login(&house, &["--authorize-param", &format!("{name}=hunter2")]).start().end().await;
        assert_eq!(ended.status.code(), Some(2), "{name}");
        assert!(ended.stderr.contains(name) && !ended.stderr.contains("hunter2"), "{}", ended.stderr);
    }
    assert!(house.server.log().is_empty());
}

#[tokio::test]
async fn a8_a_resource_that_was_chosen_is_named_in_every_request() {
    let other = "https://API.example.com/v1";
    let house = House::new(MockServer::builder().also_issues_for(other)).await;
    assert!(login(&house, &["--resource", other]).start().end().await.status.success());
    house.age_the_token(970, 30);
    let ended = login(&house, &["--resource", other]).start().end().await;
    assert_eq!(house.server.counts().refreshes, 1, "{}", ended.stderr);
    let asked = [seen(&house, Endpoint::Authorization), seen(&house, Endpoint::Token)].concat();
    for request in asked.iter().take(3) {
        assert_eq!(request.param("resource"), Some(other), "{request:?}");
    }
}

#[tokio::test]
async fn a8_no_resource_is_named_where_that_was_chosen() {
    let house = House::new(MockServer::builder().layout(Layout::Authorization2025_03_26)).await;
    let mut bridge = house.options().with(&["--no-resource"]).start();
    assert!(bridge.initialize().await["result"].is_object());
    house.server.expire_access_tokens();
    assert!(text(&bridge.call_tool("get_user_profile", json!({})).await).contains("alice"));
    assert_eq!(house.server.counts().refreshes, 1);
    for request in [seen(&house, Endpoint::Authorization), seen(&house, Endpoint::Token)].concat() {
        assert_eq!(request.param("resource"), None, "{request:?}");
    }
}

#[tokio::test]
async fn a20_the_printed_document_is_one_that_a_server_takes_for_either_spelling() {
    const URL: &str = "https://client.example/mcp-bridge.json";
    let state = tempfile::tempdir().unwrap();
    let words = ["client-metadata", "--client-metadata-url", URL, "--client-name", "Anna's bridge"];
    let ended = Options::new(&words, state.path()).start().end().await;
    assert!(ended.status.success() && ended.stderr.is_empty(), "{}", ended.stderr);
    let document: Value = serde_json::from_str(&ended.stdout.join("\n")).unwrap();
    assert_eq!((&document["client_id"], &document["client_name"]), (&json!(URL), &json!("Anna's bridge")));
    let builder = MockServer::builder().client_metadata_documents(true).client_document(URL, document);
    let house = House::new(builder).await;
    let mut bridge = house.options().with(&["--client-metadata-url", URL]).start();
    assert!(bridge.initialize().await["result"].is_object());
    assert_eq!(seen(&house, Endpoint::Authorization)[0].param("client_id"), Some(URL));
    assert_eq!(house.server.count(Endpoint::Registration), 0);
}

#[tokio::test]
async fn a20_a_document_without_its_url_is_none() {
    let state = tempfile::tempdir().unwrap();
    let ended = Options::new(&["client-metadata"], state.path()).start().end().await;
    assert_eq!(ended.status.code(), Some(2));
    assert!(ended.stderr.contains("--client-metadata-url") && ended.stdout.is_empty(), "{}", ended.stderr);
}
