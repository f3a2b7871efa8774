//! What this upstream answered last to what a host asks at its start, so that a host gets it in time when the server is
//! not there yet. Raw JSON, as it came. Where it is kept is not known here.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::message::Envelope;
use crate::translation::era::Spoken;

/// The lists that a host asks for at its start.
pub const LISTS: [&str; 4] = ["tools/list", "resources/list", "resources/templates/list", "prompts/list"];

/// The last known results.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Recalled {
    /// Of `initialize`, with the revision that the host had asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initialize: Option<Initialized>,
    /// Which eras the server speaks, as far as it is known (E0).
    #[serde(default, skip_serializing_if = "is_unknown")]
    pub eras: Spoken,
    /// Of each list, by its method; the first page.
    #[serde(default)]
    pub lists: BTreeMap<String, Box<RawValue>>,
}

fn is_unknown(eras: &Spoken) -> bool {
    *eras == Spoken::default()
}

/// A result of `initialize`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Initialized {
    /// `protocolVersion` of the request.
    pub asked: String,
    /// The result.
    pub result: Box<RawValue>,
}

/// Where results are kept. A failure is nobody's business here: nothing is recalled then.
pub trait Memory: std::fmt::Debug + Send + Sync {
    /// What was kept last.
    fn recall(&self) -> Recalled;
    /// Keeps this from now on.
    fn keep(&self, recalled: Recalled);
}

/// Whether a request is for the first page of a list that is recalled.
#[must_use]
pub fn is_first_page(request: &Envelope<'_>) -> bool {
    #[derive(Deserialize)]
    struct Params {
        cursor: Option<serde::de::IgnoredAny>,
    }
    request.method.as_deref().is_some_and(|method| LISTS.contains(&method))
        && request
            .params
            .is_none_or(|params| serde_json::from_str::<Params>(params).is_ok_and(|params| params.cursor.is_none()))
}

/// The notification that makes a host fetch a list again; templates go with the resources.
#[must_use]
pub fn list_changed(method: &str) -> Option<&'static str> {
    match method {
        "tools/list" => Some("notifications/tools/list_changed"),
        "resources/list" | "resources/templates/list" => Some("notifications/resources/list_changed"),
        "prompts/list" => Some("notifications/prompts/list_changed"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_page_of_a_list_is_recalled() {
        let table = [
            (r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#, true),
            (r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{}}}"#, true),
            (r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"cursor":"x"}}"#, false),
            (r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}"#, false),
        ];
        for (line, first) in table {
            assert_eq!(is_first_page(&Envelope::parse(line.as_bytes()).unwrap()), first, "{line}");
        }
    }

    #[test]
    fn what_is_kept_comes_back_to_the_letter() {
        let kept = r#"{"initialize":{"asked":"2025-11-25","result":{"a":1.10}},"lists":{"tools/list":{"tools": [ ]}}}"#;
        let recalled: Recalled = serde_json::from_str(kept).unwrap();
        assert_eq!(serde_json::to_string(&recalled).unwrap(), kept);
    }
}
