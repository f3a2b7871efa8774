//! A parked request is decided once, by a page of ours, for an account and scopes that are on offer.

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use http::header::{LOCATION, ORIGIN};
use http::{HeaderMap, HeaderValue, StatusCode};
use url::Url;

use super::{ConsentFault, Decision, MOST, decide, judge_origin, lock, park, pending};
use crate::authorization::authorize::{AuthorizationRequest, judged};
use crate::authorization::jwt::SigningKey;
use crate::authorization::parameters::Parameters;
use crate::settings::Settings;
use crate::state::ServerState;

const REDIRECT_URI: &str = "http://127.0.0.1:9/callback";

fn state() -> ServerState {
    let origin = "http://127.0.0.1:4711".to_owned();
    ServerState::new(Settings::default(), origin.clone(), origin, SigningKey::generate().unwrap())
}

fn request(state: &ServerState) -> AuthorizationRequest {
    let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    let query = format!(
        "response_type=code&client_id=c&state=s&scope=mcp:tools+mcp:admin&code_challenge={challenge}\
         &code_challenge_method=S256&resource=http://127.0.0.1:4711/mcp"
    );
    judged(state, &Parameters::parse(query.as_bytes()), REDIRECT_URI).unwrap()
}

fn parked(state: &ServerState) -> String {
    let url = park(state, request(state)).unwrap();
    url.strip_prefix("http://127.0.0.1:4711/consent?request=").unwrap().to_owned()
}

fn allow(account: &str, scopes: &[&str]) -> Decision {
    let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
    Decision::Allow { account: account.to_owned(), scopes }
}

fn answer(state: &ServerState, id: &str, decision: &Decision) -> HashMap<String, String> {
    let response = decide(state, id, decision).unwrap();
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    let location = response.headers()[LOCATION].to_str().unwrap();
    assert!(location.starts_with(REDIRECT_URI));
    Url::parse(location).unwrap().query_pairs().into_owned().collect()
}

#[test]
fn what_waits_is_told_before_it_is_decided() {
    let state = state();
    let shown = pending(&state, &parked(&state)).unwrap();
    assert_eq!((&*shown.client_id, &*shown.redirect_uri), ("c", REDIRECT_URI));
    assert_eq!(shown.scopes, ["mcp:admin", "mcp:tools"]);
    assert_eq!(shown.resource.as_deref(), Some("http://127.0.0.1:4711/mcp"));
    assert_eq!(shown.accounts.iter().map(|account| &*account.sub).collect::<Vec<_>>(), ["alice", "bob"]);
}

#[test]
fn a_yes_gives_a_code_for_the_account_and_the_scopes_chosen() {
    let state = state();
    let answer = answer(&state, &parked(&state), &allow("bob", &["mcp:tools"]));
    assert_eq!((&*answer["state"], &*answer["iss"]), ("s", "http://127.0.0.1:4711"));
    let mut records = state.records();
    let grant = &records.code(&answer["code"]).unwrap().grant;
    assert_eq!((&*grant.account.sub, &*grant.scope.to_string()), ("bob", "mcp:tools"));
}

#[test]
fn a_no_is_access_denied() {
    let state = state();
    let answer = answer(&state, &parked(&state), &Decision::Deny);
    assert_eq!((&*answer["error"], &*answer["state"]), ("access_denied", "s"));
}

#[test]
fn a_request_is_decided_once() {
    let state = state();
    let id = parked(&state);
    answer(&state, &id, &Decision::Deny);
    assert_eq!(decide(&state, &id, &allow("bob", &["mcp:tools"])).unwrap_err(), ConsentFault::NotPending);
    assert!(pending(&state, &id).is_none());
}

#[test]
fn a_decision_for_what_is_not_on_offer_is_refused_and_may_be_made_again() {
    let state = state();
    let id = parked(&state);
    for (name, decision, fault) in [
        ("nobody", allow("mallory", &["mcp:tools"]), ConsentFault::UnknownAccount("mallory".to_owned())),
        ("a scope not asked for", allow("bob", &["other"]), ConsentFault::Scopes("other".to_owned())),
        ("no scope", allow("bob", &[]), ConsentFault::Scopes(String::new())),
    ] {
        assert_eq!(decide(&state, &id, &decision).unwrap_err(), fault, "{name}");
    }
    assert!(answer(&state, &id, &allow("alice", &["mcp:tools"])).contains_key("code"));
}

#[test]
fn what_waits_too_long_or_is_too_much_goes() {
    let state = state();
    let old = parked(&state);
    let long_ago = SystemTime::now() - Duration::from_secs(3600);
    lock(&state.waiting.0).get_mut(&old).unwrap().0 = long_ago;
    assert!(pending(&state, &old).is_none());
    assert_eq!(decide(&state, &old, &Decision::Deny).unwrap_err(), ConsentFault::NotPending);
    for _ in 0..MOST + 5 {
        parked(&state);
    }
    assert_eq!(lock(&state.waiting.0).len(), MOST);
}

#[test]
fn only_a_page_of_our_own_origin_may_decide() {
    let state = state();
    for (origin, fault) in [
        (Some("http://127.0.0.1:4711"), None),
        (Some("http://127.0.0.1:4712"), Some(ConsentFault::ForeignPage)),
        (Some("null"), Some(ConsentFault::ForeignPage)),
        (None, Some(ConsentFault::ForeignPage)),
    ] {
        let headers = origin.map(|origin| (ORIGIN, HeaderValue::from_static(origin)));
        assert_eq!(judge_origin(&state, &headers.into_iter().collect::<HeaderMap>()).err(), fault, "{origin:?}");
    }
}
