//! The MCP server: Streamable HTTP with sessions, revisions 2025-03-26 to 2025-11-25, and a handful of tools.
//! It takes tokens from `bearer.rs` and knows nothing of how they are issued. Start with `endpoint.rs`.

pub(crate) mod bearer;
pub(crate) mod endpoint;
pub(crate) mod message;
pub(crate) mod methods;
pub(crate) mod refusal;
pub(crate) mod session;
pub(crate) mod slow;
pub(crate) mod stream;
pub(crate) mod tools;
