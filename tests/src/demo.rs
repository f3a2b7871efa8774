//! The demo: a host, the real bridge and a protected server on this machine, walked through step by step. It shows what
//! went over each wire and checks it. It never knows how the bridge works inside. Start with `sign_in.rs`, then
//! `calls.rs`: the walk; `stage.rs` holds who plays, `transcript.rs` prints, `wire.rs` puts traffic into words.

mod calls;
mod published;
mod sign_in;
mod stage;
mod transcript;
mod wire;

#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;
use std::time::Instant;

use mcp_mock_server::{MockServerBuilder, StartError};

use crate::bridge::Broken;
use stage::Stage;
pub use transcript::Transcript;

/// What a person can choose.
#[derive(Debug)]
pub struct Settings {
    /// The server that is signed in to.
    pub server: MockServerBuilder,
    /// An empty folder for the bridge's state.
    pub folder: PathBuf,
    /// The person's own browser is opened, instead of a stand-in.
    pub real_browser: bool,
}

/// Why a step did not work.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// Something else was seen than what the step promises.
    #[error("expected  {expected}\nseen      {seen}")]
    Unexpected { expected: String, seen: String },
    /// The bridge is gone or silent.
    #[error("expected  the bridge goes on\nseen      {0}")]
    Bridge(#[from] Broken),
    /// A page could not be loaded.
    #[error("expected  the page loads\nseen      {0}")]
    Page(#[from] reqwest::Error),
    /// The server did not start.
    #[error("expected  the mock server starts\nseen      {0}")]
    Server(#[from] StartError),
    /// Nobody reads the transcript.
    #[error("the transcript cannot be written: {0}")]
    Transcript(#[from] io::Error),
}

fn unexpected(expected: impl Into<String>, seen: impl Into<String>) -> Failure {
    Failure::Unexpected { expected: expected.into(), seen: seen.into() }
}

/// What a person is told of a demo that did not work; secrets are shortened.
#[derive(Debug, thiserror::Error)]
#[error("{step} failed\n{failure}\n{stderr}")]
pub struct Failed {
    /// `step 5 (Registration)`.
    pub step: String,
    /// What was expected and what was seen, a line each.
    pub failure: String,
    /// All that the bridge said on stderr.
    pub stderr: String,
}

/// Walks through the whole demo and writes its transcript.
///
/// # Errors
/// [`Failed`]: the first step that did not work as it should.
pub async fn run(settings: Settings, transcript: &mut Transcript<'_>) -> Result<(), Failed> {
    let mut stage = match Stage::set(settings).await {
        Ok(stage) => stage,
        Err(failure) => return Err(failed("setting the stage", &failure, String::new())),
    };
    match walk(&mut stage, transcript).await {
        Ok(()) => Ok(()),
        Err(failure) => {
            let step = transcript.interrupted();
            let said = stage.stderr().await;
            let said = if said.trim().is_empty() { " nothing".to_owned() } else { format!("\n{}", said.trim_end()) };
            let mut failed = failed(&step, &failure, format!("the bridge's stderr:{said}"));
            failed.failure = wire::without_secrets(&failed.failure, &stage.server.issued_secrets());
            failed.stderr = wire::without_secrets(&failed.stderr, &stage.server.issued_secrets());
            Err(failed)
        }
    }
}

fn failed(step: &str, failure: &Failure, stderr: String) -> Failed {
    Failed { step: step.to_owned(), failure: failure.to_string(), stderr }
}

async fn walk(stage: &mut Stage, transcript: &mut Transcript<'_>) -> Result<(), Failure> {
    let start = Instant::now();
    introduce(stage, transcript)?;
    let first = sign_in::walk(stage, transcript).await?;
    calls::walk(stage, transcript, &first).await?;
    no_secret_shows(stage, transcript)?;
    transcript.summary(start.elapsed(), "one sign-in, one refresh, one restart, no secret shown")?;
    Ok(())
}

fn introduce(stage: &Stage, transcript: &mut Transcript<'_>) -> Result<(), Failure> {
    transcript.heading("mcp-bridge: from an empty folder to authorized calls")?;
    let browser = if stage.browser.is_some() {
        "a stand-in that follows every redirect at once"
    } else {
        "your own; the mock server asks no questions"
    };
    transcript.note("host", "this demo, on the bridge's stdin and stdout (\"jsonrpc\":\"2.0\" is left out below)")?;
    transcript.note("bridge", &format!("mcp-bridge --upstream {}", stage.server.mcp_url()))?;
    transcript.note("server", "mcp-mock-server in this process; what it publishes was read beforehand to compare")?;
    transcript.note("browser", browser)?;
    transcript.note("state", &stage.folder().display().to_string())?;
    Ok(())
}

/// Neither the bridge nor this demo has shown a token, code, verifier, state or session id.
fn no_secret_shows(stage: &Stage, transcript: &Transcript<'_>) -> Result<(), Failure> {
    for secret in stage.secrets() {
        for (place, text) in [("the bridge's output", stage.said()), ("this transcript", transcript.text())] {
            if text.contains(&secret) {
                return Err(unexpected(format!("no secret in {place}"), wire::short(&secret)));
            }
        }
    }
    Ok(())
}
