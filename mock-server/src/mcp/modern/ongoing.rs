//! The requests that run without a session, by id, and those whose client closed the response before it was there, which is
//! how this era cancels (MCP 2026-07-28, cancellation). It knows no method.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;

/// How long [`OngoingCalls::wait_for_cancelled`] waits.
const PATIENCE: Duration = Duration::from_secs(20);

/// Ids as they were spelled, in order.
#[derive(Clone, Default)]
struct Ids {
    running: Vec<String>,
    cancelled: Vec<String>,
}

/// All of them.
#[derive(Default)]
pub(crate) struct OngoingCalls(watch::Sender<Ids>);

impl OngoingCalls {
    /// Notes that a request runs, until what is returned is dropped.
    pub(crate) fn begin(self: &Arc<Self>, id: &str) -> Ongoing {
        self.0.send_modify(|ids| ids.running.push(id.to_owned()));
        Ongoing { calls: self.clone(), id: id.to_owned(), finished: AtomicBool::new(false) }
    }

    pub(crate) fn running(&self) -> Vec<String> {
        self.0.borrow().running.clone()
    }

    pub(crate) fn cancelled(&self) -> Vec<String> {
        self.0.borrow().cancelled.clone()
    }

    /// Waits until so many were cancelled; the error, after 20 s, is how many were.
    pub(crate) async fn wait_for_cancelled(&self, count: usize) -> Result<(), usize> {
        let mut ids = self.0.subscribe();
        let happened = ids.wait_for(|ids| ids.cancelled.len() >= count);
        match tokio::time::timeout(PATIENCE, happened).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(self.cancelled().len()),
        }
    }
}

/// A request that runs; dropped before it is finished it was cancelled.
pub(crate) struct Ongoing {
    calls: Arc<OngoingCalls>,
    id: String,
    finished: AtomicBool,
}

impl Ongoing {
    /// Its answer is there.
    pub(crate) fn finish(&self) {
        self.finished.store(true, Ordering::Relaxed);
    }
}

impl Drop for Ongoing {
    fn drop(&mut self) {
        let finished = self.finished.load(Ordering::Relaxed);
        self.calls.0.send_modify(|ids| {
            if let Some(place) = ids.running.iter().position(|id| *id == self.id) {
                ids.running.remove(place);
            }
            if !finished {
                ids.cancelled.push(self.id.clone());
            }
        });
    }
}
