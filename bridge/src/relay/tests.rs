//! Which message is the response to a request, with which id it goes to the host, and what id a line too long still shows.

use super::incoming::Incoming;
use super::*;
use crate::upstream::error::UpstreamError;
use crate::upstream::exchange::Bond;

fn sort(message: &'static str, id: &str) -> Result<Incoming, UpstreamError> {
    Incoming::sort(Bytes::from_static(message.as_bytes()), id, Bond::None)
}

fn response(message: &'static str) -> Incoming {
    Incoming::Response(Bytes::from_static(message.as_bytes()))
}

#[test]
fn h5_a_response_gets_the_spelling_of_the_host() {
    let message = r#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
    assert_eq!(sort(message, "1").unwrap(), response(message));
    assert_eq!(sort(message, "1.0").unwrap(), response(r#"{"jsonrpc":"2.0","id":1.0,"result":{}}"#));
}

#[test]
fn t12_an_error_without_an_id_gets_its_requests() {
    let message = r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"no"}}"#;
    let expected = response(r#"{"jsonrpc":"2.0","id":"q","error":{"code":-32600,"message":"no"}}"#);
    assert_eq!(sort(message, "\"q\"").unwrap(), expected);
}

#[test]
fn t12_an_error_that_is_all_there_is_is_its_requests_whatever_its_id() {
    let foreign = r#"{"jsonrpc":"2.0","id":"server-error","error":{"code":-32600,"message":"no"}}"#;
    let its_own = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32600,"message":"no"}}"#;
    let result = r#"{"jsonrpc":"2.0","id":2,"result":{}}"#;
    let alone = |message: &'static str| Incoming::sort(Bytes::from_static(message.as_bytes()), "1", Bond::Alone);
    assert_eq!(alone(foreign).unwrap(), response(its_own));
    assert!(matches!(sort(foreign, "1"), Err(UpstreamError::NotAResponse(_))), "among others it is not");
    assert!(matches!(alone(result), Err(UpstreamError::NotAResponse(_))), "a result needs the right id");
}

#[test]
fn t6_where_the_session_is_unknown_only_an_error_with_the_very_id_is_an_answer() {
    let table = [
        (r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no"}}"#, true),
        (r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"no session"}}"#, false),
        (r#"{"jsonrpc":"2.0","id":"server-error","error":{"code":-32600,"message":"no session"}}"#, false),
    ];
    for (message, is_answer) in table {
        let sorted = Incoming::sort(Bytes::from_static(message.as_bytes()), "1", Bond::SessionLost);
        assert_eq!(matches!(sorted, Ok(Incoming::Response(_))), is_answer, "{message}");
        assert_eq!(matches!(sorted, Err(UpstreamError::SessionLost)), !is_answer, "{message}");
    }
}

#[test]
fn a_response_to_something_else_is_an_error() {
    let message = r#"{"jsonrpc":"2.0","id":2,"result":{}}"#;
    assert!(matches!(sort(message, "1"), Err(UpstreamError::NotAResponse(_))));
}

#[test]
fn a_request_of_the_server_is_no_response() {
    let message = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    assert!(matches!(sort(message, "1"), Ok(Incoming::Request(..))));
}

#[test]
fn h4_the_id_is_found_at_the_beginning_of_a_line_that_is_too_long() {
    type Shown = (Option<&'static str>, bool);
    let table: [(&[u8], Shown); 9] = [
        (br#"{"jsonrpc":"2.0","id": 17,"params":{"a":"xxxx"#, (Some("17"), false)),
        (br#"{"id":"a b","x"#, (Some("\"a b\""), false)),
        (br#"{"id":1,"params":{"n":1"#, (Some("1"), false)),
        (br#"{"id":12"#, (None, false)), // it may go on
        (br#"{"id":null,"x"#, (None, false)),
        (br#"{"method":"tools/call","params":{"arguments":{"id":5,"text":"xxxx"#, (None, false)),
        (br#"{"jsonrpc":"2.0","id":3,"result":{"a":"xxxx"#, (Some("3"), true)),
        (br#"{"error":{"message":"xxxx"#, (None, true)),
        (b"{\"x\":\"\xc3", (None, false)),
    ];
    for (beginning, shown) in table {
        assert_eq!(shown_at_the_beginning(beginning), shown, "{}", String::from_utf8_lossy(beginning));
    }
}
