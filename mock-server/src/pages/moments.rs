//! Times and lengths of time as a person reads them. It knows UTC and no calendar.

use std::time::{Duration, SystemTime};

use crate::authorization::jwt::seconds;

/// The time of day, UTC: `14:05:09`.
pub(crate) fn time_of_day(time: SystemTime) -> String {
    let seconds = seconds(time) % 86_400;
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// When something ends that has not ended: `in 47 min`.
pub(crate) fn until(time: SystemTime, now: SystemTime) -> String {
    time.duration_since(now).map_or_else(|_| "over".to_owned(), |left| format!("in {}", length(left)))
}

/// A length in its largest unit, two of them from hours on: `59 s`, `47 min`, `2 h 5 min`, `30 d`.
pub(crate) fn length(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 if (seconds / 60).is_multiple_of(60) => format!("{} h", seconds / 3600),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::{length, time_of_day};

    #[test]
    fn lengths_are_said_in_their_largest_unit() {
        for (seconds, text) in
            [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3600, "1 h"), (7500, "2 h 5 min"), (30 * 86_400, "30 d")]
        {
            assert_eq!(length(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn the_time_of_day_is_utc() {
        assert_eq!(time_of_day(UNIX_EPOCH + Duration::from_secs(86_400 * 3 + 50_709)), "14:05:09");
    }
}
