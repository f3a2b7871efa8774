//! RFC 6749 §5, rule by rule.

use std::time::{Duration, SystemTime};

use http::StatusCode;
use serde_json::{Value, json};

use super::{TokenError, TokenErrorCode, TokenResponse, TokenType, judge};
use crate::oauth::endpoint::{Endpoint, UrlRule};
use crate::problem::Code;
use crate::secret::{Secret, SentSecrets};

fn judged(status: u16, body: &[u8]) -> Result<TokenResponse, TokenError> {
    let at = Endpoint::parse("token_endpoint", "https://as.example.com/token", &UrlRule::default()).unwrap();
    judge(&at, &SentSecrets::default(), StatusCode::from_u16(status).unwrap(), body)
}

#[test]
fn a_server_that_repeats_what_it_was_sent_is_quoted_without_it() {
    let at = Endpoint::parse("token_endpoint", "https://as.example.com/token", &UrlRule::default()).unwrap();
    let long = "x".repeat(195);
    let table = [
        ("a description", 400, r#"{"error":"invalid_grant","error_description":"unknown rt-sent/1"}"#.to_owned()),
        ("an escaped one", 400, r#"{"error":"invalid_grant","error_description":"rt-sent\/1"}"#.to_owned()),
        ("an unknown code", 400, r#"{"error":"rt-sent/1"}"#.to_owned()),
        ("trouble", 503, r#"{"error":"server_error","error_description":"rt-sent/1"}"#.to_owned()),
        ("a page", 502, "<p>rt-sent/1</p>".to_owned()),
        ("a page that is a success", 200, "<p>rt-sent%2F1".to_owned()),
        ("a type", 200, r#"{"access_token":"a","token_type":"rt-sent/1"}"#.to_owned()),
        ("where it would be cut", 400, format!(r#"{{"error":"x","error_description":"{long}rt-sent/1"}}"#)),
    ];
    for (name, status, body) in table {
        let sent = SentSecrets::from([&Secret::new("rt-sent/1")]);
        let error = judge(&at, &sent, StatusCode::from_u16(status).unwrap(), body.as_bytes()).unwrap_err();
        assert!(!error.to_string().contains("rt-s") && !format!("{error:?}").contains("rt-s"), "{name}: {error}");
        assert!(error.to_string().contains("[sec"), "{name}: {error}");
    }
}

fn with(key: &str, value: &Value) -> Result<TokenResponse, TokenError> {
    judged(200, json!({"access_token": "at", "token_type": "Bearer", key: value}).to_string().as_bytes())
}

mod rfc6749_5_1 {
    use super::*;

    #[test]
    fn a_whole_answer_is_read() {
        let body =
            br#"{"access_token":"at","token_type":"Bearer","expires_in":3600,"refresh_token":"rt","scope":"a b","id_token":"it"}"#;
        let expected = TokenResponse {
            access_token: Secret::new("at"),
            token_type: TokenType::Bearer,
            expires_in: Some(Duration::from_secs(3600)),
            refresh_token: Some(Secret::new("rt")),
            scope: Some("a b".to_owned()),
            id_token: Some(Secret::new("it")),
        };
        assert_eq!(judged(200, body).unwrap(), expected);
        assert_eq!(judged(200, &[b"\xef\xbb\xbf".as_slice(), body].concat()).unwrap(), expected);
        assert_eq!(judged(201, body).unwrap(), expected);
    }

    #[test]
    fn expires_in_is_read_leniently() {
        let ten_years = Some(Duration::from_secs(315_360_000));
        let table = [
            ("a number", json!(3600), Some(Duration::from_secs(3600))),
            ("text", json!("3600"), Some(Duration::from_secs(3600))),
            ("text with blanks", json!(" 3600 "), Some(Duration::from_secs(3600))),
            ("a fraction", json!(0.5), Some(Duration::from_millis(500))),
            ("a fraction as text", json!("3599.5"), Some(Duration::from_millis(3_599_500))),
            ("zero", json!(0), None),
            ("negative", json!(-5), None),
            ("huge", json!(1e30), ten_years),
            ("huge as text", json!("1e300"), ten_years),
            ("beyond every number", json!("1e999"), None),
            ("NaN", json!("NaN"), None),
            ("infinity", json!("inf"), None),
            ("words", json!("soon"), None),
            ("null", Value::Null, None),
            ("an object", json!({}), None),
        ];
        for (name, value, expected) in table {
            assert_eq!(with("expires_in", &value).unwrap().expires_in, expected, "{name}");
        }
    }

    #[test]
    fn token_type_is_bearer_or_dpop_in_any_case_or_absent() {
        for value in [json!("bearer"), json!("BEARER"), json!(""), Value::Null] {
            assert_eq!(with("token_type", &value).unwrap().token_type, TokenType::Bearer, "{value}");
        }
        for value in [json!("DPoP"), json!("dpop")] {
            assert_eq!(with("token_type", &value).unwrap().token_type, TokenType::Dpop, "{value}");
        }
        for value in [json!("mac"), json!("N_A")] {
            assert!(matches!(with("token_type", &value), Err(TokenError::TokenType { .. })), "{value}");
        }
    }

    #[test]
    fn an_access_token_is_required() {
        for value in [Value::Null, json!("")] {
            assert!(matches!(with("access_token", &value), Err(TokenError::NoAccessToken { .. })), "{value}");
        }
        assert!(matches!(judged(200, b"{}"), Err(TokenError::NoAccessToken { .. })));
    }

    #[test]
    fn an_access_token_that_no_header_may_hold_is_refused_and_not_shown() {
        for value in ["canary\r\nX: y", "canary\0", "canary ", "canary\u{7f}", "canaryü"] {
            let error = with("access_token", &json!(value)).unwrap_err();
            assert!(matches!(error, TokenError::AccessTokenMalformed { .. }), "{value:?}");
            assert!(!format!("{error} {error:?}").contains("canary"));
        }
        for value in [json!(7), json!(["at"]), json!({})] {
            assert!(matches!(with("access_token", &value), Err(TokenError::AccessTokenMalformed { .. })), "{value}");
        }
    }

    #[test]
    fn scope_is_text_or_a_list() {
        for (value, expected) in
            [(json!("a b"), Some("a b")), (json!(["a", "b"]), Some("a b")), (json!(""), None), (json!([]), None)]
        {
            assert_eq!(with("scope", &value).unwrap().scope.as_deref(), expected, "{value}");
        }
    }

    #[test]
    fn of_two_members_with_one_name_the_last_counts() {
        let read = judged(200, br#"{"access_token":"a","access_token":"b"}"#).unwrap();
        assert_eq!(read.access_token, Secret::new("b"));
    }

    #[test]
    fn a_page_or_half_an_object_is_no_answer_and_its_tokens_are_not_shown() {
        let twice = "access_token=canary&access_token=canary";
        let page = "access_token=canary&x=<p>";
        for body in ["<html>canary token", "{\"access_token\":\"canary\"", "", "token=canary", twice, page] {
            let error = judged(200, body.as_bytes()).unwrap_err();
            assert!(matches!(error, TokenError::NotJson { .. }), "{body}");
            assert!(!format!("{error} {error:?}").contains("canary"), "{body}");
        }
        assert!(judged(200, b"<h1>Maintenance</h1>").unwrap_err().to_string().ends_with(": Maintenance"));
    }

    #[test]
    fn an_answer_in_form_encoding_is_read_whatever_its_status_says() {
        let body = "access_token=gho_1&expires_in=28800&refresh_token=ghr_1&scope=repo%2Cgist&token_type=bearer\n";
        let read = judged(200, body.as_bytes()).unwrap();
        assert_eq!(read.access_token, Secret::new("gho_1"));
        assert_eq!(read.refresh_token, Some(Secret::new("ghr_1")));
        assert_eq!(read.expires_in, Some(Duration::from_secs(28800)));
        assert_eq!(read.scope.as_deref(), Some("repo gist"));
        let table = [
            ("error=bad_refresh_token&error_description=It+is+incorrect", TokenErrorCode::InvalidGrant),
            ("error=incorrect_client_credentials", TokenErrorCode::InvalidClient),
            ("error=invalid_grant", TokenErrorCode::InvalidGrant),
        ];
        for (body, expected) in table {
            for status in [200, 400] {
                let error = judged(status, body.as_bytes()).unwrap_err();
                assert!(matches!(error, TokenError::Refused { error, .. } if error == expected), "{body} {status}");
            }
        }
    }

    #[test]
    fn no_token_is_shown_by_debug() {
        let read = judged(200, br#"{"access_token":"canary","refresh_token":"canary"}"#).unwrap();
        assert!(!format!("{read:?}").contains("canary"));
    }
}

mod rfc6749_5_2 {
    use super::*;

    const STATUSES: [u16; 7] = [200, 400, 401, 403, 429, 500, 503];

    fn error(status: u16, code: &str) -> TokenError {
        judged(status, json!({"error": code, "error_description": "words"}).to_string().as_bytes()).unwrap_err()
    }

    #[test]
    fn what_each_error_with_each_status_forgets() {
        let codes = [
            ("invalid_request", false, false),
            ("invalid_client", false, true),
            ("invalid_grant", true, false),
            ("unauthorized_client", false, true),
            ("unsupported_grant_type", false, false),
            ("invalid_scope", false, false),
            ("invalid_target", false, false),
            ("temporarily_unavailable", false, false),
            ("server_error", false, false),
            ("made_up", false, false),
        ];
        for (code, token, registration) in codes {
            for status in STATUSES {
                let is_trouble = status == 429 || status >= 500;
                let error = error(status, code);
                assert_eq!(error.forgets_refresh_token(), token && !is_trouble, "{code} {status}");
                assert_eq!(error.forgets_registration(), registration && !is_trouble, "{code} {status}");
                assert!(error.to_string().contains(&format!("{code}: words")), "{error}");
            }
        }
    }

    #[test]
    fn trouble_is_told_apart_from_refusal() {
        assert!(matches!(error(400, "invalid_grant"), TokenError::Refused { error: TokenErrorCode::InvalidGrant, .. }));
        assert!(matches!(error(503, "invalid_grant"), TokenError::Unavailable { .. }));
        assert!(matches!(error(400, "temporarily_unavailable"), TokenError::Unavailable { .. }));
        assert_eq!(error(400, "invalid_grant").code(), Code::TokenRequestRefused);
    }

    #[test]
    fn a_status_without_an_oauth_error_forgets_nothing() {
        for status in [301, 400, 401, 403, 404, 407, 429, 500, 502, 503] {
            for body in ["", "<html>", "{}", "[]", r#"{"error":{"code":"invalid_grant"}}"#] {
                let error = judged(status, body.as_bytes()).unwrap_err();
                assert!(!error.forgets_refresh_token() && !error.forgets_registration(), "{status} {body}");
                assert!(matches!(error, TokenError::Status { .. } | TokenError::Unavailable { .. }), "{status} {body}");
            }
        }
    }

    #[test]
    fn a_token_in_a_refusal_is_not_used() {
        let error = judged(400, br#"{"access_token":"at","error":"invalid_grant"}"#).unwrap_err();
        assert!(error.forgets_refresh_token());
        assert!(judged(400, br#"{"access_token":"at"}"#).is_err());
    }

    #[test]
    fn an_unknown_error_is_shown_escaped() {
        assert!(error(400, "x\u{1b}").to_string().contains("x\\u{1b}"));
    }
}

mod rfc6749_6 {
    use super::*;

    #[test]
    fn the_old_refresh_token_and_scope_stay_where_the_answer_has_none() {
        let old = Secret::new("old");
        let kept = with("x", &Value::Null).unwrap().after_refresh(&old, Some("a"));
        assert_eq!((kept.refresh_token, kept.scope.as_deref()), (Some(old.clone()), Some("a")));
        let rotated = with("refresh_token", &json!("new")).unwrap().after_refresh(&old, None);
        assert_eq!((rotated.refresh_token, rotated.scope), (Some(Secret::new("new")), None));
    }
}

mod a14 {
    use super::*;

    #[test]
    fn the_end_is_counted_from_the_request() {
        let asked = SystemTime::UNIX_EPOCH;
        let read = with("expires_in", &json!(10)).unwrap();
        assert_eq!(read.expires_at(asked), Some(asked + Duration::from_secs(10)));
        assert_eq!(with("expires_in", &json!(0)).unwrap().expires_at(asked), None);
    }
}
