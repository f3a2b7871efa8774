//! An eye on a child process that is waited for by blocking reads: where it says nothing for [`PATIENCE`], it is killed,
//! and the read ends.

use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};

use crate::PATIENCE;

/// Watches as long as it lives.
#[derive(Debug)]
pub(super) struct Watch {
    state: Arc<State>,
    _alive: Sender<()>,
}

#[derive(Debug, Default)]
struct State {
    waits: AtomicBool,
    /// Something came since the last look.
    heard: AtomicBool,
}

impl Watch {
    /// Begins to watch.
    pub(super) fn over(child: Arc<Mutex<Child>>) -> Self {
        let state = Arc::new(State::default());
        let (alive, ended) = mpsc::channel::<()>();
        let watched = state.clone();
        std::thread::spawn(move || {
            while ended.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                let heard = watched.heard.swap(false, Ordering::Relaxed);
                if watched.waits.load(Ordering::Relaxed) && !heard {
                    // It may have ended by itself.
                    let _ = child.lock().unwrap_or_else(PoisonError::into_inner).kill();
                }
            }
        });
        Watch { state, _alive: alive }
    }

    /// From now on something is expected, or nothing.
    pub(super) fn waits(&self, waits: bool) {
        self.heard();
        self.state.waits.store(waits, Ordering::Relaxed);
    }

    /// Something has come.
    pub(super) fn heard(&self) {
        self.state.heard.store(true, Ordering::Relaxed);
    }
}
