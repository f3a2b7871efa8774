//! What the disk may hold in the place of a file, and what a replacement leaves at each of its steps.

use std::fs;
use std::io;
use std::path::Path;

use super::{
    Durability, FileError, READ_LIMIT, Replacement, open_or_create, private_folder, read, reason, rename, replace,
};

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        folder.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn content(path: &Path) -> Vec<u8> {
    read(path).unwrap().unwrap().to_vec()
}

#[test]
fn a_file_that_is_missing_is_none() {
    let folder = tempfile::tempdir().unwrap();
    assert!(read(&folder.path().join("credentials.json")).unwrap().is_none());
    assert!(read(&folder.path().join("no-folder/credentials.json")).unwrap().is_none());
}

#[test]
fn a_file_longer_than_the_limit_is_neither_read_nor_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f");
    let limit = usize::try_from(READ_LIMIT).unwrap();
    replace(&path, &vec![b'x'; limit], Durability::Kill).unwrap();
    assert!(matches!(replace(&path, &vec![b'x'; limit + 1], Durability::Kill), Err(FileError::TooLong { .. })));
    assert_eq!(content(&path).len(), limit);
    open_or_create(&path).unwrap().set_len(READ_LIMIT + 1).unwrap();
    assert!(matches!(read(&path), Err(FileError::TooLong { .. })));
}

#[test]
fn reasons_are_plain_words() {
    let cases = [
        (io::ErrorKind::StorageFull, "disk full"),
        (io::ErrorKind::QuotaExceeded, "disk quota used up"),
        (io::ErrorKind::ReadOnlyFilesystem, "read-only file system"),
        (io::ErrorKind::PermissionDenied, "permission denied"),
    ];
    for (kind, expected) in cases {
        assert_eq!(reason(&io::Error::from(kind)), expected);
    }
}

mod replacement {
    use super::*;

    #[test]
    fn the_old_content_stays_until_the_new_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        replace(&path, b"old", Durability::Power).unwrap();
        let mut coming = Replacement::reserve(&path, 4096).unwrap();
        assert_eq!(content(&path), b"old");
        assert_eq!(folder.path().join("f.tmp").metadata().unwrap().len(), 4096, "the room is taken");
        coming.commit(b"new", Durability::Power).unwrap();
        assert_eq!(content(&path), b"new");
        assert_eq!(names(folder.path()), ["f"]);
    }

    #[test]
    fn one_that_is_given_up_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        replace(&path, b"old", Durability::Power).unwrap();
        drop(Replacement::reserve(&path, 10).unwrap());
        assert_eq!((content(&path), names(folder.path())), (b"old".to_vec(), vec!["f".to_owned()]));
    }

    #[test]
    fn what_a_kill_left_behind_is_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        replace(&path, b"old", Durability::Power).unwrap();
        std::mem::forget(Replacement::reserve(&path, 4096).unwrap());
        assert_eq!(names(folder.path()), ["f", "f.tmp"]);
        replace(&path, b"new", Durability::Power).unwrap();
        assert_eq!((content(&path), names(folder.path())), (b"new".to_vec(), vec!["f".to_owned()]));
    }

    #[test]
    fn more_than_was_reserved_fits_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        Replacement::reserve(&path, 2).unwrap().commit(b"longer", Durability::Power).unwrap();
        assert_eq!(content(&path), b"longer");
    }

    #[test]
    fn a_target_that_cannot_be_replaced_stays_and_no_other_file_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        fs::create_dir(&path).unwrap();
        assert!(matches!(replace(&path, b"new", Durability::Power), Err(FileError::Io { .. })));
        assert_eq!(names(folder.path()), ["f"]);
    }

    #[test]
    fn a_file_can_be_renamed_aside() {
        let folder = tempfile::tempdir().unwrap();
        replace(&folder.path().join("f"), b"old", Durability::Power).unwrap();
        rename(&folder.path().join("f"), &folder.path().join("g")).unwrap();
        assert_eq!(names(folder.path()), ["g"]);
    }
}

#[cfg(unix)]
mod on_unix {
    use std::os::unix::fs::{PermissionsExt, chown, symlink};
    use std::os::unix::net::UnixListener;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn files_are_0600_and_folders_0700_from_the_start() {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().join("a/b");
        private_folder(&folder).unwrap();
        let path = folder.join("f");
        let mut coming = Replacement::begin(&path).unwrap();
        assert_eq!(mode(&folder.join("f.tmp")), 0o600);
        coming.commit(b"x", Durability::Power).unwrap();
        open_or_create(&folder.join("lock")).unwrap();
        let modes = [&outer.path().join("a"), &folder, &path, &folder.join("lock")].map(|path| mode(path));
        assert_eq!(modes, [0o700, 0o700, 0o600, 0o600]);
    }

    #[test]
    fn what_is_ours_but_wider_is_mended() {
        let outer = tempfile::tempdir().unwrap();
        let (folder, path) = (outer.path().join("a"), outer.path().join("a/f"));
        private_folder(&folder).unwrap();
        replace(&path, b"x", Durability::Power).unwrap();
        set_mode(&folder, 0o777);
        set_mode(&path, 0o644);
        private_folder(&folder).unwrap();
        assert_eq!(content(&path), b"x");
        assert_eq!((mode(&folder), mode(&path)), (0o700, 0o600));
    }

    #[test]
    fn a_link_in_place_of_a_folder_is_refused() {
        let outer = tempfile::tempdir().unwrap();
        fs::create_dir(outer.path().join("real")).unwrap();
        set_mode(&outer.path().join("real"), 0o755);
        symlink("real", outer.path().join("link")).unwrap();
        symlink("nowhere", outer.path().join("dangling")).unwrap();
        for name in ["link", "link/", "link/.", "dangling"] {
            let result = private_folder(&outer.path().join(name));
            assert!(matches!(result, Err(FileError::Link { .. })), "{name}: {result:?}");
        }
        assert_eq!(mode(&outer.path().join("real")), 0o755, "what it points to is not touched");
    }

    #[test]
    fn a_file_in_place_of_a_folder_is_refused() {
        let outer = tempfile::tempdir().unwrap();
        let path = outer.path().join("f");
        replace(&path, b"x", Durability::Power).unwrap();
        for path in [&path, &path.join("below")] {
            assert!(matches!(private_folder(path), Err(FileError::NotAFolder { .. })));
        }
    }

    #[test]
    fn a_link_in_place_of_a_file_is_neither_read_nor_written_through() {
        let folder = tempfile::tempdir().unwrap();
        let (target, link) = (folder.path().join("target"), folder.path().join("link"));
        replace(&target, b"precious", Durability::Power).unwrap();
        symlink(&target, &link).unwrap();
        symlink(&target, folder.path().join("link.tmp")).unwrap();
        assert!(matches!(read(&link), Err(FileError::Link { .. })));
        assert!(matches!(open_or_create(&link), Err(FileError::Link { .. })));
        replace(&link, b"new", Durability::Power).unwrap();
        assert_eq!((content(&target), content(&link)), (b"precious".to_vec(), b"new".to_vec()));
    }

    #[test]
    fn a_hard_link_is_not_written_through() {
        let folder = tempfile::tempdir().unwrap();
        let (other, path) = (folder.path().join("other"), folder.path().join("f"));
        replace(&other, b"precious", Durability::Power).unwrap();
        fs::hard_link(&other, &path).unwrap();
        fs::hard_link(&other, folder.path().join("f.tmp")).unwrap();
        replace(&path, b"new", Durability::Power).unwrap();
        assert_eq!((content(&other), content(&path)), (b"precious".to_vec(), b"new".to_vec()));
    }

    #[test]
    fn what_is_no_regular_file_is_refused_without_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name| folder.path().join(name);
        fs::create_dir(path("folder")).unwrap();
        let fifo = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, path("fifo"), fifo, rustix::fs::Mode::RUSR, 0).unwrap();
        let _socket = UnixListener::bind(path("socket")).unwrap();
        for name in ["folder", "fifo"] {
            assert!(matches!(read(&path(name)), Err(FileError::NotAFile { .. })), "{name}");
        }
        assert!(read(&path("socket")).is_err());
        assert!(open_or_create(&path("fifo")).is_err());
    }

    #[test]
    fn what_another_user_owns_is_refused() {
        let outer = tempfile::tempdir().unwrap();
        if !rustix::process::geteuid().is_root() {
            assert!(matches!(private_folder(Path::new("/usr")), Err(FileError::ForeignOwner { .. })));
            return; // only root can give a file away
        }
        let (folder, path) = (outer.path().join("a"), outer.path().join("f"));
        fs::create_dir(&folder).unwrap();
        replace(&path, b"x", Durability::Power).unwrap();
        for path in [&folder, &path] {
            chown(path, Some(12345), None).unwrap();
        }
        assert!(matches!(private_folder(&folder), Err(FileError::ForeignOwner { owner: 12345, .. })));
        assert!(matches!(read(&path), Err(FileError::ForeignOwner { owner: 12345, .. })));
    }
}
