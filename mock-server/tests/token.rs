//! The token endpoint: codes are used once, refresh tokens rotate, clients prove themselves as they registered.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use mcp_mock_server::{Fault, MockServer};
use reqwest::{Response, StatusCode};
use serde_json::Value;

use crate::client::{Client, REDIRECT_URI, VERIFIER, json_of};

async fn refusal(response: Response) -> (StatusCode, String) {
    assert_eq!(response.headers()["cache-control"], "no-store");
    let status = response.status();
    (status, json_of(response).await["error"].as_str().unwrap_or_default().to_owned())
}

async fn assert_refused(response: Response, error: &str, name: &str) {
    assert_eq!(refusal(response).await, (StatusCode::BAD_REQUEST, error.to_owned()), "{name}");
}

mod rfc6749_4_1_3 {
    use super::*;

    #[tokio::test]
    async fn a_code_is_good_only_for_the_request_that_it_was_issued_for() {
        let server = MockServer::builder().start().await.unwrap();
        let client = Client::registered(&server).await;
        let other = Client::registered(&server).await;
        let wrong_verifier = VERIFIER.replace('d', "e");
        for (name, change, error) in [
            ("another code", ("code", Some("guessed")), "invalid_grant"),
            ("no code", ("code", None), "invalid_request"),
            ("another client", ("client_id", Some(&*other.id)), "invalid_grant"),
            ("another redirect URI", ("redirect_uri", Some("http://127.0.0.1:9/callback")), "invalid_grant"),
            ("no redirect URI", ("redirect_uri", None), "invalid_grant"),
            ("another verifier", ("code_verifier", Some(&*wrong_verifier)), "invalid_grant"),
            ("no verifier", ("code_verifier", None), "invalid_request"),
            ("another resource", ("resource", Some("https://elsewhere.example/")), "invalid_target"),
            ("no resource", ("resource", None), "invalid_target"),
            ("another grant", ("grant_type", Some("password")), "unsupported_grant_type"),
            ("no grant", ("grant_type", None), "invalid_request"),
            ("an unknown client", ("client_id", Some("somebody")), "invalid_client"),
            ("no client", ("client_id", None), "invalid_client"),
        ] {
            let code = client.code().await;
            assert_refused(client.redeem(&code, &[change]).await, error, name).await;
        }
    }

    #[tokio::test]
    async fn a_code_presented_twice_revokes_its_tokens() {
        let server = MockServer::builder().start().await.unwrap();
        let mut client = Client::registered(&server).await;
        let code = client.code().await;
        let response = client.redeem(&code, &[]).await;
        client.keep(response).await;
        assert_refused(client.redeem(&code, &[]).await, "invalid_grant", "the second time").await;
        let response = client.send(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        let refresh_token = client.refresh_token.clone().unwrap();
        assert_refused(client.refresh(&refresh_token, &[]).await, "invalid_grant", "its refresh token").await;
        assert_eq!(server.families_revoked(), 0);
    }

    #[tokio::test]
    async fn a_code_is_gone_after_a_refused_attempt() {
        let server = MockServer::builder().start().await.unwrap();
        let client = Client::registered(&server).await;
        let code = client.code().await;
        assert_refused(client.redeem(&code, &[("redirect_uri", None)]).await, "invalid_grant", "the attempt").await;
        assert_refused(client.redeem(&code, &[]).await, "invalid_grant", "the right request after it").await;
    }

    #[tokio::test]
    async fn an_expired_code_is_refused() {
        let server = MockServer::builder().authorization_code_lifetime(Duration::ZERO).start().await.unwrap();
        let client = Client::registered(&server).await;
        let code = client.code().await;
        assert_refused(client.redeem(&code, &[]).await, "invalid_grant", "expired").await;
    }
}

mod rfc6749_3_2 {
    use super::*;

    #[tokio::test]
    async fn only_a_form_in_the_body_with_each_parameter_once_is_taken() {
        let server = MockServer::builder().start().await.unwrap();
        let client = Client::registered(&server).await;
        let code = client.code().await;
        let form = format!("grant_type=authorization_code&code={code}&client_id={}", client.id);
        for (name, query, content_type, body) in [
            ("JSON", "", "application/json", "{}".to_owned()),
            ("a query", "?x=1", "application/x-www-form-urlencoded", form.clone()),
            ("a repetition", "", "application/x-www-form-urlencoded", format!("{form}&code=x")),
        ] {
            let request = client.http.post(format!("{}/token{query}", server.issuer()));
            let response = request.header("content-type", content_type).body(body).send().await.unwrap();
            assert_refused(response, "invalid_request", name).await;
        }
        let got = client.http.get(format!("{}/token?{form}", server.issuer())).send().await.unwrap();
        assert_eq!(got.status(), StatusCode::METHOD_NOT_ALLOWED);
    }
}

mod rfc6749_6 {
    use super::*;

    #[tokio::test]
    async fn an_old_refresh_token_revokes_the_whole_family() {
        let server = MockServer::builder().start().await.unwrap();
        let mut client = Client::signed_in(&server).await;
        let old = client.refresh_token.clone().unwrap();
        let response = client.refresh(&old, &[]).await;
        client.keep(response).await;
        let new = client.refresh_token.clone().unwrap();
        assert_refused(client.refresh(&old, &[]).await, "invalid_grant", "the old one").await;
        assert_refused(client.refresh(&new, &[]).await, "invalid_grant", "the new one").await;
        assert_refused(client.refresh(&old, &[]).await, "invalid_grant", "the old one again").await;
        let response = client.send(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(server.families_revoked(), 1);
    }

    #[tokio::test]
    async fn a_wrong_request_does_not_spend_the_token() {
        let server = MockServer::builder().start().await.unwrap();
        let client = Client::signed_in(&server).await;
        let other = Client::registered(&server).await;
        let token = client.refresh_token.clone().unwrap();
        for (name, change, error) in [
            ("another token", ("refresh_token", Some("guessed")), "invalid_grant"),
            ("another client", ("client_id", Some(&*other.id)), "invalid_grant"),
            ("another resource", ("resource", Some("https://elsewhere.example/")), "invalid_target"),
            ("no resource", ("resource", None), "invalid_target"),
            ("no token", ("refresh_token", None), "invalid_request"),
            ("a wider scope", ("scope", Some("mcp:tools mcp:admin")), "invalid_scope"),
        ] {
            assert_refused(client.refresh(&token, &[change]).await, error, name).await;
        }
        assert_eq!(client.refresh(&token, &[]).await.status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn the_scope_may_get_narrower() {
        let server = MockServer::builder().start().await.unwrap();
        let mut client = Client::registered(&server).await;
        let response = client.authorize(&[("scope", Some("mcp:admin mcp:tools"))]).await;
        let code = crate::client::parameters_of(&response)["code"].clone();
        let response = client.redeem(&code, &[]).await;
        client.keep(response).await;
        let token = client.refresh_token.clone().unwrap();
        let document = json_of(client.refresh(&token, &[("scope", Some("mcp:admin"))]).await).await;
        assert_eq!(document["scope"], "mcp:admin");
    }

    #[tokio::test]
    async fn an_expired_or_revoked_refresh_token_is_refused_and_is_no_reuse() {
        let server = MockServer::builder().refresh_token_lifetime(Duration::ZERO).start().await.unwrap();
        let client = Client::signed_in(&server).await;
        let token = client.refresh_token.clone().unwrap();
        assert_refused(client.refresh(&token, &[]).await, "invalid_grant", "expired").await;
        server.revoke_refresh_tokens();
        assert_refused(client.refresh(&token, &[]).await, "invalid_grant", "revoked").await;
        assert_eq!(server.families_revoked(), 0);
    }

    #[tokio::test]
    async fn a_client_without_the_grant_gets_no_refresh_token_and_may_not_use_one() {
        let server = MockServer::builder().start().await.unwrap();
        let mut client = Client::new(&server);
        let mut body = crate::client::registration("none");
        body["grant_types"] = serde_json::json!(["authorization_code"]);
        let response = client.post_json(&format!("{}/register", server.issuer()), &body).await;
        client.id = json_of(response).await["client_id"].as_str().unwrap().to_owned();
        let code = client.code().await;
        let document = json_of(client.redeem(&code, &[]).await).await;
        assert_eq!(document.get("refresh_token"), None);
        assert_refused(client.refresh("any", &[]).await, "unauthorized_client", "a refresh").await;
    }
}

mod rfc6749_2_3 {
    use super::*;

    fn basic(id: &str, secret: &str) -> String {
        // What the server issues needs no form-encoding; an escaped spelling must mean the same.
        format!("Basic {}", STANDARD.encode(format!("{}:{secret}", id.replace('-', "%2D"))))
    }

    #[tokio::test]
    async fn each_method_is_taken_from_who_registered_it() {
        let server = MockServer::builder().start().await.unwrap();
        for method in ["none", "client_secret_post", "client_secret_basic"] {
            let mut client = Client::new(&server);
            client.register(method).await;
            let code = client.code().await;
            let secret = client.secret.clone();
            let response = match (method, secret.as_deref()) {
                ("client_secret_post", secret) => client.redeem(&code, &[("client_secret", secret)]).await,
                ("client_secret_basic", Some(secret)) => {
                    let parameters = parameters(&client, &code);
                    let header = basic(&client.id, secret);
                    client.token(&parameters).header("authorization", header).send().await.unwrap()
                }
                _ => client.redeem(&code, &[]).await,
            };
            assert_eq!(response.status(), StatusCode::OK, "{method}");
        }
    }

    fn parameters<'a>(client: &'a Client, code: &'a str) -> [(&'a str, &'a str); 5] {
        [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", REDIRECT_URI),
            ("code_verifier", VERIFIER),
            ("resource", &client.mcp_url),
        ]
    }

    #[tokio::test]
    async fn a_wrong_basic_header_is_401_with_a_challenge() {
        let server = MockServer::builder().start().await.unwrap();
        let mut client = Client::new(&server);
        client.register("client_secret_basic").await;
        let secret = client.secret.clone().unwrap();
        for (name, header) in [
            ("a wrong secret", basic(&client.id, "guessed")),
            ("no secret", basic(&client.id, "")),
            ("another client", basic("somebody", &secret)),
            ("another scheme", format!("Bearer {secret}")),
            ("no Base64", "Basic ***".to_owned()),
        ] {
            let code = client.code().await;
            let request = client.token(&parameters(&client, &code)).header("authorization", header);
            let response = request.send().await.unwrap();
            assert!(response.headers()["www-authenticate"].to_str().unwrap().starts_with("Basic"), "{name}");
            assert_eq!(refusal(response).await, (StatusCode::UNAUTHORIZED, "invalid_client".to_owned()), "{name}");
        }
    }

    #[tokio::test]
    async fn another_method_than_the_registered_one_is_refused() {
        let server = MockServer::builder().start().await.unwrap();
        for (registered, with_secret) in
            [("client_secret_basic", true), ("client_secret_basic", false), ("client_secret_post", false)]
        {
            let mut client = Client::new(&server);
            client.register(registered).await;
            let code = client.code().await;
            let secret = client.secret.clone().filter(|_| with_secret);
            let response = client.redeem(&code, &[("client_secret", secret.as_deref())]).await;
            assert_refused(response, "invalid_client", registered).await;
        }
        let client = Client::registered(&server).await;
        let code = client.code().await;
        let response = client.redeem(&code, &[("client_secret", Some("invented"))]).await;
        assert_refused(response, "invalid_client", "a public client with a secret").await;
    }

    #[tokio::test]
    async fn two_methods_at_once_are_refused() {
        let server = MockServer::builder().start().await.unwrap();
        let mut client = Client::new(&server);
        client.register("client_secret_basic").await;
        let (code, secret) = (client.code().await, client.secret.clone().unwrap());
        let mut form = parameters(&client, &code).to_vec();
        form.push(("client_secret", &secret));
        let request = client.token(&form).header("authorization", basic(&client.id, &secret));
        assert_refused(request.send().await.unwrap(), "invalid_request", "basic and post").await;
    }
}

mod rfc7636_4_1 {
    use super::*;

    #[tokio::test]
    async fn a_verifier_that_is_too_short_too_long_or_no_verifier_is_refused() {
        let server = MockServer::builder().start().await.unwrap();
        let client = Client::registered(&server).await;
        for verifier in [&VERIFIER[..42], &"a".repeat(129), &VERIFIER.replace('-', "+")] {
            let code = client.code().await;
            assert_refused(client.redeem(&code, &[("code_verifier", Some(verifier))]).await, "invalid_grant", verifier)
                .await;
        }
    }
}

mod rfc8707_2_2 {
    use super::*;

    #[tokio::test]
    async fn several_resources_are_more_than_a_token_is_for() {
        let server = MockServer::builder().start().await.unwrap();
        let client = Client::registered(&server).await;
        let code = client.code().await;
        let form = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", REDIRECT_URI),
            ("client_id", &client.id),
            ("code_verifier", VERIFIER),
            ("resource", &client.mcp_url),
            ("resource", "https://other.example"),
        ];
        assert_refused(client.token(&form).send().await.unwrap(), "invalid_target", "two").await;
    }
}

mod rfc9068_2 {
    use super::*;

    #[tokio::test]
    async fn an_access_token_is_a_signed_jwt_for_the_resource() {
        let server = MockServer::builder().access_token_lifetime(Duration::from_secs(60)).start().await.unwrap();
        let client = Client::signed_in(&server).await;
        let token = client.access_token.clone().unwrap();
        let parts = token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap()).collect::<Vec<_>>();
        let header = serde_json::from_slice::<Value>(&parts[0]).unwrap();
        let claims = serde_json::from_slice::<Value>(&parts[1]).unwrap();
        let keys = json_of(client.http.get(format!("{}/jwks.json", server.issuer())).send().await.unwrap()).await;
        assert_eq!((&header["typ"], &header["alg"]), (&"at+jwt".into(), &"ES256".into()));
        assert_eq!(header["kid"], keys["keys"][0]["kid"]);
        assert_eq!(keys["keys"][0].get("d"), None);
        assert_eq!((&claims["iss"], &claims["aud"]), (&server.issuer().into(), &server.mcp_url().into()));
        assert_eq!((&claims["client_id"], &claims["scope"]), (&client.id.clone().into(), &"mcp:tools".into()));
        let lifetime = claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap();
        assert!((60..=61).contains(&lifetime));
    }
}

mod opaque_tokens {
    use mcp_mock_server::TokenFormat;

    use super::*;

    #[tokio::test]
    async fn a_token_says_nothing_and_is_good_until_it_ends() {
        let server = MockServer::builder().token_format(TokenFormat::Opaque).start().await.unwrap();
        let mut client = Client::initialized(&server).await;
        let token = client.access_token.clone().unwrap();
        assert!(!token.contains('.'));
        assert!(server.issued_secrets().contains(&token));
        client.refreshed().await;
        assert_eq!(client.send(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#).await.status(), StatusCode::OK);
        assert_eq!(client.revoke(client.access_token.as_ref().unwrap(), &[]).await.status(), StatusCode::OK);
        let response = client.send(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    }

    #[tokio::test]
    async fn a_token_for_another_resource_is_refused() {
        let builder = MockServer::builder().token_format(TokenFormat::Opaque).also_issues_for("https://other.example");
        let server = builder.start().await.unwrap();
        let mut client = Client::registered(&server).await;
        let other = [("resource", Some("https://other.example"))];
        let code = crate::client::parameters_of(&client.authorize(&other).await)["code"].clone();
        let response = client.redeem(&code, &other).await;
        client.keep(response).await;
        let response = client.send(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#).await;
        assert!(response.headers()["www-authenticate"].to_str().unwrap().contains("invalid_token"));
    }
}

mod refresh_without_rotation {
    use super::*;

    #[tokio::test]
    async fn one_token_serves_again_and_again_and_no_other_comes() {
        let server = MockServer::builder().rotate_refresh_tokens(false).start().await.unwrap();
        let client = Client::signed_in(&server).await;
        let token = client.refresh_token.clone().unwrap();
        for _ in 0..3 {
            let document = json_of(client.refresh(&token, &[]).await).await;
            assert!(document["access_token"].is_string());
            assert_eq!(document.get("refresh_token"), None);
        }
        assert_eq!(server.families_revoked(), 0);
        server.revoke_refresh_tokens();
        assert_refused(client.refresh(&token, &[]).await, "invalid_grant", "revoked").await;
    }

    #[tokio::test]
    async fn an_expired_access_token_can_still_take_it_along() {
        let builder = MockServer::builder().rotate_refresh_tokens(false).fault(Fault::ExpiredTokenKillsRefresh);
        let server = builder.start().await.unwrap();
        let mut client = Client::signed_in(&server).await;
        let token = client.refresh_token.clone().unwrap();
        client.refreshed().await;
        server.expire_access_tokens();
        client.send(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#).await;
        assert_refused(client.refresh(&token, &[]).await, "invalid_grant", "killed").await;
    }
}
