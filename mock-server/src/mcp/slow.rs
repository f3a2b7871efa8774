//! The calls of the tool `slow` that wait, and the signal that lets them go.

use std::time::Duration;

use tokio::sync::watch;

/// How long [`Slow::wait_for`] waits.
const PATIENCE: Duration = Duration::from_secs(20);

/// How many wait, and how often they were let go.
pub(crate) struct Slow {
    waiting: watch::Sender<usize>,
    released: watch::Sender<u64>,
}

impl Slow {
    pub(crate) fn new() -> Self {
        Slow { waiting: watch::Sender::new(0), released: watch::Sender::new(0) }
    }

    /// Waits for the time or until released; says whether it was released.
    pub(crate) async fn wait(&self, time: Duration) -> bool {
        // Subscribed before it is counted: who sees the count may release at once.
        let mut released = self.released.subscribe();
        let _counted = Counted::new(&self.waiting);
        tokio::time::timeout(time, released.changed()).await.is_ok()
    }

    pub(crate) fn release(&self) {
        self.released.send_modify(|times| *times += 1);
    }

    pub(crate) fn waiting(&self) -> usize {
        *self.waiting.borrow()
    }

    /// Waits until exactly so many wait; the error, after 20 s, is how many do.
    pub(crate) async fn wait_for(&self, count: usize) -> Result<(), usize> {
        let mut waiting = self.waiting.subscribe();
        let happened = waiting.wait_for(|waiting| *waiting == count);
        match tokio::time::timeout(PATIENCE, happened).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(self.waiting()),
        }
    }
}

struct Counted<'a>(&'a watch::Sender<usize>);

impl<'a> Counted<'a> {
    fn new(waiting: &'a watch::Sender<usize>) -> Self {
        waiting.send_modify(|count| *count += 1);
        Counted(waiting)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}
