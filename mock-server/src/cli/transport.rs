//! The settings of the MCP server's transport: from options to what the library calls them. It knows no file and no
//! variable; those are in `options.rs`.

use std::str::FromStr;
use std::time::Duration;

use clap::ValueEnum;
use mcp_mock_server::{Era, McpSettings, RetryAfter, Transport};
use serde::Deserialize;

use super::options::Options;
use super::plain;
use super::values::ValueFault;

/// The transport that the MCP endpoint speaks.
#[derive(Clone, Copy, Debug, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum TransportName {
    /// Streamable HTTP (MCP 2025-03-26 and later)
    StreamableHttp,
    /// HTTP+SSE (MCP 2024-11-05)
    HttpSse,
}

/// The eras of MCP that are served.
#[derive(Clone, Copy, Debug, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum EraName {
    /// Handshake and sessions (MCP 2025-11-25 and earlier)
    Legacy,
    /// Metadata in every request (MCP 2026-07-28 and later)
    Modern,
    /// Each request by its own era
    Both,
}

/// `2`, seconds, or `date+2`, the date in so many seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RetryAfterText(RetryAfter);

impl FromStr for RetryAfterText {
    type Err = ValueFault;

    fn from_str(text: &str) -> Result<Self, ValueFault> {
        let seconds = |text: &str| text.parse().map_err(|_| ValueFault::NoRetryAfter(text.to_owned()));
        Ok(RetryAfterText(match text.strip_prefix("date+") {
            Some(text) => RetryAfter::Date(seconds(text)?),
            None => RetryAfter::Seconds(seconds(text)?),
        }))
    }
}

/// Text in which a comma separates nothing.
#[derive(Clone, Debug)]
pub(crate) struct Line(pub(crate) String);

impl FromStr for Line {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Line(text.to_owned()))
    }
}

/// These settings, and over them what the options say.
pub(super) fn over(settings: McpSettings, options: &Options) -> McpSettings {
    McpSettings {
        transport: match options.transport {
            Some(TransportName::StreamableHttp) => Transport::StreamableHttp,
            Some(TransportName::HttpSse) => Transport::HttpSse,
            None => settings.transport,
        },
        era: match options.era {
            Some(EraName::Legacy) => Era::Legacy,
            Some(EraName::Modern) => Era::Modern,
            Some(EraName::Both) => Era::Both,
            None => settings.era,
        },
        conformance_fixtures: options.conformance_fixtures.unwrap_or(settings.conformance_fixtures),
        resumable: options.resumable.unwrap_or(settings.resumable),
        sse_retry: match options.sse_retry {
            Some(0) => None,
            Some(milliseconds) => Some(Duration::from_millis(milliseconds)),
            None => settings.sse_retry,
        },
        retry_after: options.retry_after.as_ref().map_or(settings.retry_after, |value| Some(value.0.0)),
        sticky_cookie: options.sticky_cookie.unwrap_or(settings.sticky_cookie),
        cookies: plain(options.cookie.clone()).into_iter().map(|line| line.0).collect(),
        strict_handshake: options.strict_handshake.unwrap_or(settings.strict_handshake),
        post_refusal: options.post_refusal.unwrap_or(settings.post_refusal),
        absolute_endpoint: options.absolute_endpoint.unwrap_or(settings.absolute_endpoint),
        tools_only: options.tools_only.unwrap_or(settings.tools_only),
        page_size: options.page_size.or(settings.page_size),
    }
}

#[cfg(test)]
mod tests {
    use mcp_mock_server::RetryAfter;

    use super::RetryAfterText;

    #[test]
    fn retry_after_is_seconds_or_a_date_in_seconds() {
        for (text, value) in [
            ("2", Some(RetryAfter::Seconds(2))),
            ("date+3", Some(RetryAfter::Date(3))),
            ("soon", None),
            ("date", None),
            ("-1", None),
        ] {
            assert_eq!(text.parse::<RetryAfterText>().ok().map(|read| read.0), value, "{text}");
        }
    }
}
