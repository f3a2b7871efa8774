//! What a legacy host is told unasked, as a modern server has it (E3; MCP 2026-07-28, patterns/subscriptions): one
//! `subscriptions/listen` for whatever the server offers and the resources that the host subscribed to.

use std::collections::BTreeSet;

use super::json::{RawObject, quoted};
use super::keys;

/// How many resources a host may subscribe to.
const MOST: usize = 4096;

/// What a server offers to tell of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offered {
    /// Changes of the list of tools.
    pub tools: bool,
    /// Changes of the list of prompts.
    pub prompts: bool,
    /// Changes of the list of resources.
    pub resources: bool,
    /// Changes of a resource.
    pub subscribe: bool,
}

impl Offered {
    /// By the server's capabilities.
    #[must_use]
    pub fn of(capabilities: &str) -> Self {
        let capabilities = RawObject::parse(capabilities).unwrap_or_default();
        let has = |kind: &str, what: &str| {
            capabilities.object(kind).is_some_and(|capability| capability.get(what) == Some("true"))
        };
        Offered {
            tools: has("tools", "listChanged"),
            prompts: has("prompts", "listChanged"),
            resources: has("resources", "listChanged"),
            subscribe: has("resources", "subscribe"),
        }
    }
}

/// What one stream is asked to bring, or is said to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// `toolsListChanged`.
    pub tools: bool,
    /// `promptsListChanged`.
    pub prompts: bool,
    /// `resourcesListChanged`.
    pub resources: bool,
    /// `resourceSubscriptions`.
    pub uris: BTreeSet<String>,
}

/// Nothing more can be subscribed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{MOST} resources are subscribed to already")]
pub struct TooMany;

impl Filter {
    /// Everything that is offered, and these resources.
    #[must_use]
    pub fn everything(offered: Offered, uris: BTreeSet<String>) -> Self {
        Filter { tools: offered.tools, prompts: offered.prompts, resources: offered.resources, uris }
    }

    /// Whether there is nothing to listen for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Filter::default()
    }

    /// The filter in a `notifications` object, whoever says it.
    #[must_use]
    pub fn read(notifications: &RawObject<'_>) -> Self {
        let is = |key: &str| notifications.get(key) == Some("true");
        let uris = notifications.get("resourceSubscriptions").and_then(|uris| serde_json::from_str(uris).ok());
        Filter {
            tools: is("toolsListChanged"),
            prompts: is("promptsListChanged"),
            resources: is("resourcesListChanged"),
            uris: uris.unwrap_or_default(),
        }
    }

    /// The same as JSON.
    #[must_use]
    pub fn json(&self) -> String {
        let mut notifications = RawObject::default();
        let lists = [
            ("toolsListChanged", self.tools),
            ("promptsListChanged", self.prompts),
            ("resourcesListChanged", self.resources),
        ];
        for (key, wanted) in lists {
            if wanted {
                notifications.set(key, "true");
            }
        }
        if !self.uris.is_empty() {
            notifications
                .set("resourceSubscriptions", serde_json::Value::from_iter(self.uris.iter().cloned()).to_string());
        }
        notifications.to_string()
    }

    /// With one more resource.
    ///
    /// # Errors
    /// [`TooMany`].
    pub fn with(&self, uri: &str) -> Result<Self, TooMany> {
        let mut more = self.clone();
        more.uris.insert(uri.to_owned());
        if more.uris.len() > MOST { Err(TooMany) } else { Ok(more) }
    }

    /// Without a resource.
    #[must_use]
    pub fn without(&self, uri: &str) -> Self {
        let mut less = self.clone();
        less.uris.remove(uri);
        less
    }

    /// What may have changed while nobody listened: the notifications that say so. A stream brings nothing that came before
    /// it.
    #[must_use]
    pub fn missed(&self) -> Vec<String> {
        let lists = [("tools", self.tools), ("prompts", self.prompts), ("resources", self.resources)];
        let lists = lists.into_iter().filter(|(_, wanted)| *wanted);
        let lists =
            lists.map(|(kind, _)| format!("{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/{kind}/list_changed\"}}"));
        let updated = self.uris.iter().map(|uri| {
            let params = format!("{{\"uri\":{}}}", quoted(uri));
            format!("{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/resources/updated\",\"params\":{params}}}")
        });
        lists.chain(updated).collect()
    }
}

/// The filter that an acknowledgement names; `None` where the notification is none.
#[must_use]
pub fn acknowledged(method: Option<&str>, params: Option<&str>) -> Option<Filter> {
    if method != Some("notifications/subscriptions/acknowledged") {
        return None;
    }
    let params = RawObject::of_params(params)?;
    Some(Filter::read(&params.object("notifications").unwrap_or_default()))
}

/// The same message with this tag in place of whatever it had (MCP 2026-07-28, subscriptions). `part` is `params` or
/// `result`.
#[must_use]
pub fn tagged(message: &str, part: &str, id: &str) -> Option<String> {
    let mut whole = RawObject::parse(message)?;
    let inner = whole.remove(part).unwrap_or("{}".into());
    let mut inner = RawObject::parse(&inner)?;
    let meta = inner.remove("_meta").unwrap_or("{}".into());
    let mut meta = RawObject::parse(&meta)?;
    meta.set(keys::SUBSCRIPTION_ID, id);
    inner.set("_meta", meta.to_string());
    whole.set(part, inner.to_string());
    Some(whole.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn e3_what_the_server_offers_is_listened_for_and_what_the_host_subscribed_to() {
        let offered = Offered::of(
            r#"{"tools":{"listChanged":true},"prompts":{"listChanged":false},"resources":{"subscribe":true},"logging":{}}"#,
        );
        assert_eq!(offered, Offered { tools: true, subscribe: true, ..Offered::default() });
        let filter = Filter::everything(offered, BTreeSet::new());
        let more = filter.with("x:1").unwrap().with("x:\"2").unwrap();
        let json = r#"{"toolsListChanged":true,"resourceSubscriptions":["x:\"2","x:1"]}"#;
        assert_eq!(more.json(), json);
        assert_eq!(Filter::read(&RawObject::parse(json).unwrap()), more);
        assert_eq!(more.without("x:1").without("x:\"2"), filter);
        assert!(Filter::default().is_empty() && !filter.is_empty());
    }

    #[test]
    fn e3_what_may_have_changed_meanwhile_is_announced() {
        let filter = Filter { tools: true, uris: BTreeSet::from(["x:1".to_owned()]), ..Filter::default() };
        assert_eq!(
            filter.missed(),
            [
                r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#,
                r#"{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"x:1"}}"#
            ]
        );
    }

    #[test]
    fn e3_an_acknowledgement_says_what_is_served() {
        let params = r#"{"_meta":{},"notifications":{"resourceSubscriptions":["x:1"]}}"#;
        let method = Some("notifications/subscriptions/acknowledged");
        assert_eq!(acknowledged(method, Some(params)).unwrap().uris.len(), 1);
        assert_eq!(acknowledged(Some("notifications/tools/list_changed"), None), None);
    }

    #[test]
    fn e9_a_message_is_tagged_with_the_subscription_that_it_is_for() {
        let message = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;
        assert_eq!(
            tagged(message, "params", "\"s\"").unwrap(),
            r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":"s"}}}"#
        );
    }
}
