//! What keeps secrets outside the state folder, as the store sees it: named entries of bytes. What was read is remembered by
//! its fingerprint, and a failure for a moment, so that nobody waits twice for a keyring that does not answer. Must never
//! know what is in an entry. `credentials::keyring` is the system's.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::digest;
use zeroize::Zeroizing;

use super::keyring::System;

/// How long a failure is told again without another attempt.
const SHARED: Duration = Duration::from_secs(5);

/// The bytes of an entry; wiped on drop.
pub(super) type Bytes = Arc<Zeroizing<Vec<u8>>>;

/// Why a keyring was of no use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// There is none, or it cannot be spoken to.
    #[error("the system's keyring cannot be reached: {why}")]
    Unreachable {
        /// The system's words.
        why: String,
    },
    /// It is locked and was not unlocked, or it refuses us.
    #[error("the system's keyring gives no access: {why}")]
    NoAccess {
        /// The system's words.
        why: String,
    },
    /// It did not answer; perhaps it waits for a person to unlock it.
    #[error("the system's keyring did not answer within {} s; perhaps it waits to be unlocked", limit.as_secs())]
    Silent {
        /// How long was waited.
        limit: Duration,
    },
    /// An entry would be longer than the platform allows.
    #[error("the sign-in takes {length} bytes, more than an entry of the system's keyring may have")]
    TooLong {
        /// Of the entry, in bytes.
        length: usize,
    },
    /// This binary was built without it.
    #[error("this mcp-bridge was built without the system's keyring")]
    NotBuilt,
}

/// A place of named entries. Each call may block, for as long as a person takes to unlock it.
pub(super) trait Backend: fmt::Debug + Send + Sync {
    /// The bytes of an entry; `None` if there is none.
    fn get(&self, entry: &str) -> Result<Option<Zeroizing<Vec<u8>>>, KeyringError>;
    /// Writes an entry, whole or not at all.
    fn set(&self, entry: &str, bytes: &[u8]) -> Result<(), KeyringError>;
    /// Removes an entry; fine if there is none.
    fn delete(&self, entry: &str) -> Result<(), KeyringError>;
}

/// A keyring, and what is remembered of it.
#[derive(Clone, Debug)]
pub(super) struct Keyring {
    backend: Arc<dyn Backend>,
    remembered: Arc<Mutex<Remembered>>,
}

#[derive(Default)]
struct Remembered {
    /// What each entry held last.
    entries: HashMap<String, (String, Bytes)>,
    failed: Option<(Instant, KeyringError)>,
}

impl fmt::Debug for Remembered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.entries.keys()).finish()
    }
}

impl Keyring {
    /// The system's; one for this process.
    pub(super) fn system() -> Keyring {
        static SYSTEM: LazyLock<Keyring> = LazyLock::new(|| Keyring::new(System));
        SYSTEM.clone()
    }

    pub(super) fn new(backend: impl Backend + 'static) -> Keyring {
        Keyring { backend: Arc::new(backend), remembered: Arc::default() }
    }

    /// The bytes of an entry; `None` if there is none. What is expected is not asked for again.
    pub(super) fn get(&self, entry: &str, expected: &str) -> Result<Option<Bytes>, KeyringError> {
        {
            let remembered = self.lock();
            if let Some((_, bytes)) = remembered.entries.get(entry).filter(|(fingerprint, _)| fingerprint == expected) {
                return Ok(Some(bytes.clone()));
            }
            if let Some((_, error)) = remembered.failed.as_ref().filter(|(at, _)| at.elapsed() < SHARED) {
                return Err(error.clone());
            }
        }
        let found = self.noting(self.backend.get(entry))?;
        Ok(found.map(|bytes| self.remember(entry, Arc::new(bytes))))
    }

    /// Whether what is expected of an entry is at hand without asking.
    pub(super) fn has(&self, entry: &str, expected: &str) -> bool {
        self.lock().entries.get(entry).is_some_and(|(fingerprint, _)| fingerprint == expected)
    }

    /// Writes an entry and gives its fingerprint.
    pub(super) fn set(&self, entry: &str, bytes: Zeroizing<Vec<u8>>) -> Result<String, KeyringError> {
        self.noting(self.backend.set(entry, &bytes))?;
        let fingerprint = fingerprint(&bytes);
        self.remember(entry, Arc::new(bytes));
        Ok(fingerprint)
    }

    /// Removes an entry; fine if there is none.
    pub(super) fn delete(&self, entry: &str) -> Result<(), KeyringError> {
        self.lock().entries.remove(entry);
        self.noting(self.backend.delete(entry))
    }

    /// Asks for an entry whatever is remembered: to be called before something is spent for what is to be kept there.
    pub(super) fn check(&self, entry: &str) -> Result<(), KeyringError> {
        self.noting(self.backend.get(entry)).map(drop)
    }

    fn remember(&self, entry: &str, bytes: Bytes) -> Bytes {
        self.lock().entries.insert(entry.to_owned(), (fingerprint(&bytes), bytes.clone()));
        bytes
    }

    fn noting<T>(&self, result: Result<T, KeyringError>) -> Result<T, KeyringError> {
        self.lock().failed = result.as_ref().err().map(|error| (Instant::now(), error.clone()));
        result
    }

    fn lock(&self) -> MutexGuard<'_, Remembered> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells an entry's bytes from others without showing them: 16 hex digits of a SHA-256.
pub(super) fn fingerprint(bytes: &[u8]) -> String {
    let hash = digest::digest(&digest::SHA256, bytes);
    hash.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// A keyring in memory, whose failures a test chooses.
#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};

    use zeroize::Zeroizing;

    use super::{Backend, Keyring, KeyringError};

    #[derive(Clone, Debug, Default)]
    pub(in crate::credentials) struct Fake(Arc<Mutex<State>>);

    #[derive(Debug, Default)]
    struct State {
        entries: BTreeMap<String, Vec<u8>>,
        failure: Option<KeyringError>,
        asked: usize,
    }

    impl Fake {
        /// Answers nothing from now on, until what this gives is called.
        pub(in crate::credentials) fn silence(&self) -> impl FnOnce() + use<> {
            let state = self.0.clone();
            let ((tell, told), (speak, until)) = (std::sync::mpsc::channel(), std::sync::mpsc::channel());
            std::thread::spawn(move || {
                let silent = state.lock().unwrap();
                tell.send(()).unwrap();
                until.recv().unwrap();
                drop(silent);
            });
            told.recv().unwrap();
            move || speak.send(()).unwrap()
        }

        pub(in crate::credentials) fn keyring(&self) -> Keyring {
            Keyring::new(self.clone())
        }

        pub(in crate::credentials) fn entries(&self) -> BTreeMap<String, Vec<u8>> {
            self.0.lock().unwrap().entries.clone()
        }

        pub(in crate::credentials) fn put(&self, entries: BTreeMap<String, Vec<u8>>) {
            self.0.lock().unwrap().entries = entries;
        }

        pub(in crate::credentials) fn fails(&self, failure: Option<KeyringError>) {
            self.0.lock().unwrap().failure = failure;
        }

        pub(in crate::credentials) fn asked(&self) -> usize {
            self.0.lock().unwrap().asked
        }

        fn answer<T>(&self, act: impl FnOnce(&mut BTreeMap<String, Vec<u8>>) -> T) -> Result<T, KeyringError> {
            let mut state = self.0.lock().unwrap();
            state.asked += 1;
            match &state.failure {
                Some(failure) => Err(failure.clone()),
                None => Ok(act(&mut state.entries)),
            }
        }
    }

    impl Backend for Fake {
        fn get(&self, entry: &str) -> Result<Option<Zeroizing<Vec<u8>>>, KeyringError> {
            self.answer(|entries| entries.get(entry).cloned().map(Zeroizing::new))
        }

        fn set(&self, entry: &str, bytes: &[u8]) -> Result<(), KeyringError> {
            self.answer(|entries| drop(entries.insert(entry.to_owned(), bytes.to_vec())))
        }

        fn delete(&self, entry: &str) -> Result<(), KeyringError> {
            self.answer(|entries| drop(entries.remove(entry)))
        }
    }

    #[test]
    fn what_is_expected_is_asked_for_once_and_a_failure_is_shared_for_a_moment() {
        let fake = Fake::default();
        let keyring = fake.keyring();
        let fingerprint = keyring.set("a", Zeroizing::new(b"x".to_vec())).unwrap();
        for _ in 0..3 {
            assert_eq!(keyring.get("a", &fingerprint).unwrap().unwrap().as_slice(), b"x");
        }
        assert_eq!(fake.asked(), 1);
        let failure = KeyringError::Unreachable { why: "no bus".to_owned() };
        fake.fails(Some(failure.clone()));
        for _ in 0..3 {
            assert_eq!(keyring.get("a", "another").unwrap_err(), failure);
        }
        assert_eq!(fake.asked(), 2);
        assert!(!format!("{:?}", keyring.remembered).contains("120"), "no bytes are shown");
    }
}
