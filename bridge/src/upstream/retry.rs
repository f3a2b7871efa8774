//! Whether a request may be sent again, and when (T7): what certainly was not carried out, and what is idempotent by
//! definition; all within a bound, so that a host is told before it gives up. Pure but for the clock.

use std::time::{Duration, Instant, SystemTime};

use http::{HeaderMap, StatusCode, header};

use super::error::UpstreamError;
use super::pace::Pace;

/// How long a request is tried in all (T7: a minute at most; hosts mostly give up after one).
pub const LONGEST: Duration = Duration::from_secs(45);
/// How often what may have been carried out is sent again.
const MOST_REPEATED: u32 = 4;
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// The tries of one message.
#[derive(Debug)]
pub struct Retry {
    until: Instant,
    idempotent: bool,
    repeated: u32,
    pace: Pace,
}

impl Retry {
    /// For a message that arrived at this instant.
    #[must_use]
    pub fn new(arrived: Instant, idempotent: bool) -> Self {
        Retry { until: arrived + LONGEST, idempotent, repeated: 0, pace: Pace::new(FIRST_WAIT, LONGEST_WAIT) }
    }

    /// How long to wait before the message is sent again after this error; `None`: it is not.
    pub fn pause(&mut self, error: &UpstreamError) -> Option<Duration> {
        if error.was_never_sent() {
            let pause = self.pace.in_vain();
            return self.within(pause);
        }
        if !self.idempotent || !error.may_be_repeated() || self.repeated == MOST_REPEATED {
            return None;
        }
        self.repeated += 1;
        let pause = self.pace.in_vain();
        self.within(pause)
    }

    /// The wait that a busy server asks for, if it is over in time. One that asks for none again and again is not believed.
    pub fn busy(&mut self, wait: Duration) -> Option<Duration> {
        let wait = wait.max(self.pace.in_vain());
        self.within(wait)
    }

    fn within(&self, wait: Duration) -> Option<Duration> {
        (wait <= self.until.saturating_duration_since(Instant::now())).then_some(wait)
    }
}

/// Whether a request changes nothing however often it is sent, by MCP's definition of its method.
#[must_use]
pub fn is_idempotent(method: &str) -> bool {
    matches!(
        method,
        "initialize"
            | "ping"
            | "server/discover"
            | "tools/list"
            | "resources/list"
            | "resources/templates/list"
            | "resources/read"
            | "prompts/list"
            | "tasks/list"
            | "tasks/get"
    )
}

/// After how long a server that is busy wants to be asked again (RFC 9110 §10.2.3): only 429 and 503 say so for a request
/// that was not carried out.
#[must_use]
pub fn retry_after(status: StatusCode, headers: &HeaderMap) -> Option<Duration> {
    if !matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        return None;
    }
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if value.bytes().all(|byte| byte.is_ascii_digit()) {
        return value.parse().ok().map(Duration::from_secs);
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::http::HttpError;
    use crate::safe_url::SafeUrl;
    use crate::untrusted::Untrusted;

    fn url() -> SafeUrl {
        SafeUrl::from_text("https://a.example/")
    }

    fn refused() -> UpstreamError {
        HttpError::ConnectionRefused { url: url(), reason: String::new() }.into()
    }

    fn broken() -> UpstreamError {
        HttpError::Broken { url: url(), reason: String::new() }.into()
    }

    fn status(code: u16) -> UpstreamError {
        let status = StatusCode::from_u16(code).unwrap();
        UpstreamError::Status { status, excerpt: Untrusted::new(""), of_oauth: false, retry_after: None }
    }

    #[test]
    fn t7_what_never_reached_the_server_is_sent_again_whatever_it_is_ever_more_slowly_and_within_the_bound() {
        let mut retry = Retry::new(Instant::now(), false);
        let pauses: Vec<Duration> = (0..12).map_while(|_| retry.pause(&refused())).collect();
        assert_eq!(pauses.len(), 12);
        assert!(pauses.windows(2).take(5).all(|pair| pair[0] < pair[1]), "{pauses:?}");
        assert!(pauses.iter().all(|pause| *pause <= LONGEST_WAIT.mul_f64(1.125)));
        let long_ago = Instant::now().checked_sub(LONGEST).unwrap();
        assert_eq!(Retry::new(long_ago, true).pause(&refused()), None);
    }

    #[test]
    fn t7_what_may_have_been_carried_out_is_sent_again_only_if_it_is_idempotent_and_not_for_ever() {
        for error in [broken(), UpstreamError::StreamEnded, status(502), status(503), status(504), status(429)] {
            assert_eq!(Retry::new(Instant::now(), false).pause(&error), None, "{error}");
            let mut retry = Retry::new(Instant::now(), true);
            let again = (0..10).filter(|_| retry.pause(&error).is_some()).count();
            assert_eq!(again, MOST_REPEATED as usize, "{error}");
        }
        for error in [status(400), status(404), status(500), UpstreamError::SessionLost, UpstreamError::TooLarge(1)] {
            assert_eq!(Retry::new(Instant::now(), true).pause(&error), None, "{error}");
        }
    }

    #[test]
    fn t7_a_certificate_that_is_not_trusted_is_not_tried_again() {
        let tls = UpstreamError::from(HttpError::Tls { url: url(), reason: String::new() });
        assert_eq!(Retry::new(Instant::now(), true).pause(&tls), None);
    }

    #[test]
    fn t7_a_wait_that_ends_after_the_bound_is_not_waited_for() {
        let mut retry = Retry::new(Instant::now(), false);
        assert_eq!(retry.busy(Duration::from_secs(20)), Some(Duration::from_secs(20)));
        assert_eq!(retry.busy(Duration::from_secs(50)), None);
        assert_eq!(retry.busy(Duration::from_secs(u64::MAX)), None);
    }

    #[test]
    fn t7_a_server_that_is_busy_without_end_and_names_no_time_is_asked_ever_more_slowly() {
        let mut retry = Retry::new(Instant::now(), false);
        let pauses: Vec<Duration> = (0..6).filter_map(|_| retry.busy(Duration::ZERO)).collect();
        assert!(pauses.len() == 6 && pauses.windows(2).all(|pair| pair[0] < pair[1]), "{pauses:?}");
    }

    #[test]
    fn t7_retry_after_is_seconds_or_a_date_and_counts_for_429_and_503_alone() {
        let headers = |value| HeaderMap::from_iter([(header::RETRY_AFTER, HeaderValue::from_static(value))]);
        let seconds = |code, value| retry_after(StatusCode::from_u16(code).unwrap(), &headers(value));
        assert_eq!(seconds(429, "3"), Some(Duration::from_secs(3)));
        assert_eq!(seconds(503, " 0 "), Some(Duration::ZERO));
        assert_eq!(seconds(503, "Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
        assert_eq!(seconds(503, "soon"), None);
        assert_eq!(seconds(500, "3"), None);
        let later = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(30));
        let later = HeaderMap::from_iter([(header::RETRY_AFTER, HeaderValue::from_str(&later).unwrap())]);
        let wait = retry_after(StatusCode::TOO_MANY_REQUESTS, &later).unwrap();
        assert!((28..=30).contains(&wait.as_secs()), "{wait:?}");
    }
}
