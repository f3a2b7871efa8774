//! The process wall: how a worker is started so that it outlives the bridge and the host, and how it leaves them.

use std::process::{ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::job::Job;

/// A worker that was started here.
#[derive(Debug)]
pub struct Started {
    running: Arc<AtomicBool>,
}

impl Started {
    /// Whether it still is at work.
    #[must_use]
    pub fn is_running(&mut self) -> bool {
        self.running.load(Ordering::Relaxed)
    }
}

/// Starts a worker. Where no process can be started, its code runs in this one, with a warning (S5).
pub async fn start(job: &Job) -> Started {
    let running = Arc::new(AtomicBool::new(true));
    let over = running.clone();
    match spawn(job).await {
        Ok(mut child) => {
            tracing::debug!("the sign-in process is {}", child.id().unwrap_or_default());
            tokio::spawn(async move {
                let _ = child.wait().await;
                over.store(false, Ordering::Relaxed);
            });
        }
        Err(error) => {
            tracing::warn!("no sign-in process can be started ({error}): a sign-in ends with this bridge");
            let job = job.clone();
            tokio::spawn(async move {
                let _: ExitCode = super::run(&job).await;
                over.store(false, Ordering::Relaxed);
            });
        }
    }
    Started { running }
}

/// The child gets none of the host's pipes: the host would wait for their end, and a browser would inherit our stdout.
async fn spawn(job: &Job) -> std::io::Result<tokio::process::Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("worker").stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
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

/// Leaves the host's session and process group, so that what ends the bridge does not end us.
pub fn detach() {
    #[cfg(unix)]
    if let Err(error) = rustix::process::setsid() {
        tracing::debug!("setsid: {error}");
    }
}
