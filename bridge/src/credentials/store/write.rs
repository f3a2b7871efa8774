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

/// Room on the disk for the next record.
#[derive(Debug)]
pub struct Reservation(Replacement);

impl Room {
    /// Has the disk hold room for the next record: to be called before a code or a refresh token is spent (A14).
    pub fn reserve(&self, lock: &Lock) -> Result<Reservation, StoreError> {
        self.check(lock)?;
        let path = self.record_path();
        let present = fs::symlink_metadata(&path).map_or(0, |metadata| metadata.len().min(file::READ_LIMIT));
        let size = RESERVE + 2 * usize::try_from(present).unwrap_or(0);
        Replacement::reserve(&path, size).map(Reservation).map_err(StoreError::Write)
    }

    /// Replaces the record, with the next generation, and returns it as written. It is on the disk when this returns.
    /// A damaged one is set aside; one of a newer version is left alone and is an error.
    pub fn write(&self, lock: &Lock, mut record: Record) -> Result<Record, StoreError> {
        self.set_aside_damaged(lock)?;
        let stored = self.read()?.map_or(0, |stored| stored.generation);
        record.generation = stored.max(record.generation);
        let (record, json) = self.next(record)?;
        let written = Replacement::begin(&self.record_path())
            .and_then(|mut coming| coming.commit(&json, Durability::Power))
            .map(|()| record);
        written.map_err(StoreError::Write)
    }

    /// As [`Room::write`], into room that was reserved under the same lock in which the record was read, and with some
    /// seconds of patience: what led to this record is spent.
    pub async fn write_reserved(&self, lock: &Lock, room: Reservation, record: Record) -> Result<Record, StoreError> {
        self.check(lock)?;
        let (record, json) = self.next(record)?;
        let mut coming = Ok(room.0);
        for pause in TRIES {
            let error = match coming.and_then(|mut coming: Replacement| coming.commit(&json, Durability::Power)) {
                Ok(()) => return Ok(record),
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

    fn next(&self, mut record: Record) -> Result<(Record, zeroize::Zeroizing<Vec<u8>>), StoreError> {
        record.generation += 1;
        record.version = VERSION;
        record.resource.clone_from(&self.resource);
        record.profile.clone_from(&self.profile);
        let json = record.to_json().map_err(|error| self.write_error(error.into()))?;
        Ok((record, json))
    }
}
