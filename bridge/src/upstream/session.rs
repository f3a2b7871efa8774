//! The legacy session: what the answer to `initialize` set up and every later request repeats (T3).

use http::{HeaderMap, HeaderValue};
use serde::Deserialize;

use super::headers::MCP_SESSION_ID;
use crate::message::Envelope;

/// Revisions before this one know no `MCP-Protocol-Version` header.
const FIRST_WITH_HEADER: &str = "2025-06-18";
/// The only revision that has batches.
const WITH_BATCHES: &str = "2025-03-26";
/// From this revision on MCP has no `id: null`.
const FIRST_WITHOUT_NULL_ID: &str = "2025-11-25";

/// What is sent with every request after `initialize`.
#[derive(Clone, Debug, Default)]
pub struct Session {
    /// `Mcp-Session-Id`, if the server has sessions; marked sensitive.
    pub id: Option<HeaderValue>,
    /// `MCP-Protocol-Version`, if the revision knows it.
    pub protocol_version: Option<HeaderValue>,
    /// None where no host has said what it speaks.
    null_id: Option<bool>,
    batches: bool,
    negotiated: bool,
}

impl Session {
    /// The session that the answer to `initialize` set up.
    #[must_use]
    pub fn from_initialize(headers: &HeaderMap, response: &Envelope<'_>) -> Self {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct InitializeResult {
            protocol_version: String,
        }
        let version = response
            .result
            .and_then(|result| serde_json::from_str::<InitializeResult>(result).ok())
            .map(|result| result.protocol_version);
        let id = headers.get(MCP_SESSION_ID).cloned().map(|mut id| {
            id.set_sensitive(true);
            id
        });
        Session {
            id,
            null_id: Some(version.as_deref().is_none_or(|version| version < FIRST_WITHOUT_NULL_ID)),
            negotiated: true,
            batches: version.as_deref() == Some(WITH_BATCHES),
            protocol_version: version
                .filter(|version| version.as_str() >= FIRST_WITH_HEADER)
                .and_then(|version| HeaderValue::from_str(&version).ok()),
        }
    }

    /// No session, for a host that speaks this legacy revision with us.
    #[must_use]
    pub fn of_modern(host_revision: &str) -> Self {
        Session {
            null_id: Some(host_revision < FIRST_WITHOUT_NULL_ID),
            batches: host_revision == WITH_BATCHES,
            ..Session::default()
        }
    }

    /// Whether a handshake set it up: what goes within it is of the legacy era.
    #[must_use]
    pub fn is_negotiated(&self) -> bool {
        self.negotiated
    }

    /// Whether several messages may come as one array (H3).
    #[must_use]
    pub fn knows_batches(&self) -> bool {
        self.batches
    }

    /// Whether the host speaks a revision of MCP that knows JSON-RPC's `id: null` (H3). Not known before `initialize`.
    #[must_use]
    pub fn knows_null_id(&self) -> bool {
        self.null_id.unwrap_or(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t3_the_version_header_is_for_revisions_that_know_it() {
        let table = [
            ("2024-11-05", None, true),
            ("2025-03-26", None, true),
            ("2025-06-18", Some("2025-06-18"), true),
            ("2025-11-25", Some("2025-11-25"), false),
        ];
        for (version, header, null_id) in table {
            let line = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"protocolVersion":"{version}"}}}}"#);
            let session =
                Session::from_initialize(&HeaderMap::new(), &Envelope::parse(line.as_bytes()).expect("a response"));
            assert_eq!(session.protocol_version.as_ref().and_then(|v| v.to_str().ok()), header, "{version}");
            assert_eq!(session.knows_null_id(), null_id, "{version}");
            assert_eq!(session.knows_batches(), version == "2025-03-26", "{version}");
        }
    }
}
