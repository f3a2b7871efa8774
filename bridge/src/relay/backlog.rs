//! What the host has sent and nobody has dealt with yet, by its weight. It bounds the memory that a host can fill (H10), and
//! tells when nothing is left to be done (H7). What a message is, is not known here.

use std::sync::Arc;

use tokio::sync::watch;

/// How much may wait, in bytes. The message that goes over it is still taken.
const MOST: usize = 16 * 1024 * 1024;
/// What a message weighs besides its bytes.
const EACH: usize = 1024;

/// The weight of all that waits.
#[derive(Debug)]
pub struct Backlog(watch::Sender<usize>);

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
        Arc::new(Backlog(watch::Sender::new(0)))
    }

    /// Puts the weight of a message of so many bytes on.
    #[must_use]
    pub fn put_on(self: &Arc<Self>, bytes: usize) -> Load {
        let weight = bytes.saturating_add(EACH);
        self.0.send_modify(|sum| *sum = sum.saturating_add(weight));
        Load { backlog: self.clone(), weight }
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
        // The sender lives as long as `self`.
        let _ = self.0.subscribe().wait_for(|sum| holds(*sum)).await;
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.backlog.0.send_modify(|sum| *sum = sum.saturating_sub(self.weight));
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
