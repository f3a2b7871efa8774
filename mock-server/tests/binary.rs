//! The binary: what it prints, and that it ends when it is told to.

use std::process::Stdio;

use mcp_mock_server::Fault;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

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
        assert!(text.contains(&format!("{} ", fault.name())) && text.contains(fault.sentence()), "{fault}");
    }
}

#[tokio::test]
async fn an_unknown_fault_is_refused() {
    let output = binary().args(["--fault", "wrong-planet"]).stderr(Stdio::null()).output().await.unwrap();
    assert!(!output.status.success());
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
