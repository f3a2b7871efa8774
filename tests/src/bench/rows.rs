//! What is measured, group by group. A group starts those measured anew and takes them in turns, round after round, each
//! time another one first.

mod calls;
mod cells;
mod process;
mod transfer;

use std::io;

use super::figures::Row;
use super::stage::Stage;

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Minutes, for figures that are kept.
    Full,
    /// Under a minute, for the one who optimises.
    Quick,
    /// A second, to see whether it works at all.
    Tiny,
}

impl Scale {
    fn pick<T>(self, full: T, quick: T, tiny: T) -> T {
        match self {
            Scale::Full => full,
            Scale::Quick => quick,
            Scale::Tiny => tiny,
        }
    }
}

/// Measures a group of rows.
type Measure = fn(&Stage, Scale) -> io::Result<Vec<Row>>;

/// Every group, by its name.
pub const GROUPS: [(&str, Measure); 9] = [
    ("start", process::start),
    ("small", calls::small),
    ("wide", calls::wide),
    ("eras", cells::eras),
    ("1mib", transfer::one),
    ("32mib", transfer::thirty_two),
    ("notifications", transfer::notifications),
    ("process", process::idle_and_peak),
    ("long", process::long),
];
