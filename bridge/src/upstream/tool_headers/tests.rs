//! Which annotations hold, what goes of a list, and what becomes of a call's parameters.

use serde_json::json;

use super::*;

fn list(tools: &[Value]) -> Bytes {
    let tools: Vec<String> = tools.iter().map(ToString::to_string).collect();
    let tools = tools.join(" , ");
    Bytes::from(format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"x":1.0,"tools":[ {tools} ],"ttlMs":0}}}}"#))
}

fn tool(name: &str, properties: &Value) -> Value {
    json!({"name": name, "inputSchema": {"type": "object", "properties": properties}})
}

fn mirrored(headers: &ToolHeaders, name: &str, arguments: &Value) -> Vec<(String, String)> {
    let mut map = HeaderMap::new();
    headers.mirror(&json!({"name": name, "arguments": arguments}).to_string(), &mut map);
    let mut seen: Vec<_> =
        map.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    seen.sort();
    seen
}

#[test]
fn t14_annotated_parameters_go_as_headers_wherever_properties_lead() {
    let headers = ToolHeaders::default();
    let properties = json!({
        "region": {"type": "string", "x-mcp-header": "Region"},
        "count": {"type": "integer", "x-mcp-header": "Count"},
        "dry": {"type": "boolean", "x-mcp-header": "Dry"},
        "where": {"type": "object", "properties": {"zone": {"type": "string", "x-mcp-header": "Zone"}}},
        "other": {"type": "string"},
    });
    let response = list(&[tool("query", &properties), tool("plain", &json!({"a": {"type": "string"}}))]);
    assert_eq!(headers.learn(response.clone()), response);
    let own = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let arguments = json!({"region": "us-west1", "count": -7, "dry": false, "where": {"zone": "ä"}, "other": "x"});
    assert_eq!(
        mirrored(&headers, "query", &arguments),
        [
            own("mcp-param-count", "-7"),
            own("mcp-param-dry", "false"),
            own("mcp-param-region", "us-west1"),
            own("mcp-param-zone", "=?base64?w6Q=?="),
        ]
    );
    assert_eq!(
        mirrored(&headers, "query", &json!({"region": "", "count": 2.0, "dry": null})),
        [own("mcp-param-count", "2"), own("mcp-param-region", ""),]
    );
    assert_eq!(mirrored(&headers, "query", &json!({"count": 9_007_199_254_740_993_u64, "region": ["x"]})), []);
    assert_eq!(mirrored(&headers, "plain", &json!({"a": "x"})), []);
}

#[test]
fn t14_a_tool_whose_annotation_will_not_do_is_taken_out_and_the_rest_stays_to_the_byte() {
    let string = |name: Value| json!({"type": "string", "x-mcp-header": name});
    let table = [
        ("an empty name", json!({"a": string(json!(""))}), Invalid::Name),
        ("no token", json!({"a": string(json!("a b"))}), Invalid::Name),
        ("a line break", json!({"a": string(json!("a\r\nb"))}), Invalid::Name),
        ("no string", json!({"a": string(json!(1))}), Invalid::Name),
        ("twice by case", json!({"a": string(json!("A")), "b": string(json!("a"))}), Invalid::Twice),
        ("a number", json!({"a": {"type": "number", "x-mcp-header": "A"}}), Invalid::Type),
        ("an object", json!({"a": {"type": "object", "x-mcp-header": "A"}}), Invalid::Type),
        ("no type", json!({"a": {"x-mcp-header": "A"}}), Invalid::Type),
        ("in items", json!({"a": {"type": "array", "items": string(json!("A"))}}), Invalid::Place),
        ("in a choice", json!({"a": {"oneOf": [string(json!("A"))]}}), Invalid::Place),
        ("behind a choice", json!({"a": {"anyOf": [{"properties": {"b": string(json!("A"))}}]}}), Invalid::Place),
        ("in definitions", json!({"a": {"$ref": "#/$defs/x", "$defs": {"x": string(json!("A"))}}}), Invalid::Place),
    ];
    let good = tool("good", &json!({"a": string(json!("A"))}));
    for (name, properties, expected) in table {
        let bad = tool("bad", &properties);
        assert_eq!(mirrors(&bad["inputSchema"]), Err(expected), "{name}");
        for (tools, kept) in [
            (vec![bad.clone(), good.clone()], vec![good.clone()]),
            (vec![good.clone(), bad.clone(), good.clone()], vec![good.clone(), good.clone()]),
            (vec![bad.clone()], vec![]),
        ] {
            let learnt = ToolHeaders::default().learn(list(&tools));
            let parsed: Value = serde_json::from_slice(&learnt).unwrap();
            assert_eq!(parsed["result"]["tools"], json!(kept), "{name}");
            assert!(
                learnt.starts_with(br#"{"jsonrpc":"2.0","id":1,"result":{"x":1.0,"tools":["#)
                    && learnt.ends_with(br#"],"ttlMs":0}}"#)
            );
        }
    }
    assert_eq!(mirrors(&string(json!("A"))), Err(Invalid::Place));
}

#[test]
fn t14_a_parameter_of_that_name_and_a_value_that_looks_so_are_no_annotations() {
    let properties =
        json!({"x-mcp-header": {"type": "string"}, "a": {"type": "object", "default": {"x-mcp-header": "A"}}});
    assert_eq!(mirrors(&tool("t", &properties)["inputSchema"]), Ok(Vec::new()));
}

#[test]
fn t14_what_is_no_list_passes() {
    for response in [r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":""}}"#, "no json"] {
        assert_eq!(ToolHeaders::default().learn(Bytes::from(response)), response);
    }
}
