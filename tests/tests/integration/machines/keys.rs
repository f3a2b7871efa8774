//! Clients that prove themselves by a key (A13, RFC 7523 §2.2), with a person and without.

use std::fs;
use std::time::Duration;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use mcp_bridge_tests::bridge::Options;
use mcp_mock_server::{Endpoint, Fault, MockServer, OfferedGrant, PublicKey};
use serde_json::{Value, json};

use super::{CLIENT, fails, has_bothered_nobody, kept, tokens, words, works};
use crate::{House, code, text};

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

fn pair(private: &[u8], public: &PublicKeyX509Der<'_>) -> (String, PublicKey) {
    let public = PublicKey::from_pem(&pem("PUBLIC KEY", public.as_ref())).unwrap();
    (pem("PRIVATE KEY", private), public)
}

fn p256() -> (String, PublicKey) {
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    pair(key.to_pkcs8v1().unwrap().as_ref(), &key.public_key().as_der().unwrap())
}

fn rsa() -> (String, PublicKey) {
    let key = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let private: Pkcs8V1Der<'_> = key.as_der().unwrap();
    pair(private.as_ref(), &key.public_key().as_der().unwrap())
}

fn ed25519() -> (String, PublicKey) {
    let key = Ed25519KeyPair::generate().unwrap();
    pair(key.to_pkcs8().unwrap().as_ref(), &key.public_key().as_der().unwrap())
}

#[tokio::test]
async fn a_key_of_each_kind_proves_a_client_and_lies_nowhere_else() {
    for (name, (private, public)) in [("ES256", p256()), ("RS256", rsa()), ("EdDSA", ed25519())] {
        let builder = MockServer::builder().grants([OfferedGrant::ClientCredentials]);
        let house = House::new(builder.known_client_with_key(CLIENT, public, &[])).await;
        let file = kept(&house, "key.pem", &private);
        let flags = ["--client-id", CLIENT, "--private-key-file", &file, "--private-key-id", "k1", "--log", "trace"];
        let ended = works(house.options().with(&flags)).await;
        let asked = tokens(&house);
        assert_eq!(asked.len(), 1, "{name}");
        let assertion = asked[0].param("client_assertion").unwrap();
        let header = URL_SAFE_NO_PAD.decode(assertion.split('.').next().unwrap()).unwrap();
        let header: Value = serde_json::from_slice(&header).unwrap();
        assert_eq!(header, json!({"alg": name, "typ": "JWT", "kid": "k1"}));
        assert!(asked[0].header("authorization").is_none() && asked[0].param("client_secret").is_none());
        let inside = private.lines().nth(1).unwrap();
        let stored = fs::read_to_string(house.record()).unwrap();
        for (place, text) in [("stderr", &ended.stderr), ("the record", &stored)] {
            assert!(!text.contains(inside) && !text.contains(assertion), "{name}: {place}");
        }
        has_bothered_nobody(&house);
    }
}

#[tokio::test]
async fn a_person_signs_in_through_a_client_with_a_key_and_each_request_has_a_fresh_assertion() {
    let (private, public) = p256();
    let builder = MockServer::builder().known_client_with_key(CLIENT, public, &["http://127.0.0.1/callback"]);
    let house = House::new(builder).await;
    let file = kept(&house, "key.pem", &private);
    let flags = ["--client-id", CLIENT, "--private-key-file", &file];
    let mut bridge = house.options().with(&flags).start();
    assert!(bridge.initialize().await["result"].is_object());
    house.server.expire_access_tokens();
    assert!(text(&bridge.call_tool("get_user_profile", json!({})).await).contains("alice"));
    bridge.end().await;
    assert_eq!((house.browser.tabs_opened(), house.server.counts().refreshes), (1, 1));
    let url = house.server.mcp_url();
    let ended = Options::new(&["logout", &url, "--private-key-file", &file], house.state.path()).start().end().await;
    assert!(ended.stderr.contains("the server revoked"), "{}", ended.stderr);
}

#[tokio::test]
async fn a_request_that_is_sent_again_has_another_assertion() {
    let (private, public) = p256();
    let builder = MockServer::builder().known_client_with_key(CLIENT, public, &["http://127.0.0.1/callback"]);
    let house = House::new(builder.refresh_grace(Duration::from_secs(60))).await;
    let file = kept(&house, "key.pem", &private);
    let mut bridge = house.options().with(&["--client-id", CLIENT, "--private-key-file", &file]).start();
    assert!(bridge.initialize().await["result"].is_object());
    house.server.expire_access_tokens();
    house.server.set_fault(Some(Fault::LostTokenAnswer));
    assert!(text(&bridge.call_tool("get_user_profile", json!({})).await).contains("alice"));
    let asked = tokens(&house);
    let assertions: Vec<_> = asked.iter().filter_map(|seen| seen.param("client_assertion")).collect();
    assert_eq!(assertions.len(), 3, "code, refresh, refresh again");
    assert_ne!(assertions[1], assertions[2]);
    assert_eq!(house.browser.tabs_opened(), 1);
}

#[tokio::test]
async fn another_key_than_the_registered_one_is_told_to_whom_it_concerns() {
    let builder = MockServer::builder().grants([OfferedGrant::ClientCredentials]);
    let house = House::new(builder.known_client_with_key(CLIENT, p256().1, &[])).await;
    let file = kept(&house, "key.pem", &p256().0);
    let flags = ["--client-id", CLIENT, "--private-key-file", &file];
    let response = fails(house.options().with(&flags)).await;
    assert_eq!(code(&response), "client_refused");
    assert!(words(&response).contains(CLIENT) && words(&response).contains("invalid_client"), "{response}");
    assert_eq!(tokens(&house).len(), 1);
}

#[tokio::test]
async fn a_method_that_the_person_named_is_registered() {
    for method in ["none", "client_secret_basic", "client_secret_post"] {
        let house = House::new(MockServer::builder()).await;
        works(house.options().with(&["--client-auth", method])).await;
        let log = house.server.log();
        let registered = log.iter().find(|seen| seen.endpoint == Endpoint::Registration).unwrap();
        assert_eq!(registered.json()["token_endpoint_auth_method"], method);
    }
}
