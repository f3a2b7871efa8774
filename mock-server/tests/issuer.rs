//! Where the authorization server is: at the MCP server's origin or at one of its own, with a path or without, and all
//! the places of its metadata.

use mcp_mock_server::{Endpoint, Fault, Layout, MockServer, StartError};
use reqwest::StatusCode;
use serde_json::Value;
use url::Url;

use crate::client::{Client, http, json_of};

/// The document at a path of the issuer's origin; its status alone if it is none.
async fn document(server: &MockServer, path: &str) -> Result<Value, StatusCode> {
    let origin = Url::parse(&server.issuer()).unwrap().origin().ascii_serialization();
    let response = http().get(format!("{origin}{path}")).send().await.unwrap();
    if response.status() == StatusCode::OK { Ok(json_of(response).await) } else { Err(response.status()) }
}

async fn resource_metadata(server: &MockServer) -> Value {
    let origin = server.mcp_url().strip_suffix("/mcp").unwrap().to_owned();
    json_of(http().get(format!("{origin}/.well-known/oauth-protected-resource/mcp")).send().await.unwrap()).await
}

mod rfc8414_3_1 {
    use super::*;

    #[tokio::test]
    async fn an_issuer_with_a_path_has_its_metadata_at_every_place() {
        let server = MockServer::builder().issuer_path("/tenant1").start().await.unwrap();
        assert!(server.issuer().ends_with("/tenant1"));
        for path in [
            "/.well-known/oauth-authorization-server/tenant1",
            "/.well-known/openid-configuration/tenant1",
            "/tenant1/.well-known/openid-configuration",
        ] {
            assert_eq!(document(&server, path).await.unwrap()["issuer"], server.issuer(), "{path}");
        }
        for path in [
            "/.well-known/oauth-authorization-server",
            "/.well-known/openid-configuration",
            "/tenant1/.well-known/oauth-authorization-server",
            "/token",
        ] {
            assert_eq!(document(&server, path).await, Err(StatusCode::NOT_FOUND), "{path}");
        }
        assert_eq!(server.count(Endpoint::ServerMetadata), 1);
        assert_eq!(server.count(Endpoint::OpenidConfiguration), 2);
        assert_eq!(server.count(Endpoint::Other), 4);
    }

    #[tokio::test]
    async fn the_whole_walk_goes_below_the_path() {
        let server = MockServer::builder().issuer_path("/a/b").start().await.unwrap();
        let client = Client::initialized(&server).await;
        assert!(client.call("echo", &Value::Null).await["error"].is_null());
        assert_eq!(resource_metadata(&server).await["authorization_servers"][0], server.issuer());
        assert!(server.count(Endpoint::Token) == 1 && server.count(Endpoint::Registration) == 1);
    }

    #[tokio::test]
    async fn appended_only() {
        let server = MockServer::builder().issuer_path("/t").fault(Fault::AppendedOnly).start().await.unwrap();
        for path in ["/.well-known/oauth-authorization-server/t", "/.well-known/openid-configuration/t"] {
            assert_eq!(document(&server, path).await, Err(StatusCode::NOT_FOUND), "{path}");
        }
        assert!(document(&server, "/t/.well-known/openid-configuration").await.is_ok());
    }

    #[tokio::test]
    async fn a_path_that_is_none_is_an_error_at_the_start() {
        for path in ["tenant1", "/", "/tenant1/", "/a//b", "/..", "/a b", "/{x}", "/a?b"] {
            let started = MockServer::builder().issuer_path(path).start().await;
            assert!(matches!(started, Err(StartError::Contradiction(_))), "{path}");
        }
    }
}

mod openid_discovery {
    use super::*;

    #[tokio::test]
    async fn it_stands_beside_rfc_8414_and_each_may_be_left_out() {
        let places = ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"];
        for (oauth, openid) in [(true, true), (true, false), (false, true), (false, false)] {
            let server = MockServer::builder().oauth_metadata(oauth).openid_configuration(openid);
            let server = server.start().await.unwrap();
            let there = [document(&server, places[0]).await.is_ok(), document(&server, places[1]).await.is_ok()];
            assert_eq!(there, [oauth, openid]);
        }
        let server = MockServer::builder().no_server_metadata().start().await.unwrap();
        assert!(document(&server, places[0]).await.is_err() && document(&server, places[1]).await.is_err());
    }

    #[tokio::test]
    async fn it_says_what_rfc_8414_says_and_what_openid_connect_demands() {
        let server = MockServer::builder().start().await.unwrap();
        let oauth = document(&server, "/.well-known/oauth-authorization-server").await.unwrap();
        let openid = document(&server, "/.well-known/openid-configuration").await.unwrap();
        for (name, value) in oauth.as_object().unwrap() {
            assert_eq!(&openid[name], value, "{name}");
        }
        for name in ["subject_types_supported", "id_token_signing_alg_values_supported"] {
            assert!(openid[name].as_array().is_some_and(|values| !values.is_empty()), "{name}");
        }
    }
}

mod an_origin_of_its_own {
    use super::*;

    #[tokio::test]
    async fn the_walk_goes_over_both_and_neither_serves_the_other() {
        let server = MockServer::builder().separate_authorization_server().issuer_path("/t").start().await.unwrap();
        let client = Client::initialized(&server).await;
        assert!(client.call("echo", &Value::Null).await["error"].is_null());
        let origin = server.mcp_url().strip_suffix("/mcp").unwrap().to_owned();
        assert!(!server.issuer().starts_with(&origin));
        assert_eq!(resource_metadata(&server).await["authorization_servers"][0], server.issuer());
        let own = server.issuer().strip_suffix("/t").unwrap().to_owned();
        for url in [
            format!("{origin}/t/jwks.json"),
            format!("{origin}/.well-known/oauth-authorization-server/t"),
            format!("{own}/mcp"),
            format!("{own}/.well-known/oauth-protected-resource/mcp"),
        ] {
            assert_eq!(client.http.get(&url).send().await.unwrap().status(), StatusCode::NOT_FOUND, "{url}");
        }
    }

    #[tokio::test]
    async fn both_pause_and_come_back() {
        let server = MockServer::builder().separate_authorization_server().tls().start().await.unwrap();
        let trusted = reqwest::Certificate::from_pem(server.ca_pem().unwrap().as_bytes()).unwrap();
        let http = reqwest::Client::builder().no_proxy().tls_certs_only([trusted]).build().unwrap();
        let jwks = format!("{}/jwks.json", server.issuer());
        assert_eq!(http.get(&jwks).send().await.unwrap().status(), StatusCode::OK);
        server.pause().await;
        assert!(http.get(&jwks).send().await.is_err());
        server.resume().unwrap();
        assert_eq!(http.get(&jwks).send().await.unwrap().status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn the_layout_of_2025_03_26_knows_nothing_of_it() {
        let builder = || MockServer::builder().layout(Layout::Authorization2025_03_26);
        for builder in [builder().separate_authorization_server(), builder().issuer_path("/t")] {
            assert!(matches!(builder.start().await, Err(StartError::Contradiction(_))));
        }
    }

    #[tokio::test]
    async fn public_origins_are_what_urls_begin_with() {
        let server = MockServer::builder().public_origin("https://mcp.example").start().await.unwrap();
        assert_eq!(
            (server.mcp_url().as_str(), server.issuer().as_str()),
            ("https://mcp.example/mcp", "https://mcp.example")
        );
        let url = format!("http://{}/.well-known/oauth-authorization-server", server.address());
        let document = json_of(http().get(url).send().await.unwrap()).await;
        assert_eq!(document["token_endpoint"], "https://mcp.example/token");
    }
}
