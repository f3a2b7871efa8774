//! A host for the official conformance suite's client scenarios: it starts the real bridge with a state folder of its own,
//! shakes hands, lists the tools, calls them, and answers what the server asks meanwhile. It knows a scenario only where
//! that wants more than this, and judges nothing: the suite sees the wire. `tests/conformance/client` is the way in.

#[cfg(test)]
mod tests;

use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::bridge::{Bridge, Broken, Options};
use crate::browser::Browser;

/// The variable in which the bridge finds the secret of a client that the suite has registered.
const CLIENT_SECRET: &str = "CONFORMANCE_CLIENT_SECRET";

/// The document that the suite's authorization server takes for a client's; it is never fetched.
const CLIENT_METADATA: &str = "https://conformance-test.local/client-metadata.json";

/// The latest revision with a handshake.
const LATEST_LEGACY: &str = "2025-11-25";

/// How long one answer may take: less than the suite gives a scenario (30 s), so that it is told what was missing.
const ANSWER: Duration = Duration::from_secs(20);

/// What the suite wants.
#[derive(Debug, PartialEq, Eq)]
pub struct Task {
    scenario: String,
    /// The revision to speak.
    revision: String,
    /// What the scenario hands to the client beforehand, as its id.
    context: Value,
    upstream: String,
    /// More flags of the bridge.
    flags: Vec<String>,
}

/// Why a scenario was not played to its end.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The URL is missing.
    #[error("the server's URL is missing: `conformance-host [FLAGS OF THE BRIDGE] URL`")]
    NoUrl,
    /// Nothing says what to do.
    #[error("`MCP_CONFORMANCE_SCENARIO` names no scenario")]
    NoScenario,
    /// What the suite hands over is no JSON.
    #[error("`MCP_CONFORMANCE_CONTEXT` is no JSON: {0}")]
    Context(#[from] serde_json::Error),
    /// The bridge ended, or is silent.
    #[error("{broken}; the bridge said:\n{stderr}")]
    Broken {
        /// What is broken.
        broken: Broken,
        /// What it said.
        stderr: String,
    },
    /// A request was answered with an error.
    #[error("`{method}` was answered with {error}; the bridge said:\n{stderr}")]
    Refused {
        /// The request.
        method: String,
        /// The error.
        error: Value,
        /// What the bridge said.
        stderr: String,
    },
}

impl Task {
    /// What stands in the arguments, without the program's name, and in the variables of the suite.
    ///
    /// # Errors
    /// [`Failure::NoUrl`], [`Failure::NoScenario`], [`Failure::Context`].
    pub fn given(
        arguments: impl Iterator<Item = String>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, Failure> {
        let mut flags: Vec<_> = arguments.collect();
        let upstream = flags.pop().ok_or(Failure::NoUrl)?;
        let scenario = variable("MCP_CONFORMANCE_SCENARIO").ok_or(Failure::NoScenario)?;
        let context = match variable("MCP_CONFORMANCE_CONTEXT") {
            Some(context) => serde_json::from_str(&context)?,
            None => Value::Null,
        };
        // Revisions are dates: they order as text.
        let revision =
            variable("MCP_CONFORMANCE_PROTOCOL_VERSION").filter(|revision| revision.as_str() < LATEST_LEGACY);
        let revision = revision.unwrap_or_else(|| LATEST_LEGACY.to_owned());
        Ok(Task { scenario, revision, context, upstream, flags })
    }

    /// The flags of the bridge: what the person would have written into the host's configuration.
    fn arguments(&self) -> Vec<&str> {
        // What the bridge answers in the server's place is for hosts that cannot wait, which this one can.
        let mut arguments = vec!["--upstream", &self.upstream, "--patience", "0"];
        if let Some(id) = self.context["client_id"].as_str() {
            arguments.extend(["--client-id", id]);
            if self.context["client_secret"].is_string() {
                arguments.extend(["--client-secret-env", CLIENT_SECRET]);
            }
        }
        if self.scenario == "auth/basic-cimd" {
            arguments.extend(["--client-metadata-url", CLIENT_METADATA]);
        }
        arguments.extend(self.flags.iter().map(String::as_str));
        arguments
    }

    /// The parameters of each call of a tool, from those that the server lists.
    fn calls(&self, tools: &[Value]) -> Vec<Value> {
        let schema = |name: &str| tools.iter().find(|tool| tool["name"] == name).map(|tool| &tool["inputSchema"]);
        match self.scenario.as_str() {
            "json-schema-2020-12-preservation" => {
                let arguments = json!({"schema": schema("json_schema_2020_12_tool")});
                vec![json!({"name": "json_schema_echo", "arguments": arguments})]
            }
            _ => tools
                .iter()
                .map(|tool| json!({"name": tool["name"], "arguments": arguments_for(&tool["inputSchema"])}))
                .collect(),
        }
    }
}

/// Plays the scenario through, with the bridge's state in this folder.
///
/// # Errors
/// [`Failure`], with all that the bridge said on stderr.
///
/// # Panics
/// Where there is no port for the browser, or the bridge does not end.
pub async fn play(task: &Task, folder: &Path) -> Result<(), Failure> {
    let browser = Browser::obliging().await;
    let mut options = Options::new(&task.arguments(), folder).browser(&browser).patience(ANSWER);
    if let Some(secret) = task.context["client_secret"].as_str() {
        options = options.variable(CLIENT_SECRET, secret);
    }
    let bridge = options.try_start().map_err(|broken| Failure::Broken { broken, stderr: String::new() })?;
    let mut host = Host { bridge };
    let initialize = json!({
        "protocolVersion": task.revision,
        "capabilities": {"elicitation": {}},
        "clientInfo": {"name": "conformance-host", "version": "1"},
    });
    host.request("initialize", initialize).await?;
    host.bridge.send(json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
    let tools = host.request("tools/list", json!({})).await?;
    for call in task.calls(tools["tools"].as_array().map_or(&[], Vec::as_slice)) {
        host.request("tools/call", call).await?;
    }
    host.bridge.end().await;
    Ok(())
}

struct Host {
    bridge: Bridge,
}

impl Host {
    /// The result of a request. What the server asks meanwhile is answered.
    async fn request(&mut self, method: &str, params: Value) -> Result<Value, Failure> {
        let id = self.bridge.send_request(method, params).await;
        loop {
            let message = self.bridge.try_next().await;
            let mut message = message.map_err(|broken| Failure::Broken { broken, stderr: self.bridge.stderr() })?;
            if message.get("method").is_some() {
                self.answer(&message).await;
            } else if message["id"] == id {
                return match message.get_mut("result") {
                    Some(result) => Ok(result.take()),
                    None => {
                        let (method, error) = (method.to_owned(), message["error"].take());
                        Err(Failure::Refused { method, error, stderr: self.bridge.stderr() })
                    }
                };
            }
        }
    }

    /// Answers a request of the server; a notification needs none.
    async fn answer(&mut self, message: &Value) {
        let Some(id) = message.get("id") else { return };
        let outcome = match message["method"].as_str() {
            Some("ping") => ("result", json!({})),
            Some("elicitation/create") => {
                let content = defaults_of(&message["params"]["requestedSchema"]);
                ("result", json!({"action": "accept", "content": content}))
            }
            _ => ("error", json!({"code": -32601, "message": "this host does not offer that"})),
        };
        self.bridge.send(json!({"jsonrpc": "2.0", "id": id, (outcome.0): outcome.1})).await;
    }
}

/// What a person sends off who changes nothing in the form: the default of each field that has one.
fn defaults_of(schema: &Value) -> Map<String, Value> {
    let fields = schema["properties"].as_object().into_iter().flatten();
    fields.filter_map(|(name, field)| Some((name.clone(), field.get("default")?.clone()))).collect()
}

/// The arguments that a tool demands, with some value of the right type.
fn arguments_for(schema: &Value) -> Map<String, Value> {
    let names = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    names.map(|name| (name.to_owned(), some_value(&schema["properties"][name]))).collect()
}

fn some_value(schema: &Value) -> Value {
    match schema["type"].as_str() {
        Some("number" | "integer") => json!(2),
        Some("boolean") => json!(true),
        Some("array") => json!([]),
        Some("object") => json!({}),
        _ => json!("text"),
    }
}
