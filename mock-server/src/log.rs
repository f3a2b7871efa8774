//! What the server saw: every HTTP request in order, with its response's status, and a way to await an event.
//! It never judges a request. `router.rs` writes it, tests read it through [`crate::MockServer`].

use std::time::Duration;

use http::{HeaderMap, Method};
use tokio::sync::watch;

/// How long [`Log::wait_for`] waits.
const PATIENCE: Duration = Duration::from_secs(20);

/// Which part of the server a request was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// RFC 9728 metadata.
    ResourceMetadata,
    /// RFC 8414 metadata.
    ServerMetadata,
    /// RFC 7591 registration.
    Registration,
    /// RFC 6749 §3.1.
    Authorization,
    /// RFC 6749 §3.2.
    Token,
    /// RFC 7009 revocation.
    Revocation,
    /// The public keys (RFC 7517).
    Jwks,
    /// The MCP endpoint.
    Mcp,
    /// Anything else: answered 404.
    Other,
}

impl Endpoint {
    /// The endpoint that a path belongs to.
    pub(crate) fn of_path(path: &str) -> Self {
        match path {
            "/.well-known/oauth-protected-resource/mcp" => Endpoint::ResourceMetadata,
            "/.well-known/oauth-authorization-server" => Endpoint::ServerMetadata,
            "/register" => Endpoint::Registration,
            "/authorize" => Endpoint::Authorization,
            "/token" => Endpoint::Token,
            "/revoke" => Endpoint::Revocation,
            "/jwks.json" => Endpoint::Jwks,
            "/mcp" => Endpoint::Mcp,
            _ => Endpoint::Other,
        }
    }
}

/// One HTTP request as it was seen.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Which part of the server it was for.
    pub endpoint: Endpoint,
    /// Its method.
    pub method: Method,
    /// Its target as sent.
    pub path_and_query: String,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its whole body.
    pub body: Vec<u8>,
    /// The response's status; 0 until the head of the response is ready, and for ever if none is sent.
    pub status: u16,
    /// The decoded parameters: those of the query, then those of a form-encoded body.
    pub form: Vec<(String, String)>,
}

impl Seen {
    /// The first parameter of this name.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        self.form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON; `Null` if it is none.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The first header of this name, if it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// The list of all requests seen so far.
pub(crate) struct Log {
    seen: watch::Sender<Vec<Seen>>,
}

impl Log {
    pub(crate) fn new() -> Self {
        Log { seen: watch::Sender::new(Vec::new()) }
    }

    /// Adds a request; the answer names it for [`Log::answered`].
    pub(crate) fn arrived(&self, request: Seen) -> usize {
        let mut index = 0;
        self.seen.send_modify(|seen| {
            index = seen.len();
            seen.push(request);
        });
        index
    }

    pub(crate) fn answered(&self, index: usize, status: u16) {
        self.seen.send_modify(|seen| {
            if let Some(request) = seen.get_mut(index) {
                request.status = status;
            }
        });
    }

    pub(crate) fn all(&self) -> Vec<Seen> {
        self.seen.borrow().clone()
    }

    pub(crate) fn count(&self, endpoint: Endpoint) -> usize {
        self.seen.borrow().iter().filter(|request| request.endpoint == endpoint).count()
    }

    /// Waits until the list satisfies the condition; the error, after 20 s, is the list in short.
    pub(crate) async fn wait_for(&self, condition: impl Fn(&[Seen]) -> bool) -> Result<(), String> {
        let mut receiver = self.seen.subscribe();
        let happened = receiver.wait_for(|seen| condition(seen));
        match tokio::time::timeout(PATIENCE, happened).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(self.in_short()),
        }
    }

    fn in_short(&self) -> String {
        let lines = self.seen.borrow().iter().map(in_short).collect::<Vec<_>>();
        lines.join("\n")
    }
}

fn in_short(request: &Seen) -> String {
    let body = String::from_utf8_lossy(&request.body);
    let body = body.chars().take(120).collect::<String>();
    format!("{} {} -> {} {body}", request.method, request.path_and_query, request.status)
}
