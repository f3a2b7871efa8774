//! Cookies of a load balancer before the server (T15).

use mcp_bridge_tests::bridge::Options;
use mcp_bridge_tests::browser::Browser;
use mcp_bridge_tests::scripted::{Answer, Scripted, Seen};
use serde_json::json;

/// The answer with a cookie.
fn with_cookie(answer: Answer, cookie: &str) -> Answer {
    match answer {
        Answer::Say(said) => Answer::Say(said.replacen("\r\n", &format!("\r\nset-cookie: {cookie}\r\n"), 1)),
        hangs => hangs,
    }
}

/// A protected server behind a balancer that sets a cookie with each answer of its.
async fn balanced() -> Scripted {
    Scripted::start(|seen| {
        let answer = Answer::sign_in(seen, false).unwrap_or_else(|| match seen.headers.contains_key("authorization") {
            false => Answer::unauthorized(),
            true if seen.method() == "tools/call" => Answer::whole("500 Oops", "", &format!("{:?}", seen.headers)),
            true => Answer::honest(seen),
        });
        with_cookie(answer, "lb=hunter2-7; Path=/; HttpOnly")
    })
    .await
}

fn cookie(seen: &Seen) -> Option<&str> {
    seen.headers.get("cookie").map(String::as_str)
}

#[tokio::test]
async fn t15_the_servers_cookie_goes_back_with_every_message_and_with_no_request_of_the_sign_in() {
    let (server, browser, state) = (balanced().await, Browser::obliging().await, tempfile::tempdir().unwrap());
    let mut bridge = Options::to(&server.url, state.path()).browser(&browser).with(&["--log", "trace"]).start();
    assert!(bridge.initialize().await["result"].is_object());
    let refused = bridge.call_tool("x", json!({})).await;
    assert!(refused["error"].is_object());
    server.wait_for(|log| log.iter().any(|seen| seen.http == "GET" && seen.path == "/mcp")).await;
    let ended = bridge.end().await;
    let log = server.log();
    let messages: Vec<&Seen> = log.iter().filter(|seen| seen.path == "/mcp").collect();
    assert_eq!(cookie(messages[0]), None, "none was set yet");
    assert!(messages[1..].iter().all(|seen| cookie(seen) == Some("lb=hunter2-7")), "{messages:#?}");
    for http in ["POST", "GET", "DELETE"] {
        assert!(messages.iter().any(|seen| seen.http == http), "{http}");
    }
    assert!(log.iter().filter(|seen| seen.path != "/mcp").all(|seen| cookie(seen).is_none()), "{log:#?}");
    assert!(log.iter().any(|seen| seen.path == "/token"));
    // Also where the server repeats it.
    let said = format!("{}{refused}{}", ended.stderr, ended.stdout.join(""));
    assert!(!said.contains("hunter2-7"), "{said}");
}

#[tokio::test]
async fn t15_none_goes_back_where_the_person_wants_none_or_has_one() {
    for (words, expected) in [(["--no-cookies", "--ipv4"], None), (["--header", "Cookie: mine=1"], Some("mine=1"))] {
        let server = Scripted::start(|seen| with_cookie(Answer::honest(seen), "lb=7; Path=/")).await;
        let state = tempfile::tempdir().unwrap();
        let mut bridge = Options::to(&server.url, state.path()).with(&words).start();
        assert!(bridge.initialize().await["result"].is_object());
        assert!(bridge.call_tool("x", json!({})).await["result"].is_object());
        assert!(server.log().iter().all(|seen| cookie(seen) == expected), "{:#?}", server.log());
    }
}
