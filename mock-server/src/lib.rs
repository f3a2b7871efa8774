//! A protected MCP server with its own OAuth authorization server in one process, for those who write MCP clients.
//! Honest and strict by default; what is wrong on purpose has a name in [`Fault`]. It knows nothing of any client.
//! Start with [`MockServer::builder`], then `router.rs` (every path), `authorization.rs` and `mcp.rs`.

mod authorization;
mod builder;
mod counts;
mod delay;
mod faults;
mod log;
mod mcp;
mod pages;
mod port;
mod public_key;
mod random;
mod refused;
mod router;
mod server;
mod settings;
mod state;
mod timed_out;
mod tls;
mod wire;

pub use authorization::jwt::KeyError;
pub use builder::MockServerBuilder;
pub use counts::Counts;
pub use faults::{Fault, FaultSetting, Takes, WrongFault};
pub use log::{Endpoint, Seen};
pub use mcp::changes::Listed;
pub use mcp::modern::listen::OpenSubscription;
pub use mcp::session::OpenSession;
pub use public_key::{PublicKey, PublicKeyFault};
pub use server::{MockServer, StartError};
pub use settings::{
    Account, Approval, AuthMethod, Dpop, Era, KnownClient, Layout, McpSettings, OfferedGrant, ReplyForm, RetryAfter,
    ServerCertificate, Settings, TokenFormat, Transport,
};
pub use timed_out::TimedOut;
pub use tls::{IssuedCertificate, ThrowAwayCa, TlsFault};
