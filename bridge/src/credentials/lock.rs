//! The right to write the record of one resource and profile. A lock on a file beside the record, freed by the system
//! when its process dies, so that none is ever stale. Readers need none. Must never know what is written under it.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::file::{self, FileError, at, undisturbed};

/// The lock's file.
pub(super) const NAME: &str = "lock";

/// How often a busy lock is tried again: no event tells when it falls free.
const PAUSE: Duration = Duration::from_millis(20);

/// The lock, held; falls free on drop or with the process. Every write asks for it by reference.
#[derive(Debug)]
pub struct Lock {
    folder: PathBuf,
    _held: Held,
}

/// What falls free with it.
#[derive(Debug)]
#[expect(dead_code, reason = "only their drop counts")]
enum Held {
    File(File),
    Flag(Raised),
}

impl Lock {
    /// Takes the lock of a folder that exists; `None` if somebody holds it.
    pub(super) fn try_acquire(folder: &Path) -> Result<Option<Lock>, FileError> {
        let path = lock_path(folder);
        let file = file::open_or_create(&path)?;
        match outcome(|| file.try_lock()) {
            Ok(true) => {}
            Ok(false) => return Ok(None),
            Err(error) if is_unsupported(&error) => {
                tracing::warn!("`{}` cannot be locked here ({error}); going on without", file::shown(&path));
            }
            Err(error) => return Err(at(&path)(error)),
        }
        Ok(Some(Lock { folder: folder.to_owned(), _held: Held::File(file) }))
    }

    /// As [`Lock::try_acquire`], trying again until `limit` has passed.
    pub(super) async fn acquire_within(folder: &Path, limit: Duration) -> Result<Option<Lock>, FileError> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(lock) = Lock::try_acquire(folder)? {
                return Ok(Some(lock));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            sleep(PAUSE.min(left)).await;
        }
    }

    /// Whether nobody holds the lock just now, found out by a shared lock that is dropped at once. Somebody who tries to
    /// take it in that instant finds it busy: take it by [`Lock::acquire_within`]. Where nothing can be locked: free.
    pub(super) fn is_free(folder: &Path) -> Result<bool, FileError> {
        let path = lock_path(folder);
        let Some(file) = file::open_existing(&path)? else { return Ok(true) };
        match outcome(|| file.try_lock_shared()) {
            Err(error) if !is_unsupported(&error) => Err(at(&path)(error)),
            Ok(is_free) => Ok(is_free),
            Err(_) => Ok(true),
        }
    }

    /// The folder whose files it protects.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }
}

/// A lock that is known in this process alone, for what is nowhere else.
#[derive(Clone, Debug, Default)]
pub(super) struct Flag(Arc<AtomicBool>);

#[derive(Debug)]
struct Raised(Flag);

impl Flag {
    /// Takes the lock for a folder that need not exist; `None` if somebody holds it.
    pub(super) fn try_acquire(&self, folder: &Path) -> Option<Lock> {
        let was_raised = self.0.swap(true, Ordering::AcqRel);
        (!was_raised).then(|| Lock { folder: folder.to_owned(), _held: Held::Flag(Raised(self.clone())) })
    }

    /// As [`Flag::try_acquire`], trying again until `limit` has passed.
    pub(super) async fn acquire_within(&self, folder: &Path, limit: Duration) -> Option<Lock> {
        let deadline = Instant::now() + limit;
        loop {
            let lock = self.try_acquire(folder);
            let left = deadline.saturating_duration_since(Instant::now());
            if lock.is_some() || left.is_zero() {
                return lock;
            }
            sleep(PAUSE.min(left)).await;
        }
    }

    /// Whether nobody holds the lock just now.
    pub(super) fn is_free(&self) -> bool {
        !self.0.load(Ordering::Acquire)
    }
}

impl Drop for Raised {
    fn drop(&mut self) {
        self.0.0.store(false, Ordering::Release);
    }
}

fn lock_path(folder: &Path) -> PathBuf {
    folder.join(NAME)
}

fn outcome(mut call: impl FnMut() -> Result<(), TryLockError>) -> io::Result<bool> {
    undisturbed(|| match call() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    })
}

/// Some network file systems have no locks.
fn is_unsupported(error: &io::Error) -> bool {
    #[cfg(unix)]
    let has_no_locks = error.raw_os_error() == Some(rustix::io::Errno::NOLCK.raw_os_error());
    #[cfg(not(unix))]
    let has_no_locks = false;
    has_no_locks || error.kind() == io::ErrorKind::Unsupported
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::time::Duration;

    use super::{Flag, Lock, Path, is_unsupported};

    #[test]
    fn a_lock_is_held_by_one_and_free_after_its_drop() {
        let folder = tempfile::tempdir().unwrap();
        let held = Lock::try_acquire(folder.path()).unwrap().unwrap();
        assert!(Lock::try_acquire(folder.path()).unwrap().is_none());
        assert!(!Lock::is_free(folder.path()).unwrap());
        drop(held);
        assert!(Lock::is_free(folder.path()).unwrap());
        assert!(Lock::try_acquire(folder.path()).unwrap().is_some());
    }

    #[test]
    fn asking_whether_it_is_free_creates_nothing() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Lock::is_free(folder.path()).unwrap());
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);
    }

    #[tokio::test]
    async fn waiting_for_a_lock_ends_with_the_time_limit() {
        let folder = tempfile::tempdir().unwrap();
        let _held = Lock::try_acquire(folder.path()).unwrap().unwrap();
        let lock = Lock::acquire_within(folder.path(), Duration::from_millis(50)).await.unwrap();
        assert!(lock.is_none());
    }

    #[tokio::test]
    async fn who_waits_gets_the_lock_when_it_falls_free() {
        let folder = tempfile::tempdir().unwrap();
        let held = Lock::try_acquire(folder.path()).unwrap().unwrap();
        let waiting = Lock::acquire_within(folder.path(), Duration::from_secs(10));
        let (lock, ()) = tokio::join!(waiting, async { drop(held) });
        assert!(lock.unwrap().is_some());
    }

    #[test]
    fn a_lock_of_this_process_is_held_by_one_and_free_after_its_drop() {
        let (flag, folder) = (Flag::default(), Path::new("/nonexistent"));
        let held = flag.try_acquire(folder).unwrap();
        assert!(flag.try_acquire(folder).is_none() && !flag.is_free());
        drop(held);
        assert!(flag.is_free() && flag.try_acquire(folder).is_some());
    }

    #[cfg(unix)]
    #[test]
    fn a_file_system_without_locks_is_told_from_a_failure() {
        let errno = |e: rustix::io::Errno| io::Error::from_raw_os_error(e.raw_os_error());
        assert!(is_unsupported(&errno(rustix::io::Errno::NOLCK)));
        assert!(is_unsupported(&errno(rustix::io::Errno::OPNOTSUPP)));
        assert!(!is_unsupported(&errno(rustix::io::Errno::IO)));
    }
}
