//! TLS with a certificate that is made in the test: HTTP/2 and HTTP/1.1 by ALPN, a company's authority, client certificates
//! (T16), and peers that are gone (T8).

use std::time::Duration;

use mcp_bridge_tests::bridge::{Bridge, Options};
use mcp_bridge_tests::browser::client;
use mcp_bridge_tests::proxy::Proxy;
use mcp_mock_server::{Endpoint, MockServer, MockServerBuilder, Seen, ThrowAwayCa};
use reqwest::{Certificate, Identity};
use serde_json::json;

use crate::{House, code, text};

/// A house whose server speaks TLS, and the file with what is to be trusted.
async fn house(server: MockServerBuilder) -> (House, String) {
    let house = House::with_patient_browser(server.tls()).await;
    let file = house.state.path().join("ca.pem");
    std::fs::write(&file, house.server.ca_pem().unwrap()).unwrap();
    (house, file.to_str().unwrap().to_owned())
}

/// Shakes hands; the person signs in by a browser that trusts the server and shows this certificate.
async fn sign_in(house: &mut House, bridge: &mut Bridge, identity: Option<Identity>) {
    let id = bridge.send_initialize().await;
    let tab = house.browser.next_tab().await;
    let trusted = Certificate::from_pem(house.server.ca_pem().unwrap().as_bytes()).unwrap();
    let mut browser = client().tls_certs_only([trusted]);
    if let Some(identity) = identity {
        browser = browser.identity(identity);
    }
    let page = browser.build().unwrap().get(&tab.url).send().await.unwrap();
    assert!(page.text().await.unwrap().contains("You are signed in"));
    let response = bridge.response(id).await;
    assert!(response["result"].is_object(), "{response}");
}

/// HTTP/2 has `:authority` instead of `Host`.
fn is_http2(seen: &Seen) -> bool {
    seen.header("host").is_none()
}

#[tokio::test]
async fn t16_everything_goes_by_http2_and_by_http1_as_alpn_has_it() {
    for http2 in [true, false] {
        let (mut house, ca) = house(MockServer::builder().http2(http2)).await;
        let mut bridge = house.options().with(&["--ca-file", &ca]).start();
        sign_in(&mut house, &mut bridge, None).await;
        bridge.send(json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
        let called = bridge.call_tool("list_files", json!({})).await;
        assert!(text(&called).contains("README"), "{called}");
        let mut open = Vec::new();
        for _ in 0..50 {
            open.push(bridge.send_request("tools/call", json!({"name": "list_files", "arguments": {}})).await);
        }
        for id in open {
            assert!(bridge.response(id).await["result"].is_object());
        }
        house
            .server
            .wait_for(|log| log.iter().any(|seen| seen.method == "GET" && seen.endpoint == Endpoint::Mcp))
            .await;
        assert!(bridge.end().await.status.success());
        let log = house.server.log();
        assert!(log.iter().any(|seen| seen.method == "DELETE"));
        for seen in log.iter().filter(|seen| seen.endpoint != Endpoint::Authorization) {
            assert_eq!(is_http2(seen), http2, "{} {}", seen.method, seen.path_and_query);
        }
        assert!(log.iter().any(|seen| seen.endpoint == Endpoint::Token));
    }
}

#[tokio::test]
async fn t16_a_server_whose_certificate_nobody_trusts_gets_nothing() {
    let (house, _) = house(MockServer::builder()).await;
    let other = house.state.path().join("other.pem");
    std::fs::write(&other, ThrowAwayCa::new().unwrap().pem()).unwrap();
    for more in [&[][..], &["--ca-file", other.to_str().unwrap()]] {
        let mut bridge = house.options().with(more).start();
        let response = bridge.call_tool("list_files", json!({})).await;
        assert_eq!(code(&response), "tls_failed", "{response}");
        assert!(response["error"]["data"]["hint"].as_str().unwrap().contains("--ca-file"), "{response}");
    }
    assert!(house.server.log().is_empty());
}

#[tokio::test]
async fn t16_a_client_certificate_is_shown_to_the_server_and_in_the_sign_in() {
    let ca = ThrowAwayCa::new().unwrap();
    let ours = ca.client_certificate("anna").unwrap();
    let both = format!("{}{}", ours.certificate_pem, ours.key_pem);
    let identity = || Some(Identity::from_pem(both.as_bytes()).unwrap());
    for in_one_file in [true, false] {
        let (mut house, trusted) = house(MockServer::builder().client_ca(ca.pem())).await;
        let folder = house.state.path().to_owned();
        let file = |name: &str, text: &str| {
            let path = folder.join(name);
            std::fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let (one, cert, key) =
            (file("both.pem", &both), file("cert.pem", &ours.certificate_pem), file("key.pem", &ours.key_pem));
        let words = match in_one_file {
            true => vec!["--client-cert", &one],
            false => vec!["--client-cert", &cert, "--client-key", &key],
        };
        let mut bridge = house.options().with(&["--ca-file", &trusted]).with(&words).start();
        sign_in(&mut house, &mut bridge, identity()).await;
        assert!(text(&bridge.call_tool("list_files", json!({})).await).contains("README"));
        // Who shows none, or one of a strange authority, gets nowhere and is told of the flag.
        let strange = ThrowAwayCa::new().unwrap().client_certificate("eve").unwrap();
        let strange = file("strange.pem", &format!("{}{}", strange.certificate_pem, strange.key_pem));
        for more in [&[][..], &["--client-cert", &strange]] {
            let mut bridge = house.options().with(&["--ca-file", &trusted]).with(more).start();
            let response = bridge.call_tool("list_files", json!({})).await;
            // By HTTP/2 often no more is heard than that the connection was closed.
            assert!(["connection_failed", "stream_broken", "tls_failed"].contains(&code(&response)), "{response}");
            assert!(response["error"]["data"]["hint"].as_str().unwrap().contains("--client-cert"), "{response}");
        }
    }
}

/// A server with a public name, that is reached through a proxy alone.
async fn behind_a_proxy() -> (House, String, Proxy, String) {
    let server = MockServer::builder().protected(false).public_origin("https://mcp.test");
    let (house, ca) = house(server).await;
    let proxy = Proxy::http(house.server.address()).await;
    let url = format!("http://{}", proxy.address);
    (house, ca, proxy, url)
}

#[tokio::test]
async fn t16_an_https_server_is_reached_through_a_tunnel_once_for_many_calls() {
    let (house, ca, proxy, url) = behind_a_proxy().await;
    let options = Options::to("https://mcp.test/mcp", house.state.path()).with(&["--ca-file", &ca]);
    let mut bridge = options.variable("HTTPS_PROXY", url).start();
    assert!(bridge.initialize().await["result"].is_object());
    let mut open = Vec::new();
    for _ in 0..20 {
        open.push(bridge.send_request("tools/call", json!({"name": "list_files", "arguments": {}})).await);
    }
    for id in open {
        assert!(bridge.response(id).await["result"].is_object());
    }
    assert!(house.server.log().iter().all(is_http2));
    let asked = proxy.asked();
    assert!(asked.iter().all(|asked| asked.what == "CONNECT mcp.test:443"), "{asked:?}");
    assert_eq!(asked.len(), 1, "HTTP/2 has one connection: {asked:?}");
}

#[tokio::test]
#[ignore = "takes 95 s: as long as a peer may be silent"]
async fn t8_a_peer_that_is_gone_is_found_by_http2_pings_while_a_stream_is_open() {
    let (house, ca, proxy, url) = behind_a_proxy().await;
    let options = Options::to("https://mcp.test/mcp", house.state.path()).with(&["--ca-file", &ca]);
    let mut bridge = options.variable("HTTPS_PROXY", url).start();
    assert!(bridge.initialize().await["result"].is_object());
    bridge.send(json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
    let streams = |log: &[Seen]| log.iter().filter(|seen| seen.method == "GET").count();
    house.server.wait_for(|log| streams(log) == 1).await;
    proxy.freeze();
    house.server.try_wait_for(Duration::from_secs(120), |log| streams(log) == 2).await.unwrap();
    assert_eq!(proxy.asked().len(), 2);
}

#[tokio::test]
async fn t8_a_connection_that_does_not_come_about_is_given_up_in_time() {
    let mute = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let state = tempfile::tempdir().unwrap();
    let url = format!("https://{}/mcp", mute.local_addr().unwrap());
    let mut bridge = Options::to(&url, state.path()).with(&["--connect-timeout", "1"]).start();
    let response = bridge.call_tool("x", json!({})).await;
    assert_eq!(code(&response), "timed_out");
    assert!(response["error"]["message"].as_str().unwrap().contains("did not accept a connection"), "{response}");
}

/// Whether the system sends keep-alive probes on a connection to a port: the kernel's table says which timer runs.
#[cfg(target_os = "linux")]
fn has_keep_alive(port: u16) -> bool {
    const ESTABLISHED: &str = "01";
    const KEEP_ALIVE: &str = "02:";
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let remote = format!(":{port:04X}");
    table.lines().skip(1).any(|row| {
        let cells: Vec<&str> = row.split_whitespace().collect();
        cells[2].ends_with(&remote) && cells[3] == ESTABLISHED && cells[5].starts_with(KEEP_ALIVE)
    })
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn t8_the_system_probes_a_silent_connection_by_itself() {
    let house = House::new(MockServer::builder().protected(false)).await;
    let mut bridge = house.options().start();
    assert!(bridge.initialize().await["result"].is_object());
    bridge.send(json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
    house.server.wait_for(|log| log.iter().any(|seen| seen.method == "GET")).await;
    let port = house.server.address().port();
    let found = async {
        while !has_keep_alive(port) {
            tokio::time::sleep(Duration::from_millis(20)).await; // the kernel tells nobody
        }
    };
    tokio::time::timeout(mcp_bridge_tests::PATIENCE, found).await.unwrap();
}
