//! What is wrong with a server's DPoP, what a person chose by `--dpop`, and what `status` and `logout` make of bound tokens.

use mcp_bridge_tests::bridge::Options;
use mcp_mock_server::{Dpop, Endpoint, Fault, FaultSetting, MockServer, MockServerBuilder};
use serde_json::json;

use super::{at, call, proof, required, statuses, stored, with_nonces};
use crate::{House, code};

fn offered() -> MockServerBuilder {
    MockServer::builder().dpop(Dpop::Offered)
}

fn schemes(house: &House) -> Vec<String> {
    let messages = at(house, Endpoint::Mcp);
    let sent = messages.iter().filter_map(|seen| seen.header("authorization")?.split(' ').next().map(str::to_owned));
    let mut schemes: Vec<String> = sent.collect();
    schemes.dedup();
    schemes
}

#[tokio::test]
async fn a_server_that_asks_for_nonces_without_end_is_asked_twice() {
    for fault in [Fault::DpopNonceLoop, Fault::DpopNonceNotGiven] {
        let house = House::new(with_nonces()).await;
        let mut bridge = house.settled(house.options()).await;
        call(&mut bridge).await;
        house.server.set_fault(Some(fault));
        let before = house.posts("tools/call");
        let response = bridge.call_tool("list_files", json!({})).await;
        assert_eq!(code(&response), "dpop_failed", "{fault}");
        let asked = house.posts("tools/call") - before;
        assert_eq!(asked, if fault == Fault::DpopNonceLoop { 2 } else { 1 }, "{fault}");
        assert_eq!(house.browser.tabs_opened(), 1, "{fault}: no person can help");
        house.server.set_fault(None);
        call(&mut bridge).await;
    }
}

#[tokio::test]
async fn a_token_endpoint_that_asks_for_nonces_without_end_is_asked_twice_and_nothing_is_lost() {
    let house = House::new(with_nonces()).await;
    house.bridge().await.end().await;
    let before = stored(&house);
    // So it is refreshed before the resource is asked, which has nonces without end too.
    house.age_the_token(3600, 0);
    house.server.set_fault(Some(Fault::DpopNonceLoop));
    let mut bridge = house.options().start();
    assert_eq!(code(&bridge.initialize().await), "token_request_refused");
    assert_eq!(statuses(&house, Endpoint::Token)[2..], [400, 400]);
    assert_eq!((&stored(&house)["refresh_token"], house.browser.tabs_opened()), (&before["refresh_token"], 1));
    house.server.set_fault(None);
    assert!(bridge.initialize().await["result"].is_object());
}

#[tokio::test]
async fn a_proof_that_is_refused_without_a_reason_is_an_error_and_no_sign_in() {
    let house = House::new(required()).await;
    let mut bridge = house.settled(house.options()).await;
    call(&mut bridge).await;
    house.server.set_fault(Some(Fault::DpopProofRefused));
    assert_eq!(code(&bridge.call_tool("list_files", json!({})).await), "dpop_failed");
    assert_eq!(house.browser.tabs_opened(), 1);
}

#[tokio::test]
async fn rfc9449_11_1_a_clock_that_differs_costs_one_request_at_each_server() {
    let house = House::new(required().fault(FaultSetting::from(Fault::ClockAhead))).await;
    let mut bridge = house.settled(house.options()).await;
    call(&mut bridge).await;
    call(&mut bridge).await;
    assert_eq!(statuses(&house, Endpoint::Token), [400, 200]);
    let refused = statuses(&house, Endpoint::Mcp).iter().filter(|status| **status == 401).count();
    assert_eq!((refused, house.browser.tabs_opened()), (2, 1));
}

#[tokio::test]
async fn auto_binds_where_it_is_offered_and_only_there() {
    for (server, expected) in [(offered(), "DPoP"), (MockServer::builder(), "Bearer")] {
        let house = House::new(server).await;
        house.bridge().await.end().await;
        assert_eq!(schemes(&house), [expected]);
        assert_eq!(stored(&house)["dpop"].is_object(), expected == "DPoP");
        assert_eq!(at(&house, Endpoint::Token)[0].header("dpop").is_some(), expected == "DPoP");
        assert_eq!(at(&house, Endpoint::Authorization)[0].param("dpop_jkt").is_some(), expected == "DPoP");
    }
}

#[tokio::test]
async fn rfc9449_5_a_bearer_answer_is_used_as_such_but_for_always() {
    let house = House::new(offered().fault(Fault::DpopIgnored)).await;
    let mut bridge = house.bridge().await;
    house.server.expire_access_tokens();
    call(&mut bridge).await;
    assert_eq!(schemes(&house), ["Bearer"]);
    let house = House::new(offered().fault(Fault::DpopIgnored)).await;
    let mut bridge = house.options().with(&["--dpop", "always"]).start();
    assert_eq!(code(&bridge.initialize().await), "token_response_invalid");
}

#[tokio::test]
async fn always_asks_for_bound_tokens_where_nobody_offers_them() {
    let house = House::new(MockServer::builder()).await;
    let mut bridge = house.options().with(&["--dpop", "always"]).start();
    assert_eq!(code(&bridge.initialize().await), "token_response_invalid");
    assert!(at(&house, Endpoint::Token)[0].header("dpop").is_some());
}

#[tokio::test]
async fn never_sends_no_proof() {
    let house = House::new(offered()).await;
    let mut bridge = house.settled(house.options().with(&["--dpop", "never"])).await;
    call(&mut bridge).await;
    assert_eq!(schemes(&house), ["Bearer"]);
    assert!(house.server.log().iter().all(|seen| seen.header("dpop").is_none()));
}

#[tokio::test]
async fn tokens_that_are_not_as_the_person_wants_them_are_bound_by_a_refresh_or_given_up_for_others() {
    let house = House::new(offered()).await;
    house.options().with(&["--dpop", "never"]).start().initialize().await;
    let mut bridge = house.settled(house.options().with(&["--dpop", "always"])).await;
    call(&mut bridge).await;
    assert_eq!((schemes(&house), house.browser.tabs_opened()), (vec!["Bearer".to_owned(), "DPoP".to_owned()], 1));
    bridge.end().await;
    let mut bridge = house.settled(house.options().with(&["--dpop", "never"])).await;
    call(&mut bridge).await;
    assert_eq!((schemes(&house).len(), house.browser.tabs_opened()), (3, 2));
    assert!(!stored(&house)["dpop"].is_object());
}

#[tokio::test]
async fn a_damaged_key_leads_to_a_new_sign_in() {
    let house = House::new(required()).await;
    house.bridge().await.end().await;
    let mut record: serde_json::Value = serde_json::from_slice(&std::fs::read(house.record()).unwrap()).unwrap();
    record["issuers"][house.server.issuer()]["tokens"]["dpop"]["private_key"] = json!("AAAA");
    std::fs::write(house.record(), record.to_string()).unwrap();
    let mut bridge = house.bridge().await;
    call(&mut bridge).await;
    assert_eq!(house.browser.tabs_opened(), 2);
}

#[tokio::test]
async fn status_tells_that_a_token_is_bound_and_a_bare_login_finds_it_good() {
    let house = House::new(with_nonces()).await;
    house.bridge().await.end().await;
    let ended = Options::new(&["status"], house.state.path()).start().end().await;
    assert!(ended.stdout.join("\n").contains("bound to a key of this machine (DPoP)"), "{:?}", ended.stdout);
    let ended = Options::new(&["status", "--json"], house.state.path()).start().end().await;
    assert!(ended.stdout.join("\n").contains(r#""dpop": true"#), "{:?}", ended.stdout);
    let ended = Options::new(&["login"], house.state.path()).browser(&house.browser).start().end().await;
    assert!(ended.stderr.contains("already signed in"), "{}", ended.stderr);
    assert_eq!((house.browser.tabs_opened(), house.server.counts().refreshes), (1, 0));
}

#[tokio::test]
async fn signing_out_proves_possession_and_forgets_the_key() {
    let house = House::new(required()).await;
    house.bridge().await.end().await;
    let key = stored(&house)["dpop"]["private_key"].as_str().unwrap().to_owned();
    let ended = Options::new(&["logout"], house.state.path()).start().end().await;
    assert!(ended.stderr.contains("the server revoked the refresh token"), "{}", ended.stderr);
    for seen in at(&house, Endpoint::Revocation) {
        assert_eq!(proof(&seen).1["htu"], format!("{}/revoke", house.server.issuer()));
    }
    assert!(!std::fs::read_to_string(house.record()).unwrap().contains(&key));
}
