//! Delays that look random and are the same for the same seed, so that a run can be repeated. It never waits itself.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A sequence of delays within a range.
pub(crate) struct Delays {
    range: Range<Duration>,
    state: AtomicU64,
}

/// The step of SplitMix64.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

impl Delays {
    pub(crate) fn new(range: Range<Duration>, seed: u64) -> Self {
        Delays { range, state: AtomicU64::new(seed) }
    }

    pub(crate) fn next(&self) -> Duration {
        let span = u64::try_from(self.range.end.saturating_sub(self.range.start).as_nanos()).unwrap_or(u64::MAX);
        let random = mixed(self.state.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP));
        self.range.start + Duration::from_nanos(random.checked_rem(span).unwrap_or_default())
    }
}

/// The output function of SplitMix64.
fn mixed(state: u64) -> u64 {
    let state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Delays;

    #[test]
    fn a_seed_gives_the_same_delays_within_the_range() {
        let range = Duration::from_millis(5)..Duration::from_millis(50);
        let sequence = |seed| {
            let delays = Delays::new(range.clone(), seed);
            (0..100).map(|_| delays.next()).collect::<Vec<_>>()
        };
        assert_eq!(sequence(7), sequence(7));
        assert_ne!(sequence(7), sequence(8));
        assert!(sequence(7).iter().all(|delay| range.contains(delay)));
    }

    #[test]
    fn an_empty_range_is_its_start() {
        let moment = Duration::from_millis(5);
        assert_eq!(Delays::new(moment..moment, 1).next(), moment);
    }
}
