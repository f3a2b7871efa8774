//! Where secrets are kept: nowhere but in the bridge's memory, or in the system's keyring. The tests of a real keyring need a
//! Secret Service that is unlocked: docs/credentials.md has the command that runs them.

use std::path::Path;

use mcp_bridge_tests::bridge::Options;
use mcp_mock_server::{Endpoint, MockServer};
use serde_json::{Value, json};

use crate::{House, code, text};

/// Every file below a folder, with what is in it.
fn files(folder: &Path) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for path in std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push((
                path.display().to_string(),
                String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned(),
            ));
        }
    }
    found
}

fn no_secret_in_files(house: &House) {
    let secrets = house.server.issued_secrets();
    assert!(secrets.len() >= 4, "there is something to look for");
    for (name, text) in files(&house.state.path().join("state")) {
        for secret in secrets.iter().filter(|secret| secret.len() >= 8) {
            assert!(!text.contains(secret.as_str()), "a secret is in {name}: {text}");
        }
    }
}

fn command(house: &House, words: &[&str]) -> Options {
    let url = house.server.mcp_url();
    let words: Vec<&str> = words.iter().map(|word| if *word == "URL" { url.as_str() } else { word }).collect();
    Options::new(&words, house.state.path()).browser(&house.browser)
}

mod memory {
    use super::*;

    #[tokio::test]
    async fn s5_a_sign_in_in_memory_works_is_refreshed_and_leaves_nothing_but_locks() {
        let house = House::new(MockServer::builder()).await;
        let mut bridge = house.options().with(&["--credential-store", "memory"]).start();
        assert!(bridge.initialize().await["result"].is_object());
        assert!(text(&bridge.call_tool("get_user_profile", json!({})).await).contains("alice"));
        house.server.expire_access_tokens();
        assert!(text(&bridge.call_tool("get_user_profile", json!({})).await).contains("alice"));
        assert_eq!(house.browser.tabs_opened(), 1);
        let ended = bridge.end().await;
        assert!(ended.status.success());
        let files = files(&house.state.path().join("state"));
        assert!(files.iter().all(|(name, text)| name.ends_with("/lock") && text.is_empty()), "{files:?}");
        assert_eq!(ended.stdout.iter().filter(|line| serde_json::from_str::<Value>(line).is_err()).count(), 0);
    }

    #[tokio::test]
    async fn s5_it_ends_with_the_bridge() {
        let house = House::new(MockServer::builder()).await;
        for tabs in 1..=2 {
            let mut bridge = house.options().with(&["--credential-store", "memory"]).start();
            assert!(bridge.initialize().await["result"].is_object());
            assert_eq!(house.browser.tabs_opened(), tabs);
        }
    }

    #[tokio::test]
    async fn s5_many_calls_that_wait_for_it_open_one_tab() {
        let house = House::new(MockServer::builder()).await;
        let mut bridge = house.options().with(&["--credential-store", "memory"]).start();
        bridge.initialize().await;
        house.server.revoke_refresh_tokens();
        house.server.expire_access_tokens();
        let mut ids = Vec::new();
        for _ in 0..10 {
            ids.push(bridge.send_request("tools/call", json!({"name": "list_files", "arguments": {}})).await);
        }
        for id in ids {
            assert!(bridge.response(id).await["result"].is_object());
        }
        assert_eq!((house.browser.tabs_opened(), house.server.count(Endpoint::Registration)), (2, 1));
    }

    #[tokio::test]
    async fn login_has_nowhere_to_keep_a_sign_in_and_says_so() {
        let house = House::new(MockServer::builder()).await;
        let ended = command(&house, &["login", "URL", "--credential-store", "memory"]).start().end().await;
        assert_eq!(ended.status.code(), Some(2));
        assert!(ended.stderr.contains("--credential-store memory"), "{}", ended.stderr);
        assert_eq!(house.browser.tabs_opened(), 0);
    }
}

#[cfg(target_os = "linux")]
mod keyring {
    use super::*;

    const KEYRING: [&str; 2] = ["--credential-store", "keyring"];

    /// The session bus of this process, on which a Secret Service is.
    fn on_the_bus(options: Options) -> Options {
        let bus = std::env::var_os("DBUS_SESSION_BUS_ADDRESS").expect("a session bus: see docs/credentials.md");
        options.variable("DBUS_SESSION_BUS_ADDRESS", bus)
    }

    #[tokio::test]
    async fn s5_where_no_keyring_can_be_reached_nobody_is_asked_and_the_choice_is_named() {
        let house = House::new(MockServer::builder()).await;
        let options = || house.options().variable("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent/bus");
        let mut bridge = options().with(&KEYRING).start();
        let response = bridge.initialize().await;
        assert_eq!(code(&response), "keyring_unavailable");
        assert!(response["error"]["data"]["hint"].as_str().unwrap().contains("--credential-store file"), "{response}");
        assert_eq!(house.browser.tabs_opened(), 0);
        drop(bridge);
        let mut bridge = options().with(&["--credential-store", "auto"]).start();
        assert!(bridge.initialize().await["result"].is_object());
        assert!(std::fs::read_to_string(house.record()).unwrap().contains("access_token"));
    }

    #[tokio::test]
    #[ignore = "needs a Secret Service: see docs/credentials.md"]
    async fn s5_a_sign_in_in_the_keyring_outlives_the_bridge_and_no_secret_is_in_a_file() {
        let house = House::new(MockServer::builder()).await;
        let bridge = || on_the_bus(house.options()).start();
        let mut first = on_the_bus(house.options().with(&KEYRING)).start();
        assert!(first.initialize().await["result"].is_object());
        no_secret_in_files(&house);
        drop(first);
        // The flag is for the first time; what is there stays where it is.
        let mut second = bridge();
        assert!(second.initialize().await["result"].is_object());
        house.server.expire_access_tokens();
        assert!(text(&second.call_tool("get_user_profile", json!({})).await).contains("alice"));
        drop(second);
        assert!(bridge().initialize().await["result"].is_object());
        assert_eq!(house.browser.tabs_opened(), 1);
        no_secret_in_files(&house);

        let status = on_the_bus(command(&house, &["status", "URL", "--json"])).start().end().await;
        let status: Value = serde_json::from_str(&status.stdout.join("")).unwrap();
        assert_eq!(
            (&status["sign_ins"][0]["store"], &status["sign_ins"][0]["state"]),
            (&json!("keyring"), &json!("signed_in"))
        );

        let entries = || {
            let search = ["search", "--all", "service", "mcp-bridge"];
            let found = std::process::Command::new("secret-tool").args(search).output().expect("secret-tool");
            String::from_utf8_lossy(&found.stdout).into_owned()
        };
        let ours = |entries: &str| house.server.issued_secrets().iter().any(|secret| entries.contains(secret.as_str()));
        assert!(ours(&entries()));
        let logout = on_the_bus(command(&house, &["logout", "URL", "--forget-registration"])).start().end().await;
        assert!(logout.status.success(), "{}", logout.stderr);
        let status = on_the_bus(command(&house, &["status", "URL"])).start().end().await;
        assert_eq!(status.status.code(), Some(4));
        assert!(!ours(&entries()));
    }

    #[tokio::test]
    #[ignore = "needs a Secret Service: see docs/credentials.md"]
    async fn s5_a_sign_in_goes_from_the_file_to_the_keyring_and_back_without_a_person() {
        let house = House::new(MockServer::builder()).await;
        on_the_bus(house.options()).start().initialize().await;
        for (store, is_in_file) in [("keyring", false), ("auto", false), ("file", true)] {
            house.server.expire_access_tokens();
            let mut bridge = on_the_bus(house.options().with(&["--credential-store", store])).start();
            assert!(bridge.initialize().await["result"].is_object());
            assert_eq!(
                std::fs::read_to_string(house.record()).unwrap().contains("access_token"),
                is_in_file,
                "{store}"
            );
        }
        assert_eq!(house.browser.tabs_opened(), 1);
    }

    #[tokio::test]
    #[ignore = "needs a Secret Service: see docs/credentials.md"]
    async fn s5_many_bridges_share_one_sign_in_in_the_keyring() {
        let house = House::new(MockServer::builder()).await;
        let mut bridges: Vec<_> = (0..5).map(|_| on_the_bus(house.options().with(&KEYRING)).start()).collect();
        for bridge in &mut bridges {
            assert!(bridge.initialize().await["result"].is_object());
        }
        house.server.expire_access_tokens();
        for bridge in &mut bridges {
            assert!(text(&bridge.call_tool("get_user_profile", json!({})).await).contains("alice"));
        }
        assert_eq!(house.browser.tabs_opened(), 1);
        no_secret_in_files(&house);
    }
}
