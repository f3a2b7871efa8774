//! Waiting for the worker: whoever needs a token watches the store, and starts a worker only if none is at work.
//! What there is to tell meanwhile is published as a [`SignInState`]; who shows it is not known here.

use std::time::Duration;

use tokio::sync::watch;

use crate::credentials::sign_in::{Outcome, SignIn};
use crate::credentials::store::Room;
use crate::problem::{Code, Problem};
use crate::worker::job::Job;
use crate::worker::process;

/// How often a waiter looks at the store. Another process changes it: there is no event to wait for.
const LOOK: Duration = Duration::from_millis(50);
/// How many workers one waiter starts that die without a word.
const MAX_STARTS: u32 = 3;

/// What a person can be told about a sign-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SignInState {
    /// There is none.
    None,
    /// A person is asked to sign in at this URL.
    Open {
        /// Where to; it may be shown to the person, and only to the person.
        url: String,
        /// A browser was opened with it.
        in_browser: bool,
    },
}

/// Returns once the store holds something newer than what `job` knows of.
///
/// # Errors
/// The problem that the worker left, or ours where no worker can be started or none comes to an end.
pub(super) async fn wait_for_worker(
    room: &Room,
    job: &Job,
    states: &watch::Sender<SignInState>,
) -> Result<(), Problem> {
    let result = watch_store(room, job, states).await;
    states.send_replace(SignInState::None);
    result
}

async fn watch_store(room: &Room, job: &Job, states: &watch::Sender<SignInState>) -> Result<(), Problem> {
    room.prepare()?;
    let mut past = room.sign_in().filter(|sign_in| sign_in.outcome.is_some()).map(|sign_in| sign_in.attempt);
    let mut stamp = None;
    let mut ours: Option<process::Started> = None;
    let mut starts = 0;
    loop {
        let now = room.stamp();
        if stamp.as_ref() != Some(&now) {
            stamp = Some(now);
            if news(room, job)? {
                return Ok(());
            }
        }
        if let Some(sign_in) = room.sign_in().filter(|sign_in| past.as_ref() != Some(&sign_in.attempt)) {
            match verdict(room, &sign_in, job, states)? {
                Attempt::Succeeded => return Ok(()),
                Attempt::Running => {}
                Attempt::NotForUs => past = Some(sign_in.attempt),
            }
        }
        let at_work = ours.as_mut().is_some_and(process::Started::is_running) || !room.is_free()?;
        if !at_work {
            // It may have come to its end between the look at its outcome and the look at its lock.
            let ended = room.sign_in().is_some_and(|s| s.outcome.is_some() && past.as_ref() != Some(&s.attempt));
            if ended || news(room, job)? {
                continue;
            }
            if starts == MAX_STARTS {
                return Err(interrupted());
            }
            starts += 1;
            ours = Some(process::start(job).await);
        }
        tokio::time::sleep(LOOK).await;
    }
}

enum Attempt {
    Running,
    Succeeded,
    /// It ended in a way that says nothing about what we want.
    NotForUs,
}

fn verdict(room: &Room, sign_in: &SignIn, job: &Job, states: &watch::Sender<SignInState>) -> Result<Attempt, Problem> {
    match &sign_in.outcome {
        None => {
            if let Some(url) = &sign_in.authorization_url {
                let open = SignInState::Open { url: url.clone(), in_browser: sign_in.in_browser };
                states.send_if_modified(|state| {
                    let changed = *state != open;
                    state.clone_from(&open);
                    changed
                });
            }
            Ok(Attempt::Running)
        }
        Some(Outcome::Done) if news(room, job)? => Ok(Attempt::Succeeded),
        Some(Outcome::Done) => Ok(Attempt::NotForUs),
        Some(Outcome::Failed(problem)) if problem.code == Code::SignInNeeded && job.interactive => {
            Ok(Attempt::NotForUs)
        }
        Some(Outcome::Failed(problem)) => Err(problem.clone()),
    }
}

fn news(room: &Room, job: &Job) -> Result<bool, Problem> {
    let record = room.read()?;
    Ok(record.and_then(|record| record.current_tokens().map(|tokens| job.is_news(tokens))).unwrap_or_default())
}

fn interrupted() -> Problem {
    Problem::new(
        Code::SignInInterrupted,
        format!("the sign-in process ended {MAX_STARTS} times without a word"),
        "run `mcp-bridge login URL --log debug` in a terminal to see why",
    )
}
