//! How long to wait before something is tried again: what is in vain doubles the wait, up to a longest one, and a little
//! chance is added so that many clients do not come back at once (T5, T7). Pure but for that chance.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// No stream is asked for again sooner, whatever the server wishes.
const SHORTEST: Duration = Duration::from_millis(100);

/// A back-off.
#[derive(Debug)]
pub struct Pace {
    first: Duration,
    longest: Duration,
    wait: Duration,
}

impl Pace {
    /// Waits from `first` to `longest`.
    #[must_use]
    pub fn new(first: Duration, longest: Duration) -> Self {
        Pace { first, longest, wait: first }
    }

    /// The wait after something in vain.
    pub fn in_vain(&mut self) -> Duration {
        let wait = self.wait;
        self.wait = (wait * 2).min(self.longest);
        wait + wait.mul_f64(chance() / 8.0)
    }

    /// The wait after a stream. `retry` is the server's own wish and never cut short (T5); where the stream lived, nothing
    /// is added to it.
    pub fn after_stream(&mut self, lived: bool, retry: Option<Duration>) -> Duration {
        if lived {
            self.wait = self.first;
            return retry.unwrap_or(self.first).max(SHORTEST);
        }
        self.in_vain().max(retry.unwrap_or_default())
    }
}

/// A number from 0 to 1, different each time.
fn chance() -> f64 {
    let bits = RandomState::new().build_hasher().finish() >> 32;
    f64::from(u32::try_from(bits).unwrap_or(0)) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(wait: Duration) -> u64 {
        // What chance adds is an eighth at most.
        [1, 2, 4, 60, 300].into_iter().rfind(|s| Duration::from_secs(*s) <= wait).unwrap_or(0)
    }

    #[test]
    fn t4_a_stream_that_ends_at_once_is_opened_again_ever_more_slowly_whatever_retry_says() {
        let mut pace = Pace::new(Duration::from_secs(1), Duration::from_secs(60));
        let mut wait = |retry: Option<u64>| seconds(pace.after_stream(false, retry.map(Duration::from_secs)));
        assert_eq!([wait(Some(0)), wait(None), wait(Some(0)), wait(Some(300))], [1, 2, 4, 300]);
        let longest = (0..10).map(|_| wait(None)).last();
        assert_eq!(longest, Some(60));
    }

    #[test]
    fn t5_after_a_stream_that_lived_the_servers_retry_time_holds_never_sooner_and_not_later() {
        let mut pace = Pace::new(Duration::from_secs(1), Duration::from_secs(60));
        let ms = |wait: Duration| wait.as_millis();
        assert_eq!(ms(pace.after_stream(true, Some(Duration::from_millis(500)))), 500);
        assert_eq!(ms(pace.after_stream(true, Some(Duration::ZERO))), 100);
        assert_eq!(ms(pace.after_stream(true, None)), 1000);
        assert_eq!(seconds(pace.after_stream(false, None)), 1);
        assert_eq!(seconds(pace.after_stream(true, Some(Duration::from_secs(300)))), 300);
    }

    #[test]
    fn chance_is_between_0_and_1() {
        assert!((0..100).map(|_| chance()).all(|chance| (0.0..=1.0).contains(&chance)));
    }
}
