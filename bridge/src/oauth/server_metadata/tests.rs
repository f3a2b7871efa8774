//! RFC 8414 and MCP's rules about it, one by one.

use http::StatusCode;
use serde_json::{Value, json};
use url::Url;

use super::{
    AuthorizationServerMetadata, PkceRule, Rules, ServerMetadataError, candidates, fallback_2025_03_26, judge,
};
use crate::oauth::client_authentication::TokenEndpointAuthMethod;
use crate::oauth::endpoint::{Endpoint, EndpointError, UrlRule};
use crate::oauth::issuer::Issuer;
use crate::oauth::issuer::spelling::{Spelling, Vouched};
use crate::problem::Code;

const ISSUER: &str = "https://as.example.com";

fn published() -> Value {
    json!({
        "issuer": ISSUER,
        "authorization_endpoint": "https://as.example.com/authorize?tenant=1",
        "token_endpoint": "https://as.example.com/token",
        "registration_endpoint": "https://as.example.com/register",
        "code_challenge_methods_supported": ["plain", "S256"],
    })
}

fn with(key: &str, value: Value) -> Value {
    let mut object = published();
    object[key] = value;
    object
}

fn judged_as(issuer: &str, status: u16, body: &str) -> Result<AuthorizationServerMetadata, ServerMetadataError> {
    let rule = UrlRule::default();
    let at = Endpoint::parse("x", "https://as.example.com/.well-known/x", &rule).unwrap();
    let issuer = Issuer::parse(issuer, &rule).unwrap();
    let rules = Rules { urls: &rule, pkce: PkceRule::Required, vouched: &Vouched::default(), mutual_tls: false };
    judge(&at, &issuer, rules, StatusCode::from_u16(status).unwrap(), body.as_bytes())
}

fn judged(object: &Value) -> Result<AuthorizationServerMetadata, ServerMetadataError> {
    judged_as(ISSUER, 200, &object.to_string())
}

mod mcp_authorization_server_metadata_discovery {
    use super::*;

    #[test]
    fn the_candidates_come_in_order() {
        let table = [
            (
                "without a path",
                "https://as.example.com",
                vec!["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"],
            ),
            (
                "with a slash",
                "https://as.example.com/",
                vec!["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"],
            ),
            (
                "with a path",
                "https://as.example.com/tenant1",
                vec![
                    "/.well-known/oauth-authorization-server/tenant1",
                    "/.well-known/openid-configuration/tenant1",
                    "/tenant1/.well-known/openid-configuration",
                ],
            ),
            (
                "with a path and a slash",
                "https://as.example.com/a/b/",
                vec![
                    "/.well-known/oauth-authorization-server/a/b",
                    "/.well-known/openid-configuration/a/b",
                    "/a/b/.well-known/openid-configuration",
                ],
            ),
        ];
        for (name, issuer, expected) in table {
            let issuer = Issuer::parse(issuer, &UrlRule::default()).unwrap();
            let found = candidates(&issuer, &UrlRule::default()).unwrap();
            let expected: Vec<String> = expected.iter().map(|path| format!("{ISSUER}{path}")).collect();
            assert_eq!(found.iter().map(Endpoint::as_str).collect::<Vec<_>>(), expected, "{name}");
        }
    }
}

mod rfc8414_3_2 {
    use super::*;

    #[test]
    fn metadata_is_read() {
        let mut object = with("authorization_response_iss_parameter_supported", json!(true));
        object["scopes_supported"] = json!(["offline_access"]);
        object["revocation_endpoint"] = json!("https://as.example.com/revoke");
        object["client_id_metadata_document_supported"] = json!(true);
        object["dpop_signing_alg_values_supported"] = json!(["ES256"]);
        let read = judged(&object).unwrap();
        assert_eq!(read.issuer, ISSUER);
        assert_eq!(read.dpop_signing_alg_values_supported.unwrap(), ["ES256"]);
        assert_eq!(read.authorization_endpoint.unwrap().as_str(), "https://as.example.com/authorize?tenant=1");
        assert_eq!(read.token_endpoint.as_str(), "https://as.example.com/token");
        assert_eq!(read.registration_endpoint.unwrap().as_str(), "https://as.example.com/register");
        assert_eq!(read.revocation_endpoint.unwrap().as_str(), "https://as.example.com/revoke");
        assert_eq!(read.scopes_supported.unwrap(), ["offline_access"]);
        assert!(read.authorization_response_iss_parameter_supported && read.client_id_metadata_document_supported);
        assert!(!read.assumed && read.spelling == Spelling::Same);
    }

    #[test]
    fn a_client_error_or_a_page_means_that_there_is_none() {
        for (status, body) in [(404, ""), (401, ""), (405, "{}"), (200, "<html>"), (200, "[]")] {
            let error = judged_as(ISSUER, status, body).unwrap_err();
            assert!(error.is_absent() && error.try_next(), "{status} {body}");
        }
    }

    #[test]
    fn a_server_error_says_nothing_of_what_is_there() {
        for status in [302, 429, 500, 503] {
            let error = judged_as(ISSUER, status, "").unwrap_err();
            assert!(matches!(error, ServerMetadataError::Status { .. }) && !error.try_next(), "{status}");
        }
    }

    #[test]
    fn the_endpoints_of_the_code_grant_are_required() {
        for name in ["authorization_endpoint", "token_endpoint"] {
            let error = judged(&with(name, Value::Null)).unwrap_err();
            assert!(matches!(error, ServerMetadataError::NoEndpoint { name: found, .. } if found == name));
        }
        assert_eq!(judged(&with("registration_endpoint", Value::Null)).unwrap().registration_endpoint, None);
    }

    #[test]
    fn every_endpoint_keeps_the_url_rule() {
        for name in ["authorization_endpoint", "token_endpoint", "registration_endpoint", "revocation_endpoint"] {
            for url in [json!("http://as.example.com/x"), json!("javascript:alert(1)"), json!("/x"), json!(1)] {
                let error = judged(&with(name, url.clone())).unwrap_err();
                assert!(matches!(error, ServerMetadataError::Endpoint(_)), "{name} {url}");
            }
        }
    }

    #[test]
    fn a_host_allowed_over_http_is_allowed_for_every_endpoint_and_no_other_host_is() {
        let rule = UrlRule::with_http_host("as.lan");
        let at = Endpoint::parse("x", "http://as.lan/x", &rule).unwrap();
        let issuer = Issuer::parse("http://as.lan", &rule).unwrap();
        let mut object = published();
        object["issuer"] = json!("http://as.lan");
        object["token_endpoint"] = json!("http://as.lan/token");
        let rules = Rules { urls: &rule, pkce: PkceRule::Required, vouched: &Vouched::default(), mutual_tls: false };
        assert!(judge(&at, &issuer, rules, StatusCode::OK, object.to_string().as_bytes()).is_ok());
        object["authorization_endpoint"] = json!("http://as.lan/authorize");
        assert!(judge(&at, &issuer, rules, StatusCode::OK, object.to_string().as_bytes()).is_ok());
        object["authorization_endpoint"] = json!("http://other.lan/authorize");
        let error = judge(&at, &issuer, rules, StatusCode::OK, object.to_string().as_bytes()).unwrap_err();
        assert!(matches!(error, ServerMetadataError::Endpoint(EndpointError::Insecure { .. })));
    }
}

#[test]
fn rfc8705_5_the_endpoints_that_ask_for_a_certificate_go_before_the_others_where_there_is_one() {
    let rule = UrlRule::default();
    let at = Endpoint::parse("x", "https://as.example.com/.well-known/x", &rule).unwrap();
    let issuer = Issuer::parse(ISSUER, &rule).unwrap();
    let aliases =
        json!({"token_endpoint": "https://mtls.example.com/token", "authorization_endpoint": "https://no.example"});
    let of = |mutual_tls, aliases: &Value| {
        let rules = Rules { urls: &rule, pkce: PkceRule::Required, vouched: &Vouched::default(), mutual_tls };
        let body = with("mtls_endpoint_aliases", aliases.clone()).to_string();
        judge(&at, &issuer, rules, StatusCode::OK, body.as_bytes())
    };
    let read = of(true, &aliases).unwrap();
    assert_eq!(read.token_endpoint.as_str(), "https://mtls.example.com/token");
    assert_eq!(read.registration_endpoint.unwrap().as_str(), "https://as.example.com/register", "it has no alias");
    assert!(read.authorization_endpoint.unwrap().as_str().starts_with("https://as.example.com/"), "a browser's");
    for (mutual_tls, aliases) in [(false, &aliases), (true, &json!({})), (true, &json!("none"))] {
        assert_eq!(
            of(mutual_tls, aliases).unwrap().token_endpoint.as_str(),
            "https://as.example.com/token",
            "{aliases}"
        );
    }
    let insecure = of(true, &json!({"token_endpoint": "http://mtls.example.com/token"})).unwrap_err();
    assert!(matches!(insecure, ServerMetadataError::Endpoint(EndpointError::Insecure { .. })));
}

mod rfc8414_3_3 {
    use super::*;

    #[test]
    fn an_issuer_that_differs_in_a_letter_is_refused() {
        for other in [
            "https://evil.example.com",
            "https://AS.example.com",
            "https://as.example.com:443",
            "https://as.example.com//",
            "http://as.example.com",
            "https://as.example.com/x",
        ] {
            let error = judged(&with("issuer", json!(other))).unwrap_err();
            assert!(matches!(error, ServerMetadataError::IssuerMismatch { .. }), "{other}");
            assert!(error.to_string().contains(other) && error.to_string().contains("not of `https://as.example.com`"));
            assert_eq!(error.code(), Code::IssuerMismatch);
        }
    }

    #[test]
    fn a_slash_after_a_path_is_refused() {
        let body = with("issuer", json!("https://as.example.com/t/")).to_string();
        let error = judged_as("https://as.example.com/t", 200, &body).unwrap_err();
        assert!(matches!(error, ServerMetadataError::IssuerMismatch { .. }));
    }

    #[test]
    fn a_slash_after_a_bare_origin_passes_with_a_warning() {
        let read = judged(&with("issuer", json!("https://as.example.com/"))).unwrap();
        assert_eq!(read.spelling, Spelling::FinalSlash);
        assert_eq!(read.issuer, "https://as.example.com/");
    }

    #[test]
    fn a_missing_issuer_is_refused() {
        for issuer in [Value::Null, json!(1), json!([ISSUER]), json!("")] {
            let error = judged(&with("issuer", issuer.clone())).unwrap_err();
            assert!(matches!(error, ServerMetadataError::NoIssuer { .. }), "{issuer}");
        }
    }
}

mod mcp_authorization_code_protection {
    use super::*;

    fn error(methods: Value) -> ServerMetadataError {
        judged(&with("code_challenge_methods_supported", methods)).unwrap_err()
    }

    #[test]
    fn a_server_that_does_not_say_s256_is_refused() {
        assert!(matches!(error(Value::Null), ServerMetadataError::PkceAbsent { .. }));
        assert!(matches!(error(json!([])), ServerMetadataError::PkceWithoutS256 { .. }));
        assert!(matches!(error(json!(["plain"])), ServerMetadataError::PkceWithoutS256 { .. }));
        assert!(matches!(error(json!(["s256"])), ServerMetadataError::PkceWithoutS256 { .. }));
        assert!(matches!(error(json!("S256")), ServerMetadataError::PkceMalformed { .. }));
        assert_eq!(error(json!([])).code(), Code::PkceUnsupported);
    }

    #[test]
    fn a4_it_is_used_and_told_where_the_person_said_so() {
        let rule = UrlRule::default();
        let issuer = Issuer::parse(ISSUER, &rule).unwrap();
        let at = candidates(&issuer, &rule).unwrap().remove(0);
        for (methods, missing) in [(Value::Null, true), (json!(["plain"]), true), (json!(["S256"]), false)] {
            let body = with("code_challenge_methods_supported", methods.clone()).to_string();
            let read = judge(
                &at,
                &issuer,
                Rules { urls: &rule, pkce: PkceRule::MayBeMissing, vouched: &Vouched::default(), mutual_tls: false },
                StatusCode::OK,
                body.as_bytes(),
            )
            .unwrap();
            assert_eq!(read.pkce_is_missing, missing, "{methods}");
        }
    }
}

mod mcp_2025_03_26 {
    use super::*;

    #[test]
    fn a_server_without_metadata_has_three_endpoints_at_its_origin() {
        let upstream = Url::parse("https://mcp.example.com:8443/a/mcp?x=1#f").unwrap();
        let assumed = fallback_2025_03_26(&upstream, &UrlRule::default()).unwrap();
        assert_eq!(assumed.issuer, "https://mcp.example.com:8443");
        assert_eq!(assumed.authorization_endpoint.unwrap().as_str(), "https://mcp.example.com:8443/authorize");
        assert_eq!(assumed.token_endpoint.as_str(), "https://mcp.example.com:8443/token");
        assert_eq!(assumed.registration_endpoint.unwrap().as_str(), "https://mcp.example.com:8443/register");
        assert!(assumed.assumed);
    }
}

mod a6 {
    use super::*;

    #[test]
    fn the_method_is_none_where_taken_else_basic_else_post() {
        use TokenEndpointAuthMethod::{ClientSecretBasic, ClientSecretPost, None};
        let table = [
            ("absent", Value::Null, ClientSecretBasic),
            ("all", json!(["client_secret_post", "client_secret_basic", "none"]), None),
            ("basic and post", json!(["client_secret_post", "client_secret_basic"]), ClientSecretBasic),
            ("post", json!(["private_key_jwt", "client_secret_post"]), ClientSecretPost),
            ("none that we know", json!(["private_key_jwt"]), None),
        ];
        for (name, methods, expected) in table {
            let read = judged(&with("token_endpoint_auth_methods_supported", methods)).unwrap();
            assert_eq!(read.preferred_auth_method(), expected, "{name}");
        }
        let upstream = Url::parse("https://mcp.example.com/mcp").unwrap();
        assert_eq!(fallback_2025_03_26(&upstream, &UrlRule::default()).unwrap().preferred_auth_method(), None);
    }
}
