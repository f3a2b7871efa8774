//! The way on for the stream of a request that ended or broke before its response: by GET, behind its last event, after the
//! server's own time, ever more slowly where it brings nothing, and not for ever (T5).

use std::time::{Duration, Instant};

use super::Upstream;
use super::error::UpstreamError;
use super::exchange::Reply;
use super::pace::Pace;
use crate::tokens::Purpose;

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
        if wait > IN_VAIN {
            return Err(ended); // nobody waits for so long
        }
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
