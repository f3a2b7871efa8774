//! The store: a folder of rooms, one for each resource and profile, each with the record, the sign-in under way and the
//! lock. Whoever reads never waits; whoever writes shows the lock. Must never know what a token is good for.
//! `credentials::record` says what is in a record, `credentials::file` how it is replaced.

mod beside;
mod elsewhere;
mod error;
mod forget;
mod memory;
#[cfg(test)]
mod tests;
mod write;

pub use self::error::StoreError;
use self::memory::Memory;
pub use self::write::Reservation;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use aws_lc_rs::digest;
use directories::ProjectDirs;
use url::Url;

use super::backend::Keyring;
use super::file::{self, Durability, at, shown};
use super::lock::{self, Lock};
use super::record::{Record, Unreadable, unix_now};
use super::sign_in::SignIn;
use crate::settings::{CredentialStore, SignInSettings};

/// Room that is kept free beyond twice the present record before a refresh token is spent, in bytes.
const RESERVE: usize = 64 * 1024;

/// A folder of rooms.
#[derive(Clone, Debug)]
pub struct Store {
    root: PathBuf,
    /// Where the person wants secrets; none: where they are, else in files.
    choice: Option<CredentialStore>,
    keyring: Keyring,
}

impl Store {
    /// The store in a folder, which need not exist yet.
    pub fn open(root: impl Into<PathBuf>) -> Store {
        Store { root: root.into(), choice: None, keyring: Keyring::system() }
    }

    /// The room that these settings mean, in the place that they mean (S5).
    #[must_use]
    pub fn room_of(settings: &SignInSettings, resource: &str) -> Room {
        let store = Store { choice: settings.credential_store, ..Store::open(&settings.state_dir) };
        store.room(resource, &settings.profile)
    }

    /// The state folder where none is named: the platform's data folder of this user (S1).
    pub fn default_root() -> Result<PathBuf, StoreError> {
        let dirs = ProjectDirs::from("", "", "mcp-bridge").ok_or(StoreError::NoDefaultRoot)?;
        Ok(dirs.data_local_dir().to_owned())
    }

    /// The state folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The room of a resource (its canonical URL) and a profile.
    #[must_use]
    pub fn room(&self, resource: &str, profile: &str) -> Room {
        let folder = self.resources().join(folder_name(resource, profile));
        Room {
            memory: (self.choice == Some(CredentialStore::Memory)).then(|| Memory::of(&folder)),
            folder,
            root: self.root.clone(),
            resource: resource.to_owned(),
            profile: profile.to_owned(),
            choice: self.choice,
            keyring: self.keyring.clone(),
        }
    }

    /// Every room that has a record, with it, by resource and profile. What cannot be read is left out with a warning.
    pub fn rooms(&self) -> Result<Vec<(Room, Record)>, StoreError> {
        let folder = self.resources();
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(at(&folder)).map_err(StoreError::Folder)?,
        };
        let mut rooms: Vec<_> = entries.flatten().filter_map(|entry| self.listed(&entry.path())).collect();
        rooms.sort_by(|(a, _), (b, _)| (&a.resource, &a.profile).cmp(&(&b.resource, &b.profile)));
        Ok(rooms)
    }

    fn listed(&self, folder: &Path) -> Option<(Room, Record)> {
        let path = folder.join(RECORD);
        let record = match load(&path) {
            Ok(Stored::Record(record)) => record,
            Ok(Stored::Nothing) => return None,
            Ok(Stored::Damaged(why)) => return warn_damaged(&path, &why),
            Err(error) => {
                tracing::warn!("{error}");
                return None;
            }
        };
        let room = self.room(&record.resource, &record.profile);
        if room.folder != folder {
            return warn_damaged(&path, "it belongs to another folder");
        }
        match room.completed(*record) {
            Ok(Stored::Record(record)) => Some((room, *record)),
            Ok(Stored::Nothing) => None,
            Ok(Stored::Damaged(why)) => warn_damaged(&path, &why),
            Err(error) => {
                tracing::warn!("`{}`: {error}", shown(&path));
                None
            }
        }
    }

    fn resources(&self) -> PathBuf {
        self.root.join("resources")
    }
}

const RECORD: &str = "credentials.json";
const SIGN_IN: &str = "sign-in.json";

/// What is kept of one resource and profile.
#[derive(Clone, Debug)]
pub struct Room {
    root: PathBuf,
    folder: PathBuf,
    resource: String,
    profile: String,
    choice: Option<CredentialStore>,
    keyring: Keyring,
    /// It is in this process alone.
    memory: Option<Memory>,
}

/// Changes whenever the record or the sign-in does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp([Option<(Option<SystemTime>, u64, u64)>; 2]);

impl Room {
    /// The folder that it lies in.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The resource's canonical URL.
    #[must_use]
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// The account.
    #[must_use]
    pub fn profile(&self) -> &str {
        &self.profile
    }

    /// Makes sure that the folders exist, are private and can be written.
    pub fn prepare(&self) -> Result<(), StoreError> {
        if self.memory.is_some() {
            return Ok(());
        }
        for folder in [&self.root, &self.root.join("resources"), &self.folder] {
            file::private_folder(folder).map_err(StoreError::Folder)?;
        }
        // Opened for writing, so that a read-only file system is found out before anything is asked of a server.
        file::open_or_create(&self.folder.join(lock::NAME)).map_err(StoreError::Folder).map(drop)
    }

    /// The record; `None`, with a warning, if it is torn, empty or not ours. Never waits, writes nothing.
    pub fn read(&self) -> Result<Option<Record>, StoreError> {
        match self.load()? {
            Stored::Nothing => Ok(None),
            Stored::Record(record) => Ok(Some(*record)),
            Stored::Damaged(why) => Ok(warn_damaged(&self.record_path(), &why)),
        }
    }

    /// Renames a damaged record to `credentials.json.damaged-<Unix seconds>`, with a warning; leaves a good one and one
    /// of a newer version. Whether there was a damaged one.
    pub fn set_aside_damaged(&self, lock: &Lock) -> Result<bool, StoreError> {
        self.check(lock)?;
        if self.memory.is_some() {
            return Ok(false);
        }
        let Stored::Damaged(why) = self.load()? else { return Ok(false) };
        let path = self.record_path();
        let aside = self.folder.join(format!("{RECORD}.damaged-{}", unix_now()));
        file::rename(&path, &aside).map_err(StoreError::Write)?;
        tracing::warn!("`{}` was no record ({why}); it is `{}` now", shown(&path), shown(&aside));
        Ok(true)
    }

    /// The sign-in under way or the last one; `None` also if it is torn or foreign.
    #[must_use]
    pub fn sign_in(&self) -> Option<SignIn> {
        if let Some(memory) = &self.memory {
            return memory.sign_in();
        }
        file::read(&self.folder.join(SIGN_IN)).ok().flatten().and_then(|json| SignIn::from_json(&json))
    }

    /// Tells how a sign-in stands.
    pub fn write_sign_in(&self, lock: &Lock, sign_in: &SignIn) -> Result<(), StoreError> {
        self.check(lock)?;
        if let Some(memory) = &self.memory {
            memory.write_sign_in(sign_in);
            return Ok(());
        }
        let json = sign_in.to_json().map_err(|error| self.write_error(error.into()))?;
        file::replace(&self.folder.join(SIGN_IN), &json, Durability::Kill).map_err(StoreError::Write)
    }

    /// A stamp that changes with the record and the sign-in: who waits compares it and parses nothing.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        if let Some(memory) = &self.memory {
            return Stamp([Some((None, memory.changes(), 0)), None]);
        }
        Stamp([RECORD, SIGN_IN].map(|name| {
            let metadata = fs::symlink_metadata(self.folder.join(name)).ok()?;
            Some((metadata.modified().ok(), metadata.len(), inode(&metadata)))
        }))
    }

    /// Takes the lock; `None` if somebody holds it. Needs [`Room::prepare`].
    #[cfg(test)]
    pub fn try_lock(&self) -> Result<Option<Lock>, StoreError> {
        if let Some(memory) = &self.memory {
            return Ok(memory.lock.try_acquire(&self.folder));
        }
        Lock::try_acquire(&self.folder).map_err(StoreError::Lock)
    }

    /// Takes the lock; `None` if somebody still holds it after `limit`. Needs [`Room::prepare`].
    pub async fn lock_within(&self, limit: Duration) -> Result<Option<Lock>, StoreError> {
        if let Some(memory) = &self.memory {
            return Ok(memory.lock.acquire_within(&self.folder, limit).await);
        }
        Lock::acquire_within(&self.folder, limit).await.map_err(StoreError::Lock)
    }

    /// Whether nobody holds the lock just now: no worker is alive. Where the file system has no locks: always.
    pub fn is_free(&self) -> Result<bool, StoreError> {
        if let Some(memory) = &self.memory {
            return Ok(memory.lock.is_free());
        }
        Lock::is_free(&self.folder).map_err(StoreError::Lock)
    }

    fn load(&self) -> Result<Stored, StoreError> {
        if let Some(memory) = &self.memory {
            return Ok(memory.record().map_or(Stored::Nothing, |record| Stored::Record(Box::new(record))));
        }
        let stored = match load(&self.record_path())? {
            Stored::Record(record) => self.completed(*record)?,
            stored => stored,
        };
        Ok(match stored {
            Stored::Record(record) if record.resource != self.resource || record.profile != self.profile => {
                Stored::Damaged("it belongs to another resource or profile".to_owned())
            }
            stored => stored,
        })
    }

    fn record_path(&self) -> PathBuf {
        self.folder.join(RECORD)
    }

    fn write_error(&self, error: io::Error) -> StoreError {
        StoreError::Write(at(&self.record_path())(error))
    }

    fn check(&self, lock: &Lock) -> Result<(), StoreError> {
        if lock.folder() == self.folder {
            return Ok(());
        }
        Err(StoreError::OtherLock { path: self.folder.clone(), locked: lock.folder().to_owned() })
    }
}

/// What lies in the place of a record.
enum Stored {
    Nothing,
    Damaged(String),
    Record(Box<Record>),
}

fn load(path: &Path) -> Result<Stored, StoreError> {
    let json = match file::read(path) {
        Ok(Some(json)) => json,
        Ok(None) => return Ok(Stored::Nothing),
        Err(error) if error.is_foreign() => return Ok(Stored::Damaged(error.to_string())),
        Err(error) => return Err(StoreError::Read(error)),
    };
    match Record::from_json(&json) {
        Ok(record) => Ok(Stored::Record(Box::new(record))),
        Err(Unreadable::TooNew { version }) => Err(StoreError::TooNew { path: path.to_owned(), found: version }),
        Err(Unreadable::Damaged(why)) => Ok(Stored::Damaged(why)),
    }
}

fn warn_damaged<T>(path: &Path, why: &str) -> Option<T> {
    tracing::warn!("`{}` is no record of ours ({why}); going on as if there were none", shown(path));
    None
}

/// A name that a person recognises and that no two pairs share: `<host>-<16 hex of SHA-256(resource NUL profile)>`.
fn folder_name(resource: &str, profile: &str) -> String {
    let host = Url::parse(resource).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
    let slug: String = host.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(40).collect();
    let hash = digest::digest(&digest::SHA256, format!("{resource}\0{profile}").as_bytes());
    let hash: String = hash.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{hash}", slug.trim_matches('-'))
}

#[cfg(unix)]
fn inode(metadata: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
fn inode(_: &fs::Metadata) -> u64 {
    0
}
