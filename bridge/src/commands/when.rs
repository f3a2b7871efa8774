//! Times as a person and a program read them: `47 min`, and RFC 3339. UTC only: no time zone is known here.

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// The last second of the year 9999: RFC 3339 has four digits for a year.
const LAST: u64 = 253_402_300_799;

/// A time as RFC 3339 has it, from Unix seconds: `2026-11-24T14:05:00Z`. What is later than the year 9999 is its end.
pub(super) fn rfc3339(unix: u64) -> String {
    let unix = unix.min(LAST);
    let (year, month, day) = civil(unix / DAY);
    let (hour, minute, second) = (unix % DAY / HOUR, unix % HOUR / MINUTE, unix % MINUTE);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// The date of a day since 1970 in the Gregorian calendar, by years that begin in March: the leap day then comes last.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468; // since 0000-03-01
    let (era, day_of_era) = (days / 146_097, days % 146_097); // 400 years
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153; // March is 0
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

/// A span of seconds, rounded down: `40 s`, `47 min`, `3 h 5 min`, `12 days`.
pub(super) fn span(seconds: u64) -> String {
    match seconds {
        0..MINUTE => format!("{seconds} s"),
        MINUTE..HOUR => format!("{} min", seconds / MINUTE),
        HOUR..DAY if seconds % HOUR >= MINUTE => format!("{} h {} min", seconds / HOUR, seconds % HOUR / MINUTE),
        HOUR..DAY => format!("{} h", seconds / HOUR),
        _ if seconds / DAY == 1 => "1 day".to_owned(),
        _ => format!("{} days", seconds / DAY),
    }
}

#[cfg(test)]
mod tests {
    use super::{LAST, rfc3339, span};

    #[test]
    fn a_time_is_written_as_rfc_3339_has_it() {
        let table = [
            (0, "1970-01-01T00:00:00Z"),
            (68_169_599, "1972-02-28T23:59:59Z"),
            (68_169_600, "1972-02-29T00:00:00Z"),
            (68_256_000, "1972-03-01T00:00:00Z"),
            (946_684_799, "1999-12-31T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_795_529_100, "2026-11-24T14:05:00Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (LAST, "9999-12-31T23:59:59Z"),
            (u64::MAX, "9999-12-31T23:59:59Z"),
        ];
        for (unix, expected) in table {
            assert_eq!(rfc3339(unix), expected);
        }
    }

    #[test]
    fn a_span_is_told_no_finer_than_a_person_cares() {
        for (seconds, expected) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (3599, "59 min"),
            (3600, "1 h"),
            (3660, "1 h 1 min"),
            (86_399, "23 h 59 min"),
            (86_400, "1 day"),
            (172_800, "2 days"),
        ] {
            assert_eq!(span(seconds), expected);
        }
    }
}
