//! The methods: what each request is answered, as JSON text. Nothing here knows HTTP.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::authorization::jwt::Claims;
use crate::faults::Fault;
use crate::mcp::message::{self, INVALID_PARAMS, METHOD_NOT_FOUND, Request};
use crate::mcp::modern::{self, Modern, results};
use crate::mcp::session::Session;
use crate::mcp::stream::Outlet;
use crate::mcp::tools::conformance;
use crate::mcp::{prompts, resources, tools};
use crate::state::{ServerState, Shared};

/// What a model is told of the server.
pub(crate) const INSTRUCTIONS: &str = "Weather, files and a profile, all made up.";

/// A JSON-RPC error.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct RpcError {
    pub(crate) code: i32,
    pub(crate) message: String,
    pub(crate) data: Option<Value>,
}

/// Wrong parameters (−32602).
pub(crate) fn invalid_params(message: impl Into<String>) -> RpcError {
    RpcError { code: INVALID_PARAMS, message: message.into(), data: None }
}

/// Everything that a running request may use.
pub(crate) struct Call {
    pub(crate) state: Shared,
    pub(crate) session: Arc<Session>,
    pub(crate) claims: Option<Claims>,
    pub(crate) outlet: Outlet,
    /// What a request of the modern era brings and leaves; `None` in the legacy one.
    pub(crate) modern: Option<Modern>,
}

/// A request that outlives the body it came in.
pub(crate) struct OwnedRequest {
    pub(crate) id: String,
    pub(crate) method: String,
    pub(crate) params: Option<Box<RawValue>>,
}

impl From<&Request<'_>> for OwnedRequest {
    fn from(request: &Request<'_>) -> Self {
        OwnedRequest {
            id: request.id.get().to_owned(),
            method: request.method.clone().into_owned(),
            params: request.params.map(ToOwned::to_owned),
        }
    }
}

/// A response as text.
pub(crate) struct Answer {
    pub(crate) text: String,
    /// The code of an error.
    pub(crate) error: Option<i32>,
}

/// The response to a request other than `initialize`.
pub(crate) async fn response(call: &Call, request: &OwnedRequest) -> Answer {
    let id = if call.state.has(Fault::WrongId) { "\"nobody\"" } else { &request.id };
    match answer(call, request).await {
        Ok(result) if call.modern.is_some() => {
            Answer { text: message::result(id, &results::completed(call, &request.method, &result)), error: None }
        }
        Ok(result) => Answer { text: message::result(id, &result), error: None },
        Err(error) => {
            let id = Some(id).filter(|_| !call.state.has(Fault::ErrorWithoutId));
            let text = message::error(id, error.code, &call.state.words(&error.message), error.data.as_ref());
            Answer { text, error: Some(error.code) }
        }
    }
}

async fn answer(call: &Call, request: &OwnedRequest) -> Result<String, RpcError> {
    let params = request.params.as_deref();
    if call.state.settings.mcp.conformance_fixtures
        && let Some(result) = conformance::answer(call, &request.method, params).await
    {
        return result;
    }
    match request.method.as_str() {
        "server/discover" if call.modern.is_some() => Ok(results::discovered(&call.state)),
        method if call.modern.is_some() && !modern::METHODS.contains(&method) => Err(unknown_method(method)),
        "ping" => Ok("{}".to_owned()),
        "tools/list" => tools::list(call, params),
        "tools/call" => tools::call(call, params).await,
        "logging/setLevel" => set_level(call, params),
        other if call.state.settings.mcp.tools_only => Err(unknown_method(other)),
        "resources/list" => resources::list(call, params),
        "resources/templates/list" => resources::templates(call, params),
        "resources/read" => resources::read(call, params).await,
        "resources/subscribe" => resources::subscribe(call, params),
        "resources/unsubscribe" => resources::unsubscribe(call, params),
        "prompts/list" => prompts::list(call, params),
        "prompts/get" => prompts::get(call, params).await,
        "completion/complete" => prompts::complete(params),
        other => Err(unknown_method(other)),
    }
}

pub(crate) fn unknown_method(method: &str) -> RpcError {
    RpcError { code: METHOD_NOT_FOUND, message: format!("there is no method {method}"), data: None }
}

fn set_level(call: &Call, params: Option<&RawValue>) -> Result<String, RpcError> {
    #[derive(Deserialize)]
    struct Params {
        level: String,
    }
    let params = parsed::<Params>(params)?;
    if call.session.set_level(&params.level) {
        Ok("{}".to_owned())
    } else {
        Err(invalid_params(format!("there is no log level {}", params.level)))
    }
}

/// What `initialize` brings (MCP 2025-11-25, lifecycle).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct InitializeParams {
    protocol_version: String,
    capabilities: Map<String, Value>,
    client_info: ClientInfo,
}

#[derive(Deserialize)]
struct ClientInfo {
    #[serde(rename = "name")]
    _name: String,
    #[serde(rename = "version")]
    _version: String,
}

/// Agrees on a revision: the client's if it is one of these, else the first. The session and the result.
pub(crate) fn initialize(
    state: &ServerState,
    params: Option<&RawValue>,
    claims: Option<&Claims>,
    versions: &[&'static str],
) -> Result<(Session, String), RpcError> {
    let params = parsed::<InitializeParams>(params)?;
    let _ = params.client_info;
    let asked = versions.iter().copied().find(|version| *version == params.protocol_version);
    let version = asked.or(versions.first().copied()).unwrap_or_default();
    let result = json!({
        "protocolVersion": version,
        "capabilities": capabilities(state),
        "serverInfo": server_info(),
        "instructions": INSTRUCTIONS,
    });
    Ok((Session::new(version, params.capabilities, claims), result.to_string()))
}

/// What the server says that it can do, in either era.
pub(crate) fn capabilities(state: &ServerState) -> Value {
    let mut capabilities = json!({ "tools": { "listChanged": true }, "logging": {} });
    if !state.settings.mcp.tools_only {
        capabilities["resources"] = json!({ "subscribe": true, "listChanged": true });
        capabilities["prompts"] = json!({ "listChanged": true });
        capabilities["completions"] = json!({});
    }
    capabilities
}

/// Who we say that we are.
pub(crate) fn server_info() -> Value {
    json!({ "name": "mcp-mock-server", "title": "Mock MCP server", "version": env!("CARGO_PKG_VERSION") })
}

/// The parameters as a type of their own; absent ones are an empty object.
pub(crate) fn parsed<'a, T: Deserialize<'a>>(params: Option<&'a RawValue>) -> Result<T, RpcError> {
    let text = params.map_or("{}", RawValue::get);
    serde_json::from_str(text).map_err(|error| invalid_params(error.to_string()))
}
