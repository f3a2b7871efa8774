//! The bridge between an MCP host on stdio and a remote, protected MCP server. Start reading at `commands`;
//! docs/architecture.md has the picture and says what each room must never know.

pub mod credentials;
pub mod oauth;
pub mod http;
pub mod problem;
pub mod safe_url;
pub mod secret;
pub mod untrusted;
pub mod worker;
