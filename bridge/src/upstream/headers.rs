//! The headers of every request to the upstream (T1, T3, A21): the person's, the protocol's, the session's.

use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::session::Session;
use crate::secret::{Secret, SentSecrets};
use crate::tokens::Authorization;

/// MCP's session header, in both directions.
pub const MCP_SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
/// MCP's header for the negotiated revision.
pub const MCP_PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
/// Where a broken stream left off.
pub const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The headers of a POST: both forms of a reply are welcome.
pub fn of_post(person: &HeaderMap, session: &Session) -> HeaderMap {
    let mut headers = of_session(person, session);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
    headers
}

/// The headers of the standalone stream's GET.
pub fn of_get(person: &HeaderMap, session: &Session, last_event_id: &[u8]) -> HeaderMap {
    let mut headers = of_session(person, session);
    headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
    if let Some(id) = HeaderValue::from_bytes(last_event_id).ok().filter(|id| !id.is_empty()) {
        headers.insert(LAST_EVENT_ID, id);
    }
    headers
}

/// The headers that every request has; all that a DELETE needs.
pub fn of_session(person: &HeaderMap, session: &Session) -> HeaderMap {
    // Room for the token, cookies and what the client adds, too.
    let mut headers = HeaderMap::with_capacity(person.len() + 12);
    headers.extend(person.iter().map(|(name, value)| (name.clone(), value.clone())));
    if let Some(id) = &session.id {
        headers.insert(MCP_SESSION_ID, id.clone());
    }
    if let Some(version) = &session.protocol_version {
        headers.insert(MCP_PROTOCOL_VERSION, version.clone());
    }
    headers
}

/// What of a request's headers is secret: the token, the session's id, the values of the person's headers.
pub fn secret_values(headers: &HeaderMap) -> Vec<HeaderValue> {
    headers.values().filter(|value| value.is_sensitive()).cloned().collect()
}

/// These values, each credential without its scheme and each cookie without its name, as a server may repeat it.
pub fn secrets(values: &[HeaderValue]) -> SentSecrets {
    let mut sent = SentSecrets::default();
    let texts = || values.iter().filter_map(|value| value.to_str().ok());
    // The cookies first: of too many secrets the first are forgotten, and a token is not among them.
    for (_, cookie) in texts().flat_map(|text| text.split("; ")).filter_map(|pair| pair.split_once('=')) {
        sent.add(Secret::new(cookie));
    }
    for value in texts() {
        sent.add(Secret::new(value));
        if let Some((_, credential)) = value.split_once(' ') {
            sent.add(Secret::new(credential));
        }
    }
    sent
}

/// Puts the token where it belongs, and its proof, over headers of the person's.
pub fn authorize(headers: &mut HeaderMap, authorization: Option<Authorization>) {
    if let Some(authorization) = authorization {
        authorization.add_to(headers);
    }
}
