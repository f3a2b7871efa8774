//! What a modern host says that it can do, as a legacy server may see it and as what that server asks is measured by it (E8,
//! E10). How a question reaches the host is not known here; read next: [`super::held`].

use serde_json::{Map, Value, json};

/// `io.modelcontextprotocol/clientCapabilities` of one request, or of several together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities(Map<String, Value>);

/// Why a question of the server may not be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undeclared {
    /// No client knows the method, or this one does not (JSON-RPC 2.0 §5.1).
    #[error("method not found: the client does not declare it")]
    Method,
    /// The method is declared, but not a mode or field of it (MCP 2025-11-25, client/elicitation, "Error Handling").
    #[error("invalid params: the client does not declare {0}")]
    Part(&'static str),
}

impl Capabilities {
    /// Reads the capabilities of a request; `None` where they are no object.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().map(Capabilities)
    }

    /// Adds what another request declares. True if that is more than was known.
    pub fn add(&mut self, other: &Capabilities) -> bool {
        add_all(&mut self.0, &other.0)
    }

    /// As they go into `initialize`: of roots no change is ever told, and tasks are of a kind that only the legacy era has.
    #[must_use]
    pub fn for_a_handshake(&self) -> String {
        let mut capabilities = self.0.clone();
        capabilities.remove("tasks");
        if let Some(roots) = capabilities.get_mut("roots").and_then(Value::as_object_mut) {
            roots.remove("listChanged");
        }
        Value::Object(capabilities).to_string()
    }

    /// Whether elicitation by URL is declared.
    #[must_use]
    pub fn elicit_by_url(&self) -> bool {
        self.0.get("elicitation").is_some_and(|elicitation| elicitation.get("url").is_some())
    }

    /// Whether the host may be asked this.
    ///
    /// # Errors
    /// [`Undeclared`], which the server is to be told.
    pub fn allow(&self, method: &str, params: Option<&str>) -> Result<(), Undeclared> {
        let capability = match method {
            "elicitation/create" => self.0.get("elicitation"),
            "sampling/createMessage" => self.0.get("sampling"),
            "roots/list" => self.0.get("roots"),
            _ => None,
        };
        let capability = capability.ok_or(Undeclared::Method)?;
        let params: Value = params.and_then(|params| serde_json::from_str(params).ok()).unwrap_or_default();
        match (method, params["mode"].as_str()) {
            ("elicitation/create", Some("url")) if !self.elicit_by_url() => {
                Err(Undeclared::Part("elicitation in URL mode"))
            }
            ("elicitation/create", Some("url")) => Ok(()),
            // An empty object declares forms.
            ("elicitation/create", _) if capability.get("form").is_none() && self.elicit_by_url() => {
                Err(Undeclared::Part("elicitation in form mode"))
            }
            ("sampling/createMessage", _)
                if capability.get("tools").is_none()
                    && (params.get("tools").is_some() || params.get("toolChoice").is_some()) =>
            {
                Err(Undeclared::Part("tools in sampling"))
            }
            _ => Ok(()),
        }
    }
}

/// What a host must declare for elicitation by URL, as `requiredCapabilities` of the error says it.
#[must_use]
pub fn url_elicitation() -> Value {
    json!({"elicitation": {"url": {}}})
}

/// Objects are joined, lists too; of two other values the first stays, so that two requests never take turns at it.
fn add_all(own: &mut Map<String, Value>, other: &Map<String, Value>) -> bool {
    let mut more = false;
    for (key, value) in other {
        match (own.get_mut(key), value) {
            (None, _) => {
                own.insert(key.clone(), value.clone());
                more = true;
            }
            (Some(Value::Object(own)), Value::Object(other)) => more |= add_all(own, other),
            (Some(Value::Array(own)), Value::Array(other)) => {
                let new: Vec<_> = other.iter().filter(|item| !own.contains(item)).cloned().collect();
                more |= !new.is_empty();
                own.extend(new);
            }
            _ => {}
        }
    }
    more
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Capabilities {
        Capabilities::read(text).unwrap()
    }

    #[test]
    fn e10_more_is_what_was_not_declared_before() {
        let mut all = read(r#"{"sampling":{},"extensions":{"x/y":{"mimeTypes":["a"],"n":1}}}"#);
        assert!(!all.add(&read("{}")) && !all.add(&read(r#"{"sampling":{},"extensions":{"x/y":{"n":2}}}"#)));
        assert!(all.add(&read(r#"{"sampling":{"tools":{}}}"#)));
        assert!(all.add(&read(r#"{"extensions":{"x/y":{"mimeTypes":["b","a"]}}}"#)));
        assert_eq!(all, read(r#"{"sampling":{"tools":{}},"extensions":{"x/y":{"mimeTypes":["a","b"],"n":1}}}"#));
    }

    #[test]
    fn e10_a_handshake_shows_neither_changes_of_roots_nor_tasks_and_all_else() {
        let shown = read(r#"{"roots":{"listChanged":true},"tasks":{},"extensions":{"x/y":{}},"odd":[1]}"#);
        assert_eq!(read(&shown.for_a_handshake()), read(r#"{"roots":{},"extensions":{"x/y":{}},"odd":[1]}"#));
        assert!(Capabilities::read("[]").is_none());
    }

    #[test]
    fn e8_a_host_is_asked_only_what_it_declares() {
        let (form, url) = (r#"{"mode":"form"}"#, r#"{"mode":"url","url":"https://a.example"}"#);
        let table = [
            ("{}", "elicitation/create", form, Err(Undeclared::Method)),
            (r#"{"elicitation":{}}"#, "elicitation/create", "{}", Ok(())),
            (r#"{"elicitation":{}}"#, "elicitation/create", url, Err(Undeclared::Part("elicitation in URL mode"))),
            (r#"{"elicitation":{"url":{}}}"#, "elicitation/create", url, Ok(())),
            (
                r#"{"elicitation":{"url":{}}}"#,
                "elicitation/create",
                form,
                Err(Undeclared::Part("elicitation in form mode")),
            ),
            (r#"{"elicitation":{"url":{},"form":{}}}"#, "elicitation/create", form, Ok(())),
            (r#"{"sampling":{}}"#, "sampling/createMessage", r#"{"messages":[]}"#, Ok(())),
            (
                r#"{"sampling":{}}"#,
                "sampling/createMessage",
                r#"{"tools":[]}"#,
                Err(Undeclared::Part("tools in sampling")),
            ),
            (r#"{"sampling":{"tools":{}}}"#, "sampling/createMessage", r#"{"tools":[],"toolChoice":{}}"#, Ok(())),
            (r#"{"sampling":{}}"#, "roots/list", "{}", Err(Undeclared::Method)),
            (r#"{"roots":{}}"#, "roots/list", "{}", Ok(())),
            (r#"{"roots":{}}"#, "x/unheard-of", "{}", Err(Undeclared::Method)),
        ];
        for (declared, method, params, expected) in table {
            assert_eq!(read(declared).allow(method, Some(params)), expected, "{declared} {method} {params}");
        }
    }
}
