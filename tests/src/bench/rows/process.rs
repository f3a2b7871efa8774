//! What a process costs: its start, its size, its memory, and how often it wakes when nothing is to be done.

use std::io;
use std::time::Duration;

use super::Scale;
use crate::bench::call::Call;
use crate::bench::figures::{Goal, Row};
use crate::bench::proc::{peak, resident, wake_ups};
use crate::bench::stage::Stage;

const MEGABYTE: f64 = 1024.0 * 1024.0;
/// How long a process may still be busy with its start.
const SETTLING: Duration = Duration::from_secs(1);

/// From the start of a process to its first answers.
pub(super) fn start(stage: &Stage, scale: Scale) -> io::Result<Vec<Row>> {
    let subjects = stage.names().len();
    let mut rows = [
        Row::new("start to the answer to `initialize`", "ms", None, subjects),
        Row::new("start to the first call's answer", "ms", Some(Goal::AtMostAboveFloor(10.0)), subjects),
    ];
    for round in 0..scale.pick(51, 15, 1) {
        for index in (0..subjects).map(|at| (at + round) % subjects) {
            let Some((subject, start)) = stage.started(index)? else { continue };
            rows[0].add(index, start.initialized.as_secs_f64() * 1e3);
            rows[1].add(index, start.called.as_secs_f64() * 1e3);
            drop(subject);
        }
    }
    Ok(rows.to_vec())
}

/// The size on the disk and in memory: idle, after small calls, and after a large answer.
pub(super) fn idle_and_peak(stage: &Stage, scale: Scale) -> io::Result<Vec<Row>> {
    let subjects = stage.names().len();
    let (watched, calls) = (scale.pick(60, 10, 0), scale.pick(20_000, 3000, 50));
    let message = scale.pick(32, 32, 1);
    let row = |name: String, unit, goal: Option<f64>| Row::new(name, unit, goal.map(Goal::AtMost), subjects);
    let mut size = row("size of the program".into(), "MB", Some(10.0));
    for (index, program) in stage.programs() {
        size.add(index, bytes_of(&program)? / MEGABYTE);
    }
    let mut wakes = row(format!("wake-ups in {watched} s at idle"), "", None);
    let mut idle = row("memory, idle".into(), "MB", Some(8.0));
    let mut after = row(format!("memory after {calls} small calls"), "MB", None);
    let mut above =
        row(format!("peak above idle for an answer of {message} MiB"), "MB", Some(2.0 * f64::from(message)));
    let mut cast = stage.start_all()?;
    settle(scale);
    let mut before = vec![0.0; subjects];
    cast.each(0, |index, subject| {
        before[index] = subject.id().map_or(f64::NAN, wake_ups);
        Ok(())
    })?;
    std::thread::sleep(Duration::from_secs(watched));
    cast.each(0, |index, subject| {
        let Some(pid) = subject.id() else { return Ok(()) };
        wakes.add(index, wake_ups(pid) - before[index]);
        idle.add(index, resident(pid));
        Ok(())
    })?;
    let large = Call::down(usize::try_from(message).map_err(io::Error::other)? * 1024 * 1024);
    cast.each(0, |index, subject| {
        subject.time_many(&Call::small(), 64, calls)?;
        let Some(pid) = subject.id() else { return Ok(()) };
        after.add(index, resident(pid));
        subject.time(&large)?;
        above.add(index, peak(pid) - idle.median(index));
        Ok(())
    })?;
    Ok(vec![size, wakes, idle, after, above])
}

/// Whether memory grows with the number of calls; only in the full run.
pub(super) fn long(stage: &Stage, scale: Scale) -> io::Result<Vec<Row>> {
    if scale != Scale::Full {
        return Ok(Vec::new());
    }
    let subjects = stage.names().len();
    let mut rows = ["10,000", "100,000"]
        .map(|calls| Row::new(format!("memory after {calls} calls, 64 wide"), "MB", None, subjects));
    let mut cast = stage.start_all()?;
    for (row, calls) in rows.iter_mut().zip([10_000, 90_000]) {
        cast.each(0, |index, subject| {
            subject.time_many(&Call::small(), 64, calls)?;
            row.add(index, subject.id().map_or(f64::NAN, resident));
            Ok(())
        })?;
    }
    Ok(rows.to_vec())
}

fn settle(scale: Scale) {
    if scale != Scale::Tiny {
        std::thread::sleep(SETTLING);
    }
}

fn bytes_of(program: &std::path::Path) -> io::Result<f64> {
    let bytes = std::fs::metadata(program)?.len();
    Ok(u32::try_from(bytes).map_or(f64::INFINITY, f64::from))
}
