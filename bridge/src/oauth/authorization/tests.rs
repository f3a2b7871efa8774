//! The front channel, rule by rule.

use url::form_urlencoded;

use super::{AuthorizationRequest, AuthorizationResponse, AuthorizationResponseError, Expected, judge};
use crate::oauth::endpoint::{Endpoint, EndpointError, UrlRule};
use crate::oauth::state::State;
use crate::problem::Code;
use crate::secret::Secret;

fn request(endpoint: &str) -> AuthorizationRequest {
    AuthorizationRequest {
        endpoint: Endpoint::parse("authorization_endpoint", endpoint, &UrlRule::with_http_host("as.lan")).unwrap(),
        client_id: "c&1".to_owned(),
        redirect_uri: "http://127.0.0.1:3333/callback".to_owned(),
        state: State(Secret::new("st")),
        code_challenge: "ch".to_owned(),
        resource: Some("https://mcp.example.com/mcp".to_owned()),
        scope: Some("a b".to_owned()),
        more: Vec::new(),
        dpop_jkt: None,
    }
}

fn pairs(request: &AuthorizationRequest) -> Vec<(String, String)> {
    request.url(&UrlRule::default()).unwrap().query_pairs().into_owned().collect()
}

fn judged_with(query: &str, is_iss_required: bool) -> Result<AuthorizationResponse, AuthorizationResponseError> {
    let issuer = "https://as.example.com".to_owned();
    judge(query, &Expected { state: State(Secret::new("st")), issuer, is_iss_required })
}

fn judged(query: &str) -> Result<AuthorizationResponse, AuthorizationResponseError> {
    judged_with(query, false)
}

#[test]
fn a_server_that_repeats_state_or_code_is_quoted_without_them() {
    let expected = Expected {
        state: State(Secret::new("the-state")),
        issuer: "https://as.example.com".to_owned(),
        is_iss_required: false,
    };
    let query = "error=x-the-code&error_description=no+the-state&code=the-code&state=the-state";
    let refused = judge(query, &expected).unwrap_err();
    let AuthorizationResponseError::Refused(words) = &refused else { panic!("{refused:?}") };
    assert_eq!(words.to_string(), "x-[secret]: no [secret]");
    assert!(!format!("{refused:?}").contains("the-"));
}

mod rfc6749_4_1_1 {
    use super::*;

    #[test]
    fn the_url_has_every_parameter_once() {
        let expected = [
            ("response_type", "code"),
            ("client_id", "c&1"),
            ("redirect_uri", "http://127.0.0.1:3333/callback"),
            ("state", "st"),
            ("code_challenge", "ch"),
            ("code_challenge_method", "S256"),
            ("resource", "https://mcp.example.com/mcp"),
            ("scope", "a b"),
        ];
        let found = pairs(&request("https://as.example.com/authorize"));
        assert_eq!(found.iter().map(|(name, value)| (&**name, &**value)).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_the_person_adds_comes_last_and_replaces_nothing_of_ours() {
        let mut asked = request("https://as.example.com/authorize?prompt=none&tenant=1");
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        asked.more = vec![pair("prompt", "consent"), pair("state", "theirs"), pair("login_hint", "a&b")];
        let found = pairs(&asked);
        let all = |name: &str| found.iter().filter(|(known, _)| known == name).map(|(_, v)| &**v).collect::<Vec<_>>();
        let table = [("prompt", "consent"), ("state", "st"), ("login_hint", "a&b"), ("tenant", "1")];
        for (name, value) in table {
            assert_eq!(all(name), [value], "{name}");
        }
    }

    #[test]
    fn rfc9449_10_the_code_is_bound_to_the_key_that_is_named() {
        let mut bound = request("https://as.example.com/authorize");
        bound.dpop_jkt = Some("0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I".to_owned());
        let last = pairs(&bound).pop().unwrap();
        assert_eq!(last, ("dpop_jkt".to_owned(), "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I".to_owned()));
    }

    #[test]
    fn resource_and_scope_are_left_out_where_there_are_none() {
        let bare = AuthorizationRequest { resource: None, scope: None, ..request("https://as.example.com/authorize") };
        assert!(!pairs(&bare).iter().any(|(name, _)| name == "resource" || name == "scope"));
    }
}

mod rfc6749_3_1 {
    use super::*;

    #[test]
    fn the_query_of_the_endpoint_is_kept() {
        let url = request("https://as.example.com/authorize?tenant=a%20b").url(&UrlRule::default()).unwrap();
        assert!(url.query().unwrap().starts_with("tenant=a%20b&response_type=code&"));
    }

    #[test]
    fn a_query_of_the_endpoint_cannot_double_a_parameter() {
        let found = pairs(&request("https://as.example.com/authorize?state=evil&client%5Fid=evil&tenant=1"));
        for name in ["state", "client_id"] {
            let values: Vec<_> = found.iter().filter(|(known, _)| known == name).collect();
            assert_eq!(values.len(), 1, "{name}");
            assert_ne!(values[0].1, "evil");
        }
        assert_eq!(found[0], ("tenant".to_owned(), "1".to_owned()));
    }
}

mod a12 {
    use super::*;

    #[test]
    fn a_browser_gets_no_plain_http_but_on_loopback() {
        assert!(request("http://127.0.0.1:8080/authorize").url(&UrlRule::default()).is_ok());
        let error = request("http://as.lan/authorize").url(&UrlRule::default()).unwrap_err();
        assert!(matches!(error, EndpointError::Insecure { .. }));
    }

    #[test]
    fn a_browser_gets_no_url_over_8_kib() {
        let mut long = request("https://as.example.com/authorize");
        long.scope = Some("a".repeat(9000));
        assert!(matches!(long.url(&UrlRule::default()).unwrap_err(), EndpointError::TooLong { .. }));
    }
}

mod rfc6749_4_1_2 {
    use super::*;

    #[test]
    fn a_code_with_the_right_state_is_used() {
        assert_eq!(judged("code=c%2B1&state=st&unknown=1").unwrap().code, Secret::new("c+1"));
    }

    #[test]
    fn a_response_without_code_and_error_is_refused() {
        for query in ["state=st", "state=st&code="] {
            assert_eq!(judged(query), Err(AuthorizationResponseError::NoCode), "{query}");
        }
    }

    #[test]
    fn a_repeated_parameter_is_refused() {
        for (query, name) in [
            ("state=st&code=a&code=b", "code"),
            ("state=st&error=a&error=a", "error"),
            ("state=st&code=a&error_description=x&error_description=y", "error_description"),
            ("state=st&code=a&iss=https://as.example.com&iss=https://as.example.com", "iss"),
        ] {
            assert_eq!(judged(query), Err(AuthorizationResponseError::Repeated { name }), "{query}");
        }
    }

    #[test]
    fn an_error_beats_a_code() {
        assert!(matches!(judged("state=st&code=a&error=access_denied"), Err(AuthorizationResponseError::Denied(_))));
    }

    #[test]
    fn each_error_has_its_kind_and_the_servers_words() {
        let table = [
            ("access_denied", Code::SignInDenied, "the sign-in was denied: access_denied: w"),
            (
                "invalid_scope",
                Code::AuthorizationResponseInvalid,
                "the authorization server refused the scope: invalid_scope: w",
            ),
            (
                "server_error",
                Code::AuthorizationResponseInvalid,
                "the authorization server is in trouble: server_error: w",
            ),
            (
                "temporarily_unavailable",
                Code::AuthorizationResponseInvalid,
                "the authorization server is in trouble: temporarily_unavailable: w",
            ),
            (
                "unauthorized_client",
                Code::AuthorizationResponseInvalid,
                "the authorization server refused this client: unauthorized_client: w",
            ),
            (
                "invalid_target",
                Code::AuthorizationResponseInvalid,
                "the authorization server refused the request: invalid_target: w",
            ),
        ];
        for (error, code, message) in table {
            let judged = judged(&format!("state=st&error={error}&error_description=w")).unwrap_err();
            assert_eq!((judged.code(), judged.to_string().as_str()), (code, message), "{error}");
            assert_eq!(judged.forgets_registration(), error == "unauthorized_client");
            assert!(!judged.wait_goes_on());
        }
    }

    #[test]
    fn control_characters_in_the_servers_words_are_escaped() {
        let error = judged("state=st&error=x%1b%0a").unwrap_err();
        assert!(error.to_string().ends_with("x\\u{1b}\\u{a}"));
    }
}

mod a10 {
    use super::*;

    #[test]
    fn a_response_without_the_right_state_changes_nothing() {
        let long = format!("state=st&code={}", "a".repeat(20_000));
        let table = [
            ("", AuthorizationResponseError::NoState),
            ("code=a", AuthorizationResponseError::NoState),
            ("error=access_denied", AuthorizationResponseError::NoState),
            ("code=a&STATE=st", AuthorizationResponseError::NoState),
            ("code=a&state=", AuthorizationResponseError::WrongState),
            ("code=a&state=other", AuthorizationResponseError::WrongState),
            ("code=a&state=st%20", AuthorizationResponseError::WrongState),
            ("code=a&state=st&state=st", AuthorizationResponseError::StateRepeated),
            ("code=a&state=st&st%61te=other", AuthorizationResponseError::StateRepeated),
            ("state=other&iss=https://evil.example", AuthorizationResponseError::WrongState),
            (&long, AuthorizationResponseError::TooLong { length: long.len() }),
        ];
        for (query, expected) in table {
            let error = judged(query).unwrap_err();
            assert_eq!(error, expected, "{query}");
            assert!(error.wait_goes_on());
        }
    }
}

mod rfc9207_2_4 {
    use super::*;

    #[test]
    fn the_same_iss_passes_whether_promised_or_not() {
        for is_required in [true, false] {
            let query = "state=st&code=a&iss=https%3A%2F%2Fas.example.com";
            assert!(judged_with(query, is_required).is_ok());
        }
    }

    #[test]
    fn any_other_spelling_of_iss_is_refused() {
        for iss in [
            "https://evil.example.com",
            "https://AS.example.com",
            "https://as.example.com/",
            "https://as.example.com:443",
            "https%3A%2F%2Fas.example.com",
            " https://as.example.com",
            "",
        ] {
            let encoded: String = form_urlencoded::byte_serialize(iss.as_bytes()).collect();
            let error = judged(&format!("state=st&code=a&iss={encoded}")).unwrap_err();
            assert!(matches!(error, AuthorizationResponseError::IssMismatch { .. }), "{iss}");
            assert!(!error.wait_goes_on());
        }
    }

    #[test]
    fn a_known_iss_passes_for_its_own_issuer_alone() {
        let query = "state=st&code=a&iss=https%3A%2F%2Fauth.monday.com";
        let of = |issuer: &str| Expected {
            state: State(Secret::new("st")),
            issuer: issuer.to_owned(),
            is_iss_required: true,
        };
        assert!(judge(query, &of("https://auth.monday.com/mcp")).is_ok());
        for issuer in ["https://auth.monday.com/other", "https://as.example.com"] {
            let error = judge(query, &of(issuer)).unwrap_err();
            assert!(matches!(error, AuthorizationResponseError::IssMismatch { .. }), "{issuer}");
        }
    }

    #[test]
    fn a_missing_iss_is_refused_if_it_was_promised() {
        let error = judged_with("state=st&code=a", true).unwrap_err();
        assert!(matches!(error, AuthorizationResponseError::IssMissing { .. }));
        assert!(judged_with("state=st&code=a", false).is_ok());
    }

    #[test]
    fn nothing_of_a_response_with_the_wrong_iss_is_shown() {
        for (query, is_required) in [
            ("state=st&error=canary&error_description=canary&iss=https://evil.example", false),
            ("state=st&error=canary&error_description=canary", true),
        ] {
            let error = judged_with(query, is_required).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("canary"), "{query}");
            assert_eq!(error.code(), Code::IssuerMismatch);
        }
    }
}
