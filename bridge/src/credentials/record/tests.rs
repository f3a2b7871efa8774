//! What a record keeps, refuses and says of its tokens.

use serde_json::{Value, json};

use super::{Extra, Record, SET_ASIDE_KEPT, Source, Tokens, Unreadable};
use crate::secret::Secret;

/// The least that a token response leaves behind.
pub(in crate::credentials) fn tokens(obtained_at: u64, expires_at: Option<u64>) -> Tokens {
    Tokens {
        resource: None,
        access_token: Secret::new("at-1"),
        token_type: "Bearer".to_owned(),
        obtained_at,
        expires_at,
        signed_in_at: 0,
        refreshed: false,
        refresh_token: Some(Secret::new("rt-1")),
        scope: None,
        grant: crate::settings::GrantType::default(),
        token_endpoint: "https://as.example/token".to_owned(),
        dpop: None,
        extra: Extra::default(),
    }
}

/// A record with every field, and one unknown field at every level.
fn full() -> Value {
    json!({
        "version": 1, "resource": "https://mcp.example/", "profile": "default", "generation": 7,
        "issuer": "https://as.example", "new": {"deep": [1]},
        "vouched": {"https://as.example/tenant": "https://as.example"},
        "issuers": {"https://as.example": {
            "discovery": {
                "upstream": "https://mcp.example/", "resource": "https://mcp.example", "resource_scopes_supported": ["a"],
                "issuer": "https://as.example", "authorization_endpoint": "https://as.example/authorize",
                "token_endpoint": "https://as.example/token", "registration_endpoint": "https://as.example/register",
                "revocation_endpoint": "https://as.example/revoke", "iss_parameter_supported": true,
                "client_id_metadata_document_supported": false,
                "token_endpoint_auth_methods_supported": ["none"], "scopes_supported": ["a", "offline_access"],
                "fetched_at": 100, "new": true
            },
            "registration": {
                "source": "dynamic", "client_id": "c1", "client_secret": "cs-1", "client_secret_expires_at": 0,
                "token_endpoint_auth_method": "client_secret_basic", "redirect_uris": ["http://127.0.0.1:7/callback"],
                "registered_at": 100, "new": 18446744073709551615u64
            },
            "tokens": {
                "access_token": "at-1", "token_type": "Bearer", "obtained_at": 100, "signed_in_at": 100, "refreshed": true, "expires_at": 3700,
                "refresh_token": "rt-1", "scope": "a", "token_endpoint": "https://as.example/token", "new": null
            },
            "concessions": {
                "localhost": true, "no_resource": true, "no_resource_on_refresh": true, "refused_scope": ["b"],
                "consent": true, "consent_in_vain": true, "scope_on_refresh": true, "new": 1
            },
            "set_aside": [{"refresh_token": "rt-0", "why": "invalid_grant", "at": 90, "new": "x"}],
            "new": "y"
        }}
    })
}

fn read(value: &Value) -> Record {
    Record::from_json(value.to_string().as_bytes()).unwrap()
}

#[test]
fn every_field_and_every_unknown_field_comes_back() {
    let record = read(&full());
    assert_eq!(record.current_tokens().unwrap().refresh_token, Some(Secret::new("rt-1")));
    let written: Value = serde_json::from_slice(&record.to_json().unwrap()).unwrap();
    assert_eq!(written, full());
}

#[test]
fn no_secret_is_shown() {
    let shown = format!("{:?}", read(&full()));
    for secret in ["at-1", "rt-1", "rt-0", "cs-1", "deep"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

#[test]
fn an_empty_record_comes_back() {
    let record = Record::new("https://mcp.example/", "default");
    assert_eq!(Record::from_json(&record.to_json().unwrap()), Ok(record.clone()));
    assert_eq!((record.current(), record.current_tokens()), (None, None));
}

#[test]
fn a_newer_version_is_told_from_damage_even_if_its_shape_is_unknown() {
    let newer = br#"{"version": 2, "resource": ["changed"]}"#;
    assert_eq!(Record::from_json(newer), Err(Unreadable::TooNew { version: 2 }));
}

#[test]
fn what_is_no_record_is_damaged_and_never_quoted() {
    let whole = read(&full()).to_json().unwrap();
    let cases: &[(&str, &[u8])] = &[
        ("empty", b""),
        ("zeros", &[0; 64]),
        ("blanks", b"    "),
        ("torn", &whole[..whole.len() / 2]),
        ("another's JSON", br#"{"access_token": "at-1"}"#),
        ("an array", b"[1]"),
        ("version 0", br#"{"version": 0}"#),
        ("a token in the wrong place", br#"{"version": 1, "resource": "r", "profile": "p", "generation": "at-1"}"#),
        ("too deep", &[b'['; 10_000]),
    ];
    for (name, json) in cases {
        match Record::from_json(json) {
            Err(Unreadable::Damaged(why)) => assert!(!why.contains("at-1"), "{name}: {why}"),
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn a_refused_refresh_token_is_set_aside_only_if_it_is_still_the_stored_one() {
    let mut record = Record::new("r", "p");
    let issuer = record.issuer_mut("https://as.example");
    assert!(!issuer.set_aside_refused(&Secret::new("rt-1"), "invalid_grant", 5), "nothing is stored");
    issuer.tokens = Some(tokens(0, None));
    assert!(!issuer.set_aside_refused(&Secret::new("rt-0"), "invalid_grant", 5), "another one is stored");
    assert!(issuer.tokens.as_ref().unwrap().refresh_token.is_some());
    assert!(issuer.set_aside_refused(&Secret::new("rt-1"), "invalid_grant", 5));
    assert_eq!(issuer.tokens.as_ref().unwrap().refresh_token, None);
    assert_eq!((issuer.set_aside[0].refresh_token.expose(), issuer.set_aside[0].at), ("rt-1", 5));
}

#[test]
fn only_the_latest_refresh_tokens_set_aside_are_kept() {
    let mut record = Record::new("r", "p");
    let issuer = record.issuer_mut("i");
    for at in 0..10 {
        issuer.tokens = Some(tokens(0, None));
        assert!(issuer.set_aside_refused(&Secret::new("rt-1"), "invalid_grant", at));
    }
    assert_eq!(issuer.set_aside.iter().map(|entry| entry.at).collect::<Vec<_>>(), [5, 6, 7, 8, 9]);
    assert_eq!(issuer.set_aside.len(), SET_ASIDE_KEPT);
}

#[test]
fn a_token_is_refreshed_a_tenth_of_its_life_before_its_end_and_at_most_a_minute() {
    let cases = [
        ("long life, early", 1000, Some(4600), 4539, false),
        ("long life, a minute left", 1000, Some(4600), 4540, true),
        ("short life, early", 1000, Some(1062), 1055, false),
        ("short life, a tenth left", 1000, Some(1062), 1056, true),
        ("two seconds, new", 1000, Some(1002), 1001, false),
        ("two seconds, over", 1000, Some(1002), 1002, true),
        ("no known end", 1000, None, u64::MAX, false),
        ("the clock was set back", 1000, Some(1002), 999, false),
        ("the clock was set ahead", 1000, Some(4600), 90_000, true),
        ("an end before its beginning", 1000, Some(900), 1000, true),
        ("the end of time", 1000, Some(u64::MAX), u64::MAX, true),
    ];
    for (name, obtained_at, expires_at, now, expected) in cases {
        assert_eq!(tokens(obtained_at, expires_at).needs_refresh(now), expected, "{name}");
    }
}

#[test]
fn a_registration_without_a_source_was_dynamic() {
    let mut value = full();
    value["issuers"]["https://as.example"]["registration"].as_object_mut().unwrap().remove("source");
    let record = read(&value);
    assert_eq!(record.current().unwrap().1.registration.as_ref().unwrap().source, Source::Dynamic);
}

#[test]
fn a_given_client_belongs_to_the_issuer_that_it_was_used_with() {
    let mut value = full();
    let registration = &mut value["issuers"]["https://as.example"]["registration"];
    registration["client_id"] = json!("given");
    assert_eq!(read(&value).issuer_of_given("given"), None, "a dynamic one was not given");
    value["issuers"]["https://as.example"]["registration"]["source"] = json!("given");
    assert_eq!(read(&value).issuer_of_given("given"), Some("https://as.example"));
    assert_eq!(read(&value).issuer_of_given("other"), None);
}

#[test]
fn who_signs_out_keeps_the_clients_that_registered_themselves_and_no_token() {
    let mut value = full();
    value["issuers"]["https://b.example"] = json!({
        "registration": {"source": "given", "client_id": "c2", "token_endpoint_auth_method": "none", "registered_at": 1},
    });
    let kept = read(&value).signed_out().unwrap();
    let written = String::from_utf8(kept.to_json().unwrap().to_vec()).unwrap();
    for gone in ["at-1", "rt-1", "rt-0", "deep", "b.example", "\"y\""] {
        assert!(!written.contains(gone), "{gone} in {written}");
    }
    assert_eq!(kept.issuer.as_deref(), Some("https://as.example"));
    assert_eq!(kept.current().unwrap().1.registration, read(&full()).current().unwrap().1.registration);
    value["issuers"]["https://as.example"]["registration"]["source"] = json!("document");
    assert_eq!(read(&value).signed_out(), None);
}

#[test]
fn a_client_secret_that_ends_at_zero_never_ends() {
    let mut record = read(&full());
    let registration = record.issuer_mut("https://as.example").registration.as_mut().unwrap();
    assert!(!registration.has_expired(u64::MAX));
    registration.client_secret_expires_at = Some(50);
    assert!(!registration.has_expired(49) && registration.has_expired(50));
}

#[test]
fn a16_the_union_of_granted_and_demanded_is_asked_for() {
    let table = [
        (Some("a b"), "c", false, "a b c"),
        (Some("b a"), "a c", false, "a b c"),
        (None, "x", false, "x"),
        (Some("a b"), "b", true, "a b"),
        (Some("a"), " ", true, "a"),
    ];
    for (granted, demanded, has, all) in table {
        let tokens = Tokens { scope: granted.map(str::to_owned), ..tokens(1, None) };
        assert_eq!(tokens.has_scope(demanded), has, "{granted:?} {demanded:?}");
        assert_eq!(tokens.scope_with(demanded), all, "{granted:?} {demanded:?}");
    }
}
