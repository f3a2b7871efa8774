//! Why the store could not be used, and what a person can do about it.

use std::io;
use std::path::PathBuf;

use super::super::file::{FileError, shown};
use super::super::record::VERSION;
use crate::credentials::backend::KeyringError;
use crate::problem::{Code, Problem};

/// Why the store could not be used.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are what the messages say")]
pub enum StoreError {
    /// The platform names no data folder for this user.
    #[error("there is no data folder for this user, and no other place was named")]
    NoDefaultRoot,
    /// A folder is missing and cannot be made, is not ours or cannot be written.
    #[error("cannot use the state folder {0}")]
    Folder(#[source] FileError),
    /// The record could not be read; it may be whole.
    #[error("cannot read the sign-in in {0}")]
    Read(#[source] FileError),
    /// The record could not be written; the old one is still there.
    #[error("cannot save the sign-in in {0}; nothing stored was lost")]
    Write(#[source] FileError),
    /// What a server gave could not be written for as long as was tried; what it was given for is spent.
    #[error("cannot save the new sign-in in {0}; the old one is used up")]
    Lost(#[source] FileError),
    /// The keyring, where the secrets of the sign-in are, could not be read.
    #[error("cannot read the sign-in: {0}")]
    KeyringRead(#[source] KeyringError),
    /// The keyring could not be written; what was there is there still.
    #[error("cannot save the sign-in: {0}; nothing stored was lost")]
    KeyringWrite(#[source] KeyringError),
    /// What a server gave could not be put into the keyring for as long as was tried; what it was given for is spent.
    #[error("cannot save the new sign-in: {0}; the old one is used up")]
    KeyringLost(#[source] KeyringError),
    /// The lock could not be taken for another reason than that it is held.
    #[error("cannot lock the sign-in in {0}")]
    Lock(#[source] FileError),
    /// A newer version wrote the record; it is not touched.
    #[error("`{}` was written in format {found} by a newer version; this one knows format {VERSION}", shown(path))]
    TooNew { path: PathBuf, found: u64 },
    /// The lock that was shown is that of another room.
    #[error("`{}` is not locked, the lock is that of `{}`", shown(path), shown(locked))]
    OtherLock { path: PathBuf, locked: PathBuf },
}

impl StoreError {
    /// The stable name.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            StoreError::TooNew { .. } => Code::RecordTooNew,
            StoreError::OtherLock { .. } => Code::Internal,
            StoreError::KeyringRead(_) | StoreError::KeyringWrite(_) | StoreError::KeyringLost(_) => {
                Code::KeyringUnavailable
            }
            _ => Code::StateDirUnusable,
        }
    }

    /// What the person can do.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            StoreError::NoDefaultRoot => "name a folder with `--state-dir DIR`",
            StoreError::TooNew { .. } => "update mcp-bridge, or choose another place with `--state-dir DIR`",
            StoreError::OtherLock { .. } => "report this as a bug",
            StoreError::KeyringRead(error) | StoreError::KeyringWrite(error) | StoreError::KeyringLost(error) => {
                hint_of_keyring(error)
            }
            StoreError::Folder(error)
            | StoreError::Read(error)
            | StoreError::Write(error)
            | StoreError::Lost(error)
            | StoreError::Lock(error) => hint(error),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Problem {
        Problem::new(error.code(), error.to_string(), error.hint())
    }
}

fn hint(error: &FileError) -> &'static str {
    match error {
        FileError::Io { source, .. } => match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                "free some space or choose another place with `--state-dir DIR`"
            }
            _ => "make the folder writable or choose another place with `--state-dir DIR`",
        },
        FileError::ForeignOwner { .. } => {
            "run mcp-bridge as its owner, or choose a place of your own with `--state-dir DIR`"
        }
        _ => "move it away, or choose another place with `--state-dir DIR`",
    }
}

fn hint_of_keyring(error: &KeyringError) -> &'static str {
    match error {
        KeyringError::TooLong { .. } => "keep this sign-in in a file: `--credential-store file`",
        KeyringError::NoAccess { .. } | KeyringError::Silent { .. } => {
            "unlock it, then try again; `--credential-store file` keeps sign-ins in files, `memory` nowhere"
        }
        KeyringError::Unreachable { .. } | KeyringError::NotBuilt => {
            "choose another place by `--credential-store file` or `memory`; on Linux a Secret Service has to run, and hosts \
             have to hand on DBUS_SESSION_BUS_ADDRESS"
        }
    }
}
