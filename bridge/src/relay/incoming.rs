//! What comes back for a request, by its id: its response, or what the server says meanwhile. Pure; ids are compared by what
//! they mean and given back as the host spelled them (H5).

use bytes::Bytes;

use crate::message::{self, Envelope, Kind};
use crate::untrusted::Untrusted;
use crate::upstream::error::UpstreamError;
use crate::upstream::exchange::Bond;

/// A message of the upstream, in the reply to one request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Incoming {
    /// The response, with the host's spelling of the id (H5).
    Response(Bytes),
    /// A request of the server, and its id.
    Request(Bytes, Box<str>),
    /// A notification of the server.
    Notification(Bytes),
}

impl Incoming {
    /// What a message is to the request with this id. `bond` says what ties it to the request besides its id.
    pub(super) fn sort(message: Bytes, id: &str, bond: Bond) -> Result<Self, UpstreamError> {
        let envelope = Envelope::parse(&message)
            .map_err(|invalid| UpstreamError::NotAResponse(Untrusted::new(invalid.to_string())))?;
        let is_error = envelope.kind == Kind::Response && envelope.result.is_none();
        match (envelope.kind, envelope.id) {
            (Kind::Response, Some(theirs)) if theirs == id => Ok(Incoming::Response(message)),
            (Kind::Response, Some(theirs)) if message::same_id(theirs, id) => {
                Ok(Incoming::Response(envelope.with_id(&message, id).into()))
            }
            (Kind::Response, _) if bond == Bond::SessionLost => Err(UpstreamError::SessionLost),
            (Kind::Response, Some(theirs)) if !(is_error && bond == Bond::Alone) => {
                Err(UpstreamError::NotAResponse(Untrusted::new(format!("its id is {theirs}, the request's {id}"))))
            }
            (Kind::Response, _) => Ok(Incoming::Response(envelope.with_id(&message, id).into())),
            (Kind::Request, Some(theirs)) => {
                let id = theirs.into();
                Ok(Incoming::Request(message, id))
            }
            _ => Ok(Incoming::Notification(message)),
        }
    }
}

/// A modern request that goes again, under an id of its own (T5): no id is used twice while its first may still be at work.
pub(super) struct Again {
    pub(super) line: Bytes,
    pub(super) id: String,
    pub(super) number: u32,
}

impl Again {
    /// The request once more, for this time.
    pub(super) fn of(line: &Bytes, number: u32) -> Option<Self> {
        let envelope = Envelope::parse(line).ok()?;
        // Another string than any host's: it has the host's own id in it.
        let id = format!("mcp-bridge-{number}-{}", envelope.id.unwrap_or_default());
        let id = serde_json::Value::from(id).to_string();
        Some(Again { line: envelope.with_id(line, &id).into(), id, number })
    }
}

/// A response with this id.
pub(super) fn with_id(response: Bytes, id: &str) -> Bytes {
    match Envelope::parse(&response) {
        Ok(envelope) if envelope.id != Some(id) => envelope.with_id(&response, id).into(),
        _ => response,
    }
}
