//! The setters of what the MCP server offers, and over which transport; the others are in `builder.rs`.

use std::time::Duration;

use crate::builder::MockServerBuilder;
use crate::settings::{Era, RetryAfter, Transport};

impl MockServerBuilder {
    /// Offers tools and logs only: resources, prompts and completion are unknown methods (default: everything).
    #[must_use]
    pub fn tools_only(mut self, tools_only: bool) -> Self {
        self.settings.mcp.tools_only = tools_only;
        self
    }

    /// Gives lists in pages of so many entries (default: in one).
    #[must_use]
    pub fn page_size(mut self, entries: usize) -> Self {
        self.settings.mcp.page_size = Some(entries);
        self
    }

    /// Which eras are served (default: the legacy one).
    #[must_use]
    pub fn era(mut self, era: Era) -> Self {
        self.settings.mcp.era = era;
        self
    }

    /// Which transport is spoken (default: Streamable HTTP).
    #[must_use]
    pub fn transport(mut self, transport: Transport) -> Self {
        self.settings.mcp.transport = transport;
        self
    }

    /// Makes event streams resumable: ids, a priming event, replay by `Last-Event-ID` (default: not). A request then goes
    /// on without its connection.
    #[must_use]
    pub fn resumable(mut self, resumable: bool) -> Self {
        self.settings.mcp.resumable = resumable;
        self
    }

    /// What resumable streams say of the time to wait before a reconnect (default 100 ms; `None`: nothing).
    #[must_use]
    pub fn sse_retry(mut self, time: Option<Duration>) -> Self {
        self.settings.mcp.sse_retry = time;
        self
    }

    /// What busy answers say in `Retry-After` (default: one second; `None`: no such header).
    #[must_use]
    pub fn retry_after(mut self, time: Option<RetryAfter>) -> Self {
        self.settings.mcp.retry_after = time;
        self
    }

    /// Ties each session to a cookie, as load balancers do: set at the first answer, 421 without it (default: not).
    #[must_use]
    pub fn sticky_cookie(mut self, sticky: bool) -> Self {
        self.settings.mcp.sticky_cookie = sticky;
        self
    }

    /// Lets every answer of the MCP endpoint set this cookie: a `Set-Cookie` value with whatever attributes.
    #[must_use]
    pub fn cookie(mut self, set_cookie: impl Into<String>) -> Self {
        self.settings.mcp.cookies.push(set_cookie.into());
        self
    }

    /// Refuses requests other than `ping` (400) until `notifications/initialized` has come (default: not).
    #[must_use]
    pub fn strict_handshake(mut self, strict: bool) -> Self {
        self.settings.mcp.strict_handshake = strict;
        self
    }

    /// The status of a POST to `/mcp` on the HTTP+SSE transport (default 405).
    #[must_use]
    pub fn post_refusal(mut self, status: u16) -> Self {
        self.settings.mcp.post_refusal = status;
        self
    }

    /// Names the endpoint of the HTTP+SSE transport by an absolute URL (default: by a path).
    #[must_use]
    pub fn absolute_endpoint(mut self, absolute: bool) -> Self {
        self.settings.mcp.absolute_endpoint = absolute;
        self
    }
}
