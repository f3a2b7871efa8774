//! What the integration tests and the demo share: the real binary started as a host starts it, a browser that obeys, and
//! a state folder of one's own. Everything here talks to real processes over real pipes and sockets.

#![expect(clippy::expect_used, reason = "whoever calls this is a test: a panic is its verdict")]

pub mod bench;
pub mod binary;
pub mod bridge;
pub mod browser;
pub mod conformance;
pub mod demo;
pub mod hosts;
pub mod proxy;
pub mod scripted;
pub mod torture;

use std::time::Duration;

/// How long anything may take before a test gives up, with what it has seen. Never how long something is expected to take.
pub const PATIENCE: Duration = Duration::from_secs(30);
