//! The system's keyring: the Secret Service on Linux (D-Bus), the Keychain on macOS, the Credential Manager on Windows. Each
//! call goes by a thread of its own and is bounded in time: a locked one asks a person first. Must never know a record.

#[cfg(not(feature = "keyring"))]
use zeroize::Zeroizing;

use super::backend::{Backend, KeyringError};

/// The system's keyring.
#[derive(Clone, Copy, Debug)]
pub(super) struct System;

#[cfg(feature = "keyring")]
mod calls {
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use keyring::{Entry, Error};
    use zeroize::Zeroizing;

    use super::{Backend, KeyringError, System};
    use crate::untrusted::Untrusted;

    /// What all entries are filed under.
    const SERVICE: &str = "mcp-bridge";
    /// How long a keyring may take; a person may have to unlock it.
    const LIMIT: Duration = Duration::from_secs(60);

    impl Backend for System {
        fn get(&self, entry: &str) -> Result<Option<Zeroizing<Vec<u8>>>, KeyringError> {
            on(entry, |entry| match entry.get_secret() {
                Ok(bytes) => Ok(Some(Zeroizing::new(bytes))),
                Err(Error::NoEntry) => Ok(None),
                Err(error) => Err(error),
            })
        }

        fn set(&self, entry: &str, bytes: &[u8]) -> Result<(), KeyringError> {
            let bytes = Zeroizing::new(bytes.to_vec());
            let length = bytes.len();
            on(entry, move |entry| entry.set_secret(&bytes)).map_err(|error| match error {
                KeyringError::TooLong { .. } => KeyringError::TooLong { length },
                error => error,
            })
        }

        fn delete(&self, entry: &str) -> Result<(), KeyringError> {
            on(entry, |entry| match entry.delete_credential() {
                Err(Error::NoEntry) => Ok(()),
                result => result,
            })
        }
    }

    fn on<T: Send + 'static>(
        entry: &str,
        act: impl FnOnce(&Entry) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, KeyringError> {
        let name = entry.to_owned();
        let (to, from) = mpsc::sync_channel(1);
        let call = move || {
            let _ = to.send(Entry::new(SERVICE, &name).and_then(|entry| act(&entry)));
        };
        let started = thread::Builder::new().name("keyring".to_owned()).spawn(call);
        started.map_err(|error| KeyringError::Unreachable { why: error.to_string() })?;
        match from.recv_timeout(LIMIT) {
            Ok(result) => result.map_err(told),
            Err(mpsc::RecvTimeoutError::Timeout) => Err(KeyringError::Silent { limit: LIMIT }),
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                Err(KeyringError::Unreachable { why: "its library gave up".to_owned() })
            }
        }
    }

    fn told(error: Error) -> KeyringError {
        let why = |error: &dyn std::error::Error| {
            // The innermost says what happened, in a sentence of the system's.
            let innermost = std::iter::successors(Some(error), |error| error.source()).last();
            Untrusted::new(innermost.map_or_else(|| error.to_string(), ToString::to_string)).to_string()
        };
        match error {
            Error::NoStorageAccess(source) => KeyringError::NoAccess { why: why(&*source) },
            Error::PlatformFailure(source) => match why(&*source) {
                // The Secret Service's `IsLocked`, by its words: the error's name is lost on the way.
                why if why.contains("locked") => KeyringError::NoAccess { why },
                why => KeyringError::Unreachable { why },
            },
            Error::TooLong(..) => KeyringError::TooLong { length: 0 },
            Error::Ambiguous(_) => KeyringError::NoAccess { why: "it has two entries of one name".to_owned() },
            error => KeyringError::Unreachable { why: Untrusted::new(error.to_string()).to_string() },
        }
    }
}

#[cfg(not(feature = "keyring"))]
impl Backend for System {
    fn get(&self, _: &str) -> Result<Option<Zeroizing<Vec<u8>>>, KeyringError> {
        Err(KeyringError::NotBuilt)
    }

    fn set(&self, _: &str, _: &[u8]) -> Result<(), KeyringError> {
        Err(KeyringError::NotBuilt)
    }

    fn delete(&self, _: &str) -> Result<(), KeyringError> {
        Err(KeyringError::NotBuilt)
    }
}
