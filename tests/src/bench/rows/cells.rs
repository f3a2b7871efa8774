//! Small calls where host and server are of different eras, each beside the bridge that has nothing to translate: what of the
//! time is the translation's.

use std::io;

use super::Scale;
use super::calls::micros;
use crate::bench::call::Call;
use crate::bench::figures::{Goal, Row, percentile};
use crate::bench::piped::Piped;
use crate::bench::stage::{BRIDGE, FLOOR, Stage};
use crate::bench::upstream::{MODERN, OPEN};

/// Who calls whom.
struct Cell {
    bridge: Piped,
    call: Call,
}

impl Cell {
    fn start(stage: &Stage, path: &str, is_host_modern: bool) -> io::Result<Self> {
        let mut bridge = Piped::start(&mut stage.bridge_to(path))?;
        let call = if is_host_modern {
            Call::small_and_modern()
        } else {
            bridge.initialize()?;
            Call::small()
        };
        bridge.call(&call)?;
        Ok(Cell { bridge, call })
    }
}

/// One call at a time in each cell. In these rows the floor is the bridge itself, with a host and a server of one era.
pub(super) fn eras(stage: &Stage, scale: Scale) -> io::Result<Vec<Row>> {
    let subjects = stage.names().len();
    let (rounds, calls) = (scale.pick(21, 9, 1), scale.pick(2000, 500, 20));
    let pairs = [
        ("a host before 2026-07-28 at a server of it", (OPEN, false), (MODERN, false)),
        ("a host of 2026-07-28 at a server before", (MODERN, true), (OPEN, true)),
    ];
    let mut rows = Vec::new();
    for (name, unchanged, translated) in pairs {
        let goal = Some(Goal::AtMostTimesFloor(1.3));
        let mut row = Row::new(format!("{name}, p50; floor: one era"), "µs", goal, subjects);
        let mut cells = [
            (FLOOR, Cell::start(stage, unchanged.0, unchanged.1)?),
            (BRIDGE, Cell::start(stage, translated.0, translated.1)?),
        ];
        for round in 0..=rounds {
            cells.reverse();
            for (index, cell) in &mut cells {
                let times = (0..calls).map(|_| {
                    let began = std::time::Instant::now();
                    cell.bridge.call(&cell.call).map(|_| micros(began.elapsed()))
                });
                let times = times.collect::<io::Result<Vec<f64>>>()?;
                // The first round warms up.
                if round > 0 {
                    row.add(*index, percentile(&times, 50));
                }
            }
        }
        rows.push(row);
    }
    Ok(rows)
}
