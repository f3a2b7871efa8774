//! What lies on the disk, seen from outside: the one record, its refresh token, the files beside it, and whether a worker
//! holds the lock.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

/// What belongs into a room.
const KNOWN: [&str; 5] = ["credentials.json", "sign-in.json", "lock", "answers", "start"];
/// What belongs into its folders: of last known answers, and of the right to start a worker.
const KNOWN_INSIDE: [&str; 3] = ["last.json", "lock", "accepted"];

/// The folder of the one resource that a run signs in to.
#[derive(Clone, Debug)]
pub struct Room {
    folder: PathBuf,
}

/// What is wrong with a room.
#[derive(Debug, thiserror::Error)]
pub enum Untidy {
    /// The record cannot be read.
    #[error("the record cannot be read: {0}")]
    Unreadable(#[from] std::io::Error),
    /// It is torn.
    #[error("the record is torn: {0}")]
    Torn(#[from] serde_json::Error),
}

impl Room {
    /// The only room in a state folder, if there is one.
    ///
    /// # Panics
    /// Where there are several.
    #[must_use]
    pub fn only(state: &Path) -> Option<Room> {
        let mut folders: Vec<PathBuf> =
            fs::read_dir(state.join("resources")).ok()?.flatten().map(|e| e.path()).collect();
        assert!(folders.len() <= 1, "several rooms: {folders:?}");
        folders.pop().map(|folder| Room { folder })
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The bytes of the record; `None` if there is none.
    #[must_use]
    pub fn bytes(&self) -> Option<Vec<u8>> {
        fs::read(self.record_path()).ok()
    }

    /// Where the record is.
    #[must_use]
    pub fn record_path(&self) -> PathBuf {
        self.folder.join(KNOWN[0])
    }

    /// The record; `None` if there is none.
    ///
    /// # Errors
    /// Where it is torn or cannot be read.
    pub fn record(&self) -> Result<Option<Record>, Untidy> {
        match fs::read(self.record_path()) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            bytes => Ok(Some(Record(serde_json::from_slice(&bytes?)?))),
        }
    }

    /// Replaces the record from outside.
    ///
    /// # Panics
    /// Where the disk does not take it.
    pub fn put(&self, bytes: &[u8]) {
        fs::write(self.record_path(), bytes).expect("the record is written");
    }

    /// Lets the stored token look as if it came so many seconds ago and ended in so many.
    ///
    /// # Panics
    /// Where there is no token.
    pub fn age(&self, came: i64, ends: i64) {
        let now = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |elapsed| elapsed.as_secs()).cast_signed();
        let Record(mut record) = self.record().expect("a record").expect("a record");
        let issuer = record["issuer"].as_str().expect("an issuer").to_owned();
        let tokens = &mut record["issuers"][&issuer]["tokens"];
        assert!(tokens.is_object(), "tokens are there");
        tokens["obtained_at"] = (now - came).into();
        tokens["expires_at"] = (now + ends).into();
        self.put(record.to_string().as_bytes());
    }

    /// The files that do not belong here: what a kill left.
    #[must_use]
    pub fn leftovers(&self) -> Vec<String> {
        let mut leftovers = others(&self.folder, &KNOWN);
        for folder in &KNOWN[3..] {
            leftovers.extend(others(&self.folder.join(folder), &KNOWN_INSIDE));
        }
        leftovers
    }

    /// The files besides the record that are no whole JSON.
    #[must_use]
    pub fn torn(&self) -> Vec<PathBuf> {
        let mut files = vec![self.folder.join(KNOWN[1]), self.folder.join(KNOWN[3]).join(KNOWN_INSIDE[0])];
        files.retain(|file| fs::read(file).is_ok_and(|bytes| serde_json::from_slice::<Value>(&bytes).is_err()));
        files
    }

    /// Whether no worker is alive: nobody holds the lock.
    #[must_use]
    pub fn is_free(&self) -> bool {
        let Ok(file) = File::open(self.folder.join("lock")) else { return true };
        !matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
    }

    /// The process that wrote last how far it is.
    #[must_use]
    pub fn worker(&self) -> Option<u32> {
        let sign_in: Value = serde_json::from_slice(&fs::read(self.folder.join(KNOWN[1])).ok()?).ok()?;
        sign_in["pid"].as_u64().and_then(|pid| pid.try_into().ok())
    }

    /// Waits until no worker is alive; false if one still is after `limit`.
    pub async fn free_within(&self, limit: Duration) -> bool {
        let began = Instant::now();
        while !self.is_free() {
            if began.elapsed() >= limit {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        true
    }
}

/// What lies in a folder besides what is known.
fn others(folder: &Path, known: &[&str]) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| !known.contains(&name.as_str())).collect()
}

/// A record that parses.
#[derive(Clone, Debug, PartialEq)]
pub struct Record(Value);

impl Record {
    fn tokens(&self) -> Option<&Value> {
        self.0["issuers"].get(self.0["issuer"].as_str()?)?.get("tokens")
    }

    /// The stored refresh token.
    #[must_use]
    pub fn refresh_token(&self) -> Option<&str> {
        self.tokens()?["refresh_token"].as_str()
    }

    /// Whether it has an access token.
    #[must_use]
    pub fn has_token(&self) -> bool {
        self.tokens().is_some_and(|tokens| tokens["access_token"].is_string())
    }

    /// How often it was written.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.0["generation"].as_u64().unwrap_or_default()
    }

    /// How many refresh tokens were given up.
    #[must_use]
    pub fn set_aside(&self) -> usize {
        let issuer = self.0["issuer"].as_str().unwrap_or_default();
        self.0["issuers"][issuer]["set_aside"].as_array().map_or(0, Vec::len)
    }
}
