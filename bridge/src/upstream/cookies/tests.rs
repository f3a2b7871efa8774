//! RFC 6265, as far as one origin needs it.

use super::*;

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

fn set(cookies: &Cookies, from: &str, lines: &[&str]) {
    let headers = lines.iter().map(|line| (SET_COOKIE, HeaderValue::from_str(line).unwrap())).collect();
    cookies.keep(&url(from), &headers);
}

/// What goes to a URL after an answer from `https://lb.mcp.example.com/a/mcp`.
fn sent(lines: &[&str], to: &str) -> String {
    let cookies = Cookies::new();
    set(&cookies, "https://lb.mcp.example.com/a/mcp", lines);
    cookies.header(&url(to)).map_or_else(String::new, |value| value.to_str().unwrap().to_owned())
}

#[test]
fn t15_a_cookie_goes_back_with_its_path_and_nowhere_else() {
    let table = [
        ("the default path", "a=1", "https://lb.mcp.example.com/a/mcp", "a=1"),
        ("below it", "a=1", "https://lb.mcp.example.com/a/b/c", "a=1"),
        ("not beside it", "a=1", "https://lb.mcp.example.com/ab", ""),
        ("not above it", "a=1", "https://lb.mcp.example.com/", ""),
        ("a path of its own", "a=1; Path=/", "https://lb.mcp.example.com/x", "a=1"),
        ("a path that is none", "a=1; path=x", "https://lb.mcp.example.com/a/mcp", "a=1"),
        ("an empty value", "a=; Path=/", "https://lb.mcp.example.com/", "a="),
        ("an = in the value", "a=b=c; Path=/", "https://lb.mcp.example.com/", "a=b=c"),
        ("secure, by https", "a=1; Secure; Path=/", "https://lb.mcp.example.com/", "a=1"),
        ("secure, by http", "a=1; Secure; Path=/", "http://lb.mcp.example.com/", ""),
    ];
    for (name, line, to, expected) in table {
        assert_eq!(sent(&[line], to), expected, "{name}");
    }
}

#[test]
fn t15_a_cookie_for_another_domain_is_refused_and_one_for_a_parent_stays_with_its_host() {
    let to = "https://lb.mcp.example.com/";
    for (domain, taken) in [
        ("lb.mcp.example.com", true),
        (".LB.mcp.example.com", true),
        ("example.com", true),
        ("", true),
        ("other.example.com", false),
        ("b.mcp.example.com", false),
        ("evil.example", false),
        ("x.lb.mcp.example.com", false),
    ] {
        let line = format!("a=1; Path=/; Domain={domain}");
        assert_eq!(!sent(&[&line], to).is_empty(), taken, "{domain}");
    }
    let cookies = Cookies::new();
    set(&cookies, "https://127.0.0.1/", &["a=1; Domain=0.0.1", "b=1; Domain=127.0.0.1"]);
    assert_eq!(cookies.header(&url("https://127.0.0.1/")).unwrap(), "b=1");
}

#[test]
fn t15_a_cookie_ends_when_it_is_said_to() {
    let to = "https://lb.mcp.example.com/";
    let table = [
        ("a later end", "a=1; Path=/; Expires=Tue, 01 Jan 2199 00:00:00 GMT", "a=1"),
        ("an earlier end", "a=1; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT", ""),
        ("with dashes", "a=1; Path=/; Expires=Thu, 01-Jan-1970 00:00:00 GMT", ""),
        ("an end that is no time", "a=1; Path=/; Expires=soon", "a=1"),
        ("an age", "a=1; Path=/; Max-Age=60", "a=1"),
        ("no age", "a=1; Path=/; Max-Age=0", ""),
        ("an age goes before an end", "a=1; Path=/; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "a=1"),
        ("an age without end", "a=1; Path=/; Max-Age=9223372036854775807", "a=1"),
    ];
    for (name, line, expected) in table {
        assert_eq!(sent(&[line], to), expected, "{name}");
    }
    assert_eq!(sent(&["a=1; Path=/", "b=2; Path=/", "a=; Path=/; Max-Age=-1"], to), "b=2", "taken back");
}

#[test]
fn t15_the_latest_of_a_name_and_path_counts_and_longer_paths_go_first() {
    let lines = ["a=1; Path=/", "b=1; Path=/a", "a=2; Path=/a", "a=3; Path=/"];
    assert_eq!(sent(&lines, "https://lb.mcp.example.com/a/mcp"), "b=1; a=2; a=3");
}

#[test]
fn t15_what_is_no_cookie_or_breaks_the_rule_of_its_name_is_refused() {
    let long = format!("a={}", "x".repeat(LONGEST));
    for line in ["", "a", "=1", "a b=1", "__Secure-a=1; Path=/", "__Host-a=1; Secure", &long] {
        assert_eq!(sent(&[line], "https://lb.mcp.example.com/a/mcp"), "", "{line}");
    }
    assert_eq!(sent(&["__Host-a=1; Secure; Path=/"], "https://lb.mcp.example.com/"), "__Host-a=1");
}

#[test]
fn t15_their_number_and_the_header_are_bounded() {
    let cookies = Cookies::new();
    for number in 0..1000 {
        set(&cookies, "https://a.example/", &[&format!("c{number}={}", "x".repeat(1000))]);
    }
    assert_eq!(cookies.lock().len(), MOST);
    let header = cookies.header(&url("https://a.example/")).unwrap();
    assert!(header.len() <= LONGEST_HEADER && header.is_sensitive());
    assert!(!format!("{cookies:?}").contains('x'));
}
