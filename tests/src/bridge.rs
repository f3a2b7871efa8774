//! The real bridge as a host's child process: lines in, lines out, and everything it said kept for the end.

use std::ffi::OsString;
use std::fmt::Display;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::PATIENCE;
use crate::browser::Browser;

/// How to start a bridge.
#[derive(Debug)]
pub struct Options {
    arguments: Vec<OsString>,
    environment: Vec<(String, OsString)>,
}

/// A bridge that runs.
#[derive(Debug)]
pub struct Bridge {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: mpsc::UnboundedReceiver<String>,
    /// Every line of stdout so far.
    seen: Arc<Mutex<Vec<String>>>,
    stderr: watch::Sender<String>,
    readers: [JoinHandle<()>; 2],
    next_id: u64,
    /// Messages that came while a response was awaited: notifications and requests of the server.
    pub others: Vec<Value>,
}

/// A bridge that has ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit status.
    pub status: ExitStatus,
    /// Every line of stdout.
    pub stdout: Vec<String>,
    /// All of stderr.
    pub stderr: String,
}

impl Options {
    /// `mcp-bridge ARGUMENTS`, with the little environment that hosts give and a state folder of one's own.
    pub fn new(arguments: &[&str], state: &Path) -> Self {
        let home = state.join("home");
        let environment = vec![
            ("PATH".to_owned(), std::env::var_os("PATH").unwrap_or_default()),
            ("HOME".to_owned(), home.into_os_string()),
            ("MCP_BRIDGE_STATE_DIR".to_owned(), state.join("state").into_os_string()),
        ];
        Options { arguments: arguments.iter().map(Into::into).collect(), environment }
    }

    /// A bridge to an upstream.
    pub fn to(upstream: &str, state: &Path) -> Self {
        Options::new(&["--upstream", upstream], state)
    }

    /// More arguments.
    #[must_use]
    pub fn with(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(Into::into));
        self
    }

    /// Another variable.
    #[must_use]
    pub fn variable(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// The browser that it opens.
    #[must_use]
    pub fn browser(mut self, browser: &Browser) -> Self {
        for (name, value) in browser.environment() {
            self = self.variable(name, value);
        }
        self
    }

    /// Starts it.
    ///
    /// # Panics
    /// Where the binary cannot be started.
    pub fn start(self) -> Bridge {
        let mut child = Command::new(crate::binary::mcp_bridge())
            .args(&self.arguments)
            .env_clear()
            .envs(self.environment)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("mcp-bridge starts");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (sender, lines) = mpsc::unbounded_channel();
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let out = tokio::spawn(read_lines(stdout, seen.clone(), sender));
        let stderr = watch::Sender::new(String::new());
        let err = tokio::spawn(read_all(child.stderr.take().expect("a pipe"), stderr.clone()));
        let stdin = child.stdin.take();
        Bridge { child, stdin, lines, seen, stderr, readers: [out, err], next_id: 1, others: Vec::new() }
    }
}

async fn read_lines(
    from: BufReader<tokio::process::ChildStdout>,
    seen: Arc<Mutex<Vec<String>>>,
    to: mpsc::UnboundedSender<String>,
) {
    let mut lines = from.lines();
    while let Ok(Some(line)) = lines.next_line().await {
        seen.lock().expect("no panic").push(line.clone());
        let _ = to.send(line);
    }
}

async fn read_all(mut from: tokio::process::ChildStderr, to: watch::Sender<String>) {
    let mut buffer = vec![0; 8192];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        to.send_modify(|said| said.push_str(&String::from_utf8_lossy(&buffer[..read])));
    }
}

impl Bridge {
    /// Its process id.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// What it has said on stderr so far.
    pub fn stderr(&self) -> String {
        self.stderr.borrow().clone()
    }

    /// Waits for a whole line of stderr that has a text in it.
    ///
    /// # Panics
    /// Where none comes for [`PATIENCE`].
    pub async fn stderr_line_with(&mut self, text: &str) -> String {
        let mut said = self.stderr.subscribe();
        let line = |said: &str| {
            let whole = &said[..said.rfind('\n').unwrap_or(0)];
            whole.lines().find(|line| line.contains(text)).map(str::to_owned)
        };
        let found = tokio::time::timeout(PATIENCE, said.wait_for(|said| line(said).is_some())).await;
        match found.ok().and_then(Result::ok).and_then(|said| line(&said)) {
            Some(line) => line,
            None => panic!("no `{text}` on stderr:\n{}", self.stderr()),
        }
    }

    /// Writes one line.
    ///
    /// # Panics
    /// Where stdin is closed.
    pub async fn send(&mut self, line: impl Display) {
        let stdin = self.stdin.as_mut().expect("stdin is open");
        stdin.write_all(format!("{line}\n").as_bytes()).await.expect("the bridge reads");
    }

    /// The next line of stdout, to the letter.
    ///
    /// # Panics
    /// Where none comes for [`PATIENCE`].
    pub async fn next_line(&mut self) -> String {
        match tokio::time::timeout(PATIENCE, self.lines.recv()).await {
            Ok(Some(line)) => line,
            Ok(None) => panic!("the bridge closed stdout; stderr:\n{}", self.stderr()),
            Err(_) => panic!("no line for {PATIENCE:?}; stderr:\n{}", self.stderr()),
        }
    }

    /// The next message.
    ///
    /// # Panics
    /// Where none comes, or the line is not JSON.
    pub async fn next(&mut self) -> Value {
        let line = self.next_line().await;
        serde_json::from_str(&line).unwrap_or_else(|e| panic!("not JSON ({e}): {line}"))
    }

    /// Sends a request and waits for its response; what comes between is kept in `others`.
    pub async fn request(&mut self, method: &str, params: Value) -> Value {
        let id = self.send_request(method, params).await;
        self.response(id).await
    }

    /// Sends a request and does not wait.
    pub async fn send_request(&mut self, method: &str, params: Value) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.send(json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})).await;
        id
    }

    /// The response to a request of [`Bridge::send_request`].
    pub async fn response(&mut self, id: u64) -> Value {
        loop {
            let message = self.next().await;
            if message["id"] == id && message.get("method").is_none() {
                return message;
            }
            self.others.push(message);
        }
    }

    /// Shakes hands as a host of 2025-11-25 does; returns the response to `initialize`.
    pub async fn initialize(&mut self) -> Value {
        let params = json!({
            "protocolVersion": "2025-11-25",
            "capabilities": {"elicitation": {}},
            "clientInfo": {"name": "test-host", "version": "1"},
        });
        let response = self.request("initialize", params).await;
        if response.get("result").is_some() {
            self.send(json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
        }
        response
    }

    /// Calls a tool and returns the whole response.
    pub async fn call_tool(&mut self, name: &str, arguments: Value) -> Value {
        self.request("tools/call", json!({"name": name, "arguments": arguments})).await
    }

    /// Closes stdin, as a host does that ends.
    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// Closes stdin and waits for the end.
    ///
    /// # Panics
    /// Where it does not come.
    pub async fn end(mut self) -> Ended {
        self.close_stdin();
        self.ended().await
    }

    /// Waits for the end.
    ///
    /// # Panics
    /// Where it does not come.
    pub async fn ended(mut self) -> Ended {
        let status = match tokio::time::timeout(PATIENCE, self.child.wait()).await {
            Ok(status) => status.expect("a status"),
            Err(_) => panic!("the bridge does not end; stderr:\n{}", self.stderr()),
        };
        for reader in &mut self.readers {
            reader.await.expect("no panic");
        }
        let stdout = self.seen.lock().expect("no panic").clone();
        Ended { status, stdout, stderr: self.stderr() }
    }

    /// Kills it as a host does that has lost its patience (SIGKILL).
    pub async fn kill(mut self) -> Ended {
        self.child.kill().await.expect("it can be killed");
        self.ended().await
    }
}
