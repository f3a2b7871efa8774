//! Which eras meet here (E0, H11): the host's goes by its messages, the server's is found out once and kept. A legacy host at
//! a modern server has a [`Guise`]. Read next: `by_era`, which sends each request its way.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::Shared;
use super::as_modern::Guise;
use crate::settings::EraChoice;
use crate::translation::era::{Era, Spoken};

/// What is known of both sides.
#[derive(Debug)]
pub(super) struct Eras {
    /// The person said which one the server speaks; nothing is found out then.
    forced: Option<Spoken>,
    /// The host has sent `initialize`: whatever it sends from then on is legacy.
    host_is_legacy: AtomicBool,
    guise: Mutex<Option<Arc<Guise>>>,
    has_guise: AtomicBool,
    /// One finds out, and the others wait for that.
    pub(super) finding_out: tokio::sync::Mutex<()>,
}

impl Eras {
    pub(super) fn new(choice: EraChoice) -> Self {
        Eras {
            forced: match choice {
                EraChoice::Auto => None,
                EraChoice::Legacy => Some(Spoken::only(Era::Legacy)),
                EraChoice::Modern => Some(Spoken::only(Era::Modern)),
            },
            host_is_legacy: AtomicBool::new(false),
            guise: Mutex::default(),
            has_guise: AtomicBool::new(false),
            finding_out: tokio::sync::Mutex::default(),
        }
    }

    pub(super) fn is_forced(&self) -> bool {
        self.forced.is_some()
    }

    /// The host has sent `initialize`.
    pub(super) fn host_is_legacy(&self) {
        self.host_is_legacy.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_host_legacy(&self) -> bool {
        self.host_is_legacy.load(Ordering::Relaxed)
    }

    /// How a legacy host is presented to the server, where that is modern.
    pub(super) fn guise(&self) -> Option<Arc<Guise>> {
        // Asked for every message of the hosts that have none.
        if !self.has_guise.load(Ordering::Acquire) {
            return None;
        }
        self.guise.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Presents the host so from now on, or as it is.
    pub(super) fn present_as(&self, guise: Option<Arc<Guise>>) {
        self.has_guise.store(guise.is_some(), Ordering::Release);
        *self.guise.lock().unwrap_or_else(PoisonError::into_inner) = guise;
    }
}

impl Shared {
    /// What is known of the server.
    pub(super) fn spoken(&self) -> Spoken {
        self.eras.forced.unwrap_or_else(|| self.desk.spoken())
    }

    /// Something more is known of the server.
    pub(super) fn learns(&self, change: impl FnOnce(&mut Spoken)) {
        if !self.eras.is_forced() {
            let mut spoken = self.desk.spoken();
            change(&mut spoken);
            self.desk.learns(spoken);
        }
    }
}
