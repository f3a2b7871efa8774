//! The process wall: how a worker is started so that it outlives the bridge and the host, and how it leaves them.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::sync::watch;

use super::browser;
use super::job::Job;
use crate::problem::Problem;
use crate::settings::CredentialStore;

/// The longest report of a worker, in bytes.
const MAX_REPORT: u64 = 64 * 1024;
/// How long a report may take once the worker has ended: a browser that it started may hold the pipe open.
const REPORT: Duration = Duration::from_millis(200);

/// A worker that was started here.
#[derive(Debug)]
pub struct Started {
    /// Its process, or this one.
    pub pid: u32,
    /// How it ended, once it has.
    end: watch::Receiver<Option<Result<(), Problem>>>,
}

impl Started {
    /// Whether it still is at work.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.end.borrow().is_none()
    }

    /// What it could not write into the store.
    #[must_use]
    pub fn problem(&self) -> Option<Problem> {
        self.end.borrow().clone()?.err()
    }
}

/// Starts a worker. Where no process can be started, its code runs in this one, with a warning (S5): as if by `--no-browser`,
/// for a browser started here would have the host's stdout.
pub async fn start(job: &Job) -> Started {
    let (over, end) = watch::channel(None);
    if job.settings.credential_store == Some(CredentialStore::Memory) {
        // What another process got would be in its memory.
        let job = if browser::speaks_to_the_terminal() { without_browser(job) } else { job.clone() };
        tokio::spawn(async move { over.send_replace(Some(super::run(&job).await)) });
        return Started { pid: std::process::id(), end };
    }
    let pid = match spawn(job).await {
        Ok(child) => {
            let pid = child.id().unwrap_or_default();
            tracing::debug!("the sign-in process is {pid}");
            tokio::spawn(async move { over.send_replace(Some(ended(child).await)) });
            pid
        }
        Err(error) => {
            tracing::warn!("no sign-in process can be started ({error}): a sign-in ends with this bridge");
            let job = without_browser(job);
            tokio::spawn(async move { over.send_replace(Some(super::run(&job).await)) });
            std::process::id()
        }
    };
    Started { pid, end }
}

fn without_browser(job: &Job) -> Job {
    let mut job = job.clone();
    job.settings.no_browser = true;
    job
}

/// What runs here: on Linux also if its file was replaced or removed since, by an update say.
fn own_binary() -> std::io::Result<PathBuf> {
    let running = Path::new("/proc/self/exe");
    if cfg!(target_os = "linux") && running.exists() { Ok(running.to_owned()) } else { std::env::current_exe() }
}

/// The child gets none of the host's pipes: the host would wait for their end, and a browser would inherit our stdout.
async fn spawn(job: &Job) -> std::io::Result<Child> {
    let mut command = Command::new(own_binary()?);
    #[cfg(unix)]
    command.arg0("mcp-bridge");
    command.arg("worker").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    #[cfg(windows)]
    {
        const DETACHED_PROCESS: u32 = 0x8;
        const CREATE_NEW_PROCESS_GROUP: u32 = 0x200;
        command.creation_flags(DETACHED_PROCESS | CREATE_NEW_PROCESS_GROUP);
    }
    let mut child = command.spawn()?;
    let json = serde_json::to_vec(job)?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(&json).await?;
        stdin.shutdown().await?;
    }
    Ok(child)
}

async fn ended(mut child: Child) -> Result<(), Problem> {
    let stdout = child.stdout.take();
    let reading = async {
        let mut report = Vec::new();
        if let Some(stdout) = stdout {
            let _ = stdout.take(MAX_REPORT).read_to_end(&mut report).await;
        }
        report
    };
    let mut reading = std::pin::pin!(reading);
    let report = tokio::select! {
        report = &mut reading => {
            let _ = child.wait().await;
            report
        }
        _ = child.wait() => tokio::time::timeout(REPORT, reading).await.unwrap_or_default(),
    };
    serde_json::from_slice(&report).map_or(Ok(()), Err)
}

/// Tells the bridge that started this process what it cannot find in the store.
pub fn report(problem: &Problem) {
    if let Ok(json) = serde_json::to_string(problem) {
        let _ = writeln!(std::io::stdout().lock(), "{json}");
    }
}

/// Leaves the host's session and process group, so that what ends the bridge does not end us. Needs the runtime.
pub fn detach() {
    endure_size_limits();
    #[cfg(unix)]
    if let Err(error) = rustix::process::setsid() {
        tracing::debug!("setsid: {error}");
    }
}

/// A file over the process's limit is to be an error of the write, not the end of the process.
pub fn endure_size_limits() {
    #[cfg(unix)]
    {
        const SIGXFSZ: i32 = 25; // the same number on Linux, macOS and the BSDs
        if let Ok(mut signal) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::from_raw(SIGXFSZ)) {
            tokio::spawn(async move { while signal.recv().await.is_some() {} });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::job::tests::job;

    #[test]
    fn s5_a_sign_in_inside_the_bridge_opens_no_browser_that_could_write_to_the_host() {
        assert!(without_browser(&job(None)).settings.no_browser);
    }
}
