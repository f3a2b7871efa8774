//! The server's standalone stream, kept open for as long as its session lives (T4).

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::Shared;
use super::gate::{Gate, Shut};

/// How long to wait before a stream is opened again, where the server names no longer time.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest wait between two attempts, where the server names no longer time.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// A stream that was open for this long, or brought anything, was no failure.
const LIVED: Duration = Duration::from_secs(10);

/// How long other messages wait for the stream: a server need not answer before it has something to say.
const HEAD_START: Duration = Duration::from_millis(150);

/// Opens the stream of the session, in place of an earlier one's. Returns once it is there, or need not be waited for.
pub(super) async fn open(shared: &Arc<Shared>) {
    let (there, shut) = Gate::shut();
    shared.close_stream();
    let stream = shared.spawn(keep_open(shared.clone(), shut));
    *shared.stream.lock().unwrap_or_else(PoisonError::into_inner) = Some(stream);
    // A server that answered late once does so each time.
    if !shared.stream_comes_late.load(Ordering::Relaxed) {
        let in_time = tokio::time::timeout(HEAD_START, there.pass()).await.is_ok();
        shared.stream_comes_late.store(!in_time, Ordering::Relaxed);
    }
}

impl Shared {
    /// Closes the stream of the session, if one is open.
    pub(super) fn close_stream(&self) {
        if let Some(stream) = self.stream.lock().unwrap_or_else(PoisonError::into_inner).take() {
            stream.abort();
        }
    }
}

/// Passes on what comes, and opens the stream again when it ends, until the server refuses.
async fn keep_open(shared: Arc<Shared>, opens: Shut) {
    let mut opens = Some(opens);
    let mut last_event_id = Vec::new();
    let mut pace = Pace(FIRST_WAIT);
    let mut may_ask_again = true;
    loop {
        let listened = shared.upstream.listen(&last_event_id).await;
        drop(opens.take());
        let wait = match listened {
            Ok(None) => return,
            Ok(Some(mut stream)) => {
                let opened = Instant::now();
                let mut lived = false;
                loop {
                    match stream.next().await {
                        Ok(Some(message)) => {
                            lived = true;
                            shared.pass_on(message).await;
                        }
                        Ok(None) => break,
                        Err(error) => {
                            tracing::debug!("the standalone stream broke: {error}");
                            break;
                        }
                    }
                }
                let (position, retry) = stream.position();
                last_event_id = position;
                pace.next(lived || opened.elapsed() >= LIVED, retry)
            }
            // Without a sign-in there is nothing to be had, and none is made for this; after one it is worth one attempt.
            Err(error) if error.needs_sign_in() && may_ask_again => {
                may_ask_again = false;
                shared.upstream.admitted().await;
                continue;
            }
            // Each further attempt might cost a refresh token, and gain nothing.
            Err(error) if error.is_about_the_token() => {
                tracing::debug!("there is no standalone stream for this session: {error}");
                return;
            }
            Err(error) => {
                tracing::debug!("the standalone stream could not be opened: {error}");
                pace.next(false, None)
            }
        };
        tokio::time::sleep(wait).await;
    }
}

/// How long to wait before the stream is opened again: what is in vain doubles the wait.
struct Pace(Duration);

impl Pace {
    /// The wait after a stream; `retry` is the server's own wish, and never cut short (T5).
    fn next(&mut self, lived: bool, retry: Option<Duration>) -> Duration {
        if lived {
            self.0 = FIRST_WAIT;
        }
        let wait = self.0.max(retry.unwrap_or_default());
        self.0 = (self.0 * 2).min(LONGEST_WAIT);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t4_a_stream_that_ends_at_once_is_opened_again_ever_more_slowly_whatever_retry_says() {
        let mut pace = Pace(FIRST_WAIT);
        let mut wait = |lived, retry: Option<u64>| pace.next(lived, retry.map(Duration::from_secs)).as_secs();
        assert_eq!([wait(false, Some(0)), wait(false, None), wait(false, Some(0))], [1, 2, 4]);
        assert_eq!([wait(false, Some(300)), wait(true, Some(0)), wait(false, None)], [300, 1, 2]);
        let longest = (0..10).map(|_| wait(false, None)).last();
        assert_eq!(longest, Some(60));
    }
}
