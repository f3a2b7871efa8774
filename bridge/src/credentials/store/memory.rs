//! Rooms that are nowhere but in this process: nothing of them reaches a disk, and they end with it. The same types and
//! answers as of a room on the disk, so that nobody else has to know.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};

use crate::credentials::lock::Flag;
use crate::credentials::record::Record;
use crate::credentials::sign_in::SignIn;

/// A room in memory, shared by all who open it.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    held: Arc<Mutex<Held>>,
    /// Its lock, and the right to start a worker.
    pub(super) lock: Flag,
    pub(super) start: Flag,
}

#[derive(Debug, Default)]
struct Held {
    record: Option<Record>,
    sign_in: Option<SignIn>,
    answers: Option<Vec<u8>>,
    accepted: Option<String>,
    changes: u64,
}

impl Memory {
    /// The room that would lie in this folder.
    pub(super) fn of(folder: &Path) -> Memory {
        static ROOMS: LazyLock<Mutex<BTreeMap<PathBuf, Memory>>> = LazyLock::new(Mutex::default);
        let mut rooms = ROOMS.lock().unwrap_or_else(PoisonError::into_inner);
        rooms.entry(folder.to_owned()).or_default().clone()
    }

    pub(super) fn record(&self) -> Option<Record> {
        self.held().record.clone()
    }

    /// Takes over a record, with the next generation.
    pub(super) fn write(&self, mut record: Record) -> Record {
        let mut held = self.held();
        record.generation = record.generation.max(held.record.as_ref().map_or(0, |stored| stored.generation)) + 1;
        held.record = Some(record.clone());
        held.changes += 1;
        record
    }

    pub(super) fn sign_in(&self) -> Option<SignIn> {
        self.held().sign_in.clone()
    }

    pub(super) fn write_sign_in(&self, sign_in: &SignIn) {
        let mut held = self.held();
        held.sign_in = Some(sign_in.clone());
        held.changes += 1;
    }

    /// How often the record or the sign-in has changed.
    pub(super) fn changes(&self) -> u64 {
        self.held().changes
    }

    pub(super) fn answers(&self) -> Option<Vec<u8>> {
        self.held().answers.clone()
    }

    pub(super) fn keep_answers(&self, answers: &[u8]) {
        self.held().answers = Some(answers.to_vec());
    }

    pub(super) fn accepted(&self) -> Option<String> {
        self.held().accepted.clone()
    }

    pub(super) fn note_accepted(&self, fingerprint: &str) {
        self.held().accepted = Some(fingerprint.to_owned());
    }

    /// Leaves `kept` alone, if there is something to keep; whether there was anything.
    pub(super) fn forget(&self, kept: Option<Record>) -> bool {
        let mut held = self.held();
        let was_there = held.record.is_some() || held.sign_in.is_some();
        *held = Held { record: kept, changes: held.changes + 1, ..Held::default() };
        was_there
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
