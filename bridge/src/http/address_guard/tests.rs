//! How far addresses reach, and what is permitted for which upstream.

use std::net::IpAddr;
use std::sync::Mutex;

use url::Url;

use super::{AddressGuard, Reach, is_loopback};
use crate::http::resolver::Names;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

/// A guard for an upstream whose name has these addresses, at one look-up after the other.
fn guard(upstream: &str, answers: &[&[&str]]) -> AddressGuard {
    let answers = answers.iter().map(|list| list.iter().map(|text| ip(text)).collect()).collect();
    AddressGuard::with_names(&url(upstream), Names::Script(Mutex::new(answers)))
}

#[test]
fn every_special_range_has_its_reach() {
    use Reach::{LinkLocal, Loopback, Private, Public, Reserved};
    let cases: &[(Reach, &[&str])] = &[
        (Loopback, &["127.0.0.1", "127.255.255.255", "0.0.0.0", "::", "::1"]),
        (Loopback, &["::ffff:127.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "::ffff:0:0"]),
        (Private, &["10.0.0.5", "172.16.0.0", "172.31.255.255", "192.168.1.1", "100.64.0.0", "100.127.255.255"]),
        (Private, &["::ffff:10.0.0.5", "64:ff9b::a00:5", "2002:c0a8:101::1", "fc00::", "fd00::1", "fec0::1"]),
        (Private, &["64:ff9b:1::a00:5"]),
        (LinkLocal, &["169.254.0.0", "169.254.169.254", "169.254.255.255", "fe80::1", "febf::1"]),
        (LinkLocal, &["::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::"]),
        (LinkLocal, &["fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "168.63.129.16", "::ffff:168.63.129.16"]),
        (Reserved, &["0.0.0.1", "0.255.255.255", "192.0.0.8", "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.19.9.9"]),
        (Reserved, &["198.51.100.1", "203.0.113.10", "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255"]),
        (Reserved, &["2001:db8::1", "2001::1", "2001:2::1", "2001:20::1", "3fff::1", "ff02::1", "100::1", "5f00::1"]),
        (Reserved, &["::ffff:203.0.113.10", "::2:0:0", "4000::1"]),
        (Public, &["1.1.1.1", "9.255.255.255", "11.0.0.0", "172.15.255.255", "172.32.0.0", "192.167.0.1"]),
        (Public, &["100.63.255.255", "100.128.0.0", "169.253.0.1", "198.17.0.1", "198.20.0.1", "223.255.255.255"]),
        (Public, &["2606:4700::1111", "2a00::1", "64:ff9b::101:101", "2002:101:101::", "::ffff:1.1.1.1"]),
    ];
    for (expected, addresses) in cases {
        for address in *addresses {
            assert_eq!(Reach::of(ip(address)), *expected, "{address}");
        }
    }
}

#[test]
fn a_host_in_a_url_is_judged_in_every_spelling() {
    let cases = [
        ("http://0x7f.1/", Some(Reach::Loopback)),
        ("http://2130706433/", Some(Reach::Loopback)),
        ("http://0177.0.0.1/", Some(Reach::Loopback)),
        ("http://[::ffff:10.0.0.5]/", Some(Reach::Private)),
        ("http://10.5/", Some(Reach::Private)),
        ("http://LOCALHOST/", Some(Reach::Loopback)),
        ("http://a.localhost./", Some(Reach::Loopback)),
        ("http://metadata.google.internal/", Some(Reach::LinkLocal)),
        ("http://metadata.google.internal./", Some(Reach::LinkLocal)),
        ("http://localhost.example/", None),
        ("http://notlocalhost/", None),
        ("http://127.0.0.1.nip.example/", None),
    ];
    for (text, expected) in cases {
        let url = url(text);
        assert_eq!(url.host().and_then(|host| Reach::of_host(&host)), expected, "{text}");
        assert_eq!(is_loopback(&url), expected == Some(Reach::Loopback), "{text}");
    }
}

#[tokio::test]
async fn what_is_permitted_depends_on_the_reach_of_the_upstream() {
    let targets = ["1.1.1.1", "10.0.0.5", "127.0.0.1", "169.254.169.254", "203.0.113.10"];
    type Case = (&'static str, &'static str, &'static [&'static [&'static str]], [bool; 5]);
    let cases: &[Case] = &[
        ("a public name", "https://mcp.example/", &[&["1.1.1.1"]], [true, false, false, false, false]),
        ("a public address", "https://1.0.0.1/", &[&[]], [true, false, false, false, false]),
        ("a name nobody knows", "https://mcp.example/", &[&[]], [true, false, false, false, false]),
        ("a private name", "https://mcp.corp.example/", &[&["10.0.0.9"]], [true, true, false, false, false]),
        ("a private address", "https://192.168.0.1/", &[&[]], [true, true, false, false, false]),
        (
            "a public and private name",
            "https://mcp.example/",
            &[&["10.0.0.9", "1.1.1.1"]],
            [true, false, false, false, false],
        ),
        ("this machine by name", "http://localhost:3000/", &[&[]], [true, true, true, false, false]),
        ("this machine by address", "http://[::1]:3000/", &[&[]], [true, true, true, false, false]),
        ("a name of this machine", "https://dev.example/", &[&["127.0.0.1"]], [true, true, true, false, false]),
        ("the link", "http://169.254.169.254/", &[&[]], [true, false, false, true, false]),
        ("a neighbour on the link", "http://169.254.1.1/", &[&[]], [true, false, false, false, false]),
        ("a name on the link", "https://mcp.example/", &[&["169.254.169.254"]], [true, false, false, false, false]),
        ("a reserved address", "https://203.0.113.7/", &[&[]], [true, false, false, false, true]),
    ];
    for (name, upstream, answers, expected) in cases {
        let guard = guard(upstream, answers);
        for (target, expected) in targets.iter().zip(expected) {
            assert_eq!(guard.permits(ip(target)).await, *expected, "{name} to {target}");
        }
    }
}

#[tokio::test]
async fn an_upstream_that_was_public_once_stays_public() {
    let guard = guard("https://mcp.example/", &[&["10.0.0.5"]]);
    let first = guard.permitted("mcp.example", vec![ip("1.1.1.1")]).await;
    assert_eq!(first, Ok(vec![ip("1.1.1.1")]));
    let rebound = guard.permitted("mcp.example", vec![ip("10.0.0.5")]).await;
    assert_eq!(rebound, Err(Some(ip("10.0.0.5"))));
}

#[tokio::test]
async fn of_several_addresses_only_the_permitted_are_dialled() {
    let guard = guard("https://mcp.example/", &[&["1.1.1.1"]]);
    let permitted = guard.permitted("as.example", vec![ip("10.0.0.5"), ip("9.9.9.9"), ip("::1")]).await;
    assert_eq!(permitted, Ok(vec![ip("9.9.9.9")]));
    assert_eq!(guard.permitted("as.example", vec![]).await, Err(None));
}
