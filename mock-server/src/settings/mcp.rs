//! What can be chosen of the MCP server: what it offers, its transport, and what stands in front of it. Plain data; the
//! other settings are in `settings.rs`.

use std::time::Duration;

/// The transport that the MCP endpoint speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// Streamable HTTP (2025-03-26 and later).
    #[default]
    StreamableHttp,
    /// HTTP+SSE (2024-11-05): an event stream at `/mcp`, messages to `/messages`.
    HttpSse,
}

/// The eras of MCP that the endpoint serves: sessions after a handshake (up to 2025-11-25), or metadata in every request
/// (from 2026-07-28 on).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Era {
    /// Handshake and sessions only.
    #[default]
    Legacy,
    /// Metadata in every request only.
    Modern,
    /// Each request by its own era.
    Both,
}

/// What `Retry-After` says (RFC 9110 §10.2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryAfter {
    /// A number of seconds.
    Seconds(u64),
    /// The date in so many seconds.
    Date(u64),
}

/// What the MCP server offers, and over which transport.
#[derive(Clone, Debug)]
pub struct McpSettings {
    /// Whether there are tools and logs only: no resources, prompts and completion.
    pub tools_only: bool,
    /// How many entries a page of a list has; `None`: a list is one page.
    pub page_size: Option<usize>,
    /// Which eras are served; the modern one over Streamable HTTP only.
    pub era: Era,
    /// Which transport is spoken.
    pub transport: Transport,
    /// Whether event streams can be resumed (MCP 2025-11-25).
    pub resumable: bool,
    /// Whether the lists hold the fixtures of the official conformance suite instead of our own tools and resources; those
    /// are still there for who names them.
    pub conformance_fixtures: bool,
    /// What resumable streams say of the time to wait before a reconnect, in whole milliseconds; `None`: nothing.
    pub sse_retry: Option<Duration>,
    /// What answers of `retry-after-429` and `retry-after-503` say; `None`: no such header.
    pub retry_after: Option<RetryAfter>,
    /// Whether a session needs the cookie that its first answer set.
    pub sticky_cookie: bool,
    /// `Set-Cookie` values that every answer of the MCP endpoint carries.
    pub cookies: Vec<String>,
    /// Whether requests other than `ping` are refused until `notifications/initialized` has come.
    pub strict_handshake: bool,
    /// The status of a POST to `/mcp` on the HTTP+SSE transport.
    pub post_refusal: u16,
    /// Whether the HTTP+SSE transport names its endpoint by an absolute URL.
    pub absolute_endpoint: bool,
}

impl Default for McpSettings {
    fn default() -> Self {
        McpSettings {
            tools_only: false,
            page_size: None,
            era: Era::default(),
            transport: Transport::default(),
            resumable: false,
            conformance_fixtures: false,
            sse_retry: Some(Duration::from_millis(100)),
            retry_after: Some(RetryAfter::Seconds(1)),
            sticky_cookie: false,
            cookies: Vec::new(),
            strict_handshake: false,
            post_refusal: 405,
            absolute_endpoint: false,
        }
    }
}
