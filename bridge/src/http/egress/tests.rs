//! Requests to servers that are hand-written answers on a socket of this machine.

use std::net::SocketAddr;
use std::sync::Mutex;

use http::HeaderMap;
use http::header::{AUTHORIZATION, LOCATION};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::super::client::CONNECT_TIMEOUT;
use super::super::message_client::{Answer, MessageClient, Target};
use super::super::resolver::Names;
use super::*;

/// 100,000 zeros in 132 bytes of gzip.
fn bomb() -> Vec<u8> {
    let head = b"\x1f\x8b\x08\0\0\0\0\0\x02\x03\xed\xc1\x31\x01\0\0\0\xc2\xa0\xf5\x4f\x6d\x0d\x0f\xa0";
    let tail = b"\x80\x57\x03\x7d\x95\x11\xd4\xa0\x86\x01\0";
    [head.as_slice(), &[0; 96], tail].concat()
}

fn ok(headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn redirect(status: u16, location: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").into()
}

/// Gives each connection the next answer, then closes it; returns what was asked.
async fn serve(answers: Vec<Vec<u8>>) -> (SocketAddr, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let mut asked = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            asked.push(read_request(&mut stream).await);
            stream.write_all(&answer).await.unwrap();
        }
        asked
    });
    (address, server)
}

async fn read_request(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    let is_tls = |request: &[u8]| request.first() == Some(&0x16);
    while !is_tls(&request) && !request.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut chunk = [0; 4096];
        let length = stream.read(&mut chunk).await.unwrap();
        assert_ne!(length, 0, "the request is cut short");
        request.extend_from_slice(&chunk[..length]);
    }
    String::from_utf8_lossy(&request).into_owned()
}

/// A way out for an upstream on this machine.
fn local() -> Egress {
    egress(AddressGuard::new(&Url::parse("http://127.0.0.1/").unwrap()))
}

/// A way out for an upstream elsewhere, with the addresses that every name has.
fn remote(addresses: &[&str]) -> Egress {
    let names = Names::Script(Mutex::new(vec![addresses.iter().map(|text| text.parse().unwrap()).collect()]));
    egress(AddressGuard::with_names(&Url::parse("https://1.1.1.1/").unwrap(), names))
}

fn egress(guard: AddressGuard) -> Egress {
    Egress::new(guard, Network::direct())
}

fn request(method: Method, url: &str) -> Request<Bytes> {
    let request = Request::builder().method(method).uri(url).header(AUTHORIZATION, "Basic c2VjcmV0");
    request.body(Bytes::new()).unwrap()
}

async fn get(egress: &Egress, url: impl AsRef<str>) -> Result<Response<Bytes>, HttpError> {
    egress.fetch(request(Method::GET, url.as_ref())).await
}

#[tokio::test]
async fn an_answer_comes_whole_with_its_status_and_headers() {
    let answer = b"HTTP/1.1 400 Bad Request\r\nX-Test: 1\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
    let (address, server) = serve(vec![answer.to_vec()]).await;
    let url = format!("http://{address}/token?x=1");
    let request = Request::post(url).header("x-asked", "y").body(Bytes::from("a=b")).unwrap();
    let answer = local().fetch(request).await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.body().as_ref()), (400, b"{}".as_slice()));
    assert_eq!(answer.headers()["x-test"], "1");
    let asked = server.await.unwrap().remove(0).to_ascii_lowercase();
    assert!(asked.starts_with("post /token?x=1 http/1.1\r\n"), "{asked}");
    for header in [
        "x-asked: y",
        "content-length: 3",
        "accept-encoding: gzip",
        concat!("user-agent: mcp-bridge/", env!("CARGO_PKG_VERSION")),
    ] {
        assert!(asked.contains(header), "{header} in {asked}");
    }
    assert!(!asked.contains("referer") && !asked.contains("cookie"), "{asked}");
}

#[tokio::test]
async fn errors_are_told_apart_and_none_shows_the_query() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let (plain, _server) = serve(vec![ok("", b"x")]).await;
    let (no_handshake, _server) = serve(vec![Vec::new()]).await;
    let (silent, _server) = serve(vec![Vec::new()]).await;
    let (garbage, _server) = serve(vec![b"SSH-2.0-x\r\n".to_vec()]).await;
    let (torn, _server) = serve(vec![b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{".to_vec()]).await;
    let (no_gzip, _server) = serve(vec![ok("Content-Encoding: gzip\r\n", b"plain text")]).await;
    type Is = fn(&HttpError) -> bool;
    let cases: [(&str, String, bool, Is); 8] = [
        ("refused", format!("http://{closed}/"), true, |e| matches!(e, HttpError::ConnectionRefused { .. })),
        ("unknown", "https://nobody.invalid/".to_owned(), true, |e| matches!(e, HttpError::UnknownHost { .. })),
        ("no TLS", format!("https://{plain}/"), true, |e| matches!(e, HttpError::Tls { .. })),
        ("no handshake", format!("https://{no_handshake}/"), true, |e| matches!(e, HttpError::Tls { .. })),
        ("closed at once", format!("http://{silent}/"), false, |e| matches!(e, HttpError::Broken { .. })),
        ("no HTTP", format!("http://{garbage}/"), false, |e| matches!(e, HttpError::Broken { .. })),
        ("a torn body", format!("http://{torn}/"), false, |e| matches!(e, HttpError::Broken { .. })),
        ("no gzip", format!("http://{no_gzip}/"), false, |e| matches!(e, HttpError::Broken { .. })),
    ];
    for (name, url, never_sent, is) in cases {
        let error = get(&local(), format!("{url}?code=s3cret")).await.unwrap_err();
        assert!(is(&error), "{name}: {error:?}");
        assert_eq!(error.never_sent(), never_sent, "{name}: {error:?}");
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{name}: {error:?}");
    }
}

#[tokio::test]
async fn the_client_for_messages_has_the_same_errors() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for (url, code) in [
        (format!("http://{closed}/"), crate::problem::Code::ConnectionRefused),
        ("http://nobody.invalid/".to_owned(), crate::problem::Code::UnknownHost),
    ] {
        let url = Url::parse(&url).unwrap();
        let error = ask(url).await.unwrap_err();
        assert_eq!(error.code(), code, "{error:?}");
    }
}

#[tokio::test]
async fn the_client_for_messages_follows_no_redirect() {
    let (address, _server) = serve(vec![redirect(307, "/else")]).await;
    let url = Url::parse(&format!("http://localhost:{}/", address.port())).unwrap();
    assert_eq!(ask(url).await.unwrap().status().as_u16(), 307);
}

#[tokio::test]
async fn what_the_client_for_messages_reads_is_decoded_first_and_bounded_then() {
    let (address, _server) = serve(vec![ok("Content-Encoding: gzip\r\n", &bomb()); 2]).await;
    let url = || Url::parse(&format!("http://localhost:{}/", address.port())).unwrap();
    let mut answer = ask(url()).await.unwrap();
    assert_eq!(read_limited(&mut answer, 100_000).await.unwrap().len(), 100_000);
    let mut answer = ask(url()).await.unwrap();
    assert!(matches!(read_limited(&mut answer, 99_999).await, Err(HttpError::TooLarge { .. })));
}

async fn ask(url: Url) -> Result<Answer, HttpError> {
    let client = MessageClient::build(&url, &Network::direct(), CONNECT_TIMEOUT).unwrap();
    client.send(Method::GET, &Target::new(url), HeaderMap::new(), None).await
}

mod limits {
    use super::*;

    fn small() -> Egress {
        let limits = Limits { time: Duration::from_millis(200), body: 50_000, redirects: 3 };
        Egress { limits, ..local() }
    }

    #[tokio::test]
    async fn a_body_at_the_limit_passes_and_a_longer_one_is_refused_however_it_is_sent() {
        let endless =
            [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nC351\r\n".as_slice(), &[b'x'; 50_001]].concat();
        let cases: [(&str, Vec<u8>, bool); 5] = [
            ("at the limit", ok("", &[b'x'; 50_000]), true),
            ("announced", ok("", &[b'x'; 50_001]), false),
            ("announced, never sent", b"HTTP/1.1 200 OK\r\nContent-Length: 600000000\r\n\r\n".to_vec(), false),
            ("in chunks", endless, false),
            ("compressed", ok("Content-Encoding: gzip\r\n", &bomb()), false),
        ];
        for (name, answer, fits) in cases {
            let (address, _server) = serve(vec![answer]).await;
            match get(&small(), format!("http://{address}/")).await {
                Ok(answer) => assert!(fits && answer.body().len() == 50_000, "{name}"),
                Err(error) => {
                    assert!(!fits && matches!(error, HttpError::TooLarge { limit: 50_000, .. }), "{name}: {error:?}")
                }
            }
        }
    }

    #[tokio::test]
    async fn a_compressed_body_within_the_limit_is_decoded() {
        let (address, _server) = serve(vec![ok("Content-Encoding: gzip\r\n", &bomb())]).await;
        let answer = get(&local(), format!("http://{address}/")).await.unwrap();
        assert!(answer.body().len() == 100_000 && answer.body().iter().all(|byte| *byte == 0));
        assert!(!answer.headers().contains_key("content-encoding"));
    }

    #[tokio::test]
    async fn who_never_answers_or_never_ends_is_left_in_time() {
        for start in [b"".as_slice(), b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{"] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}/", listener.local_addr().unwrap());
            let held = async {
                let (mut stream, _) = listener.accept().await.unwrap();
                read_request(&mut stream).await;
                stream.write_all(start).await.unwrap();
                stream
            };
            let egress = small();
            let (result, _stream) = tokio::join!(get(&egress, url), held);
            assert!(matches!(result, Err(HttpError::TimedOut { is_connecting: false, .. })), "{result:?}");
        }
    }
}

mod redirects {
    use super::*;

    #[tokio::test]
    async fn within_the_origin_a_get_is_redirected() {
        let (address, server) =
            serve(vec![redirect(302, "/b"), redirect(308, "c"), redirect(307, ""), ok("", b"x")]).await;
        let answer = get(&local(), format!("http://{address}/a")).await.unwrap();
        assert_eq!(answer.body().as_ref(), b"x");
        let asked = server.await.unwrap();
        let lines: Vec<_> = asked.iter().map(|request| request.lines().next().unwrap()).collect();
        assert_eq!(lines, ["GET /a HTTP/1.1", "GET /b HTTP/1.1", "GET /c HTTP/1.1", "GET /c HTTP/1.1"]);
    }

    #[tokio::test]
    async fn a_circle_ends() {
        let (address, _server) = serve(vec![redirect(302, "/"); 4]).await;
        let error = get(&local(), format!("http://{address}/")).await.unwrap_err();
        assert!(matches!(error, HttpError::RedirectRefused { rule: RedirectRule::TooMany, .. }), "{error:?}");
    }

    #[tokio::test]
    async fn to_another_origin_nothing_is_sent() {
        let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = other.local_addr().unwrap().port();
        for status in [301, 302, 303, 307, 308] {
            for host in ["127.0.0.1", "localhost"] {
                let (address, _server) = serve(vec![redirect(status, &format!("http://{host}:{port}/"))]).await;
                let error = get(&local(), format!("http://{address}/")).await.unwrap_err();
                let other_origin = RedirectRule::OtherOrigin;
                assert!(matches!(error, HttpError::RedirectRefused { rule, .. } if rule == other_origin), "{error:?}");
            }
        }
        assert_nobody_came(&other).await;
    }

    #[tokio::test]
    async fn a_post_is_never_redirected() {
        let (address, server) = serve(vec![redirect(307, "/b")]).await;
        let error = local().fetch(request(Method::POST, &format!("http://{address}/a"))).await.unwrap_err();
        assert!(matches!(error, HttpError::RedirectRefused { rule: RedirectRule::NotGet, .. }), "{error:?}");
        assert_eq!(server.await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn one_without_a_place_is_an_answer() {
        let (address, _server) = serve(vec![b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n".to_vec()]).await;
        let answer = get(&local(), format!("http://{address}/")).await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.headers().contains_key(LOCATION)), (302, false));
    }
}

async fn assert_nobody_came(listener: &TcpListener) {
    let accepted = tokio::time::timeout(Duration::ZERO, listener.accept()).await;
    assert!(accepted.is_err(), "{accepted:?}");
}

mod addresses {
    use super::*;

    #[tokio::test]
    async fn an_address_in_the_url_is_judged_before_anything_is_dialled() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        for host in [
            "127.0.0.1",
            "0x7f.1",
            "localhost",
            "a.localhost.",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "10.0.0.5",
            "169.254.169.254",
        ] {
            let error = get(&remote(&["1.1.1.1"]), format!("https://{host}:{port}/")).await.unwrap_err();
            assert!(matches!(error, HttpError::AddressRefused { .. }), "{host}: {error:?}");
            assert!(error.never_sent());
        }
        assert_nobody_came(&listener).await;
    }

    #[tokio::test]
    async fn a_name_is_judged_by_the_address_that_would_be_dialled() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        for address in ["127.0.0.1", "10.0.0.5", "169.254.169.254", "::ffff:127.0.0.1", "64:ff9b::7f00:1"] {
            for scheme in ["http", "https"] {
                let egress = remote(&[address]).allow_http("as.example");
                let error = get(&egress, format!("{scheme}://as.example:{port}/")).await.unwrap_err();
                let expected = address.parse::<std::net::IpAddr>().unwrap().to_string();
                assert!(
                    matches!(&error, HttpError::AddressRefused { address, .. } if *address == expected),
                    "{error:?}"
                );
            }
        }
        assert_nobody_came(&listener).await;
    }

    #[tokio::test]
    async fn a_name_that_changes_its_address_between_two_requests_is_refused_at_the_second() {
        let (address, _server) = serve(vec![ok("", b"x")]).await;
        let answers = ["127.0.0.1", "169.254.169.254"].map(|text| vec![text.parse().unwrap()]);
        let guard =
            AddressGuard::with_names(&Url::parse("http://[::1]/").unwrap(), Names::Script(Mutex::new(answers.into())));
        let egress = egress(guard).allow_http("as.example");
        let url = format!("http://as.example:{}/", address.port());
        assert_eq!(get(&egress, &url).await.unwrap().body().as_ref(), b"x");
        let error = get(&egress, &url).await.unwrap_err();
        assert!(matches!(error, HttpError::AddressRefused { reach: Reach::LinkLocal, .. }), "{error:?}");
    }

    #[tokio::test]
    async fn only_https_goes_further_than_this_machine() {
        let egress = remote(&["1.1.1.1"]).allow_http("Intranet");
        for url in ["http://as.example/", "http://1.1.1.1/", "ftp://as.example/", "http://intranet.example/"] {
            assert!(matches!(get(&egress, url).await, Err(HttpError::InsecureUrl { .. })), "{url}");
        }
    }
}
