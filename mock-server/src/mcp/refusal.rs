//! Everything for which the MCP endpoint refuses a request before its method is looked at, and the response to each.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{ALLOW, CONTENT_TYPE};

use crate::faults::Fault;
use crate::mcp::bearer::{self, Denial};
use crate::mcp::message::{self, INVALID_REQUEST, NoMessage};
use crate::mcp::session::VERSIONS;
use crate::random::NoRandomness;
use crate::state::ServerState;

/// MCP has no code for what HTTP refuses; this one is free for servers.
const REFUSED: i32 = -32000;

/// A rule of MCP 2025-11-25, transports or authorization, that a request breaks.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("requests of this origin are not served")]
    ForeignOrigin,
    #[error(transparent)]
    Denied(#[from] Denial),
    #[error("only {0} are allowed")]
    Method(&'static str),
    #[error("Accept must name {0}")]
    Accept(&'static str),
    #[error("the content type must be application/json")]
    ContentType,
    #[error(transparent)]
    NoMessage(#[from] NoMessage),
    #[error("initialize must not be part of a batch")]
    InitializeInBatch,
    #[error("batches ended with revision 2025-06-18")]
    Batch,
    #[error("the supported values of MCP-Protocol-Version are: {}", VERSIONS.join(", "))]
    Version,
    #[error("Mcp-Session-Id is missing")]
    NoSessionId,
    #[error("there is no such session")]
    UnknownSession,
    #[error("this session has its standalone stream already")]
    SecondStream,
    #[error("the session is on another server, and the cookie that leads there is missing")]
    OtherNode,
    #[error("there is no such event")]
    UnknownEvent,
    #[error("streams are not resumed")]
    Resume(u16),
    #[error("messages are not taken here")]
    OldTransport,
    #[error("the handshake comes first")]
    NotInitialized,
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

impl Refusal {
    /// The response: a JSON-RPC error without an id, but for what HTTP has its own form for.
    pub(crate) fn response(&self, state: &ServerState) -> Response {
        match self {
            Refusal::Denied(denial) => bearer::denied(state, denial),
            Refusal::Method(allowed) => (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, *allowed)]).into_response(),
            other => {
                let text = message::error(None, other.code(), &state.words(&other.to_string()), None);
                (other.status(state), [(CONTENT_TYPE, "application/json")], text).into_response()
            }
        }
    }

    fn code(&self) -> i32 {
        match self {
            Refusal::NoMessage(fault) => fault.code,
            Refusal::InitializeInBatch | Refusal::Batch => INVALID_REQUEST,
            _ => REFUSED,
        }
    }

    fn status(&self, state: &ServerState) -> StatusCode {
        match self {
            Refusal::ForeignOrigin => StatusCode::FORBIDDEN,
            Refusal::Denied(_) => StatusCode::UNAUTHORIZED,
            Refusal::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Refusal::Accept(_) => StatusCode::NOT_ACCEPTABLE,
            Refusal::ContentType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Refusal::UnknownSession if state.has(Fault::LostSession400) => StatusCode::BAD_REQUEST,
            Refusal::UnknownSession => StatusCode::NOT_FOUND,
            Refusal::OtherNode => StatusCode::MISDIRECTED_REQUEST,
            Refusal::OldTransport => status(state.settings.mcp.post_refusal),
            Refusal::Resume(refusal) => status(*refusal),
            Refusal::SecondStream => StatusCode::CONFLICT,
            Refusal::NoRandomness(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Refusal::NoMessage(_)
            | Refusal::InitializeInBatch
            | Refusal::Batch
            | Refusal::Version
            | Refusal::UnknownEvent
            | Refusal::NotInitialized
            | Refusal::NoSessionId => StatusCode::BAD_REQUEST,
        }
    }
}

/// A status from the settings; what is none becomes 400.
fn status(number: u16) -> StatusCode {
    StatusCode::from_u16(number).unwrap_or(StatusCode::BAD_REQUEST)
}
