//! `mcp-bridge login --no-browser`: a person pastes the URL that a browser elsewhere ended at. It is judged as a redirect is,
//! and the loopback goes on listening beside it.

use mcp_bridge_tests::bridge::{Bridge, Ended, Options};
use mcp_bridge_tests::browser::{client, visit};
use mcp_mock_server::{Approval, Fault, Layout, MockServer, MockServerBuilder};

use crate::House;

/// A login that has shown its URL.
async fn opened(house: &House) -> (Bridge, String) {
    let words = ["login", &house.server.mcp_url(), "--no-browser"];
    let mut login = Options::new(&words, house.state.path()).browser(&house.browser).start();
    let url = login.stderr_line_with("/authorize?").await;
    login.stderr_line_with("paste here").await;
    (login, url)
}

/// The address that a browser on another machine ends at: it cannot load what is there.
async fn ended_at(url: &str) -> String {
    let client = client().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let response = client.get(url).send().await.unwrap();
    response.headers()["location"].to_str().unwrap().to_owned()
}

async fn pasted(builder: MockServerBuilder, what: impl Fn(&str) -> String) -> (House, Ended) {
    let house = House::new(builder).await;
    let (mut login, url) = opened(&house).await;
    login.send(what(&ended_at(&url).await)).await;
    let ended = login.ended().await;
    (house, ended)
}

#[tokio::test]
async fn the_whole_url_or_its_query_signs_in_and_no_tab_opens() {
    let query = |url: &str| url.split_once('?').unwrap().1.to_owned();
    for (name, what) in [("the URL", &str::to_owned as &dyn Fn(&str) -> String), ("its query", &query)] {
        let (house, ended) = pasted(MockServer::builder(), what).await;
        assert!(ended.status.success() && ended.stderr.contains("signed in to"), "{name}: {}", ended.stderr);
        drop(house.bridge().await);
        assert_eq!((house.browser.tabs_opened(), house.server.counts().code_exchanges), (0, 1), "{name}");
    }
}

#[tokio::test]
async fn what_is_of_another_sign_in_is_turned_away_and_the_wait_goes_on() {
    let house = House::new(MockServer::builder()).await;
    let (mut login, url) = opened(&house).await;
    let wrong = ["http://127.0.0.1:1/callback?code=hunter22&state=other", "hunter22-hunter22", "http://127.0.0.1:1/"];
    for (wrong, told) in wrong.into_iter().zip(["wrong `state`", "a code alone", "has no `code`"]) {
        login.send(wrong).await;
        login.stderr_line_with(told).await;
    }
    login.send("").await;
    login.send(ended_at(&url).await).await;
    let ended = login.ended().await;
    assert!(ended.status.success(), "{}", ended.stderr);
    assert!(!ended.stderr.contains("hunter22"), "{}", ended.stderr);
    assert_eq!(house.server.counts().code_exchanges, 1);
}

#[tokio::test]
async fn a11_another_issuer_and_a_no_end_it_as_a_redirect_would() {
    let (house, ended) = pasted(MockServer::builder().fault(Fault::WrongIss), str::to_owned).await;
    assert!(!ended.status.success() && ended.stderr.contains("elsewhere.example"), "{}", ended.stderr);
    assert_eq!(house.server.counts().code_exchanges, 0);
    let (_, ended) = pasted(MockServer::builder().auto_approve(Approval::Deny), str::to_owned).await;
    assert_eq!(ended.status.code(), Some(4), "{}", ended.stderr);
}

#[tokio::test]
async fn a_bare_code_is_taken_with_a_word_where_the_server_promises_no_iss() {
    let builder = MockServer::builder().layout(Layout::Authorization2025_03_26).no_server_metadata();
    let code = |url: &str| {
        let url = url::Url::parse(url).unwrap();
        url.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned()
    };
    let (_, ended) = pasted(builder, code).await;
    assert!(ended.status.success() && ended.stderr.contains("this is only a code"), "{}", ended.stderr);
}

#[tokio::test]
async fn the_loopback_still_listens_also_when_stdin_has_ended() {
    let house = House::new(MockServer::builder()).await;
    let (mut login, url) = opened(&house).await;
    login.close_stdin();
    assert!(visit(&url).await.text.contains("signed in"));
    assert!(login.ended().await.status.success());
}

#[tokio::test]
async fn a17_what_is_pasted_for_the_open_sign_in_of_a_bridge_reaches_it() {
    let house = House::new(MockServer::builder()).await;
    let mut bridge = house.options().with(&["--no-browser", "--patience", "0"]).start();
    let id = bridge.send_initialize().await;
    let url = bridge.stderr_line_with("/authorize?").await;
    let (mut login, shown) = opened(&house).await;
    assert_eq!(shown, url, "the same sign-in");
    for (wrong, told) in [
        ("http://127.0.0.1:1/callback?code=hunter22&state=other", "not of this sign-in"),
        ("hunter22", "the whole of it"),
    ] {
        login.send(wrong).await;
        login.stderr_line_with(told).await;
    }
    login.send(ended_at(&url).await).await;
    assert!(bridge.response(id).await["result"].is_object());
    let ended = login.ended().await;
    assert!(ended.status.success() && !ended.stderr.contains("hunter22"), "{}", ended.stderr);
    assert_eq!(house.server.counts().code_exchanges, 1);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn on_a_terminal_it_is_the_same() {
    let house = House::new(MockServer::builder()).await;
    let words = ["login", &house.server.mcp_url(), "--no-browser"];
    let in_terminal = ["sh", "-c", "command -v script >/dev/null || exit 77; exec script -qec \"$0 $*\" /dev/null"];
    let mut login = Options::new(&words, house.state.path()).under(&in_terminal).start();
    // A terminal is both: what is said comes on the stdout of `script`.
    let url = loop {
        match login.try_line().await {
            Some(line) if line.contains("/authorize?") => break line.trim().to_owned(),
            Some(_) => {}
            None => return, // without `script` there is nothing to see
        }
    };
    login.send(ended_at(&url).await).await;
    let ended = login.ended().await;
    assert!(ended.status.success(), "{:?}", ended.stdout);
    assert_eq!(house.server.counts().code_exchanges, 1);
}
