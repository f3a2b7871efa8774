//! Everything that leaves this machine: the clients for messages and for OAuth requests, the rules of where a request may
//! go, how long it may take, how much may come back, and what an error of the network is called. Knows no OAuth and no
//! MCP. Start at [`Egress`], the one way of an OAuth request; messages go by [`MessageClient`].

pub mod address_guard;
mod body;
mod client;
mod direct;
mod egress;
mod error;
mod message_client;
mod network;
pub mod redirect;
mod resolver;

pub use address_guard::AddressGuard;
pub use body::{Chunks, read_limited};
pub use client::CONNECT_TIMEOUT;
pub use egress::Egress;
pub use error::{HttpError, RedirectRule};
pub use message_client::{Answer, MessageClient, Target};
pub use network::Network;
