//! What a host does with a bridge besides passing lines: it shakes hands, sends signals, no longer listens.

use std::process::ExitStatus;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::process::Command;
use tokio::sync::Notify;

use super::{Bridge, Broken, Ended, Hears, Options};

impl Options {
    /// Nobody reads its stdout until that is notified.
    #[must_use]
    pub fn reads_later(mut self) -> (Self, Arc<Notify>) {
        let begin = Arc::new(Notify::new());
        self.hears = Hears::Later(begin.clone());
        (self, begin)
    }
}

impl Bridge {
    /// Sends `initialize` as a host of 2025-11-25 does, and does not wait.
    pub async fn send_initialize(&mut self) -> u64 {
        let params = json!({
            "protocolVersion": "2025-11-25",
            "capabilities": {"elicitation": {}},
            "clientInfo": {"name": "test-host", "version": "1"},
        });
        self.send_request("initialize", params).await
    }

    /// Shakes hands as a host of another revision does; returns the response to `initialize`.
    pub async fn initialize_as(&mut self, revision: &str) -> Value {
        let client = json!({"name": "test-host", "version": "1"});
        let params = json!({"protocolVersion": revision, "capabilities": {}, "clientInfo": client});
        let response = self.request("initialize", params).await;
        self.send(json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
        response
    }

    /// Shakes hands as a host of 2025-11-25 does; returns the response to `initialize`.
    pub async fn initialize(&mut self) -> Value {
        let id = self.send_initialize().await;
        let response = self.response(id).await;
        if response.get("result").is_some() {
            self.send(json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
        }
        response
    }

    /// Calls a tool and returns the whole response.
    pub async fn call_tool(&mut self, name: &str, arguments: Value) -> Value {
        self.request("tools/call", json!({"name": name, "arguments": arguments})).await
    }

    /// Sends a signal, as `-TERM`.
    ///
    /// # Panics
    /// Where the bridge has ended already.
    #[cfg(unix)]
    pub async fn signal(&self, signal: &str) {
        let pid = self.id().expect("it runs").to_string();
        let sent = Command::new("kill").args([signal, &pid]).status().await;
        assert!(sent.is_ok_and(|status| status.success()), "`kill {signal} {pid}`");
    }

    /// Closes stdout, as a host does that no longer listens.
    pub async fn close_stdout(&mut self) {
        self.readers[0].abort();
        // The pipe is closed with the task.
        let _ = (&mut self.readers[0]).await;
        self.readers[0] = tokio::spawn(async {});
    }

    /// Waits for the end without reading what it said.
    ///
    /// # Panics
    /// Where it does not come.
    pub async fn exited(&mut self) -> ExitStatus {
        let exited = tokio::time::timeout(self.patience, self.child.wait()).await;
        let exited = exited.map_err(|_| Broken::Alive(self.patience));
        self.must(exited).expect("a status")
    }

    /// Kills it as a host does that has lost its patience (SIGKILL).
    pub async fn kill(mut self) -> Ended {
        let ended = self.try_kill().await;
        self.must(ended)
    }

    /// As [`Bridge::kill`]; an error where its pipes stay open: somebody else holds them.
    pub async fn try_kill(&mut self) -> Result<Ended, Broken> {
        // The only error is that it has ended already.
        let _ = self.child.start_kill();
        self.try_ended().await
    }
}
