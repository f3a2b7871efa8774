//! Whose files and folders are, and who else may look: ours alone. Elsewhere than on Unix the user's profile keeps
//! others out, and only links and kinds are checked.

use std::fs::{self, File, OpenOptions};
use std::path::Path;

use super::{FileError, at, undisturbed};

/// Opens a regular file that is ours, never through a link, never blocking on a pipe; what it creates is 0600.
pub(super) fn open(options: &mut OpenOptions, path: &Path) -> Result<File, FileError> {
    let file = match undisturbed(|| system::open(options, path)) {
        Ok(file) => file,
        Err(_) if is_link(path) => return Err(FileError::Link { path: path.to_owned() }),
        Err(error) => return Err(at(path)(error)),
    };
    let metadata = file.metadata().map_err(at(path))?;
    if !metadata.is_file() {
        return Err(FileError::NotAFile { path: path.to_owned() });
    }
    system::check_owner(path, &file, &metadata, 0o600)?;
    Ok(file)
}

/// Refuses a folder that is a link or another user's, mends one that is ours but wider than 0700.
pub(super) fn check_folder(path: &Path) -> Result<(), FileError> {
    if is_link(path) {
        return Err(FileError::Link { path: path.to_owned() });
    }
    system::check_folder(path)
}

pub(super) use system::{create_folder, sync_folder};

fn is_link(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink())
}

#[cfg(unix)]
mod system {
    use std::fs::{DirBuilder, File, Metadata, OpenOptions, Permissions};
    use std::io;
    use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
    use std::path::Path;

    use rustix::fs::OFlags;
    use rustix::io::Errno;

    use super::super::{FileError, at, undisturbed};

    pub(in super::super) fn create_folder(path: &Path) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)
    }

    pub(super) fn open(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
        options.mode(0o600).custom_flags(flags(OFlags::NOFOLLOW | OFlags::NONBLOCK)).open(path)
    }

    pub(super) fn check_folder(path: &Path) -> Result<(), FileError> {
        let opened = undisturbed(|| {
            let flags = flags(OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::DIRECTORY);
            OpenOptions::new().read(true).custom_flags(flags).open(path)
        });
        let folder = match opened {
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                return Err(FileError::NotAFolder { path: path.to_owned() });
            }
            opened => opened.map_err(at(path))?,
        };
        let metadata = folder.metadata().map_err(at(path))?;
        check_owner(path, &folder, &metadata, 0o700)
    }

    /// Refuses what another user owns; takes away every permission beyond `widest`.
    pub(super) fn check_owner(path: &Path, file: &File, metadata: &Metadata, widest: u32) -> Result<(), FileError> {
        let (owner, us) = (metadata.uid(), rustix::process::geteuid().as_raw());
        if owner != us {
            return Err(FileError::ForeignOwner { path: path.to_owned(), owner, us });
        }
        let mode = metadata.mode() & 0o7777;
        if mode & !widest & 0o077 == 0 {
            return Ok(());
        }
        let path = super::super::shown(path);
        match undisturbed(|| file.set_permissions(Permissions::from_mode(mode & widest))) {
            Ok(()) => tracing::warn!("`{path}` was open to other users ({mode:04o}); it is {:04o} now", mode & widest),
            Err(error) => tracing::warn!("`{path}` is open to other users ({mode:04o}) and stays so: {error}"),
        }
        Ok(())
    }

    pub(in super::super) fn sync_folder(path: &Path) -> io::Result<()> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let folder = undisturbed(|| File::open(path))?;
        match undisturbed(|| folder.sync_all()) {
            // Some network file systems cannot sync a folder; the rename is as safe there as it gets.
            Err(error)
                if [Errno::INVAL, Errno::NOTSUP].iter().any(|e| Some(e.raw_os_error()) == error.raw_os_error()) =>
            {
                Ok(())
            }
            result => result,
        }
    }

    fn flags(flags: OFlags) -> i32 {
        flags.bits().cast_signed()
    }
}

#[cfg(not(unix))]
mod system {
    use std::fs::{self, File, Metadata, OpenOptions};
    use std::io;
    use std::path::Path;

    use super::super::{FileError, at};

    pub(in super::super) fn create_folder(path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    pub(super) fn open(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
        if super::is_link(path) {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        }
        options.open(path)
    }

    pub(super) fn check_folder(path: &Path) -> Result<(), FileError> {
        let metadata = fs::metadata(path).map_err(at(path))?;
        if metadata.is_dir() { Ok(()) } else { Err(FileError::NotAFolder { path: path.to_owned() }) }
    }

    pub(super) fn check_owner(_: &Path, _: &File, _: &Metadata, _: u32) -> Result<(), FileError> {
        Ok(())
    }

    pub(in super::super) fn sync_folder(_: &Path) -> io::Result<()> {
        Ok(())
    }
}
