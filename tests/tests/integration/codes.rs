//! The stable codes of what no honest server does, one by one: each ends in one error that has its code, and the next message
//! works.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};

use mcp_bridge_tests::PATIENCE;
use mcp_bridge_tests::bridge::{Bridge, Options};
use mcp_bridge_tests::browser::{Browser, client, visit};
use mcp_bridge_tests::scripted::{Answer, Scripted, server_metadata};
use mcp_mock_server::{Endpoint, MockServer};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{House, code, text};

const MCP: &str = "POST /mcp";

/// A bridge to a server with an answer for each method and path.
struct Stage {
    server: Scripted,
    answers: Arc<Mutex<HashMap<String, Answer>>>,
    bridge: Bridge,
    _state: TempDir,
}

impl Stage {
    async fn new() -> Self {
        let answers = Arc::<Mutex<HashMap<String, Answer>>>::default();
        let script = answers.clone();
        let server = Scripted::start(move |seen| {
            let answer = script.lock().unwrap().get(&format!("{} {}", seen.http, seen.path)).cloned();
            answer.unwrap_or_else(|| Answer::whole("404 Not Found", "", ""))
        })
        .await;
        let state = tempfile::tempdir().unwrap();
        let bridge = Options::to(&server.url, state.path()).with(&["--no-browser"]).start();
        Stage { server, answers, bridge, _state: state }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.server.origin)
    }

    /// From now on a request line, `GET /path`, is answered by this.
    fn answers(&self, request: &str, answer: Answer) {
        self.answers.lock().unwrap().insert(request.to_owned(), answer);
    }

    /// The next call ends with this code, and the one after it works once the server answers.
    async fn ends(&mut self, name: &str, expected: &str) {
        let response = self.bridge.call_tool("x", json!({})).await;
        assert_eq!(code(&response), expected, "{name}: {response}");
        let id = response["id"].as_u64().unwrap() + 1;
        self.answers(MCP, Answer::json("200 OK", &json!({"jsonrpc": "2.0", "id": id, "result": {}})));
        let response = self.bridge.call_tool("x", json!({})).await;
        assert!(response["result"].is_object(), "after {name}: {response}");
    }

    /// The MCP endpoint asks for a sign-in, and names this place for its metadata.
    fn challenges(&self, resource_metadata: &str) {
        let header = format!("www-authenticate: Bearer resource_metadata=\"{resource_metadata}\"\r\n");
        self.answers(MCP, Answer::whole("401 Unauthorized", &header, ""));
    }

    /// The resource's metadata names an authorization server.
    fn is_protected_by(&self, issuer: &str) {
        self.challenges(&self.url("/prm"));
        let document = json!({"resource": self.url("/mcp"), "authorization_servers": [issuer]});
        self.answers("GET /prm", Answer::json("200 OK", &document));
    }

    /// The same server is its own authorization server, with this in place of a good member of its metadata.
    fn publishes(&self, member: &str, value: Value) {
        self.is_protected_by(&self.server.origin);
        let mut document = server_metadata(&self.server.origin);
        document[member] = value;
        self.answers("GET /.well-known/oauth-authorization-server", Answer::json("200 OK", &document));
    }
}

#[tokio::test]
async fn forbidden() {
    let mut stage = Stage::new().await;
    stage.answers(MCP, Answer::whole("403 Forbidden", "", "not for you"));
    stage.ends("403", "forbidden").await;
}

#[tokio::test]
async fn message_too_large() {
    let mut stage = Stage::new().await;
    let head = || {
        let text = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 67108865\r\n\r\n{";
        Answer::SayAndHang(text.to_owned())
    };
    stage.answers(MCP, head());
    stage.ends("a body over 64 MiB", "message_too_large").await;
    stage.is_protected_by(&stage.url(""));
    stage.answers("GET /prm", head());
    stage.ends("metadata over 1 MiB", "message_too_large").await;
}

#[tokio::test]
async fn connection_failed() {
    let proxy = Scripted::start(|_| Answer::whole("502 Bad Gateway", "", "")).await;
    let state = tempfile::tempdir().unwrap();
    let options = Options::to("https://mcp.example.com/mcp", state.path());
    let mut bridge = options.variable("HTTPS_PROXY", proxy.url.replace("/mcp", "")).start();
    // There is no TLS behind the proxy to go on with: that the next message is tried too must do.
    for tries in 1..=2 {
        assert_eq!(code(&bridge.call_tool("x", json!({})).await), "connection_failed");
        let asked = proxy.log().into_iter().filter(|seen| seen.http == "CONNECT" && seen.path == "mcp.example.com:443");
        assert_eq!(asked.count(), tries);
    }
}

#[tokio::test]
async fn resource_metadata_invalid() {
    let resource = "https://mcp.example.com/mcp";
    let table = [
        ("nothing at the named place", Answer::whole("404 Not Found", "", "")),
        ("a page", Answer::whole("200 OK", "content-type: text/html\r\n", "<h1>Docs</h1>")),
        ("no object", Answer::json("200 OK", &json!(["x"]))),
        ("no resource", Answer::json("200 OK", &json!({"authorization_servers": [resource]}))),
    ];
    for (name, answer) in table {
        let mut stage = Stage::new().await;
        stage.challenges(&stage.url("/prm"));
        stage.answers("GET /prm", answer);
        stage.ends(name, "resource_metadata_invalid").await;
    }
}

#[tokio::test]
async fn server_metadata_invalid() {
    let mut stage = Stage::new().await;
    stage.is_protected_by(&stage.url(""));
    stage.ends("no metadata at all", "server_metadata_invalid").await;
    for (name, member) in [("no token endpoint", "token_endpoint"), ("nowhere to sign in", "authorization_endpoint")] {
        stage.publishes(member, Value::Null);
        stage.ends(name, "server_metadata_invalid").await;
    }
}

#[tokio::test]
async fn insecure_url() {
    let mut stage = Stage::new().await;
    stage.challenges("http://mcp.example.com/prm");
    stage.ends("resource metadata by http", "insecure_url").await;
    stage.is_protected_by("http://as.example.com");
    stage.ends("an issuer by http", "insecure_url").await;
    for (member, url) in [
        ("token_endpoint", "http://as.example.com/token"),
        ("authorization_endpoint", "http://as.example.com/authorize"),
        ("authorization_endpoint", "javascript:alert(1)"),
        ("registration_endpoint", "http://as.example.com/register"),
    ] {
        stage.publishes(member, json!(url));
        stage.ends(&format!("{member} {url}"), "insecure_url").await;
    }
    assert!(stage.server.log().iter().all(|seen| seen.path != "/register"));
}

#[tokio::test]
async fn address_refused() {
    let mut stage = Stage::new().await;
    stage.is_protected_by("https://169.254.169.254");
    stage.ends("a cloud's metadata service as an issuer", "address_refused").await;
    stage.publishes("registration_endpoint", json!("https://[fe80::1]/register"));
    stage.ends("the link as a registration endpoint", "address_refused").await;
}

/// A signed-out bridge that waits for its tab, and the tab.
async fn waiting(house: &mut House) -> (Bridge, u64, mcp_bridge_tests::browser::Tab) {
    let mut bridge = house.options().start();
    let id = bridge.send_request("tools/call", json!({"name": "list_files", "arguments": {}})).await;
    let tab = house.browser.next_tab().await;
    (bridge, id, tab)
}

/// The next call opens a new tab, and works.
async fn next_works(house: &mut House, bridge: &mut Bridge) {
    let id = bridge.send_initialize().await;
    house.browser.next_tab().await.follow().await;
    let response = bridge.response(id).await;
    assert!(response["result"].is_object(), "{response}");
}

#[tokio::test]
async fn authorization_response_invalid() {
    for (name, rest) in [
        ("neither code nor error", ""),
        ("a request that is refused", "&error=unsupported_response_type"),
        ("a server in trouble", "&error=server_error&error_description=oops"),
        ("two codes", "&code=a&code=b"),
    ] {
        let mut house = House::with_patient_browser(MockServer::builder()).await;
        let (mut bridge, id, tab) = waiting(&mut house).await;
        let (callback, state) = (tab.parameter("redirect_uri").unwrap(), tab.parameter("state").unwrap());
        let iss: String = url::form_urlencoded::byte_serialize(house.server.issuer().as_bytes()).collect();
        let page = visit(&format!("{callback}?state={state}&iss={iss}{rest}")).await;
        assert!(!page.text.contains("You are signed in"), "{name}: {}", page.text);
        assert_eq!(code(&bridge.response(id).await), "authorization_response_invalid", "{name}");
        next_works(&mut house, &mut bridge).await;
        assert_eq!(house.server.count(Endpoint::Token), 1, "{name}");
    }
}

#[tokio::test]
async fn token_request_refused() {
    let mut house = House::with_patient_browser(MockServer::builder()).await;
    let (mut bridge, id, tab) = waiting(&mut house).await;
    let browser = client().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let redirect = browser.get(&tab.url).send().await.unwrap();
    // Between the person's yes and the exchange the server forgets who asked.
    house.server.forget_clients();
    visit(redirect.headers()["location"].to_str().unwrap()).await;
    let response = bridge.response(id).await;
    assert_eq!(code(&response), "token_request_refused");
    assert!(response["error"]["message"].as_str().unwrap().contains("invalid_client"), "{response}");
    next_works(&mut house, &mut bridge).await;
}

#[tokio::test]
async fn callback_port_taken() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let house = House::new(MockServer::builder()).await;
    let mut bridge = house.options().with(&["--callback-port", &port]).start();
    let response = bridge.initialize().await;
    assert_eq!(code(&response), "callback_port_taken");
    assert!(response["error"]["message"].as_str().unwrap().contains(&port), "{response}");
    assert_eq!((house.browser.tabs_opened(), house.server.count(Endpoint::Registration)), (0, 0));
    drop(taken);
    assert!(bridge.initialize().await["result"].is_object());
}

#[tokio::test]
async fn invalid_setting() {
    let state = tempfile::tempdir().unwrap();
    let url = "https://mcp.example.com/mcp";
    for words in [["--scope", "a\"b"], ["--profile", "a/b"], ["--client-id", " "]] {
        let ended = Options::to(url, state.path()).with(&words).start().end().await;
        assert_eq!(ended.status.code(), Some(2), "{words:?}: {}", ended.stderr);
        assert!(ended.stderr.contains("hint: ") && ended.stdout.is_empty(), "{words:?}: {}", ended.stderr);
    }
}

/// The address of this machine by which it would reach others, if it has one. Nothing is sent.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("198.51.100.1:9").ok()?;
    socket.local_addr().ok().map(|address| address.ip()).filter(|ip| !ip.is_loopback() && !ip.is_unspecified())
}

#[tokio::test]
async fn http_to_another_address_is_for_who_allows_it() {
    let Some(ip) = own_address() else {
        eprintln!("skipped: this machine has no address besides loopback");
        return;
    };
    let server = MockServer::builder().listen(SocketAddr::new(ip, 0)).start().await.unwrap();
    let (browser, state) = (Browser::obliging().await, tempfile::tempdir().unwrap());
    let options = || Options::to(&server.mcp_url(), state.path()).browser(&browser);
    let ended = options().start().end().await;
    assert_eq!(ended.status.code(), Some(2));
    assert!(ended.stderr.contains("--allow-http"), "{}", ended.stderr);
    assert!(server.log().is_empty());
    let mut bridge = options().with(&["--allow-http"]).start();
    assert!(bridge.initialize().await["result"].is_object());
    let called = tokio::time::timeout(PATIENCE, bridge.call_tool("list_files", json!({}))).await.unwrap();
    assert!(text(&called).contains("README"), "{called}");
}
