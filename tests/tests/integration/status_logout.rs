//! `status`, `logout` and a bare `login`: what is told, what ends at the server and here, and what stays.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use mcp_bridge_tests::bridge::{Ended, Options};
use mcp_mock_server::{Endpoint, Fault, MockServer};
use serde_json::{Value, json};

use crate::House;

/// Between 50 and 51 min, so that a slow test sees 50.
const LIFETIME: Duration = Duration::from_secs(50 * 60 + 50);

async fn run(state: &Path, words: &[&str]) -> Ended {
    Options::new(words, state).start().end().await
}

async fn succeeds(house: &House, words: &[&str]) -> Ended {
    let ended = Options::new(words, house.state.path()).browser(&house.browser).start().end().await;
    assert!(ended.status.success(), "{words:?}: {}", ended.stderr);
    ended
}

async fn signed_in() -> House {
    let house = House::new(MockServer::builder().access_token_lifetime(LIFETIME)).await;
    house.bridge().await.end().await;
    house
}

async fn status(house: &House) -> Value {
    let ended = succeeds(house, &["status", "--json"]).await;
    serde_json::from_str(&ended.stdout.join("\n")).unwrap()
}

/// Every file below a folder that has one of these texts in it.
fn holding(folder: &Path, secrets: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            found.extend(holding(&path, secrets));
        } else if let Ok(text) = fs::read_to_string(&path)
            && secrets.iter().any(|secret| text.contains(secret.as_str()))
        {
            found.push(path.display().to_string());
        }
    }
    found
}

mod status {
    use super::*;

    #[tokio::test]
    async fn where_nothing_is_stored_it_says_so_and_a_url_gets_exit_code_4() {
        let state = tempfile::tempdir().unwrap();
        let ended = run(state.path(), &["status"]).await;
        assert_eq!((ended.status.code(), ended.stdout.len()), (Some(0), 0));
        assert!(ended.stderr.contains("no sign-in is stored"), "{}", ended.stderr);
        let ended = run(state.path(), &["status", "https://mcp.example.com/mcp"]).await;
        assert_eq!((ended.status.code(), ended.stdout.len()), (Some(4), 0));
        let ended = run(state.path(), &["status", "--json"]).await;
        let report: Value = serde_json::from_str(&ended.stdout.join("\n")).unwrap();
        assert_eq!((&report["version"], &report["sign_ins"]), (&json!(1), &json!([])));
        assert!(!state.path().join("state").exists(), "it creates nothing");
    }

    #[tokio::test]
    async fn it_tells_everything_but_a_secret_and_asks_nobody() {
        let house = signed_in().await;
        let before = house.server.log().len();
        let ended = succeeds(&house, &["status", &house.server.mcp_url()]).await;
        let words = ended.stdout.join("\n");
        for part in
            [&house.server.mcp_url(), "signed in as alice@example.com", &house.server.issuer(), "mcp:tools", "50 min"]
        {
            assert!(words.contains(part), "{part} is not in\n{words}");
        }
        let report = self::status(&house).await;
        let entry = &report["sign_ins"][0];
        assert_eq!((&entry["state"], &entry["profile"]), (&json!("signed_in"), &json!("default")));
        assert_eq!(
            (&entry["resource"], &entry["issuer"]),
            (&json!(house.server.mcp_url()), &json!(house.server.issuer()))
        );
        assert_eq!((&entry["account"], &entry["can_refresh"]), (&json!("alice@example.com"), &json!(true)));
        assert_eq!((&entry["client"]["source"], &entry["sign_in"]), (&json!("dynamic"), &Value::Null));
        assert!(Path::new(entry["folder"].as_str().unwrap()).is_dir());
        for secret in house.server.issued_secrets() {
            assert!(!words.contains(&secret) && !report.to_string().contains(&secret));
        }
        assert_eq!((house.server.log().len(), house.browser.tabs_opened()), (before, 1));
    }

    #[tokio::test]
    async fn a_sign_in_under_way_is_told_and_not_disturbed() {
        let mut house = House::with_patient_browser(MockServer::builder()).await;
        let mut bridge = house.options().start();
        let id = bridge.send_initialize().await;
        let tab = house.browser.next_tab().await;
        // The tab is opened, then the store is told so: who looks in between sees an earlier phase.
        bridge.stderr_line_with("a browser was opened").await;
        let ended = run(house.state.path(), &["status", &house.server.mcp_url()]).await;
        assert_eq!(ended.status.code(), Some(4), "nobody is signed in yet");
        assert!(ended.stdout.join("\n").contains("waits for a person in the browser"), "{:?}", ended.stdout);
        let entry = self::status(&house).await["sign_ins"][0].clone();
        assert_eq!((&entry["state"], &entry["sign_in"]["phase"]), (&json!("signed_out"), &json!("waiting_for_person")));
        let state = tab.parameter("state").unwrap();
        assert!(!ended.stdout.join("\n").contains(&state) && !entry.to_string().contains(&state));
        tab.follow().await;
        assert!(bridge.response(id).await["result"].is_object());
        assert_eq!(house.browser.tabs_opened(), 1);
    }

    #[tokio::test]
    async fn each_profile_is_told_by_itself_and_a_damaged_record_hides_no_other() {
        let house = signed_in().await;
        succeeds(&house, &["login", &house.server.mcp_url(), "--profile", "work"]).await;
        let profiles = |report: Value| -> Vec<String> {
            let entries = report["sign_ins"].as_array().unwrap().clone();
            entries.iter().map(|entry| entry["profile"].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(profiles(self::status(&house).await), ["default", "work"]);
        let one = succeeds(&house, &["status", "--json", "--profile", "work"]).await.stdout.join("\n");
        assert_eq!(profiles(serde_json::from_str(&one).unwrap()), ["work"]);
        let folder = self::status(&house).await["sign_ins"][0]["folder"].as_str().unwrap().to_owned();
        fs::write(Path::new(&folder).join("credentials.json"), "{").unwrap();
        assert_eq!(profiles(self::status(&house).await), ["work"]);
    }
}

mod logout {
    use super::*;

    #[tokio::test]
    async fn a18_both_tokens_end_at_the_server_the_refresh_token_first_and_here() {
        let house = signed_in().await;
        let ended = succeeds(&house, &["logout", &house.server.mcp_url()]).await;
        assert!(ended.stderr.contains("the server revoked the refresh token and the access token"), "{}", ended.stderr);
        assert!(ended.stdout.is_empty() && !ended.stderr.contains("warning"), "{}", ended.stderr);
        let hints: Vec<_> =
            house.server.log().into_iter().filter(|seen| seen.endpoint == Endpoint::Revocation).collect();
        let hints: Vec<_> = hints.iter().map(|seen| seen.param("token_type_hint").unwrap()).collect();
        assert_eq!(hints, ["refresh_token", "access_token"]);
        assert_eq!(holding(house.state.path(), &house.server.issued_secrets()), [""; 0]);
        assert_eq!(run(house.state.path(), &["status", &house.server.mcp_url()]).await.status.code(), Some(4));
        let again = succeeds(&house, &["logout", &house.server.mcp_url()]).await;
        assert!(again.stderr.contains("there is no sign-in to"), "{}", again.stderr);
        // The registration stayed: one tab, no second client.
        house.bridge().await.end().await;
        assert_eq!((house.browser.tabs_opened(), house.server.count(Endpoint::Registration)), (2, 1));
    }

    #[tokio::test]
    async fn a21_a_bridge_that_runs_uses_the_token_no_longer_although_the_server_still_takes_it() {
        let house = House::new(MockServer::builder().revocation(false)).await;
        let mut bridge = house.bridge().await;
        succeeds(&house, &["logout", &house.server.mcp_url()]).await;
        let begun = Instant::now();
        while house.browser.tabs_opened() < 2 {
            assert!(bridge.call_tool("list_files", json!({})).await["result"].is_object());
            assert!(begun.elapsed() < Duration::from_secs(20), "the token is used on");
        }
        bridge.end().await;
    }

    #[tokio::test]
    async fn the_registration_goes_too_if_the_person_says_so() {
        let house = signed_in().await;
        succeeds(&house, &["logout", &house.server.mcp_url(), "--forget-registration"]).await;
        assert!(!house.record().exists());
        house.bridge().await.end().await;
        assert_eq!((house.browser.tabs_opened(), house.server.count(Endpoint::Registration)), (2, 2));
    }

    #[tokio::test]
    async fn without_a_network_the_tokens_go_here_and_the_person_is_warned() {
        let house = signed_in().await;
        house.server.pause().await;
        let ended = succeeds(&house, &["logout"]).await;
        for part in ["signed out of", " here", "warning: the refresh token may still be good", "refused the connection"]
        {
            assert!(ended.stderr.contains(part), "{part} is not in {}", ended.stderr);
        }
        assert_eq!(holding(house.state.path(), &house.server.issued_secrets()), [""; 0]);
    }

    #[tokio::test]
    async fn what_the_server_does_not_revoke_is_told() {
        let house = signed_in().await;
        house.server.set_fault(Some(Fault::RefreshTokensOnly));
        let ended = succeeds(&house, &["logout"]).await;
        assert!(ended.stderr.contains("the server revoked the refresh token\n"), "{}", ended.stderr);
        assert!(ended.stderr.contains("the access token may still be good for 50 min"), "{}", ended.stderr);

        let house = House::new(MockServer::builder().revocation(false)).await;
        house.bridge().await.end().await;
        let ended = succeeds(&house, &["logout"]).await;
        assert!(ended.stderr.contains("offers no revocation"), "{}", ended.stderr);
        assert_eq!(holding(house.state.path(), &house.server.issued_secrets()), [""; 0]);
    }

    #[tokio::test]
    async fn a_given_client_revokes_with_its_secret_and_without_it_is_told_where_to_name_it() {
        for with_secret in [true, false] {
            let callback = ["http://127.0.0.1/callback"];
            let house = House::new(MockServer::builder().known_client("id", Some("s3cret"), &callback)).await;
            let given = ["--client-id", "id", "--client-secret-env", "THE_SECRET"];
            let mut bridge = house.options().with(&given).variable("THE_SECRET", "s3cret").start();
            assert!(bridge.initialize().await["result"].is_object());
            bridge.end().await;
            let mut words = vec!["logout", "URL"];
            let url = house.server.mcp_url();
            words[1] = &url;
            if with_secret {
                words.extend(&given[2..]);
            }
            let logout = Options::new(&words, house.state.path()).variable("THE_SECRET", "s3cret").start().end().await;
            assert!(logout.status.success());
            assert_eq!(house.server.counts().revocations, if with_secret { 2 } else { 0 });
            assert_eq!(logout.stderr.contains("--client-secret-env"), !with_secret, "{}", logout.stderr);
            assert!(!house.record().exists(), "a given client is not kept");
        }
    }

    #[tokio::test]
    async fn a_running_bridge_asks_the_person_again() {
        let house = House::new(MockServer::builder()).await;
        let mut bridge = house.bridge().await;
        succeeds(&house, &["logout"]).await;
        assert!(bridge.call_tool("list_files", json!({})).await["result"].is_object());
        assert_eq!(house.browser.tabs_opened(), 2);
    }

    #[tokio::test]
    async fn a_damaged_record_is_removed_with_whatever_it_holds() {
        let house = signed_in().await;
        let path = house.record();
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() - 4]).unwrap();
        succeeds(&house, &["logout", &house.server.mcp_url()]).await;
        assert_eq!(holding(house.state.path(), &house.server.issued_secrets()), [""; 0]);
        let again = succeeds(&house, &["logout", &house.server.mcp_url()]).await;
        assert!(again.stderr.contains("there is no sign-in to"), "{}", again.stderr);
    }

    #[tokio::test]
    async fn who_is_in_the_middle_of_a_sign_in_is_told_and_can_finish_it() {
        let mut house = House::with_patient_browser(MockServer::builder()).await;
        let mut bridge = house.options().start();
        let id = bridge.send_initialize().await;
        let tab = house.browser.next_tab().await;
        let ended = run(house.state.path(), &["logout", &house.server.mcp_url()]).await;
        assert_eq!(ended.status.code(), Some(1));
        assert!(ended.stderr.contains("is under way") && ended.stderr.contains("hint: "), "{}", ended.stderr);
        tab.follow().await;
        assert!(bridge.response(id).await["result"].is_object());
    }
}

mod without_a_url {
    use super::*;

    #[tokio::test]
    async fn the_only_sign_in_is_meant_with_its_profile() {
        let house = House::new(MockServer::builder()).await;
        succeeds(&house, &["login", &house.server.mcp_url(), "--profile", "work"]).await;
        assert!(succeeds(&house, &["login"]).await.stderr.contains("already signed in"));
        succeeds(&house, &["logout"]).await;
        assert_eq!(self::status(&house).await["sign_ins"][0]["state"], "signed_out");
        succeeds(&house, &["login"]).await;
        let report = self::status(&house).await;
        assert_eq!(report["sign_ins"].as_array().unwrap().len(), 1, "{report}");
        assert_eq!((&report["sign_ins"][0]["profile"], house.browser.tabs_opened()), (&json!("work"), 2));
    }

    #[tokio::test]
    async fn several_are_listed_and_all_takes_all() {
        let house = signed_in().await;
        let other = MockServer::builder().start().await.unwrap();
        succeeds(&house, &["login", &other.mcp_url(), "--profile", "work"]).await;
        for command in ["login", "logout"] {
            let ended = run(house.state.path(), &[command]).await;
            assert_eq!(ended.status.code(), Some(2), "{command}");
            for part in [&house.server.mcp_url(), &other.mcp_url(), "profile `work`", "hint: "] {
                assert!(ended.stderr.contains(part), "{part} is not in {}", ended.stderr);
            }
        }
        succeeds(&house, &["logout", "--all", "--forget-registration"]).await;
        assert_eq!((house.server.counts().revocations, other.counts().revocations), (2, 2));
        assert_eq!(self::status(&house).await["sign_ins"], json!([]));
    }

    #[tokio::test]
    async fn none_is_an_error_that_asks_for_the_url() {
        let state = tempfile::tempdir().unwrap();
        for command in ["login", "logout"] {
            let ended = run(state.path(), &[command]).await;
            assert_eq!(ended.status.code(), Some(2), "{command}");
            assert!(ended.stderr.contains(&format!("mcp-bridge {command} URL")), "{}", ended.stderr);
        }
        let all = run(state.path(), &["logout", "--all"]).await;
        assert!(all.status.success() && all.stderr.contains("no sign-in is stored"), "{}", all.stderr);
    }
}
