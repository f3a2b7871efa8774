//! A host that survives its bridge: what the bridge does wrong is told in one line, never a panic.

use serde_json::{Value, json};

use crate::bridge::{Bridge, Broken, Ended, Options};

/// A host with one bridge.
#[derive(Debug)]
pub struct Host {
    bridge: Bridge,
    next_id: u64,
}

/// What a host says of a bridge that does not do what it must.
#[derive(Debug, thiserror::Error)]
pub enum Disappointment {
    /// It is gone, mute or talks nonsense.
    #[error("{0}; stderr: {1:?}")]
    Broken(Broken, String),
    /// It answered with an error.
    #[error("{0} was answered {1}")]
    NoResult(&'static str, Value),
}

impl Host {
    /// Starts a bridge.
    #[must_use]
    pub fn start(options: Options) -> Self {
        Host { bridge: options.start(), next_id: 1 }
    }

    /// Shakes hands.
    ///
    /// # Errors
    /// Where the handshake is not answered with a result.
    pub async fn shake_hands(&mut self) -> Result<(), Disappointment> {
        let params = json!({
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "test-host", "version": "1"},
        });
        self.result("initialize", params).await?;
        let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        self.bridge.try_send(initialized).await.map_err(|broken| self.broken(broken))
    }

    /// Calls a tool.
    ///
    /// # Errors
    /// Where the call is not answered with a result.
    pub async fn call(&mut self) -> Result<(), Disappointment> {
        self.result("tools/call", json!({"name": "list_files", "arguments": {}})).await.map(drop)
    }

    /// Shakes hands and calls a tool.
    ///
    /// # Errors
    /// Where one of them is not answered with a result.
    pub async fn shake_hands_and_call(&mut self) -> Result<(), Disappointment> {
        self.shake_hands().await?;
        self.call().await
    }

    /// The whole answer to a call, result or error.
    ///
    /// # Errors
    /// Where there is none.
    pub async fn answer_to_a_call(&mut self) -> Result<Value, Disappointment> {
        self.answer("tools/call", json!({"name": "list_files", "arguments": {}})).await
    }

    /// The whole answer to `initialize`, result or error.
    ///
    /// # Errors
    /// Where there is none.
    pub async fn answer_to_initialize(&mut self) -> Result<Value, Disappointment> {
        let client = json!({"name": "test-host", "version": "1"});
        let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client});
        self.answer("initialize", params).await
    }

    async fn result(&mut self, method: &'static str, params: Value) -> Result<Value, Disappointment> {
        let answer = self.answer(method, params).await?;
        if answer.get("result").is_some() { Ok(answer) } else { Err(Disappointment::NoResult(method, answer)) }
    }

    async fn answer(&mut self, method: &'static str, params: Value) -> Result<Value, Disappointment> {
        let id = self.next_id;
        self.next_id += 1;
        let request = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        let answer = async {
            self.bridge.try_send(request).await?;
            self.bridge.try_response(|answered| answered == id).await
        };
        let answer = answer.await;
        self.bridge.others.clear();
        answer.map_err(|broken| self.broken(broken))
    }

    fn broken(&self, broken: Broken) -> Disappointment {
        let stderr = self.bridge.stderr();
        let tail: Vec<&str> = stderr.lines().rev().take(8).collect();
        Disappointment::Broken(broken, tail.into_iter().rev().collect::<Vec<_>>().join(" | "))
    }

    /// Kills the bridge (SIGKILL).
    ///
    /// # Errors
    /// Where its pipes stay open although it is dead: somebody else holds them.
    pub async fn kill(mut self) -> Result<Ended, Broken> {
        self.bridge.try_kill().await
    }

    /// Closes the bridge's stdin and waits for its end.
    ///
    /// # Errors
    /// Where it does not end.
    pub async fn end(mut self) -> Result<Ended, Broken> {
        self.bridge.close_stdin();
        self.bridge.try_ended().await
    }
}
