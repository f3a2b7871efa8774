//! What a legacy host looks like to a modern server (E1, E4, E5): its handshake is answered from `server/discover`, and each
//! of its requests carries what the handshake said once. Read next: [`super::input_required`], [`super::subscriptions`].

use bytes::Bytes;

use super::json::{RawObject, quoted};
use super::subscriptions::Offered;
use super::{LATEST_LEGACY, LEGACY, MODERN, keys};
use crate::message::{self, Envelope};

/// JSON-RPC 2.0 §5.1: the parameters are wrong; since MCP 2026-07-28 also: there is no such resource.
const INVALID_PARAMS: i64 = -32_602;
/// MCP up to 2025-11-25: there is no such resource.
const RESOURCE_NOT_FOUND: i64 = -32_002;

/// A legacy host, as each of its requests presents it.
#[derive(Debug)]
pub struct LegacyHost {
    /// `clientInfo`, to the letter.
    info: Option<String>,
    /// `capabilities` without what a modern server must not see.
    capabilities: String,
    /// The revision that it asked for.
    asked: String,
    /// What the server offers to tell of.
    pub offered: Offered,
}

/// Parameters that are no object: there is no place for metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`params` must be an object")]
pub struct NoObject;

impl LegacyHost {
    /// The host that sent these parameters of `initialize`.
    #[must_use]
    pub fn new(initialize: Option<&str>) -> Self {
        let params = RawObject::of_params(initialize).unwrap_or_default();
        let mut capabilities = params.object("capabilities").unwrap_or_default();
        // Tasks were another thing in the legacy era, and a modern client tells of no changed roots.
        capabilities.remove("tasks");
        if let Some(mut roots) = capabilities.object("roots").map(|roots| roots.to_string())
            && let Some(mut own) = RawObject::parse(&roots.clone())
        {
            own.remove("listChanged");
            roots = own.to_string();
            capabilities.set("roots", roots);
        }
        LegacyHost {
            info: params.object("clientInfo").map(|info| info.to_string()),
            capabilities: capabilities.to_string(),
            asked: params.text("protocolVersion").unwrap_or_default(),
            offered: Offered::default(),
        }
    }

    /// The `server/discover` on its behalf.
    #[must_use]
    pub fn discover(&self, id: &str) -> Bytes {
        self.own_request(id, "server/discover", RawObject::default())
    }

    /// A request of ours on its behalf.
    #[must_use]
    pub fn own_request(&self, id: &str, method: &str, mut params: RawObject<'_>) -> Bytes {
        params.set("_meta", self.metadata(RawObject::default(), None).to_string());
        format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"{method}\",\"params\":{params}}}").into()
    }

    /// The result of `initialize`, made of that of `server/discover`; `None` where that is none. `name` stands in for a
    /// server that does not say who it is.
    #[must_use]
    pub fn initialize_result(&mut self, discovered: &str, name: &str) -> Option<String> {
        let discovered = RawObject::parse(discovered)?;
        let capabilities = discovered.get("capabilities").unwrap_or("{}");
        self.offered = Offered::of(capabilities);
        let meta = discovered.object("_meta").unwrap_or_default();
        let info = meta.object(keys::SERVER_INFO).map(|info| info.to_string());
        let made_up = || format!("{{\"name\":{},\"version\":\"unknown\"}}", quoted(name));
        let mut result = RawObject::default();
        result.set("protocolVersion", quoted(self.version()));
        result.set("capabilities", capabilities);
        result.set("serverInfo", info.unwrap_or_else(made_up));
        if let Some(instructions) = discovered.get("instructions") {
            result.set("instructions", instructions);
        }
        Some(result.to_string())
    }

    /// The legacy revision that is spoken with the host.
    #[must_use]
    pub fn version(&self) -> &str {
        if LEGACY.contains(&self.asked.as_str()) { &self.asked } else { LATEST_LEGACY }
    }

    /// A request of the host as the server gets it, with this id, the level of the log messages that it wants, and what more
    /// is to stand in its parameters.
    ///
    /// # Errors
    /// [`NoObject`].
    pub fn request(
        &self,
        line: &str,
        id: &str,
        level: Option<&str>,
        more: &[(&str, String)],
    ) -> Result<Bytes, NoObject> {
        let mut request = RawObject::parse(line).ok_or(NoObject)?;
        let params = request.remove("params").unwrap_or("{}".into());
        let mut params = RawObject::parse(&params).ok_or(NoObject)?;
        let meta = params.remove("_meta").unwrap_or("{}".into());
        let meta = self.metadata(RawObject::parse(&meta).ok_or(NoObject)?, level).to_string();
        params.set("_meta", meta);
        for (key, value) in more {
            params.set(key, value.clone());
        }
        request.set("id", id);
        request.set("params", params.to_string());
        Ok(request.to_string().into())
    }

    /// What the host declared to do, for what it is asked to.
    #[must_use]
    pub fn can(&self, capability: &str, mode: Option<&str>) -> bool {
        let capabilities = RawObject::parse(&self.capabilities).unwrap_or_default();
        let Some(declared) = capabilities.object(capability) else { return false };
        match mode {
            None => true,
            // Without any mode it is the form (MCP 2025-11-25, elicitation).
            Some("form") => declared.get("form").is_some() || declared.get("url").is_none(),
            Some(mode) => declared.get(mode).is_some(),
        }
    }

    /// Whether it declared extensions, which may have results of their own.
    #[must_use]
    pub fn has_extensions(&self) -> bool {
        let capabilities = RawObject::parse(&self.capabilities).unwrap_or_default();
        capabilities.object("extensions").is_some_and(|extensions| !extensions.is_empty())
    }

    fn metadata<'a>(&'a self, mut meta: RawObject<'a>, level: Option<&str>) -> RawObject<'a> {
        meta.set(keys::PROTOCOL_VERSION, quoted(MODERN));
        if let Some(info) = &self.info {
            meta.set(keys::CLIENT_INFO, info.as_str());
        }
        meta.set(keys::CLIENT_CAPABILITIES, self.capabilities.as_str());
        match level {
            Some(level) => meta.set(keys::LOG_LEVEL, quoted(level)),
            None => drop(meta.remove(keys::LOG_LEVEL)),
        }
        meta
    }
}

/// A response as the host knows it (E5): a missing resource has the code of its era.
#[must_use]
pub fn response(method: &str, response: Bytes) -> Bytes {
    if method != "resources/read" || message::error_code(&response) != Some(INVALID_PARAMS) {
        return response;
    }
    let Some(mut whole) = str::from_utf8(&response).ok().and_then(RawObject::parse) else { return response.clone() };
    let error = whole.remove("error").unwrap_or_default();
    let Some(mut error) = RawObject::parse(&error) else { return response.clone() };
    error.set("code", RESOURCE_NOT_FOUND.to_string());
    whole.set("error", error.to_string());
    whole.to_string().into()
}

/// A notification as a host without subscriptions knows it: without the tag of one.
#[must_use]
pub fn notification(message: Bytes) -> Bytes {
    if memchr::memmem::find(&message, keys::SUBSCRIPTION_ID.as_bytes()).is_none() {
        return message;
    }
    untagged(&message).map_or(message, Bytes::from)
}

fn untagged(message: &[u8]) -> Option<String> {
    let mut whole = RawObject::parse(str::from_utf8(message).ok()?)?;
    let params = whole.remove("params")?;
    let mut params = RawObject::parse(&params)?;
    let meta = params.remove("_meta")?;
    let mut meta = RawObject::parse(&meta)?;
    meta.remove(keys::SUBSCRIPTION_ID)?;
    if !meta.is_empty() {
        params.set("_meta", meta.to_string());
    }
    whole.set("params", params.to_string());
    Some(whole.to_string())
}

/// Whether a notification of the host means something to a modern server: those of the legacy era do not.
#[must_use]
pub fn passes(notification: &Envelope<'_>) -> bool {
    !matches!(
        notification.method.as_deref(),
        Some(
            "notifications/initialized"
                | "notifications/roots/list_changed"
                | "notifications/progress"
                | "notifications/cancelled"
        )
    )
}

/// The level that a `logging/setLevel` sets, if it is one (RFC 5424's eight).
#[must_use]
pub fn level(params: Option<&str>) -> Option<String> {
    const LEVELS: [&str; 8] = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];
    let level = RawObject::of_params(params)?.text("level")?;
    LEVELS.contains(&level.as_str()).then_some(level)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARAMS: &str = r#"{"protocolVersion":"2025-06-18","clientInfo":{"name":"host","version":"1.0"},"capabilities":{"elicitation":{"form":{},"url":{}},"roots":{"listChanged":true},"tasks":{"list":{}},"x":1.0}}"#;

    fn text(bytes: &Bytes) -> &str {
        str::from_utf8(bytes).unwrap()
    }

    #[test]
    fn e1_every_request_says_who_the_host_is_and_keeps_what_it_had() {
        let host = LegacyHost::new(Some(PARAMS));
        let line = r#"{"jsonrpc":"2.0","id":1.0,"method":"tools/call","x":[ 1 ],"params":{"name":"a","arguments":{"n":1.50},"_meta":{"progressToken":7,"own/key":true}}}"#;
        let request = host.request(line, "1.0", Some("info"), &[]).unwrap();
        assert_eq!(
            text(&request),
            r#"{"jsonrpc":"2.0","id":1.0,"method":"tools/call","x":[ 1 ],"params":{"name":"a","arguments":{"n":1.50},"_meta":{"progressToken":7,"own/key":true,"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"host","version":"1.0"},"io.modelcontextprotocol/clientCapabilities":{"elicitation":{"form":{},"url":{}},"roots":{},"x":1.0},"io.modelcontextprotocol/logLevel":"info"}}}"#
        );
        assert_eq!(host.request(r#"{"id":1,"method":"x","params":[1]}"#, "1", None, &[]), Err(NoObject));
    }

    #[test]
    fn e1_a_request_without_parameters_gets_them() {
        let host = LegacyHost::new(None);
        let request = host.request(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#, "2", None, &[]).unwrap();
        assert_eq!(
            text(&request),
            r#"{"jsonrpc":"2.0","id":2,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}"#
        );
    }

    #[test]
    fn e1_initialize_is_answered_from_discover() {
        let discovered = r#"{"supportedVersions":["2026-07-28"],"capabilities":{"tools":{"listChanged":true}},"instructions":"do","_meta":{"io.modelcontextprotocol/serverInfo":{"name":"s","version":"2"}},"ttlMs":5}"#;
        let mut host = LegacyHost::new(Some(PARAMS));
        assert_eq!(
            host.initialize_result(discovered, "example.com").unwrap(),
            r#"{"protocolVersion":"2025-06-18","capabilities":{"tools":{"listChanged":true}},"serverInfo":{"name":"s","version":"2"},"instructions":"do"}"#
        );
        assert!(host.offered.tools && !host.offered.prompts);
        let mut host = LegacyHost::new(Some(r#"{"protocolVersion":"2030-01-01"}"#));
        let result = host.initialize_result(r#"{"capabilities":{}}"#, "example.com").unwrap();
        assert_eq!(
            result,
            r#"{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"example.com","version":"unknown"}}"#
        );
    }

    #[test]
    fn e5_a_missing_resource_has_the_code_of_the_hosts_era() {
        let missing = |code: i64| {
            Bytes::from(format!(
                r#"{{"jsonrpc":"2.0","id":1,"error":{{"code":{code},"message":"no","data":{{"uri":"x:1"}}}}}}"#
            ))
        };
        assert_eq!(response("resources/read", missing(-32_602)), missing(-32_002));
        assert_eq!(response("tools/call", missing(-32_602)), missing(-32_602));
        assert_eq!(response("resources/read", missing(-32_603)), missing(-32_603));
    }

    #[test]
    fn e3_a_notification_loses_its_tag_and_nothing_else() {
        let tagged = r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":1},"uri":"x:\u0031"}}"#;
        let other = r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"x:\u0031","_meta":{"a":1}}}"#;
        assert_eq!(
            text(&notification(Bytes::from(tagged))),
            r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"x:\u0031"}}"#
        );
        assert_eq!(text(&notification(Bytes::from(other))), other);
    }

    #[test]
    fn e2_what_the_host_declared_is_known_by_mode() {
        let host = |capabilities: &str| LegacyHost::new(Some(&format!(r#"{{"capabilities":{capabilities}}}"#)));
        let table = [
            (r#"{"elicitation":{}}"#, "elicitation", Some("form"), true),
            (r#"{"elicitation":{}}"#, "elicitation", Some("url"), false),
            (r#"{"elicitation":{"url":{}}}"#, "elicitation", Some("form"), false),
            (r#"{"elicitation":{"url":{}}}"#, "elicitation", Some("url"), true),
            (r#"{"sampling":{}}"#, "sampling", None, true),
            (r#"{}"#, "roots", None, false),
        ];
        for (capabilities, capability, mode, can) in table {
            assert_eq!(host(capabilities).can(capability, mode), can, "{capabilities} {capability} {mode:?}");
        }
    }

    #[test]
    fn e4_only_a_level_is_a_level() {
        assert_eq!(level(Some(r#"{"level":"info"}"#)).as_deref(), Some("info"));
        for wrong in [None, Some(r#"{"level":"loud"}"#), Some("[]"), Some(r#"{"level":1}"#)] {
            assert_eq!(level(wrong), None);
        }
    }
}
