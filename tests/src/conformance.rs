//! A host for the official conformance suite's client scenarios, of either era: it starts the real bridge with a state folder
//! of its own, uses what the server offers, and answers what that asks meanwhile. It knows a scenario only where that wants
//! more than this, and judges nothing: the suite sees the wire. `tests/conformance/client` is the way in, `hosts.rs` speaks.

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::bridge::{Broken, Options};
use crate::browser::Browser;
use crate::hosts::{self, Host, Legacy, Manners, Modern};

/// The variable in which the bridge finds the secret of a client that the suite has registered.
const CLIENT_SECRET: &str = "CONFORMANCE_CLIENT_SECRET";

/// The variable that says which host is to play, whatever the server speaks: `legacy`, as without it, or `modern`.
const HOST: &str = "CONFORMANCE_HOST";

/// The files below the folder that hold what the suite hands over, by the member of the context, with their flags.
const FILES: [(&str, &str, &str); 3] = [
    ("private_key_pem", "--private-key-file", "key.pem"),
    ("valid_jwt", "--assertion-file", "workload.jwt"),
    ("idp_id_token", "--id-token-file", "id-token.jwt"),
];

/// The document that the suite's authorization server takes for a client's; it is never fetched.
const CLIENT_METADATA: &str = "https://conformance-test.local/client-metadata.json";

/// How long one answer may take: less than the suite gives a scenario (30 s), so that it is told what was missing.
const ANSWER: Duration = Duration::from_secs(20);

/// What the suite wants.
#[derive(Debug, PartialEq, Eq)]
pub struct Task {
    scenario: String,
    host: Speech,
    /// The revision to speak.
    revision: String,
    /// What the scenario hands to the client beforehand, as its id.
    context: Value,
    upstream: String,
    /// More flags of the bridge.
    flags: Vec<String>,
}

/// How the host speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speech {
    Legacy,
    Modern,
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
    /// There is no such host.
    #[error("`CONFORMANCE_HOST` is `{0}`, neither `legacy` nor `modern`")]
    NoHost(String),
    /// There is no bridge.
    #[error(transparent)]
    NotStarted(Broken),
    /// It was not played to its end.
    #[error(transparent)]
    Unplayed(#[from] hosts::Failure),
    /// What the suite hands over cannot be laid down for the bridge.
    #[error("cannot write what the suite hands over: {0}")]
    NotWritten(#[from] std::io::Error),
}

impl Task {
    /// What stands in the arguments, without the program's name, and in the variables of the suite.
    ///
    /// # Errors
    /// [`Failure::NoUrl`], [`Failure::NoScenario`], [`Failure::NoHost`], [`Failure::Context`].
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
        let host = match variable(HOST).as_deref() {
            None | Some("legacy") => Speech::Legacy,
            Some("modern") => Speech::Modern,
            Some(other) => return Err(Failure::NoHost(other.to_owned())),
        };
        // Revisions are dates: they order as text.
        let asked =
            variable("MCP_CONFORMANCE_PROTOCOL_VERSION").filter(|revision| revision.as_str() < Legacy::LATEST_REVISION);
        let revision = match host {
            Speech::Legacy => asked.unwrap_or_else(|| Legacy::LATEST_REVISION.to_owned()),
            Speech::Modern => Modern::LATEST_REVISION.to_owned(),
        };
        Ok(Task { scenario, host, revision, context, upstream, flags })
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
        for (member, flag) in [("idp_client_id", "--idp-client-id"), ("idp_token_endpoint", "--idp-token-endpoint")] {
            if let Some(value) = self.context[member].as_str() {
                arguments.extend([flag, value]);
            }
        }
        if self.scenario == "auth/basic-cimd" {
            arguments.extend(["--client-metadata-url", CLIENT_METADATA]);
        }
        arguments.extend(self.flags.iter().map(String::as_str));
        arguments
    }

    /// Lays down in this folder what a person would have in files, and gives the flags that name them.
    #[expect(clippy::disallowed_methods, reason = "a torn file is of a run that was killed, and goes with its folder")]
    fn files(&self, folder: &Path) -> std::io::Result<Vec<String>> {
        let mut flags = Vec::new();
        for (member, flag, name) in FILES {
            if let Some(content) = self.context[member].as_str() {
                let file = folder.join(name);
                File::create(&file)?.write_all(content.as_bytes())?;
                flags.extend([flag.to_owned(), file.display().to_string()]);
            }
        }
        Ok(flags)
    }

    /// The parameters of each call of a tool, from those that the server lists.
    fn calls(&self, tools: &[Value]) -> Vec<Value> {
        let schema = |name: &str| tools.iter().find(|tool| tool["name"] == name).map(|tool| &tool["inputSchema"]);
        if let Some(calls) = self.context["toolCalls"].as_array() {
            return calls.clone();
        }
        match self.scenario.as_str() {
            // Its tool is to be listed, and cannot be called.
            "json-schema-ref-no-deref" => Vec::new(),
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
    let files = task.files(folder)?;
    let files = files.iter().map(String::as_str).collect::<Vec<_>>();
    let mut options = Options::new(&task.arguments(), folder).with(&files).browser(&browser).patience(ANSWER);
    if let Some(secret) = task.context["client_secret"].as_str() {
        options = options.variable(CLIENT_SECRET, secret);
    }
    let bridge = options.try_start().map_err(Failure::NotStarted)?;
    let manners =
        Manners { revision: task.revision.clone(), capabilities: json!({"elicitation": {}}), answer: answer_for };
    match task.host {
        Speech::Legacy => walk(Legacy::connect(bridge, manners).await?, task).await?,
        Speech::Modern => walk(Modern::connect(bridge, manners).await?, task).await?,
    }
    Ok(())
}

/// Uses what the server offers: each tool, and each prompt and resource where it has them.
async fn walk<H: Host>(mut host: H, task: &Task) -> Result<(), hosts::Failure> {
    let tools = host.list("tools/list", "tools").await?;
    for call in task.calls(&tools) {
        host.request("tools/call", call).await?;
    }
    if host.is_offered("prompts") {
        for prompt in host.list("prompts/list", "prompts").await? {
            host.request("prompts/get", json!({"name": prompt["name"]})).await?;
        }
    }
    if host.is_offered("resources") {
        for resource in host.list("resources/list", "resources").await? {
            host.request("resources/read", json!({"uri": resource["uri"]})).await?;
        }
    }
    host.end().await;
    Ok(())
}

fn answer_for(method: &str, params: &Value) -> Option<Value> {
    let content = || defaults_of(&params["requestedSchema"]);
    (method == "elicitation/create").then(|| json!({"action": "accept", "content": content()}))
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
