//! The benchmark: what a call costs through the bridge, beside the direct call, the bare forwarder and whoever else is
//! named, in turns and in one run. It looks at processes from outside, and must never judge: figures decide no exit code.
//! docs/performance.md says what each row means. Read [`rows`] for what is measured, [`stage`] for who plays.

#![expect(clippy::disallowed_methods, reason = "it reads /proc, and writes a report that may be torn")]

pub mod call;
pub mod direct;
pub mod figures;
pub mod piped;
pub mod proc;
pub mod programs;
pub mod rows;
pub mod stage;
pub mod subject;
pub mod table;
pub mod upstream;

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Instant;

use self::figures::Row;
use self::rows::{GROUPS, Scale};
use self::stage::Stage;

/// What can be chosen.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How much is measured.
    pub scale: Scale,
    /// Commands of other bridges on stdio; `{url}` stands for the upstream that wants no token.
    pub others: Vec<String>,
    /// The bridge that is measured, instead of the one that is built.
    pub bridge: Option<PathBuf>,
    /// The groups of rows that are measured; all where none is named.
    pub groups: Vec<String>,
    /// Where the figures are written to as JSON.
    pub json: Option<PathBuf>,
}

/// Runs it, and prints the table.
///
/// # Errors
/// Where one of those measured does not do what it must.
pub fn run(settings: &Settings) -> io::Result<()> {
    let began = Instant::now();
    let stage = Stage::set_up(settings)?;
    let mut rows: Vec<Row> = Vec::new();
    for (name, measure) in GROUPS {
        if settings.groups.is_empty() || settings.groups.iter().any(|wanted| wanted == name) {
            progress(&format!("{name} …"));
            rows.extend(measure(&stage, settings.scale).map_err(|error| io::Error::other(format!("{name}: {error}")))?);
        }
    }
    let names = stage.names();
    let table = table::of(&rows, &names);
    let seconds = began.elapsed().as_secs();
    // Nobody reads: there is the file.
    let _ = writeln!(io::stdout().lock(), "{table}\n{}, {seconds} s", circumstances(settings.scale));
    match &settings.json {
        Some(path) => std::fs::write(path, table::json(&rows, &names, &circumstances(settings.scale)).to_string()),
        None => Ok(()),
    }
}

/// Tells on stderr how far it is.
fn progress(text: &str) {
    let _ = writeln!(io::stderr().lock(), "bench: {text}");
}

fn circumstances(scale: Scale) -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let system = std::env::consts::OS;
    let build = if cfg!(debug_assertions) { "a debug build, whose figures say nothing" } else { "a release build" };
    format!("{scale:?} run of {build}, on {cores} cores of {system}")
}
