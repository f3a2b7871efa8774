//! The configuration file through the real binary: which layer wins, which server a name means, and what is told.

use std::path::Path;

use mcp_bridge_tests::bridge::Options;
use mcp_mock_server::{Endpoint, MockServer};

use crate::House;

/// Writes the file to where it is looked for on Linux.
fn configure(state: &Path, text: &str) {
    let folder = state.join("home/.config/mcp-bridge");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("bridge.toml"), text).unwrap();
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_flag_goes_before_a_variable_and_that_before_the_file() {
    let house = House::new(MockServer::builder().protected(false)).await;
    let url = house.server.mcp_url();
    configure(
        house.state.path(),
        &format!(
            "header = ['X-A: top', 'X-B: top', 'X-C: top', 'X-D: top']\n[server.work]\nupstream = '{url}'\nheader = ['X-B: server', 'X-C: server', 'X-D: server']\n"
        ),
    );
    let options = Options::new(&["work", "--header", "X-D: flag"], house.state.path());
    let mut bridge = options.variable("MCP_BRIDGE_HEADER", "X-C: variable\nX-D: variable").start();
    assert!(bridge.initialize().await["result"].is_object());
    let seen = house.server.log().into_iter().find(|seen| seen.endpoint == Endpoint::Mcp).unwrap();
    let values = ["x-a", "x-b", "x-c", "x-d"].map(|name| seen.header(name).unwrap_or_default().to_owned());
    assert_eq!(values, ["top", "server", "variable", "flag"]);
}

#[tokio::test]
async fn every_command_takes_a_server_by_its_name() {
    let house = House::new(MockServer::builder()).await;
    let file = house.state.path().join("ours.toml");
    std::fs::write(&file, format!("[server.work]\nupstream = '{}'\nprofile = 'anna'\n", house.server.mcp_url()))
        .unwrap();
    let options = |words: &[&str]| {
        let options = Options::new(words, house.state.path()).browser(&house.browser);
        options.with(&["--config", file.to_str().unwrap()])
    };
    let ended = options(&["login", "work"]).start().end().await;
    assert!(ended.status.success(), "{}", ended.stderr);
    let mut bridge = options(&["--server", "work"]).start();
    assert!(bridge.initialize().await["result"].is_object());
    drop(bridge);
    assert_eq!(house.browser.tabs_opened(), 1);
    let status = options(&["status", "work", "--json"]).start().end().await;
    assert!(status.status.success() && status.stdout.join("").contains("\"anna\""), "{:?}", status.stdout);
    let ended = options(&["logout", "work"]).start().end().await;
    assert!(ended.status.success(), "{}", ended.stderr);
    assert_eq!(options(&["status", "work"]).start().end().await.status.code(), Some(4));
}

#[tokio::test]
async fn a_mistake_in_the_file_ends_every_command_with_its_line() {
    let state = tempfile::tempdir().unwrap();
    let file = state.path().join("ours.toml");
    std::fs::write(&file, "log = 'info'\nconect-timeout = 3\n").unwrap();
    let path = file.to_str().unwrap();
    for words in [&["https://mcp.test/mcp"][..], &["login", "https://mcp.test/mcp"], &["status"], &["logout"]] {
        let ended = Options::new(words, state.path()).with(&["--config", path]).start().end().await;
        assert_eq!(ended.status.code(), Some(2), "{words:?}");
        for part in [path, "line 2", "conect-timeout", "`connect-timeout`"] {
            assert!(ended.stderr.contains(part), "{words:?}: {}", ended.stderr);
        }
    }
}
