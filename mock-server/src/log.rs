//! What the server saw: every HTTP request in order, with its response's status, and a way to await an event.
//! It never judges a request. `router.rs` writes it, tests read it through [`crate::MockServer`].

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, Method, StatusCode};
use tokio::sync::watch;

use crate::authorization::{device, routes};
use crate::faults;
use crate::mcp::{http_sse, outages};

/// How many bytes of a body a log with a limit keeps.
const BODY_KEPT: usize = 64 * 1024;

/// Which part of the server a request was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// RFC 9728 metadata.
    ResourceMetadata,
    /// RFC 8414 metadata.
    ServerMetadata,
    /// OpenID Connect Discovery.
    OpenidConfiguration,
    /// RFC 7591 registration.
    Registration,
    /// RFC 7592 client configuration.
    ClientManagement,
    /// RFC 6749 §3.1.
    Authorization,
    /// The page that asks a person.
    Consent,
    /// RFC 8628 §3.1.
    DeviceAuthorization,
    /// The page where a person enters the code of a device.
    Device,
    /// RFC 6749 §3.2.
    Token,
    /// RFC 7009 revocation.
    Revocation,
    /// RFC 7662 introspection.
    Introspection,
    /// The public keys (RFC 7517).
    Jwks,
    /// The MCP endpoint.
    Mcp,
    /// The switchboard of faults.
    Admin,
    /// Anything else: answered 404.
    Other,
}

impl Endpoint {
    /// The endpoint that a path belongs to.
    pub(crate) fn of_path(path: &str, issuer_path: &str) -> Self {
        let well_known = |name: &str| path.strip_prefix(name).is_some_and(|rest| rest == issuer_path);
        if well_known(routes::OAUTH_METADATA) {
            return Endpoint::ServerMetadata;
        }
        if well_known(routes::OPENID_CONFIGURATION) {
            return Endpoint::OpenidConfiguration;
        }
        let of_resource = Endpoint::of_resource(path);
        let below = path.strip_prefix(issuer_path).filter(|_| of_resource == Endpoint::Other);
        below.map_or(of_resource, Endpoint::below_issuer)
    }

    fn of_resource(path: &str) -> Self {
        match path {
            "/.well-known/oauth-protected-resource/mcp" => Endpoint::ResourceMetadata,
            "/mcp" | http_sse::PATH | outages::MOVED => Endpoint::Mcp,
            faults::admin::PATH => Endpoint::Admin,
            _ => Endpoint::Other,
        }
    }

    fn below_issuer(path: &str) -> Self {
        match path {
            "/register" => Endpoint::Registration,
            "/introspect" => Endpoint::Introspection,
            "/authorize" => Endpoint::Authorization,
            "/consent" => Endpoint::Consent,
            device::PATH => Endpoint::DeviceAuthorization,
            device::PAGE => Endpoint::Device,
            "/token" => Endpoint::Token,
            "/revoke" => Endpoint::Revocation,
            "/jwks.json" => Endpoint::Jwks,
            routes::OPENID_CONFIGURATION => Endpoint::OpenidConfiguration,
            _ if path.starts_with("/register/") => Endpoint::ClientManagement,
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
    /// Its body: all of it, or its first 64 KiB if the log has a limit.
    pub body: Vec<u8>,
    /// When it arrived.
    pub at: SystemTime,
    /// The response's status; 0 until the head of the response is ready, and for ever if none is sent.
    pub status: u16,
    /// The response's headers; empty as long as the status is 0.
    pub response_headers: HeaderMap,
    /// Why it was refused, in the server's own words; `None` if it was not.
    pub refusal: Option<String>,
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

    /// The first header of the response with this name, if it is text.
    #[must_use]
    pub fn response_header(&self, name: &str) -> Option<&str> {
        self.response_headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The first header of this name, if it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// The requests seen so far.
pub(crate) struct Log {
    entries: watch::Sender<Entries>,
    /// How many requests are kept.
    limit: usize,
}

#[derive(Default)]
struct Entries {
    kept: Vec<Seen>,
    /// How many came before those that are kept.
    dropped: usize,
    /// All of them, by endpoint.
    counts: HashMap<Endpoint, usize>,
}

impl Log {
    /// Keeps the last so many requests, or all of them.
    pub(crate) fn new(limit: Option<usize>) -> Self {
        Log { entries: watch::Sender::new(Entries::default()), limit: limit.unwrap_or(usize::MAX) }
    }

    /// Adds a request; the answer names it for [`Log::answered`].
    pub(crate) fn arrived(&self, mut request: Seen) -> usize {
        if self.limit < usize::MAX {
            request.body.truncate(BODY_KEPT);
        }
        let mut number = 0;
        self.entries.send_modify(|entries| {
            number = entries.dropped + entries.kept.len();
            *entries.counts.entry(request.endpoint).or_default() += 1;
            entries.kept.push(request);
            let excess = entries.kept.len().saturating_sub(self.limit);
            entries.kept.drain(..excess);
            entries.dropped += excess;
        });
        number
    }

    /// Notes the head of the response to a request and why it was refused, if that is still kept.
    pub(crate) fn answered(&self, number: usize, status: StatusCode, headers: &HeaderMap, refusal: Option<String>) {
        self.entries.send_modify(|entries| {
            let index = number.checked_sub(entries.dropped);
            if let Some(request) = index.and_then(|index| entries.kept.get_mut(index)) {
                request.status = status.as_u16();
                request.response_headers = headers.clone();
                request.refusal = refusal;
            }
        });
    }

    pub(crate) fn kept(&self) -> Vec<Seen> {
        self.entries.borrow().kept.clone()
    }

    /// How many requests an endpoint got, kept or not.
    pub(crate) fn count(&self, endpoint: Endpoint) -> usize {
        self.entries.borrow().counts.get(&endpoint).copied().unwrap_or_default()
    }

    /// Waits until the list satisfies the condition; whether it did within the time.
    pub(crate) async fn wait_for(&self, time: Duration, condition: impl Fn(&[Seen]) -> bool) -> bool {
        let mut receiver = self.entries.subscribe();
        let happened = receiver.wait_for(|entries| condition(&entries.kept));
        matches!(tokio::time::timeout(time, happened).await, Ok(Ok(_)))
    }
}
