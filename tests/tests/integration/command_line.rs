//! What a person types, and what they are told.

use mcp_bridge_tests::bridge::Options;
use mcp_mock_server::MockServer;

use crate::House;

#[tokio::test]
async fn a_misspelt_flag_is_an_error_that_names_the_nearest_one() {
    let state = tempfile::tempdir().unwrap();
    let ended = Options::new(&["--upstrem", "https://a.example"], state.path()).start().end().await;
    assert_eq!(ended.status.code(), Some(2));
    assert!(ended.stderr.contains("--upstream"), "{}", ended.stderr);
    assert!(ended.stdout.is_empty());
}

#[tokio::test]
async fn a_url_that_cannot_be_used_is_an_error_that_says_what_to_write() {
    let state = tempfile::tempdir().unwrap();
    for (url, word) in [("http://mcp.example.com/mcp", "--allow-http"), ("mcp.example.com/mcp", "https://")] {
        let ended = Options::to(url, state.path()).start().end().await;
        assert_eq!(ended.status.code(), Some(2), "{url}");
        assert!(ended.stderr.contains("hint: ") && ended.stderr.contains(word), "{}", ended.stderr);
    }
}

#[tokio::test]
async fn help_explains_every_flag_in_groups() {
    let state = tempfile::tempdir().unwrap();
    let ended = Options::new(&["--help"], state.path()).start().end().await;
    assert!(ended.status.success());
    let help = ended.stdout.join("\n");
    let flags = [
        "--upstream",
        "--state-dir",
        "--header",
        "--scope",
        "--client-name",
        "--callback-port",
        "--redirect-host",
        "--callback-path",
        "--resource",
        "--no-resource",
        "--authorize-param",
        "--sign-in-timeout",
        "--no-browser",
        "--allow-http",
        "--patience",
        "--log",
        "--log-file",
        "--profile",
        "--client-id",
        "--client-secret-env",
        "--client-secret-file",
        "--client-metadata-url",
        "--config",
        "--server",
        "--header-file",
        "--transport",
        "--connect-timeout",
        "--request-timeout",
        "--idle-timeout",
        "--ping-interval",
        "--max-message",
        "--max-in-flight",
        "--no-cookies",
        "--proxy",
        "--no-proxy",
        "--ca-file",
        "--client-cert",
        "--client-key",
        "--ipv4",
        "--allow-private-addresses",
        "--allow-missing-pkce",
        "login",
        "logout",
        "status",
        "client-metadata",
        "Configuration:",
        "Messages:",
        "Network:",
        "Server:",
        "Client:",
        "Sign-in:",
        "State and logs:",
        "MCP_BRIDGE_STATE_DIR",
    ];
    for flag in flags {
        assert!(help.contains(flag), "{flag} is not in:\n{help}");
    }
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md")).unwrap();
    let exit_codes = readme.lines().find(|line| line.starts_with("Exit codes: ")).unwrap();
    let words = help.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains(exit_codes), "the README says `{exit_codes}`:\n{help}");
}

#[tokio::test]
async fn a_bare_url_means_the_same_as_upstream() {
    let house = House::new(MockServer::builder().protected(false)).await;
    let mut bridge = Options::new(&[&house.server.mcp_url()], house.state.path()).start();
    assert!(bridge.initialize().await["result"].is_object());
}

#[tokio::test]
async fn with_no_browser_the_url_goes_to_stderr_whole_and_no_tab_opens() {
    let house = House::new(MockServer::builder()).await;
    // Also with logs off: without the URL there is no way on.
    let mut bridge = house.options().with(&["--no-browser", "--log", "off"]).start();
    let id = bridge.send_initialize().await;
    let url = bridge.stderr_line_with("/authorize?").await;
    let page = mcp_bridge_tests::browser::visit(&url).await;
    assert!(page.text.contains("signed in"), "{}", page.text);
    assert!(bridge.response(id).await["result"].is_object());
    assert_eq!(house.browser.tabs_opened(), 0);
}

#[tokio::test]
async fn where_no_browser_opens_the_url_goes_to_stderr_too() {
    let server = MockServer::builder().start().await.unwrap();
    let state = tempfile::tempdir().unwrap();
    let options = Options::to(&server.mcp_url(), state.path())
        .variable("PATH", "/nonexistent")
        .variable("BROWSER", "/nonexistent");
    let mut bridge = options.start();
    let id = bridge.send_initialize().await;
    let url = bridge.stderr_line_with("/authorize?").await;
    mcp_bridge_tests::browser::visit(&url).await;
    assert!(bridge.response(id).await["result"].is_object());
}

#[tokio::test]
async fn login_signs_in_once_and_a_bridge_that_starts_later_asks_nothing() {
    let house = House::new(MockServer::builder()).await;
    let login = |more: &[&str]| {
        Options::new(&["login", &house.server.mcp_url()], house.state.path()).with(more).browser(&house.browser).start()
    };
    let ended = login(&[]).end().await;
    assert!(ended.status.success(), "{}", ended.stderr);
    assert!(ended.stderr.contains("signed in to") && ended.stdout.is_empty(), "{}", ended.stderr);
    assert!(login(&[]).end().await.stderr.contains("already signed in"));
    drop(house.bridge().await);
    assert_eq!(house.browser.tabs_opened(), 1);
    assert!(login(&["--force"]).end().await.status.success());
    assert_eq!(house.browser.tabs_opened(), 2);
}

#[tokio::test]
async fn login_finishes_what_a_waiting_bridge_needs() {
    let mut house = House::with_patient_browser(MockServer::builder()).await;
    let mut bridge = house.options().start();
    let id = bridge.send_initialize().await;
    let tab = house.browser.next_tab().await;
    let mut login =
        Options::new(&["login", &house.server.mcp_url()], house.state.path()).browser(&house.browser).start();
    let url = login.stderr_line_with("/authorize?").await;
    assert_eq!(url, tab.url, "the same sign-in, no second tab");
    tab.follow().await;
    assert!(bridge.response(id).await["result"].is_object());
    let ended = login.ended().await;
    assert!(ended.status.success(), "{}", ended.stderr);
    assert_eq!(house.browser.tabs_opened(), 1);
}

#[tokio::test]
async fn login_to_a_server_that_asks_for_none_says_so() {
    let house = House::new(MockServer::builder().protected(false)).await;
    let ended = Options::new(&["login", &house.server.mcp_url()], house.state.path()).start().end().await;
    assert!(ended.status.success());
    assert!(ended.stderr.contains("asks for no sign-in"), "{}", ended.stderr);
}

#[tokio::test]
async fn a_denied_login_exits_with_4() {
    let house = House::new(MockServer::builder().auto_approve(mcp_mock_server::Approval::Deny)).await;
    let login = Options::new(&["login", &house.server.mcp_url()], house.state.path()).browser(&house.browser).start();
    let ended = login.end().await;
    assert_eq!(ended.status.code(), Some(4));
    assert!(ended.stderr.contains("hint: "), "{}", ended.stderr);
}

#[tokio::test]
async fn a_fixed_callback_port_is_used() {
    let port = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let mut house = House::with_patient_browser(MockServer::builder()).await;
    let mut bridge = house.options().with(&["--callback-port", &port.to_string()]).start();
    let id = bridge.send_initialize().await;
    let tab = house.browser.next_tab().await;
    assert_eq!(tab.parameter("redirect_uri").unwrap(), format!("http://127.0.0.1:{port}/callback"));
    tab.follow().await;
    assert!(bridge.response(id).await["result"].is_object());
}
