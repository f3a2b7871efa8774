//! RFC 7591, rule by rule.

use http::StatusCode;
use serde_json::{Value, json};

use super::{AUTHORIZATION_CODE, ClientInformation, ClientMetadata, RegistrationError, judge, request};
use crate::oauth::client_authentication::TokenEndpointAuthMethod;
use crate::oauth::endpoint::{Endpoint, UrlRule};
use crate::problem::Code;

fn endpoint() -> Endpoint {
    Endpoint::parse("registration_endpoint", "https://as.example.com/register", &UrlRule::default()).unwrap()
}

fn client() -> ClientMetadata {
    ClientMetadata {
        client_name: "MCP \"bridge\"".to_owned(),
        redirect_uris: vec!["http://127.0.0.1:3333/callback".to_owned()],
        grant_type: AUTHORIZATION_CODE,
        token_endpoint_auth_method: TokenEndpointAuthMethod::None,
        scope: Some("a b".to_owned()),
        software_id: "id".to_owned(),
        software_version: "1".to_owned(),
    }
}

fn judged(status: u16, body: &str) -> Result<ClientInformation, RegistrationError> {
    judge(&endpoint(), &client(), StatusCode::from_u16(status).unwrap(), body.as_bytes())
}

fn registered(body: &Value) -> ClientInformation {
    judged(201, &body.to_string()).unwrap()
}

mod rfc7591_3_1 {
    use super::*;

    #[test]
    fn a_registration_sends_what_a_native_client_is() {
        let request = request(&endpoint(), &client());
        assert_eq!(request.method(), "POST");
        assert_eq!(request.headers()["content-type"], "application/json");
        let sent: Value = serde_json::from_slice(request.body()).unwrap();
        assert_eq!(
            sent,
            json!({
                "client_name": "MCP \"bridge\"",
                "redirect_uris": ["http://127.0.0.1:3333/callback"],
                "grant_types": ["authorization_code", "refresh_token"],
                "response_types": ["code"],
                "token_endpoint_auth_method": "none",
                "application_type": "native",
                "scope": "a b",
                "software_id": "id",
                "software_version": "1",
            })
        );
    }

    #[test]
    fn a_client_that_is_never_redirected_has_neither_redirect_uri_nor_response_type() {
        let device = ClientMetadata { redirect_uris: Vec::new(), grant_type: "device", ..client() };
        let sent: Value = serde_json::from_slice(request(&endpoint(), &device).body()).unwrap();
        assert_eq!(sent.get("redirect_uris"), None);
        assert_eq!((&sent["grant_types"], &sent["response_types"]), (&json!(["device", "refresh_token"]), &json!([])));
    }

    #[test]
    fn no_scope_is_sent_where_none_is_known() {
        let request = request(&endpoint(), &ClientMetadata { scope: None, ..client() });
        let sent: Value = serde_json::from_slice(request.body()).unwrap();
        assert_eq!(sent.get("scope"), None);
    }
}

mod rfc7591_3_2_1 {
    use super::*;

    #[test]
    fn the_answer_decides_method_and_secret() {
        use TokenEndpointAuthMethod::{ClientSecretBasic, ClientSecretPost, None};
        let table = [
            ("nothing said, no secret", json!({}), None),
            ("nothing said, a secret", json!({"client_secret": "s"}), ClientSecretBasic),
            (
                "post",
                json!({"client_secret": "s", "token_endpoint_auth_method": "client_secret_post"}),
                ClientSecretPost,
            ),
            ("none with a secret", json!({"client_secret": "s", "token_endpoint_auth_method": "none"}), None),
            ("basic without a secret", json!({"token_endpoint_auth_method": "client_secret_basic"}), None),
            ("an empty secret", json!({"client_secret": ""}), None),
            ("null", json!({"client_secret": null, "token_endpoint_auth_method": null}), None),
        ];
        for (name, mut body, expected) in table {
            body["client_id"] = json!("c");
            assert_eq!(registered(&body).token_endpoint_auth_method, expected, "{name}");
        }
    }

    #[test]
    fn the_secrets_end_is_read_leniently() {
        let table = [
            ("never", json!(0), None),
            ("a number", json!(1_900_000_000), Some(1_900_000_000)),
            ("text", json!("1900000000"), Some(1_900_000_000)),
            ("negative", json!(-1), None),
            ("huge", json!(1e30), Some(u64::MAX)),
            ("null", Value::Null, None),
        ];
        for (name, value, expected) in table {
            let body = json!({"client_id": "c", "client_secret": "s", "client_secret_expires_at": value});
            assert_eq!(registered(&body).client_secret_expires_at, expected, "{name}");
        }
    }

    #[test]
    fn redirect_uris_are_the_answers_or_those_sent() {
        let body = json!({"client_id": "c", "redirect_uris": ["http://127.0.0.1/callback"]});
        assert_eq!(registered(&body).redirect_uris, ["http://127.0.0.1/callback"]);
        assert_eq!(registered(&json!({"client_id": "c"})).redirect_uris, client().redirect_uris);
    }

    #[test]
    fn any_success_counts() {
        assert!(judged(200, r#"{"client_id":"c"}"#).is_ok());
    }

    #[test]
    fn a_client_id_is_required() {
        for body in ["{}", r#"{"client_id":""}"#, r#"{"client_id":7}"#] {
            assert!(matches!(judged(201, body), Err(RegistrationError::NoClientId { .. })), "{body}");
        }
        assert!(matches!(judged(201, "<html>"), Err(RegistrationError::NotJson { .. })));
    }

    #[test]
    fn an_unknown_method_is_refused() {
        let body = r#"{"client_id":"c","token_endpoint_auth_method":"private_key_jwt"}"#;
        assert!(matches!(judged(201, body), Err(RegistrationError::UnknownMethod { .. })));
    }

    #[test]
    fn the_secret_is_not_shown() {
        let client = registered(&json!({
            "client_id": "c", "client_secret": "hunter2", "registration_access_token": "hunter2"
        }));
        assert!(client.client_secret.is_some());
        assert!(!format!("{client:?}").contains("hunter2"));
    }
}

mod rfc7591_3_2_2 {
    use super::*;

    #[test]
    fn a_refusal_shows_the_servers_words_and_what_was_sent() {
        let error =
            judged(400, r#"{"error":"invalid_redirect_uri","error_description":"no\u001b[31m loopback"}"#).unwrap_err();
        assert!(error.is_redirect_uri_refused());
        assert_eq!(
            error.to_string(),
            "`https://as.example.com/register` refused to register this client: invalid_redirect_uri: no\\u{1b}[31m \
             loopback (status 400; sent redirect_uris http://127.0.0.1:3333/callback and token_endpoint_auth_method \
             none)"
        );
        assert_eq!(error.code(), Code::RegistrationRefused);
    }

    #[test]
    fn any_client_error_is_a_refusal_in_whatever_words() {
        for (status, body) in [(400, "{}"), (401, ""), (403, "<h1>Forbidden"), (404, r#"{"message":"x"}"#), (302, "")] {
            let error = judged(status, body).unwrap_err();
            assert!(matches!(error, RegistrationError::Refused { is_redirect_uri_refused: false, .. }), "{status}");
        }
        let error = judged(200, r#"{"error":"invalid_client_metadata"}"#).unwrap_err();
        assert!(matches!(error, RegistrationError::Refused { .. }));
    }

    #[test]
    fn a_server_in_trouble_says_nothing_about_the_client() {
        for status in [429, 500, 503] {
            let error = judged(status, r#"{"error":"invalid_redirect_uri"}"#).unwrap_err();
            assert!(matches!(error, RegistrationError::Unavailable { .. }), "{status}");
            assert!(!error.is_redirect_uri_refused());
        }
    }
}
