//! The real bridge as a host's child process: lines in, lines out, and everything it said kept for the end.

mod gestures;

use std::ffi::OsString;
use std::fmt::Display;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;

use crate::PATIENCE;
use crate::browser::Browser;

/// The variable that names the state folder.
const STATE_DIR: &str = "MCP_BRIDGE_STATE_DIR";

/// How to start a bridge.
#[derive(Debug)]
pub struct Options {
    under: Vec<OsString>,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    patience: Duration,
    hears: Hears,
}

/// When its stdout is read.
#[derive(Debug)]
enum Hears {
    AtOnce,
    Later(Arc<Notify>),
    Never,
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
    patience: Duration,
    /// Messages that came while a response was awaited: notifications and requests of the server.
    pub others: Vec<Value>,
}

/// Why nothing more comes from a bridge.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// It did not start.
    #[error("the bridge does not start: {0}")]
    NotStarted(std::io::Error),
    /// It no longer reads.
    #[error("the bridge does not read its stdin: {0}")]
    Stdin(std::io::Error),
    /// It no longer writes.
    #[error("the bridge closed its stdout")]
    Stdout,
    /// It wrote something that is no JSON.
    #[error("not JSON ({0}): {1}")]
    NotJson(serde_json::Error, String),
    /// It did not write.
    #[error("the bridge wrote no line for {0:?}")]
    Silent(Duration),
    /// It does not end.
    #[error("the bridge did not end within {0:?}")]
    Alive(Duration),
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
            ("PATH".into(), std::env::var_os("PATH").unwrap_or_default()),
            ("HOME".into(), home.into_os_string()),
            (STATE_DIR.into(), state.join("state").into_os_string()),
        ];
        let arguments = arguments.iter().map(Into::into).collect();
        Options { under: Vec::new(), arguments, environment, patience: PATIENCE, hears: Hears::AtOnce }
    }

    /// A bridge to an upstream.
    pub fn to(upstream: &str, state: &Path) -> Self {
        Options::new(&["--upstream", upstream], state)
    }

    /// Starts it by another program, as `prlimit --fsize=1000`.
    #[must_use]
    pub fn under(mut self, command: &[&str]) -> Self {
        self.under.extend(command.iter().map(Into::into));
        self
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
        self.environment.push((name.into(), value.into()));
        self
    }

    /// The environment of this process besides: what a person's browser needs. The state folder stays one's own.
    #[must_use]
    pub fn inherit_environment(mut self) -> Self {
        let own = self.environment.into_iter().filter(|(name, _)| name != "HOME");
        self.environment = std::env::vars_os().chain(own).collect();
        self
    }

    /// How long it may say nothing while something is awaited; [`PATIENCE`] otherwise.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Nobody reads its stdout, which stays open.
    #[must_use]
    pub fn deaf(mut self) -> Self {
        self.hears = Hears::Never;
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

    /// Starts it; a panic where the binary cannot be started.
    pub fn start(self) -> Bridge {
        self.try_start().expect("mcp-bridge starts")
    }

    /// Starts it.
    ///
    /// # Errors
    /// [`Broken::NotStarted`].
    ///
    /// # Panics
    /// Where the binary cannot be built.
    pub fn try_start(self) -> Result<Bridge, Broken> {
        let mut words = self.under;
        words.push(crate::binary::mcp_bridge().into());
        words.extend(self.arguments);
        let mut child = Command::new(&words[0])
            .args(&words[1..])
            .env_clear()
            .envs(self.environment)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(Broken::NotStarted)?;
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (sender, lines) = mpsc::unbounded_channel();
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let out = tokio::spawn(read_lines(stdout, seen.clone(), sender, self.hears));
        let stderr = watch::Sender::new(String::new());
        let err = tokio::spawn(read_all(child.stderr.take().expect("a pipe"), stderr.clone()));
        let stdin = child.stdin.take();
        let (readers, patience) = ([out, err], self.patience);
        Ok(Bridge { child, stdin, lines, seen, stderr, readers, next_id: 1, patience, others: Vec::new() })
    }
}

async fn read_lines(
    from: BufReader<tokio::process::ChildStdout>,
    seen: Arc<Mutex<Vec<String>>>,
    to: mpsc::UnboundedSender<String>,
    hears: Hears,
) {
    match hears {
        Hears::AtOnce => {}
        Hears::Later(begin) => begin.notified().await,
        Hears::Never => to.closed().await, // the pipe is held as long as the bridge
    }
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

    /// What it says on stderr, to be awaited.
    pub fn stderr_watch(&self) -> watch::Receiver<String> {
        self.stderr.subscribe()
    }

    /// Every line of stdout so far.
    pub fn stdout(&self) -> Vec<String> {
        self.seen.lock().expect("no panic").clone()
    }

    /// Writes one line.
    ///
    /// # Panics
    /// Where stdin is closed.
    pub async fn send(&mut self, line: impl Display) {
        let sent = self.try_send(line).await;
        self.must(sent);
    }

    /// Writes one line.
    ///
    /// # Errors
    /// Where the bridge does not read.
    pub async fn try_send(&mut self, line: impl Display) -> Result<(), Broken> {
        let closed = || Broken::Stdin(std::io::ErrorKind::BrokenPipe.into());
        let stdin = self.stdin.as_mut().ok_or_else(closed)?;
        stdin.write_all(format!("{line}\n").as_bytes()).await.map_err(Broken::Stdin)
    }

    /// The next line of stdout, to the letter; a panic where none comes in time.
    pub async fn next_line(&mut self) -> String {
        let line = self.try_next_line().await;
        self.must(line)
    }

    /// The next line of stdout; none once it has closed it.
    pub async fn try_line(&mut self) -> Option<String> {
        self.try_next_line().await.ok()
    }

    async fn try_next_line(&mut self) -> Result<String, Broken> {
        match tokio::time::timeout(self.patience, self.lines.recv()).await {
            Ok(Some(line)) => Ok(line),
            Ok(None) => Err(Broken::Stdout),
            Err(_) => Err(Broken::Silent(self.patience)),
        }
    }

    /// The next message.
    ///
    /// # Panics
    /// Where none comes, or the line is not JSON.
    pub async fn next(&mut self) -> Value {
        let message = self.try_next().await;
        self.must(message)
    }

    /// The next message. May be dropped while it waits.
    ///
    /// # Errors
    /// Where none comes, or the line is not JSON.
    pub async fn try_next(&mut self) -> Result<Value, Broken> {
        let line = self.try_next_line().await?;
        serde_json::from_str(&line).map_err(|error| Broken::NotJson(error, line))
    }

    fn must<T>(&self, result: Result<T, Broken>) -> T {
        result.unwrap_or_else(|broken| panic!("{broken}; stderr:\n{}", self.stderr()))
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
        let response = self.try_response(|answered| answered == id).await;
        self.must(response)
    }

    /// The next response whose id is meant; what comes between is kept in `others`, and looked at first. May be dropped while it waits.
    ///
    /// # Errors
    /// Where none comes.
    pub async fn try_response(&mut self, is_meant: impl Fn(&Value) -> bool) -> Result<Value, Broken> {
        let meant = |message: &Value| message.get("method").is_none() && is_meant(&message["id"]);
        if let Some(at) = self.others.iter().position(meant) {
            return Ok(self.others.remove(at));
        }
        loop {
            let message = self.try_next().await?;
            if meant(&message) {
                return Ok(message);
            }
            self.others.push(message);
        }
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

    /// Waits for the end; a panic where it does not come.
    pub async fn ended(mut self) -> Ended {
        let ended = self.try_ended().await;
        self.must(ended)
    }

    /// Waits for the end.
    ///
    /// # Errors
    /// Where it does not come.
    pub async fn try_ended(&mut self) -> Result<Ended, Broken> {
        let patience = self.patience;
        let ended = async {
            for reader in &mut self.readers {
                reader.await.expect("no panic");
            }
            self.child.wait().await.expect("a status")
        };
        let status = tokio::time::timeout(patience, ended).await.map_err(|_| Broken::Alive(patience))?;
        Ok(Ended { status, stdout: self.stdout(), stderr: self.stderr() })
    }
}
