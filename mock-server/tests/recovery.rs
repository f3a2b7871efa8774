//! What a client must recover from: each thing that a server can do to a sign-in, seen from outside.

use std::time::{Duration, Instant};

use mcp_mock_server::{Endpoint, Fault, MockServer, Seen};
use reqwest::{Response, StatusCode};

use crate::client::{Client, PING, json_of};

/// The status and the error code of an OAuth refusal.
pub(crate) async fn refusal(response: Response) -> (u16, String) {
    let status = response.status().as_u16();
    (status, json_of(response).await["error"].as_str().unwrap_or_default().to_owned())
}

fn refused(status: u16, error: &str) -> (u16, String) {
    (status, error.to_owned())
}

mod of_a_forgotten_client {
    use super::*;

    #[tokio::test]
    async fn the_token_endpoint_answers_invalid_client_and_the_authorization_endpoint_a_page() {
        let server = MockServer::builder().start().await.unwrap();
        let client = Client::initialized(&server).await;
        let code = client.code().await;
        server.forget_clients();
        let token = client.refresh_token.clone().unwrap();
        assert_eq!(refusal(client.refresh(&token, &[]).await).await, refused(400, "invalid_client"));
        assert_eq!(refusal(client.redeem(&code, &[]).await).await, refused(400, "invalid_client"));
        assert_eq!(refusal(client.revoke(&token, &[]).await).await, refused(400, "invalid_client"));
        let page = client.authorize(&[]).await;
        assert_eq!(page.status(), StatusCode::BAD_REQUEST);
        assert_eq!(page.headers().get("location"), None);
        assert!(page.text().await.unwrap().contains("the client is not known"));
        assert_eq!(client.send(PING).await.status(), StatusCode::OK);
        Client::initialized(&server).await;
    }

    #[tokio::test]
    async fn a_client_that_used_the_header_gets_401() {
        let server = MockServer::builder().start().await.unwrap();
        let mut client = Client::new(&server);
        client.register("client_secret_basic").await;
        server.forget_clients();
        let request = client.token(&[("grant_type", "refresh_token"), ("refresh_token", "any")]);
        let response = request.basic_auth(&client.id, client.secret.as_deref()).send().await.unwrap();
        assert_eq!(refusal(response).await, refused(401, "invalid_client"));
    }

    #[tokio::test]
    async fn forgotten_client_is_invalid_grant() {
        let server = MockServer::builder().fault(Fault::ForgottenClientIsInvalidGrant).start().await.unwrap();
        let mut client = Client::signed_in(&server).await;
        client.refreshed().await;
        server.forget_clients();
        let token = client.refresh_token.clone().unwrap();
        assert_eq!(refusal(client.refresh(&token, &[]).await).await, refused(400, "invalid_grant"));
        assert_eq!(client.authorize(&[]).await.status(), StatusCode::BAD_REQUEST);
    }
}

mod of_an_expired_client_secret {
    use std::time::SystemTime;

    use super::*;
    use crate::client::registration;

    #[tokio::test]
    async fn registration_says_when_the_secret_ends() {
        let hour = Duration::from_secs(3600);
        let server = MockServer::builder().client_secret_lifetime(hour).start().await.unwrap();
        let end = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap() + hour;
        for (method, expires) in [("client_secret_basic", true), ("client_secret_post", true), ("none", false)] {
            let url = format!("{}/register", server.issuer());
            let document = json_of(Client::new(&server).post_json(&url, &registration(method)).await).await;
            let said = document.get("client_secret_expires_at").and_then(serde_json::Value::as_u64);
            assert_eq!(said.is_some(), expires, "{method}");
            assert!(said.is_none_or(|said| (0..=1).contains(&(said - end.as_secs()))), "{method}");
        }
    }

    #[tokio::test]
    async fn it_is_invalid_client_at_the_token_endpoint_while_a_public_client_goes_on() {
        let server = MockServer::builder().client_secret_lifetime(Duration::ZERO).start().await.unwrap();
        let mut client = Client::new(&server);
        client.register("client_secret_post").await;
        let (code, secret) = (client.code().await, client.secret.clone());
        let response = client.redeem(&code, &[("client_secret", secret.as_deref())]).await;
        assert_eq!(refusal(response).await, refused(400, "invalid_client"));
        Client::signed_in(&server).await;
    }
}

#[tokio::test]
async fn unauthorized_client() {
    let server = MockServer::builder().fault(Fault::UnauthorizedClient).start().await.unwrap();
    let mut client = Client::signed_in(&server).await;
    let token = client.refresh_token.clone().unwrap();
    assert_eq!(refusal(client.refresh(&token, &[]).await).await, refused(400, "unauthorized_client"));
    server.set_fault(None);
    client.refreshed().await;
}

mod of_the_token_endpoint {
    use super::*;

    /// Sends a refresh; once the server has it, its answer is not waited for.
    async fn sent_and_given_up(server: &MockServer, client: &Client, token: &str) {
        let before = server.count(Endpoint::Token);
        let arrived = |seen: &[Seen]| seen.iter().filter(|seen| seen.endpoint == Endpoint::Token).count() > before;
        tokio::select! {
            biased;
            () = server.wait_for(arrived) => {}
            _ = client.refresh(token, &[]) => panic!("it was answered at once"),
        }
    }

    #[tokio::test]
    async fn lost_token_answer() {
        let server = MockServer::builder().start().await.unwrap();
        let client = Client::signed_in(&server).await;
        server.set_fault(Some(Fault::LostTokenAnswer));
        let token = client.refresh_token.clone().unwrap();
        let lost = [("grant_type", "refresh_token"), ("refresh_token", &token), ("client_id", &client.id)];
        let resource = ("resource", client.mcp_url.as_str());
        assert!(client.token(&[&lost[..], &[resource]].concat()).send().await.is_err());
        assert_eq!(server.log().last().unwrap().status, 0);
        // It was carried out: the old token is spent. And the answer is lost only once.
        assert_eq!(refusal(client.refresh(&token, &[]).await).await, refused(400, "invalid_grant"));
        assert_eq!(server.families_revoked(), 1);
    }

    #[tokio::test]
    async fn a_refused_grant_does_not_use_up_the_lost_answer() {
        let server = MockServer::builder().start().await.unwrap();
        let client = Client::registered(&server).await;
        let code = client.code().await;
        server.set_fault(Some(Fault::LostTokenAnswer));
        assert_eq!(refusal(client.refresh("guessed", &[]).await).await, refused(400, "invalid_grant"));
        let body = [("grant_type", "authorization_code"), ("code", &code), ("client_id", &client.id)];
        assert_eq!(client.token(&body).send().await.unwrap().status(), StatusCode::BAD_REQUEST);
        assert!(server.log().iter().all(|seen| seen.status != 0));
    }

    #[tokio::test]
    async fn within_the_grace_a_used_refresh_token_gives_the_same_answer_again() {
        let hour = Duration::from_secs(3600);
        let server = MockServer::builder().refresh_grace(hour).start().await.unwrap();
        let mut client = Client::signed_in(&server).await;
        let other = Client::registered(&server).await;
        let old = client.refresh_token.clone().unwrap();
        let first = json_of(client.refresh(&old, &[]).await).await;
        assert_eq!(json_of(client.refresh(&old, &[]).await).await, first);
        assert_eq!(refusal(client.refresh(&old, &[("resource", None)]).await).await, refused(400, "invalid_target"));
        let stolen = other.refresh(&old, &[]).await;
        assert_eq!(refusal(stolen).await, refused(400, "invalid_grant"));
        client.refresh_token = first["refresh_token"].as_str().map(str::to_owned);
        client.refreshed().await;
        assert_eq!(server.families_revoked(), 0);
        server.revoke_refresh_tokens();
        assert_eq!(refusal(client.refresh(&old, &[]).await).await, refused(400, "invalid_grant"));
    }

    #[tokio::test]
    async fn after_the_grace_a_used_refresh_token_ends_its_family() {
        let server = MockServer::builder().refresh_grace(Duration::from_nanos(1)).start().await.unwrap();
        let mut client = Client::signed_in(&server).await;
        let old = client.refresh_token.clone().unwrap();
        client.refreshed().await;
        assert_eq!(refusal(client.refresh(&old, &[]).await).await, refused(400, "invalid_grant"));
        assert_eq!(server.families_revoked(), 1);
    }

    #[tokio::test]
    async fn the_delay_comes_between_the_deed_and_the_answer() {
        let delay = Duration::from_millis(60)..Duration::from_millis(80);
        let server = MockServer::builder().token_delay(delay.clone(), 1).start().await.unwrap();
        let mut client = Client::signed_in(&server).await;
        let begun = Instant::now();
        client.refreshed().await;
        assert!(begun.elapsed() >= delay.start);
        let token = client.refresh_token.clone().unwrap();
        sent_and_given_up(&server, &client, &token).await;
        assert_eq!(server.counts().refreshes, 2);
        assert_eq!(refusal(client.refresh(&token, &[]).await).await, refused(400, "invalid_grant"));
        assert_eq!(server.families_revoked(), 1);
    }

    #[tokio::test]
    async fn token_endpoint_hangs() {
        let server = MockServer::builder().start().await.unwrap();
        let mut client = Client::signed_in(&server).await;
        server.set_fault(Some(Fault::TokenEndpointHangs));
        let token = client.refresh_token.clone().unwrap();
        sent_and_given_up(&server, &client, &token).await;
        assert_eq!(server.counts().refreshes, 0);
        server.set_fault(None);
        client.refreshed().await;
    }
}

mod of_an_expired_access_token {
    use super::*;

    #[tokio::test]
    async fn it_may_end_before_the_time_that_was_said() {
        let builder = MockServer::builder().access_token_lifetime(Duration::from_secs(62));
        let server = builder.access_token_ttl_override(Duration::ZERO).start().await.unwrap();
        let client = Client::signed_in(&server).await;
        let token = client.refresh_token.clone().unwrap();
        assert_eq!(json_of(client.refresh(&token, &[]).await).await["expires_in"], 62);
        let response = client.send(PING).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert!(response.headers()["www-authenticate"].to_str().unwrap().contains("expired"));
    }
}

#[tokio::test]
async fn expired_token_kills_refresh() {
    let server = MockServer::builder().fault(Fault::ExpiredTokenKillsRefresh).start().await.unwrap();
    let mut client = Client::signed_in(&server).await;
    let mut other = Client::signed_in(&server).await;
    client.refreshed().await;
    server.expire_access_tokens();
    // Who refreshes first loses nothing, also by the old token; who shows it before, does.
    let old = other.access_token.clone().unwrap();
    other.refreshed().await;
    let late = Client::new(&server).post(PING).bearer_auth(old).send().await.unwrap();
    assert_eq!(late.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(client.send(PING).await.status(), StatusCode::UNAUTHORIZED);
    let token = client.refresh_token.clone().unwrap();
    assert_eq!(refusal(client.refresh(&token, &[]).await).await, refused(400, "invalid_grant"));
    other.refreshed().await;
    assert_eq!(server.families_revoked(), 0);
}

mod of_a_scope_that_is_too_narrow {
    use super::*;
    use crate::client::{parameters_of, tool_call};

    fn call() -> String {
        tool_call(1, "get_weather", &serde_json::json!({ "city": "Oslo" }))
    }

    async fn challenge(client: &Client) -> String {
        let response = client.send(call()).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
        response.headers()["www-authenticate"].to_str().unwrap().to_owned()
    }

    /// Signs in again for both scopes.
    async fn step_up(client: &mut Client) {
        let response = client.authorize(&[("scope", Some("mcp:tools weather:read"))]).await;
        let code = parameters_of(&response)["code"].clone();
        let document = json_of(client.redeem(&code, &[]).await).await;
        assert_eq!(document["scope"], "mcp:tools weather:read");
        client.access_token = document["access_token"].as_str().map(str::to_owned);
        client.refresh_token = document["refresh_token"].as_str().map(str::to_owned);
    }

    #[tokio::test]
    async fn the_challenge_names_the_scope_and_the_union_of_both_is_issued_and_kept() {
        let server = MockServer::builder().tool_scope("get_weather", "weather:read").start().await.unwrap();
        let mut client = Client::initialized(&server).await;
        let challenge = challenge(&client).await;
        assert!(challenge.contains("error=\"insufficient_scope\"") && challenge.contains("scope=\"weather:read\""));
        step_up(&mut client).await;
        assert_eq!(client.send(call()).await.status(), StatusCode::OK);
        client.refreshed().await;
        assert_eq!(client.send(call()).await.status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn step_up_in_vain() {
        let builder = MockServer::builder().tool_scope("get_weather", "weather:read").fault(Fault::StepUpInVain);
        let server = builder.start().await.unwrap();
        let mut client = Client::initialized(&server).await;
        step_up(&mut client).await;
        assert!(challenge(&client).await.contains("scope=\"weather:read\""));
        assert_eq!(client.send(PING).await.status(), StatusCode::OK);
    }
}

mod of_another_issuer {
    use super::*;

    /// A client of `issuer` for the resource of `server`, signed in.
    async fn signed_in(server: &MockServer, issuer: &MockServer) -> Client {
        let mut client = Client::registered(issuer).await;
        client.mcp_url = server.mcp_url();
        let code = client.code().await;
        let response = client.redeem(&code, &[]).await;
        client.keep(response).await;
        client
    }

    async fn named(server: &MockServer) -> serde_json::Value {
        let url = format!("{}/.well-known/oauth-protected-resource/mcp", server.issuer());
        json_of(Client::new(server).http.get(url).send().await.unwrap()).await["authorization_servers"].clone()
    }

    #[tokio::test]
    async fn a_resource_may_change_its_issuer_and_take_that_ones_tokens_alone() {
        let server = MockServer::builder().start().await.unwrap();
        let other = MockServer::builder().also_issues_for(server.mcp_url()).start().await.unwrap();
        server.trust(&other);
        let before = Client::initialized(&server).await;
        let mut after = signed_in(&server, &other).await;
        assert_eq!(after.send(PING).await.status(), StatusCode::UNAUTHORIZED);
        server.set_authorization_server(Some(other.issuer()));
        assert_eq!(named(&server).await, serde_json::json!([other.issuer()]));
        after.initialize().await;
        after.refreshed().await;
        assert_eq!(after.send(PING).await.status(), StatusCode::OK);
        assert_eq!(before.send(PING).await.status(), StatusCode::UNAUTHORIZED);
        other.expire_access_tokens();
        let response = after.send(PING).await;
        assert!(response.headers()["www-authenticate"].to_str().unwrap().contains("expired"));
        server.set_authorization_server(None);
        assert_eq!(named(&server).await, serde_json::json!([server.issuer()]));
        assert_eq!(before.send(PING).await.status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn a_resource_may_have_another_issuer_from_the_start() {
        let issuer = MockServer::builder().start().await.unwrap();
        let builder = MockServer::builder().authorization_server(issuer.issuer()).trusts(&issuer);
        let server = builder.start().await.unwrap();
        issuer.also_issue_for(server.mcp_url());
        assert_eq!(signed_in(&server, &issuer).await.initialize().await["id"], 0);
        let own = Client::signed_in(&issuer).await.access_token.unwrap();
        let response = Client::new(&server).post(PING).bearer_auth(own).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        drop(issuer);
        let response = Client::new(&server).post(PING).bearer_auth("any").send().await.unwrap();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    }

    #[tokio::test]
    async fn an_issuer_that_is_named_but_not_trusted_lets_nobody_in() {
        let server = MockServer::builder().start().await.unwrap();
        let other = MockServer::builder().also_issues_for(server.mcp_url()).start().await.unwrap();
        server.set_authorization_server(Some(other.issuer()));
        let client = signed_in(&server, &other).await;
        assert_eq!(client.send(PING).await.status(), StatusCode::UNAUTHORIZED);
    }

    #[tokio::test]
    async fn who_was_not_asked_to_issues_for_no_other_resource() {
        let server = MockServer::builder().start().await.unwrap();
        let other = MockServer::builder().start().await.unwrap();
        let mut client = Client::registered(&other).await;
        client.mcp_url = server.mcp_url();
        let answer = crate::client::parameters_of(&client.authorize(&[]).await);
        assert_eq!(answer["error"], "invalid_target");
    }
}
