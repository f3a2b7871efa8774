//! What went wrong, as a person and a host are told: a stable code, what happened and where, what to do next.
//! Every room has typed errors of its own; each ends in a [`Problem`] when it reaches the edge or the process wall.

use serde::{Deserialize, Serialize};

use crate::safe_url::SafeUrl;

/// The stable name of a problem, `data.code` of the JSON-RPC error. Documented in docs/errors.md; never renamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each code is explained in docs/errors.md, which a test keeps complete")]
pub enum Code {
    // the host's line
    ParseError,
    InvalidRequest,
    DuplicateId,
    // the network
    UnknownHost,
    ConnectionRefused,
    ConnectionFailed,
    TlsFailed,
    TimedOut,
    StreamBroken,
    // the MCP server
    NotAnMcpServer,
    HttpError,
    InputRefused,
    RedirectRefused,
    MessageTooLarge,
    SessionLost,
    Forbidden,
    InsufficientScope,
    TokenRejected,
    // the authorization server and what is known of it
    ResourceMetadataInvalid,
    ResourceMismatch,
    ServerMetadataInvalid,
    IssuerMismatch,
    PkceUnsupported,
    RegistrationUnsupported,
    RegistrationRefused,
    ClientRefused,
    ClientOfAnotherIssuer,
    AuthorizationResponseInvalid,
    TokenRequestRefused,
    TokenResponseInvalid,
    DpopFailed,
    InsecureUrl,
    AddressRefused,
    // the person
    SignInNeeded,
    SignInDenied,
    SignInTimedOut,
    // this machine
    InvalidSetting,
    CredentialCommandFailed,
    StateDirUnusable,
    KeyringUnavailable,
    RecordTooNew,
    CallbackPortTaken,
    SignInInterrupted,
    SignInUnderWay,
    ShuttingDown,
    Internal,
}

/// A problem, ready to be shown. Its texts are already safe: built from our words, [`SafeUrl`] and `Untrusted`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    /// The stable name.
    pub code: Code,
    /// What happened, where, and both values where two were compared; small initial, no closing dot.
    pub message: String,
    /// The URL that it happened at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<SafeUrl>,
    /// What the person can do about it.
    pub hint: String,
}

impl Problem {
    /// A problem without a URL.
    pub fn new(code: Code, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Problem { code, message: message.into(), url: None, hint: hint.into() }
    }

    /// Puts the very command into the hint where it speaks of signing in.
    #[must_use]
    pub fn naming(mut self, login_command: &str) -> Self {
        self.hint = self.hint.replace("mcp-bridge login URL", login_command);
        self
    }

    /// Says at which URL it happened.
    #[must_use]
    pub fn at(mut self, url: SafeUrl) -> Self {
        self.url = Some(url);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::Code;

    #[test]
    fn a_code_is_snake_case() {
        assert_eq!(serde_json::to_value(Code::SignInTimedOut).unwrap(), "sign_in_timed_out");
    }
}
