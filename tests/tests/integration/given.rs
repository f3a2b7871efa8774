//! A credential that the person gives in place of a sign-in, by a variable or a command: it is used, fetched anew, never
//! shown, and no sign-in is begun for it.

use std::path::{Path, PathBuf};

use mcp_bridge_tests::bridge::{Bridge, Options};
use mcp_mock_server::{Endpoint, MockServer};
use serde_json::{Value, json};

use crate::{House, code, text};

/// A house in which somebody has signed in, and a second state folder whose bridges use that token as a given one.
struct Second {
    house: House,
    first: Bridge,
    state: PathBuf,
}

impl Second {
    async fn new() -> Self {
        let house = House::new(MockServer::builder()).await;
        let first = house.bridge().await;
        let state = house.state.path().join("second");
        std::fs::create_dir(&state).unwrap();
        let second = Second { house, first, state };
        second.put_token();
        second
    }

    /// Another token, of which the command does not know yet.
    async fn renew(&mut self) {
        self.house.server.expire_access_tokens();
        assert!(self.first.call_tool("list_files", json!({})).await["result"].is_object());
    }

    fn token(&self) -> String {
        let record: Value = serde_json::from_slice(&std::fs::read(self.house.record()).unwrap()).unwrap();
        record["issuers"][self.house.server.issuer()]["tokens"]["access_token"].as_str().unwrap().to_owned()
    }

    fn put_token(&self) {
        std::fs::write(self.state.join("token"), self.token()).unwrap();
    }

    /// A command line that runs a script, and counts itself.
    fn command(&self, script: &str) -> String {
        let path = self.state.join("command");
        let state = self.state.display();
        std::fs::write(&path, format!("cd '{state}'\necho run >> runs\n{script}\n")).unwrap();
        format!("/bin/sh '{}' --password canary-argument", path.display())
    }

    fn runs(&self) -> usize {
        std::fs::read_to_string(self.state.join("runs")).unwrap_or_default().lines().count()
    }

    fn options(&self, arguments: &[&str]) -> Options {
        let url = self.house.server.mcp_url();
        Options::to(&url, &self.state).browser(&self.house.browser).with(arguments)
    }

    /// Nobody was asked but the first time, and nothing of a credential lies in the second state folder.
    fn signed_in_nowhere(&self) {
        assert_eq!((self.house.browser.tabs_opened(), self.house.server.count(Endpoint::Registration)), (1, 1));
        assert!(!holds(&self.state.join("state"), &self.token()));
    }
}

fn holds(folder: &Path, secret: &str) -> bool {
    std::fs::read_dir(folder).into_iter().flatten().flatten().any(|entry| match entry.path() {
        path if path.is_dir() => holds(&path, secret),
        path => String::from_utf8_lossy(&std::fs::read(path).unwrap()).contains(secret),
    })
}

const PROFILE: &str = "get_user_profile";

#[tokio::test]
async fn a_commands_token_is_kept_and_fetched_anew_once_where_the_server_rejects_it() {
    let mut second = Second::new().await;
    let command = second.command("cat token");
    let mut bridge = second.options(&["--token-command", &command]).start();
    assert!(bridge.initialize().await["result"].is_object());
    for _ in 0..3 {
        assert!(text(&bridge.call_tool(PROFILE, json!({})).await).contains("alice"));
    }
    assert_eq!(second.runs(), 1);
    second.renew().await;
    second.put_token();
    assert!(text(&bridge.call_tool(PROFILE, json!({})).await).contains("alice"));
    assert_eq!(second.runs(), 2);
    second.renew().await;
    let response = bridge.call_tool(PROFILE, json!({})).await;
    assert_eq!((code(&response), second.runs()), ("token_rejected", 3));
    second.put_token();
    assert!(text(&bridge.call_tool(PROFILE, json!({})).await).contains("alice"));
    second.signed_in_nowhere();
}

#[tokio::test]
async fn a_commands_token_is_fetched_anew_before_it_ends() {
    let second = Second::new().await;
    let command = second.command("printf '{\"access_token\":\"%s\",\"expires_in\":0}' \"$(cat token)\"");
    let mut bridge = second.options(&["--token-command", &command]).start();
    assert!(bridge.initialize().await["result"].is_object());
    let before = second.runs();
    bridge.call_tool(PROFILE, json!({})).await;
    assert!(second.runs() > before);
}

#[tokio::test]
async fn a_commands_headers_go_with_every_request() {
    let second = Second::new().await;
    let command = second.command("echo \"Authorization: Bearer $(cat token)\"; echo 'X-Team: blue'");
    let mut bridge = second.options(&["--header-command", &command, "--header", "X-Team: red"]).start();
    assert!(bridge.initialize().await["result"].is_object());
    assert!(text(&bridge.call_tool(PROFILE, json!({})).await).contains("alice"));
    assert!(bridge.end().await.status.success());
    let log = second.house.server.log();
    let ours: Vec<_> = log.iter().filter(|seen| seen.header("x-team").is_some()).collect();
    assert!(ours.iter().all(|seen| seen.header("x-team") == Some("blue")));
    assert!(["POST", "GET", "DELETE"].iter().all(|method| ours.iter().any(|seen| seen.method == *method)));
    second.signed_in_nowhere();
}

#[tokio::test]
async fn a_variable_holds_the_token_and_one_that_is_not_set_is_named() {
    let second = Second::new().await;
    let options = || second.options(&["--bearer-token-env", "OUR_TOKEN"]);
    let mut bridge = options().variable("OUR_TOKEN", second.token()).start();
    assert!(bridge.initialize().await["result"].is_object());
    second.house.server.expire_access_tokens();
    let response = bridge.call_tool(PROFILE, json!({})).await;
    assert_eq!(code(&response), "token_rejected");
    assert!(response["error"]["message"].as_str().unwrap().contains("`OUR_TOKEN`"), "{response}");
    second.signed_in_nowhere();
    let ended = options().start().end().await;
    assert_eq!(ended.status.code(), Some(2));
    assert!(ended.stderr.contains("`OUR_TOKEN`") && ended.stderr.contains("not set"), "{}", ended.stderr);
}

#[tokio::test]
async fn two_credentials_end_the_bridge_and_are_named() {
    let state = tempfile::tempdir().unwrap();
    let given = ["--token-command", "get canary", "--header", "Authorization: Bearer canary"];
    for words in [&["https://mcp.test/mcp"][..], &["login", "https://mcp.test/mcp"]] {
        let ended = Options::new(words, state.path()).with(&given).start().end().await;
        assert_eq!(ended.status.code(), Some(2));
        assert!(ended.stderr.contains("`--token-command` and an `Authorization` header"), "{}", ended.stderr);
        assert!(!ended.stderr.contains("canary"), "{}", ended.stderr);
    }
}

#[tokio::test]
async fn a_command_that_fails_is_told_by_its_program_alone_and_runs_again_for_the_next_message() {
    let second = Second::new().await;
    let command = second
        .command("test $(wc -l < runs) -gt 1 || { echo 'no session for canary-argument' >&2; exit 5; }; cat token");
    let mut bridge = second.options(&["--token-command", &command]).start();
    let response = bridge.initialize().await;
    assert_eq!(code(&response), "credential_command_failed");
    let message = response["error"]["message"].as_str().unwrap();
    assert!(message.contains("`/bin/sh`") && message.ends_with('5'), "{message}");
    assert!(bridge.initialize().await["result"].is_object());
    let ended = bridge.end().await;
    assert!(ended.stderr.contains("no session for [secret]"), "{}", ended.stderr);
    assert!(!ended.stdout.join("").contains("no session"), "{:?}", ended.stdout);
    second.signed_in_nowhere();
}

#[tokio::test]
async fn a_command_that_hangs_is_ended_in_time() {
    let second = Second::new().await;
    let command = second.command("exec sleep 1000");
    let mut bridge = second.options(&["--token-command", &command, "--command-timeout", "1"]).start();
    let response = bridge.initialize().await;
    assert_eq!(code(&response), "credential_command_failed");
    assert!(response["error"]["message"].as_str().unwrap().contains("within 1 s"), "{response}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_command_that_runs_ends_with_the_bridge_and_all_that_it_started() {
    let second = Second::new().await;
    let command = second.command("sleep 1000 & echo $! $$ > pids; mv pids started; wait");
    let mut bridge = second.options(&["--token-command", &command]).start();
    bridge.send_initialize().await;
    let started = second.state.join("started");
    while !started.exists() {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    bridge.signal("-TERM").await;
    bridge.ended().await;
    for pid in std::fs::read_to_string(started).unwrap().split_whitespace() {
        let stat = || std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let began = std::time::Instant::now();
        while !(stat().is_empty() || stat().contains(") Z ")) {
            assert!(began.elapsed() < mcp_bridge_tests::PATIENCE, "{pid} is alive");
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }
}

#[tokio::test]
async fn the_other_commands_say_that_there_is_nothing_to_sign_in_to() {
    let second = Second::new().await;
    let file = second.state.join("ours.toml");
    let command = second.command("cat token");
    let url = second.house.server.mcp_url();
    std::fs::write(&file, format!("[server.work]\nupstream = '{url}'\ntoken-command = \"{command}\"\n")).unwrap();
    for (name, expected) in [
        ("login", "comes from the command `/bin/sh`: there is nothing to sign in to"),
        ("status", "comes from `token-command`: there is nothing to sign in to"),
        ("logout", "comes from `token-command`, and goes on to be used"),
    ] {
        let options = Options::new(&[name, "work", "--config", file.to_str().unwrap()], &second.state);
        let ended = options.start().end().await;
        assert!(ended.status.success(), "{name}: {}", ended.stderr);
        assert!(ended.stderr.contains(expected), "{name}: {}", ended.stderr);
    }
    assert_eq!(second.runs(), 0);
    second.signed_in_nowhere();
}

#[tokio::test]
async fn a21_what_a_command_is_given_prints_and_says_is_shown_nowhere() {
    let mut second = Second::new().await;
    let command = second.command("echo \"got $(cat token) for canary-argument\" >&2; cat token");
    for arguments in [&["--log", "trace"][..], &["--log", "trace", "--log-file", "log"]] {
        let log = second.state.join("log");
        let arguments: Vec<_> =
            arguments.iter().map(|word| if *word == "log" { log.to_str().unwrap() } else { word }).collect();
        second.put_token();
        let mut bridge = second.options(&["--token-command", &command]).with(&arguments).start();
        assert!(bridge.initialize().await["result"].is_object());
        let rejected = second.token();
        second.renew().await;
        assert_eq!(code(&bridge.call_tool(PROFILE, json!({})).await), "token_rejected");
        let ended = bridge.end().await;
        let said = ended.stdout.join("\n") + &ended.stderr + &std::fs::read_to_string(&log).unwrap_or_default();
        assert!(said.contains("says on stderr"), "{said}");
        for secret in [rejected.as_str(), &second.token(), "canary-argument"] {
            assert!(!said.contains(secret), "{said}");
        }
    }
}
