//! stderr is for people, and no condition for the work: who does not read it, or is no terminal, changes nothing.

use std::process::Stdio;

use mcp_bridge_tests::PATIENCE;
use mcp_bridge_tests::bridge::Options;
use mcp_mock_server::MockServer;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::Command;

use crate::House;

/// Far more than a pipe of 64 KiB, and what the bridge keeps besides, have room for the log lines of.
const REQUESTS: usize = 1500;

#[tokio::test]
async fn h2_a_host_that_does_not_read_stderr_gets_every_answer() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let state = tempfile::tempdir().unwrap();
    let mut bridge = Command::new(mcp_bridge_tests::binary::mcp_bridge())
        .args(["--upstream", &format!("http://{nobody}/mcp"), "--log", "debug", "--state-dir"])
        .arg(state.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stdin = bridge.stdin.take().unwrap();
    let writer = tokio::spawn(async move {
        for id in 0..REQUESTS {
            let line = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"tools/call\",\"params\":{{}}}}\n");
            stdin.write_all(line.as_bytes()).await.unwrap();
        }
        stdin
    });
    let mut answers = BufReader::new(bridge.stdout.take().unwrap()).lines();
    for answered in 0..REQUESTS {
        let line = tokio::time::timeout(PATIENCE, answers.next_line()).await;
        assert!(line.unwrap_or_else(|_| panic!("frozen after {answered} answers")).unwrap().is_some());
    }
    let mut said = BufReader::new(bridge.stderr.take().unwrap()).lines();
    let notice = async {
        while let Some(line) = said.next_line().await.unwrap() {
            if line.contains("log lines dropped") {
                return;
            }
        }
        panic!("nothing tells of the lines that were dropped");
    };
    tokio::time::timeout(PATIENCE, notice).await.expect("stderr goes on");
    drop(writer.await.unwrap());
    let status = tokio::time::timeout(PATIENCE, bridge.wait()).await.expect("it ends").unwrap();
    assert!(status.success());
}

#[tokio::test]
async fn where_stderr_is_no_terminal_nothing_is_coloured() {
    let house = House::new(MockServer::builder()).await;
    let mut bridge = house.options().with(&["--log", "trace"]).start();
    assert!(bridge.initialize().await["result"].is_object());
    let url = house.server.mcp_url();
    let login = Options::new(&["login", &url, "--force", "--log", "trace"], house.state.path());
    let login = login.browser(&house.browser).start();
    for (name, ended) in [("bridge", bridge.end().await), ("login", login.end().await)] {
        assert!(ended.status.success() && !ended.stderr.is_empty(), "{name}: {}", ended.stderr);
        assert!(!ended.stderr.contains('\u{1b}'), "{name}: {:?}", ended.stderr);
    }
}
