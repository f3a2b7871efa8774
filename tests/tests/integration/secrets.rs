//! The canary scan: no token, code, verifier, state, session id or header value is in stdout, stderr, a log file or the
//! arguments of a process, at the most verbose level, on the good way and on bad ones (A21, S6).

use mcp_mock_server::{Fault, MockServer};
use serde_json::json;

use crate::House;

/// Fails with the name of the place where a secret was found.
fn scan(secrets: &[String], places: &[(&str, &str)]) {
    assert!(secrets.len() >= 5, "the scan has something to look for: {}", secrets.len());
    for secret in secrets.iter().filter(|secret| secret.len() >= 8) {
        let percent: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        for (place, text) in places {
            assert!(!text.contains(secret.as_str()) && !text.contains(&percent), "a secret is in {place}");
        }
    }
}

#[tokio::test]
async fn a21_no_secret_is_said_anywhere() {
    for (fault, log_to_file) in
        [(None, false), (None, true), (Some(Fault::EvilWords), false), (Some(Fault::TokenHtml), true)]
    {
        let mut house = House::new(MockServer::builder()).await;
        let log = house.state.path().join("log");
        let mut options = house.options().with(&["--log", "trace", "--header", "X-Key: canary-header-value"]);
        if log_to_file {
            options = options.with(&["--log-file", log.to_str().unwrap()]);
        }
        let mut bridge = options.start();
        assert!(bridge.initialize().await["result"].is_object());
        house.server.set_fault(fault);
        house.server.expire_access_tokens();
        bridge.call_tool("list_files", json!({})).await;
        house.server.revoke_refresh_tokens();
        house.server.expire_access_tokens();
        bridge.call_tool("get_weather", json!({"city": "Oslo"})).await;
        let ended = bridge.end().await;
        let mut secrets = house.server.issued_secrets();
        secrets.push("canary-header-value".to_owned());
        let logged = std::fs::read_to_string(&log).unwrap_or_default();
        assert_eq!(log_to_file, !logged.is_empty());
        // The URL of a sign-in is told to the host, for its person; nothing else of it stands anywhere.
        let mut stdout = ended.stdout.join("\n");
        for _ in 0..house.browser.tabs_opened() {
            stdout = stdout.replace(&house.browser.next_tab().await.url, "");
        }
        scan(&secrets, &[("stdout", &stdout), ("stderr", &ended.stderr), ("the log file", &logged)]);
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a21_no_secret_is_in_the_arguments_or_the_environment_of_a_process() {
    let mut house = House::with_patient_browser(MockServer::builder()).await;
    let mut bridge = house.options().start();
    let id = bridge.send_initialize().await;
    let tab = house.browser.next_tab().await;
    // While the sign-in process waits: everything that belongs to this test's state folder.
    let marker = house.state.path().to_str().unwrap().to_owned();
    let mut said = String::new();
    let mut processes = 0;
    for process in std::fs::read_dir("/proc").unwrap().flatten() {
        let read =
            |name: &str| std::fs::read(process.path().join(name)).map(|b| String::from_utf8_lossy(&b).into_owned());
        if let (Ok(arguments), Ok(environment)) = (read("cmdline"), read("environ"))
            && environment.contains(&marker)
            && !arguments.contains("test-browser")
        // which is handed the URL
        {
            processes += 1;
            said += &arguments;
            said += &environment;
        }
    }
    assert!(processes >= 2, "the bridge and the sign-in process: {processes}");
    tab.follow().await;
    assert!(bridge.response(id).await["result"].is_object());
    scan(&house.server.issued_secrets(), &[("arguments or environment", &said)]);
}
