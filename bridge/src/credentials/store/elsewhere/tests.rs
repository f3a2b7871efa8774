//! Records whose secrets are in a keyring: where each part lies, what a torn write and a keyring that fails come to.

use std::fs;

use super::super::super::backend::KeyringError;
use super::super::super::backend::tests::Fake;
use super::super::super::lock::Lock;
use super::super::super::record::tests::tokens;
use super::super::{Store, StoreError};
use super::*;
use crate::credentials::record::{Registration, Source};
use crate::problem::{Code, Problem};
use crate::secret::Secret;

const RESOURCE: &str = "https://mcp.example/mcp";
const ISSUER: &str = "https://as.example";

struct Fixture {
    _folder: tempfile::TempDir,
    fake: Fake,
    store: Store,
    lock: Lock,
}

fn fixture() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let fake = Fake::default();
    let root = folder.path().join("state");
    let store = Store { keyring: fake.keyring(), choice: None, root };
    store.room(RESOURCE, "default").prepare().unwrap();
    let lock = store.room(RESOURCE, "default").try_lock().unwrap().unwrap();
    Fixture { _folder: folder, fake, store, lock }
}

impl Fixture {
    /// The room as a process opens it that has asked the keyring for nothing yet.
    fn room(&self, choice: Option<CredentialStore>) -> Room {
        Store { choice, keyring: self.fake.keyring(), ..self.store.clone() }.room(RESOURCE, "default")
    }

    fn file(&self) -> String {
        let path = self.room(None).record_path();
        String::from_utf8(crate::credentials::file::read(&path).unwrap().unwrap().to_vec()).unwrap()
    }

    fn put(&self, text: &str) {
        let path = self.room(None).record_path();
        crate::credentials::file::replace(&path, text.as_bytes(), crate::credentials::file::Durability::Kill).unwrap();
    }
}

const KEYRING: Option<CredentialStore> = Some(CredentialStore::Keyring);

/// A record with something in every place where a secret may be.
fn signed_in() -> Record {
    let mut record = Record::new(RESOURCE, "default");
    record.issuer = Some(ISSUER.to_owned());
    let client = Registration {
        source: Source::Dynamic,
        client_id: "client".to_owned(),
        client_secret: Some(Secret::new("canary-client-secret")),
        client_secret_expires_at: None,
        scope: None,
        token_endpoint: None,
        token_endpoint_auth_method: "client_secret_basic".to_owned(),
        redirect_uris: Vec::new(),
        registered_at: 1,
        extra: Default::default(),
    };
    let mut tokens = tokens(1, None);
    tokens.access_token = Secret::new("canary-access-token");
    tokens.refresh_token = Some(Secret::new("canary-refused"));
    tokens.extra.0.insert("key_of_a_newer_version".to_owned(), "canary-key".into());
    let issuer = record.issuer_mut(ISSUER);
    issuer.signed_in(client.clone(), tokens);
    issuer.set_aside_refused(&Secret::new("canary-refused"), "refused", 1);
    issuer.tokens.as_mut().unwrap().refresh_token = Some(Secret::new("canary-refresh-token"));
    issuer.pending = Some(client);
    issuer.extra.0.insert("from_a_newer_version".to_owned(), "canary-issuer".into());
    issuer.discovery = Some(crate::credentials::record::Discovery {
        token_endpoint: "https://as.example/token".to_owned(),
        ..Default::default()
    });
    record.extra.0.insert("from_a_newer_version".to_owned(), "canary-record".into());
    record
}

#[test]
fn s5_nothing_secret_is_in_the_file_and_all_comes_back() {
    let f = fixture();
    let written = f.room(KEYRING).write(&f.lock, signed_in()).unwrap();
    assert_eq!(f.fake.entries().len(), 1);
    let file = f.file();
    assert!(!file.contains("canary"), "{file}");
    assert!(file.contains("https://as.example/token"), "what servers publish is there: {file}");
    assert_eq!(f.room(None).read().unwrap(), Some(written.clone()));
    assert_eq!(written.issuers, signed_in().issuers);
    let listed = f.store.rooms().unwrap();
    assert_eq!(listed[0].1, written);
}

#[test]
fn s5_where_a_sign_in_is_kept_it_stays_unless_the_person_says_otherwise() {
    let f = fixture();
    let first = f.room(KEYRING).write(&f.lock, signed_in()).unwrap();
    let second = f.room(None).write(&f.lock, first.clone()).unwrap();
    assert!(second.kept_in.is_some() && second.kept_in != first.kept_in);
    let third = f.room(Some(CredentialStore::File)).write(&f.lock, second).unwrap();
    assert_eq!((third.kept_in.clone(), f.fake.entries().len()), (None, 0));
    assert!(f.file().contains("canary-refresh-token"));
    let fourth = f.room(None).write(&f.lock, third).unwrap();
    assert!(fourth.kept_in.is_none());
}

#[test]
fn s5_auto_is_the_keyring_where_it_is_reached_and_else_a_file() {
    let f = fixture();
    let auto = || f.room(Some(CredentialStore::Auto));
    f.fake.fails(Some(KeyringError::Unreachable { why: "no bus".to_owned() }));
    let record = auto().write(&f.lock, signed_in()).unwrap();
    assert!(record.kept_in.is_none() && f.file().contains("canary"));
    f.fake.fails(None);
    let record = auto().write(&f.lock, record).unwrap();
    assert!(record.kept_in.is_some() && !f.file().contains("canary"));
}

#[tokio::test]
async fn s5_a_write_that_was_torn_is_noticed_and_the_newer_counts() {
    let f = fixture();
    let first = f.room(KEYRING).write(&f.lock, signed_in()).unwrap();
    let file = f.file();
    let mut next = first.clone();
    next.issuer_mut(ISSUER).tokens.as_mut().unwrap().access_token = Secret::new("canary-new");
    let room = f.room(KEYRING);
    let reserved = room.reserve(&f.lock).unwrap();
    room.write_reserved(&f.lock, reserved, next).await.unwrap();
    f.put(&file);
    let read = f.room(None).read().unwrap().unwrap();
    assert_eq!(read.generation, 2);
    assert_eq!(read.current_tokens().unwrap().access_token, Secret::new("canary-new"));
    assert!(read.current().unwrap().1.discovery.is_some());
    let healed = f.room(None).write(&f.lock, read).unwrap();
    assert_eq!(f.room(None).read().unwrap(), Some(healed));
}

#[test]
fn s5_an_entry_of_another_time_or_none_is_no_sign_in() {
    let f = fixture();
    let first = f.room(KEYRING).write(&f.lock, signed_in()).unwrap();
    let old = f.fake.entries();
    let mut next = first;
    next.issuer_mut(ISSUER).tokens.as_mut().unwrap().access_token = Secret::new("canary-new");
    f.room(KEYRING).write(&f.lock, next).unwrap();
    let foreign = old.keys().map(|name| (name.clone(), b"{\"access_token\": \"canary\"}".to_vec())).collect();
    for entries in [old, foreign, Default::default()] {
        f.fake.put(entries);
        assert_eq!(f.room(None).read().unwrap(), None);
    }
    assert!(f.room(None).set_aside_damaged(&f.lock).unwrap());
}

#[tokio::test]
async fn s5_a_keyring_that_is_not_there_is_told_before_anything_is_spent_and_loses_nothing() {
    let f = fixture();
    let record = f.room(KEYRING).write(&f.lock, signed_in()).unwrap();
    let failure = KeyringError::Unreachable { why: "no bus".to_owned() };
    f.fake.fails(Some(failure.clone()));
    let (room, file) = (f.room(None), f.file());
    assert!(matches!(room.reserve(&f.lock), Err(StoreError::KeyringWrite(error)) if error == failure));
    assert!(matches!(f.room(None).read(), Err(StoreError::KeyringRead(error)) if error == failure));
    assert!(matches!(f.room(None).write(&f.lock, record.clone()), Err(StoreError::KeyringRead(_))));
    assert!(matches!(f.room(KEYRING).forget(&f.lock, None), Err(StoreError::KeyringWrite(_))));
    assert!(f.store.rooms().unwrap().is_empty());
    assert_eq!(f.file(), file);
    let problem = Problem::from(f.room(None).read().unwrap_err());
    assert_eq!(problem.code, Code::KeyringUnavailable);
    assert!(problem.message.contains("no bus") && problem.hint.contains("--credential-store"), "{problem}");
    f.fake.fails(None);
    assert_eq!(f.room(None).read().unwrap(), Some(record));
}

#[test]
fn s5_who_signs_out_leaves_no_entry_and_what_is_kept_is_not_in_the_file() {
    let f = fixture();
    let record = f.room(KEYRING).write(&f.lock, signed_in()).unwrap();
    assert!(f.room(None).forget(&f.lock, record.signed_out()).unwrap());
    assert!(!f.file().contains("canary"));
    let kept = f.room(None).read().unwrap().unwrap();
    assert_eq!(kept.current_tokens(), None);
    assert!(kept.issuers[ISSUER].registration.as_ref().unwrap().client_secret.is_some());
    assert!(f.room(None).forget(&f.lock, None).unwrap());
    assert!(f.fake.entries().is_empty());
    assert!(fs::symlink_metadata(f.room(None).record_path()).is_err());
}

#[test]
fn s5_two_state_folders_have_entries_of_their_own() {
    let (a, b) = (fixture(), fixture());
    assert_ne!(a.room(KEYRING).entry(), b.room(KEYRING).entry());
    assert!(a.room(KEYRING).entry().starts_with("mcp-example-"));
}

#[tokio::test]
async fn what_was_read_once_is_not_asked_for_again() {
    let f = fixture();
    f.room(KEYRING).write(&f.lock, signed_in()).unwrap();
    let (room, asked) = (f.room(None), f.fake.asked());
    room.read_aside().await.unwrap();
    room.read_aside().await.unwrap();
    room.read().unwrap();
    assert_eq!(f.fake.asked(), asked + 1);
}

#[tokio::test]
async fn a_keyring_that_says_nothing_holds_up_nobody_else() {
    let f = fixture();
    f.room(KEYRING).write(&f.lock, signed_in()).unwrap();
    let room = f.room(None);
    let speak = f.fake.silence();
    let mut reading = std::pin::pin!(room.read_aside());
    tokio::select! {
        biased;
        _ = &mut reading => panic!("it said something"),
        () = tokio::task::yield_now() => {}
    }
    speak();
    assert_eq!(reading.await.unwrap().unwrap().issuers, signed_in().issuers);
}

#[test]
fn s5_a_room_in_memory_is_one_for_all_of_this_process_and_touches_no_disk() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store { choice: Some(CredentialStore::Memory), ..Store::open(folder.path().join("state")) };
    let (room, other) = (store.room(RESOURCE, "default"), store.room(RESOURCE, "default"));
    room.prepare().unwrap();
    let lock = room.try_lock().unwrap().unwrap();
    assert!(other.try_lock().unwrap().is_none() && !other.is_free().unwrap());
    let (before, written) = (other.stamp(), room.write(&lock, signed_in()).unwrap());
    assert_ne!(other.stamp(), before);
    assert_eq!((written.generation, other.read().unwrap()), (1, Some(written.clone())));
    assert!(room.try_start().unwrap().is_some());
    room.keep(b"answers").unwrap();
    assert_eq!(other.recall().as_deref(), Some(&b"answers"[..]));
    assert!(!room.set_aside_damaged(&lock).unwrap());
    let reserved = room.reserve(&lock).unwrap();
    drop(reserved);
    assert!(room.forget(&lock, None).unwrap());
    assert_eq!((other.read().unwrap(), other.recall()), (None, None));
    assert_eq!(store.room(RESOURCE, "another").read().unwrap(), None);
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
}
