//! The canary scan: no token, code, verifier, state, session id or header value is in stdout, stderr, a log file, the
//! arguments of a process or where in the state folder it does not belong, at the most verbose level, on the good way and on
//! bad ones (A21, S6).

use std::path::Path;

use mcp_bridge_tests::bridge::{Ended, Options};
use mcp_mock_server::{AuthMethod, Dpop, Fault, MockServer};
use serde_json::{Value, json};

use crate::{House, code};

/// Where something may be said, and what is said there.
type Places = Vec<(String, String)>;

/// Fails with the name of the place where a secret was found.
fn scan(secrets: &[String], places: &Places) {
    assert!(secrets.len() >= 4, "the scan has something to look for: {}", secrets.len());
    for secret in secrets.iter().filter(|secret| secret.len() >= 8) {
        let percent: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        for (place, text) in places {
            assert!(!text.contains(secret.as_str()) && !text.contains(&percent), "a secret is in {place}: {text}");
        }
    }
}

/// Everything that the server knows to be secret, and the value of the header that the tests add.
fn secrets(house: &House) -> Vec<String> {
    let mut secrets = house.server.issued_secrets();
    secrets.push(HEADER.1.to_owned());
    secrets
}

const HEADER: (&str, &str) = ("--header", "X-Key: canary-header-value");

/// What a process said. The URL of a sign-in is told to the host and the terminal, for their person, and nothing else of it.
async fn said(house: &mut House, ended: &Ended) -> Places {
    let (mut stdout, mut stderr) = (ended.stdout.join("\n"), ended.stderr.clone());
    for _ in 0..house.browser.tabs_opened() {
        let url = house.browser.next_tab().await.url;
        (stdout, stderr) = (stdout.replace(&url, ""), stderr.replace(&url, ""));
    }
    vec![("stdout".to_owned(), stdout), ("stderr".to_owned(), stderr)]
}

/// Every file of the test's folder. Of the record only what is no place for a token.
fn files(house: &House) -> Places {
    let mut places = Places::new();
    let mut folders = vec![house.state.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else if let Some(text) = outside_its_place(&path) {
                places.push((path.display().to_string(), text));
            }
        }
    }
    for name in ["credentials.json", "sign-in.json"] {
        assert!(places.iter().any(|(place, _)| place.ends_with(name)), "{name}: {places:?}");
    }
    places
}

/// `None` of a file that is there no more: the sign-in process outlives its bridge, and replaces its files.
fn outside_its_place(path: &Path) -> Option<String> {
    let bytes = match std::fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        read => read.unwrap(),
    };
    let text = String::from_utf8_lossy(&bytes).into_owned();
    if !path.ends_with("credentials.json") {
        return Some(text);
    }
    let mut record: Value = serde_json::from_str(&text).unwrap();
    for issuer in record["issuers"].as_object_mut().unwrap().values_mut() {
        issuer["registration"]["client_secret"] = Value::Null;
        for name in ["access_token", "refresh_token"] {
            issuer["tokens"][name] = Value::Null;
        }
        issuer["tokens"]["dpop"]["private_key"] = Value::Null;
        for given_up in issuer["set_aside"].as_array_mut().into_iter().flatten() {
            given_up["refresh_token"] = Value::Null;
        }
    }
    Some(record.to_string())
}

#[tokio::test]
async fn a21_no_secret_is_said_anywhere() {
    for (fault, log_to_file) in
        [(None, false), (None, true), (Some(Fault::EvilWords), false), (Some(Fault::TokenHtml), true)]
    {
        let mut house = House::new(MockServer::builder()).await;
        let log = house.state.path().join("log");
        let mut options = house.options().with(&["--log", "trace", HEADER.0, HEADER.1]);
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
        assert_eq!(log_to_file, log.exists());
        let mut places = said(&mut house, &ended).await;
        places.extend(files(&house));
        scan(&secrets(&house), &places);
    }
}

#[tokio::test]
async fn a21_neither_a_key_nor_a_proof_is_said_anywhere() {
    for fault in [None, Some(Fault::EchoesSecrets), Some(Fault::DpopProofRefused), Some(Fault::DpopNonceLoop)] {
        let mut house = House::new(MockServer::builder().dpop(Dpop::Required).dpop_nonce(true)).await;
        let log = house.state.path().join("log");
        let logged = ["--log", "trace", "--log-file", log.to_str().unwrap(), HEADER.0, HEADER.1];
        let mut bridge = house.options().with(&logged).start();
        assert!(bridge.initialize().await["result"].is_object());
        let record: Value = serde_json::from_slice(&std::fs::read(house.record()).unwrap()).unwrap();
        let key =
            record["issuers"][house.server.issuer()]["tokens"]["dpop"]["private_key"].as_str().unwrap().to_owned();
        house.server.set_fault(fault);
        bridge.call_tool("list_files", json!({})).await;
        house.server.expire_access_tokens();
        bridge.call_tool("get_weather", json!({"city": "Oslo"})).await;
        let ended = bridge.end().await;
        let mut places = said(&mut house, &ended).await;
        places.extend(files(&house));
        let proofs = house.server.log().into_iter().filter_map(|seen| seen.header("dpop").map(str::to_owned));
        let secrets: Vec<String> = secrets(&house).into_iter().chain(proofs).chain([key]).collect();
        scan(&secrets, &places);
    }
}

#[tokio::test]
async fn a21_a_server_that_repeats_secrets_in_its_errors_puts_them_nowhere() {
    for method in [AuthMethod::None, AuthMethod::Basic, AuthMethod::Post] {
        let server = MockServer::builder().fault(Fault::EchoesSecrets).token_endpoint_auth_method(method);
        let mut house = House::new(server).await;
        let log = house.state.path().join("log");
        let logged = ["--log", "trace", "--log-file", log.to_str().unwrap(), HEADER.0, HEADER.1];
        let mut bridge = house.options().with(&logged).start();
        assert!(bridge.initialize().await["result"].is_object());
        // The token endpoint refuses the refresh token, which is given up; a person signs in again.
        house.server.revoke_refresh_tokens();
        house.server.expire_access_tokens();
        assert!(bridge.call_tool("list_files", json!({})).await["result"].is_object());
        let record = std::fs::read_to_string(house.record()).unwrap();
        assert!(record.contains("[secret]"), "it was given up, and the server's words are kept: {record}");
        // The MCP endpoint and the token endpoint are in trouble.
        for faults in [[Fault::HtmlError, Fault::EchoesSecrets], [Fault::TokenEndpointDown, Fault::EchoesSecrets]] {
            house.server.set_faults(faults);
            let response = bridge.call_tool("list_files", json!({})).await;
            assert_eq!(code(&response), "http_error", "{faults:?}");
            assert!(response["error"]["message"].as_str().unwrap().contains("[secret]"), "{response}");
            house.server.expire_access_tokens();
        }
        let ended = bridge.end().await;
        let mut places = said(&mut house, &ended).await;
        places.extend(files(&house));
        scan(&secrets(&house), &places);
    }
}

#[tokio::test]
async fn a21_a_code_that_is_refused_is_repeated_nowhere() {
    let server = MockServer::builder().fault(Fault::EchoesSecrets);
    let mut house = House::new(server.authorization_code_lifetime(std::time::Duration::ZERO)).await;
    let mut bridge = house.options().with(&["--log", "trace"]).start();
    let response = bridge.initialize().await;
    assert_eq!(code(&response), "token_request_refused");
    assert!(
        response["error"]["message"].as_str().unwrap().contains("[secret] [secret] the code has expired"),
        "{response}"
    );
    let ended = bridge.end().await;
    let mut places = said(&mut house, &ended).await;
    places.extend(files(&house));
    scan(&secrets(&house), &places);
}

#[tokio::test]
async fn a21_a_login_says_no_secret_either() {
    for (fault, succeeds) in [(None, true), (Some(Fault::TokenHtml), false), (Some(Fault::EchoesSecrets), true)] {
        let mut house = House::new(MockServer::builder()).await;
        house.server.set_fault(fault);
        let url = house.server.mcp_url();
        let login = Options::new(&["login", &url, "--log", "trace", HEADER.0, HEADER.1], house.state.path());
        let ended = login.browser(&house.browser).start().end().await;
        assert_eq!(ended.status.success(), succeeds, "{}", ended.stderr);
        // The logs of the sign-in itself: those of a worker go nowhere.
        assert!(ended.stderr.contains("registered at"), "{}", ended.stderr);
        let mut places = said(&mut house, &ended).await;
        places.extend(files(&house));
        scan(&secrets(&house), &places);
    }
}

#[tokio::test]
async fn a21_a_logout_says_no_secret_either() {
    let mut house = House::new(MockServer::builder().fault(Fault::EchoesSecrets)).await;
    house.bridge().await.end().await;
    house.server.forget_clients();
    let logout = Options::new(&["logout", &house.server.mcp_url(), "--log", "trace"], house.state.path());
    let ended = logout.start().end().await;
    assert!(ended.stderr.contains("invalid_client: [secret]"), "{}", ended.stderr);
    let places = said(&mut house, &ended).await;
    scan(&secrets(&house), &places);
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
    scan(&secrets(&house), &vec![("arguments or environment".to_owned(), said)]);
}
