//! The end of what a room holds: a person signed out. Must never leave a token behind, in whatever file it was set aside.

use std::fs;
use std::io;

use super::super::file;
use super::{RECORD, Room, StoreError, Stored, at};
use crate::credentials::lock::{self, Lock};
use crate::credentials::record::Record;
use crate::settings::CredentialStore;

impl Room {
    /// Removes every file of the room but the lock, and leaves `kept` as the record, if there is something to keep. The
    /// tokens are gone first; whether there was any file.
    ///
    /// # Errors
    /// [`StoreError::Write`] for what could not be removed; [`StoreError::TooNew`], and nothing is touched.
    pub fn forget(&self, lock: &Lock, kept: Option<Record>) -> Result<bool, StoreError> {
        self.check(lock)?;
        if let Some(memory) = &self.memory {
            return Ok(memory.forget(kept));
        }
        let is_elsewhere = match super::load(&self.record_path())? {
            Stored::Nothing => false,
            Stored::Record(public) => public.kept_in.is_some(),
            Stored::Damaged(_) => {
                // What it was cannot be told any more: an entry may be there, or no keyring at all.
                let _ = self.remove_entry().inspect_err(|error| tracing::debug!("{error}"));
                false
            }
        };
        let names = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            entries => entries.map_err(at(&self.folder)).map_err(StoreError::Folder)?,
        };
        let is_kept = kept.is_some();
        let files = names.flatten().filter(|entry| !entry.file_type().is_ok_and(|kind| kind.is_dir()));
        let mut paths: Vec<_> = files.map(|entry| entry.path()).collect();
        paths.retain(|path| path.file_name().is_some_and(|name| name != lock::NAME));
        let was_there = !paths.is_empty();
        if let Some(record) = kept {
            self.write(lock, record)?;
        }
        paths.retain(|path| !(is_kept && path.file_name().is_some_and(|name| name == RECORD)));
        if !is_kept && (is_elsewhere || self.choice == Some(CredentialStore::Keyring)) {
            self.remove_entry().map_err(StoreError::KeyringWrite)?;
        }
        // The record first: should the rest fail, the tokens are gone.
        paths.sort_by_key(|path| path.file_name().is_none_or(|name| name != RECORD));
        for path in paths {
            file::remove(&path).map_err(StoreError::Write)?;
        }
        if self.recall().is_some() || self.accepted().is_some() {
            self.forget_answers()?;
        }
        Ok(was_there)
    }
}
