//! What every request says of its client in `_meta` (MCP 2026-07-28, basic/index): revision, capabilities, name, log level.
//! It knows no header and no method.

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::breach::Breach;
use crate::mcp::message::Request;
use crate::mcp::session::LEVELS;

const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const CLIENT: &str = "io.modelcontextprotocol/clientInfo";
const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
const LEVEL: &str = "io.modelcontextprotocol/logLevel";

/// The metadata of a request.
#[derive(Debug)]
pub(super) struct Metadata {
    /// The revision that it wants, whatever it is.
    pub(super) version: String,
    pub(super) capabilities: Map<String, Value>,
    /// The least severe level of log messages, by its place among [`LEVELS`]; `None`: no messages.
    pub(super) level: Option<usize>,
}

impl Metadata {
    /// Reads what a request must bring; its client's name it need not.
    pub(super) fn of(request: &Request<'_>) -> Result<Self, Breach> {
        let mut meta = meta(request.params).unwrap_or_default();
        let version = match meta.remove(VERSION) {
            Some(Value::String(version)) => version,
            Some(_) => return Err(Breach::WrongMetadata(VERSION)),
            None => return Err(Breach::NoMetadata(VERSION)),
        };
        let capabilities = match meta.remove(CAPABILITIES) {
            Some(Value::Object(capabilities)) => capabilities,
            Some(_) => return Err(Breach::WrongMetadata(CAPABILITIES)),
            None => return Err(Breach::NoMetadata(CAPABILITIES)),
        };
        if meta.get(CLIENT).is_some_and(|client| !(client["name"].is_string() && client["version"].is_string())) {
            return Err(Breach::WrongMetadata(CLIENT));
        }
        let level = match meta.remove(LEVEL) {
            None => None,
            Some(level) => {
                let known = LEVELS.iter().position(|known| level == *known);
                Some(known.ok_or(Breach::WrongMetadata(LEVEL))?)
            }
        };
        Ok(Metadata { version, capabilities, level })
    }
}

/// Whether parameters bring a revision, as no legacy request does.
pub(super) fn is_in(params: Option<&RawValue>) -> bool {
    meta(params).is_some_and(|meta| meta.contains_key(VERSION))
}

fn meta(params: Option<&RawValue>) -> Option<Map<String, Value>> {
    #[derive(serde::Deserialize)]
    struct Params {
        #[serde(rename = "_meta")]
        meta: Map<String, Value>,
    }
    serde_json::from_str::<Params>(params?.get()).ok().map(|params| params.meta)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Breach, CAPABILITIES, CLIENT, LEVEL, Metadata, VERSION};
    use crate::mcp::message::{Message, parse};

    fn read(meta: &Value) -> Result<Metadata, Breach> {
        let body =
            json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": { "_meta": meta } }).to_string();
        match &parse(body.as_bytes()).unwrap().0[0] {
            Message::Request(request) => Metadata::of(request),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn revision_and_capabilities_must_be_there_the_name_need_not() {
        for (name, meta, outcome) in [
            ("nothing", json!({}), Some(Breach::NoMetadata(VERSION))),
            ("no capabilities", json!({ VERSION: "x" }), Some(Breach::NoMetadata(CAPABILITIES))),
            ("no revision", json!({ CAPABILITIES: {} }), Some(Breach::NoMetadata(VERSION))),
            ("a number as revision", json!({ VERSION: 1, CAPABILITIES: {} }), Some(Breach::WrongMetadata(VERSION))),
            (
                "a list of capabilities",
                json!({ VERSION: "x", CAPABILITIES: [] }),
                Some(Breach::WrongMetadata(CAPABILITIES)),
            ),
            ("no name", json!({ VERSION: "x", CAPABILITIES: {} }), None),
            (
                "a client without a name",
                json!({ VERSION: "x", CAPABILITIES: {}, CLIENT: {} }),
                Some(Breach::WrongMetadata(CLIENT)),
            ),
            (
                "a level that is none",
                json!({ VERSION: "x", CAPABILITIES: {}, LEVEL: "loud" }),
                Some(Breach::WrongMetadata(LEVEL)),
            ),
        ] {
            assert_eq!(read(&meta).err(), outcome, "{name}");
        }
    }
}
