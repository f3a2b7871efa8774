//! A kill before every single system call of a sign-in and of a refresh: what is stored is the old or the new, and the
//! next start works. A refresh token that the server has exchanged while its answer was not yet on the disk is the one loss
//! that a strict server allows; such kills are counted, and cost exactly one tab.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::torture::login::{Ground, Operation, State, log_in};
use crate::torture::report::Report;
use crate::torture::strace::{self, Injection};

/// Calls that change or show the store, by every name that platforms have for them.
pub(super) const STORE: [&str; 14] = [
    "openat",
    "write",
    "fsync",
    "fdatasync",
    "rename",
    "renameat",
    "renameat2",
    "flock",
    "mkdir",
    "mkdirat",
    "unlink",
    "unlinkat",
    "ftruncate",
    "fchmod",
];
/// Calls before which a kill cannot be injected or means nothing: the process has not begun, or has ended.
const NOT_KILLED: [&str; 5] = ["execve", "exit", "exit_group", "restart_syscall", "rt_sigreturn"];

/// What can be chosen.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Printed; there is no chance in this run.
    pub seed: u64,
    /// Where the state folders lie.
    pub place: PathBuf,
    /// Only calls that have to do with the store.
    pub store_only: bool,
    /// How often each kill: threads take turns as they like.
    pub repeat: usize,
}

/// Runs it.
///
/// # Panics
/// Where the server does not start.
pub async fn run(settings: &Settings) -> Report {
    let which = if settings.store_only { "each call that has to do with the store" } else { "every system call" };
    let what = format!("a kill before {which} of a sign-in and a refresh, {} times each", settings.repeat);
    let mut report = Report::begin("syscalls", what, settings.seed);
    if let Err(why) = strace::usable() {
        report.skip(why);
        return report;
    }
    for operation in [Operation::SignIn, Operation::Refresh] {
        let mut ground = Ground::new(operation, &settings.place).await;
        if let Err(why) = kills(&mut ground, operation, settings, &mut report).await {
            report.fail(format_args!("{operation:?}: {why}"));
        }
    }
    report
}

async fn kills(
    ground: &mut Ground,
    operation: Operation,
    settings: &Settings,
    report: &mut Report,
) -> Result<(), String> {
    let trace = ground.house.folder().join("trace");
    let points = points(ground, &trace, settings.store_only).await?;
    let mut tally: BTreeMap<&str, usize> = BTreeMap::new();
    for (done, point) in points.iter().cycle().take(points.len() * settings.repeat).enumerate() {
        ground.prepare().await?;
        match kill_at(ground, point, &trace).await {
            Ok(outcome) => *tally.entry(outcome).or_default() += 1,
            Err(why) => {
                report.fail(format_args!("{operation:?}, {point}: {why}"));
                // What is left is no ground for the next one.
                ground.house.wipe();
            }
        }
        report.progress(done, points.len() * settings.repeat);
    }
    report.figure(format_args!("{operation:?}: points"), points.len());
    for (outcome, count) in tally {
        report.figure(format_args!("{operation:?}: {outcome}"), count);
    }
    Ok(())
}

/// Every call of an undisturbed operation.
async fn points(ground: &mut Ground, trace: &Path, store_only: bool) -> Result<Vec<Injection>, String> {
    ground.prepare().await?;
    let ended = log_in(ground.options(&strace::words(trace, "all", &[]))).await.map_err(|broken| broken.to_string())?;
    if !ended.status.success() {
        return Err(format!("a traced login: {}; {}", ended.status, ended.stderr));
    }
    let text = std::fs::read_to_string(trace).map_err(|error| format!("the trace: {error}"))?;
    let counts = strace::counts(&text).into_iter();
    let wanted = counts.filter(|(name, _)| !NOT_KILLED.contains(&name.as_str()));
    let wanted = wanted.filter(|(name, _)| !store_only || STORE.contains(&name.as_str()));
    let kill = |call: String, nth| Injection { call, what: "signal=SIGKILL".to_owned(), nth, from_then_on: false };
    Ok(wanted.flat_map(|(name, count)| (1..=count).map(move |nth| kill(name.clone(), nth))).collect())
}

/// Kills, looks, and starts again. What is returned is the row of the table that it counts in.
async fn kill_at(ground: &Ground, point: &Injection, trace: &Path) -> Result<&'static str, String> {
    let options = ground.options(&point.words(trace, &[]));
    let ended = log_in(options).await.map_err(|broken| broken.to_string())?;
    let state = ground.state().await?;
    let leftovers = ground.house.room().map(|room| room.leftovers()).unwrap_or_default();
    if leftovers.len() > 1 {
        return Err(format!("leftover files: {leftovers:?}"));
    }
    if ended.status.success() && state != State::New {
        return Err(format!("it says that it worked, and the store is {state:?}"));
    }
    let before = ground.house.counts();
    let tabs = ground.undisturbed().await.map_err(|why| format!("left {state:?}; {why}"))?;
    let after = ground.house.counts();
    let registrations = after.registrations - before.registrations;
    let is_sign_in = ground.is_sign_in();
    let wanted = match state {
        State::OldAndSpent => (1, 0),
        State::Old if is_sign_in => (1, 1),
        State::Registered => (1, 0),
        State::Old | State::New => (0, 0),
    };
    if (tabs, registrations) != wanted {
        return Err(format!("left {state:?}, and the restart took {tabs} tabs and {registrations} registrations"));
    }
    Ok(match (ended.status.success(), state) {
        (true, _) => "not reached",
        (false, State::Old) => "killed, old state",
        (false, State::OldAndSpent) => "killed between the server's commit and the rename: one tab",
        (false, State::Registered) => "killed, registration kept",
        (false, State::New) => "killed, new state",
    })
}
