//! What the host has sent and nobody has dealt with yet, by its weight. It bounds the memory that a host can fill (H10), and
//! tells when nothing is left to be done (H7). What a message is, is not known here.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// How much may wait, in bytes. The message that goes over it is still taken.
const MOST: usize = 16 * 1024 * 1024;
/// What a message weighs besides its bytes.
const EACH: usize = 1024;

/// The weight of all that waits.
#[derive(Debug, Default)]
pub struct Backlog {
    sum: AtomicUsize,
    /// It became empty, or there is room, or there is none: whatever somebody may wait for.
    turned: Notify,
}

/// One message's weight, for as long as this lives.
#[derive(Debug)]
pub struct Load {
    backlog: Arc<Backlog>,
    weight: usize,
}

impl Backlog {
    /// Nothing waits.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Puts the weight of a message of so many bytes on.
    #[must_use]
    pub fn put_on(self: &Arc<Self>, bytes: usize) -> Load {
        let weight = bytes.saturating_add(EACH);
        let before = self.sum.fetch_add(weight, Ordering::AcqRel);
        if before < MOST && before + weight >= MOST {
            self.turned.notify_waiters();
        }
        Load { backlog: self.clone(), weight }
    }

    /// What is to be dealt with as long as anybody lives, and so never to be waited for.
    #[must_use]
    pub fn put_on_nothing(self: &Arc<Self>) -> Load {
        Load { backlog: self.clone(), weight: 0 }
    }

    /// Resolves once there is room for another message.
    pub async fn has_room(&self) {
        self.until(|sum| sum < MOST).await;
    }

    /// Resolves once there is no room.
    pub async fn is_full(&self) {
        self.until(|sum| sum >= MOST).await;
    }

    /// Resolves once nothing waits.
    pub async fn is_empty(&self) {
        self.until(|sum| sum == 0).await;
    }

    async fn until(&self, holds: impl Fn(usize) -> bool) {
        loop {
            let turned = self.turned.notified();
            if holds(self.sum.load(Ordering::Acquire)) {
                return;
            }
            turned.await;
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        let before = self.backlog.sum.fetch_sub(self.weight, Ordering::AcqRel);
        let after = before - self.weight;
        if after == 0 || before >= MOST && after < MOST {
            self.backlog.turned.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn h10_there_is_room_again_once_something_is_dealt_with() {
        let backlog = Backlog::new();
        backlog.has_room().await;
        let (large, small) = (backlog.put_on(MOST), backlog.put_on(1));
        backlog.is_full().await;
        drop(large);
        backlog.has_room().await;
        drop(small);
        backlog.is_empty().await;
    }
}
