//! How messages go to the upstream and back: which transport, and the limits of time, length and number (T8, T11, H4, H10).

use std::time::Duration;

/// Which transport the server speaks (T11).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// Streamable HTTP, and the older one where the server does not speak it.
    #[default]
    Auto,
    /// Streamable HTTP.
    Http,
    /// HTTP+SSE of 2024-11-05.
    Sse,
}

/// Which era of MCP the server speaks (E0).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EraChoice {
    /// It is found out.
    #[default]
    Auto,
    /// With a handshake, up to 2025-11-25.
    Legacy,
    /// With metadata in every request, from 2026-07-28 on.
    Modern,
}

/// How messages go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransportSettings {
    /// Which transport the server speaks.
    pub transport: Transport,
    /// Which era of MCP it speaks.
    pub era: EraChoice,
    /// How long a connection may take to come about (T8).
    pub connect_timeout: Duration,
    /// How long a response may take before its request gets an error; none: for ever (T8).
    pub request_timeout: Option<Duration>,
    /// How long a stream may be silent before it is taken for dead; none: for ever (T8).
    pub idle_timeout: Option<Duration>,
    /// How often the server gets an MCP `ping`; none: never.
    pub ping_interval: Option<Duration>,
    /// The longest message that is taken from either side, in bytes (H4).
    pub max_message: usize,
    /// How many requests of the host may be open at once (H10).
    pub max_in_flight: usize,
    /// Cookies of the upstream are kept and sent back (T15).
    pub cookies: bool,
}

impl TransportSettings {
    /// The longest message where nobody set another length, in bytes.
    pub const MAX_MESSAGE: u64 = 64 * 1024 * 1024;
}

impl Default for TransportSettings {
    fn default() -> Self {
        TransportSettings {
            transport: Transport::Auto,
            era: EraChoice::Auto,
            connect_timeout: Duration::from_secs(10),
            request_timeout: None,
            idle_timeout: None,
            ping_interval: None,
            max_message: usize::try_from(Self::MAX_MESSAGE).unwrap_or(usize::MAX),
            max_in_flight: 256,
            cookies: true,
        }
    }
}
