//! Small calls: how long one takes, how many go through at once, and what CPU time a thousand of them cost.

use std::io;
use std::time::Duration;

use super::Scale;
use crate::bench::call::Call;
use crate::bench::figures::{Goal, Row, percentile};
use crate::bench::proc::cpu_seconds;
use crate::bench::stage::Stage;
use crate::bench::subject::Subject;

/// CPU time and calls so far, of each that is measured.
struct Cpu(Vec<(f64, usize)>);

/// One call at a time.
pub(super) fn small(stage: &Stage, scale: Scale) -> io::Result<Vec<Row>> {
    let subjects = stage.names().len();
    let (rounds, calls) = (scale.pick(21, 9, 1), scale.pick(2000, 500, 20));
    let forms = [("JSON", Call::small()), ("SSE", Call::small_on_a_stream())];
    let row = |name: String, times| Row::new(name, "µs", Some(Goal::AtMostTimesFloor(times)), subjects);
    let mut rows: Vec<Row> = forms
        .iter()
        .flat_map(|(form, _)| {
            [row(format!("small call, {form}, p50"), 1.15), row(format!("small call, {form}, p99"), 1.5)]
        })
        .collect();
    let mut cpu = Cpu::new(subjects);
    let mut cast = stage.start_all()?;
    cast.each(0, |_, subject| subject.time_many(&Call::small(), 1, calls / 2).map(drop))?;
    for round in 0..rounds {
        cast.each(round, |index, subject| {
            for (at, (_, call)) in forms.iter().enumerate() {
                let times = cpu.count(index, subject, calls, |subject| {
                    (0..calls).map(|_| subject.time(call).map(micros)).collect::<io::Result<Vec<f64>>>()
                })?;
                rows[2 * at].add(index, percentile(&times, 50));
                rows[2 * at + 1].add(index, percentile(&times, 99));
            }
            Ok(())
        })?;
    }
    rows.push(cpu.row("CPU of 1,000 calls, one at a time"));
    Ok(rows)
}

/// Many calls at a time.
pub(super) fn wide(stage: &Stage, scale: Scale) -> io::Result<Vec<Row>> {
    let subjects = stage.names().len();
    let (rounds, calls) = (scale.pick(21, 9, 1), scale.pick(10_000, 2500, 200));
    let mut rows = [
        Row::new("throughput, 64 wide", "calls/s", Some(Goal::AtLeastTimesFloor(0.9)), subjects),
        Row::new("throughput, 256 wide", "calls/s", None, subjects),
    ];
    let mut cpu = Cpu::new(subjects);
    let mut cast = stage.start_all()?;
    cast.each(0, |_, subject| subject.time_many(&Call::small(), 256, calls).map(drop))?;
    for round in 0..rounds {
        cast.each(round, |index, subject| {
            let time = cpu.count(index, subject, calls, |subject| subject.time_many(&Call::small(), 64, calls))?;
            rows[0].add(index, rate(calls, time));
            let time = subject.time_many(&Call::small(), 256, calls)?;
            rows[1].add(index, rate(calls, time));
            Ok(())
        })?;
    }
    let mut rows = rows.to_vec();
    rows.push(cpu.row("CPU of 1,000 calls, 64 wide"));
    Ok(rows)
}

impl Cpu {
    fn new(subjects: usize) -> Self {
        Cpu(vec![(0.0, 0); subjects])
    }

    /// The system counts in steps of 10 ms: all rounds are added up.
    fn count<T>(
        &mut self,
        index: usize,
        subject: &mut Subject,
        calls: usize,
        act: impl FnOnce(&mut Subject) -> io::Result<T>,
    ) -> io::Result<T> {
        let Some(pid) = subject.id() else { return act(subject) };
        let before = cpu_seconds(pid);
        let done = act(subject)?;
        self.0[index].0 += cpu_seconds(pid) - before;
        self.0[index].1 += calls;
        Ok(done)
    }

    fn row(&self, name: &str) -> Row {
        let mut row = Row::new(name, "ms", Some(Goal::AtMostTimesFloor(1.25)), self.0.len());
        for (index, (seconds, calls)) in self.0.iter().enumerate().filter(|(_, (_, calls))| *calls > 0) {
            row.add(index, seconds * 1e6 / as_f64(*calls));
        }
        row
    }
}

pub(super) fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn rate(calls: usize, time: Duration) -> f64 {
    as_f64(calls) / time.as_secs_f64()
}

fn as_f64(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}
