//! `cargo run --release --bin bench`: what a call costs through the bridge. It parses what was typed; what is measured is
//! `mcp_bridge_tests::bench`, what the rows mean is in docs/performance.md. As `bench upstream` it is the server that all
//! are measured against.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use mcp_bridge_tests::bench::rows::{GROUPS, Scale};
use mcp_bridge_tests::bench::{self, Settings, upstream};

/// Measures the bridge beside the direct call and a bare forwarder, in turns.
///
/// The figures decide nothing: the exit code is 0 wherever everything was answered.
#[derive(Debug, Parser)]
#[command(name = "bench", max_term_width = 100, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    role: Option<Role>,
    #[command(flatten)]
    measuring: Measuring,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// The lean server; its origin is the first line of stdout, and it ends with its stdin
    Upstream {
        /// The authorization server that its resource metadata names
        #[arg(long, value_name = "URL")]
        issuer: String,
    },
}

#[derive(Debug, Args)]
struct Measuring {
    /// Measure another bridge on stdio too; `{url}` is replaced by an upstream that wants no token; may be repeated
    #[arg(long = "other", value_name = "COMMAND")]
    others: Vec<String>,
    /// Less than a minute, for a first look
    #[arg(long)]
    quick: bool,
    /// Only whether it works
    #[arg(long, hide = true, conflicts_with = "quick")]
    tiny: bool,
    /// Write all figures to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Measure only these groups of rows; may be repeated
    #[arg(long = "row", value_name = "GROUP", num_args = 1.., value_parser = GROUPS.map(|(name, _)| name))]
    rows: Vec<String>,
    /// The bridge to be measured, instead of the one that is built now
    #[arg(long, value_name = "PATH")]
    bridge: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.role {
        Some(Role::Upstream { issuer }) => serve(&issuer),
        None => bench::run(&arguments.measuring.settings()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Where stderr is closed too, the exit code must do.
            let _ = writeln!(io::stderr().lock(), "bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(issuer: &str) -> io::Result<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(upstream::serve(issuer))
}

impl Measuring {
    fn settings(self) -> Settings {
        let scale = match (self.quick, self.tiny) {
            (true, _) => Scale::Quick,
            (_, true) => Scale::Tiny,
            _ => Scale::Full,
        };
        Settings { scale, others: self.others, bridge: self.bridge, groups: self.rows, json: self.json }
    }
}
