//! A host without a handshake (MCP 2026-07-28): every request brings its metadata, what it is asked stands in a result and is
//! answered by the request sent again, and what it hears of stands in a subscription.

use serde_json::{Map, Value, json};

use super::{Failure, Fault, Host, Line, Manners};
use crate::bridge::Bridge;

const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const CLIENT: &str = "io.modelcontextprotocol/clientInfo";
const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
const LEVEL: &str = "io.modelcontextprotocol/logLevel";
const SERVER: &str = "io.modelcontextprotocol/serverInfo";
const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

/// The code of a revision that is not served (MCP 2026-07-28, versioning).
const UNSUPPORTED_VERSION: i32 = -32022;
const METHOD_NOT_FOUND: i32 = -32601;

/// How often a request is sent again with answers.
const ROUNDS: usize = 10;

/// Such a host.
#[derive(Debug)]
pub struct Modern {
    line: Line,
    capabilities: Value,
    level: Option<String>,
    introduction: Value,
    /// The subscription that is open, by the id of its request.
    subscription: Option<u64>,
    /// What it acknowledged.
    acknowledged: Option<Value>,
}

impl Host for Modern {
    const NO_RESOURCE: i32 = -32602;
    const LATEST_REVISION: &str = "2026-07-28";

    async fn connect(bridge: Bridge, manners: Manners) -> Result<Self, Failure> {
        let mut host = Modern {
            line: Line::new(bridge, manners.answer),
            capabilities: manners.capabilities,
            level: None,
            introduction: Value::Null,
            subscription: None,
            acknowledged: None,
        };
        match host.request("server/discover", json!({})).await {
            Ok(mut discovered) => {
                let server = discovered["_meta"][SERVER].take();
                let [capabilities, instructions] = ["capabilities", "instructions"].map(|name| discovered[name].take());
                host.introduction =
                    json!({"serverInfo": server, "capabilities": capabilities, "instructions": instructions});
                Ok(host)
            }
            // Nobody needs to discover anything (MCP 2026-07-28, server/discover).
            Err(Failure { fault: Fault::Refused { error, .. }, .. }) if error["code"] == METHOD_NOT_FOUND => Ok(host),
            Err(failure) => Err(failure),
        }
    }

    fn introduction(&self) -> &Value {
        &self.introduction
    }

    fn line(&mut self) -> &mut Line {
        &mut self.line
    }

    async fn begin(&mut self, method: &str, params: &Value) -> Result<u64, Failure> {
        let mut params = params.clone();
        params["_meta"][VERSION] = Self::LATEST_REVISION.into();
        params["_meta"][CLIENT] = json!({"name": "modern-host", "version": "1"});
        params["_meta"][CAPABILITIES] = self.capabilities.clone();
        if let Some(level) = &self.level {
            params["_meta"][LEVEL] = level.as_str().into();
        }
        self.line.send_request(method, &params).await
    }

    async fn step(&mut self) -> Result<Option<Value>, Failure> {
        let message = self.line.receive().await?;
        if message.get("method").is_none() {
            return Ok(Some(message));
        }
        if message.get("id").is_some() {
            return Err(self.line.breach("a request to a modern host", message));
        }
        self.hear(message)?;
        Ok(None)
    }

    async fn request(&mut self, method: &str, params: Value) -> Result<Value, Failure> {
        let (mut round, mut negotiated) = (params.clone(), false);
        for _ in 0..=ROUNDS {
            let id = self.begin(method, &round).await?;
            let response = self.response(id).await?;
            if !negotiated && serves_ours(&response["error"]) {
                negotiated = true;
                continue;
            }
            let result = self.line.outcome(method, response)?;
            match result["resultType"].as_str() {
                None | Some("complete") => return Ok(result),
                Some("input_required") => round = self.answered(&params, &result)?,
                Some(_) => return Err(self.line.breach("a result of a type that there is none", result)),
            }
        }
        Err(self.line.failure(Fault::Rounds(method.to_owned(), ROUNDS)))
    }

    /// By a new subscription, which is there before the old one is ended.
    async fn follow(&mut self, resources: &[&str]) -> Result<(), Failure> {
        let filter = json!({
            "toolsListChanged": true,
            "promptsListChanged": true,
            "resourcesListChanged": true,
            "resourceSubscriptions": resources,
        });
        let id = self.begin("subscriptions/listen", &json!({"notifications": filter})).await?;
        let before = self.subscription.replace(id);
        let acknowledged = loop {
            if let Some(response) = self.step().await? {
                self.line.outcome("subscriptions/listen", response.clone())?;
                return Err(self.line.breach("a subscription that ends before it begins", response));
            }
            if let Some(acknowledged) = self.acknowledged.take() {
                break acknowledged;
            }
        };
        if acknowledged["resourceSubscriptions"].as_array().map_or(0, Vec::len) != resources.len() {
            return Err(self.line.breach("a resource is not followed", acknowledged));
        }
        match before {
            Some(before) => self.line.cancel(before).await,
            None => Ok(()),
        }
    }

    async fn log_level(&mut self, level: &str) -> Result<(), Failure> {
        self.level = Some(level.to_owned());
        Ok(())
    }
}

impl Modern {
    /// Keeps a notification without its mark; what belongs to a subscription that was ended is not heard any more.
    fn hear(&mut self, mut message: Value) -> Result<(), Failure> {
        let of_subscription = ["subscriptions/acknowledged", "list_changed", "resources/updated"]
            .iter()
            .any(|end| message["method"].as_str().is_some_and(|method| method.ends_with(end)));
        if !of_subscription {
            self.line.heard.push(message);
            return Ok(());
        }
        let Some(mark) = message["params"]["_meta"].as_object_mut().and_then(|meta| meta.remove(SUBSCRIPTION)) else {
            return Err(self.line.breach("a notification without its subscription", message));
        };
        if self.subscription.is_none_or(|open| mark != open) {
            return Ok(());
        }
        if message["params"]["_meta"] == json!({}) {
            message["params"].as_object_mut().map(|params| params.remove("_meta"));
        }
        if message["method"] == "notifications/subscriptions/acknowledged" {
            self.acknowledged = Some(message["params"]["notifications"].take());
        } else {
            self.line.heard.push(message);
        }
        Ok(())
    }

    /// The parameters of the next round (MCP 2026-07-28, patterns/mrtr): each member only if its counterpart came.
    fn answered(&mut self, params: &Value, required: &Value) -> Result<Value, Failure> {
        let mut round = params.clone();
        if let Some(requests) = required["inputRequests"].as_object() {
            let mut responses = Map::new();
            for (key, request) in requests {
                let method = request["method"].as_str().unwrap_or_default();
                let Some(answer) = self.line.asked(method, &request["params"]) else {
                    return Err(self.line.breach("a question that this host did not offer to answer", request.clone()));
                };
                responses.insert(key.clone(), answer);
            }
            round["inputResponses"] = responses.into();
        }
        if let Some(state) = required.get("requestState") {
            round["requestState"] = state.clone();
        }
        Ok(round)
    }
}

/// Whether an error refuses a revision and names ours among those that are served: the same request may be sent again.
fn serves_ours(error: &Value) -> bool {
    let supported = error["data"]["supported"].as_array();
    error["code"] == UNSUPPORTED_VERSION
        && supported.is_some_and(|all| all.iter().any(|one| one == Modern::LATEST_REVISION))
}
