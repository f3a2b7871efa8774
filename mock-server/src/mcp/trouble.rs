//! How often the faults that happen a number of times have happened, and the signal that ends every open stream.
//! Whether a fault is on at all is the state's to say.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

use crate::faults::Fault;
use crate::state::{ServerState, lock};

/// What the faults of the moment have done, and what is done to streams.
#[derive(Default)]
pub(crate) struct Trouble {
    happened: Mutex<HashMap<Fault, u64>>,
    streams_ended: watch::Sender<u64>,
    streams: AtomicU64,
}

impl Trouble {
    /// Every fault counts from zero again.
    pub(crate) fn forget(&self) {
        lock(&self.happened).clear();
    }

    /// Ends every stream that is open now.
    pub(crate) fn end_streams(&self) {
        self.streams_ended.send_modify(|times| *times += 1);
    }

    /// Returns when all streams are to end.
    pub(crate) fn streams_end(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut ended = self.streams_ended.subscribe();
        async move {
            // A server that is gone ends its streams too.
            let _ = ended.changed().await;
        }
    }

    /// A number that no other stream of this server has, from 1.
    pub(crate) fn next_stream(&self) -> u64 {
        self.streams.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// Whether a fault happens now: it is on, and has not happened yet as often as its number says.
pub(crate) fn happens(state: &ServerState, fault: Fault) -> bool {
    let Some(number) = state.fault_number(fault) else { return false };
    let mut happened = lock(&state.trouble.happened);
    let times = happened.entry(fault).or_default();
    *times += 1;
    *times <= number
}
