//! A host with a handshake (MCP up to 2025-11-25): it is asked by requests, and what it sets holds for the session.

use serde_json::{Value, json};

use super::{Failure, Host, Line, Manners};
use crate::bridge::Bridge;

/// Such a host.
#[derive(Debug)]
pub struct Legacy {
    line: Line,
    introduction: Value,
    followed: Vec<String>,
}

impl Host for Legacy {
    const NO_RESOURCE: i32 = -32002;
    const LATEST_REVISION: &str = "2025-11-25";

    async fn connect(bridge: Bridge, manners: Manners) -> Result<Self, Failure> {
        let mut host =
            Legacy { line: Line::new(bridge, manners.answer), introduction: Value::Null, followed: Vec::new() };
        let initialize = json!({
            "protocolVersion": manners.revision,
            "capabilities": manners.capabilities,
            "clientInfo": {"name": "legacy-host", "version": "1"},
        });
        host.introduction = host.request("initialize", initialize).await?;
        host.line.notify("notifications/initialized", &json!({})).await?;
        Ok(host)
    }

    fn introduction(&self) -> &Value {
        &self.introduction
    }

    fn line(&mut self) -> &mut Line {
        &mut self.line
    }

    async fn begin(&mut self, method: &str, params: &Value) -> Result<u64, Failure> {
        self.line.send_request(method, params).await
    }

    async fn step(&mut self) -> Result<Option<Value>, Failure> {
        let message = self.line.receive().await?;
        let Some(method) = message["method"].as_str() else { return Ok(Some(message)) };
        let Some(id) = message.get("id") else {
            self.line.heard.push(message);
            return Ok(None);
        };
        let answer = match method {
            "ping" => Some(json!({})),
            method => self.line.asked(method, &message["params"]),
        };
        let outcome = match answer {
            Some(result) => ("result", result),
            None => ("error", json!({"code": -32601, "message": "this host does not offer that"})),
        };
        self.line.send(&json!({"jsonrpc": "2.0", "id": id, (outcome.0): outcome.1})).await?;
        Ok(None)
    }

    async fn request(&mut self, method: &str, params: Value) -> Result<Value, Failure> {
        let id = self.begin(method, &params).await?;
        let response = self.response(id).await?;
        self.line.outcome(method, response)
    }

    /// By `resources/subscribe`; lists need no word.
    async fn follow(&mut self, resources: &[&str]) -> Result<(), Failure> {
        let before = std::mem::replace(&mut self.followed, resources.iter().map(|&uri| uri.to_owned()).collect());
        for uri in resources.iter().filter(|uri| !before.iter().any(|known| known == *uri)) {
            self.request("resources/subscribe", json!({"uri": uri})).await?;
        }
        for uri in before.iter().filter(|known| !resources.contains(&known.as_str())) {
            self.request("resources/unsubscribe", json!({"uri": uri})).await?;
        }
        Ok(())
    }

    async fn log_level(&mut self, level: &str) -> Result<(), Failure> {
        self.request("logging/setLevel", json!({"level": level})).await.map(drop)
    }
}
