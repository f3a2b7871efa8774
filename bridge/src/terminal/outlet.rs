//! An outlet for lines that nobody waits for: a thread of its own writes them, so that a reader who does not read stops
//! nothing but the lines themselves. What does not fit into the queue is dropped and counted; the order is kept. It must
//! never know what a line says.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Lines in, to a writer that may block.
#[derive(Clone, Debug)]
pub(super) struct Outlet {
    shared: Arc<Shared>,
    capacity: usize,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// Something was queued, or written.
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
    /// How many were dropped since the last that was kept.
    dropped: usize,
    /// Something is with the writer.
    writing: bool,
}

impl Outlet {
    /// Starts the thread. At most `capacity` bytes wait.
    ///
    /// # Errors
    /// Where the system gives no thread.
    pub(super) fn start(to: impl Write + Send + 'static, capacity: usize) -> io::Result<Self> {
        let shared = Arc::<Shared>::default();
        let theirs = shared.clone();
        thread::Builder::new().name("stderr".to_owned()).spawn(move || theirs.write_to(to))?;
        Ok(Outlet { shared, capacity })
    }

    /// Takes one or more whole lines, or drops and counts them as one. Never waits.
    pub(super) fn push(&self, lines: &[u8]) {
        let mut queue = self.shared.lock();
        if queue.bytes + lines.len() > self.capacity {
            queue.dropped += 1;
            return;
        }
        if let Some(notice) = queue.notice() {
            queue.bytes += notice.len();
            queue.lines.push_back(notice);
        }
        queue.bytes += lines.len();
        queue.lines.push_back(lines.to_vec());
        drop(queue);
        self.shared.changed.notify_all();
    }

    /// Waits until everything is written, but no longer than `limit`.
    pub(super) fn flush(&self, limit: Duration) {
        let end = Instant::now() + limit;
        let mut queue = self.shared.lock();
        while queue.writing || !queue.lines.is_empty() || queue.dropped > 0 {
            let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) else { return };
            queue = self.shared.changed.wait_timeout(queue, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Shared {
    /// Writes for as long as the process lives. A writer that is closed takes everything, and keeps nothing.
    fn write_to(&self, mut to: impl Write) {
        loop {
            let line = self.next();
            let _ = to.write_all(&line).and_then(|()| to.flush());
            self.lock().writing = false;
            self.changed.notify_all();
        }
    }

    fn next(&self) -> Vec<u8> {
        let mut queue = self.lock();
        loop {
            if let Some(line) = queue.lines.pop_front() {
                queue.bytes -= line.len();
                queue.writing = true;
                return line;
            }
            if let Some(notice) = queue.notice() {
                queue.writing = true;
                return notice;
            }
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// Says what was dropped, once.
    fn notice(&mut self) -> Option<Vec<u8>> {
        let dropped = std::mem::take(&mut self.dropped);
        (dropped > 0).then(|| format!("mcp-bridge: {dropped} log lines dropped: nobody read them\n").into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    const NOTICE: &str = "mcp-bridge: 2 log lines dropped: nobody read them\n";

    /// A writer that says what it is about to write, and blocks until it may.
    struct Gate {
        reached: mpsc::Sender<Vec<u8>>,
        open: mpsc::Receiver<()>,
    }

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.reached.send(bytes.to_vec()).map_err(io::Error::other)?;
            self.open.recv().map_err(io::Error::other)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn gated(capacity: usize) -> (Outlet, mpsc::Receiver<Vec<u8>>, mpsc::Sender<()>) {
        let (reached, seen) = mpsc::channel();
        let (opener, open) = mpsc::channel();
        (Outlet::start(Gate { reached, open }, capacity).unwrap(), seen, opener)
    }

    fn next(seen: &mpsc::Receiver<Vec<u8>>) -> String {
        String::from_utf8(seen.recv_timeout(Duration::from_secs(20)).unwrap()).unwrap()
    }

    #[test]
    fn who_does_not_read_stops_nobody_and_is_told_what_was_dropped_where_it_was() {
        let (outlet, seen, opener) = gated(4);
        outlet.push(b"1\n");
        assert_eq!(next(&seen), "1\n", "it waits in the writer, not in the queue");
        for line in [b"2\n", b"3\n", b"4\n", b"5\n"] {
            outlet.push(line);
        }
        opener.send(()).unwrap();
        assert_eq!(next(&seen), "2\n");
        outlet.push(b"6\n");
        let mut rest = Vec::new();
        for _ in 0..3 {
            opener.send(()).unwrap();
            rest.push(next(&seen));
        }
        assert_eq!(rest, ["3\n", NOTICE, "6\n"]);
    }

    #[test]
    fn a_flush_ends_when_all_is_written_or_the_limit_is_over() {
        let (outlet, seen, opener) = gated(100);
        outlet.push(b"1\n");
        outlet.push(b"2\n");
        outlet.flush(Duration::from_millis(1));
        assert_eq!(next(&seen), "1\n");
        opener.send(()).unwrap();
        opener.send(()).unwrap();
        outlet.flush(Duration::from_secs(20));
        assert_eq!(next(&seen), "2\n");
    }

    #[test]
    fn a_closed_writer_is_no_reason_to_stop() {
        let (outlet, seen, opener) = gated(100);
        drop((seen, opener));
        outlet.push(b"1\n");
        outlet.push(b"2\n");
        outlet.flush(Duration::from_secs(20));
    }
}
