//! Who plays: an authorization server and a person who agrees, the lean upstream in a process of its own, and those who
//! are measured. The bridge is signed in before anything is measured, as it is in a host on any day but the first.

use std::io::{self, BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;

use mcp_mock_server::MockServer;
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;
use tokio::sync::oneshot;

use super::Settings;
use super::call::Call;
use super::piped::Piped;
use super::programs::Programs;
use super::subject::{Recipe, Start, Subject};
use super::upstream::{OPEN, PROTECTED};
use crate::browser;

/// Where the direct call is among those measured.
pub const DIRECT: usize = 0;
/// Where the bare forwarder is.
pub const FLOOR: usize = 1;
/// Where the bridge is.
pub const BRIDGE: usize = 2;

/// What a run needs until its end.
#[derive(Debug)]
pub struct Stage {
    origin: String,
    floor: PathBuf,
    bridge: PathBuf,
    others: Vec<String>,
    folder: TempDir,
    /// It ends when its stdin does.
    upstream: Child,
    _authorization: oneshot::Sender<()>,
}

/// Those measured, started. Another bridge that fails is told of and left out from then on.
#[derive(Debug)]
pub struct Cast<'a> {
    stage: &'a Stage,
    subjects: Vec<Option<Subject>>,
}

impl Stage {
    /// Builds what is missing, starts the servers and signs the bridge in.
    ///
    /// # Errors
    /// Where one of them does not start, or the sign-in does not work.
    pub fn set_up(settings: &Settings) -> io::Result<Self> {
        let programs = Programs::build()?;
        let bridge = settings.bridge.clone().unwrap_or_else(|| programs.path("mcp-bridge"));
        let issuer = authorization_server()?;
        let mut upstream = Command::new(programs.path("bench"))
            .args(["upstream", "--issuer", &issuer.url])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut origin = String::new();
        let stdout = upstream.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        BufReader::new(stdout).read_line(&mut origin)?;
        let origin = origin.trim().to_owned();
        let _ = issuer.issue_for.send(format!("{origin}{PROTECTED}"));
        let folder = tempfile::Builder::new().prefix("bench-").tempdir()?;
        let others = settings.others.clone();
        let floor = programs.path("bare-forwarder");
        let stage = Stage { origin, floor, bridge, others, folder, upstream, _authorization: issuer.alive };
        let mut first = Piped::start(
            stage.bridge().env("BROWSER", programs.path("test-browser")).env(browser::ADDRESS, issuer.browser),
        )?;
        first.initialize()?;
        first.call(&Call::small())?;
        drop(first);
        Ok(stage)
    }

    /// What they are called.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let others = self.others.iter().map(|command| {
            let program = command.split_whitespace().next().unwrap_or(command);
            Path::new(program).file_name().map_or(command.clone(), |name| name.to_string_lossy().into_owned())
        });
        ["direct", "floor", "bridge"].into_iter().map(str::to_owned).chain(others).collect()
    }

    /// How to start one of them.
    #[must_use]
    pub fn recipe(&self, index: usize) -> Recipe {
        let protected = format!("{}{PROTECTED}", self.origin);
        match index {
            DIRECT => Recipe::Direct(protected),
            FLOOR => Recipe::Piped(self.floor(&protected)),
            BRIDGE => Recipe::Piped(self.bridge()),
            other => {
                let open = format!("{}{OPEN}", self.origin);
                let words = self.others[other - BRIDGE - 1].split_whitespace();
                let mut words = words.map(|word| word.replace("{url}", &open));
                let mut command = Command::new(words.next().unwrap_or_default());
                command.args(words);
                Recipe::Piped(command)
            }
        }
    }

    /// The programs whose size is known.
    #[must_use]
    pub fn programs(&self) -> [(usize, PathBuf); 2] {
        [(FLOOR, self.floor.clone()), (BRIDGE, self.bridge.clone())]
    }

    /// Starts all of them.
    ///
    /// # Errors
    /// Where one does not start or does not answer.
    pub fn start_all(&self) -> io::Result<Cast<'_>> {
        let mut cast = Cast { stage: self, subjects: Vec::new() };
        for index in 0..self.names().len() {
            let started = self.started(index)?;
            cast.subjects.push(started.map(|(subject, _)| subject));
        }
        Ok(cast)
    }

    /// Starts one of them; `None` where another bridge does not start.
    ///
    /// # Errors
    /// Where one of our own does not start or does not answer.
    pub fn started(&self, index: usize) -> io::Result<Option<(Subject, Start)>> {
        self.forgiving(index, self.recipe(index).start())
    }

    /// Turns the error of another bridge into a word on stderr.
    fn forgiving<T>(&self, index: usize, result: io::Result<T>) -> io::Result<Option<T>> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(error) if index > BRIDGE => {
                super::progress(&format!("{} is left out: {error}", self.names()[index]));
                Ok(None)
            }
            Err(error) => Err(io::Error::other(format!("{}: {error}", self.names()[index]))),
        }
    }

    /// The bridge to a path of the upstream that wants no token.
    #[must_use]
    pub fn bridge_to(&self, path: &str) -> Command {
        let mut command = Command::new(&self.bridge);
        command.args(["--upstream", &format!("{}{path}", self.origin)]);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", self.folder.path().join("home"));
        command.env("MCP_BRIDGE_STATE_DIR", self.folder.path().join("state"));
        command
    }

    fn bridge(&self) -> Command {
        self.bridge_to(PROTECTED)
    }

    fn floor(&self, url: &str) -> Command {
        let mut command = Command::new(&self.floor);
        command.arg(url).env_clear();
        command
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        drop(self.upstream.stdin.take());
        let _ = self.upstream.wait();
    }
}

impl Cast<'_> {
    /// Has each of them do something, another one first in each round.
    ///
    /// # Errors
    /// Where one of our own fails.
    pub fn each(&mut self, round: usize, mut act: impl FnMut(usize, &mut Subject) -> io::Result<()>) -> io::Result<()> {
        let count = self.subjects.len();
        for index in (0..count).map(|at| (at + round) % count) {
            let Some(subject) = &mut self.subjects[index] else { continue };
            let acted = act(index, subject);
            if self.stage.forgiving(index, acted)?.is_none() {
                drop(self.subjects[index].take());
            }
        }
        Ok(())
    }
}

/// An authorization server and a person's browser, on a thread of their own.
struct Issuer {
    url: String,
    issue_for: oneshot::Sender<String>,
    /// Where a browser hands over what it was opened with.
    browser: String,
    /// Both live as long as this.
    alive: oneshot::Sender<()>,
}

fn authorization_server() -> io::Result<Issuer> {
    let (end, ended) = oneshot::channel::<()>();
    let (issue_for, resource) = oneshot::channel::<String>();
    let (ready, is_ready) = mpsc::channel();
    let tabs = TcpListener::bind("127.0.0.1:0")?;
    let browser = tabs.local_addr()?.to_string();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::spawn(move || {
        runtime.block_on(async {
            let Ok(server) = MockServer::builder().start().await else { return };
            let _ = ready.send(server.issuer());
            if let Ok(resource) = resource.await {
                server.also_issue_for(resource);
            }
            tokio::select! {
                _ = ended => {}
                // What does not work shows itself by a bridge that is not signed in.
                _ = agree_to_everything(tabs) => {}
            }
        });
    });
    let url = is_ready.recv().map_err(|_| io::Error::other("the mock server does not start"))?;
    Ok(Issuer { url, issue_for, browser, alive: end })
}

/// A person who agrees in every tab, and never opens two.
async fn agree_to_everything(tabs: TcpListener) -> io::Result<()> {
    tabs.set_nonblocking(true)?;
    let tabs = tokio::net::TcpListener::from_std(tabs)?;
    loop {
        let mut url = String::new();
        tabs.accept().await?.0.read_to_string(&mut url).await?;
        browser::try_visit(&url).await.map_err(io::Error::other)?;
    }
}
