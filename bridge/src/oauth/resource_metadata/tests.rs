//! RFC 9728, rule by rule.

use http::StatusCode;
use url::Url;

use super::{ProtectedResourceMetadata, ResourceMetadataError, candidates, judge, named_by_challenge, request};
use crate::oauth::endpoint::{Endpoint, EndpointError, UrlRule};

const UPSTREAM: &str = "https://mcp.example.com/public/mcp";

fn judged(status: u16, body: &str) -> Result<ProtectedResourceMetadata, ResourceMetadataError> {
    let at = Endpoint::parse("x", "https://mcp.example.com/.well-known/x", &UrlRule::default()).unwrap();
    judge(&at, &Url::parse(UPSTREAM).unwrap(), StatusCode::from_u16(status).unwrap(), body.as_bytes())
}

fn urls(upstream: &str) -> Vec<String> {
    let found = candidates(&Url::parse(upstream).unwrap(), &UrlRule::default()).unwrap();
    found.iter().map(|endpoint| endpoint.as_str().to_owned()).collect()
}

mod rfc9728_3_1 {
    use super::*;

    #[test]
    fn path_and_query_are_inserted_then_the_root_is_asked() {
        let root = "https://mcp.example.com/.well-known/oauth-protected-resource";
        let table = [
            ("a path", "https://mcp.example.com/public/mcp", vec![format!("{root}/public/mcp"), root.into()]),
            ("a final slash", "https://mcp.example.com/mcp/", vec![format!("{root}/mcp/"), root.into()]),
            ("path and query", "https://mcp.example.com/mcp?a=1", vec![format!("{root}/mcp?a=1"), root.into()]),
            ("a query alone", "https://mcp.example.com/?a=1", vec![format!("{root}?a=1"), root.into()]),
            ("no path", "https://mcp.example.com", vec![root.into()]),
            ("a fragment", "https://mcp.example.com/#x", vec![root.into()]),
        ];
        for (name, upstream, expected) in table {
            assert_eq!(urls(upstream), expected, "{name}");
        }
    }

    #[test]
    fn the_metadata_is_asked_for_with_get() {
        let at = Endpoint::parse("x", "https://mcp.example.com/.well-known/x", &UrlRule::default()).unwrap();
        assert_eq!(request(&at).method(), "GET");
    }
}

mod rfc9728_5_1 {
    use super::*;

    #[test]
    fn a_url_in_a_challenge_keeps_the_url_rule() {
        assert!(named_by_challenge("https://other.example.com/meta", &UrlRule::default()).is_ok());
        let error = named_by_challenge("http://other.example.com/meta", &UrlRule::default()).unwrap_err();
        assert!(matches!(error, EndpointError::Insecure { .. }));
    }
}

mod rfc9728_3_2 {
    use super::*;

    #[test]
    fn metadata_is_read_as_published() {
        let read = judged(
            200,
            r#"{"resource":"https://MCP.example.com/public/mcp","authorization_servers":["https://as.example.com"],
                "scopes_supported":["a","b"],"resource_name":"Files","dpop_bound_access_tokens_required":true,"unknown":1}"#,
        )
        .unwrap();
        assert_eq!(read.resource, "https://MCP.example.com/public/mcp");
        assert_eq!(read.authorization_servers, ["https://as.example.com"]);
        assert_eq!(read.scopes_supported.unwrap(), ["a", "b"]);
        assert_eq!(read.resource_name.unwrap().to_string(), "Files");
        assert!(read.dpop_bound_access_tokens_required);
    }

    #[test]
    fn a_client_error_or_a_page_means_that_there_is_none() {
        for status in [400, 401, 403, 404, 405, 410] {
            assert!(judged(status, "").unwrap_err().is_absent(), "{status}");
        }
        assert!(judged(200, "<html>").unwrap_err().is_absent());
    }

    #[test]
    fn a_server_error_says_nothing_of_what_is_there() {
        for status in [429, 500, 503, 302, 204] {
            let error = judged(status, "").unwrap_err();
            assert!(matches!(error, ResourceMetadataError::Status { .. }) && !error.is_absent(), "{status}");
        }
    }

    #[test]
    fn a_scope_list_that_is_no_list_is_as_if_absent() {
        let body = format!(r#"{{"resource":"{UPSTREAM}","authorization_servers":["x"],"scopes_supported":"a b"}}"#);
        assert_eq!(judged(200, &body).unwrap().scopes_supported, None);
    }
}

mod rfc9728_3_3 {
    use super::*;

    #[test]
    fn a_resource_on_another_origin_is_refused_and_both_are_shown() {
        let body = r#"{"resource":"https://evil.example.com/public/mcp","authorization_servers":["x"]}"#;
        let error = judged(200, body).unwrap_err();
        assert!(matches!(error, ResourceMetadataError::Mismatch { .. }));
        let shown = error.to_string();
        assert!(shown.contains("https://evil.example.com/public/mcp") && shown.contains(UPSTREAM), "{shown}");
    }

    #[test]
    fn a_sibling_is_refused() {
        let body = r#"{"resource":"https://mcp.example.com/public/other","authorization_servers":["x"]}"#;
        assert!(matches!(judged(200, body).unwrap_err(), ResourceMetadataError::Mismatch { .. }));
    }

    #[test]
    fn a_parent_on_the_same_origin_is_accepted() {
        let body = r#"{"resource":"https://mcp.example.com","authorization_servers":["x"]}"#;
        assert!(judged(200, body).is_ok());
    }

    #[test]
    fn a_missing_resource_or_a_list_of_them_is_refused() {
        for body in ["{}", r#"{"resource":null}"#, r#"{"resource":["https://mcp.example.com"]}"#, r#"{"resource":""}"#]
        {
            assert!(matches!(judged(200, body).unwrap_err(), ResourceMetadataError::NoResource { .. }), "{body}");
        }
    }
}

mod mcp_authorization_server_location {
    use super::*;

    #[test]
    fn at_least_one_authorization_server_is_required() {
        for servers in ["null", "[]"] {
            let body = format!(r#"{{"resource":"{UPSTREAM}","authorization_servers":{servers}}}"#);
            let error = judged(200, &body).unwrap_err();
            assert!(matches!(error, ResourceMetadataError::NoAuthorizationServers { .. }), "{servers}");
        }
    }

    #[test]
    fn what_is_no_list_of_strings_is_refused() {
        for servers in ["\"https://as.example.com\"", "[1]", "{}"] {
            let body = format!(r#"{{"resource":"{UPSTREAM}","authorization_servers":{servers}}}"#);
            let error = judged(200, &body).unwrap_err();
            assert!(matches!(error, ResourceMetadataError::AuthorizationServersMalformed { .. }), "{servers}");
        }
    }

    #[test]
    fn only_the_first_16_are_kept() {
        let servers = vec!["\"https://as.example.com\""; 1000].join(",");
        let body = format!(r#"{{"resource":"{UPSTREAM}","authorization_servers":[{servers}]}}"#);
        assert_eq!(judged(200, &body).unwrap().authorization_servers.len(), 16);
    }
}
