//! Waiting for the worker: whoever needs a token watches the store, and starts a worker only if none is at work.
//! What there is to tell meanwhile is published as a [`SignInState`]; who shows it is not known here.

use std::time::Duration;

use tokio::sync::watch;

use crate::credentials::record::{Record, Tokens};
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
        /// The code to enter there, where that is the way (RFC 8628 §3.3).
        user_code: Option<String>,
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
    let _shown = Shown(states);
    watch_store(room, job, states).await
}

/// What is shown of a sign-in while somebody waits for it, which is one at a time. A guard, for the host may cancel what
/// waits.
struct Shown<'a>(&'a watch::Sender<SignInState>);

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        self.0.send_replace(SignInState::None);
    }
}

async fn watch_store(room: &Room, job: &Job, states: &watch::Sender<SignInState>) -> Result<(), Problem> {
    room.prepare()?;
    let mut past = room.sign_in().filter(|sign_in| sign_in.outcome.is_some()).map(|sign_in| sign_in.attempt);
    let mut stamp = None;
    let mut ours: Option<process::Started> = None;
    let mut right = None;
    let mut starts = 0;
    loop {
        let now = room.stamp();
        if stamp.as_ref() != Some(&now) {
            stamp = Some(now);
            if news(room, job).await? {
                return Ok(());
            }
        }
        if let Some(sign_in) = room.sign_in().filter(|sign_in| past.as_ref() != Some(&sign_in.attempt)) {
            let is_ours = ours.as_ref().is_some_and(|ours| ours.pid == sign_in.pid);
            match verdict(room, &sign_in, job, is_ours).await? {
                Attempt::Succeeded => return Ok(()),
                Attempt::Running if is_at_work(ours.as_ref(), room)? => show(&sign_in, states),
                Attempt::Running => {}
                Attempt::NotForUs => past = Some(sign_in.attempt),
            }
        }
        if !is_at_work(ours.as_ref(), room)? {
            // It may have come to its end between the look at its outcome and the look at its lock.
            let ended = room.sign_in().is_some_and(|s| s.outcome.is_some() && past.as_ref() != Some(&s.attempt));
            if ended || news(room, job).await? {
                continue;
            }
            if let Some(problem) = ours.as_ref().and_then(process::Started::problem) {
                return Err(problem);
            }
            if starts == MAX_STARTS {
                return Err(interrupted());
            }
            if right.is_none() {
                // Held while our worker is at work; whoever had it before may have come to an end just now.
                right = room.try_start()?;
                if right.is_some() {
                    stamp = None;
                    continue;
                }
                tokio::time::sleep(LOOK).await;
                continue;
            }
            starts += 1;
            let seen_attempt = room.sign_in().map(|sign_in| sign_in.attempt);
            ours = Some(process::start(&Job { seen_attempt, ..job.clone() }).await);
        }
        tokio::time::sleep(LOOK).await;
        if ours.as_ref().is_some_and(|ours| !ours.is_running()) {
            right = None;
        }
    }
}

/// Whether a worker is at work; where nothing can be locked only our own one is known.
fn is_at_work(ours: Option<&process::Started>, room: &Room) -> Result<bool, Problem> {
    Ok(ours.is_some_and(process::Started::is_running) || !room.is_free()?)
}

/// Shows where a person signs in, while a worker is there to receive them.
fn show(sign_in: &SignIn, states: &watch::Sender<SignInState>) {
    if let Some(url) = &sign_in.authorization_url {
        let open = SignInState::Open {
            url: url.clone(),
            user_code: sign_in.user_code.clone(),
            in_browser: sign_in.in_browser,
        };
        states.send_if_modified(|state| {
            let changed = *state != open;
            state.clone_from(&open);
            changed
        });
    }
}

enum Attempt {
    Running,
    Succeeded,
    /// It ended in a way that says nothing about what we want.
    NotForUs,
}

async fn verdict(room: &Room, sign_in: &SignIn, job: &Job, is_ours: bool) -> Result<Attempt, Problem> {
    match &sign_in.outcome {
        None => Ok(Attempt::Running),
        Some(Outcome::Done) if news(room, job).await? => Ok(Attempt::Succeeded),
        // The server granted less than the person signed in for: there is no more to be had.
        Some(Outcome::Done) if job.demanded().is_some() && sign_in.aim == job.aim() => Ok(Attempt::Succeeded),
        Some(Outcome::Done) => Ok(Attempt::NotForUs),
        Some(Outcome::Failed(_)) if !is_ours && !job.shares_failure(&sign_in.aim, can_refresh(room).await?) => {
            Ok(Attempt::NotForUs)
        }
        Some(Outcome::Failed(problem)) => match problem.code {
            Code::SignInNeeded if job.interactive => Ok(Attempt::NotForUs),
            // The settings of another process.
            Code::CallbackPortTaken | Code::InvalidSetting if !is_ours => Ok(Attempt::NotForUs),
            _ => Err(problem.clone()),
        },
    }
}

async fn can_refresh(room: &Room) -> Result<bool, Problem> {
    let record = room.read_aside().await?;
    Ok(record.as_ref().and_then(Record::current_tokens).is_some_and(Tokens::is_renewable))
}

async fn news(room: &Room, job: &Job) -> Result<bool, Problem> {
    let record = room.read_aside().await?;
    let tokens = record.as_ref().and_then(Record::current_tokens);
    Ok(tokens.is_some_and(|tokens| job.is_news(tokens) && job.is_covered_by(tokens)))
}

fn interrupted() -> Problem {
    Problem::new(
        Code::SignInInterrupted,
        format!("the sign-in process ended {MAX_STARTS} times without a word"),
        "run `mcp-bridge login URL --log debug` in a terminal to see why",
    )
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::credentials::lock::Lock;
    use crate::credentials::sign_in::{Aim, Phase};
    use crate::credentials::store::Store;
    use crate::worker::job::tests::job;

    /// A room in which another process is at work, and its lock.
    fn room() -> (TempDir, Room, Lock) {
        let folder = tempfile::tempdir().unwrap();
        let room = Store::open(folder.path().join("state")).room("https://mcp.example.com/mcp", "default");
        room.prepare().unwrap();
        let lock = room.try_lock().unwrap().unwrap();
        (folder, room, lock)
    }

    #[tokio::test]
    async fn a17_a_denied_step_up_of_another_bridge_is_no_failure_of_a_refresh() {
        let (_folder, room, _lock) = room();
        let mut sign_in = SignIn::begin(Phase::WaitingForPerson, 100, 400);
        sign_in.outcome = Some(Outcome::Failed(Problem::new(Code::SignInDenied, "no", "ask")));
        let job = job(None);
        assert!(verdict(&room, &sign_in, &job, false).await.is_err());
        sign_in.aim = Aim::Scope("admin".to_owned());
        assert!(matches!(verdict(&room, &sign_in, &job, false).await, Ok(Attempt::NotForUs)));
    }

    #[tokio::test]
    async fn a17_a_sign_in_is_not_shown_any_more_once_what_waited_for_it_is_cancelled() {
        let (_folder, room, lock) = room();
        let mut sign_in = SignIn::begin(Phase::WaitingForPerson, 100, 400);
        sign_in.authorization_url = Some("https://as.example/authorize".to_owned());
        room.write_sign_in(&lock, &sign_in).unwrap();
        let states = watch::Sender::new(SignInState::None);
        let mut seen = states.subscribe();
        let job = job(None);
        tokio::select! {
            ended = wait_for_worker(&room, &job, &states) => panic!("{ended:?}"),
            shown = async { seen.wait_for(|state| *state != SignInState::None).await.is_ok() } => assert!(shown),
        }
        assert_eq!(*states.borrow(), SignInState::None);
    }
}
