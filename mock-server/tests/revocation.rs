//! The revocation endpoint (RFC 7009): what ends with what, and who may end it.

use mcp_mock_server::{Endpoint, Fault, MockServer};
use reqwest::StatusCode;

use crate::client::{Client, PING, json_of};

mod rfc7009_2_1 {
    use super::*;

    #[tokio::test]
    async fn a_refresh_token_ends_with_its_whole_family_and_that_is_no_reuse() {
        let server = MockServer::builder().start().await.unwrap();
        let mut client = Client::initialized(&server).await;
        let old = client.refresh_token.clone().unwrap();
        let response = client.refresh(&old, &[]).await;
        client.keep(response).await;
        let new = client.refresh_token.clone().unwrap();
        let response = client.revoke(&new, &[("token_type_hint", Some("refresh_token"))]).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.text().await.unwrap(), "");
        assert_eq!(client.send(PING).await.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(json_of(client.refresh(&new, &[]).await).await["error"], "invalid_grant");
        assert_eq!((server.families_revoked(), server.count(Endpoint::Revocation)), (0, 1));
    }

    #[tokio::test]
    async fn an_access_token_ends_by_itself_whatever_the_hint_says() {
        let server = MockServer::builder().start().await.unwrap();
        for hint in [None, Some("access_token"), Some("refresh_token"), Some("something_else")] {
            let mut client = Client::initialized(&server).await;
            let token = client.access_token.clone().unwrap();
            let response = client.revoke(&token, &[("token_type_hint", hint)]).await;
            assert_eq!(response.status(), StatusCode::OK, "{hint:?}");
            assert_eq!(client.send(PING).await.status(), StatusCode::UNAUTHORIZED, "{hint:?}");
            let refresh_token = client.refresh_token.clone().unwrap();
            let response = client.refresh(&refresh_token, &[]).await;
            client.keep(response).await;
            assert_eq!(client.send(PING).await.status(), StatusCode::OK, "{hint:?}");
        }
    }

    #[tokio::test]
    async fn another_clients_token_is_refused_and_stays_good() {
        let server = MockServer::builder().start().await.unwrap();
        let client = Client::initialized(&server).await;
        let other = Client::registered(&server).await;
        for token in [client.access_token.as_deref(), client.refresh_token.as_deref()] {
            let response = other.revoke(token.unwrap(), &[]).await;
            assert_eq!(response.status(), StatusCode::BAD_REQUEST);
            assert_eq!(json_of(response).await["error"], "invalid_grant");
        }
        assert_eq!(client.send(PING).await.status(), StatusCode::OK);
        let token = client.refresh_token.clone().unwrap();
        assert_eq!(client.refresh(&token, &[]).await.status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn a_client_proves_itself_as_at_the_token_endpoint() {
        let server = MockServer::builder().start().await.unwrap();
        let mut client = Client::new(&server);
        client.register("client_secret_post").await;
        let secret = client.secret.clone();
        for (name, changes, error) in [
            ("no secret", vec![], "invalid_client"),
            ("a wrong secret", vec![("client_secret", Some("guessed"))], "invalid_client"),
            ("an unknown client", vec![("client_id", Some("somebody"))], "invalid_client"),
            ("no client", vec![("client_id", None)], "invalid_client"),
            ("no token", vec![("token", None), ("client_secret", secret.as_deref())], "invalid_request"),
        ] {
            assert_eq!(json_of(client.revoke("any", &changes).await).await["error"], error, "{name}");
        }
    }
}

mod rfc7009_2_2 {
    use super::*;

    #[tokio::test]
    async fn a_token_that_nobody_knows_is_200() {
        let server = MockServer::builder().start().await.unwrap();
        let elsewhere = MockServer::builder().start().await.unwrap();
        let client = Client::registered(&server).await;
        let foreign = Client::signed_in(&elsewhere).await.access_token.unwrap();
        for token in ["guessed", &foreign] {
            assert_eq!(client.revoke(token, &[]).await.status(), StatusCode::OK);
        }
    }

    #[tokio::test]
    async fn refresh_tokens_only() {
        let server = MockServer::builder().fault(Fault::RefreshTokensOnly).start().await.unwrap();
        let client = Client::initialized(&server).await;
        let response = client.revoke(client.access_token.as_deref().unwrap(), &[]).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        assert_eq!(json_of(response).await["error"], "unsupported_token_type");
        assert_eq!(client.send(PING).await.status(), StatusCode::OK);
        let response = client.revoke(client.refresh_token.as_deref().unwrap(), &[]).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(client.send(PING).await.status(), StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn the_metadata_names_the_endpoint_where_there_is_one() {
    for offered in [true, false] {
        let server = MockServer::builder().revocation(offered).start().await.unwrap();
        let client = Client::registered(&server).await;
        let url = format!("{}/.well-known/oauth-authorization-server", server.issuer());
        let metadata = json_of(client.http.get(url).send().await.unwrap()).await;
        let endpoint = metadata.get("revocation_endpoint").and_then(|url| url.as_str());
        assert_eq!(endpoint.map(str::to_owned), offered.then(|| format!("{}/revoke", server.issuer())));
        let status = if offered { StatusCode::OK } else { StatusCode::NOT_FOUND };
        assert_eq!(client.revoke("any", &[]).await.status(), status);
    }
}
