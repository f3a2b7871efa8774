//! System calls on the store that fail, one after the other, once or from then on: the bridge neither says that it worked
//! where it did not, nor loses what was stored, nor spends a refresh token whose successor it cannot store (S2, A14).

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::bridge::Ended;
use crate::torture::login::{Ground, Operation, State, log_in};
use crate::torture::report::Report;
use crate::torture::strace::{self, Injection};
use crate::torture::syscalls::STORE;

/// What a disk can say.
const ERRORS: [&str; 6] = ["ENOSPC", "EIO", "EACCES", "EROFS", "EMFILE", "EINTR"];

/// What can be chosen.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Printed; there is no chance in this run.
    pub seed: u64,
    /// Where the state folders lie.
    pub place: PathBuf,
    /// Only these errors, of those that there are.
    pub errors: Vec<String>,
    /// Each call fails once; else also from then on, which takes longer, for what must be stored is tried again.
    pub once: bool,
}

/// What is tried, and where what came of it is noted.
struct Trial<'a> {
    ground: Ground,
    trace: PathBuf,
    paths: Vec<PathBuf>,
    report: &'a mut Report,
    tally: BTreeMap<&'static str, usize>,
}

/// Runs it.
///
/// # Panics
/// Where the server does not start.
pub async fn run(settings: &Settings) -> Report {
    let errors: Vec<&str> = ERRORS.into_iter().filter(|e| settings.errors.iter().any(|wanted| wanted == e)).collect();
    let errors = if errors.is_empty() { ERRORS.to_vec() } else { errors };
    let what = format!("each call on the store of a sign-in and a refresh fails with {}", errors.join(", "));
    let mut report = Report::begin("faults", what, settings.seed);
    if let Err(why) = strace::usable() {
        report.skip(why);
        return report;
    }
    for operation in [Operation::SignIn, Operation::Refresh] {
        if let Err(why) = trials(operation, &errors, settings, &mut report).await {
            report.fail(format_args!("{operation:?}: {why}"));
        }
    }
    report
}

async fn trials(operation: Operation, errors: &[&str], settings: &Settings, report: &mut Report) -> Result<(), String> {
    let ground = Ground::new(operation, &settings.place).await;
    ground.undisturbed().await?;
    let trace = ground.house.folder().join("trace");
    let paths = paths(&ground)?;
    let mut trial = Trial { ground, trace, paths, report, tally: BTreeMap::new() };
    let points = trial.points(errors, settings.once).await?;
    for (done, point) in points.iter().enumerate() {
        trial.ground.prepare().await?;
        if let Err(why) = trial.suffer(point).await {
            trial.report.fail(format_args!("{operation:?}, {point}: {why}"));
            trial.ground.house.wipe();
        }
        trial.report.progress(done, points.len());
    }
    let Trial { report, tally, .. } = trial;
    report.figure(format_args!("{operation:?}: faults"), points.len());
    for (outcome, count) in tally {
        report.figure(format_args!("{operation:?}: {outcome}"), count);
    }
    Ok(())
}

/// Everything that the store consists of, now or in between.
fn paths(ground: &Ground) -> Result<Vec<PathBuf>, String> {
    let (state, room) = (ground.house.state(), ground.room()?);
    let folder = room.folder();
    let mut paths = vec![state.clone(), state.join("resources"), folder.to_owned()];
    for name in ["lock", "credentials.json", "credentials.json.tmp", "sign-in.json", "sign-in.json.tmp"] {
        paths.push(folder.join(name));
    }
    Ok(paths)
}

impl Trial<'_> {
    /// Each call on the store with each error, once, and from then on. A call that is interrupted for ever is no fault of
    /// a disk.
    async fn points(&mut self, errors: &[&str], once: bool) -> Result<Vec<Injection>, String> {
        self.ground.prepare().await?;
        let options = self.ground.options(&strace::words(&self.trace, "all", &self.paths));
        log_in(options).await.map_err(|broken| broken.to_string())?;
        let text = std::fs::read_to_string(&self.trace).map_err(|error| format!("the trace: {error}"))?;
        let mut points = Vec::new();
        for (call, count) in strace::counts(&text).into_iter().filter(|(name, _)| STORE.contains(&name.as_str())) {
            for error in errors {
                for nth in 1..=count {
                    for from_then_on in [false, true] {
                        if !(from_then_on && (once || *error == "EINTR")) {
                            let what = format!("error={error}");
                            points.push(Injection { call: call.clone(), what, nth, from_then_on });
                        }
                    }
                }
            }
        }
        Ok(points)
    }

    async fn suffer(&mut self, point: &Injection) -> Result<(), String> {
        let options = self.ground.options(&point.words(&self.trace, &self.paths));
        let ended = log_in(options).await.map_err(|broken| broken.to_string())?;
        let traced = std::fs::read_to_string(&self.trace).unwrap_or_default();
        let state = self.ground.state().await.map_err(|why| format!("{why}; it said: {}", said(&ended)))?;
        if !traced.contains("(INJECTED)") {
            *self.tally.entry("not reached").or_default() += 1;
            return Ok(());
        }
        let outcome = judge(point, &ended, state)?;
        *self.tally.entry(outcome).or_default() += 1;

        let tabs = self.ground.undisturbed().await.map_err(|why| format!("left {state:?}; {why}"))?;
        let wanted = usize::from(state != State::New && (state == State::OldAndSpent || self.ground.is_sign_in()));
        if tabs == wanted { Ok(()) } else { Err(format!("left {state:?}, and the restart took {tabs} tabs")) }
    }
}

/// The row of the table that it counts in.
fn judge(point: &Injection, ended: &Ended, state: State) -> Result<&'static str, String> {
    if ended.stderr.contains("panicked") {
        return Err(format!("a panic: {}", said(ended)));
    }
    match (ended.status.success(), state) {
        (true, State::New) => Ok("worked all the same"),
        (true, _) => Err(format!("a lie: it says that it worked, and the store is {state:?}: {}", said(ended))),
        (false, _) if point.what.ends_with("EINTR") => Err(format!("an interruption is no failure: {}", said(ended))),
        (false, State::OldAndSpent) if point.from_then_on => Ok("spent, and nothing could be written from then on"),
        (false, State::OldAndSpent) => Err(format!("a refresh token was spent and not stored: {}", said(ended))),
        (false, State::Old) => Ok("refused, old state"),
        (false, State::Registered) => Ok("refused, registration kept"),
        (false, State::New) => Ok("refused although the new state is there"),
    }
}

fn said(ended: &Ended) -> String {
    let lines: Vec<&str> = ended.stderr.lines().filter(|line| !line.starts_with("http")).collect();
    format!("{:?}", lines[lines.len().saturating_sub(3)..].join(" | "))
}
