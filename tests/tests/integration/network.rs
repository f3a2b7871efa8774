//! How the network is reached: proxies, headers, kinds of addresses (T16), and the two rules that a flag loosens (A4, A19).

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;

use mcp_bridge_tests::bridge::Options;
use mcp_bridge_tests::browser::visit;
use mcp_bridge_tests::proxy::Proxy;
use mcp_bridge_tests::scripted::{Answer, Scripted, Seen};
use mcp_mock_server::{Endpoint, Fault, MockServer};
use serde_json::json;
use tempfile::TempDir;

use crate::{House, code, text};

/// A public name that nobody knows but the proxy.
const UPSTREAM: &str = "http://mcp.test/mcp";

fn address(server: &Scripted) -> SocketAddr {
    server.origin.trim_start_matches("http://").parse().unwrap()
}

/// A protected server at the public name, that grants whatever is asked.
async fn protected() -> Scripted {
    Scripted::start(|seen| {
        let path = seen.path.strip_prefix("http://mcp.test").unwrap_or(&seen.path).to_owned();
        let seen = Seen { path, ..seen.clone() };
        match Answer::sign_in(&seen, false) {
            Some(answer) => answer,
            None if seen.headers.contains_key("authorization") => Answer::honest(&seen),
            None => Answer::unauthorized(),
        }
    })
    .await
}

/// An open mock server, reached by a public name through a proxy.
async fn open() -> (MockServer, TempDir) {
    (MockServer::builder().protected(false).start().await.unwrap(), tempfile::tempdir().unwrap())
}

#[tokio::test]
async fn t16_messages_and_the_requests_of_a_sign_in_go_by_the_proxy_and_headers_only_to_the_server() {
    let server = protected().await;
    let proxy = Proxy::http(address(&server)).await;
    let state = tempfile::tempdir().unwrap();
    let url = format!("http://anna:hunter2@{}", proxy.address);
    let options = Options::to(UPSTREAM, state.path());
    let more = ["--proxy", &url, "--allow-http", "--no-browser", "--header", "X-Key: k", "--log", "debug"];
    let mut bridge = options.with(&more).start();
    let id = bridge.send_initialize().await;
    let page = bridge.stderr_line_with("/authorize?").await;
    visit(&page.replace("http://mcp.test", &server.origin)).await;
    let response = bridge.response(id).await;
    assert!(response["result"].is_object(), "{response}");
    for path in ["/.well-known/oauth-protected-resource/mcp", "/register", "/token", "/mcp"] {
        assert!(
            server.log().iter().any(|seen| seen.path == format!("http://mcp.test{path}")),
            "{path} came by the proxy: {:?}",
            proxy.asked()
        );
    }
    let basic = "Basic YW5uYTpodW50ZXIy";
    assert!(proxy.asked().iter().all(|asked| asked.credentials.as_deref() == Some(basic)), "{:?}", proxy.asked());
    for seen in server.log() {
        let is_message = seen.path.ends_with("mcp.test/mcp");
        assert_eq!(seen.headers.contains_key("x-key"), is_message, "{seen:?}");
    }
    let ended = bridge.end().await;
    assert!(!ended.stderr.contains("hunter2"), "{}", ended.stderr);
}

#[tokio::test]
async fn t16_a_socks5_proxy_looks_names_up_by_itself_and_takes_a_password() {
    let (server, state) = open().await;
    let proxy = Proxy::socks5(server.address()).await;
    for (credentials, expected) in [("", None), ("anna:hunter2@", Some("anna:hunter2"))] {
        let url = format!("socks5h://{credentials}{}", proxy.address);
        let options = Options::to(UPSTREAM, state.path()).with(&["--allow-http"]);
        let mut bridge = options.variable("MCP_BRIDGE_PROXY", url).start();
        let response = bridge.initialize().await;
        assert!(response["result"].is_object(), "{response}");
        let last = proxy.asked().pop().unwrap();
        assert_eq!((last.what.as_str(), last.credentials.as_deref()), ("SOCKS mcp.test:80", expected));
    }
}

#[tokio::test]
async fn t16_the_environments_proxy_counts_unless_its_exceptions_or_a_flag_say_otherwise() {
    let (server, state) = open().await;
    let proxy = Proxy::http(server.address()).await;
    let url = format!("http://{}", proxy.address);
    let options = || Options::to(UPSTREAM, state.path()).with(&["--allow-http"]);
    for variable in ["http_proxy", "ALL_PROXY"] {
        let mut bridge = options().variable(variable, &url).start();
        assert!(bridge.initialize().await["result"].is_object(), "{variable}");
    }
    let asked = proxy.asked().len();
    let table = [
        ("NO_PROXY", options().variable("ALL_PROXY", &url).variable("NO_PROXY", "mcp.test")),
        ("NO_PROXY and --proxy", options().with(&["--proxy", &url]).variable("NO_PROXY", "mcp.test")),
        ("--no-proxy", options().with(&["--no-proxy"]).variable("ALL_PROXY", &url)),
    ];
    for (name, options) in table {
        let mut bridge = options.start();
        assert_eq!(code(&bridge.call_tool("x", json!({})).await), "unknown_host", "{name}");
    }
    assert_eq!(proxy.asked().len(), asked);
}

#[tokio::test]
async fn t16_no_proxy_is_asked_for_this_machine() {
    let (server, state) = open().await;
    let proxy = Proxy::http(server.address()).await;
    let url = format!("http://{}", proxy.address);
    let options = Options::to(&server.mcp_url(), state.path()).with(&["--proxy", &url]);
    let mut bridge = options.variable("ALL_PROXY", &url).start();
    assert!(bridge.initialize().await["result"].is_object());
    assert_eq!(proxy.asked(), []);
}

#[tokio::test]
async fn t16_headers_come_from_a_file_and_from_variables_and_are_shown_nowhere() {
    let (server, state) = open().await;
    let file = state.path().join("headers");
    std::fs::write(&file, "# ours\nX-File: ${KEY}\nX-Both: file\n").unwrap();
    let set = |mode| std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
    set(0o600);
    let path = file.to_str().unwrap();
    let options = || {
        let more = ["--header-file", path, "--header", "X-Both: flag", "--header", "X-Money: $$5", "--log", "trace"];
        Options::to(&server.mcp_url(), state.path()).with(&more)
    };
    let mut bridge = options().variable("KEY", "hunter2").start();
    assert!(bridge.initialize().await["result"].is_object());
    let ended = bridge.end().await;
    assert!(!ended.stderr.contains("hunter2") && !ended.stderr.contains("chmod"), "{}", ended.stderr);
    let seen = server.log().into_iter().find(|seen| seen.endpoint == Endpoint::Mcp).unwrap();
    assert_eq!(["x-file", "x-both", "x-money"].map(|name| seen.header(name).unwrap()), ["hunter2", "flag", "$5"]);

    let ended = options().start().end().await;
    assert_eq!(ended.status.code(), Some(2));
    assert!(ended.stderr.contains("the variable `KEY` is not set"), "{}", ended.stderr);
    set(0o644);
    let ended = options().variable("KEY", "k").start().end().await;
    assert!(ended.stderr.contains("chmod 600"), "{}", ended.stderr);
}

#[tokio::test]
async fn t16_by_ipv4_no_other_address_is_used() {
    let Ok(server) = MockServer::builder().protected(false).listen("[::1]:0".parse().unwrap()).start().await else {
        eprintln!("skipped: this machine has no IPv6");
        return;
    };
    let state = tempfile::tempdir().unwrap();
    let url = format!("http://localhost:{}/mcp", server.address().port());
    let mut bridge = Options::to(&url, state.path()).start();
    assert!(bridge.initialize().await["result"].is_object());
    let mut bridge = Options::to(&url, state.path()).with(&["--ipv4"]).start();
    assert_eq!(code(&bridge.call_tool("x", json!({})).await), "connection_refused");
}

#[tokio::test]
async fn t16_a_file_of_certificates_that_cannot_be_used_is_an_error_at_the_start() {
    let state = tempfile::tempdir().unwrap();
    let file = state.path().join("ca.pem");
    std::fs::write(&file, "hunter2").unwrap();
    for flag in ["--ca-file", "--client-cert"] {
        for path in [file.to_str().unwrap(), "/nonexistent"] {
            let ended = Options::to("https://mcp.test/mcp", state.path()).with(&[flag, path]).start().end().await;
            assert_eq!(ended.status.code(), Some(2), "{}", ended.stderr);
            assert!(ended.stderr.contains(path) && !ended.stderr.contains("hunter2"), "{}", ended.stderr);
        }
    }
}

/// The server's metadata names this issuer; the proxy knows it, and refuses.
async fn issuer_at(issuer: &'static str, more: &[&str]) -> (String, Proxy) {
    let server = Scripted::start(move |seen| match seen.path.rsplit('/').next() {
        Some("prm") => Answer::json("200 OK", &json!({"resource": UPSTREAM, "authorization_servers": [issuer]})),
        _ => Answer::whole(
            "401 Unauthorized",
            "www-authenticate: Bearer resource_metadata=\"http://mcp.test/prm\"\r\n",
            "",
        ),
    })
    .await;
    let proxy = Proxy::http(address(&server)).await;
    let state = tempfile::tempdir().unwrap();
    let options = Options::to(UPSTREAM, state.path()).with(&["--allow-http", "--no-browser"]).with(more);
    let mut bridge = options.variable("ALL_PROXY", format!("http://{}", proxy.address)).start();
    (code(&bridge.call_tool("x", json!({})).await).to_owned(), proxy)
}

#[tokio::test]
async fn a19_a_public_server_leads_into_a_private_network_for_who_allows_it_alone() {
    let (code, proxy) = issuer_at("https://10.1.2.3:1", &[]).await;
    assert_eq!(code, "address_refused");
    assert!(!proxy.was_asked("CONNECT 10.1.2.3"), "{:?}", proxy.asked());
    let (code, proxy) = issuer_at("https://10.1.2.3:1", &["--allow-private-addresses"]).await;
    assert_eq!(code, "connection_failed");
    assert!(proxy.was_asked("CONNECT 10.1.2.3:1"), "{:?}", proxy.asked());
    let (code, _) = issuer_at("https://169.254.169.254:1", &["--allow-private-addresses"]).await;
    assert_eq!(code, "address_refused", "never a cloud's metadata service");
}

#[tokio::test]
async fn a4_a_server_that_does_not_say_that_it_does_pkce_gets_it_all_the_same_by_a_flag() {
    let house = House::new(MockServer::builder().fault(Fault::NoPkce)).await;
    let mut bridge = house.options().with(&["--allow-missing-pkce"]).start();
    assert!(bridge.initialize().await["result"].is_object());
    let called = bridge.call_tool("list_files", json!({})).await;
    assert!(text(&called).contains("README"), "{called}");
    let log = house.server.log();
    let asked = log.iter().find(|seen| seen.endpoint == Endpoint::Authorization).unwrap();
    assert_eq!(asked.param("code_challenge_method"), Some("S256"));
    let exchange = log.iter().find(|seen| seen.endpoint == Endpoint::Token).unwrap();
    assert!(exchange.param("code_verifier").is_some());
}
