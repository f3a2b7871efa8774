//! Files that survive: read without following a link or blocking on a pipe, replaced whole or not at all, readable by
//! their owner alone. The only place that touches the disk for state. Must never know what a file means.
//! `file::privacy` has the rules of ownership, `credentials::store` the names of the files.

mod privacy;
#[cfg(test)]
mod tests;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::untrusted::Untrusted;

/// How many bytes of a file are read at most: 1 MiB.
pub const READ_LIMIT: u64 = 1 << 20;

/// Why a file or folder could not be used; each message names it first.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are what the messages say")]
pub enum FileError {
    /// The system refused.
    #[error("`{}`: {}", shown(path), reason(source))]
    Io { path: PathBuf, source: io::Error },
    /// A link stands in its place; what it points to is not touched.
    #[error("`{}`: a link stands in its place", shown(path))]
    Link { path: PathBuf },
    /// A folder, pipe, socket or device stands in the place of a file.
    #[error("`{}`: not a regular file", shown(path))]
    NotAFile { path: PathBuf },
    /// Something else stands in the place of a folder.
    #[error("`{}`: not a folder", shown(path))]
    NotAFolder { path: PathBuf },
    /// Another user owns it and could change it at any time.
    #[error("`{}`: owned by user {owner}, not by user {us} who runs this", shown(path))]
    ForeignOwner { path: PathBuf, owner: u32, us: u32 },
    /// Longer than [`READ_LIMIT`].
    #[error("`{}`: longer than {limit} bytes", shown(path))]
    TooLong { path: PathBuf, limit: u64 },
}

impl FileError {
    /// Whether the file itself is not one of ours, rather than that the system refused to show it.
    #[must_use]
    pub fn is_foreign(&self) -> bool {
        !matches!(self, FileError::Io { .. })
    }
}

/// Makes sure of a folder that only its owner can enter: created 0700 with its parents, mended with a warning if it is
/// ours but wider, refused if it is a link or another user's.
pub fn private_folder(path: &Path) -> Result<(), FileError> {
    let path: PathBuf = path.components().collect(); // a final slash would follow a link
    let is_new = fs::symlink_metadata(&path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
    if is_new {
        undisturbed(|| privacy::create_folder(&path)).map_err(at(&path))?;
        // A parent that we may enter but not read cannot be synced, and is no reason to stop.
        let _ = path.parent().map(sync_folder);
    }
    privacy::check_folder(&path)
}

/// Reads a file of ours whole, at most [`READ_LIMIT`] bytes; `None` if there is none. Ours but wider than 0600 is mended
/// with a warning.
pub fn read(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, FileError> {
    let Some(mut file) = open_existing(path)? else { return Ok(None) };
    let mut content = Zeroizing::new(Vec::with_capacity(8192));
    Read::by_ref(&mut file).take(READ_LIMIT + 1).read_to_end(&mut content).map_err(at(path))?;
    if content.len() as u64 > READ_LIMIT {
        return Err(FileError::TooLong { path: path.to_owned(), limit: READ_LIMIT });
    }
    Ok(Some(content))
}

/// Opens a file of ours to read it; `None` if there is none.
pub fn open_existing(path: &Path) -> Result<Option<File>, FileError> {
    match privacy::open(OpenOptions::new().read(true), path) {
        Ok(file) => Ok(Some(file)),
        Err(FileError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Opens a file of ours to write, and creates it, 0600 and empty, if there is none.
pub fn open_or_create(path: &Path) -> Result<File, FileError> {
    privacy::open(OpenOptions::new().read(true).write(true).create(true).truncate(false), path)
}

/// Renames a file within its folder and syncs the folder.
pub fn rename(from: &Path, to: &Path) -> Result<(), FileError> {
    #[expect(clippy::disallowed_methods, reason = "this is the place that the rule points to")]
    undisturbed(|| fs::rename(from, to)).map_err(at(from))?;
    to.parent().map_or(Ok(()), sync_folder)
}

/// Removes a file, a link itself, and syncs the folder; fine if there is none.
pub fn remove(path: &Path) -> Result<(), FileError> {
    match undisturbed(|| fs::remove_file(path)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at(path)(error)),
        _ => path.parent().map_or(Ok(()), sync_folder),
    }
}

/// How much a replacement must outlive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Power failure: file and folder are synced.
    Power,
    /// A kill at any instant, but not a power failure.
    Kill,
}

/// Replaces a file: a kill at any instant leaves the old content or the new, and nothing is lost if it does not fit.
/// The caller must hold the lock of the file, for there is one temporary name.
pub fn replace(path: &Path, content: &[u8], durability: Durability) -> Result<(), FileError> {
    Replacement::begin(path)?.commit(content, durability)
}

/// The coming content of a file: a temporary file beside it, always of the same name, so that at most one is ever left
/// behind. Removed on drop unless committed.
#[derive(Debug)]
pub struct Replacement {
    file: File,
    temporary: PathBuf,
    target: PathBuf,
    is_committed: bool,
}

impl Replacement {
    /// Begins without a reservation.
    pub fn begin(target: &Path) -> Result<Replacement, FileError> {
        let mut name = target.file_name().unwrap_or_default().to_owned();
        name.push(".tmp");
        let temporary = target.with_file_name(name);
        match undisturbed(|| fs::remove_file(&temporary)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(at(&temporary)(error)),
            _ => {}
        }
        let file = privacy::open(OpenOptions::new().write(true).create_new(true), &temporary)?;
        Ok(Replacement { file, temporary, target: target.to_owned(), is_committed: false })
    }

    /// Begins, and has the disk hold `size` bytes: what is spent afterwards is sure to find room.
    pub fn reserve(target: &Path, size: usize) -> Result<Replacement, FileError> {
        let mut replacement = Replacement::begin(target)?;
        replacement.fill(size).map_err(at(target))?;
        Ok(replacement)
    }

    fn fill(&mut self, size: usize) -> io::Result<()> {
        // Written, not merely sized: a sparse file holds no room.
        self.file.write_all(&vec![b' '; size])?;
        undisturbed(|| self.file.sync_all())
    }

    /// Puts the content in the place of the old. What could not be read again, for it is too long, is refused.
    pub fn commit(&mut self, content: &[u8], durability: Durability) -> Result<(), FileError> {
        if content.len() as u64 > READ_LIMIT {
            return Err(FileError::TooLong { path: self.target.clone(), limit: READ_LIMIT });
        }
        self.overwrite(content, durability).map_err(at(&self.target))?;
        #[expect(clippy::disallowed_methods, reason = "this is the place that the rule points to")]
        undisturbed(|| fs::rename(&self.temporary, &self.target)).map_err(at(&self.target))?;
        self.is_committed = true;
        if let (Durability::Power, Some(folder)) = (durability, self.target.parent())
            && let Err(error) = sync_folder(folder)
        {
            tracing::warn!("{error}: the new state is in place, and lost only if the power fails just now");
        }
        Ok(())
    }

    fn overwrite(&mut self, content: &[u8], durability: Durability) -> io::Result<()> {
        self.file.rewind()?;
        self.file.write_all(content)?;
        undisturbed(|| self.file.set_len(content.len() as u64))?;
        match durability {
            Durability::Power => undisturbed(|| self.file.sync_all()),
            Durability::Kill => Ok(()),
        }
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        if !self.is_committed {
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

fn sync_folder(folder: &Path) -> Result<(), FileError> {
    privacy::sync_folder(folder).map_err(at(folder))
}

/// Runs a call again while a signal interrupts it.
pub(super) fn undisturbed<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

pub(super) fn at(path: &Path) -> impl FnOnce(io::Error) -> FileError + '_ {
    |source| FileError::Io { path: path.to_owned(), source }
}

/// A path as a person is shown it: the home folder is `~`, control characters are escaped.
#[must_use]
pub fn shown(path: &Path) -> String {
    let home = directories::BaseDirs::new();
    let short = home.as_ref().and_then(|dirs| path.strip_prefix(dirs.home_dir()).ok());
    let text = short.map_or_else(|| path.display().to_string(), |rest| format!("~/{}", rest.display()));
    Untrusted::new(text).to_string()
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::StorageFull => "disk full".to_owned(),
        io::ErrorKind::QuotaExceeded => "disk quota used up".to_owned(),
        io::ErrorKind::ReadOnlyFilesystem => "read-only file system".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}
