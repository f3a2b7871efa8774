//! Which refusal has a remedy, and which must have none.

use http::StatusCode;
use serde_json::json;

use super::*;
use crate::oauth::authorization::{self, Expected};
use crate::oauth::endpoint::{Endpoint, UrlRule};
use crate::oauth::state::State;
use crate::oauth::token_response;
use crate::secret::{Secret, SentSecrets};

fn refusal(error: &str, words: &str) -> Refusal {
    Refusal { error: error.to_owned(), words: words.to_owned() }
}

fn without(tokens: &str) -> Option<Remedy> {
    Some(Remedy::WithoutScope(tokens.split(' ').map(str::to_owned).collect()))
}

#[test]
fn a_resource_that_is_refused_is_left_out_where_nobody_chose_it() {
    let entra =
        "AADSTS9010010: The resource parameter provided in the request doesn't match with the requested scopes.";
    let table = [
        ("rfc8707, at home", "invalid_target", "", true, Some(Remedy::NoResource)),
        ("rfc8707, elsewhere", "invalid_target", "", true, None),
        ("Entra ID", "invalid_request", entra, true, Some(Remedy::NoResource)),
        ("none was sent, or a person chose it", "invalid_target", "", false, None),
        ("another number of Entra ID", "invalid_request", "AADSTS90100100: no", true, None),
        ("another error", "invalid_request", "resource is missing", true, None),
    ];
    for (name, error, words, resource, expected) in table {
        let asked = Asked { resource, at_home: !name.ends_with("elsewhere"), ..Asked::default() };
        assert_eq!(refusal(error, words).remedy(&asked), expected, "{name}");
    }
}

#[test]
fn a_scope_that_is_refused_is_left_out_the_named_one_first_then_the_unchallenged_then_all() {
    let asked = |scope, challenged| Asked { scope: Some(scope), challenged, ..Asked::default() };
    let two = asked("a offline_access", Some("a"));
    let table = [
        ("named", "Invalid scopes: offline_access.", two, without("offline_access")),
        ("named in quotes", "The scope 'offline_access' is not allowed", two, without("offline_access")),
        ("part of a name is no name", "read:a offline_accessor", two, without("offline_access")),
        ("named among allowed ones", "the supported scopes are: a b", two, without("offline_access")),
        ("none is named", "The requested scope is invalid", two, without("offline_access")),
        ("the challenge's are refused too", "no", asked("a", Some("a")), without("a")),
        ("there was no challenge", "no", asked("a b", None), without("a b")),
        ("the one that the challenge names", "scope a is unknown", two, without("a")),
        (
            "a URL",
            "unknown: https://x.example/.default",
            asked("https://x.example/.default b", None),
            without("https://x.example/.default"),
        ),
        ("no scope was sent, or a person chose it", "offline_access", Asked::default(), None),
        (
            "what is demanded stays",
            "b is refused",
            Asked { demanded: Some("b"), ..asked("a b", Some("b")) },
            without("a"),
        ),
        ("only what is demanded is left", "no", Asked { demanded: Some("a b"), ..asked("a b", None) }, None),
    ];
    for (name, words, asked, expected) in table {
        assert_eq!(refusal("invalid_scope", words).remedy(&asked), expected, "{name}");
    }
}

#[test]
fn a_refresh_is_healed_without_resource_or_with_scope() {
    let table = [
        ("rfc8707, at home", "invalid_target", "", (true, None), Some(Remedy::NoResourceOnRefresh)),
        ("rfc8707, elsewhere", "invalid_target", "", (true, None), None),
        ("no resource was sent", "invalid_target", "", (false, Some("a")), None),
        ("scope is missing", "invalid_request", "Scope is required", (true, Some("a")), Some(Remedy::ScopeOnRefresh)),
        ("Entra ID", "invalid_request", "AADSTS90009: no", (true, Some("a")), Some(Remedy::ScopeOnRefresh)),
        ("no scope is known, or it was sent", "invalid_request", "scope is required", (true, None), None),
        ("something else is missing", "invalid_request", "client_id is missing", (true, Some("a")), None),
        ("a scope is refused", "invalid_scope", "scope", (true, Some("a")), None),
    ];
    for (name, error, words, (resource, scope), expected) in table {
        assert_eq!(
            refusal(error, words).remedy_of_refresh((resource, !name.ends_with("elsewhere")), scope),
            expected,
            "{name}"
        );
    }
}

#[test]
fn a_refusal_of_the_person_the_client_the_state_or_the_issuer_has_no_remedy() {
    let table = [
        ("access_denied", "state=s&error=access_denied&error_description=AADSTS9010010", false),
        ("the client", "state=s&error=unauthorized_client&error_description=invalid_target", false),
        ("trouble", "state=s&error=server_error&error_description=scope", false),
        ("another state", "state=t&error=invalid_target", false),
        ("no state", "error=invalid_target", false),
        ("another issuer", "state=s&iss=https://evil.example&error=invalid_target", false),
        ("no code", "state=s", false),
        ("a good one that is refused", "state=s&error=invalid_target", true),
    ];
    let expected =
        Expected { state: State(Secret::new("s")), issuer: "https://as.example".to_owned(), is_iss_required: false };
    for (name, query, is_healable) in table {
        let error = authorization::judge(query, &expected).unwrap_err();
        assert_eq!(Refusal::of_response(&error).is_some(), is_healable, "{name}");
    }
}

#[test]
fn a_token_endpoint_that_refuses_the_client_or_the_grant_has_no_remedy() {
    let at = Endpoint::parse("x", "https://as.example/token", &UrlRule::default()).unwrap();
    let table = [
        ("invalid_client", 401, false),
        ("unauthorized_client", 400, false),
        ("invalid_grant", 400, false),
        ("temporarily_unavailable", 503, false),
        ("invalid_target", 400, true),
        ("invalid_scope", 400, true),
        ("invalid_request", 400, true),
    ];
    for (error, status, is_healable) in table {
        let body = json!({"error": error, "error_description": "AADSTS9010010"}).to_string();
        let status = StatusCode::from_u16(status).unwrap();
        let error = token_response::judge(&at, &SentSecrets::from([]), status, body.as_bytes()).unwrap_err();
        assert_eq!(Refusal::of_token(&error).is_some(), is_healable, "{error}");
    }
}

#[test]
fn a_remedy_is_news_once() {
    let mut concessions = Concessions::default();
    let scope = without("a b").unwrap();
    for remedy in [Remedy::Localhost, Remedy::NoResource, Remedy::NoResourceOnRefresh, scope, Remedy::ScopeOnRefresh] {
        assert!(remedy.add_to(&mut concessions) && !remedy.add_to(&mut concessions), "{remedy}");
    }
}
