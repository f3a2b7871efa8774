//! What is told of a stored sign-in, and what never is.

use serde_json::{Value, json};

use super::*;
use crate::credentials::record::{DpopBinding, Extra, Registration};
use crate::credentials::store::Store;
use crate::secret::Secret;

const NOW: u64 = 1_795_529_100; // 2026-11-24T14:05:00Z
const ISSUER: &str = "https://as.example";

fn record(expires_at: Option<u64>, refresh_token: Option<&str>) -> Record {
    let mut record = Record::new("https://mcp.example/mcp?key=hunter2", "work");
    record.issuer = Some(ISSUER.to_owned());
    let stored = record.issuer_mut(ISSUER);
    stored.tokens = Some(Tokens {
        resource: None,
        // {"email":"anna@example.com"}
        access_token: Secret::new("e30.eyJlbWFpbCI6ImFubmFAZXhhbXBsZS5jb20ifQ.hunter2"),
        token_type: "Bearer".to_owned(),
        obtained_at: NOW - 600,
        expires_at,
        signed_in_at: NOW - 600,
        refreshed: false,
        refresh_token: refresh_token.map(Secret::new),
        scope: Some("mcp:tools\u{1b} offline_access".to_owned()),
        grant: crate::settings::GrantType::default(),
        token_endpoint: "https://as.example/token".to_owned(),
        dpop: None,
        extra: Extra::default(),
    });
    stored.registration = Some(Registration {
        scope: None,
        token_endpoint: None,
        source: Source::Given,
        client_id: "id".to_owned(),
        client_secret: Some(Secret::new("hunter2")),
        client_secret_expires_at: None,
        token_endpoint_auth_method: "none".to_owned(),
        redirect_uris: Vec::new(),
        registered_at: 1,
        extra: Extra::default(),
    });
    record
}

fn entry(record: &Record) -> Entry {
    let folder = tempfile::tempdir().unwrap();
    Entry::of(&Store::open(folder.path()).room(&record.resource, &record.profile), record, NOW)
}

#[test]
fn the_json_has_the_documented_fields_and_nothing_secret() {
    let mut value = serde_json::to_value(entry(&record(Some(NOW + 2820), Some("hunter2")))).unwrap();
    assert!(value["folder"].take().as_str().unwrap().contains("mcp-example"));
    let expected = json!({
        "resource": "https://mcp.example/mcp?…", "profile": "work", "state": "signed_in", "issuer": ISSUER,
        "account": "anna@example.com", "client": {"id": "id", "source": "given"},
        "scopes": ["mcp:tools\\u{1b}", "offline_access"], "signed_in_at": "2026-11-24T13:55:00Z",
        "expires_at": "2026-11-24T14:52:00Z", "grant": "authorization_code", "can_refresh": true, "dpop": false,
        "sign_in": null, "store": "file", "folder": Value::Null,
    });
    assert_eq!(value, expected);
}

#[test]
fn the_words_say_what_a_person_wants_to_know() {
    let words = entry(&record(Some(NOW + 2820), Some("hunter2"))).in_words(NOW);
    for part in [
        "https://mcp.example/mcp?… (profile work)\n",
        "signed in as anna@example.com",
        ISSUER,
        "mcp:tools\\u{1b} offline_access",
        "ends in 47 min; is renewed without you",
        "id (given)",
    ] {
        assert!(words.contains(part), "{part} is not in\n{words}");
    }
    assert!(!words.contains("hunter2"), "{words}");
}

#[test]
fn who_can_go_on_without_signing_in_is_signed_in() {
    let table = [
        ("a token and a refresh token", Some(NOW + 60), Some("r"), State::SignedIn),
        ("a token alone", Some(NOW + 60), None, State::SignedIn),
        ("a token without a known end", None, None, State::SignedIn),
        ("a refresh token alone", Some(NOW - 60), Some("r"), State::SignedIn),
        ("neither", Some(NOW - 60), None, State::Expired),
    ];
    for (name, expires_at, refresh_token, expected) in table {
        assert_eq!(entry(&record(expires_at, refresh_token)).state, expected, "{name}");
    }
    assert_eq!(entry(&Record::new("https://mcp.example", "default")).state, State::SignedOut);
}

#[test]
fn a_refresh_token_is_worth_nothing_without_its_client() {
    let mut record = record(Some(NOW - 60), Some("r"));
    record.issuer_mut(ISSUER).registration.as_mut().unwrap().client_secret_expires_at = Some(NOW - 1);
    assert_eq!(entry(&record).state, State::Expired);
    record.issuer_mut(ISSUER).registration = None;
    assert!(!entry(&record).can_refresh);
}

#[test]
fn a_grant_without_a_person_renews_what_it_brought_and_is_named() {
    let mut record = record(Some(NOW - 60), None);
    let stored = record.issuer_mut(ISSUER);
    stored.registration = None;
    stored.tokens.as_mut().unwrap().grant = GrantType::JwtBearer;
    let entry = entry(&record);
    assert_eq!(entry.state, State::SignedIn);
    let words = entry.in_words(NOW);
    assert!(words.contains("jwt_bearer") && words.contains("is renewed without you"), "{words}");
}

#[test]
fn only_a_sign_in_whose_process_holds_the_lock_is_under_way() {
    let folder = tempfile::tempdir().unwrap();
    let record = Record::new("https://mcp.example", "default");
    let room = Store::open(folder.path().join("state")).room(&record.resource, &record.profile);
    room.prepare().unwrap();
    let lock = room.try_lock().unwrap().unwrap();
    let mut sign_in = SignIn::begin(Phase::WaitingForPerson, NOW - 60, NOW + 240);
    sign_in.authorization_url = Some("https://as.example/authorize?state=hunter2".to_owned());
    room.write_sign_in(&lock, &sign_in).unwrap();
    let shown = serde_json::to_value(Entry::of(&room, &record, NOW)).unwrap();
    assert_eq!(shown["sign_in"]["phase"], "waiting_for_person");
    assert_eq!(shown["sign_in"]["gives_up_at"], "2026-11-24T14:09:00Z");
    let words = Entry::of(&room, &record, NOW).in_words(NOW);
    assert!(words.contains("waits for a person") && words.contains("4 min"), "{words}");
    assert!(!words.contains("hunter2") && !shown.to_string().contains("hunter2"));
    drop(lock);
    assert!(!is_under_way(&room), "its process has died");
}

#[test]
fn a_bound_token_is_told_and_its_key_is_not() {
    let mut bound = record(Some(NOW + 60), None);
    let tokens = bound.issuer_mut(ISSUER).tokens.as_mut().unwrap();
    tokens.token_type = "DPoP".to_owned();
    let (private_key, nonce) = (Secret::new("hunter2"), Some("hunter2".to_owned()));
    tokens.dpop = Some(DpopBinding { private_key, nonce, extra: Extra::default() });
    let bound = entry(&bound);
    assert!(bound.dpop && bound.in_words(NOW).contains("cannot be renewed; bound to a key of this machine (DPoP)"));
    assert!(!serde_json::to_string(&bound).unwrap().contains("hunter2"));
}
