//! A connection that can end badly on purpose: cut within a head, reset instead of closed, dead when it is used again.
//! What is to become of it comes as [`Fate`] with a response; `mcp/outages.rs` decides that, `port.rs` serves on it.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::state::lock;

/// What becomes of the connection that a response is sent on; among the response's extensions.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fate {
    /// It is reset, not closed, when it ends: a body that fails becomes a TCP reset.
    Reset,
    /// Only so many bytes of the head are sent, then it is reset.
    CutHead(usize),
    /// It is closed, without a word of it in the head, when it was idle for so long.
    IdleClose(Duration),
    /// It is reset when another request arrives, of which not a byte is read.
    DeadOnReuse,
}

/// What a served connection and its socket agree on.
pub(crate) struct Control {
    reset: AtomicBool,
    dead_on_reuse: AtomicBool,
    /// How many bytes may still be written.
    budget: AtomicUsize,
    idle: Mutex<Option<Duration>>,
    answered: Notify,
}

impl Control {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Control {
            reset: AtomicBool::new(false),
            dead_on_reuse: AtomicBool::new(false),
            budget: AtomicUsize::new(usize::MAX),
            idle: Mutex::new(None),
            answered: Notify::new(),
        })
    }

    /// Notes the fate that a response brings, just before its head is written. A connection of HTTP/2 carries other
    /// exchanges too: there only the end of an idle one has a meaning, what is torn is the stream.
    pub(crate) fn decide(&self, fate: Fate, http2: bool) {
        match fate {
            Fate::Reset | Fate::CutHead(_) | Fate::DeadOnReuse if http2 => {}
            Fate::Reset => self.reset.store(true, Ordering::Relaxed),
            Fate::CutHead(bytes) => self.budget.store(bytes, Ordering::Relaxed),
            Fate::DeadOnReuse => self.dead_on_reuse.store(true, Ordering::Relaxed),
            Fate::IdleClose(time) => {
                *lock(&self.idle) = Some(time);
                self.answered.notify_one();
            }
        }
    }

    /// Returns when the connection is to be closed because it was idle; a response that still runs ends first.
    pub(crate) async fn idle_for_too_long(&self) {
        self.answered.notified().await;
        loop {
            let time = lock(&self.idle).unwrap_or_default();
            if tokio::time::timeout(time, self.answered.notified()).await.is_err() {
                return;
            }
        }
    }
}

/// The socket under a served connection.
pub(crate) struct Wire {
    stream: TcpStream,
    control: Arc<Control>,
}

impl Wire {
    pub(crate) fn new(stream: TcpStream, control: Arc<Control>) -> Self {
        Wire { stream, control }
    }

    fn broken(&self) -> io::Error {
        self.control.reset.store(true, Ordering::Relaxed);
        ErrorKind::ConnectionReset.into()
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.control.reset.load(Ordering::Relaxed) {
            // Without it the client sees an ordinary end, which is nearly as bad.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.control.dead_on_reuse.load(Ordering::Relaxed) {
            let mut byte = [0];
            let peeked = ready!(self.stream.poll_peek(context, &mut ReadBuf::new(&mut byte)))?;
            if peeked > 0 {
                return Poll::Ready(Err(self.broken()));
            }
        }
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let budget = self.control.budget.load(Ordering::Relaxed);
        if budget == 0 {
            return Poll::Ready(Err(self.broken()));
        }
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, &bytes[..bytes.len().min(budget)]))?;
        if budget != usize::MAX {
            self.control.budget.store(budget - written, Ordering::Relaxed);
        }
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.control.reset.load(Ordering::Relaxed) {
            // A polite end would come before the reset.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
