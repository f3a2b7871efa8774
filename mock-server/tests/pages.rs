//! The pages as a client without a browser sees them; tests/pages drives them in a real one.

use mcp_mock_server::{Approval, Era, MockServer};
use reqwest::StatusCode;
use reqwest::header::ORIGIN;
use serde_json::{Value, json};

use crate::client::{Client, REDIRECT_URI, http, json_of};

/// What a client calls itself that hopes to run on a page.
const EVIL: &str = "<script>alert(1)</script>\u{202e}";

async fn text(url: String) -> String {
    http().get(url).send().await.unwrap().text().await.unwrap()
}

#[tokio::test]
async fn the_start_page_shows_no_token_whole() {
    let server = MockServer::builder().start().await.unwrap();
    let _client = Client::initialized(&server).await;
    let page = text(format!("{}/", server.issuer())).await;
    for word in ["Live grants", "alice", "mcp:tools", "POST /register", "authorization_code", "ends in 59 min"] {
        assert!(page.contains(word), "{word}");
    }
    for secret in server.issued_secrets() {
        assert!(!page.contains(&secret), "{secret}");
    }
}

#[tokio::test]
async fn the_start_page_says_what_was_refused_and_why() {
    let server = MockServer::builder().start().await.unwrap();
    let client = Client::new(&server);
    let _ = client.send(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#).await;
    let _ = http().post(format!("{}/register", server.issuer())).send().await.unwrap();
    let page = text(format!("{}/", server.issuer())).await;
    assert!(page.contains("no access token was sent") && page.contains("invalid_client_metadata"));
}

#[tokio::test]
async fn a_clients_words_are_escaped_on_every_page() {
    let server = MockServer::builder().auto_approve(Approval::Ask).start().await.unwrap();
    let mut client = Client::new(&server);
    let uri = "http://127.0.0.1:1/<b>";
    let metadata =
        json!({ "client_name": EVIL, "redirect_uris": [uri, REDIRECT_URI], "token_endpoint_auth_method": "none" });
    let registered = json_of(client.post_json(&format!("{}/register", server.issuer()), &metadata).await).await;
    client.id = registered["client_id"].as_str().unwrap().to_owned();
    let parked = client.authorize(&[]).await;
    let consent = parked.headers()["location"].to_str().unwrap().to_owned();
    for url in [format!("{}/", server.issuer()), consent] {
        let page = text(url.clone()).await;
        assert!(page.contains("&lt;script&gt;"), "{url}");
        assert!(!page.contains("<script>") && !page.contains("<b>") && !page.contains('\u{202e}'), "{url}");
    }
}

#[tokio::test]
async fn no_page_takes_script_frames_or_assets_from_elsewhere() {
    let server = MockServer::builder().start().await.unwrap();
    for path in ["/", "/try", "/try/callback", "/docs", "/authorize", "/consent?request=x"] {
        let response = http().get(format!("{}{path}", server.issuer())).send().await.unwrap();
        let policy = response.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{path}");
        assert_eq!(policy.contains("script-src"), path.starts_with("/try"), "{path}");
        assert_eq!(response.headers()["x-frame-options"], "DENY", "{path}");
        let page = response.text().await.unwrap();
        assert!(!page.contains(" style=") && !page.contains("<style") && !page.contains("onclick"), "{path}");
        assert!(!page.contains("src=\"http") && !page.contains("rel=\"stylesheet\" href=\"http"), "{path}");
    }
}

#[tokio::test]
async fn a_decision_of_a_foreign_page_and_one_for_nothing_are_pages_that_say_so() {
    let server = MockServer::builder().auto_approve(Approval::Ask).start().await.unwrap();
    let url = format!("{}/consent", server.issuer());
    for (origin, body, status) in [
        ("https://elsewhere.example".to_owned(), "request=x&decision=deny", StatusCode::FORBIDDEN),
        (server.issuer(), "request=x&decision=deny", StatusCode::BAD_REQUEST),
        (server.issuer(), "request=x", StatusCode::BAD_REQUEST),
        (server.issuer(), "", StatusCode::BAD_REQUEST),
    ] {
        let request = http().post(&url).header(ORIGIN, origin).body(body);
        let response = request.header("content-type", "application/x-www-form-urlencoded").send().await.unwrap();
        assert_eq!(response.status(), status, "{body}");
        assert!(response.text().await.unwrap().contains("role=\"alert\""), "{body}");
    }
}

#[tokio::test]
async fn looking_does_not_fill_the_log_and_health_is_json() {
    let server = MockServer::builder().start().await.unwrap();
    for path in ["/", "/docs", "/openapi.json", "/try", "/style.css", "/icon.svg", "/try/app.js"] {
        let response = http().get(format!("{}{path}", server.issuer())).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
    }
    let health = json_of(http().get(format!("{}/health", server.issuer())).send().await.unwrap()).await;
    assert_eq!((&health["status"], &health["mcp"]), (&json!("ok"), &json!(server.mcp_url())));
    assert!(server.log().is_empty());
}

/// The paths and methods of the description.
async fn described(server: &MockServer) -> Vec<(String, String)> {
    let document = json_of(http().get(format!("{}/openapi.json", server.issuer())).send().await.unwrap()).await;
    let paths = document["paths"].as_object().unwrap().clone();
    let methods = |(path, item): (String, Value)| {
        let methods = item.as_object().unwrap().keys().map(|method| (path.clone(), method.to_uppercase()));
        methods.collect::<Vec<_>>()
    };
    paths.into_iter().flat_map(methods).collect()
}

#[tokio::test]
async fn every_described_endpoint_is_there_and_takes_no_other_method() {
    let settings = mcp_mock_server::Settings { admin: true, protected: true, ..Default::default() };
    let server = MockServer::builder().settings(settings).start().await.unwrap();
    let open = MockServer::builder().protected(false).start().await.unwrap();
    let described = described(&server).await;
    assert!(described.len() > 20);
    for (path, _) in &described {
        // Without a token the MCP server says 401 before it looks at the method.
        let at = if ["/mcp", "/moved", "/messages"].contains(&path.as_str()) { open.issuer() } else { server.issuer() };
        let url = format!("{at}{}", path.replace("{client_id}", "nobody").replace("{id}", "nothing"));
        for method in ["GET", "POST", "PUT", "DELETE"] {
            let known = described.contains(&(path.clone(), method.to_owned()));
            let request = http().request(method.parse().unwrap(), &url);
            let status = request.header("accept", "application/json").send().await.unwrap().status();
            let absent = [StatusCode::METHOD_NOT_ALLOWED, StatusCode::NOT_FOUND];
            let as_described = if known { status != absent[0] } else { absent.contains(&status) };
            assert!(as_described, "{method} {path}: {status}");
        }
    }
}

#[tokio::test]
async fn the_page_to_try_speaks_the_era_that_is_served() {
    for (era, spoken) in [(Era::Legacy, "legacy"), (Era::Both, "legacy"), (Era::Modern, "modern")] {
        let server = MockServer::builder().era(era).start().await.unwrap();
        let page = http().get(format!("{}/try", server.issuer())).send().await.unwrap().text().await.unwrap();
        assert!(page.contains(&format!("data-era=\"{spoken}\"")), "{era:?}");
    }
}
