//! The lines that wait until the host reads them, bounded by their bytes: where it does not read, nobody reads the server
//! for it (H10). What stands in a line is not known here.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{Semaphore, SemaphorePermit, mpsc};

use super::lines::Sheaf;

/// How much may wait, in bytes. A longer line waits alone.
const MOST: u32 = 16 * 1024 * 1024;
/// What a line weighs besides its bytes.
const EACH: usize = 256;

/// The way to the host: one whole line each, without its end.
#[derive(Clone, Debug)]
pub struct Output {
    lines: mpsc::UnboundedSender<Bytes>,
    room: Arc<Semaphore>,
}

/// Nobody listens any more.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the host no longer listens")]
pub struct Gone;

/// The other end: whoever writes the lines. Once it is gone, the host no longer listens.
#[derive(Debug)]
pub struct Lines {
    lines: mpsc::UnboundedReceiver<Bytes>,
    room: Arc<Semaphore>,
    /// The weight of what is being written.
    taken: usize,
}

/// Room for one line, taken before it may be sent.
#[derive(Debug)]
pub struct Place<'a> {
    output: &'a Output,
    weight: SemaphorePermit<'a>,
}

/// A way to the host and its other end.
#[must_use]
pub fn channel() -> (Output, Lines) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let room = Arc::new(Semaphore::new(MOST as usize));
    (Output { lines: sender, room: room.clone() }, Lines { lines: receiver, room, taken: 0 })
}

impl Output {
    /// Sends a line once there is room for it.
    ///
    /// # Errors
    /// [`Gone`].
    pub async fn send(&self, line: Bytes) -> Result<(), Gone> {
        self.place(line.len()).await?.send(line);
        Ok(())
    }

    /// Room for a line of so many bytes.
    ///
    /// # Errors
    /// [`Gone`].
    pub async fn place(&self, length: usize) -> Result<Place<'_>, Gone> {
        let weight = self.room.acquire_many(weight(length)).await.map_err(|_| Gone)?;
        Ok(Place { output: self, weight })
    }

    /// Sends a line from where nobody can wait: at once, or as soon as there is room.
    pub fn send_soon(&self, line: Bytes) {
        if let Ok(weight) = self.room.try_acquire_many(weight(line.len())) {
            return Place { output: self, weight }.send(line);
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let output = self.clone();
            runtime.spawn(async move { drop(output.send(line).await) });
        }
    }

    /// Returns once something more may come from the server.
    pub async fn has_room(&self) {
        if self.room.available_permits() == 0 {
            drop(self.room.acquire().await);
        }
    }

    /// Resolves once nobody listens any more.
    pub async fn closed(&self) {
        self.lines.closed().await;
    }
}

impl Place<'_> {
    /// Sends the line.
    pub fn send(self, line: Bytes) {
        // Given back by whoever writes the line.
        self.weight.forget();
        let _ = self.output.lines.send(line);
    }
}

impl Lines {
    /// Waits for a line and adds it and what else is ready to the sheaf; false once no more can come.
    pub async fn fill(&mut self, sheaf: &mut Sheaf) -> bool {
        let Some(line) = self.lines.recv().await else { return false };
        self.add(line, sheaf);
        self.add_ready(sheaf);
        true
    }

    /// Lets whoever is about to bring more do so first, as long as it does: many lines in one write cost little more than
    /// one. Nobody is waited for.
    pub async fn gather(&mut self, sheaf: &mut Sheaf) {
        while !sheaf.is_full() {
            tokio::task::yield_now().await;
            if !self.add_ready(sheaf) {
                return;
            }
        }
    }

    /// Adds what is there; whether anything was.
    fn add_ready(&mut self, sheaf: &mut Sheaf) -> bool {
        let before = self.taken;
        while !sheaf.is_full()
            && let Ok(line) = self.lines.try_recv()
        {
            self.add(line, sheaf);
        }
        self.taken > before
    }

    /// All that was taken has gone: there is room for more.
    pub fn all_written(&mut self) {
        self.room.add_permits(std::mem::take(&mut self.taken));
    }

    fn add(&mut self, line: Bytes, sheaf: &mut Sheaf) {
        self.taken += weight(line.len()) as usize;
        sheaf.add(line);
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        self.room.close();
    }
}

fn weight(length: usize) -> u32 {
    u32::try_from(length.saturating_add(EACH)).unwrap_or(MOST).min(MOST)
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::*;

    /// What is written, without its line end.
    async fn next(lines: &mut Lines) -> Vec<u8> {
        let mut sheaf = Sheaf::default();
        assert!(lines.fill(&mut sheaf).await);
        let mut written: Vec<u8> = sheaf.parts().iter().flat_map(|part| part.to_vec()).collect();
        written.pop();
        written
    }

    #[tokio::test]
    async fn h10_a_host_that_does_not_read_is_sent_no_more_until_it_does() {
        let (output, mut lines) = channel();
        output.send(Bytes::from(vec![b'x'; MOST as usize])).await.unwrap();
        let mut second = pin!(output.send(Bytes::from_static(b"second")));
        let mut room = pin!(output.has_room());
        let mut context = Context::from_waker(Waker::noop());
        assert!(second.as_mut().poll(&mut context).is_pending() && room.as_mut().poll(&mut context).is_pending());
        assert_eq!(next(&mut lines).await.len(), MOST as usize);
        assert!(second.as_mut().poll(&mut context).is_pending());
        lines.all_written();
        assert!(second.as_mut().poll(&mut context).is_ready() && room.as_mut().poll(&mut context).is_ready());
        assert_eq!(next(&mut lines).await, b"second");
    }

    #[tokio::test]
    async fn h10_a_line_that_is_longer_than_all_that_may_wait_goes_alone() {
        let (output, mut lines) = channel();
        output.send(Bytes::from(vec![b'x'; 2 * MOST as usize])).await.unwrap();
        next(&mut lines).await;
        lines.all_written();
        output.has_room().await;
    }

    #[tokio::test]
    async fn a_host_that_is_gone_is_told_nothing() {
        let (output, lines) = channel();
        drop(lines);
        assert_eq!(output.send(Bytes::new()).await, Err(Gone));
        output.closed().await;
        output.send_soon(Bytes::new());
    }
}
