//! Where the two eras of MCP meet: the legacy one with its handshake and session, the modern one (2026-07-28) with its
//! metadata in every request. Pure: messages in, messages and decisions out. It must never know a socket, a clock or a task;
//! `relay` does what is decided here. Read next: [`era`],
//! then [`legacy_to_modern`] and [`modern_to_legacy`].

pub mod capabilities;
pub mod era;
pub mod held;
pub mod input_required;
pub mod json;
pub mod legacy_to_modern;
pub mod listeners;
pub mod modern_to_legacy;
pub mod subscriptions;

/// The revision of the modern era that is spoken here.
pub const MODERN: &str = "2026-07-28";
/// The newest revision with a handshake.
pub const LATEST_LEGACY: &str = "2025-11-25";
/// The revisions with a handshake.
pub const LEGACY: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", LATEST_LEGACY];

/// Keys of `_meta` that MCP 2026-07-28 reserves (basic, "General fields").
pub mod keys {
    /// The revision of a request.
    pub const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
    /// Who the client is.
    pub const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
    /// What the client can do.
    pub const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
    /// The least level of the log messages that a request wants.
    pub const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
    /// Who the server is.
    pub const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
    /// The `subscriptions/listen` that a notification belongs to.
    pub const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";
}
