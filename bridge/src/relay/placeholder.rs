//! What the bridge answers itself where the server cannot answer in time: a modest handshake, a tool that tells where
//! things stand, empty lists. Pure JSON out of a few facts.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::recall::Initialized;

/// The name of the tool that stands in for the server's.
pub const STATUS_TOOL: &str = "mcp_bridge_status";
/// The newest revision with a handshake.
const LATEST: &str = "2025-11-25";
/// The revisions with a handshake, which alone can be promised.
pub const REVISIONS: [&str; 4] = ["2024-11-05", "2025-03-26", "2025-06-18", LATEST];

/// Where things stand, for the model and the person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The upstream, safe to show.
    pub upstream: String,
    /// The URL where a person is asked to sign in.
    pub sign_in: Option<String>,
    /// The code that they enter there, if there is one.
    pub user_code: Option<String>,
    /// What went wrong last, with its hint.
    pub trouble: Option<String>,
}

impl Standing {
    /// The sentence that everybody is told.
    #[must_use]
    pub fn sentence(&self) -> String {
        let Standing { upstream, sign_in, user_code, trouble } = self;
        match (sign_in, trouble) {
            (Some(url), _) => match user_code {
                Some(code) => format!(
                    "{upstream} waits for a sign-in. Open this URL in a browser on any device and enter the code {code}: {url}"
                ),
                None => {
                    format!("{upstream} waits for a sign-in. Open this URL in a browser and sign in: {url}")
                }
            },
            (None, Some(trouble)) => format!("{upstream} is not there: {trouble}"),
            (None, None) => format!("{upstream} has not answered yet"),
        }
    }
}

/// The parameters of `initialize` that matter here.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct InitializeParams {
    /// The revision that the host asks for.
    pub protocol_version: String,
    /// Who the host is.
    pub client_info: ClientInfo,
    /// What the host can do.
    pub capabilities: Capabilities,
}

/// `clientInfo`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ClientInfo {
    /// Its name.
    pub name: String,
}

/// The capabilities of a host that matter here.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Capabilities {
    /// Elicitation, and its modes.
    pub elicitation: Elicitation,
}

/// `capabilities.elicitation`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Elicitation {
    /// URL mode (2025-11-25).
    pub url: Option<serde::de::IgnoredAny>,
}

impl InitializeParams {
    /// Reads what is there; a host that sends something else is an unknown host.
    #[must_use]
    pub fn read(params: Option<&str>) -> Self {
        params.and_then(|params| serde_json::from_str(params).ok()).unwrap_or_default()
    }
}

/// The result of `initialize`: the last known one, else a modest one.
#[must_use]
pub fn initialize(asked: &str, recalled: Option<&Initialized>, standing: &Standing) -> Value {
    let known = recalled.and_then(|known| {
        let mut result: Value = serde_json::from_str(known.result.get()).ok()?;
        if known.asked != asked {
            result["protocolVersion"] = promised(asked).into();
        }
        // What is listed until the server is there may have changed by then.
        for kind in ["tools", "resources", "prompts"] {
            if let Some(capability) =
                result.pointer_mut(&format!("/capabilities/{kind}")).and_then(Value::as_object_mut)
            {
                capability.insert("listChanged".into(), true.into());
            }
        }
        result.is_object().then_some(result)
    });
    known.unwrap_or_else(|| {
        json!({
            "protocolVersion": promised(asked),
            "capabilities": {
                "logging": {},
                "prompts": {"listChanged": true},
                "resources": {"listChanged": true},
                "tools": {"listChanged": true},
            },
            "serverInfo": {"name": "mcp-bridge", "version": env!("CARGO_PKG_VERSION")},
            "instructions": format!(
                "{}. Until then there is one tool, `{STATUS_TOOL}`, that tells how it stands; the server's own tools follow.",
                standing.sentence()
            ),
        })
    })
}

/// The revision that can be promised without the server.
fn promised(asked: &str) -> &str {
    if REVISIONS.contains(&asked) { asked } else { LATEST }
}

/// The result of a list without the server: one tool, or nothing.
#[must_use]
pub fn list(method: &str, standing: &Standing) -> Value {
    match method {
        "tools/list" => json!({"tools": [{
            "name": STATUS_TOOL,
            "title": "Connection status",
            "description": format!(
                "{}. Call this tool to see how it stands, and tell the person what it says. The server's own tools appear \
                 once it is connected; if they do not, restart this server in the host",
                standing.sentence()
            ),
            "inputSchema": {"type": "object", "properties": {}, "additionalProperties": false},
            "annotations": {"readOnlyHint": true, "openWorldHint": false},
        }]}),
        "resources/templates/list" => json!({"resourceTemplates": []}),
        "prompts/list" => json!({"prompts": []}),
        _ => json!({"resources": []}),
    }
}

/// A known first page without the cursor to the next one, which only the server knows.
#[must_use]
pub fn first_page(known: &RawValue) -> Value {
    let mut page: Value = serde_json::from_str(known.get()).unwrap_or_default();
    if let Some(page) = page.as_object_mut() {
        page.remove("nextCursor");
    }
    page
}

/// The result of the stand-in tool.
#[must_use]
pub fn status_result(text: &str) -> Value {
    json!({"content": [{"type": "text", "text": text}], "isError": false})
}

/// The capability that a method belongs to, with what a server without it would have answered; `None` where a server
/// that lacks the method is the host's business.
#[must_use]
pub fn without_capability(method: &str) -> Option<Value> {
    match method {
        "tools/list" => Some(json!({"tools": []})),
        "resources/list" | "resources/templates/list" | "prompts/list" => Some(list(method, &Standing::default())),
        "logging/setLevel" => Some(json!({})),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing() -> Standing {
        Standing {
            upstream: "`https://mcp.example.com/mcp`".into(),
            sign_in: Some("https://as.example/a?b".into()),
            user_code: None,
            trouble: None,
        }
    }

    #[test]
    fn a_modest_handshake_promises_lists_that_change_and_names_the_sign_in() {
        let result = initialize("2025-06-18", None, &standing());
        assert_eq!(result["protocolVersion"], "2025-06-18");
        assert_eq!(result["capabilities"]["tools"]["listChanged"], true);
        assert!(result["instructions"].as_str().unwrap().contains("https://as.example/a?b"));
        assert_eq!(initialize("2099-01-01", None, &standing())["protocolVersion"], "2025-11-25");
    }

    #[test]
    fn rfc8628_3_3_a_code_is_told_beside_its_url() {
        let standing = Standing { user_code: Some("WDJB-MJHT".into()), ..standing() };
        let sentence = standing.sentence();
        assert!(sentence.contains("WDJB-MJHT") && sentence.contains("https://as.example/a?b"), "{sentence}");
    }

    #[test]
    fn the_last_known_handshake_is_given_as_it_was_with_the_revision_asked_for_now() {
        let result = r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"x"}}"#;
        let result = RawValue::from_string(result.into()).unwrap();
        let known = Initialized { asked: "2025-11-25".into(), result };
        assert_eq!(initialize("2025-11-25", Some(&known), &standing())["serverInfo"]["name"], "x");
        assert_eq!(initialize("2025-03-26", Some(&known), &standing())["protocolVersion"], "2025-03-26");
        let capabilities = json!({"tools": {"listChanged": true}});
        assert_eq!(initialize("2025-11-25", Some(&known), &standing())["capabilities"], capabilities);
    }

    #[test]
    fn without_the_server_there_is_one_tool_that_says_where_to_sign_in() {
        let tools = list("tools/list", &standing());
        assert_eq!(tools["tools"][0]["name"], STATUS_TOOL);
        assert!(tools["tools"][0]["description"].as_str().unwrap().contains("https://as.example/a?b"));
        assert_eq!(list("prompts/list", &standing()), json!({"prompts": []}));
    }

    #[test]
    fn a_host_that_declares_url_elicitation_is_known() {
        let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
        let params = raw(
            r#"{"protocolVersion":"2025-11-25","clientInfo":{"name":"h"},"capabilities":{"elicitation":{"url":{}}}}"#,
        );
        let read = InitializeParams::read(Some(params.get()));
        assert!(read.capabilities.elicitation.url.is_some() && read.client_info.name == "h");
        assert_eq!(InitializeParams::read(Some("[1]")).protocol_version, "");
    }
}
