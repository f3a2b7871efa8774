//! Large messages, in both directions and in both forms, and many small ones on one stream.

use std::io;

use super::Scale;
use crate::bench::call::Call;
use crate::bench::figures::{Goal, Row, median};
use crate::bench::stage::Stage;

const MEBIBYTE: usize = 1024 * 1024;

/// 1 MiB.
pub(super) fn one(stage: &Stage, scale: Scale) -> io::Result<Vec<Row>> {
    messages(stage, 1, scale.pick(21, 7, 1), scale.pick(15, 7, 1))
}

/// 32 MiB.
pub(super) fn thirty_two(stage: &Stage, scale: Scale) -> io::Result<Vec<Row>> {
    match scale {
        Scale::Tiny => messages(stage, 2, 1, 1),
        _ => messages(stage, 32, scale.pick(9, 3, 1), 1),
    }
}

fn messages(stage: &Stage, size: u32, rounds: usize, times: usize) -> io::Result<Vec<Row>> {
    let bytes = usize::try_from(size).map_err(io::Error::other)? * MEBIBYTE;
    let kinds =
        [("down, JSON", Call::down(bytes)), ("down, SSE", Call::down_on_a_stream(bytes)), ("up", Call::up(bytes))];
    let subjects = stage.names().len();
    let goal = Some(Goal::AtLeastTimesFloor(0.8));
    let mut rows = kinds.each_ref().map(|(name, _)| Row::new(format!("{size} MiB {name}"), "MB/s", goal, subjects));
    let mut cast = stage.start_all()?;
    cast.each(0, |_, subject| kinds.iter().try_for_each(|(_, call)| subject.time(call).map(drop)))?;
    for round in 0..rounds {
        cast.each(round, |index, subject| {
            for (row, (_, call)) in rows.iter_mut().zip(&kinds) {
                let seconds =
                    (0..times).map(|_| Ok(subject.time(call)?.as_secs_f64())).collect::<io::Result<Vec<f64>>>()?;
                row.add(index, f64::from(size) / median(seconds.into_iter()));
            }
            Ok(())
        })?;
    }
    Ok(rows.to_vec())
}

/// Many notifications on the stream of one call.
pub(super) fn notifications(stage: &Stage, scale: Scale) -> io::Result<Vec<Row>> {
    let (count, shown) = scale.pick((5000, "5,000"), (5000, "5,000"), (100, "100"));
    let (rounds, times) = (scale.pick(21, 9, 1), scale.pick(5, 3, 1));
    let name = format!("{shown} notifications");
    let mut row = Row::new(name, "ms", Some(Goal::AtMostTimesFloor(1.0)), stage.names().len());
    let call = Call::notify(count);
    let mut cast = stage.start_all()?;
    cast.each(0, |_, subject| subject.time(&call).map(drop))?;
    for round in 0..rounds {
        cast.each(round, |index, subject| {
            let times =
                (0..times).map(|_| Ok(subject.time(&call)?.as_secs_f64() * 1e3)).collect::<io::Result<Vec<f64>>>()?;
            row.add(index, median(times.into_iter()));
            Ok(())
        })?;
    }
    Ok(vec![row])
}
