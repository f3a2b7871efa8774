//! The record, written: whole or not at all. What a server has given for something that is spent is not given up at the
//! first error.

use std::fs;
use std::time::Duration;

use tokio::time::sleep;

use super::{RESERVE, Room, StoreError};
use crate::credentials::file::{self, Durability, FileError, Replacement};
use crate::credentials::lock::Lock;
use crate::credentials::record::{Record, VERSION};

/// How long to wait before each further try, in milliseconds, once a refresh token is spent: a disk that has trouble for a
/// moment must not cost the sign-in.
const TRIES: [u64; 6] = [20, 100, 300, 1000, 2000, 4000];

/// What goes into the file.
type Json = zeroize::Zeroizing<Vec<u8>>;

/// Room on the disk for the next record.
#[derive(Debug)]
pub struct Reservation(Option<Replacement>);

impl Room {
    /// Has the disk hold room for the next record: to be called before a code or a refresh token is spent (A14).
    pub fn reserve(&self, lock: &Lock) -> Result<Reservation, StoreError> {
        self.check(lock)?;
        if self.memory.is_some() {
            return Ok(Reservation(None));
        }
        self.check_keyring(self.public()?.is_some_and(|public| public.kept_in.is_some()))?;
        let path = self.record_path();
        let present = fs::symlink_metadata(&path).map_or(0, |metadata| metadata.len().min(file::READ_LIMIT));
        let size = RESERVE + 2 * usize::try_from(present).unwrap_or(0);
        Replacement::reserve(&path, size).map(Some).map(Reservation).map_err(StoreError::Write)
    }

    /// Replaces the record, with the next generation, and returns it as written. It is on the disk when this returns.
    /// A damaged one is set aside; one of a newer version is left alone and is an error.
    pub fn write(&self, lock: &Lock, mut record: Record) -> Result<Record, StoreError> {
        self.set_aside_damaged(lock)?;
        if let Some(memory) = &self.memory {
            return Ok(memory.write(record));
        }
        let stored = self.read()?;
        let was_elsewhere = stored.as_ref().is_some_and(|stored| stored.kept_in.is_some());
        record.generation = record.generation.max(stored.map_or(0, |stored| stored.generation));
        let (record, json) = self.next(record, self.goes_elsewhere(was_elsewhere))?;
        Replacement::begin(&self.record_path())
            .and_then(|mut coming| coming.commit(&json, Durability::Power))
            .map_err(StoreError::Write)?;
        self.left(was_elsewhere, &record);
        Ok(record)
    }

    /// As [`Room::write`], into room that was reserved under the same lock in which the record was read, and with some
    /// seconds of patience: what led to this record is spent.
    pub async fn write_reserved(&self, lock: &Lock, room: Reservation, record: Record) -> Result<Record, StoreError> {
        self.check(lock)?;
        if let Some(memory) = &self.memory {
            return Ok(memory.write(record));
        }
        let was_elsewhere = record.kept_in.is_some();
        let (record, json) = self.next_with_patience(record, self.goes_elsewhere(was_elsewhere)).await?;
        let mut coming = room.0.map_or_else(|| Replacement::begin(&self.record_path()), Ok);
        for pause in TRIES {
            let error = match coming.and_then(|mut coming: Replacement| coming.commit(&json, Durability::Power)) {
                Ok(()) => {
                    self.left(was_elsewhere, &record);
                    return Ok(record);
                }
                Err(error) => error,
            };
            tracing::warn!("{error}: trying again");
            sleep(Duration::from_millis(pause)).await;
            coming = Replacement::begin(&self.record_path());
        }
        // A disk that cannot sync may still hold it until the power fails.
        let last: Result<(), FileError> = coming.and_then(|mut coming| coming.commit(&json, Durability::Kill));
        last.map(|()| record).map_err(StoreError::Lost)
    }

    /// As [`Room::next`], while a keyring has trouble for a moment.
    async fn next_with_patience(&self, record: Record, is_elsewhere: bool) -> Result<(Record, Json), StoreError> {
        for pause in TRIES {
            match self.next(record.clone(), is_elsewhere) {
                Err(StoreError::KeyringWrite(error)) => tracing::warn!("{error}: trying again"),
                next => return next,
            }
            sleep(Duration::from_millis(pause)).await;
        }
        self.next(record, is_elsewhere).map_err(|error| match error {
            StoreError::KeyringWrite(error) => StoreError::KeyringLost(error),
            error => error,
        })
    }

    /// A record that is no longer in the keyring leaves nothing there.
    fn left(&self, was_elsewhere: bool, record: &Record) {
        if was_elsewhere && record.kept_in.is_none() {
            match self.remove_entry() {
                Ok(()) => tracing::info!("the sign-in is in a file now, and no longer in the keyring"),
                Err(error) => tracing::warn!("{error}: the sign-in that is in a file now is still there too"),
            }
        }
    }

    /// The next record and what goes into the file; its secrets are in the keyring by then, if they are to be there.
    fn next(&self, mut record: Record, is_elsewhere: bool) -> Result<(Record, Json), StoreError> {
        record.generation += 1;
        record.version = VERSION;
        record.resource.clone_from(&self.resource);
        record.profile.clone_from(&self.profile);
        if is_elsewhere {
            let json = self.put_away(&mut record)?;
            return Ok((record, json));
        }
        record.kept_in = None;
        let json = record.to_json().map_err(|error| self.write_error(error.into()))?;
        Ok((record, json))
    }
}
