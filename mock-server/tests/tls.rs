//! TLS: the throw-away certificate and a given one, HTTP/2 by ALPN, and clients that must show a certificate.

use mcp_mock_server::{Fault, MockServer, StartError, ThrowAwayCa, TlsFault};
use reqwest::{Certificate, Identity, StatusCode, Version, redirect};
use serde_json::Value;

use crate::client::Client;

/// A client that trusts this authority and no other.
fn trusting(ca_pem: &str, identity: Option<Identity>, http1_only: bool) -> reqwest::Client {
    let mut builder = reqwest::Client::builder().no_proxy().redirect(redirect::Policy::none());
    builder = builder.tls_certs_only([Certificate::from_pem(ca_pem.as_bytes()).unwrap()]);
    if let Some(identity) = identity {
        builder = builder.identity(identity);
    }
    if http1_only {
        builder = builder.http1_only();
    }
    builder.build().unwrap()
}

fn identity(ca: &ThrowAwayCa) -> Identity {
    let issued = ca.client_certificate("test").unwrap();
    Identity::from_pem(format!("{}{}", issued.certificate_pem, issued.key_pem).as_bytes()).unwrap()
}

async fn signed_in(server: &MockServer, http: reqwest::Client) -> Client {
    let mut client = Client { http, ..Client::new(server) };
    client.register("none").await;
    let code = client.code().await;
    let response = client.redeem(&code, &[]).await;
    client.keep(response).await;
    client.initialize().await;
    client
}

#[tokio::test]
async fn the_whole_walk_goes_over_http2_and_over_http1() {
    let server = MockServer::builder().tls().start().await.unwrap();
    assert!(server.issuer().starts_with("https://127.0.0.1:") && server.mcp_url().starts_with("https://"));
    for (http1_only, version) in [(false, Version::HTTP_2), (true, Version::HTTP_11)] {
        let client = signed_in(&server, trusting(server.ca_pem().unwrap(), None, http1_only)).await;
        let reply = client.call("echo", &Value::Null).await;
        assert!(reply["error"].is_null(), "{reply}");
        let metadata = format!("{}/.well-known/oauth-authorization-server", server.issuer());
        let response = client.http.get(metadata).send().await.unwrap();
        assert_eq!(response.version(), version);
        let document = crate::client::json_of(response).await;
        assert_eq!(document["issuer"], server.issuer());
        assert!(document["token_endpoint"].as_str().unwrap().starts_with("https://"));
    }
}

#[tokio::test]
async fn an_answer_that_is_lost_ends_the_stream_and_no_other() {
    let server = MockServer::builder().tls().start().await.unwrap();
    let client = signed_in(&server, trusting(server.ca_pem().unwrap(), None, false)).await;
    server.set_fault(Some(Fault::LostTokenAnswer));
    let form = [("grant_type", "refresh_token"), ("client_id", &client.id), ("resource", &client.mcp_url)];
    let token = [("refresh_token", client.refresh_token.as_deref().unwrap())];
    assert!(client.token(&[&form[..], &token].concat()).send().await.is_err());
    assert!(client.call("echo", &Value::Null).await["error"].is_null());
}

#[tokio::test]
async fn http2_may_be_left_out() {
    let server = MockServer::builder().tls().http2(false).start().await.unwrap();
    let http = trusting(server.ca_pem().unwrap(), None, false);
    let response = http.get(format!("{}/jwks.json", server.issuer())).send().await.unwrap();
    assert_eq!(response.version(), Version::HTTP_11);
}

#[tokio::test]
async fn who_does_not_trust_the_throw_away_authority_gets_nothing() {
    let server = MockServer::builder().tls().start().await.unwrap();
    let other = ThrowAwayCa::new().unwrap();
    let url = format!("{}/jwks.json", server.issuer());
    assert!(trusting(&other.pem(), None, false).get(&url).send().await.is_err());
    assert!(crate::client::http().get(url.replace("https", "http")).send().await.is_err());
    assert!(server.log().is_empty());
}

#[tokio::test]
async fn the_throw_away_certificate_is_good_for_localhost_too() {
    let server = MockServer::builder().tls().start().await.unwrap();
    let http = trusting(server.ca_pem().unwrap(), None, false);
    let url = format!("https://localhost:{}/jwks.json", server.address().port());
    assert_eq!(http.get(url).send().await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn a_given_certificate_is_shown() {
    let ca = ThrowAwayCa::new().unwrap();
    let issued = ca.server_certificate(vec!["127.0.0.1".to_owned()]).unwrap();
    let server = MockServer::builder().tls_certificate(issued).start().await.unwrap();
    assert_eq!(server.ca_pem(), None);
    signed_in(&server, trusting(&ca.pem(), None, false)).await;
}

#[tokio::test]
async fn only_a_client_with_a_certificate_of_the_authority_is_served() {
    let (ca, other) = (ThrowAwayCa::new().unwrap(), ThrowAwayCa::new().unwrap());
    let server = MockServer::builder().client_ca(ca.pem()).start().await.unwrap();
    let url = format!("{}/jwks.json", server.issuer());
    for (name, shown) in [("no certificate", None), ("one of another authority", Some(identity(&other)))] {
        let http = trusting(server.ca_pem().unwrap(), shown, false);
        assert!(http.get(&url).send().await.is_err(), "{name}");
    }
    signed_in(&server, trusting(server.ca_pem().unwrap(), Some(identity(&ca)), false)).await;
}

#[tokio::test]
async fn what_is_no_certificate_is_an_error_at_the_start() {
    let ca = ThrowAwayCa::new().unwrap();
    let good = ca.server_certificate(vec!["localhost".to_owned()]).unwrap();
    let other = ca.server_certificate(vec!["localhost".to_owned()]).unwrap();
    let mut no_key = good.clone();
    no_key.key_pem = "no PEM".to_owned();
    let mut empty = good.clone();
    empty.certificate_pem = String::new();
    let mut strange = good.clone();
    strange.key_pem = other.key_pem;
    let started = MockServer::builder().tls_certificate(no_key).start().await;
    assert!(matches!(started, Err(StartError::Tls(TlsFault::Pem { what: "key", .. }))));
    let started = MockServer::builder().tls_certificate(empty).start().await;
    assert!(matches!(started, Err(StartError::Tls(TlsFault::Pem { what: "certificate", .. }))));
    let started = MockServer::builder().tls_certificate(strange).start().await;
    assert!(matches!(started, Err(StartError::Tls(TlsFault::Certificate(_)))));
    let started = MockServer::builder().client_ca("no PEM").start().await;
    assert!(matches!(started, Err(StartError::Tls(TlsFault::Pem { .. }))));
}

#[tokio::test]
async fn a_pause_closes_tls_connections_too() {
    let server = MockServer::builder().tls().start().await.unwrap();
    let client = signed_in(&server, trusting(server.ca_pem().unwrap(), None, false)).await;
    server.pause().await;
    assert!(client.http.get(format!("{}/jwks.json", server.issuer())).send().await.is_err());
    server.resume().unwrap();
    assert!(client.call("echo", &Value::Null).await["error"].is_null());
}
