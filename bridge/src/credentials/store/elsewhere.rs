//! A record whose secrets are in the system's keyring: the entry there is the whole record, written first, and the file holds
//! what is no secret with the entry's fingerprint. A write that was torn between the two is noticed and nothing is lost: the
//! entry is the newer. What goes into the file is named here one by one, so nothing secret can slip in.

use zeroize::Zeroizing;

use super::{Room, StoreError, Stored};
use crate::credentials::backend::{KeyringError, fingerprint};
use crate::credentials::record::{Elsewhere, IssuerRecord, OtherStore, Record, Unreadable};
use crate::settings::CredentialStore;

impl Room {
    /// The record, as [`Room::read`]. Where its secrets are in the keyring, and not at hand, a thread of its own asks for them:
    /// a keyring that is locked waits for a person, and nothing else may wait with it.
    ///
    /// # Errors
    /// As [`Room::read`].
    pub async fn read_aside(&self) -> Result<Option<Record>, StoreError> {
        let kept_in = self.public().ok().flatten().and_then(|public| public.kept_in);
        if kept_in.is_none_or(|kept_in| self.keyring.has(&self.entry(), &kept_in.fingerprint)) {
            return self.read();
        }
        let room = self.clone();
        // Not joined only at the end of everything.
        tokio::task::spawn_blocking(move || room.read()).await.unwrap_or(Ok(None))
    }

    /// The record as it is in the file, if it is one.
    pub(super) fn public(&self) -> Result<Option<Record>, StoreError> {
        Ok(match super::load(&self.record_path())? {
            Stored::Record(record) => Some(*record),
            Stored::Nothing | Stored::Damaged(_) => None,
        })
    }

    /// The whole record that belongs to the part in a file.
    pub(super) fn completed(&self, public: Record) -> Result<Stored, StoreError> {
        let Some(kept_in) = public.kept_in.clone() else { return Ok(Stored::Record(Box::new(public))) };
        let found = self.keyring.get(&self.entry(), &kept_in.fingerprint).map_err(StoreError::KeyringRead)?;
        let Some(bytes) = found else { return Ok(Stored::Damaged("the keyring has no entry for it".to_owned())) };
        let mut whole = match Record::from_json(&bytes) {
            Ok(whole) => whole,
            Err(Unreadable::TooNew { version }) => {
                return Err(StoreError::TooNew { path: self.record_path(), found: version });
            }
            Err(Unreadable::Damaged(why)) => return Ok(Stored::Damaged(format!("its entry in the keyring is {why}"))),
        };
        let fingerprint = fingerprint(&bytes);
        if fingerprint != kept_in.fingerprint {
            if whole.generation <= public.generation {
                return Ok(Stored::Damaged("its entry in the keyring is of another time".to_owned()));
            }
            tracing::info!("the last write to `{}` was torn: the keyring has what was written", self.folder.display());
        }
        for (issuer, stored) in &mut whole.issuers {
            stored.discovery = public.issuers.get(issuer).and_then(|public| public.discovery.clone());
        }
        whole.kept_in = Some(Elsewhere { store: OtherStore::Keyring, fingerprint });
        Ok(Stored::Record(Box::new(whole)))
    }

    /// Whether the next record goes into the keyring, given where the present one is.
    pub(super) fn goes_elsewhere(&self, is_elsewhere: bool) -> bool {
        match self.choice {
            None => is_elsewhere,
            Some(CredentialStore::File | CredentialStore::Memory) => false,
            Some(CredentialStore::Keyring) => true,
            Some(CredentialStore::Auto) if is_elsewhere => true,
            Some(CredentialStore::Auto) => match self.keyring.check(&self.entry()) {
                Ok(()) => true,
                Err(error) => {
                    tracing::warn!("{error}: the sign-in goes into a file, readable by you alone");
                    false
                }
            },
        }
    }

    /// Writes the whole record to the keyring, and gives what goes into the file.
    pub(super) fn put_away(&self, record: &mut Record) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        let mut whole = record.clone();
        whole.kept_in = None;
        // Found again in the file: an entry of some systems has room for little.
        whole.issuers.values_mut().for_each(|issuer| issuer.discovery = None);
        let json = whole.to_line().map_err(|error| self.write_error(error.into()))?;
        let fingerprint = self.keyring.set(&self.entry(), json).map_err(StoreError::KeyringWrite)?;
        record.kept_in = Some(Elsewhere { store: OtherStore::Keyring, fingerprint });
        public_part(record).to_json().map_err(|error| self.write_error(error.into()))
    }

    /// Says before something is spent whether the keyring is there for what comes of it.
    pub(super) fn check_keyring(&self, is_elsewhere: bool) -> Result<(), StoreError> {
        match self.choice {
            Some(CredentialStore::Keyring) => self.keyring.check(&self.entry()).map_err(StoreError::KeyringWrite),
            _ if is_elsewhere => self.keyring.check(&self.entry()).map_err(StoreError::KeyringWrite),
            _ => Ok(()),
        }
    }

    /// Removes the entry.
    pub(super) fn remove_entry(&self) -> Result<(), KeyringError> {
        self.keyring.delete(&self.entry())
    }

    /// The entry's name: the folder's, and that of the state folder as a hash, for there may be several.
    fn entry(&self) -> String {
        let name = self.folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        format!("{name}-{}", fingerprint(self.root.as_os_str().as_encoded_bytes()))
    }
}

/// What of a record is no secret: whose it is, and what servers publish.
fn public_part(record: &Record) -> Record {
    let mut public = Record::new(&record.resource, &record.profile);
    public.generation = record.generation;
    public.issuer.clone_from(&record.issuer);
    public.kept_in.clone_from(&record.kept_in);
    for (issuer, stored) in &record.issuers {
        let discovery = stored.discovery.clone();
        public.issuers.insert(issuer.clone(), IssuerRecord { discovery, ..IssuerRecord::default() });
    }
    public
}

#[cfg(test)]
mod tests;
