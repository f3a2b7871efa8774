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

/// What a run found.
#[derive(Clone, Debug)]
pub struct Found {
    /// The rows, in the order of the groups.
    pub rows: Vec<Row>,
    /// What those measured are called.
    pub names: Vec<String>,
}

/// Measures, prints the table and writes the file.
///
/// # Errors
/// Where one of those measured does not do what it must.
pub fn run(settings: &Settings) -> io::Result<()> {
    let began = Instant::now();
    let Found { rows, names } = measure(settings)?;
    let (circumstances, seconds) = (circumstances(settings.scale), began.elapsed().as_secs());
    // Nobody reads: there is the file.
    let _ = writeln!(io::stdout().lock(), "{}\n{circumstances}, {seconds} s", table::of(&rows, &names));
    match &settings.json {
        Some(path) => std::fs::write(path, table::json(&rows, &names, &circumstances).to_string()),
        None => Ok(()),
    }
}

/// Measures.
///
/// # Errors
/// Where one of those measured does not do what it must; of another bridge that is only told.
pub fn measure(settings: &Settings) -> io::Result<Found> {
    let stage = Stage::set_up(settings)?;
    let mut rows = Vec::new();
    for (name, measure) in GROUPS {
        if settings.groups.is_empty() || settings.groups.iter().any(|wanted| wanted == name) {
            progress(&format!("{name} …"));
            rows.extend(measure(&stage, settings.scale).map_err(|error| io::Error::other(format!("{name}: {error}")))?);
        }
    }
    Ok(Found { rows, names: stage.names() })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::programs::Programs;
    use crate::bench::stage::{BRIDGE, DIRECT, FLOOR};

    #[test]
    fn every_row_has_figures_and_another_bridge_that_fails_is_left_out() {
        let programs = Programs::build().unwrap();
        let [forwarder, broken] =
            ["bare-forwarder", "test-browser"].map(|name| programs.path(name).display().to_string());
        let others = vec![format!("{forwarder} {{url}}"), broken];
        let settings = Settings { scale: Scale::Tiny, others, bridge: None, groups: Vec::new(), json: None };
        let Found { rows, names } = measure(&settings).unwrap();
        assert_eq!(names, ["direct", "floor", "bridge", "bare-forwarder", "test-browser"]);
        assert!(rows.len() > 15, "{rows:#?}");
        let of_ours_alone = |row: &Row| row.name.starts_with("size of") || row.name.ends_with("floor: one era");
        for row in rows.iter().filter(|row| cfg!(target_os = "linux") || !row.values[DIRECT].is_empty()) {
            assert!([FLOOR, BRIDGE].iter().all(|index| row.median(*index).is_finite()), "{row:#?}");
            assert!(of_ours_alone(row) || row.median(BRIDGE + 1).is_finite(), "{row:#?}");
            assert!(row.values[BRIDGE + 2].is_empty(), "{row:#?}");
        }
    }
}
