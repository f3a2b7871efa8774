//! The GET of a legacy session: the stream of what the server says without being asked (T4), and the way on for one that
//! broke (T5).

use std::time::{Duration, Instant};

use http::{Method, StatusCode};

use super::error::UpstreamError;
use super::exchange::{Reply, is_event_stream};
use super::pace::Pace;
use super::retry::retry_after;
use super::stream::{Place, Stream};
use super::{Upstream, headers};
use crate::tokens::Purpose;
use crate::untrusted::Untrusted;

/// How long to wait before the stream of a request is asked for again, where the server names no time.
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// How long a stream is asked for in vain.
const IN_VAIN: Duration = Duration::from_secs(45);

/// The tries to go on with the stream of one request.
#[derive(Debug)]
pub struct Resumption {
    pace: Pace,
    /// Until when it is asked for, where it brings nothing.
    until: Option<Instant>,
}

impl Default for Resumption {
    fn default() -> Self {
        Resumption { pace: Pace::new(FIRST_WAIT, LONGEST_WAIT), until: None }
    }
}

impl Upstream {
    /// Opens the session's stream, or goes on with one from `place`. `None` where the server has none: it says so by 405,
    /// and any other refusal means the same (T4), but for one that passes. `place` is empty once there is a stream.
    ///
    /// # Errors
    /// Where the server could not be asked; it may be tried again. 404 to a session id from behind an event is
    /// [`UpstreamError::SessionLost`].
    pub async fn listen(&self, place: &mut Place, purpose: Purpose) -> Result<Option<Stream>, UpstreamError> {
        let headers = |session: &_| headers::of_get(&self.headers, session, place.last_event_id());
        let (response, in_session, sent) =
            self.send(Method::GET, &self.target, headers, None, (purpose, Instant::now())).await?;
        let status = response.status();
        if status.is_success() && is_event_stream(response.headers()) {
            return Ok(Some(self.stream(response, sent, std::mem::take(place))));
        }
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            let retry_after = retry_after(status, response.headers());
            return Err(UpstreamError::Status { status, excerpt: Untrusted::new(""), of_oauth: false, retry_after });
        }
        if status == StatusCode::NOT_FOUND && in_session && !place.last_event_id().is_empty() {
            return Err(UpstreamError::SessionLost);
        }
        tracing::debug!("`{}` has no stream there: {status}", self.shown);
        Ok(None)
    }

    /// Goes on with the stream of a request that ended or broke before the response: by GET, behind its last event, after
    /// the server's own time (T5).
    ///
    /// # Errors
    /// What ended the stream, where it has no event to go on behind, the server refuses, or it is away for too long.
    pub async fn resume(
        &self,
        reply: Reply,
        ended: UpstreamError,
        tries: &mut Resumption,
    ) -> Result<Reply, UpstreamError> {
        let lived = reply.lived();
        let Some(mut place) = reply.into_place().filter(|place| !place.last_event_id().is_empty()) else {
            return Err(ended);
        };
        if lived {
            tries.until = None;
        }
        let mut wait = tries.pace.after_stream(lived, place.retry());
        let until = *tries.until.get_or_insert_with(|| Instant::now() + wait + IN_VAIN);
        if Instant::now() >= until {
            return Err(ended); // it may be opened again and again, and never bring anything
        }
        loop {
            tracing::debug!("a stream {ended}; going on with it in {} ms", wait.as_millis());
            tokio::time::sleep(wait).await;
            match self.listen(&mut place, Purpose::Call).await {
                Ok(Some(stream)) => return Ok(Reply::on(stream, self.transport.max_message)),
                Err(error) if Instant::now() < until && (error.passes() || error.breaks_a_stream()) => {
                    tracing::debug!("a stream cannot be gone on with: {error}");
                    wait = tries.pace.after_stream(false, place.retry());
                }
                Ok(None) | Err(_) => return Err(ended),
            }
        }
    }
}
