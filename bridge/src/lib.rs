//! The bridge between an MCP host on stdio and a remote, protected MCP server. Start reading at [`commands::bridge`];
//! docs/architecture.md has the picture and says what each room must never know.

pub mod cli;
pub mod commands;
pub mod credentials;
pub mod host;
pub mod http;
pub mod message;
pub mod oauth;
pub mod problem;
pub mod relay;
pub mod safe_url;
pub mod secret;
pub mod settings;
pub mod terminal;
pub mod tokens;
pub mod translation;
pub mod untrusted;
pub mod upstream;
pub mod worker;
