//! Each fault of DPoP, seen from outside.

use mcp_mock_server::{Dpop, Fault, FaultSetting, MockServer};
use serde_json::json;

use super::{Key, bound, challenges, error_of, is_in, redeemed, sent};
use crate::client::{Client, json_of};

async fn with_nonces(fault: impl Into<FaultSetting>) -> MockServer {
    MockServer::builder().dpop(Dpop::Required).dpop_nonce(true).fault(fault).start().await.unwrap()
}

#[tokio::test]
async fn dpop_nonce_loop_and_dpop_nonce_not_given() {
    let server = with_nonces(Fault::DpopNonceLoop).await;
    let (client, key) = (Client::registered(&server).await, Key::new());
    let first = redeemed(&client, Some(&key.at_token(&client, &[]))).await;
    let nonce = first.headers()["dpop-nonce"].to_str().unwrap().to_owned();
    let second = redeemed(&client, Some(&key.at_token(&client, &[("nonce", json!(nonce))]))).await;
    assert_ne!(second.headers()["dpop-nonce"], nonce.as_str());
    assert_eq!(error_of(second).await, "use_dpop_nonce");
    server.set_fault(Some(Fault::DpopNonceNotGiven));
    let third = redeemed(&client, Some(&key.at_token(&client, &[]))).await;
    assert!(!third.headers().contains_key("dpop-nonce"));
    assert_eq!(error_of(third).await, "use_dpop_nonce");
}

#[tokio::test]
async fn dpop_nonce_once() {
    let server = with_nonces(Fault::DpopNonceOnce).await;
    let (mut client, key) = (Client::registered(&server).await, Key::new());
    let refused = redeemed(&client, Some(&key.at_token(&client, &[]))).await;
    let nonce = refused.headers()["dpop-nonce"].to_str().unwrap().to_owned();
    let response = redeemed(&client, Some(&key.at_token(&client, &[("nonce", json!(nonce))]))).await;
    assert_ne!(response.headers()["dpop-nonce"], nonce.as_str());
    client.keep(response).await;
    let refused = sent(&client, "DPoP", Some(&key.at_mcp(&client, &[]))).await;
    let nonce = refused.headers()["dpop-nonce"].to_str().unwrap().to_owned();
    let good = sent(&client, "DPoP", Some(&key.at_mcp(&client, &[("nonce", json!(nonce))]))).await;
    let next = good.headers()["dpop-nonce"].to_str().unwrap().to_owned();
    assert!(is_in(&good) && next != nonce);
    let old = sent(&client, "DPoP", Some(&key.at_mcp(&client, &[("nonce", json!(nonce))]))).await;
    assert!(challenges(&old)[0].contains("use_dpop_nonce"));
}

#[tokio::test]
async fn dpop_proof_refused() {
    let server = MockServer::builder().dpop(Dpop::Offered).start().await.unwrap();
    let (client, key) = bound(&server).await;
    server.set_fault(Some(Fault::DpopProofRefused));
    assert_eq!(error_of(redeemed(&client, Some(&key.at_token(&client, &[]))).await).await, "invalid_dpop_proof");
    let refused = sent(&client, "DPoP", Some(&key.at_mcp(&client, &[]))).await;
    assert!(challenges(&refused)[0].contains("invalid_dpop_proof"));
}

#[tokio::test]
async fn dpop_ignored() {
    let server = MockServer::builder().dpop(Dpop::Offered).fault(Fault::DpopIgnored).start().await.unwrap();
    let (mut client, key) = (Client::registered(&server).await, Key::new());
    let document = json_of(redeemed(&client, Some(&key.at_token(&client, &[]))).await).await;
    assert_eq!(document["token_type"], "Bearer");
    client.access_token = document["access_token"].as_str().map(str::to_owned);
    assert!(is_in(&sent(&client, "Bearer", None).await));
}

#[tokio::test]
async fn clock_ahead() {
    let server = MockServer::builder().dpop(Dpop::Offered).fault(Fault::ClockAhead).start().await.unwrap();
    let (client, key) = (Client::registered(&server).await, Key::new());
    let refused = redeemed(&client, Some(&key.at_token(&client, &[]))).await;
    let at = |ahead: u64| std::time::UNIX_EPOCH.elapsed().unwrap().as_secs() + ahead;
    assert!(refused.headers()["date"].to_str().unwrap().ends_with("GMT"));
    assert_eq!(error_of(refused).await, "invalid_dpop_proof");
    let document = json_of(redeemed(&client, Some(&key.at_token(&client, &[("iat", json!(at(3600)))]))).await).await;
    assert_eq!(document["token_type"], "DPoP");
}
