//! Every rule of MCP 2026-07-28 that a request can break before it runs, with the code and the status of each. The rules of
//! HTTP are in `../refusal.rs`, those of a method in the method.

use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use crate::faults::Fault;
use crate::mcp::message::{self, INVALID_PARAMS, METHOD_NOT_FOUND};
use crate::mcp::reply::json as json_body;
use crate::state::ServerState;

/// A header lacks, or says something else than the body.
pub(crate) const HEADER_MISMATCH: i32 = -32020;
/// The client did not declare what the request needs.
pub(crate) const MISSING_CAPABILITY: i32 = -32021;
/// The revision is not served.
pub(crate) const UNSUPPORTED_VERSION: i32 = -32022;

/// A rule that a request breaks.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Breach {
    #[error("header mismatch: {0} is missing")]
    NoHeader(String),
    #[error("initialize ended with MCP 2025-11-25, and header {header} is missing; served: {}", supported.join(", "))]
    Handshake { header: &'static str, supported: Vec<&'static str> },
    #[error("header mismatch: the value of {0} is not readable")]
    Unreadable(String),
    #[error("header mismatch: {header} says `{said}`, the body `{body}`")]
    Differs { header: String, said: String, body: String },
    #[error("header mismatch: {0} is there, and the body has no such argument")]
    NotInBody(String),
    #[error("params._meta lacks {0}")]
    NoMetadata(&'static str),
    #[error("params._meta has a wrong {0}")]
    WrongMetadata(&'static str),
    #[error("requestState is not ours, too old, or of another request")]
    State,
    #[error("inputResponses must be results by the keys of inputRequests, and requestState a text")]
    Answers,
    #[error("unsupported protocol version {requested}; served: {}", supported.join(", "))]
    Version { supported: Vec<&'static str>, requested: String },
    #[error("there is no method {0}")]
    Method(String),
}

impl Breach {
    fn code(&self) -> i32 {
        match self {
            Breach::NoHeader(_)
            | Breach::Handshake { .. }
            | Breach::Unreadable(_)
            | Breach::Differs { .. }
            | Breach::NotInBody(_) => HEADER_MISMATCH,
            Breach::NoMetadata(_) | Breach::WrongMetadata(_) | Breach::State | Breach::Answers => INVALID_PARAMS,
            Breach::Version { .. } => UNSUPPORTED_VERSION,
            Breach::Method(_) => METHOD_NOT_FOUND,
        }
    }

    fn data(&self) -> Option<Value> {
        match self {
            Breach::Version { supported, requested } => Some(json!({ "supported": supported, "requested": requested })),
            Breach::Handshake { supported, .. } => Some(json!({ "supported": supported })),
            _ => None,
        }
    }

    /// The response to the request of this id.
    pub(crate) fn response(&self, state: &ServerState, id: &str) -> Response {
        let status = if matches!(self, Breach::Method(_)) { StatusCode::NOT_FOUND } else { StatusCode::BAD_REQUEST };
        let code = match self.code() {
            HEADER_MISMATCH => {
                let wrong = state.fault_text(Fault::WrongHeaderCode).and_then(|code| code.parse().ok());
                wrong.unwrap_or(HEADER_MISMATCH)
            }
            code => code,
        };
        let text = message::error(Some(id), code, &state.words(&self.to_string()), self.data().as_ref());
        let mut response = json_body(text);
        *response.status_mut() = status;
        response
    }
}
