//! Cookies of a load balancer: the sticky one, and those that show what a client keeps.

use mcp_mock_server::{Fault, MockServer};
use reqwest::StatusCode;

use crate::client::{Client, PING};

fn set_cookies(server: &MockServer) -> Vec<Vec<String>> {
    let text = |value: &reqwest::header::HeaderValue| value.to_str().unwrap().to_owned();
    let log = server.log();
    log.iter().map(|seen| seen.response_headers.get_all("set-cookie").iter().map(text).collect()).collect()
}

#[tokio::test]
async fn a_sticky_session_is_421_without_the_cookie_of_its_first_answer() {
    let server = MockServer::builder().protected(false).sticky_cookie(true).start().await.unwrap();
    let mut client = Client::new(&server);
    client.initialize().await;
    let first = set_cookies(&server)[0][0].clone();
    let (cookie, attributes) = first.split_once(';').unwrap();
    assert!(attributes.contains("Path=/") && attributes.contains("Max-Age="));
    for (sent, status) in [
        (None, StatusCode::MISDIRECTED_REQUEST),
        (Some("mock-node=another".to_owned()), StatusCode::MISDIRECTED_REQUEST),
        (Some(cookie.to_owned()), StatusCode::OK),
        (Some(format!("a=b; {cookie}")), StatusCode::OK),
    ] {
        let mut request = client.post(PING);
        if let Some(sent) = &sent {
            request = request.header("cookie", sent);
        }
        assert_eq!(request.send().await.unwrap().status(), status, "{sent:?}");
    }
    // Who sends it is not given another.
    assert_eq!(set_cookies(&server).last().unwrap().len(), 0);
}

#[tokio::test]
async fn the_challenge_sets_the_cookie_too() {
    let server = MockServer::builder().sticky_cookie(true).start().await.unwrap();
    let response = Client::new(&server).send(PING).await;
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert!(response.headers()["set-cookie"].to_str().unwrap().starts_with("mock-node="));
}

#[tokio::test]
async fn cookies_of_the_settings_come_with_every_answer_as_they_are() {
    let cookies = ["a=1; Path=/other", "b=2; Secure; Max-Age=0", "c=3; Expires=Wed, 21 Oct 2015 07:28:00 GMT"];
    let builder = cookies.into_iter().fold(MockServer::builder(), mcp_mock_server::MockServerBuilder::cookie);
    let server = builder.start().await.unwrap();
    Client::new(&server).send(PING).await;
    Client::new(&server).send(PING).await;
    assert_eq!(set_cookies(&server), [cookies, cookies]);
}

#[tokio::test]
async fn cookie_for_another_domain() {
    let server = MockServer::builder().fault(Fault::CookieForAnotherDomain).start().await.unwrap();
    let response = Client::new(&server).send(PING).await;
    assert!(response.headers()["set-cookie"].to_str().unwrap().contains("Domain=elsewhere.example"));
}
