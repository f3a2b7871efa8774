//! The callback on real sockets: raw requests in, raw responses out.

use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::page::PageKind;
use super::{Callback, CallbackError, Reply};
use crate::oauth::authorization::{AuthorizationResponse, AuthorizationResponseError, Expected, judge};
use crate::oauth::state::State;
use crate::problem::Code;
use crate::secret::Secret;
use crate::settings::{RedirectHost, RedirectSettings};

type Judged = Result<AuthorizationResponse, AuthorizationResponseError>;

const GOOD: &str = "/callback?code=good&state=st";

/// A callback that waits, judged as a sign-in judges it.
struct Waiting {
    port: u16,
    settled: JoinHandle<Result<(Judged, Reply), CallbackError>>,
}

async fn waiting() -> Waiting {
    let callback = Callback::bind(None).await.unwrap();
    let port = callback.port;
    let expected = Expected {
        state: State(Secret::new("st")),
        issuer: "https://as.example.com".to_owned(),
        is_iss_required: false,
    };
    let settled = tokio::spawn(callback.wait(move |query| match judge(query, &expected) {
        Err(error) if error.wait_goes_on() => None,
        settled => Some(settled),
    }));
    Waiting { port, settled }
}

impl Waiting {
    async fn send(&self, request: &str) -> String {
        exchange(self.port, request).await
    }

    async fn get(&self, target: &str) -> String {
        self.send(&get(self.port, target)).await
    }

    /// Completes the sign-in, which proves that it still waited.
    async fn completes(self) {
        let port = self.port;
        let browser = tokio::spawn(async move { exchange(port, &get(port, GOOD)).await });
        let (judged, reply) = self.settled.await.unwrap().unwrap();
        assert_eq!(judged.unwrap().code, Secret::new("good"));
        reply.finish(PageKind::SignedIn).await;
        assert!(browser.await.unwrap().contains("You are signed in"));
    }
}

fn get(port: u16, target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n")
}

async fn exchange(port: u16, request: &str) -> String {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = Vec::new();
    stream.read_to_end(&mut response).await.unwrap();
    String::from_utf8(response).unwrap()
}

fn status(response: &str) -> u16 {
    response.split(' ').nth(1).unwrap().parse().unwrap()
}

fn body(response: &str) -> &str {
    response.split_once("\r\n\r\n").unwrap().1
}

mod rfc8252_7_3 {
    use super::*;

    #[tokio::test]
    async fn the_redirect_uri_names_the_address_in_digits_and_the_bound_port() {
        let callback = Callback::bind(None).await.unwrap();
        assert_ne!(callback.port, 0);
        assert_eq!(callback.redirect_uri(), format!("http://127.0.0.1:{}/callback", callback.port));
    }

    #[tokio::test]
    async fn another_path_is_served_instead_and_by_either_name() {
        let redirect = RedirectSettings { host: None, path: "/oauth/cb".to_owned() };
        let mut callback = Callback::bind(None).await.unwrap().at(&redirect);
        let port = callback.port;
        assert_eq!(callback.serve(RedirectHost::Address).await.unwrap(), format!("http://127.0.0.1:{port}/oauth/cb"));
        assert_eq!(callback.serve(RedirectHost::Name).await.unwrap(), format!("http://localhost:{port}/oauth/cb"));
        let waiting = tokio::spawn(callback.wait(|query| Some(query.to_owned())));
        assert_eq!(status(&exchange(port, &get(port, "/callback?x")).await), 404);
        let browser = tokio::spawn(async move { exchange(port, &get(port, "/oauth/cb?x")).await });
        let (query, reply) = waiting.await.unwrap().unwrap();
        assert_eq!(query, "x");
        reply.finish(PageKind::SignedIn).await;
        assert_eq!(status(&browser.await.unwrap()), 200);
    }

    #[tokio::test]
    async fn a_given_port_is_bound_and_a_taken_one_is_named() {
        let port = Callback::bind(None).await.unwrap().port;
        let first = Callback::bind(Some(port)).await.unwrap();
        assert_eq!(first.port, port);
        let error = Callback::bind(Some(port)).await.unwrap_err();
        assert!(matches!(error, CallbackError::PortTaken { port: taken } if taken == port));
        assert_eq!(error.code(), Code::CallbackPortTaken);
    }

    #[tokio::test]
    async fn a_redirect_that_comes_before_the_wait_is_answered() {
        let callback = Callback::bind(None).await.unwrap();
        let port = callback.port;
        let mut early = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        early.write_all(get(port, "/callback?x").as_bytes()).await.unwrap();
        let (query, reply) = callback.wait(|query| Some(query.to_owned())).await.unwrap();
        assert_eq!(query, "x");
        reply.finish(PageKind::SignedIn).await;
        let mut response = String::new();
        early.read_to_string(&mut response).await.unwrap();
        assert!(response.contains("You are signed in"));
    }

    #[tokio::test]
    async fn a_foreign_listener_on_the_same_port_of_ipv6_gets_nothing() {
        let waiting = waiting().await;
        // Where this machine has no IPv6, there is nothing to steal from.
        let thief = TcpListener::bind((std::net::Ipv6Addr::LOCALHOST, waiting.port)).await;
        waiting.completes().await;
        if let Ok(thief) = thief {
            let accepted = tokio::time::timeout(Duration::ZERO, thief.accept()).await;
            assert!(accepted.is_err());
        }
    }
}

mod a10 {
    use super::*;

    #[tokio::test]
    async fn requests_that_do_not_belong_are_refused_and_the_wait_goes_on() {
        let waiting = waiting().await;
        let port = waiting.port;
        let host = format!("Host: 127.0.0.1:{port}\r\n");
        let table = [
            ("no state", format!("GET /callback?code=x HTTP/1.1\r\n{host}\r\n"), 400),
            ("no query", format!("GET /callback HTTP/1.1\r\n{host}\r\n"), 400),
            ("a wrong state", format!("GET /callback?code=x&state=other HTTP/1.1\r\n{host}\r\n"), 400),
            ("an empty state", format!("GET /callback?code=x&state= HTTP/1.1\r\n{host}\r\n"), 400),
            ("two states", format!("GET /callback?code=x&state=st&state=st HTTP/1.1\r\n{host}\r\n"), 400),
            ("a forged error", format!("GET /callback?error=access_denied HTTP/1.1\r\n{host}\r\n"), 400),
            ("another path", format!("GET /?code=x&state=st HTTP/1.1\r\n{host}\r\n"), 404),
            ("a longer path", format!("GET /callback/?code=x&state=st HTTP/1.1\r\n{host}\r\n"), 404),
            ("an icon", format!("GET /favicon.ico HTTP/1.1\r\n{host}\r\n"), 404),
            ("POST", format!("POST {GOOD} HTTP/1.1\r\n{host}Content-Length: 0\r\n\r\n"), 405),
            ("HEAD", format!("HEAD {GOOD} HTTP/1.1\r\n{host}\r\n"), 405),
            ("OPTIONS", format!("OPTIONS {GOOD} HTTP/1.1\r\n{host}\r\n"), 405),
            ("a foreign name", format!("GET {GOOD} HTTP/1.1\r\nHost: evil.example:{port}\r\n\r\n"), 421),
            ("a foreign port", format!("GET {GOOD} HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n"), 421),
            ("no port", format!("GET {GOOD} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"), 421),
            ("two hosts", format!("GET {GOOD} HTTP/1.1\r\n{host}Host: evil.example\r\n\r\n"), 421),
            ("no host", format!("GET {GOOD} HTTP/1.1\r\n\r\n"), 421),
            ("HTTP/1.0 without a host", format!("GET {GOOD} HTTP/1.0\r\n\r\n"), 421),
            ("a foreign target", format!("GET http://evil.example{GOOD} HTTP/1.1\r\n{host}\r\n"), 421),
            ("an origin", format!("GET {GOOD} HTTP/1.1\r\n{host}Origin: https://evil.example\r\n\r\n"), 403),
            ("the origin null", format!("GET {GOOD} HTTP/1.1\r\n{host}Origin: null\r\n\r\n"), 403),
            ("no HTTP", "\x16\x03\x01\r\n\r\n".to_owned(), 400),
            ("a head without end", format!("GET /{} HTTP/1.1\r\n", "a".repeat(70_000)), 431),
        ];
        for (name, request, expected) in table {
            assert_eq!(status(&waiting.send(&request).await), expected, "{name}");
        }
        waiting.completes().await;
    }

    #[tokio::test]
    async fn localhost_and_an_absolute_target_of_our_own_are_accepted() {
        let port = waiting().await.port;
        for request in [
            format!("GET {GOOD} HTTP/1.1\r\nHost: LocalHost:PORT\r\n\r\n"),
            format!("GET http://127.0.0.1:PORT{GOOD} HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\n\r\n"),
            format!("GET {GOOD} HTTP/1.0\r\nHost: 127.0.0.1:PORT\r\n\r\n"),
        ] {
            let waiting = waiting().await;
            assert_ne!(waiting.port, port);
            let sent = request.replace("PORT", &waiting.port.to_string());
            let browser = tokio::spawn(async move { exchange(waiting.port, &sent).await });
            let (judged, reply) = waiting.settled.await.unwrap().unwrap();
            assert!(judged.is_ok());
            reply.finish(PageKind::SignedIn).await;
            assert_eq!(status(&browser.await.unwrap()), 200, "{request}");
        }
    }

    #[tokio::test]
    async fn an_idle_connection_holds_up_nothing() {
        let waiting = waiting().await;
        let idle = TcpStream::connect((Ipv4Addr::LOCALHOST, waiting.port)).await.unwrap();
        waiting.completes().await;
        drop(idle);
    }

    #[tokio::test]
    async fn the_page_is_held_until_the_verdict_and_only_the_first_response_counts() {
        let waiting = waiting().await;
        let port = waiting.port;
        let (answered, mut answer) = oneshot::channel();
        tokio::spawn(async move { answered.send(exchange(port, &get(port, GOOD)).await) });
        let (judged, reply) = waiting.settled.await.unwrap().unwrap();
        assert!(judged.is_ok());
        for target in [GOOD, "/callback?code=other&state=st", "/callback"] {
            let later = exchange(port, &get(port, target)).await;
            assert!(later.contains("already been answered"), "{target}");
        }
        assert!(answer.try_recv().is_err());
        reply.finish(PageKind::Denied).await;
        assert!(answer.await.unwrap().contains("The sign-in was denied"));
    }

    #[tokio::test]
    async fn an_error_of_the_server_ends_the_wait() {
        let waiting = waiting().await;
        let port = waiting.port;
        let browser =
            tokio::spawn(async move { exchange(port, &get(port, "/callback?error=access_denied&state=st")).await });
        let (judged, reply) = waiting.settled.await.unwrap().unwrap();
        assert!(matches!(judged, Err(AuthorizationResponseError::Denied(_))));
        reply.finish(PageKind::Denied).await;
        assert!(browser.await.unwrap().contains("The sign-in was denied"));
    }

    #[tokio::test]
    async fn after_the_verdict_the_port_is_closed() {
        let waiting = waiting().await;
        let port = waiting.port;
        waiting.completes().await;
        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_err());
    }

    #[tokio::test]
    async fn a_wait_that_is_given_up_closes_the_port() {
        let waiting = waiting().await;
        let port = waiting.port;
        waiting.get("/callback").await;
        waiting.settled.abort();
        assert!(waiting.settled.await.is_err());
        // An aborted task drops its listener at the next turn of the runtime.
        tokio::task::yield_now().await;
        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_err());
    }

    #[tokio::test]
    async fn a_reply_that_is_dropped_says_that_nothing_was_completed() {
        let waiting = waiting().await;
        let port = waiting.port;
        let browser = tokio::spawn(async move { exchange(port, &get(port, GOOD)).await });
        drop(waiting.settled.await.unwrap().unwrap());
        assert!(browser.await.unwrap().contains("The sign-in was not completed"));
    }

    #[tokio::test]
    async fn a_browser_that_left_does_not_hold_up_the_verdict() {
        let waiting = waiting().await;
        let mut gone = TcpStream::connect((Ipv4Addr::LOCALHOST, waiting.port)).await.unwrap();
        gone.write_all(get(waiting.port, GOOD).as_bytes()).await.unwrap();
        let (judged, reply) = waiting.settled.await.unwrap().unwrap();
        drop(gone);
        assert!(judged.is_ok());
        reply.finish(PageKind::SignedIn).await;
    }
}

mod pages {
    use super::*;

    #[tokio::test]
    async fn every_page_has_the_headers_that_keep_it_harmless() {
        let waiting = waiting().await;
        for target in ["/callback?state=x", "/other"] {
            let response = waiting.get(target).await;
            let head = response.split_once("\r\n\r\n").unwrap().0.to_ascii_lowercase();
            for header in [
                "content-type: text/html; charset=utf-8",
                "content-security-policy: default-src 'none'; style-src 'sha256-",
                "frame-ancestors 'none'",
                "x-content-type-options: nosniff",
                "referrer-policy: no-referrer",
                "cache-control: no-store",
                "connection: close",
            ] {
                assert!(head.contains(header), "{target}: {header}");
            }
        }
        waiting.completes().await;
    }

    #[tokio::test]
    async fn nothing_of_a_request_is_in_its_page() {
        let waiting = waiting().await;
        let plain = waiting.get("/callback").await;
        for key in ["code", "state", "iss", "error", "error_description", "x"] {
            for value in ["%3Cscript%3E", "%22", "'", "%26amp;", "%00", "%0d%0aX:%20y", "<b>", "\"", "canary"] {
                let response = waiting.get(&format!("/callback?{key}={value}")).await;
                // A target that is no URI is refused before it gets here, without any page.
                assert!([body(&plain), ""].contains(&body(&response)), "{key}={value}");
                assert!(!response.contains("canary") && !response.contains("script%"), "{key}={value}");
            }
        }
        assert!(!body(&plain).contains("<script"));
        waiting.completes().await;
    }
}
