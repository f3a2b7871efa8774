//! What a legacy server gets of a modern request, and what the host gets of its answer.

use super::*;

const META: &str = concat!(
    r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","#,
    r#""io.modelcontextprotocol/clientCapabilities":{"roots":{"listChanged":true}}"#
);

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn e7_a_request_says_who_asks_and_what_it_wants() {
    let more = r#""io.modelcontextprotocol/clientInfo":{"name":"h","version":"1"},"io.modelcontextprotocol/logLevel":"notice","progressToken":7"#;
    let read = Metadata::read(Some(&format!(r#"{{"_meta":{{{META},{more}}}}}"#))).unwrap();
    assert_eq!(read.client_info.as_deref(), Some(r#"{"name":"h","version":"1"}"#));
    assert_eq!(read.log_level.map(LogLevel::name), Some("notice"));
    assert_eq!(read.progress_token.as_deref(), Some("7"));
    let modest = Metadata::read(Some(&format!(r#"{{"_meta":{{{META}}}}}"#))).unwrap();
    assert_eq!((modest.client_info, modest.log_level, modest.progress_token), (None, None, None));
}

#[test]
fn e7_a_request_that_lacks_what_is_required_is_refused() {
    let version = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28""#;
    let level = r#""io.modelcontextprotocol/logLevel":"loud""#;
    let old = r#"{"_meta":{"io.modelcontextprotocol/protocolVersion":"1900-01-01"}}"#;
    let table = [
        ("no parameters", None, Refusal::Missing(keys::PROTOCOL_VERSION), -32_602),
        ("no object", Some("[]".to_owned()), Refusal::NoObject("params"), -32_602),
        ("no `_meta`", Some("{}".to_owned()), Refusal::Missing(keys::PROTOCOL_VERSION), -32_602),
        ("odd `_meta`", Some(r#"{"_meta":1}"#.to_owned()), Refusal::NoObject("_meta"), -32_602),
        (
            "no capabilities",
            Some(format!(r#"{{"_meta":{{{version}}}}}"#)),
            Refusal::Missing(keys::CLIENT_CAPABILITIES),
            -32_602,
        ),
        ("no level", Some(format!(r#"{{"_meta":{{{META},{level}}}}}"#)), Refusal::LogLevel, -32_602),
        ("another version", Some(old.to_owned()), Refusal::Version { requested: "1900-01-01".to_owned() }, -32_022),
    ];
    for (name, params, expected, code) in table {
        let refusal = Metadata::read(params.as_deref()).unwrap_err();
        assert_eq!(refusal, expected, "{name}");
        assert_eq!(message::error_code(&refusal.response("1")), Some(code), "{name}");
    }
    let refused = json(&text(Refusal::Version { requested: "1900-01-01".to_owned() }.response("\"a\"")));
    assert_eq!(refused["error"]["data"], json!({"supported": ["2026-07-28"], "requested": "1900-01-01"}));
    assert_eq!(refused["id"], "a");
}

#[test]
fn e7_levels_are_in_order() {
    let named = |name| LogLevel::named(name).unwrap();
    assert!(named("debug") < named("info") && named("error") < named("emergency"));
    assert_eq!(LogLevel::named("loud"), None);
}

#[test]
fn e10_the_handshake_is_made_of_what_the_first_request_says() {
    let read = Metadata::read(Some(&format!(r#"{{"_meta":{{{META}}}}}"#))).unwrap();
    let line = text(initialize("1", Some(r#"{"name":"h","version":"1"}"#), &read.capabilities));
    assert_eq!(
        json(&line),
        json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-11-25",
            "capabilities": {"roots": {}}, "clientInfo": {"name": "h", "version": "1"}}})
    );
    let ours = json(&text(initialize("1", None, &read.capabilities)));
    assert_eq!(ours["params"]["clientInfo"]["name"], "mcp-bridge");
}

#[test]
fn e7_discovery_says_what_the_handshake_said() {
    let initialized = r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{"listChanged":true},"tasks":{"list":{}}},"serverInfo":{"name":"s","version":"2"},"instructions":"be \u0041","_meta":{"x":1}}"#;
    let result = discover_result(initialized).unwrap();
    assert!(result.contains(r#""instructions":"be \u0041""#), "{result}");
    assert_eq!(
        json(&result),
        json!({"resultType": "complete", "supportedVersions": ["2026-07-28"], "ttlMs": 0, "cacheScope": "private",
            "capabilities": {"tools": {"listChanged": true}}, "instructions": "be A",
            "_meta": {"x": 1, "io.modelcontextprotocol/serverInfo": {"name": "s", "version": "2"}}})
    );
    assert_eq!(discover_result("1"), None);
}

#[test]
fn e7_a_request_loses_the_metadata_of_the_era_and_nothing_else() {
    let table = [
        (format!(r#"{{"name":"t","_meta":{{{META},"x":1.0}}}}"#), r#","params":{"name":"t","_meta":{"x":1.0}}"#),
        (format!(r#"{{"_meta":{{{META}}}}}"#), ""),
        (
            format!(r#"{{"_meta":{{"progressToken":"p",{META}}},"arguments":{{"_meta":{{"a":[1, 2]}}}}}}"#),
            r#","params":{"arguments":{"_meta":{"a":[1, 2]}},"_meta":{"progressToken":9}}"#,
        ),
        (
            format!(r#"{{"name":"t","inputResponses":{{}},"requestState":"s","_meta":{{{META}}}}}"#),
            r#","params":{"name":"t"}"#,
        ),
    ];
    for (params, expected) in table {
        let line = text(request("tools/call", Some(&params), "9", "9"));
        assert_eq!(line, format!(r#"{{"jsonrpc":"2.0","id":9,"method":"tools/call"{expected}}}"#));
    }
}

#[test]
fn e7_a_result_gets_what_the_era_demands_and_keeps_what_it_has() {
    let cached = r#""resultType":"complete","ttlMs":0,"cacheScope":"private""#;
    let table = [
        ("tools/call", r#"{"content":[]}"#, r#"{"content":[],"resultType":"complete"}"#.to_owned()),
        ("tools/list", r#"{"tools":[]}"#, format!(r#"{{"tools":[],{cached}}}"#)),
        ("resources/read", r#"{"contents":[]}"#, format!(r#"{{"contents":[],{cached}}}"#)),
        (
            "prompts/list",
            r#"{"ttlMs":5,"resultType":"x"}"#,
            r#"{"ttlMs":5,"resultType":"x","cacheScope":"private"}"#.to_owned(),
        ),
    ];
    for (method, result, expected) in table {
        let line = format!(r#"{{"jsonrpc":"2.0","id":9,"result":{result}}}"#);
        let got = text(response(method, line.as_bytes(), "\"h\"").unwrap());
        assert_eq!(got, format!(r#"{{"jsonrpc":"2.0","id":"h","result":{expected}}}"#), "{method}");
    }
    assert!(response("x", br#"{"jsonrpc":"2.0","method":"y"}"#, "1").is_none());
}

#[test]
fn e7_a_code_that_the_era_no_longer_has_becomes_another() {
    for (code, expected) in [(-32_002, -32_602), (-32_042, -32_603), (-32_001, -32_001), (7, 7)] {
        let line = format!(r#"{{"jsonrpc":"2.0","id":9,"error":{{"code":{code},"message":"m","data":{{"a":1}}}}}}"#);
        let got = text(response("resources/read", line.as_bytes(), "1").unwrap());
        let error = format!(r#"{{"code":{expected},"message":"m","data":{{"a":1}}}}"#);
        assert_eq!(got, format!(r#"{{"jsonrpc":"2.0","id":1,"error":{error}}}"#));
    }
}
