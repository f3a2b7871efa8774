//! The server's standalone stream, kept open for as long as its session lives (T4).

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use super::Shared;
use super::gate::{Gate, Shut};

/// How long to wait before a stream is opened again, where the server names no time.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest wait between two attempts.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// How long other messages wait for the stream: a server need not answer before it has something to say.
const HEAD_START: Duration = Duration::from_millis(500);

/// Opens the stream of the session, in place of an earlier one's. Returns once it is there, or need not be waited for.
pub(super) async fn open(shared: &Arc<Shared>) {
    let (there, shut) = Gate::shut();
    shared.close_stream();
    let stream = shared.spawn(keep_open(shared.clone(), shut));
    *shared.stream.lock().unwrap_or_else(PoisonError::into_inner) = Some(stream);
    let _ = tokio::time::timeout(HEAD_START, there.pass()).await;
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
    let mut wait = FIRST_WAIT;
    loop {
        let listened = shared.upstream.listen(&last_event_id).await;
        drop(opens.take());
        match listened {
            Ok(None) => return,
            Ok(Some(mut stream)) => {
                loop {
                    match stream.next().await {
                        Ok(Some(message)) => shared.pass_on(message).await,
                        Ok(None) => break,
                        Err(error) => {
                            tracing::debug!("the standalone stream broke: {error}");
                            break;
                        }
                    }
                }
                let (position, retry) = stream.position();
                last_event_id = position;
                wait = retry.unwrap_or(FIRST_WAIT).min(LONGEST_WAIT);
            }
            Err(error) => {
                tracing::debug!("the standalone stream could not be opened: {error}");
                wait = (wait * 2).min(LONGEST_WAIT);
            }
        }
        tokio::time::sleep(wait).await;
    }
}
