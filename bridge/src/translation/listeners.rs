//! The `subscriptions/listen` that a modern host has open at a legacy server (E9): what each is really served, which of them a
//! notification is for, and which resources must be subscribed to. Pure; how notifications come is not known here.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::Deserialize;
use serde_json::{Value, json};

use super::json::{RawObject, quoted};
use super::keys;

/// How many notifications may wait for the acknowledgement of one listener.
const MOST_PENDING: usize = 256;

/// What a listener wants to hear of (MCP 2026-07-28, basic/patterns/subscriptions, "Notification Filter").
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Filter {
    /// That tools changed.
    pub tools_list_changed: bool,
    /// That prompts changed.
    pub prompts_list_changed: bool,
    /// That resources changed.
    pub resources_list_changed: bool,
    /// That one of these was updated, by URI.
    pub resource_subscriptions: BTreeSet<String>,
}

impl Filter {
    /// Reads the filter of a `subscriptions/listen`; `None` where it has none that can be read.
    #[must_use]
    pub fn read(params: Option<&str>) -> Option<Self> {
        let params = RawObject::of_params(params)?;
        serde_json::from_str(params.get("notifications")?).ok()
    }

    /// What a server with these capabilities (of its InitializeResult) serves of it.
    #[must_use]
    pub fn served_by(mut self, capabilities: &Value) -> Self {
        let offers = |pointer| capabilities.pointer(pointer) == Some(&Value::Bool(true));
        self.tools_list_changed &= offers("/tools/listChanged");
        self.prompts_list_changed &= offers("/prompts/listChanged");
        self.resources_list_changed &= offers("/resources/listChanged");
        if !offers("/resources/subscribe") {
            self.resource_subscriptions.clear();
        }
        self
    }

    fn wants(&self, method: &str, uri: Option<&str>) -> bool {
        match method {
            "notifications/tools/list_changed" => self.tools_list_changed,
            "notifications/prompts/list_changed" => self.prompts_list_changed,
            "notifications/resources/list_changed" => self.resources_list_changed,
            "notifications/resources/updated" => {
                uri.is_some_and(|uri| self.resource_subscriptions.iter().any(|own| is_of(uri, own)))
            }
            _ => false,
        }
    }

    /// As the acknowledgement says it: what is not served is left out.
    fn to_json(&self) -> Value {
        let mut notifications = json!({});
        for (name, served) in [
            ("toolsListChanged", self.tools_list_changed),
            ("promptsListChanged", self.prompts_list_changed),
            ("resourcesListChanged", self.resources_list_changed),
        ] {
            if served {
                notifications[name] = true.into();
            }
        }
        if !self.resource_subscriptions.is_empty() {
            notifications["resourceSubscriptions"] = self.resource_subscriptions.iter().cloned().collect();
        }
        notifications
    }
}

/// Whether a notification is of the kind that only a listener gets.
#[must_use]
pub fn is_for_listeners(method: &str) -> bool {
    matches!(
        method,
        "notifications/tools/list_changed"
            | "notifications/prompts/list_changed"
            | "notifications/resources/list_changed"
            | "notifications/resources/updated"
    )
}

/// The listeners of one host, in the order in which they came.
#[derive(Debug, Default)]
pub struct Listeners {
    open: BTreeMap<u64, Listener>,
    came: u64,
}

#[derive(Debug)]
struct Listener {
    /// The id of its request, to the letter; a host may use one again.
    id: Box<str>,
    served: Filter,
    /// Until it is acknowledged: what it must not be told before.
    pending: Option<VecDeque<Vec<u8>>>,
}

impl Listeners {
    /// A listener comes, and is to be served this much. Gives its number.
    pub fn begin(&mut self, id: &str, served: Filter) -> u64 {
        self.came += 1;
        self.open.insert(self.came, Listener { id: id.into(), served, pending: Some(VecDeque::new()) });
        self.came
    }

    /// Acknowledges a listener without the resources that the server refused. Gives the acknowledgement and whatever came
    /// meanwhile; nothing where the listener is gone.
    pub fn acknowledge(&mut self, number: u64, refused: &BTreeSet<String>) -> Vec<Vec<u8>> {
        let Some(listener) = self.open.get_mut(&number) else { return Vec::new() };
        listener.served.resource_subscriptions.retain(|uri| !refused.contains(uri));
        let params = format!("{{\"_meta\":{},\"notifications\":{}}}", tag(&listener.id), listener.served.to_json());
        let method = "notifications/subscriptions/acknowledged";
        let line = format!("{{\"jsonrpc\":\"2.0\",\"method\":\"{method}\",\"params\":{params}}}");
        std::iter::once(line.into_bytes()).chain(listener.pending.take().unwrap_or_default()).collect()
    }

    /// A notification for each listener that wants it, with its tag. None where it is for nobody, or for those only that are
    /// not acknowledged yet.
    pub fn tagged(&mut self, method: &str, params: Option<&str>) -> Vec<Vec<u8>> {
        let uri = RawObject::of_params(params).and_then(|params| params.text("uri"));
        let mut now = Vec::new();
        for listener in self.open.values_mut() {
            if !listener.served.wants(method, uri.as_deref()) {
                continue;
            }
            let line = tagged(method, params, &listener.id);
            match &mut listener.pending {
                None => now.push(line),
                Some(pending) if pending.len() < MOST_PENDING && !pending.contains(&line) => pending.push_back(line),
                Some(_) => {}
            }
        }
        now
    }

    /// A listener goes.
    pub fn end(&mut self, number: u64) {
        self.open.remove(&number);
    }

    /// Whether a listener is served this resource.
    #[must_use]
    pub fn is_wanted(&self, uri: &str) -> bool {
        self.open.values().any(|listener| listener.served.resource_subscriptions.contains(uri))
    }
}

/// The result that ends a listener from our side (MCP 2026-07-28, basic/patterns/subscriptions, "Graceful Closure").
#[must_use]
pub fn final_response(id: &str) -> Vec<u8> {
    let result = format!("{{\"resultType\":\"complete\",\"_meta\":{}}}", tag(id));
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{result}}}").into_bytes()
}

/// A notification as one listener gets it.
#[must_use]
pub fn tagged(method: &str, params: Option<&str>, id: &str) -> Vec<u8> {
    let mut params = RawObject::of_params(params).unwrap_or_default();
    let mut meta = params.object("_meta").unwrap_or_default();
    meta.set(keys::SUBSCRIPTION_ID, id);
    let meta = meta.to_string();
    params.set("_meta", meta);
    format!("{{\"jsonrpc\":\"2.0\",\"method\":{},\"params\":{params}}}", quoted(method)).into_bytes()
}

fn tag(id: &str) -> String {
    format!("{{\"{}\":{id}}}", keys::SUBSCRIPTION_ID)
}

/// Whether what was updated is the resource or lies within it: a server may name a part of what was subscribed to.
fn is_of(updated: &str, subscribed: &str) -> bool {
    match updated.strip_prefix(subscribed) {
        Some(rest) => rest.is_empty() || subscribed.ends_with('/') || rest.starts_with(['/', '?', '#']),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(notifications: Value) -> Filter {
        Filter::read(Some(&json!({"notifications": notifications}).to_string())).unwrap()
    }

    fn values(lines: Vec<Vec<u8>>) -> Vec<Value> {
        lines.iter().map(|line| serde_json::from_slice(line).unwrap()).collect()
    }

    fn updated(uri: &str, id: &str) -> Value {
        let id: Value = serde_json::from_str(id).unwrap();
        json!({"jsonrpc": "2.0", "method": "notifications/resources/updated",
            "params": {"uri": uri, "_meta": {"io.modelcontextprotocol/subscriptionId": id}}})
    }

    fn update(listeners: &mut Listeners, uri: &str) -> Vec<Value> {
        values(listeners.tagged("notifications/resources/updated", Some(&json!({"uri": uri}).to_string())))
    }

    #[test]
    fn e9_what_the_server_does_not_offer_is_not_served() {
        let asked =
            filter(json!({"toolsListChanged": true, "promptsListChanged": true, "resourceSubscriptions": ["a:1"]}));
        let served = asked.clone().served_by(&json!({"tools": {"listChanged": true}, "prompts": {}, "resources": {}}));
        assert_eq!(served, filter(json!({"toolsListChanged": true})));
        assert_eq!(
            asked.served_by(&json!({"resources": {"subscribe": true}})),
            filter(json!({"resourceSubscriptions": ["a:1"]}))
        );
        assert_eq!(Filter::read(Some("{}")), None);
        assert_eq!(Filter::read(Some(r#"{"notifications":{"toolsListChanged":1}}"#)), None);
    }

    #[test]
    fn e9_the_acknowledgement_comes_first_and_says_what_is_served() {
        let mut listeners = Listeners::default();
        let wanted = filter(json!({"toolsListChanged": true, "resourceSubscriptions": ["a:1", "a:2"]}));
        let number = listeners.begin("\"l\"", wanted);
        assert!(update(&mut listeners, "a:1").is_empty() && update(&mut listeners, "a:1").is_empty());
        let lines = values(listeners.acknowledge(number, &BTreeSet::from(["a:2".to_owned()])));
        let acknowledged = json!({"jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged", "params": {
            "_meta": {"io.modelcontextprotocol/subscriptionId": "l"},
            "notifications": {"toolsListChanged": true, "resourceSubscriptions": ["a:1"]}}});
        assert_eq!(lines, [acknowledged, updated("a:1", "\"l\"")]);
        assert_eq!(update(&mut listeners, "a:2"), [] as [Value; 0]);
        assert!(listeners.acknowledge(99, &BTreeSet::new()).is_empty());
    }

    #[test]
    fn e9_a_notification_goes_once_to_each_listener_that_wants_it() {
        let mut listeners = Listeners::default();
        for (id, uris) in [("1", json!(["a:1", "a:1", "a:2"])), ("1.0", json!(["a:2"])), ("2", json!(["b:/"]))] {
            let number =
                listeners.begin(id, filter(json!({"resourceSubscriptions": uris, "promptsListChanged": id == "2"})));
            listeners.acknowledge(number, &BTreeSet::new());
        }
        assert_eq!(update(&mut listeners, "a:1"), [updated("a:1", "1")]);
        assert_eq!(update(&mut listeners, "a:2"), [updated("a:2", "1"), updated("a:2", "1.0")]);
        assert_eq!(update(&mut listeners, "b:/part"), [updated("b:/part", "2")]);
        assert!(update(&mut listeners, "a:11").is_empty());
        let changed = values(listeners.tagged("notifications/prompts/list_changed", Some(r#"{"_meta":{"x":1}}"#)));
        let meta = json!({"x": 1, "io.modelcontextprotocol/subscriptionId": 2});
        assert_eq!(
            changed,
            [json!({"jsonrpc": "2.0", "method": "notifications/prompts/list_changed", "params": {"_meta": meta}})]
        );
        assert!(listeners.tagged("notifications/tools/list_changed", None).is_empty());
        assert!(listeners.tagged("notifications/message", None).is_empty());
    }

    #[test]
    fn e9_a_resource_is_wanted_as_long_as_anybody_wants_it() {
        let mut listeners = Listeners::default();
        let first = listeners.begin("1", filter(json!({"resourceSubscriptions": ["a:1", "a:2"]})));
        let second = listeners.begin("1", filter(json!({"resourceSubscriptions": ["a:2"]})));
        listeners.end(first);
        assert!(!listeners.is_wanted("a:1") && listeners.is_wanted("a:2"), "an id may be used again");
        listeners.end(second);
        assert!(!listeners.is_wanted("a:2"));
    }

    #[test]
    fn e9_an_end_from_our_side_is_a_tagged_result() {
        let end: Value = serde_json::from_slice(&final_response("\"l\"")).unwrap();
        let meta = json!({"io.modelcontextprotocol/subscriptionId": "l"});
        assert_eq!(end, json!({"jsonrpc": "2.0", "id": "l", "result": {"resultType": "complete", "_meta": meta}}));
    }
}
