//! The arguments of tools that headers mirror (MCP 2026-07-28, `x-mcp-header`), read from the tools' own schemas, and what
//! can be wrong with them in a list. Whether a request has the headers is looked at in `../modern/mirrored.rs`.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::{Value, json};

use super::{conformance, table, tool};
use crate::faults::Fault;
use crate::mcp::trouble;
use crate::state::ServerState;

const KEY: &str = "x-mcp-header";

/// An argument that a header mirrors: its path, and its name there.
pub(crate) type Annotated = (Vec<String>, String);

/// Those of a tool.
pub(crate) fn annotated(name: &str) -> &'static [Annotated] {
    static ANNOTATED: LazyLock<HashMap<String, Vec<Annotated>>> = LazyLock::new(|| {
        let tools = [table(), conformance::table(), conformance::modern::table()].concat();
        let annotations = |tool: &Value| {
            let mut found = Vec::new();
            collect(&tool["inputSchema"], &[], &mut found);
            (tool["name"].as_str().unwrap_or_default().to_owned(), found)
        };
        tools.iter().map(annotations).collect()
    });
    ANNOTATED.get(name).map_or(&[], Vec::as_slice)
}

fn collect(schema: &Value, path: &[String], found: &mut Vec<Annotated>) {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let path = [path, std::slice::from_ref(name)].concat();
        collect(property, &path, found);
        if let Some(header) = property[KEY].as_str() {
            found.push((path, header.to_owned()));
        }
    }
}

/// What the faults of the moment make of a list.
pub(super) fn harm(state: &ServerState, tools: &mut Vec<Value>) {
    if trouble::happens(state, Fault::LateAnnotations) {
        tools.iter_mut().for_each(forget);
    }
    if state.has(Fault::InvalidAnnotations) {
        tools.extend(invalid());
    }
}

fn forget(value: &mut Value) {
    if let Some(members) = value.as_object_mut() {
        members.remove(KEY);
        members.values_mut().for_each(forget);
    }
}

/// A tool for each rule that an annotation can break; its name says which.
fn invalid() -> impl Iterator<Item = Value> {
    let text = |header: Value| json!({ "a": { "type": "string", KEY: header } });
    let of_type = |kind: &str| json!({ "a": { "type": kind, KEY: "A" } });
    let inner = json!({ "type": "string", KEY: "A" });
    let broken = [
        ("empty", text("".into())),
        ("not-a-token", text("a b".into())),
        ("line-break", text("a\r\nb".into())),
        ("not-a-text", text(1.into())),
        ("twice", json!({ "a": { "type": "string", KEY: "A" }, "b": { "type": "string", KEY: "a" } })),
        ("number", of_type("number")),
        ("object", of_type("object")),
        ("array", of_type("array")),
        ("null", of_type("null")),
        ("items", json!({ "a": { "type": "array", "items": inner } })),
        ("one-of", json!({ "a": { "oneOf": [inner] } })),
    ];
    broken.into_iter().map(|(name, properties)| {
        let schema = json!({ "type": "object", "properties": properties });
        tool(&format!("invalid-{name}"), name, "Its annotation is invalid: no client may show it", &schema)
    })
}
