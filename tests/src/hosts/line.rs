//! The way from a host to the bridge: requests with ids of its own, one message after the other, and what was heard and asked
//! so far. It knows no era.

use serde_json::{Value, json};

use super::{Answer, Failure, Fault};
use crate::bridge::{Bridge, Broken, Ended};

/// A bridge, and what came of it.
#[derive(Debug)]
pub struct Line {
    bridge: Option<Bridge>,
    answer: Answer,
    last_id: u64,
    /// The notifications so far, in order, as a legacy host would see them.
    pub heard: Vec<Value>,
    /// What the server asked so far, in order: method and parameters.
    pub asked: Vec<Value>,
}

impl Line {
    pub(super) fn new(bridge: Bridge, answer: Answer) -> Self {
        Line { bridge: Some(bridge), answer, last_id: 0, heard: Vec::new(), asked: Vec::new() }
    }

    /// Sends a request as it is; its id.
    pub(super) async fn send_request(&mut self, method: &str, params: &Value) -> Result<u64, Failure> {
        self.last_id += 1;
        let id = self.last_id;
        self.send(&json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})).await?;
        Ok(id)
    }

    /// Sends a notification.
    ///
    /// # Errors
    /// [`Fault::Broken`].
    pub async fn notify(&mut self, method: &str, params: &Value) -> Result<(), Failure> {
        self.send(&json!({"jsonrpc": "2.0", "method": method, "params": params})).await
    }

    /// Takes back a request, as every host on stdio does.
    ///
    /// # Errors
    /// [`Fault::Broken`].
    pub async fn cancel(&mut self, id: u64) -> Result<(), Failure> {
        self.notify("notifications/cancelled", &json!({"requestId": id})).await
    }

    pub(super) async fn send(&mut self, message: &Value) -> Result<(), Failure> {
        let sent = match &mut self.bridge {
            Some(bridge) => bridge.try_send(message).await,
            None => Err(Broken::Stdout),
        };
        sent.map_err(|broken| self.failure(broken.into()))
    }

    pub(super) async fn receive(&mut self) -> Result<Value, Failure> {
        let received = match &mut self.bridge {
            Some(bridge) => bridge.try_next().await,
            None => Err(Broken::Stdout),
        };
        received.map_err(|broken| self.failure(broken.into()))
    }

    /// The host's answer to a question, which is kept; `None`: it does not offer that.
    pub(super) fn asked(&mut self, method: &str, params: &Value) -> Option<Value> {
        self.asked.push(json!({"method": method, "params": params}));
        (self.answer)(method, params)
    }

    /// The outcome that a response tells.
    pub(super) fn outcome(&self, method: &str, mut response: Value) -> Result<Value, Failure> {
        match response.get_mut("result") {
            Some(result) => Ok(result.take()),
            None => Err(self.failure(Fault::Refused { method: method.to_owned(), error: response["error"].take() })),
        }
    }

    pub(super) fn failure(&self, fault: Fault) -> Failure {
        Failure { fault, stderr: self.bridge.as_ref().map(Bridge::stderr).unwrap_or_default() }
    }

    pub(super) fn breach(&self, rule: &'static str, message: Value) -> Failure {
        self.failure(Fault::Breach(rule, message))
    }

    /// Closes stdin and waits for the end; a panic where it does not come.
    pub(super) async fn end(&mut self) -> Ended {
        self.bridge.take().expect("it has not ended yet").end().await
    }
}
