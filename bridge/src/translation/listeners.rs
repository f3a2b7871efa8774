//! The `subscriptions/listen` that a modern host has open at a legacy server (E9): what each is really served, which of them a
//! notification is for, and which resources must be subscribed to. Pure; how notifications come is not known here.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::json::RawObject;
use super::keys;
use super::subscriptions::{self, Filter, Offered};
use crate::message::Envelope;

/// How many notifications may wait for the acknowledgement of one listener.
const MOST_PENDING: usize = 256;

/// The filter of a `subscriptions/listen`; `None` where it has none that can be read.
#[must_use]
pub fn asked(params: Option<&str>) -> Option<Filter> {
    Some(Filter::read(&RawObject::of_params(params)?.object("notifications")?))
}

/// What a server that offers this serves of it.
#[must_use]
pub fn served(asked: Filter, offered: Offered) -> Filter {
    Filter {
        tools: asked.tools && offered.tools,
        prompts: asked.prompts && offered.prompts,
        resources: asked.resources && offered.resources,
        uris: if offered.subscribe { asked.uris } else { BTreeSet::new() },
    }
}

fn wants(filter: &Filter, method: &str, uri: Option<&str>) -> bool {
    match method {
        "notifications/tools/list_changed" => filter.tools,
        "notifications/prompts/list_changed" => filter.prompts,
        "notifications/resources/list_changed" => filter.resources,
        "notifications/resources/updated" => uri.is_some_and(|uri| filter.uris.iter().any(|own| is_of(uri, own))),
        _ => false,
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
    pending: Option<VecDeque<String>>,
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
    pub fn acknowledge(&mut self, number: u64, refused: &BTreeSet<String>) -> Vec<String> {
        let Some(listener) = self.open.get_mut(&number) else { return Vec::new() };
        listener.served.uris.retain(|uri| !refused.contains(uri));
        let params = format!("{{\"_meta\":{},\"notifications\":{}}}", tag(&listener.id), listener.served.json());
        let method = "notifications/subscriptions/acknowledged";
        let line = format!("{{\"jsonrpc\":\"2.0\",\"method\":\"{method}\",\"params\":{params}}}");
        std::iter::once(line).chain(listener.pending.take().unwrap_or_default()).collect()
    }

    /// A notification for each listener that wants it, with its tag. None where it is for nobody, or for those only that are
    /// not acknowledged yet.
    pub fn tagged(&mut self, notification: &[u8]) -> Vec<String> {
        let (Ok(envelope), Ok(text)) = (Envelope::parse(notification), str::from_utf8(notification)) else {
            return Vec::new();
        };
        let method = envelope.method.as_deref().unwrap_or_default();
        let uri = RawObject::of_params(envelope.params).and_then(|params| params.text("uri"));
        let mut now = Vec::new();
        for listener in self.open.values_mut().filter(|listener| wants(&listener.served, method, uri.as_deref())) {
            let Some(line) = subscriptions::tagged(text, "params", &listener.id) else { continue };
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
        self.open.values().any(|listener| listener.served.uris.contains(uri))
    }
}

/// The result that ends a listener from our side (MCP 2026-07-28, basic/patterns/subscriptions, "Graceful Closure").
#[must_use]
pub fn final_response(id: &str) -> Vec<u8> {
    let result = format!("{{\"resultType\":\"complete\",\"_meta\":{}}}", tag(id));
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{result}}}").into_bytes()
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
    use serde_json::{Value, json};

    use super::*;

    fn filter(notifications: Value) -> Filter {
        asked(Some(&json!({"notifications": notifications}).to_string())).unwrap()
    }

    fn values(lines: Vec<String>) -> Vec<Value> {
        lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn said(listeners: &mut Listeners, method: &str, params: Value) -> Vec<Value> {
        let line = json!({"jsonrpc": "2.0", "method": method, "params": params}).to_string();
        values(listeners.tagged(line.as_bytes()))
    }

    fn updated(uri: &str, id: &str) -> Value {
        let id: Value = serde_json::from_str(id).unwrap();
        json!({"jsonrpc": "2.0", "method": "notifications/resources/updated",
            "params": {"uri": uri, "_meta": {"io.modelcontextprotocol/subscriptionId": id}}})
    }

    fn update(listeners: &mut Listeners, uri: &str) -> Vec<Value> {
        said(listeners, "notifications/resources/updated", json!({"uri": uri}))
    }

    #[test]
    fn e9_what_the_server_does_not_offer_is_not_served() {
        let wanted =
            filter(json!({"toolsListChanged": true, "promptsListChanged": true, "resourceSubscriptions": ["a:1"]}));
        let tools = Offered { tools: true, ..Offered::default() };
        assert_eq!(served(wanted.clone(), tools), filter(json!({"toolsListChanged": true})));
        let resources = Offered { subscribe: true, ..Offered::default() };
        assert_eq!(served(wanted, resources), filter(json!({"resourceSubscriptions": ["a:1"]})));
        assert_eq!(asked(Some("{}")), None);
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
        let changed = said(&mut listeners, "notifications/prompts/list_changed", json!({"_meta": {"x": 1}}));
        let meta = json!({"x": 1, "io.modelcontextprotocol/subscriptionId": 2});
        assert_eq!(
            changed,
            [json!({"jsonrpc": "2.0", "method": "notifications/prompts/list_changed", "params": {"_meta": meta}})]
        );
        assert!(said(&mut listeners, "notifications/tools/list_changed", json!({})).is_empty());
        assert!(said(&mut listeners, "notifications/message", json!({})).is_empty());
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
