use super::exchange::Incoming;
use super::*;
use crate::upstream::error::UpstreamError;

fn sort(message: &'static str, id: &str) -> Result<Incoming, UpstreamError> {
    Incoming::sort(Bytes::from_static(message.as_bytes()), id)
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
fn a_response_to_something_else_is_an_error() {
    let message = r#"{"jsonrpc":"2.0","id":2,"result":{}}"#;
    assert!(matches!(sort(message, "1"), Err(UpstreamError::NotAResponse(_))));
}

#[test]
fn a_request_of_the_server_is_no_response() {
    let message = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    assert!(matches!(sort(message, "1"), Ok(Incoming::ForHost(_))));
}

#[test]
fn h4_the_id_is_found_at_the_beginning_of_a_line_that_is_too_long() {
    let table: [(&[u8], Option<&str>); 4] = [
        (br#"{"jsonrpc":"2.0","id": 17,"params":{"a":"xxxx"#, Some("17")),
        (br#"{"id":"a b","x"#, Some("\"a b\"")),
        (br#"{"id":null,"x"#, None),
        (b"{\"x\":\"\xc3", None),
    ];
    for (beginning, id) in table {
        assert_eq!(id_at_the_beginning(beginning).as_deref(), id);
    }
}
