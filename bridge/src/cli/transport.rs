//! The flags under "Messages": how messages go, how long they may take, how long and how many they may be.

use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::settings::{EraChoice, Transport, TransportSettings};

/// The longest time that can be set, in seconds: a day.
const LONGEST: i64 = 86_400;

/// How messages go.
#[derive(Debug, Args)]
pub(super) struct TransportArgs {
    /// Which transport the server speaks: `http` is Streamable HTTP, `sse` the older HTTP+SSE of 2024-11-05; `auto` tries
    /// the former and falls back to the latter
    #[arg(
        long,
        value_name = "auto|http|sse",
        default_value = "auto",
        hide_possible_values = true,
        help_heading = "Messages"
    )]
    transport: TransportArg,
    /// Which era of MCP the server speaks: `legacy` has a handshake (up to 2025-11-25), `modern` has none (2026-07-28); `auto`
    /// finds out. Hosts of both eras work with servers of both
    #[arg(
        long,
        value_name = "auto|legacy|modern",
        default_value = "auto",
        hide_possible_values = true,
        help_heading = "Messages"
    )]
    era: EraArg,
    /// How long a connection may take to come about
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds(1), help_heading = "Messages")]
    connect_timeout: u32,
    /// How long a response may take before its request gets an error; 0 waits for ever
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = seconds(0), help_heading = "Messages")]
    request_timeout: u32,
    /// How long a stream may be silent before it is taken for dead; 0 waits for ever
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = seconds(0), help_heading = "Messages")]
    idle_timeout: u32,
    /// How often the server is pinged, to keep connection and session alive; 0 never
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = seconds(0), help_heading = "Messages")]
    ping_interval: u32,
    /// The longest message that is taken from either side [default: 64 MiB]
    #[arg(long, value_name = "BYTES", default_value_t = TransportSettings::MAX_MESSAGE, value_parser = message_length(), hide_default_value = true, help_heading = "Messages")]
    max_message: u64,
    /// How many requests may be open at once; more wait
    #[arg(long, value_name = "N", default_value = "256", value_parser = clap::value_parser!(u32).range(1..=65535), help_heading = "Messages")]
    max_in_flight: u32,
    /// Send back no cookies; without this the server's are kept in memory and sent to it alone
    #[arg(long, help_heading = "Messages")]
    no_cookies: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum TransportArg {
    Auto,
    Http,
    Sse,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum EraArg {
    Auto,
    Legacy,
    Modern,
}

impl TransportArgs {
    /// The settings.
    pub(super) fn settings(&self) -> TransportSettings {
        let some = |seconds: u32| (seconds != 0).then(|| Duration::from_secs(seconds.into()));
        TransportSettings {
            transport: match self.transport {
                TransportArg::Auto => Transport::Auto,
                TransportArg::Http => Transport::Http,
                TransportArg::Sse => Transport::Sse,
            },
            era: match self.era {
                EraArg::Auto => EraChoice::Auto,
                EraArg::Legacy => EraChoice::Legacy,
                EraArg::Modern => EraChoice::Modern,
            },
            connect_timeout: Duration::from_secs(self.connect_timeout.into()),
            request_timeout: some(self.request_timeout),
            idle_timeout: some(self.idle_timeout),
            ping_interval: some(self.ping_interval),
            max_message: usize::try_from(self.max_message).unwrap_or(usize::MAX),
            max_in_flight: usize::try_from(self.max_in_flight).unwrap_or(usize::MAX),
            cookies: !self.no_cookies,
        }
    }
}

fn seconds(least: i64) -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(least..=LONGEST)
}

/// From what every handshake needs to 1 TiB.
fn message_length() -> clap::builder::RangedU64ValueParser<u64> {
    clap::value_parser!(u64).range(4096..=1 << 40)
}
