//! The server's standalone stream, kept open for as long as its session lives (T4).

use std::sync::Arc;
use std::time::Duration;

use super::Shared;
use super::gate::{Gate, Shut};

/// How long to wait before a stream is opened again, where the server names no time.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest wait between two attempts.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// How long other messages wait for the stream: a server need not answer before it has something to say.
const HEAD_START: Duration = Duration::from_millis(500);

/// Opens the stream once `after` is open and passes on what comes; opened again when it ends, until the server refuses.
/// `opens` is let go of when the stream is there, or need not be waited for any more.
pub(super) async fn keep_open(shared: Arc<Shared>, after: Gate, opens: Shut) {
    after.pass().await;
    let waiting = tokio::spawn(async move {
        tokio::time::sleep(HEAD_START).await;
        drop(opens);
    });
    let mut last_event_id = Vec::new();
    let mut wait = FIRST_WAIT;
    loop {
        let listened = shared.upstream.listen(&last_event_id).await;
        waiting.abort();
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
