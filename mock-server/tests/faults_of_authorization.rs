//! Each fault of the authorization server that takes a value, or belongs to one that does, seen from outside.

use mcp_mock_server::{Fault, FaultSetting, MockServer};
use reqwest::{Response, StatusCode};
use serde_json::Value;

use crate::client::{Client, http, json_of, parameters_of, registration};

async fn with(fault: impl Into<FaultSetting>) -> MockServer {
    MockServer::builder().fault(fault).start().await.unwrap()
}

async fn got(server: &MockServer, path: &str) -> Response {
    http().get(format!("{}/.well-known/{path}", server.issuer())).send().await.unwrap()
}

async fn registered(server: &MockServer) -> Response {
    Client::new(server).post_json(&format!("{}/register", server.issuer()), &registration("none")).await
}

mod of_metadata {
    use super::*;

    #[tokio::test]
    async fn metadata_status_and_resource_metadata_status() {
        let server = with(Fault::MetadataStatus).await;
        for path in ["oauth-authorization-server", "openid-configuration"] {
            assert_eq!(got(&server, path).await.status(), StatusCode::INTERNAL_SERVER_ERROR, "{path}");
        }
        assert_eq!(got(&server, "oauth-protected-resource/mcp").await.status(), StatusCode::OK);
        server.set_faults([Fault::ResourceMetadataStatus.with(403).unwrap()]);
        assert_eq!(got(&server, "oauth-protected-resource/mcp").await.status(), StatusCode::FORBIDDEN);
        assert_eq!(got(&server, "oauth-authorization-server").await.status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn a_status_that_is_none_is_500() {
        let server = with(Fault::MetadataStatus.with(99_999).unwrap()).await;
        assert_eq!(got(&server, "oauth-authorization-server").await.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }

    #[tokio::test]
    async fn endpoints_elsewhere() {
        let document = json_of(got(&with(Fault::EndpointsElsewhere).await, "oauth-authorization-server").await).await;
        assert_eq!(document["token_endpoint"], "https://elsewhere.example/token");
        assert_eq!(document["registration_endpoint"], "https://elsewhere.example/register");
        assert!(!document["issuer"].as_str().unwrap().contains("elsewhere"));
    }

    #[tokio::test]
    async fn padding() {
        let server = with(Fault::Padding.with(5000).unwrap()).await;
        let document = json_of(got(&server, "oauth-authorization-server").await).await;
        assert_eq!(document["padding"].as_str().unwrap().len(), 5000);
        let client = Client::registered(&server).await;
        let code = client.code().await;
        let answer = json_of(client.redeem(&code, &[]).await).await;
        assert_eq!(answer["padding"].as_str().unwrap().len(), 5000);
    }
}

mod of_the_authorization_response {
    use super::*;

    #[tokio::test]
    async fn wrong_state_and_no_state() {
        let server = with(Fault::WrongState).await;
        let client = Client::registered(&server).await;
        assert_eq!(parameters_of(&client.authorize(&[]).await)["state"], "another-state");
        server.set_fault(Some(Fault::NoState));
        assert_eq!(parameters_of(&client.authorize(&[]).await).get("state"), None);
    }
}

mod of_registration {
    use super::*;

    #[tokio::test]
    async fn registration_error() {
        let server = with(Fault::RegistrationError.with("unapproved_software_statement").unwrap()).await;
        let response = registered(&server).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        assert_eq!(json_of(response).await["error"], "unapproved_software_statement");
        server.set_fault(None);
        assert_eq!(registered(&server).await.status(), StatusCode::CREATED);
    }
}

mod of_the_token_endpoint {
    use super::*;

    #[tokio::test]
    async fn granted_scope() {
        let server = with(Fault::GrantedScope.with("mcp:admin").unwrap()).await;
        let mut client = Client::registered(&server).await;
        let code = client.code().await;
        let response = client.redeem(&code, &[]).await;
        client.keep(response).await;
        let claims = crate::client::claims_of(client.access_token.as_ref().unwrap());
        assert_eq!(claims["scope"], "mcp:admin");
        let response = client.send(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
    }

    #[tokio::test]
    async fn refresh_error() {
        let server = with(Fault::RefreshError.with("temporarily_unavailable").unwrap()).await;
        let mut client = Client::signed_in(&server).await;
        let token = client.refresh_token.clone().unwrap();
        let refused = json_of(client.refresh(&token, &[]).await).await;
        assert_eq!(refused["error"], "temporarily_unavailable");
        server.set_fault(None);
        client.refreshed().await;
    }

    #[tokio::test]
    async fn token_status_and_token_redirect() {
        let server = with(Fault::TokenStatus).await;
        let client = Client::registered(&server).await;
        let code = client.code().await;
        let response = client.redeem(&code, &[]).await;
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert!(serde_json::from_str::<Value>(&response.text().await.unwrap()).is_err());
        server.set_fault(Some(Fault::TokenRedirect));
        let response = client.redeem(&code, &[]).await;
        assert_eq!(response.status(), StatusCode::TEMPORARY_REDIRECT);
        let location = response.headers()["location"].to_str().unwrap();
        assert_eq!(location, format!("http://localhost:{}/token", server.address().port()));
        server.set_fault(None);
        assert_eq!(client.redeem(&code, &[]).await.status(), StatusCode::OK);
    }
}
