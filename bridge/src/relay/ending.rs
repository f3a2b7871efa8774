//! The end of a bridge (H7): what is in flight is answered, the session is told, what was said is written, each within a
//! limit. After a signal one limit holds for all of it together: hosts kill what does not end.

use std::pin::Pin;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::time::timeout;

use super::Shared;
use crate::host::Written;
use crate::problem::{Code, Problem};

/// How long requests may still run once the host has closed its side.
const LAST_ANSWERS: Duration = Duration::from_secs(5);
/// The same after a signal.
const LAST_ANSWERS_AFTER_SIGNAL: Duration = Duration::from_millis(200);
/// How long the rest may take in all: after a signal everything is over within 1 s.
const FAREWELL: Duration = Duration::from_millis(900);

/// Why a bridge ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    InputClosed,
    Signal,
    OutputClosed,
}

/// Ends everything. Whoever could still bring something from the host must be gone.
pub(super) async fn end(
    shared: Arc<Shared>,
    written: Written,
    mut end: End,
    signal: Pin<&mut impl Future<Output = &'static str>>,
) {
    if end == End::InputClosed {
        tokio::select! {
            _ = timeout(LAST_ANSWERS, shared.backlog.is_empty()) => {}
            name = signal => {
                tracing::info!("{name}: ending at once");
                end = End::Signal;
            }
            () = shared.output.closed() => end = End::OutputClosed,
        }
    }
    match timeout(FAREWELL, shared.part(end, written)).await {
        Ok(()) => tracing::debug!("everything is said"),
        Err(_) => tracing::debug!("the host or the server did not take its leave in time"),
    }
}

impl Shared {
    async fn part(self: Arc<Self>, end: End, written: Written) {
        match end {
            End::Signal => drop(timeout(LAST_ANSWERS_AFTER_SIGNAL, self.backlog.is_empty()).await),
            End::OutputClosed => tracing::info!("the host no longer listens: ending"),
            End::InputClosed => {}
        }
        let unanswered = self.in_flight.give_up(&Problem::new(
            Code::ShuttingDown,
            "the bridge was told to end before the response came",
            "it is not known whether the request was carried out",
        ));
        let mut tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        tasks.shutdown().await;
        let upstream = self.upstream.clone();
        let last_lines = async move {
            for line in unanswered {
                if self.output.send(line).await.is_err() {
                    return;
                }
            }
            drop(self); // nobody can say anything any more
            written.wait().await;
        };
        tokio::join!(last_lines, upstream.end());
    }
}
