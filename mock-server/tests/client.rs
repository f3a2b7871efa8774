//! A small, honest client: discovery, registration, authorization, tokens, MCP. Each step can be changed by its test.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mcp_mock_server::MockServer;
use reqwest::{Response, StatusCode, redirect};
use serde_json::{Value, json};
use url::{Url, form_urlencoded};

/// The pair of RFC 7636, appendix B.
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
pub(crate) const REDIRECT_URI: &str = "http://127.0.0.1:4711/callback";

/// The smallest request.
pub(crate) const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;

/// Named parameters; a later one replaces an earlier one of the same name.
pub(crate) type Changes<'a> = &'a [(&'a str, Option<&'a str>)];

pub(crate) struct Client {
    pub(crate) http: reqwest::Client,
    pub(crate) issuer: String,
    pub(crate) mcp_url: String,
    pub(crate) id: String,
    pub(crate) secret: Option<String>,
    pub(crate) access_token: Option<String>,
    pub(crate) refresh_token: Option<String>,
    pub(crate) session: Option<String>,
}

pub(crate) fn http() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().redirect(redirect::Policy::none()).build().unwrap()
}

/// A server that wants no token, and a client with a session.
pub(crate) async fn open() -> (MockServer, Client) {
    let server = MockServer::builder().protected(false).start().await.unwrap();
    let mut client = Client::new(&server);
    client.initialize().await;
    (server, client)
}

impl Client {
    /// Knows the server, has nothing.
    pub(crate) fn new(server: &MockServer) -> Self {
        Client {
            http: http(),
            issuer: server.issuer(),
            mcp_url: server.mcp_url(),
            id: String::new(),
            secret: None,
            access_token: None,
            refresh_token: None,
            session: None,
        }
    }

    /// Registered as a public client.
    pub(crate) async fn registered(server: &MockServer) -> Self {
        let mut client = Client::new(server);
        client.register("none").await;
        client
    }

    /// Registered and in possession of tokens.
    pub(crate) async fn signed_in(server: &MockServer) -> Self {
        let mut client = Client::registered(server).await;
        let code = client.code().await;
        let response = client.redeem(&code, &[]).await;
        client.keep(response).await;
        client
    }

    /// Signed in, with a session.
    pub(crate) async fn initialized(server: &MockServer) -> Self {
        let mut client = Client::signed_in(server).await;
        client.initialize().await;
        client
    }

    pub(crate) async fn register(&mut self, method: &str) {
        let body = registration(method);
        let response = self.post_json(&format!("{}/register", self.issuer), &body).await;
        assert_eq!(response.status(), StatusCode::CREATED);
        let document = json_of(response).await;
        self.id = document["client_id"].as_str().unwrap().to_owned();
        self.secret = document["client_secret"].as_str().map(str::to_owned);
    }

    pub(crate) async fn post_json(&self, url: &str, body: &Value) -> Response {
        self.http.post(url).header("content-type", "application/json").body(body.to_string()).send().await.unwrap()
    }

    pub(crate) async fn authorize(&self, changes: Changes<'_>) -> Response {
        let mut parameters = vec![
            ("response_type", "code"),
            ("client_id", self.id.as_str()),
            ("redirect_uri", REDIRECT_URI),
            ("scope", "mcp:tools"),
            ("state", "xyz-state"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
            ("resource", self.mcp_url.as_str()),
        ];
        change(&mut parameters, changes);
        let query = form(&parameters);
        self.http.get(format!("{}/authorize?{query}", self.issuer)).send().await.unwrap()
    }

    pub(crate) async fn code(&self) -> String {
        parameters_of(&self.authorize(&[]).await)["code"].clone()
    }

    pub(crate) async fn redeem(&self, code: &str, changes: Changes<'_>) -> Response {
        let mut parameters = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", REDIRECT_URI),
            ("client_id", self.id.as_str()),
            ("code_verifier", VERIFIER),
            ("resource", self.mcp_url.as_str()),
        ];
        change(&mut parameters, changes);
        self.token(&parameters).send().await.unwrap()
    }

    pub(crate) async fn refresh(&self, token: &str, changes: Changes<'_>) -> Response {
        let mut parameters = vec![
            ("grant_type", "refresh_token"),
            ("refresh_token", token),
            ("client_id", self.id.as_str()),
            ("resource", self.mcp_url.as_str()),
        ];
        change(&mut parameters, changes);
        self.token(&parameters).send().await.unwrap()
    }

    pub(crate) fn token(&self, parameters: &[(&str, &str)]) -> reqwest::RequestBuilder {
        let request = self.http.post(format!("{}/token", self.issuer));
        request.header("content-type", "application/x-www-form-urlencoded").body(form(parameters))
    }

    /// Refreshes, and keeps the tokens.
    pub(crate) async fn refreshed(&mut self) {
        let token = self.refresh_token.clone().unwrap();
        let response = self.refresh(&token, &[]).await;
        self.keep(response).await;
    }

    pub(crate) async fn revoke(&self, token: &str, changes: Changes<'_>) -> Response {
        let mut parameters = vec![("token", token), ("client_id", self.id.as_str())];
        change(&mut parameters, changes);
        let request = self.http.post(format!("{}/revoke", self.issuer));
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        request.body(form(&parameters)).send().await.unwrap()
    }

    /// Takes over the tokens of a successful response.
    pub(crate) async fn keep(&mut self, response: Response) {
        assert_eq!(response.status(), StatusCode::OK);
        let document = json_of(response).await;
        self.access_token = document["access_token"].as_str().map(str::to_owned);
        self.refresh_token = document["refresh_token"].as_str().map(str::to_owned);
    }

    pub(crate) fn request(&self, method: reqwest::Method) -> reqwest::RequestBuilder {
        let mut request = self.http.request(method, &self.mcp_url);
        if let Some(token) = &self.access_token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if let Some(session) = &self.session {
            request = request.header("mcp-session-id", session).header("mcp-protocol-version", "2025-11-25");
        }
        request
    }

    pub(crate) fn post(&self, body: impl Into<String>) -> reqwest::RequestBuilder {
        let request = self.request(reqwest::Method::POST).header("content-type", "application/json");
        request.header("accept", "application/json, text/event-stream").body(body.into())
    }

    pub(crate) async fn send(&self, body: impl Into<String>) -> Response {
        self.post(body).send().await.unwrap()
    }

    pub(crate) async fn initialize(&mut self) -> Value {
        self.initialize_with(&json!({ "elicitation": {} })).await
    }

    /// A session for a client that declares these capabilities.
    pub(crate) async fn initialize_with(&mut self, capabilities: &Value) -> Value {
        let params = json!({
            "protocolVersion": "2025-11-25",
            "capabilities": capabilities,
            "clientInfo": { "name": "test", "version": "1" },
        });
        let body = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params });
        let response = self.send(body.to_string()).await;
        assert_eq!(response.status(), StatusCode::OK);
        self.session = response.headers().get("mcp-session-id").map(|id| id.to_str().unwrap().to_owned());
        messages(response).await.remove(0)
    }

    /// Sends a request; the response object.
    pub(crate) async fn ask(&self, method: &str, params: &Value) -> Value {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        messages(self.send(body.to_string()).await).await.pop().unwrap()
    }

    /// Opens the standalone stream.
    pub(crate) async fn listen(&self) -> Response {
        let stream = self.request(reqwest::Method::GET).header("accept", "text/event-stream").send().await.unwrap();
        assert_eq!(stream.status(), StatusCode::OK);
        stream
    }

    /// Calls a tool; the response object.
    pub(crate) async fn call(&self, tool: &str, arguments: &Value) -> Value {
        let response = self.send(tool_call(1, tool, arguments)).await;
        assert_eq!(response.status(), StatusCode::OK);
        messages(response).await.pop().unwrap()
    }
}

pub(crate) fn registration(method: &str) -> Value {
    json!({
        "client_name": "Test",
        "redirect_uris": [REDIRECT_URI],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": method,
    })
}

pub(crate) fn tool_call(id: u64, tool: &str, arguments: &Value) -> String {
    let params = json!({ "name": tool, "arguments": arguments });
    json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params }).to_string()
}

pub(crate) async fn json_of(response: Response) -> Value {
    serde_json::from_slice(&response.bytes().await.unwrap()).unwrap()
}

/// The claims of a JWT, whoever signed it.
pub(crate) fn claims_of(token: &str) -> Value {
    let part = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// All messages of a reply, JSON or stream.
pub(crate) async fn messages(response: Response) -> Vec<Value> {
    let stream = response.headers()["content-type"] == "text/event-stream";
    let text = response.text().await.unwrap();
    if stream { events(&text) } else { vec![serde_json::from_str(&text).unwrap()] }
}

/// Reads from a stream until so many events are there.
pub(crate) async fn read_events(response: &mut Response, count: usize) -> Vec<Value> {
    let mut text = String::new();
    while text.matches("\n\n").count() < count {
        text.push_str(std::str::from_utf8(&response.chunk().await.unwrap().unwrap()).unwrap());
    }
    events(&text)
}

/// The data of each event.
pub(crate) fn events(text: &str) -> Vec<Value> {
    let text = text.replace("\r\n", "\n");
    let events = text.split("\n\n").filter(|event| !event.is_empty());
    let data = events.map(|event| {
        let lines = event.lines().filter_map(|line| line.strip_prefix("data: "));
        lines.collect::<Vec<_>>().join("\n")
    });
    // A priming event has no data.
    data.filter(|data| !data.is_empty()).map(|data| serde_json::from_str(&data).unwrap()).collect()
}

/// The parameters of the URL that a redirect leads to.
pub(crate) fn parameters_of(response: &Response) -> HashMap<String, String> {
    assert_eq!(response.status(), StatusCode::FOUND);
    let location = Url::parse(response.headers()["location"].to_str().unwrap()).unwrap();
    location.query_pairs().into_owned().collect()
}

fn change<'a>(parameters: &mut Vec<(&'a str, &'a str)>, changes: Changes<'a>) {
    for (name, value) in changes {
        parameters.retain(|(known, _)| known != name);
        parameters.extend(value.map(|value| (*name, value)));
    }
}

fn form(parameters: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish()
}
