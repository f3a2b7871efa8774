//! The host's side: a pair of bounded channels of lines. It knows what a line is and nothing of what stands in it.
//! [`stdio::open`] joins the pair to stdin and stdout; tests and a later local HTTP face make pairs of their own.

pub mod lines;
pub mod output;
#[cfg(unix)]
mod pipe;
pub mod shutdown;
pub mod stdio;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use self::output::Output;

/// What came from the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// One line without its end; never empty.
    Line(Bytes),
    /// A line over the limit was skipped: its length in bytes and its beginning, for the id.
    TooLong {
        /// How many bytes the line had.
        length: u64,
        /// How many are taken.
        limit: usize,
        /// Its first 4 KiB.
        beginning: Bytes,
    },
}

/// The host as the rest of the bridge sees it.
#[derive(Debug)]
pub struct Host {
    /// Ends when the host closes its side.
    pub input: mpsc::Receiver<Input>,
    /// Closed when the host no longer listens.
    pub output: Output,
    /// Whether all of it has gone.
    pub written: Written,
}

/// What shows that every line has gone to the host.
#[derive(Debug)]
pub struct Written {
    all: oneshot::Receiver<()>,
    /// Dropped to tell that nobody waits any longer.
    _waits: oneshot::Sender<()>,
}

impl Written {
    /// Resolves once every line is written, or none can be any more; not before the last [`Host::output`] is gone.
    pub async fn wait(self) {
        // An error says that the writer is gone: the same.
        let _ = self.all.await;
    }
}
