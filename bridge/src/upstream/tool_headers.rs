//! Parameters of tools that go as headers too (T14): which ones is learnt from the tool lists that pass, by `x-mcp-header` in
//! their input schemas. A tool that says so where it may not is no tool that a client may use. Pure but for what it remembers;
//! no `$ref` is ever followed.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::modern::encoded;
use crate::message::Envelope;
use crate::untrusted::Untrusted;

const ANNOTATION: &str = "x-mcp-header";
/// How many tools are remembered.
const MOST: usize = 10_000;
/// The largest integer that every JSON parser keeps, either sign.
const SAFE: f64 = 9_007_199_254_740_991.0;

/// The annotated parameters of each tool that has some.
#[derive(Default)]
pub(super) struct ToolHeaders(Mutex<HashMap<String, Vec<Mirror>>>);

/// One parameter: its header, and where it lies in the arguments.
#[derive(Debug, PartialEq, Eq)]
struct Mirror {
    header: HeaderName,
    path: Vec<String>,
}

/// Why a tool's annotations will not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Invalid {
    #[error("a name that is no header's")]
    Name,
    #[error("two parameters with one name")]
    Twice,
    #[error("a parameter that is neither a string nor an integer nor a boolean")]
    Type,
    #[error("a place that is not reached by `properties` alone")]
    Place,
}

#[derive(Deserialize)]
struct Listed<'a> {
    #[serde(borrow)]
    tools: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Tool {
    name: String,
    #[serde(rename = "inputSchema", default)]
    input_schema: Value,
}

#[derive(Deserialize)]
struct Call {
    name: String,
    #[serde(default)]
    arguments: Value,
}

impl ToolHeaders {
    /// Learns from the response to `tools/list`, and gives it without the tools that break the rules; the rest of it to the
    /// byte.
    pub(super) fn learn(&self, response: Bytes) -> Bytes {
        let result = Envelope::parse(&response).ok().and_then(|envelope| envelope.result);
        let Some(listed) = result.and_then(|result| serde_json::from_str::<Listed<'_>>(result).ok()) else {
            return response;
        };
        let mut removed = Vec::new();
        for (number, raw) in listed.tools.iter().enumerate() {
            let Ok(tool) = serde_json::from_str::<Tool>(raw.get()) else { continue };
            match mirrors(&tool.input_schema) {
                Ok(mirrors) => self.remember(tool.name, mirrors),
                Err(invalid) => {
                    let name = Untrusted::new(tool.name);
                    tracing::warn!("the tool `{name}` is left out: its `{ANNOTATION}` has {invalid}");
                    removed.push(number);
                }
            }
        }
        if removed.is_empty() { response.clone() } else { without(&response, &listed.tools, &removed) }
    }

    /// Adds the headers for the parameters of a call.
    pub(super) fn mirror(&self, params: &str, headers: &mut HeaderMap) {
        let known = self.lock();
        if known.is_empty() {
            return;
        }
        let Ok(call) = serde_json::from_str::<Call>(params) else { return };
        for Mirror { header, path } in known.get(&call.name).into_iter().flatten() {
            let value = path.iter().try_fold(&call.arguments, |value, name| value.get(name));
            if let Some(value) = value.and_then(text).and_then(|text| HeaderValue::try_from(encoded(text)).ok()) {
                headers.insert(header.clone(), value);
            }
        }
    }

    fn remember(&self, name: String, mirrors: Vec<Mirror>) {
        let mut known = self.lock();
        if mirrors.is_empty() {
            known.remove(&name);
        } else if known.len() < MOST || known.contains_key(&name) {
            known.insert(name, mirrors);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Vec<Mirror>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for ToolHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ToolHeaders").field(&self.lock().len()).finish()
    }
}

/// The message without these elements of its array of tools, and a comma for each.
fn without(message: &Bytes, tools: &[&RawValue], removed: &[usize]) -> Bytes {
    let start_of = |tool: &RawValue| tool.get().as_ptr() as usize - message.as_ptr() as usize;
    let end_of = |tool: &RawValue| start_of(tool) + tool.get().len();
    let kept: Vec<&RawValue> =
        tools.iter().enumerate().filter(|(number, _)| !removed.contains(number)).map(|(_, tool)| *tool).collect();
    let (Some(first), Some(last)) = (tools.first(), tools.last()) else { return message.clone() };
    let mut out = message[..start_of(first)].to_vec();
    for (number, tool) in kept.into_iter().enumerate() {
        if number > 0 {
            out.push(b',');
        }
        out.extend_from_slice(tool.get().as_bytes());
    }
    out.extend_from_slice(&message[end_of(last)..]);
    out.into()
}

/// The annotated parameters of an input schema.
fn mirrors(schema: &Value) -> Result<Vec<Mirror>, Invalid> {
    let mut found = Vec::new();
    walk(schema, Some(&mut Vec::new()), &mut found)?;
    let mut names = HashSet::new();
    if found.iter().all(|mirror| names.insert(mirror.header.clone())) { Ok(found) } else { Err(Invalid::Twice) }
}

/// `path` is the way by `properties` alone; none where anything else lies between.
fn walk(schema: &Value, path: Option<&mut Vec<String>>, found: &mut Vec<Mirror>) -> Result<(), Invalid> {
    let object = match schema {
        Value::Object(object) => object,
        Value::Array(schemas) => return schemas.iter().try_for_each(|schema| walk(schema, None, found)),
        _ => return Ok(()),
    };
    if let Some(name) = object.get(ANNOTATION) {
        let path = path.as_deref().filter(|path| !path.is_empty()).ok_or(Invalid::Place)?;
        let is_primitive = matches!(object.get("type").and_then(Value::as_str), Some("string" | "integer" | "boolean"));
        if !is_primitive {
            return Err(Invalid::Type);
        }
        found.push(Mirror { header: header(name)?, path: path.clone() });
    }
    let mut path = path;
    for (keyword, value) in object {
        match (keyword.as_str(), value) {
            // Values, and no schemas.
            ("default" | "const" | "enum" | "examples", _) => {}
            ("properties", Value::Object(properties)) => {
                for (name, schema) in properties {
                    match &mut path {
                        Some(path) => {
                            path.push(name.clone());
                            let walked = walk(schema, Some(path), found);
                            path.pop();
                            walked?;
                        }
                        None => walk(schema, None, found)?,
                    }
                }
            }
            (_, value) => walk(value, None, found)?,
        }
    }
    Ok(())
}

fn header(name: &Value) -> Result<HeaderName, Invalid> {
    let name = name.as_str().filter(|name| !name.is_empty()).ok_or(Invalid::Name)?;
    HeaderName::try_from(format!("mcp-param-{name}")).map_err(|_| Invalid::Name)
}

/// A value as text; none where there is nothing to send.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(number) => {
            let whole = number.as_f64().filter(|value| value.fract() == 0.0 && value.abs() <= SAFE)?;
            Some(number.as_i64().map_or_else(|| format!("{whole:.0}"), |number| number.to_string()))
        }
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests;
