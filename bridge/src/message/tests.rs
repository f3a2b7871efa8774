//! What is read of a message, what is refused, and that nothing else of it is touched.

use super::*;

fn invalid(line: &str) -> (i32, Option<String>) {
    let invalid = Envelope::parse(line.as_bytes()).unwrap_err();
    (invalid.code, invalid.id)
}

mod h3 {
    use super::*;

    #[test]
    fn each_kind_is_told_from_the_others() {
        let table = [
            (r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#, Kind::Request, Some("1")),
            (r#"{"method":"a\u002fb","params":null,"jsonrpc":"2.0"}"#, Kind::Notification, None),
            (r#"{"jsonrpc":"2.0","id":"x","result":null}"#, Kind::Response, Some("\"x\"")),
            (r#"{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":""}}"#, Kind::Response, None),
            (r#"{"jsonrpc":"2.0","error":{"code":1,"message":""}}"#, Kind::Response, None),
        ];
        for (line, kind, id) in table {
            let envelope = Envelope::parse(line.as_bytes()).unwrap();
            assert_eq!((envelope.kind, envelope.id), (kind, id), "{line}");
        }
    }

    #[test]
    fn a_line_that_is_not_json_is_a_parse_error() {
        for line in ["{", "hello", "{\"a\":1}}", "{\"jsonrpc\":\"2.0\",}"] {
            assert_eq!(invalid(line), (PARSE_ERROR, None), "{line}");
        }
        assert_eq!(Envelope::parse(b"{\"x\":\"\xff\"}").unwrap_err().code, PARSE_ERROR);
    }

    #[test]
    fn json_that_is_no_message_is_an_invalid_request_with_its_id_where_readable() {
        let table = [
            ("42", None),
            ("{}", None),
            ("[]", None),
            (r#"["2.0",1,"ping"]"#, None),
            (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, None),
            (r#"{"jsonrpc":"2.0","id":7,"method":7}"#, Some("7")),
            (r#"{"jsonrpc":"1.0","id":"a","method":"ping"}"#, Some("\"a\"")),
            (r#"{"jsonrpc":"2.0","id":[1],"method":"ping"}"#, None),
            (r#"{"jsonrpc":"2.0","id":1,"result":1,"error":1}"#, Some("1")),
            (r#"{"jsonrpc":"2.0","result":1}"#, None),
            (r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#, None),
        ];
        for (line, id) in table {
            assert_eq!(invalid(line), (INVALID_REQUEST, id.map(str::to_owned)), "{line}");
        }
    }

    #[test]
    fn a_bad_response_is_told_from_a_bad_request() {
        let table = [
            (r#"{"jsonrpc":"2.0","id":1,"result":{},"error":null}"#, true),
            (r#"{"id":1,"result":{}}"#, true),
            (r#"{"jsonrpc":"2.0","result":1}"#, true),
            (r#"{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}"#, false),
            (r#"{"jsonrpc":"2.0","id":1}"#, false),
        ];
        for (line, is_response) in table {
            assert_eq!(Envelope::parse(line.as_bytes()).unwrap_err().is_response, is_response, "{line}");
        }
    }

    #[test]
    fn the_answer_has_a_null_id_only_for_hosts_that_know_it() {
        let invalid = Envelope::parse(b"{").unwrap_err();
        let with = invalid_response(&invalid, true);
        let without = invalid_response(&invalid, false);
        assert!(String::from_utf8(with).unwrap().starts_with(r#"{"jsonrpc":"2.0","id":null,"error""#));
        assert!(String::from_utf8(without).unwrap().starts_with(r#"{"jsonrpc":"2.0","error""#));
    }
}

mod h5 {
    use super::*;

    #[test]
    fn an_id_keeps_its_spelling() {
        for id in ["1", "\"1\"", "1.0", "12345678901234567890", "-1e3", "\"a\\u0041\""] {
            let line = format!(r#"{{"id":{id},"jsonrpc":"2.0","method":"ping"}}"#);
            assert_eq!(Envelope::parse(line.as_bytes()).unwrap().id, Some(id));
        }
    }

    #[test]
    fn an_id_that_a_server_respelt_is_recognised() {
        assert!(same_id("1.0", "1"));
        assert!(same_id("12345678901234567890", "12345678901234567000"));
        assert!(same_id("\"a\\u0041\"", "\"aA\""));
        assert!(!same_id("1", "\"1\""));
        assert!(!same_id("1", "2"));
    }

    #[test]
    fn an_id_is_replaced_without_touching_another_byte() {
        let line = br#"{ "result" : 1.000000000000000000001, "id": 1 , "jsonrpc":"2.0"}"#;
        let replaced = Envelope::parse(line).unwrap().with_id(line, "1.0");
        assert_eq!(replaced, br#"{ "result" : 1.000000000000000000001, "id": 1.0 , "jsonrpc":"2.0"}"#);
        let without = br#"{"jsonrpc":"2.0","error":{"code":1,"message":"m"}}"#;
        let given = Envelope::parse(without).unwrap().with_id(without, "\"x\"");
        assert_eq!(given, br#"{"id":"x","jsonrpc":"2.0","error":{"code":1,"message":"m"}}"#);
    }
}

#[test]
fn a_batch_is_split_into_its_members() {
    assert_eq!(batch(br#"{"a":1}"#).unwrap(), None);
    assert_eq!(batch(br#" [ {"a":[1]}, 2 ]"#).unwrap().unwrap(), [br#"{"a":[1]}"#.as_slice(), b"2"]);
    assert_eq!(batch(b"[1,").unwrap_err().code, PARSE_ERROR);
}

#[test]
fn a_pretty_printed_message_becomes_one_line_of_the_same_value() {
    let mut message = b"{\r\n  \"a\": \"x\\ny\"\n}".to_vec();
    into_one_line(&mut message);
    assert_eq!(message, b"{    \"a\": \"x\\ny\" }");
}

#[test]
fn h13_an_error_of_ours_says_so() {
    let problem = Problem::new(Code::TimedOut, "it took too long", "try again");
    let response: serde_json::Value = serde_json::from_slice(&problem_response("\"7\"", &problem)).unwrap();
    assert_eq!(response["id"], "7");
    assert_eq!(response["error"]["code"], INTERNAL_ERROR);
    assert_eq!(
        response["error"]["data"],
        serde_json::json!({"source": "mcp-bridge", "code": "timed_out", "hint": "try again"})
    );
}
