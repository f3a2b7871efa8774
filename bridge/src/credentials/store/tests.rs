//! Rooms: what is found again, what is set aside, what is never overwritten.

use std::collections::HashSet;
use std::fs;

use super::super::file::{Durability, FileError, replace};
use super::super::record::tests::tokens;
use super::super::sign_in::Phase;
use super::*;
use crate::problem::{Code, Problem};

const RESOURCE: &str = "https://mcp.example/mcp";

struct Fixture {
    folder: tempfile::TempDir,
    room: Room,
    lock: Lock,
}

fn fixture() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let room = Store::open(folder.path().join("state")).room(RESOURCE, "default");
    room.prepare().unwrap();
    let lock = room.try_lock().unwrap().unwrap();
    Fixture { folder, room, lock }
}

impl Fixture {
    fn store(&self) -> Store {
        Store::open(self.folder.path().join("state"))
    }

    fn put(&self, json: &[u8]) {
        replace(&self.room.record_path(), json, Durability::Kill).unwrap();
    }

    fn names(&self) -> Vec<String> {
        let entries = self.room.folder().read_dir().unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn signed_in() -> Record {
    let mut record = Record::new(RESOURCE, "default");
    record.issuer = Some("https://as.example".to_owned());
    record.issuer_mut("https://as.example").tokens = Some(tokens(1, None));
    record
}

#[test]
fn nothing_is_read_from_nothing_and_nothing_is_created() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().join("state"));
    let room = store.room(RESOURCE, "default");
    assert_eq!(room.read().unwrap(), None);
    assert_eq!(room.sign_in(), None);
    assert!(room.is_free().unwrap());
    assert!(store.rooms().unwrap().is_empty());
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
}

#[test]
fn a_record_comes_back_and_each_write_is_a_new_generation() {
    let f = fixture();
    let first = f.room.write(&f.lock, signed_in()).unwrap();
    assert_eq!((first.generation, f.room.read().unwrap()), (1, Some(first.clone())));
    let second = f.room.write(&f.lock, first).unwrap();
    assert_eq!(second.generation, 2);
    let from_an_old_copy = f.room.write(&f.lock, signed_in()).unwrap();
    assert_eq!(from_an_old_copy.generation, 3, "a generation never comes twice");
    assert_eq!(f.names(), ["credentials.json", "lock"]);
}

#[test]
fn who_signs_out_leaves_no_file_but_the_lock_and_what_is_kept() {
    let f = fixture();
    for name in ["credentials.json.damaged-1", "credentials.json.tmp", "sign-in.json", "from-a-newer-version"] {
        replace(&f.room.folder().join(name), b"at-1", Durability::Kill).unwrap();
    }
    f.room.write(&f.lock, signed_in()).unwrap();
    let mut kept = Record::new(RESOURCE, "default");
    kept.issuer = Some("https://kept.example".to_owned());
    assert!(f.room.forget(&f.lock, Some(kept)).unwrap());
    assert_eq!(f.names(), ["credentials.json", "lock"]);
    assert_eq!(f.room.read().unwrap().unwrap().issuer.as_deref(), Some("https://kept.example"));
    assert!(f.room.forget(&f.lock, None).unwrap());
    assert_eq!(f.names(), ["lock"]);
    assert!(!f.room.forget(&f.lock, None).unwrap(), "there was nothing");
}

#[test]
fn who_signs_out_removes_a_damaged_record_and_leaves_a_newer_one() {
    let f = fixture();
    f.put(b"{\"access_token\": \"at-1\"");
    assert!(f.room.forget(&f.lock, None).unwrap());
    assert_eq!(f.names(), ["lock"]);
    f.put(br#"{"version": 99}"#);
    assert!(matches!(f.room.forget(&f.lock, None), Err(StoreError::TooNew { .. })));
    assert_eq!(f.names(), ["credentials.json", "lock"]);
}

#[tokio::test]
async fn the_room_for_the_next_record_is_on_the_disk_before_it_is_needed() {
    let f = fixture();
    let record = f.room.write(&f.lock, signed_in()).unwrap();
    let reserved = f.room.reserve(&f.lock).unwrap();
    let size = f.room.folder().join("credentials.json.tmp").metadata().unwrap().len();
    assert!(size >= 2 * f.room.record_path().metadata().unwrap().len() + 65_536);
    f.room.write_reserved(&f.lock, reserved, record).await.unwrap();
    assert_eq!(f.room.read().unwrap().unwrap().generation, 2);
    assert_eq!(f.names(), ["credentials.json", "lock"]);
}

#[test]
fn a_reservation_that_is_not_used_leaves_the_record_as_it_was() {
    let f = fixture();
    let written = f.room.write(&f.lock, signed_in()).unwrap();
    drop(f.room.reserve(&f.lock).unwrap());
    assert_eq!((f.room.read().unwrap(), f.names().len()), (Some(written), 2));
}

#[test]
fn the_lock_of_another_room_permits_no_write() {
    let f = fixture();
    let other = f.store().room(RESOURCE, "work");
    other.prepare().unwrap();
    for result in [
        other.write(&f.lock, signed_in()).map(drop),
        other.reserve(&f.lock).map(drop),
        other.set_aside_damaged(&f.lock).map(drop),
        other.write_sign_in(&f.lock, &SignIn::begin(Phase::Refreshing, 1, 2)),
    ] {
        assert!(matches!(result, Err(StoreError::OtherLock { .. })));
    }
}

#[test]
fn what_is_no_record_reads_as_none_and_is_set_aside_only_under_the_lock() {
    let whole = serde_json::to_vec(&signed_in()).unwrap();
    let other_resource = serde_json::to_vec(&Record::new("https://evil.example/", "default")).unwrap();
    let cases: &[(&str, &[u8])] = &[
        ("empty", b""),
        ("torn", &whole[..whole.len() / 2]),
        ("zeros", &[0; 4096]),
        ("another program's", br#"{"tokens": {}}"#),
        ("another resource's", &other_resource),
    ];
    for (name, json) in cases {
        let f = fixture();
        f.put(json);
        assert_eq!(f.room.read().unwrap(), None, "{name}");
        assert_eq!(f.names(), ["credentials.json", "lock"], "{name}: reading changes nothing");
        assert!(f.room.set_aside_damaged(&f.lock).unwrap(), "{name}");
        assert!(f.names()[0].starts_with("credentials.json.damaged-"), "{name}: {:?}", f.names());
        assert!(!f.room.set_aside_damaged(&f.lock).unwrap(), "{name}: once");
        f.room.write(&f.lock, signed_in()).unwrap();
        assert!(f.room.read().unwrap().is_some(), "{name}");
    }
}

#[test]
fn a_write_sets_a_damaged_record_aside_and_leaves_a_good_one() {
    let f = fixture();
    f.put(b"torn");
    f.room.write(&f.lock, signed_in()).unwrap();
    assert_eq!(f.names().len(), 3);
    assert!(!f.room.set_aside_damaged(&f.lock).unwrap());
    f.room.write(&f.lock, signed_in()).unwrap();
    assert_eq!(f.names().len(), 3);
}

#[test]
fn a_record_of_a_newer_version_is_an_error_and_never_overwritten() {
    let f = fixture();
    let newer = br#"{"version": 2, "else": true}"#;
    f.put(newer);
    for result in [
        f.room.read().map(drop),
        f.room.set_aside_damaged(&f.lock).map(drop),
        f.room.write(&f.lock, signed_in()).map(drop),
    ] {
        let error = result.unwrap_err();
        assert!(matches!(error, StoreError::TooNew { found: 2, .. }), "{error}");
        assert_eq!(error.code(), Code::RecordTooNew);
    }
    assert_eq!(file::read(&f.room.record_path()).unwrap().unwrap().as_slice(), newer);
}

#[test]
fn fields_of_a_newer_version_survive_a_write() {
    let f = fixture();
    f.put(
        format!(r#"{{"version":1,"resource":"{RESOURCE}","profile":"default","generation":4,"new":{{"a":1}}}}"#)
            .as_bytes(),
    );
    let record = f.room.read().unwrap().unwrap();
    assert_eq!(f.room.write(&f.lock, record).unwrap().generation, 5);
    assert_eq!(f.room.read().unwrap().unwrap().extra.0["new"]["a"], 1);
}

#[test]
fn the_stamp_changes_with_the_record_and_with_the_sign_in_and_else_not() {
    let f = fixture();
    let empty = f.room.stamp();
    f.room.write(&f.lock, signed_in()).unwrap();
    let recorded = f.room.stamp();
    assert_ne!(empty, recorded);
    assert!(f.room.read().unwrap().is_some());
    assert_eq!(f.room.stamp(), recorded);
    let sign_in = SignIn::begin(Phase::Discovering, 1, 2);
    f.room.write_sign_in(&f.lock, &sign_in).unwrap();
    assert_ne!(f.room.stamp(), recorded);
    assert_eq!(f.room.sign_in(), Some(sign_in));
}

#[test]
fn a_reader_never_waits_for_the_holder_of_the_lock() {
    let f = fixture();
    let written = f.room.write(&f.lock, signed_in()).unwrap();
    assert!(!f.room.is_free().unwrap());
    assert_eq!(f.store().room(RESOURCE, "default").read().unwrap(), Some(written));
}

#[test]
fn two_state_folders_never_wait_for_each_other() {
    let (a, b) = (fixture(), fixture());
    drop(b.lock);
    assert!(b.room.try_lock().unwrap().is_some());
    assert!(!a.room.is_free().unwrap());
}

#[test]
fn every_room_is_listed_with_its_record_and_nothing_else() {
    let f = fixture();
    for (resource, profile) in
        [("https://b.example/", "work"), ("https://b.example/", "home"), ("https://a.example/", "x")]
    {
        let room = f.store().room(resource, profile);
        room.prepare().unwrap();
        room.write(&room.try_lock().unwrap().unwrap(), Record::new(resource, profile)).unwrap();
    }
    let moved = f.store().resources().join("copied-elsewhere");
    fs::create_dir(&moved).unwrap();
    replace(&moved.join(RECORD), &serde_json::to_vec(&signed_in()).unwrap(), Durability::Kill).unwrap();
    f.put(b"torn");
    let rooms = f.store().rooms().unwrap();
    let listed: Vec<_> = rooms.iter().map(|(room, _)| (room.resource(), room.profile())).collect();
    assert_eq!(listed, [("https://a.example/", "x"), ("https://b.example/", "home"), ("https://b.example/", "work")]);
}

#[test]
fn a_folder_name_tells_the_host_and_differs_for_each_pair() {
    let pairs = [
        ("https://mcp.example/", "a"),
        ("https://mcp.example/", "b"),
        ("https://mcp.example/x", "a"),
        ("http://mcp.example/", "a"),
        ("http://[::1]:8080/", "a"),
        ("../../etc", "a"),
        ("no url", "\0"),
    ];
    let names: HashSet<_> = pairs.iter().map(|(resource, profile)| folder_name(resource, profile)).collect();
    assert_eq!(names.len(), pairs.len());
    assert!(names.iter().all(|name| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')), "{names:?}");
    assert!(folder_name("https://mcp.example/", "a").starts_with("mcp-example-"));
}

#[test]
fn a_state_folder_that_cannot_be_made_is_told_with_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    replace(&file, b"x", Durability::Kill).unwrap();
    let error = Store::open(&file).room(RESOURCE, "default").prepare().unwrap_err();
    assert!(matches!(error, StoreError::Folder(FileError::NotAFolder { .. })));
    assert_eq!(error.code(), Code::StateDirUnusable);
    assert!(error.to_string().contains("file`: not a folder"), "{error}");
}

#[test]
fn a_full_disk_is_told_in_plain_words() {
    let source = io::Error::from(io::ErrorKind::StorageFull);
    let error = StoreError::Write(FileError::Io { path: PathBuf::from("/state/credentials.json"), source });
    let expected = Problem::new(
        Code::StateDirUnusable,
        "cannot save the sign-in in `/state/credentials.json`: disk full; nothing stored was lost",
        "free some space or choose another place with `--state-dir DIR`",
    );
    assert_eq!(Problem::from(error), expected);
}

#[cfg(unix)]
#[test]
fn a_pipe_or_a_link_in_place_of_the_record_neither_blocks_nor_is_followed() {
    let f = fixture();
    let elsewhere = f.folder.path().join("elsewhere");
    replace(&elsewhere, &serde_json::to_vec(&signed_in()).unwrap(), Durability::Kill).unwrap();
    std::os::unix::fs::symlink(&elsewhere, f.room.record_path()).unwrap();
    assert_eq!(f.room.read().unwrap(), None);
    f.room.write(&f.lock, Record::new(RESOURCE, "default")).unwrap();
    assert!(!file::read(&elsewhere).unwrap().unwrap().is_empty(), "what the link pointed to is whole");

    fs::remove_file(f.room.record_path()).unwrap();
    let mode = rustix::fs::Mode::RUSR;
    rustix::fs::mknodat(rustix::fs::CWD, f.room.record_path(), rustix::fs::FileType::Fifo, mode, 0).unwrap();
    assert_eq!(f.room.read().unwrap(), None);
}

#[test]
fn a_thousand_rooms_are_listed() {
    let f = fixture();
    let record = |resource: &str| serde_json::to_vec(&Record::new(resource, "p")).unwrap();
    for n in 0..1000 {
        let resource = format!("https://mcp.example/{n}");
        let folder = f.store().room(&resource, "p").folder().to_owned();
        fs::create_dir(&folder).unwrap();
        replace(&folder.join(RECORD), &record(&resource), Durability::Kill).unwrap();
    }
    assert_eq!(f.store().rooms().unwrap().len(), 1000);
}

#[tokio::test]
async fn what_a_spent_token_brought_is_written_although_the_disk_has_trouble_for_a_moment() {
    let f = fixture();
    let reserved = f.room.reserve(&f.lock).unwrap();
    // A folder in the place of the record: neither the rename nor the first tries after it can work.
    let record = f.room.folder().join("credentials.json");
    fs::create_dir(&record).unwrap();
    let mend = async {
        fs::remove_dir(&record).unwrap();
    };
    let (written, ()) = tokio::join!(f.room.write_reserved(&f.lock, reserved, signed_in()), mend);
    written.unwrap();
    assert!(f.room.read().unwrap().unwrap().current_tokens().is_some());
}
