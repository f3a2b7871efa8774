//! The server's standalone stream, kept open for as long as its session lives (T4).

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::Shared;
use super::gate::{Gate, Shut};
use super::modern_stream;
use crate::upstream::Purpose;
use crate::upstream::error::UpstreamError;
use crate::upstream::pace::Pace;
use crate::upstream::stream::{Place, Stream};

/// How long to wait before a stream is opened again, where the server names no longer time.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest wait between two attempts, where the server names no longer time.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// A stream that was open for this long, or brought anything, was no failure.
pub(super) const LIVED: Duration = Duration::from_secs(10);

/// How long other messages wait for the stream: a server need not answer before it has something to say.
pub(super) const HEAD_START: Duration = Duration::from_millis(150);

/// How soon a stream is opened again.
pub(super) fn pace() -> Pace {
    Pace::new(FIRST_WAIT, LONGEST_WAIT)
}

/// Opens the stream of the session, in place of an earlier one's. Returns once it is there, or need not be waited for.
pub(super) async fn open(shared: &Arc<Shared>) {
    shared.close_stream();
    if let Some(guise) = shared.eras.guise() {
        return modern_stream::open(shared, &guise).await;
    }
    if shared.upstream.speaks_http_sse() {
        let watch = shared.spawn(begin_again_when_broken(shared.clone()));
        *shared.stream.lock().unwrap_or_else(PoisonError::into_inner) = Some(watch);
        return;
    }
    let (there, shut) = Gate::shut();
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

/// The stream of HTTP+SSE is its session: a new one is begun, not at once where it lived for a moment only.
async fn begin_again_when_broken(shared: Arc<Shared>) {
    let Some(session) = shared.session_number() else { return };
    let opened = Instant::now();
    shared.upstream.http_sse_broken().await;
    let wait = {
        let mut pace = shared.http_sse_pace.lock().unwrap_or_else(PoisonError::into_inner);
        pace.after_stream(opened.elapsed() >= LIVED, Some(Duration::ZERO))
    };
    tokio::time::sleep(wait).await;
    shared.session_is_lost(session);
}

/// Passes on what comes, and opens the stream again when it ends, until the server refuses.
async fn keep_open(shared: Arc<Shared>, opens: Shut) {
    let mut opens = Some(opens);
    let mut place = Place::default();
    let mut pace = pace();
    let mut may_ask_again = true;
    loop {
        let session = shared.session_number();
        let listened = shared.upstream.listen(&mut place, Purpose::Background).await;
        drop(opens.take());
        let wait = match listened {
            Ok(None) => return,
            Ok(Some(stream)) => {
                let opened = Instant::now();
                let ended = shared.pass_on_all(stream).await;
                let lived = ended.lived() || opened.elapsed() >= LIVED;
                place = ended.into_place();
                pace.after_stream(lived, place.retry())
            }
            Err(UpstreamError::SessionLost) => {
                session.into_iter().for_each(|lost| shared.session_is_lost(lost));
                return;
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
                pace.after_stream(false, None)
            }
        };
        tokio::time::sleep(wait).await;
    }
}

impl Shared {
    /// Passes on what comes until the stream ends.
    async fn pass_on_all(&self, mut stream: Stream) -> Stream {
        loop {
            self.output.has_room().await;
            match stream.next().await {
                Ok(Some(message)) => self.pass_on(message).await,
                Ok(None) => return stream,
                Err(error) => {
                    tracing::debug!("the standalone stream broke: {error}");
                    return stream;
                }
            }
        }
    }
}
