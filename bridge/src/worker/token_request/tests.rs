//! What becomes of the key: kept, made anew, or not used at all.

use std::time::Duration;

use super::*;
use crate::oauth::endpoint::UrlRule;
use crate::secret::Secret;

fn tokens(dpop: Option<DpopBinding>) -> Tokens {
    Tokens {
        access_token: Secret::new("at"),
        resource: None,
        token_type: if dpop.is_some() { "DPoP" } else { "Bearer" }.to_owned(),
        obtained_at: 1,
        expires_at: None,
        signed_in_at: 1,
        refreshed: false,
        refresh_token: None,
        scope: None,
        grant: crate::settings::GrantType::default(),
        token_endpoint: "https://as.example.com/token".to_owned(),
        dpop,
        extra: Extra::default(),
    }
}

fn bound() -> Tokens {
    let mut possession = Possession::begin(None, DpopChoice::Auto).unwrap();
    possession.nonce = Nonce::parse("n1");
    let mut tokens = possession.bind(tokens(None));
    tokens.token_type = "DPoP".to_owned();
    tokens
}

fn damaged() -> Tokens {
    tokens(Some(DpopBinding { private_key: Secret::new("AAAA"), nonce: None, extra: Extra::default() }))
}

fn answer(token_type: TokenType) -> TokenResponse {
    TokenResponse {
        id_token: None,
        access_token: Secret::new("at"),
        token_type,
        expires_in: Some(Duration::from_secs(60)),
        refresh_token: None,
        scope: None,
    }
}

#[test]
fn a_new_sign_in_goes_on_with_the_key_and_the_nonce_of_the_tokens_before() {
    let before = bound();
    let again = Possession::begin(Some(&before), DpopChoice::Auto).unwrap();
    assert_eq!(again.bind(tokens(None)).dpop, before.dpop);
    let new = Possession::begin(Some(&damaged()), DpopChoice::Auto).unwrap();
    assert!(new.thumbprint().is_some() && new.bind(tokens(None)).dpop != damaged().dpop);
}

#[test]
fn rfc9449_5_a_refresh_goes_by_the_key_that_the_tokens_are_bound_to() {
    let before = bound();
    let proofs = Possession::of_refresh(&before, DpopChoice::Auto, false).unwrap().unwrap();
    assert_eq!(proofs.bind(tokens(None)).dpop, before.dpop);
}

#[test]
fn a_refresh_proves_possession_where_it_is_wanted_and_can_be() {
    use DpopChoice::{Always, Auto, Never};
    let table = [
        ("not bound, nobody wants it", tokens(None), Auto, false, Some(false)),
        ("not bound, the resource wants it", tokens(None), Auto, true, Some(true)),
        ("not bound, always", tokens(None), Always, false, Some(true)),
        ("not bound, never", tokens(None), Never, true, Some(false)),
        ("bound", bound(), Auto, false, Some(true)),
        ("bound, never", bound(), Never, false, None),
        ("bound to a damaged key", damaged(), Auto, false, None),
    ];
    for (name, tokens, choice, wanted, expected) in table {
        let possession = Possession::of_refresh(&tokens, choice, wanted).unwrap();
        assert_eq!(possession.map(|possession| possession.key.is_some()), expected, "{name}");
    }
}

#[test]
fn rfc9449_5_a_server_without_dpop_answers_bearer_and_that_is_good_but_for_always() {
    let at = Endpoint::parse("token_endpoint", "https://as.example.com/token", &UrlRule::default()).unwrap();
    let (auto, none) = (Possession::begin(None, DpopChoice::Auto).unwrap(), Possession::none());
    let always = Possession::begin(None, DpopChoice::Always).unwrap();
    assert_eq!(auto.judge(&at, &answer(TokenType::Bearer)), Ok(()));
    assert_eq!(auto.judge(&at, &answer(TokenType::Dpop)), Ok(()));
    assert_eq!(none.judge(&at, &answer(TokenType::Bearer)), Ok(()));
    assert!(matches!(none.judge(&at, &answer(TokenType::Dpop)), Err(TokenError::BoundUnasked { .. })));
    assert!(matches!(always.judge(&at, &answer(TokenType::Bearer)), Err(TokenError::Unbound { .. })));
}

#[test]
fn a_key_is_shown_by_nothing_but_its_thumbprint() {
    let before = bound();
    let key = before.dpop.as_ref().unwrap().private_key.expose().to_owned();
    let possession = Possession::begin(Some(&before), DpopChoice::Auto).unwrap();
    assert!(!format!("{before:?} {possession:?}").contains(&key));
}
