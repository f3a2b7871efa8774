//! A modern host at a legacy server (E7, E10): what a request says of itself is read and taken out, an `initialize` is made of
//! it, and what the server answers is completed. Pure; who sends what when is not known here.
//! Read next: [`super::held`] for what the server asks meanwhile, [`super::listeners`] for what it says unasked.

use serde_json::{Value, json};

use super::capabilities::Capabilities;
use super::era::UNSUPPORTED_VERSION;
use super::json::{RawObject, quoted};
use super::{LATEST_LEGACY, MODERN, keys};
use crate::message;

/// JSON-RPC 2.0 §5.1: the parameters are not what the method takes.
pub const INVALID_PARAMS: i64 = -32_602;
/// MCP 2025-11-25: no such resource; the modern era says [`INVALID_PARAMS`].
const RESOURCE_NOT_FOUND: i64 = -32_002;
/// MCP 2025-11-25, client/elicitation: a URL must be visited first.
pub const URL_ELICITATION_REQUIRED: i64 = -32_042;

/// What a modern request says of itself (MCP 2026-07-28, basic, "`_meta`").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// Who the client is, to the letter.
    pub client_info: Option<String>,
    /// What the client can do.
    pub capabilities: Capabilities,
    /// The least level of log messages that it wants; `None` wants none.
    pub log_level: Option<LogLevel>,
    /// Its progress token, to the letter.
    pub progress_token: Option<String>,
}

/// The levels of log messages (RFC 5424 §6.2.1), the chattiest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogLevel(usize);

const LEVELS: [&str; 8] = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];

impl LogLevel {
    /// The level of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        LEVELS.iter().position(|level| *level == name).map(LogLevel)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        LEVELS[self.0]
    }
}

/// Why a request cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The parameters or their `_meta` are no object.
    #[error("invalid params: `{0}` is no object")]
    NoObject(&'static str),
    /// A required member of `_meta` is missing, or of another kind.
    #[error("invalid params: `_meta` needs `{0}`")]
    Missing(&'static str),
    /// A level that is none.
    #[error("invalid params: `{}` is no log level", keys::LOG_LEVEL)]
    LogLevel,
    /// Another revision than the one that is spoken.
    #[error("unsupported protocol version")]
    Version {
        /// The one of the request.
        requested: String,
    },
}

impl Refusal {
    /// The error response.
    #[must_use]
    pub fn response(&self, id: &str) -> Vec<u8> {
        match self {
            Refusal::Version { requested } => {
                let data = json!({"supported": [MODERN], "requested": requested});
                error_response(id, UNSUPPORTED_VERSION, &self.to_string(), Some(&data))
            }
            _ => error_response(id, INVALID_PARAMS, &self.to_string(), None),
        }
    }
}

/// An error response.
#[must_use]
pub fn error_response(id: &str, code: i64, message: &str, data: Option<&Value>) -> Vec<u8> {
    let mut error = json!({"code": code, "message": message});
    if let Some(data) = data {
        error["data"] = data.clone();
    }
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"error\":{error}}}").into_bytes()
}

impl Metadata {
    /// Reads what the parameters of a request say.
    ///
    /// # Errors
    /// [`Refusal`], whose response the host must get.
    pub fn read(params: Option<&str>) -> Result<Self, Refusal> {
        let params = RawObject::of_params(params).ok_or(Refusal::NoObject("params"))?;
        let meta = match params.get("_meta") {
            None => return Err(Refusal::Missing(keys::PROTOCOL_VERSION)),
            Some(meta) => RawObject::parse(meta).ok_or(Refusal::NoObject("_meta"))?,
        };
        let version = meta.text(keys::PROTOCOL_VERSION).ok_or(Refusal::Missing(keys::PROTOCOL_VERSION))?;
        if version != MODERN {
            return Err(Refusal::Version { requested: version });
        }
        let capabilities = meta.get(keys::CLIENT_CAPABILITIES).and_then(Capabilities::read);
        let log_level = match meta.get(keys::LOG_LEVEL) {
            None => None,
            Some(_) => {
                let level = meta.text(keys::LOG_LEVEL).and_then(|name| LogLevel::named(&name));
                Some(level.ok_or(Refusal::LogLevel)?)
            }
        };
        Ok(Metadata {
            client_info: meta.object(keys::CLIENT_INFO).map(|info| info.to_string()),
            capabilities: capabilities.ok_or(Refusal::Missing(keys::CLIENT_CAPABILITIES))?,
            log_level,
            progress_token: meta.get("progressToken").map(str::to_owned),
        })
    }
}

/// The `initialize` on behalf of a modern host. `client_info` is its own, else ours is told.
#[must_use]
pub fn initialize(id: &str, client_info: Option<&str>, capabilities: &Capabilities) -> Vec<u8> {
    let ours = json!({"name": "mcp-bridge", "version": env!("CARGO_PKG_VERSION")}).to_string();
    let client_info = client_info.unwrap_or(&ours);
    let capabilities = capabilities.for_a_handshake();
    let params = format!(
        "{{\"protocolVersion\":\"{LATEST_LEGACY}\",\"capabilities\":{capabilities},\"clientInfo\":{client_info}}}"
    );
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"initialize\",\"params\":{params}}}").into_bytes()
}

/// What says that the handshake is done.
pub const INITIALIZED: &[u8] = br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;

/// The result of `server/discover` out of an InitializeResult (E7). `None` where that is no object.
#[must_use]
pub fn discover_result(initialize_result: &str) -> Option<String> {
    let initialized = RawObject::parse(initialize_result)?;
    let mut capabilities = initialized.object("capabilities").unwrap_or_default();
    capabilities.remove("tasks");
    let mut meta = initialized.object("_meta").unwrap_or_default();
    if let Some(info) = initialized.get("serverInfo") {
        meta.set(keys::SERVER_INFO, info);
    }
    let mut result = RawObject::default();
    result.set("resultType", "\"complete\"");
    result.set("supportedVersions", format!("[{}]", quoted(MODERN)));
    result.set("capabilities", capabilities.to_string());
    if let Some(instructions) = initialized.get("instructions") {
        result.set("instructions", instructions);
    }
    result.set("ttlMs", "0");
    result.set("cacheScope", "\"private\"");
    if !meta.is_empty() {
        result.set("_meta", meta.to_string());
    }
    Some(result.to_string())
}

/// A request as a legacy server gets it: with this id, and with this progress token where it has one. What the modern era
/// put into it is gone, what else is there stays to the letter (E7).
#[must_use]
pub fn request(method: &str, params: Option<&str>, id: &str, progress_token: &str) -> Vec<u8> {
    let mut params = RawObject::of_params(params).unwrap_or_default();
    let meta = params.remove("_meta");
    if let Some(mut meta) = meta.as_deref().and_then(RawObject::parse) {
        for key in [keys::PROTOCOL_VERSION, keys::CLIENT_INFO, keys::CLIENT_CAPABILITIES, keys::LOG_LEVEL] {
            meta.remove(key);
        }
        if meta.get("progressToken").is_some() {
            meta.set("progressToken", progress_token);
        }
        if !meta.is_empty() {
            params.set("_meta", meta.to_string());
        }
    }
    if super::held::may_be_held(method) {
        params.remove("inputResponses");
        params.remove("requestState");
    }
    let params = if params.is_empty() { String::new() } else { format!(",\"params\":{params}") };
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":{}{params}}}", quoted(method)).into_bytes()
}

/// What tells the server that nobody waits for a request of this id any more (MCP 2025-11-25, utilities/cancellation).
#[must_use]
pub fn cancelled(id: &str) -> Vec<u8> {
    let params = format!("{{\"requestId\":{id},\"reason\":\"the client no longer waits for it\"}}");
    format!("{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{params}}}").into_bytes()
}

/// A legacy server's response to a request of this method as a modern host gets it, with the host's id. `None` where it is
/// no response.
#[must_use]
pub fn response(method: &str, response: &[u8], id: &str) -> Option<Vec<u8>> {
    let mut response = RawObject::parse(str::from_utf8(response).ok()?)?;
    let changed = match (response.get("result"), response.get("error")) {
        (Some(result), _) => complete(method, result).map(|result| ("result", result)),
        (None, Some(error)) => error_as_modern(error).map(|error| ("error", error)),
        (None, None) => return None,
    };
    if let Some((key, value)) = changed {
        response.set(key, value);
    }
    response.set("id", id);
    Some(response.to_string().into_bytes())
}

/// A result with what the modern era demands of it; what is there already stays. `None` where it is no object.
#[must_use]
pub fn complete(method: &str, result: &str) -> Option<String> {
    let mut result = RawObject::parse(result)?;
    result.set_if_absent("resultType", "\"complete\"");
    if may_be_cached(method) {
        result.set_if_absent("ttlMs", "0");
        result.set_if_absent("cacheScope", "\"private\"");
    }
    Some(result.to_string())
}

/// Whether results of a method say how long they are good for (MCP 2026-07-28, server/utilities/caching).
fn may_be_cached(method: &str) -> bool {
    matches!(
        method,
        "server/discover"
            | "tools/list"
            | "prompts/list"
            | "resources/list"
            | "resources/templates/list"
            | "resources/read"
    )
}

/// An error whose code the modern era no longer has, with the one that it has instead.
fn error_as_modern(error: &str) -> Option<String> {
    let mut error = RawObject::parse(error)?;
    let code = match error.get("code")?.parse::<i64>().ok()? {
        RESOURCE_NOT_FOUND => INVALID_PARAMS,
        URL_ELICITATION_REQUIRED => i64::from(message::INTERNAL_ERROR),
        _ => return None,
    };
    error.set("code", code.to_string());
    Some(error.to_string())
}

#[cfg(test)]
mod tests;
