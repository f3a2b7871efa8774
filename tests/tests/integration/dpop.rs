//! Tokens bound to a key by DPoP (A18, RFC 9449), as the strict mock server sees them: cold, after an expiry, after a restart,
//! with nonces of both servers, and whatever goes wrong with them. What is wrong with a server is in `dpop/faults.rs`.

mod faults;

use std::collections::HashSet;
use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mcp_mock_server::{Dpop, Endpoint, Fault, MockServer, MockServerBuilder, Seen, Transport};
use serde_json::{Value, json};

use crate::{House, progress, with};

fn required() -> MockServerBuilder {
    MockServer::builder().dpop(Dpop::Required)
}

fn with_nonces() -> MockServerBuilder {
    required().dpop_nonce(true)
}

fn at(house: &House, endpoint: Endpoint) -> Vec<Seen> {
    house.server.log().into_iter().filter(|seen| seen.endpoint == endpoint).collect()
}

fn statuses(house: &House, endpoint: Endpoint) -> Vec<u16> {
    at(house, endpoint).iter().map(|seen| seen.status).collect()
}

/// Header and claims of the proof of a request.
fn proof(seen: &Seen) -> (Value, Value) {
    let proof = seen.header("dpop").unwrap_or_else(|| panic!("no proof in {seen:?}"));
    let part = |at: usize| URL_SAFE_NO_PAD.decode(proof.split('.').nth(at).unwrap()).unwrap();
    (serde_json::from_slice(&part(0)).unwrap(), serde_json::from_slice(&part(1)).unwrap())
}

fn stored(house: &House) -> Value {
    let record: Value = serde_json::from_slice(&fs::read(house.record()).unwrap()).unwrap();
    record["issuers"][house.server.issuer()]["tokens"].clone()
}

/// A call that must succeed.
async fn call(bridge: &mut mcp_bridge_tests::bridge::Bridge) {
    let response = bridge.call_tool("list_files", json!({})).await;
    assert!(response["result"].is_object(), "{response}");
}

mod rfc9449_7_1 {
    use super::*;

    #[tokio::test]
    async fn every_request_has_a_proof_of_its_own_for_its_method_url_and_token() {
        let house = House::new(required()).await;
        let mut bridge = house.settled(house.options()).await;
        call(&mut bridge).await;
        assert!(bridge.end().await.status.success());
        let messages = at(&house, Endpoint::Mcp);
        assert_eq!((messages[0].status, messages[0].header("dpop")), (401, None), "nothing to prove yet");
        let mut ids = HashSet::new();
        for seen in &messages[1..] {
            let (header, claims) = proof(seen);
            assert!(seen.header("authorization").unwrap().starts_with("DPoP "), "{seen:?}");
            assert_eq!((&header["typ"], &header["alg"]), (&json!("dpop+jwt"), &json!("ES256")));
            assert_eq!(claims["htm"], seen.method.as_str());
            assert_eq!(claims["htu"], house.server.mcp_url());
            assert!(claims["ath"].is_string() && ids.insert(claims["jti"].to_string()), "{claims}");
            assert!((200..300).contains(&seen.status), "{seen:?}");
        }
        for method in ["POST", "GET", "DELETE"] {
            assert!(messages[1..].iter().any(|seen| seen.method == method), "{method}");
        }
    }

    #[tokio::test]
    async fn it_costs_no_request_more_than_without() {
        let count = async |dpop| {
            let house = House::new(MockServer::builder().dpop(dpop)).await;
            let mut bridge = house.settled(house.options()).await;
            call(&mut bridge).await;
            bridge.end().await;
            house.server.log().len()
        };
        assert_eq!(count(Dpop::Required).await, count(Dpop::Off).await);
    }

    #[tokio::test]
    async fn a_stolen_token_is_of_no_use() {
        let house = House::new(required()).await;
        let mut bridge = house.bridge().await;
        let token = stored(&house)["access_token"].as_str().unwrap().to_owned();
        let used = at(&house, Endpoint::Mcp).pop().unwrap();
        let thief = reqwest::Client::builder().no_proxy().build().unwrap();
        let steal = async |scheme: &str, proof: Option<&str>| {
            let request = thief.post(house.server.mcp_url()).header("authorization", format!("{scheme} {token}"));
            let request = request.header("content-type", "application/json").body("{}");
            let request = if let Some(proof) = proof { request.header("dpop", proof) } else { request };
            request.send().await.unwrap().status().as_u16()
        };
        assert_eq!(steal("Bearer", None).await, 401);
        assert_eq!(steal("DPoP", None).await, 401);
        assert_eq!(steal("DPoP", used.header("dpop")).await, 401, "a proof is good once");
        call(&mut bridge).await;
    }

    #[tokio::test]
    async fn a_redirect_is_followed_with_a_proof_for_where_it_leads() {
        let house = House::new(required()).await;
        let mut bridge = house.bridge().await;
        house.server.set_fault(Some(Fault::RedirectHere));
        call(&mut bridge).await;
        let last = at(&house, Endpoint::Mcp).into_iter().rfind(|seen| seen.path_and_query == "/moved").unwrap();
        assert_eq!(proof(&last).1["htu"], house.server.mcp_url().replace("/mcp", "/moved"));
    }

    #[tokio::test]
    async fn a_stream_is_gone_on_with_by_a_new_proof() {
        let house = House::new(with_nonces().resumable(true)).await;
        let mut bridge = house.settled(house.options()).await;
        house.server.set_faults([with(Fault::StreamClosedBeforeResponse, 2)]);
        let response = bridge.request("tools/call", progress(4, "p")).await;
        assert_eq!(response["result"]["structuredContent"], json!({"steps": 4}), "{response}");
        // Of a sign-in that has just ended a host may still be told, in steps that are smaller.
        let told = bridge.others.iter().filter(|message| message["params"]["progressToken"] == "p");
        let told: Vec<_> = told.filter_map(|message| message["params"]["progress"].as_u64()).collect();
        assert_eq!(told, [1, 2, 3, 4]);
        let log = at(&house, Endpoint::Mcp);
        let resumed = log.iter().find(|seen| seen.header("last-event-id").is_some()).unwrap();
        assert_eq!((&proof(resumed).1["htm"], resumed.status), (&json!("GET"), 200));
    }

    #[tokio::test]
    async fn the_older_transport_has_proofs_too() {
        let house = House::new(required().transport(Transport::HttpSse)).await;
        let mut bridge = house.bridge().await;
        call(&mut bridge).await;
        let urls: HashSet<String> = at(&house, Endpoint::Mcp)
            .iter()
            .filter(|seen| seen.header("dpop").is_some())
            .map(|seen| proof(seen).1["htu"].as_str().unwrap().to_owned())
            .collect();
        let messages = house.server.mcp_url().replace("/mcp", "/messages");
        assert!(urls.contains(&messages) && urls.contains(&house.server.mcp_url()), "{urls:?}");
    }
}

mod rfc9449_5 {
    use super::*;

    #[tokio::test]
    async fn the_code_and_every_refresh_go_by_the_one_key() {
        let house = House::new(required()).await;
        let mut bridge = house.bridge().await;
        house.server.expire_access_tokens();
        call(&mut bridge).await;
        bridge.end().await;
        house.server.expire_access_tokens();
        let mut bridge = house.bridge().await;
        call(&mut bridge).await;
        let exchanges = at(&house, Endpoint::Token);
        let keys: HashSet<String> = exchanges.iter().map(|seen| proof(seen).0["jwk"].to_string()).collect();
        let grants: Vec<_> = exchanges.iter().map(|seen| seen.param("grant_type").unwrap()).collect();
        assert_eq!((grants.len(), keys.len()), (3, 1), "{grants:?}");
        for seen in &exchanges {
            let (_, claims) = proof(seen);
            assert_eq!((&claims["htm"], &claims["ath"]), (&json!("POST"), &Value::Null));
            assert_eq!(claims["htu"], format!("{}/token", house.server.issuer()));
        }
        assert_eq!((house.browser.tabs_opened(), house.server.families_revoked()), (1, 0));
    }

    #[tokio::test]
    async fn the_key_is_kept_over_a_restart_and_a_new_sign_in() {
        let house = House::new(required()).await;
        house.bridge().await.end().await;
        let before = stored(&house)["dpop"]["private_key"].clone();
        house.server.revoke_refresh_tokens();
        house.server.revoke_access_tokens();
        // The tokens have lasted for a while: a person is asked at once where they are rejected.
        house.age_the_token(600, 3000);
        let mut bridge = house.bridge().await;
        call(&mut bridge).await;
        assert_eq!(house.browser.tabs_opened(), 2);
        assert_eq!(stored(&house)["dpop"]["private_key"], before);
    }

    #[tokio::test]
    async fn rfc9449_10_the_authorization_request_names_the_key() {
        let house = House::new(required()).await;
        house.bridge().await;
        let asked = &at(&house, Endpoint::Authorization)[0];
        assert_eq!(asked.param("dpop_jkt").map(str::len), Some(43));
    }
}

mod rfc9449_8_and_9 {
    use super::*;

    #[tokio::test]
    async fn a_nonce_of_each_server_costs_one_request_and_no_more() {
        let house = House::new(with_nonces()).await;
        let mut bridge = house.settled(house.options()).await;
        for _ in 0..3 {
            call(&mut bridge).await;
        }
        assert_eq!(statuses(&house, Endpoint::Token), [400, 200]);
        let refused = statuses(&house, Endpoint::Mcp).iter().filter(|status| **status == 401).count();
        assert_eq!((refused, house.browser.tabs_opened()), (2, 1), "without a token, then without a nonce");
    }

    #[tokio::test]
    async fn a_nonce_that_changes_costs_one_request_more() {
        let house = House::new(with_nonces()).await;
        let mut bridge = house.settled(house.options()).await;
        for expected in 3..6 {
            house.server.change_dpop_nonces();
            call(&mut bridge).await;
            let refused = statuses(&house, Endpoint::Mcp).iter().filter(|status| **status == 401).count();
            assert_eq!(refused, expected);
        }
    }

    #[tokio::test]
    async fn the_authorization_servers_nonce_is_known_after_a_restart() {
        let house = House::new(with_nonces()).await;
        house.bridge().await.end().await;
        house.server.expire_access_tokens();
        let mut bridge = house.bridge().await;
        call(&mut bridge).await;
        assert_eq!(statuses(&house, Endpoint::Token), [400, 200, 200]);
        house.server.change_dpop_nonces();
        house.server.expire_access_tokens();
        call(&mut bridge).await;
        assert_eq!(statuses(&house, Endpoint::Token), [400, 200, 200, 400, 200]);
        assert_eq!((house.browser.tabs_opened(), house.server.families_revoked()), (1, 0));
    }

    #[tokio::test]
    async fn a_nonce_that_is_good_once_is_followed_from_answer_to_answer() {
        let house = House::new(with_nonces().fault(Fault::DpopNonceOnce)).await;
        let mut bridge = house.settled(house.options()).await;
        let before = house.server.counts().mcp_unauthorized;
        for _ in 0..5 {
            call(&mut bridge).await;
        }
        assert_eq!(house.server.counts().mcp_unauthorized, before);
    }

    #[tokio::test]
    async fn many_calls_at_once_get_through_with_nonces_that_are_good_once() {
        let house = House::new(with_nonces().fault(Fault::DpopNonceOnce)).await;
        let mut bridge = house.settled(house.options()).await;
        for _ in 0..4 {
            let mut ids = Vec::new();
            for _ in 0..2 {
                ids.push(bridge.send_request("tools/call", json!({"name": "list_files", "arguments": {}})).await);
            }
            for id in ids {
                let response = bridge.response(id).await;
                assert!(response["result"].is_object(), "{response}");
            }
        }
    }
}
