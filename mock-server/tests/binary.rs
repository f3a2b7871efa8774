//! The binary: what it prints, and that it ends when it is told to.

use std::process::Stdio;

use mcp_mock_server::Fault;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::client::{Client, http, json_of};

fn binary() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-mock-server"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    command
}

#[tokio::test]
async fn list_faults_names_each_of_them() {
    let output = binary().arg("--list-faults").output().await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    for fault in Fault::all() {
        let end = if fault.takes().placeholder().is_some() { '=' } else { ' ' };
        assert!(text.contains(&format!("\n{fault}{end}")) || text.starts_with(fault.name()), "{fault}");
        assert!(text.contains(fault.sentence()), "{fault}");
    }
}

#[tokio::test]
async fn an_unknown_fault_or_a_wrong_value_is_refused() {
    for fault in ["wrong-planet", "slow=soon", "gzip=9"] {
        let output = binary().args(["--fault", fault]).stderr(Stdio::piped()).output().await.unwrap();
        assert!(!output.status.success(), "{fault}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(fault), "{fault}");
    }
}

#[tokio::test]
async fn a_flag_that_says_nothing_is_refused() {
    for flags in [["--token-delay", "50..20ms"], ["--token-delay", "soon"], ["--tool-scope", "get_weather"]] {
        let output = binary().args(flags).stderr(Stdio::null()).output().await.unwrap();
        assert!(!output.status.success(), "{flags:?}");
    }
    let output = binary().args(["--client-document", "nowhere.json"]).stderr(Stdio::piped()).output().await.unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("nowhere.json"));
}

#[tokio::test]
async fn the_era_is_a_setting() {
    for (era, status) in [("legacy", 200), ("modern", 400), ("both", 200)] {
        let (_child, client) = served(&["--unprotected", "--era", era], "nobody").await;
        let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "t", "version": "1" } });
        let body = json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params });
        assert_eq!(client.send(body.to_string()).await.status().as_u16(), status, "{era}");
    }
    let output = binary().args(["--era", "stone"]).stderr(Stdio::null()).output().await.unwrap();
    assert!(!output.status.success());
}

/// A server of these flags, and a client that has registered nowhere.
async fn served(flags: &[&str], id: &str) -> (Child, Client) {
    let mut command = binary();
    command.args(flags);
    running(command, id).await
}

async fn running(mut command: Command, id: &str) -> (Child, Client) {
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = lines.next_line().await.unwrap().unwrap();
    let url = first.strip_prefix("MCP server: ").unwrap();
    let client = Client {
        http: http(),
        issuer: url.strip_suffix("/mcp").unwrap().to_owned(),
        mcp_url: url.to_owned(),
        id: id.to_owned(),
        secret: None,
        access_token: None,
        refresh_token: None,
        session: None,
    };
    (child, client)
}

async fn metadata(client: &Client) -> Value {
    let url = format!("{}/.well-known/oauth-authorization-server", client.issuer);
    json_of(client.http.get(url).send().await.unwrap()).await
}

#[tokio::test]
async fn a_client_known_by_flag_signs_in_with_its_secret() {
    let flags = ["--known-client", "by-hand:s3cret", "--no-registration", "--token-delay", "1..2ms", "--seed", "7"];
    let (_server, client) = served(&flags, "by-hand").await;
    let code = client.code().await;
    let document = json_of(client.redeem(&code, &[("client_secret", Some("s3cret"))]).await).await;
    assert_eq!(document["scope"], "mcp:tools");
}

#[tokio::test]
async fn a_client_known_by_its_document_signs_in() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/client.json");
    let id = "https://client.example/oauth/client.json";
    let (_server, mut client) = served(&["--client-document", file], id).await;
    let code = client.code().await;
    let response = client.redeem(&code, &[]).await;
    client.keep(response).await;
    assert_eq!(metadata(&client).await["client_id_metadata_document_supported"], true);
}

#[tokio::test]
async fn the_metadata_follows_the_flags() {
    let (_server, client) = served(&["--tool-scope", "echo=x:y", "--no-revocation", "--no-registration"], "any").await;
    let metadata = metadata(&client).await;
    assert!(metadata["scopes_supported"].as_array().unwrap().contains(&"x:y".into()));
    for absent in ["registration_endpoint", "revocation_endpoint", "client_id_metadata_document_supported"] {
        assert_eq!(metadata.get(absent), None, "{absent}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn it_prints_its_urls_serves_and_ends_on_sigterm() {
    let mut child = binary().args(["--unprotected", "--reply", "sse", "--fault", "get-405"]).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = lines.next_line().await.unwrap().unwrap();
    let second = lines.next_line().await.unwrap().unwrap();
    let url = first.strip_prefix("MCP server: ").unwrap();
    assert_eq!(Some(url), second.strip_prefix("issuer:     ").map(|issuer| format!("{issuer}/mcp")).as_deref());
    let request = crate::client::http().get(url).header("accept", "text/event-stream");
    assert_eq!(request.send().await.unwrap().status(), 405);
    let pid = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().await.unwrap().success());
    assert!(child.wait().await.unwrap().success());
}

#[tokio::test]
async fn settings_come_from_flags_the_environment_and_a_file() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/mock-server.toml");
    let mut command = binary();
    command.args(["--config", file, "--no-registration=false"]);
    command.env("MCP_MOCK_NO_REGISTRATION", "true").env("MCP_MOCK_NO_REVOCATION", "true");
    command.env("MCP_MOCK_TOOL_SCOPE", "echo=x:y,slow=x:z");
    let (_server, client) = running(command, "any").await;
    let metadata = metadata(&client).await;
    assert!(metadata["registration_endpoint"].is_string());
    assert_eq!(metadata.get("revocation_endpoint"), None);
    let scopes = metadata["scopes_supported"].as_array().unwrap();
    assert!(["x:y", "x:z"].iter().all(|scope| scopes.contains(&(*scope).into())), "{scopes:?}");
}

#[tokio::test]
async fn a_settings_file_that_is_not_there_is_named() {
    let output = binary().args(["--config", "nowhere.toml"]).stderr(Stdio::piped()).output().await.unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("nowhere.toml"));
}

#[tokio::test]
async fn the_throw_away_authority_is_written_before_the_urls_are_printed() {
    let path = concat!(env!("CARGO_TARGET_TMPDIR"), "/throw-away-ca.pem");
    let mut child = binary().args(["--tls-ca-out", path]).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = lines.next_line().await.unwrap().unwrap();
    let issuer = first.strip_prefix("MCP server: ").unwrap().strip_suffix("/mcp").unwrap();
    let pem = std::io::read_to_string(std::fs::File::open(path).unwrap()).unwrap();
    let trusted = reqwest::Certificate::from_pem(pem.as_bytes()).unwrap();
    let http = reqwest::Client::builder().no_proxy().tls_certs_only([trusted]).build().unwrap();
    assert!(issuer.starts_with("https://"));
    assert_eq!(http.get(format!("{issuer}/jwks.json")).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn half_a_certificate_is_refused() {
    for (flags, words) in [
        (["--tls-cert", "a.pem", "--listen", "127.0.0.1:0"], "tls-key"),
        (["--tls-cert", "nowhere.pem", "--tls-key", "nowhere.key"], "nowhere.pem"),
        (["--client-ca", "nowhere.pem", "--listen", "127.0.0.1:0"], "nowhere.pem"),
    ] {
        let output = binary().args(flags).stderr(Stdio::piped()).output().await.unwrap();
        assert!(!output.status.success(), "{flags:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(words), "{flags:?}");
    }
}

#[tokio::test]
async fn it_tells_whether_another_one_is_healthy() {
    let (_server, client) = served(&[], "any").await;
    let nobody = "http://127.0.0.1:1".to_owned();
    let elsewhere = format!("{}/not-looked-at", client.issuer);
    for (url, healthy) in [(client.issuer.clone(), true), (elsewhere, true), (nobody, false)] {
        let output = binary().args(["--health", &url]).stderr(Stdio::null()).output().await.unwrap();
        assert_eq!(output.status.success(), healthy, "{url}");
    }
    for no_url in ["https://127.0.0.1:1", "nowhere"] {
        let output = binary().args(["--health", no_url]).stderr(Stdio::null()).output().await.unwrap();
        assert!(!output.status.success(), "{no_url}");
    }
}
