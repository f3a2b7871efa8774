//! RFC 8628, rule by rule.

use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};

use super::*;
use crate::oauth::client_authentication::TokenEndpointAuthMethod;

fn endpoint(path: &str) -> Endpoint {
    let url = format!("https://as.example.com{path}");
    Endpoint::parse("endpoint", &url, &UrlRule::default()).unwrap()
}

fn public() -> ClientAuthentication {
    ClientAuthentication::None { client_id: "c".to_owned() }
}

fn whole() -> Value {
    json!({
        "device_code": "dev-code-1", "user_code": "WDJB-MJHT", "verification_uri": "https://as.example.com/device",
        "verification_uri_complete": "https://as.example.com/device?user_code=WDJB-MJHT",
        "expires_in": 1800, "interval": 7,
    })
}

fn authorized(status: u16, body: &Value) -> Result<DeviceAuthorization, DeviceCodeError> {
    let answer = (StatusCode::from_u16(status).unwrap(), body.to_string());
    let at = endpoint("/device_authorization");
    judge_authorization(&at, &SentSecrets::default(), &UrlRule::default(), (answer.0, answer.1.as_bytes()))
}

fn with(name: &str, value: &Value) -> Result<DeviceAuthorization, DeviceCodeError> {
    let mut body = whole();
    body[name] = value.clone();
    authorized(200, &body)
}

mod rfc8628_3_1 {
    use super::*;

    #[test]
    fn the_request_has_client_scope_resource_and_what_the_person_adds() {
        let more = [("audience".to_owned(), "a&b".to_owned())];
        let asked = DeviceAuthorizationRequest { scope: Some("a b"), resource: Some("https://r.example"), more: &more };
        let request = authorization_request(&endpoint("/d"), &public(), &asked);
        assert_eq!((request.method().as_str(), request.uri().path()), ("POST", "/d"));
        assert_eq!(request.body(), "scope=a+b&resource=https%3A%2F%2Fr.example&audience=a%26b&client_id=c");
    }

    #[test]
    fn a_client_with_a_secret_proves_itself() {
        let method = TokenEndpointAuthMethod::ClientSecretBasic;
        let client = ClientAuthentication::new("c".to_owned(), Some(Secret::new("s")), method);
        let asked = DeviceAuthorizationRequest { scope: None, resource: None, more: &[] };
        let request = authorization_request(&endpoint("/d"), &client, &asked);
        assert_eq!(format!("{:?}", request.headers()["authorization"]), "Sensitive");
    }
}

mod rfc8628_3_2 {
    use super::*;

    #[test]
    fn a_whole_answer_is_read() {
        let read = authorized(200, &whole()).unwrap();
        assert_eq!(read.device_code.expose(), "dev-code-1");
        assert_eq!(read.user_code.to_string(), "WDJB-MJHT");
        assert_eq!(read.verification_uri.as_str(), "https://as.example.com/device");
        assert_eq!(read.best_uri().as_str(), "https://as.example.com/device?user_code=WDJB-MJHT");
        assert_eq!((read.expires_in, read.interval), (Some(Duration::from_secs(1800)), Duration::from_secs(7)));
        assert!(!format!("{read:?}").contains("dev-code-1"));
    }

    #[test]
    fn what_is_required_is_required() {
        for name in ["device_code", "user_code", "verification_uri"] {
            for value in [Value::Null, json!(""), json!(1)] {
                let error = with(name, &value).unwrap_err();
                assert!(
                    matches!(error, DeviceCodeError::Incomplete { name: missing, .. } if missing == name),
                    "{name} {value}"
                );
            }
        }
    }

    #[test]
    fn the_interval_is_5_seconds_where_none_is_named_and_never_none() {
        let table = [
            ("absent", Value::Null, 5000),
            ("zero", json!(0), 5000),
            ("negative", json!(-3), 5000),
            ("a fraction", json!(0.2), 1000),
            ("a text", json!("8"), 8000),
            ("too long", json!(1e300), 60_000),
        ];
        for (name, value, milliseconds) in table {
            assert_eq!(with("interval", &value).unwrap().interval, Duration::from_millis(milliseconds), "{name}");
        }
    }

    #[test]
    fn a_life_without_a_number_is_unknown() {
        for value in [Value::Null, json!(0), json!("soon")] {
            assert_eq!(with("expires_in", &value).unwrap().expires_in, None, "{value}");
        }
    }

    #[test]
    fn nobody_is_sent_where_it_is_not_safe() {
        for url in ["http://as.example.com/device", "javascript:alert(1)", "https://u:p@as.example.com/", "device"] {
            assert!(matches!(with("verification_uri", &json!(url)), Err(DeviceCodeError::Url(_))), "{url}");
            let read = with("verification_uri_complete", &json!(url)).unwrap();
            assert_eq!(read.best_uri().as_str(), "https://as.example.com/device", "{url}");
        }
    }

    #[test]
    fn the_older_name_of_the_uri_is_read() {
        let mut body = whole();
        body["verification_url"] = body["verification_uri"].take();
        assert!(authorized(200, &body).is_ok());
    }

    #[test]
    fn a_refusal_is_one_by_rfc_6749() {
        let table = [(400, "invalid_client", true), (401, "invalid_client", true), (400, "invalid_scope", false)];
        for (status, error, forgets) in table {
            let refused = authorized(status, &json!({"error": error})).unwrap_err();
            assert!(matches!(refused, DeviceCodeError::Token(TokenError::Refused { .. })), "{error}");
            assert_eq!(refused.forgets_registration(), forgets, "{error}");
        }
        assert!(authorized(503, &json!({})).unwrap_err().is_passing());
        assert!(authorized(404, &json!({})).is_err());
        let odd = json!({"access_token": "at", "error": null});
        assert!(matches!(authorized(200, &odd), Err(DeviceCodeError::Incomplete { .. })));
    }
}

mod rfc8628_3_4 {
    use super::*;

    #[test]
    fn a_poll_has_the_grant_the_code_and_the_resource() {
        let request = token_request(&endpoint("/t"), &public(), &Secret::new("dc"), Some("https://r.example"));
        assert_eq!(
            request.body(),
            "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code&device_code=dc&\
             resource=https%3A%2F%2Fr.example&client_id=c"
        );
    }
}

mod rfc8628_3_5 {
    use super::*;

    fn polled(status: u16, body: &str) -> Result<Poll, DeviceCodeError> {
        let sent = sent(&public(), Some(&Secret::new("dev-code-1")));
        judge(&endpoint("/t"), &sent, StatusCode::from_u16(status).unwrap(), body.as_bytes())
    }

    #[test]
    fn each_answer_is_told_from_the_others_whatever_its_status() {
        for status in [200, 400, 403, 428] {
            let error = |error: &str| polled(status, &json!({"error": error}).to_string());
            assert_eq!(error("authorization_pending").unwrap(), Poll::Pending, "{status}");
            assert_eq!(error("slow_down").unwrap(), Poll::SlowDown(None), "{status}");
            assert!(matches!(error("access_denied"), Err(DeviceCodeError::Denied { .. })), "{status}");
            assert!(matches!(error("authorization_declined"), Err(DeviceCodeError::Denied { .. })), "{status}");
            assert!(matches!(error("expired_token"), Err(DeviceCodeError::Expired { .. })), "{status}");
            let other = error("invalid_grant").unwrap_err();
            assert!(matches!(other, DeviceCodeError::Token(TokenError::Refused { .. })) && !other.is_passing());
        }
        assert!(matches!(polled(200, r#"{"access_token":"at"}"#), Ok(Poll::Tokens(_))));
    }

    #[test]
    fn an_interval_that_slow_down_names_is_read() {
        let slow = polled(400, r#"{"error":"slow_down","interval":15}"#).unwrap();
        assert_eq!(slow, Poll::SlowDown(Some(Duration::from_secs(15))));
    }

    #[test]
    fn trouble_passes_and_a_wrong_answer_does_not() {
        let table = [
            (503, "", true),
            (429, "", true),
            (500, r#"{"error":"access_denied"}"#, true),
            (400, r#"{"error":"temporarily_unavailable"}"#, true),
            (404, "<p>no</p>", false),
            (200, "<p>no</p>", false),
            (200, "{}", false),
        ];
        for (status, body, passes) in table {
            assert_eq!(polled(status, body).unwrap_err().is_passing(), passes, "{status} {body}");
        }
    }

    #[test]
    fn the_words_of_a_denial_are_shown_without_the_code() {
        let denied = polled(400, r#"{"error":"access_denied","error_description":"no dev-code-1"}"#).unwrap_err();
        assert_eq!(denied.to_string(), "the sign-in was denied: no [secret]");
        assert_eq!(denied.code(), Code::SignInDenied);
    }

    #[test]
    fn slow_down_adds_5_seconds_for_good() {
        let mut pace = Pace::new(Duration::from_secs(5));
        pace.slow_down(None);
        pace.answered();
        assert_eq!(pace.wait(), Duration::from_secs(10));
        pace.slow_down(Some(Duration::from_secs(7)));
        assert_eq!(pace.wait(), Duration::from_secs(15), "never less than five more");
        pace.slow_down(Some(Duration::from_secs(45)));
        assert_eq!(pace.wait(), Duration::from_secs(45));
        pace.slow_down(Some(Duration::MAX));
        assert_eq!(pace.wait(), Duration::from_secs(60));
    }

    #[test]
    fn each_poll_without_an_answer_doubles_the_wait_until_one_is_answered() {
        let mut pace = Pace::new(Duration::from_secs(5));
        let mut waits = Vec::new();
        for _ in 0..6 {
            waits.push(pace.wait().as_secs());
            pace.unanswered();
        }
        assert_eq!(waits, [5, 10, 20, 40, 60, 60]);
        (0..100).for_each(|_| pace.unanswered());
        assert_eq!(pace.wait().as_secs(), 60);
        pace.answered();
        assert_eq!(pace.wait().as_secs(), 5);
    }
}
