//! A small, honest client of MCP 2026-07-28: metadata in every request, headers that say the same. Each part can be changed by
//! its test.

mod faults;
mod headers;
mod input;
mod listen;
mod metadata;
mod results;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mcp_mock_server::{Era, MockServer, MockServerBuilder};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use crate::client::{http, messages};

pub(crate) const VERSION: &str = "2026-07-28";
pub(crate) const META_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
pub(crate) const META_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
pub(crate) const META_CLIENT: &str = "io.modelcontextprotocol/clientInfo";
pub(crate) const META_LEVEL: &str = "io.modelcontextprotocol/logLevel";
pub(crate) const META_SERVER: &str = "io.modelcontextprotocol/serverInfo";

/// A client without a session, which there is none of.
pub(crate) struct Modern {
    http: reqwest::Client,
    url: String,
    pub(crate) capabilities: Value,
    pub(crate) token: Option<String>,
}

/// A request that is still to be sent.
pub(crate) struct Prepared {
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Value,
}

impl Prepared {
    pub(crate) fn without(mut self, header: &str) -> Self {
        self.headers.retain(|(name, _)| name != header);
        self
    }

    pub(crate) fn with(mut self, header: &str, value: &str) -> Self {
        self = self.without(header);
        self.headers.push((header.to_owned(), value.to_owned()));
        self
    }

    /// A member of `params._meta` set, or removed by null.
    pub(crate) fn meta(mut self, key: &str, value: Value) -> Self {
        let meta = self.body["params"]["_meta"].as_object_mut().unwrap();
        if value.is_null() {
            meta.remove(key);
        } else {
            meta.insert(key.to_owned(), value);
        }
        self
    }

    /// A member of `params` set.
    pub(crate) fn param(mut self, key: &str, value: Value) -> Self {
        self.body["params"][key] = value;
        self
    }
}

/// A modern server without authorization, and a client of it.
pub(crate) async fn open() -> (MockServer, Modern) {
    open_with(MockServer::builder().era(Era::Modern)).await
}

pub(crate) async fn open_with(builder: MockServerBuilder) -> (MockServer, Modern) {
    let server = builder.protected(false).start().await.unwrap();
    let client = Modern::new(&server);
    (server, client)
}

impl Modern {
    pub(crate) fn new(server: &MockServer) -> Self {
        let capabilities = json!({ "elicitation": { "form": {}, "url": {} }, "sampling": {}, "roots": {} });
        Modern { http: http(), url: server.mcp_url(), capabilities, token: None }
    }

    /// A request as it must be, but for parameters that headers mirror.
    pub(crate) fn prepare(&self, method: &str, params: &Value) -> Prepared {
        let mut params = if params.is_null() { json!({}) } else { params.clone() };
        params["_meta"] = json!({
            META_VERSION: VERSION,
            META_CAPABILITIES: self.capabilities,
            META_CLIENT: { "name": "test", "version": "1" },
        });
        let mut headers =
            vec![("mcp-protocol-version".to_owned(), VERSION.to_owned()), ("mcp-method".to_owned(), method.to_owned())];
        let name = if method == "resources/read" { &params["uri"] } else { &params["name"] };
        if let (Some(name), "tools/call" | "prompts/get" | "resources/read") = (name.as_str(), method) {
            headers.push(("mcp-name".to_owned(), encoded(name)));
        }
        Prepared { headers, body: json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }) }
    }

    pub(crate) fn tool(&self, name: &str, arguments: &Value) -> Prepared {
        self.prepare("tools/call", &json!({ "name": name, "arguments": arguments }))
    }

    pub(crate) async fn send(&self, request: &Prepared) -> Response {
        let mut post = self.http.post(&self.url).header("content-type", "application/json");
        for (name, value) in &request.headers {
            post = post.header(name, value);
        }
        if let Some(token) = &self.token {
            post = post.bearer_auth(token);
        }
        let post = post.header("accept", "application/json, text/event-stream");
        post.body(request.body.to_string()).send().await.unwrap()
    }

    /// The status and the last message of the answer.
    pub(crate) async fn answer(&self, request: &Prepared) -> (StatusCode, Value) {
        let response = self.send(request).await;
        (response.status(), messages(response).await.pop().unwrap())
    }

    /// The result of a request that is to have one.
    pub(crate) async fn result(&self, method: &str, params: &Value) -> Value {
        let (status, answer) = self.answer(&self.prepare(method, params)).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        answer["result"].clone()
    }

    /// The result of a tool.
    pub(crate) async fn call(&self, tool: &str, arguments: &Value) -> Value {
        self.result("tools/call", &json!({ "name": tool, "arguments": arguments })).await
    }

    /// The status and the code of the error that a request gets.
    pub(crate) async fn refused(&self, request: &Prepared) -> (u16, i64) {
        let (status, answer) = self.answer(request).await;
        (status.as_u16(), answer["error"]["code"].as_i64().unwrap_or_default())
    }
}

/// A header's value, by the Base64 sentinel where it must be.
pub(crate) fn encoded(text: &str) -> String {
    let plain = text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) && text.trim() == text;
    if plain && !text.starts_with("=?base64?") {
        return text.to_owned();
    }
    format!("=?base64?{}?=", STANDARD.encode(text))
}
