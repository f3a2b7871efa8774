//! The MCP server: Streamable HTTP with sessions, revisions 2025-03-26 to 2025-11-25, or with metadata in every request,
//! 2026-07-28 (`modern.rs`), or HTTP+SSE of 2024-11-05. It takes tokens from `bearer.rs` and knows nothing of how they are issued. Start with `endpoint.rs`.

pub(crate) mod bearer;
pub(crate) mod breaks;
pub(crate) mod changes;
pub(crate) mod cookies;
pub(crate) mod endpoint;
pub(crate) mod http_sse;
pub(crate) mod message;
pub(crate) mod methods;
pub(crate) mod modern;
pub(crate) mod outages;
pub(crate) mod pages;
pub(crate) mod prompts;
pub(crate) mod questions;
pub(crate) mod refusal;
pub(crate) mod reply;
pub(crate) mod resources;
pub(crate) mod session;
pub(crate) mod slow;
pub(crate) mod stream;
pub(crate) mod tools;
pub(crate) mod track;
pub(crate) mod trouble;
