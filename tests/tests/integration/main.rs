//! The real binary against the mock server, over real pipes and sockets. A file for each concern; a test's name says what
//! is true. Every test has its own server, browser and state folder, so all can run beside each other.

#![cfg(test)]
#![expect(clippy::disallowed_methods, reason = "the tests look at the state folder, and break it, from outside")]

mod authorization_request;
mod batches;
mod bounds;
mod cells;
mod codes;
mod command_line;
mod cookies;
mod credential_store;
mod device;
mod dpop;
mod ending;
mod eras;
mod errors;
mod flow;
#[cfg(unix)]
mod given;
mod healing;
mod host_side;
mod hostile;
mod http_sse;
mod issuers;
mod known_clients;
mod legacy_host_modern;
mod machines;
mod modern;
mod modern_host_legacy;
mod modern_host_listens;
mod network;
mod odd_answers;
mod odd_servers;
mod odd_streams;
mod paste;
mod patience;
mod process_wall;
mod recovery;
mod resumption;
mod retries;
mod secrets;
mod sessions;
mod settings;
mod status_logout;
mod stderr;
#[cfg(unix)]
mod stdio_kinds;
mod store;
mod time_limits;
mod tls;
mod troubles;
mod upstream_side;

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::SystemTime;

use mcp_bridge_tests::bridge::{Bridge, Options};
use mcp_bridge_tests::browser::Browser;
use mcp_mock_server::{Endpoint, Fault, FaultSetting, MockServer, MockServerBuilder, Seen};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

/// A server, a person who agrees to everything, and a state folder.
struct House {
    server: MockServer,
    browser: Browser,
    state: TempDir,
}

impl House {
    async fn new(server: MockServerBuilder) -> Self {
        House {
            server: server.start().await.unwrap(),
            browser: Browser::obliging().await,
            state: tempfile::tempdir().unwrap(),
        }
    }

    /// The same with a browser whose tabs wait until the test follows them.
    async fn with_patient_browser(server: MockServerBuilder) -> Self {
        House { browser: Browser::start().await, ..House::new(server).await }
    }

    fn options(&self) -> Options {
        Options::to(&self.server.mcp_url(), self.state.path()).browser(&self.browser)
    }

    /// The one record on the disk.
    fn record(&self) -> PathBuf {
        let resources = self.state.path().join("state/resources");
        let folders: Vec<_> = fs::read_dir(resources).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(folders.len(), 1, "{folders:?}");
        folders[0].join("credentials.json")
    }

    /// Lets the stored token look as if it came so many seconds ago and ended in so many: the clock is not waited for.
    fn age_the_token(&self, came: u64, ends: u64) {
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
        self.date_the_token(now - came, now + ends);
    }

    /// Lets the stored token look as if the clock had been set back by so many seconds since it came.
    fn postdate_the_token(&self, seconds: u64) {
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
        self.date_the_token(now + seconds, now + seconds + 3600);
    }

    /// As if the server had issued none.
    fn drop_the_refresh_token(&self) {
        let mut record: Value = serde_json::from_slice(&fs::read(self.record()).unwrap()).unwrap();
        record["issuers"][self.server.issuer()]["tokens"].as_object_mut().unwrap().remove("refresh_token");
        fs::write(self.record(), record.to_string()).unwrap();
    }

    fn date_the_token(&self, came: u64, ends: u64) {
        let mut record: Value = serde_json::from_slice(&fs::read(self.record()).unwrap()).unwrap();
        let tokens = &mut record["issuers"][self.server.issuer()]["tokens"];
        tokens["obtained_at"] = came.into();
        tokens["signed_in_at"] = came.into();
        tokens["expires_at"] = ends.into();
        fs::write(self.record(), record.to_string()).unwrap();
    }

    /// A bridge that has shaken hands, and so has signed in.
    async fn bridge(&self) -> Bridge {
        let mut bridge = self.options().start();
        let response = bridge.initialize().await;
        assert_eq!(response["result"]["serverInfo"]["name"], "mcp-mock-server", "{response}");
        bridge
    }

    /// The same, once its standalone stream is open: nothing of the handshake is under way any more.
    async fn settled(&self, options: Options) -> Bridge {
        let mut bridge = options.start();
        let response = bridge.initialize().await;
        assert_eq!(response["result"]["serverInfo"]["name"], "mcp-mock-server", "{response}");
        self.server.wait_for(|log| log.iter().any(|seen| seen.method == "GET" && seen.status == 200)).await;
        bridge
    }

    /// How many POSTs of this JSON-RPC method the server has seen, whatever it made of them.
    fn posts(&self, method: &str) -> usize {
        self.server.log().iter().filter(|seen| is_post(seen, method)).count()
    }
}

/// A server that asks for no token.
fn open() -> MockServerBuilder {
    MockServer::builder().protected(false)
}

/// Whether a request is a POST with this JSON-RPC method.
fn is_post(seen: &Seen, method: &str) -> bool {
    seen.endpoint == Endpoint::Mcp && seen.method == "POST" && seen.json()["method"] == method
}

/// A fault with a value.
fn with(fault: Fault, value: u64) -> FaultSetting {
    fault.with(value).unwrap()
}

/// A notification that the host cancels the request.
fn cancelled(id: &Value) -> Value {
    json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}})
}

/// The steps that a call of `progress` with this token has told so far.
fn steps(bridge: &Bridge, token: &str) -> Vec<u64> {
    let told = bridge.others.iter().filter(|message| message["params"]["progressToken"] == token);
    told.map(|message| message["params"]["progress"].as_u64().unwrap()).collect()
}

/// The parameters of such a call.
fn progress(count: u64, token: &str) -> Value {
    json!({"name": "progress", "arguments": {"steps": count}, "_meta": {"progressToken": token}})
}

/// The stable code of an error of ours.
fn code(response: &Value) -> &str {
    assert_eq!(response["error"]["data"]["source"], "mcp-bridge", "{response}");
    assert!(response["error"]["data"]["hint"].as_str().is_some_and(|hint| !hint.is_empty()), "{response}");
    response["error"]["data"]["code"].as_str().unwrap()
}

/// An address where nobody listens.
async fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

/// The text of a tool's result.
fn text(response: &Value) -> &str {
    response["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("no text in {response}"))
}
