//! Servers that keep the rules in their own way, or not quite: late, half protected, forgetful (T1, T3, T4, T6, T12).

use std::time::Duration;

use mcp_bridge_tests::bridge::{Bridge, Options};
use mcp_bridge_tests::scripted::{Answer, Scripted, Seen};
use tempfile::TempDir;

/// Well under the limit that the bridge has for a notification.
const SOON: Duration = Duration::from_secs(10);

async fn start(script: impl FnMut(&Seen) -> Answer + Send + 'static) -> (Scripted, Bridge, TempDir) {
    let server = Scripted::start(script).await;
    let state = tempfile::tempdir().unwrap();
    let bridge = Options::to(&server.url, state.path()).patience(SOON).start();
    (server, bridge, state)
}

#[tokio::test]
async fn t12_gzip_is_all_that_is_offered_for_it_is_all_that_is_decoded() {
    let (server, mut bridge, _state) = start(Answer::honest).await;
    bridge.initialize().await;
    bridge.end().await;
    for seen in server.log() {
        assert_eq!(seen.headers.get("accept-encoding").map(String::as_str), Some("gzip"), "{}", seen.http);
    }
}
