//! Subscriptions (MCP 2026-07-28, subscriptions): requests whose answer is a stream of what changes, until one side ends it.
//! Each says what it wants to hear; it is told first what it will be told. Changes themselves are made in `../changes.rs`.

use std::sync::{Arc, Mutex};

use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::faults::Fault;
use crate::mcp::changes::Listed;
use crate::mcp::message::{self, notification};
use crate::mcp::methods::{Call, RpcError, parsed};
use crate::mcp::resources;
use crate::mcp::stream::{self, Outlet};
use crate::state::{ServerState, lock};

/// What a subscription hears of, as it was acknowledged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, rename_all = "camelCase")]
struct Filter {
    #[serde(skip_serializing_if = "is_off")]
    tools_list_changed: bool,
    #[serde(skip_serializing_if = "is_off")]
    prompts_list_changed: bool,
    #[serde(skip_serializing_if = "is_off")]
    resources_list_changed: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    resource_subscriptions: Vec<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
fn is_off(value: &bool) -> bool {
    !value
}

impl Filter {
    fn wants(&self, list: Listed) -> bool {
        match list {
            Listed::Tools => self.tools_list_changed,
            Listed::Prompts => self.prompts_list_changed,
            Listed::Resources => self.resources_list_changed,
        }
    }
}

/// A subscription that is open; see [`MockServer::subscriptions`](crate::MockServer::subscriptions).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenSubscription {
    /// The id of its request, as it was spelled.
    pub id: String,
    /// The lists whose changes it hears of.
    pub lists: Vec<Listed>,
    /// The resources whose changes it hears of.
    pub resources: Vec<String>,
}

/// One that is open.
#[derive(Clone)]
struct Subscription {
    id: String,
    filter: Filter,
    outlet: Outlet,
}

/// All of them.
#[derive(Default)]
pub(crate) struct Subscriptions(Mutex<Vec<Arc<Subscription>>>);

impl Subscriptions {
    fn open(&self) -> Vec<Arc<Subscription>> {
        let mut all = lock(&self.0);
        all.retain(|subscription| subscription.outlet.is_open());
        all.clone()
    }

    pub(crate) fn described(&self) -> Vec<OpenSubscription> {
        let described = |subscription: &Arc<Subscription>| OpenSubscription {
            id: subscription.id.clone(),
            lists: [Listed::Tools, Listed::Resources, Listed::Prompts]
                .into_iter()
                .filter(|list| subscription.filter.wants(*list))
                .collect(),
            resources: subscription.filter.resource_subscriptions.clone(),
        };
        self.open().iter().map(described).collect()
    }

    /// Tells those who want to hear of a list; how many were told.
    pub(crate) async fn tell_list(&self, state: &ServerState, list: Listed) -> usize {
        self.tell(state, list.method(), json!({}), |filter| filter.wants(list)).await
    }

    /// Tells those who want to hear of a resource; how many were told.
    pub(crate) async fn tell_resource(&self, state: &ServerState, uri: &str) -> usize {
        let wants = |filter: &Filter| filter.resource_subscriptions.iter().any(|known| known == uri);
        self.tell(state, "notifications/resources/updated", json!({ "uri": uri }), wants).await
    }

    async fn tell(&self, state: &ServerState, method: &str, params: Value, wants: impl Fn(&Filter) -> bool) -> usize {
        let mut told = 0;
        for subscription in self.open().into_iter().filter(|subscription| wants(&subscription.filter)) {
            let text = notification(method, Some(&tagged(state, &params, &subscription.id)));
            told += usize::from(subscription.outlet.send(state, &text).await);
        }
        told
    }

    /// Ends all of them, each with its result.
    pub(crate) async fn end(&self, state: &ServerState) {
        let all = std::mem::take(&mut *lock(&self.0));
        for subscription in all {
            let result = tagged(state, &json!({ "resultType": "complete" }), &subscription.id);
            subscription.outlet.send(state, &message::result(&subscription.id, &result)).await;
            subscription.outlet.end().await;
        }
    }
}

/// Parameters with the subscription that they belong to: its id keeps its spelling.
fn tagged(state: &ServerState, params: &Value, id: &str) -> String {
    let members = params.to_string();
    if state.has(Fault::NoSubscriptionId) {
        return members;
    }
    let rest = members.strip_prefix('{').unwrap_or_default();
    let comma = if rest.starts_with('}') { "" } else { "," };
    format!(r#"{{"_meta":{{"io.modelcontextprotocol/subscriptionId":{id}}}{comma}{rest}"#)
}

/// Opens a subscription: its response, which begins with what was acknowledged.
pub(super) async fn opened(call: &Call, id: &str, params: Option<&RawValue>) -> Result<Response, RpcError> {
    #[derive(Deserialize)]
    struct Params {
        notifications: Filter,
    }
    let filter = granted(call, parsed::<Params>(params)?.notifications);
    let state = &call.state;
    let (sender, response) = stream::fed(state);
    let outlet = Outlet::Open(sender);
    let acknowledged = tagged(state, &json!({ "notifications": filter }), id);
    outlet.send(state, &notification("notifications/subscriptions/acknowledged", Some(&acknowledged))).await;
    let subscription = Subscription { id: id.to_owned(), filter, outlet };
    lock(&state.modern.subscriptions.0).push(Arc::new(subscription));
    Ok(response)
}

/// What of a filter is served: not what there is none of.
fn granted(call: &Call, wanted: Filter) -> Filter {
    let everything = !call.state.settings.mcp.tools_only;
    let served = everything && !call.state.has(Fault::NoResourceUpdates);
    let known = |uri: &String| served && resources::is_there(call, uri);
    Filter {
        tools_list_changed: wanted.tools_list_changed,
        prompts_list_changed: wanted.prompts_list_changed && everything,
        resources_list_changed: wanted.resources_list_changed && everything,
        resource_subscriptions: wanted.resource_subscriptions.into_iter().filter(known).collect(),
    }
}
