//! What a power failure would find: no device is cut here, the order of the system calls is read instead. A record is synced
//! after its last write and before its rename, the folder is synced after that, and only then is success told. Before a
//! refresh token is sent, room for its successor is on the disk (S2, A14).

use std::path::{Path, PathBuf};

use crate::torture::login::{Ground, Operation, log_in};
use crate::torture::report::Report;
use crate::torture::strace::{self, Call};

/// What can be chosen.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Printed; there is no chance in this run.
    pub seed: u64,
    /// Where the state folders lie.
    pub place: PathBuf,
}

/// What a call means for the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The coming record is written or cut.
    Write,
    /// It is synced.
    Sync,
    /// It takes its place.
    Rename,
    /// The folder is synced.
    SyncFolder,
    /// A token is asked for.
    Ask,
    /// Success is told: to the person, to the browser, or to the bridges that wait.
    Success,
}

/// Runs it.
///
/// # Panics
/// Where the server does not start.
pub async fn run(settings: &Settings) -> Report {
    let what = "the order of system calls of a sign-in and a refresh, as a power failure would meet it";
    let mut report = Report::begin("order", what, settings.seed);
    if let Err(why) = strace::usable() {
        report.skip(why);
        return report;
    }
    for operation in [Operation::SignIn, Operation::Refresh] {
        match steps_of(operation, &settings.place).await {
            Ok(steps) => {
                for broken in broken_rules(operation, &steps) {
                    report.fail(format_args!("{operation:?}: {broken}: {steps:?}"));
                }
                report.figure(format_args!("{operation:?}: steps"), steps.len());
                let renames = steps.iter().filter(|step| **step == Step::Rename).count();
                report.figure(format_args!("{operation:?}: records written"), renames);
            }
            Err(why) => report.fail(format_args!("{operation:?}: {why}")),
        }
    }
    report
}

async fn steps_of(operation: Operation, place: &Path) -> Result<Vec<Step>, String> {
    let mut ground = Ground::new(operation, place).await;
    ground.prepare().await?;
    let trace = ground.house.folder().join("trace");
    let ended =
        log_in(ground.options(&strace::words(&trace, "all", &[]))).await.map_err(|broken| broken.to_string())?;
    if !ended.status.success() {
        return Err(format!("a traced login: {}; {}", ended.status, ended.stderr));
    }
    let text = std::fs::read_to_string(&trace).map_err(|error| format!("the trace: {error}"))?;
    let folder = ground.room()?.folder().display().to_string();
    Ok(strace::calls(&text).filter_map(|call| step(&call, &folder)).collect())
}

/// What a call is in this story; most are nothing.
fn step(call: &Call<'_>, folder: &str) -> Option<Step> {
    let on = |name: &str| call.rest.contains(&format!("<{folder}{name}>"));
    match call.name {
        "write" | "pwrite64" | "writev" | "ftruncate" if on("/credentials.json.tmp") => Some(Step::Write),
        "fsync" | "fdatasync" if on("/credentials.json.tmp") => Some(Step::Sync),
        "fsync" if on("") => Some(Step::SyncFolder),
        "rename" | "renameat" | "renameat2" if call.rest.contains("/credentials.json\"") => Some(Step::Rename),
        "write" | "writev" | "sendto" | "sendmsg" if call.rest.contains("POST /token") => Some(Step::Ask),
        "write" | "writev" if call.rest.contains("\"signed in to ") => Some(Step::Success),
        "write" | "writev" | "sendto" | "sendmsg" if call.rest.contains("HTTP/1.1 200 OK") => Some(Step::Success),
        "write" if on("/sign-in.json.tmp") && call.rest.contains("done") => Some(Step::Success),
        _ => None,
    }
}

fn broken_rules(operation: Operation, steps: &[Step]) -> Vec<&'static str> {
    let mut broken = Vec::new();
    let (mut unsynced, mut room, mut folder_is_due) = (false, false, false);
    for step in steps {
        match step {
            Step::Write => (unsynced, room) = (true, false),
            Step::Sync => (unsynced, room) = (false, true),
            Step::Rename if unsynced => broken.push("a record takes its place before it is synced"),
            Step::Rename => (folder_is_due, room) = (true, false),
            Step::SyncFolder => folder_is_due = false,
            Step::Ask if operation == Operation::Refresh && !room => {
                broken.push("a refresh token is sent before room for its successor is synced");
            }
            Step::Success if folder_is_due || unsynced => broken.push("success is told before all is synced"),
            Step::Ask | Step::Success => {}
        }
    }
    if folder_is_due {
        broken.push("the folder is never synced");
    }
    let must_be_seen = [Step::Write, Step::Sync, Step::Rename, Step::SyncFolder, Step::Ask, Step::Success];
    if must_be_seen.iter().any(|step| !steps.contains(step)) {
        broken.push("a step is missing");
    }
    broken
}

#[cfg(test)]
mod tests {
    use super::Step::{Ask, Rename, Success, Sync, SyncFolder, Write};
    use super::{Operation, broken_rules};

    #[test]
    fn the_right_order_passes_and_every_other_is_told() {
        let right = [Write, Sync, Ask, Write, Sync, Rename, SyncFolder, Success];
        assert_eq!(broken_rules(Operation::Refresh, &right), Vec::<&str>::new());
        let table = [
            ("not synced after the last write", vec![Write, Sync, Ask, Write, Rename, SyncFolder, Success]),
            ("the folder is not synced", vec![Write, Sync, Ask, Write, Sync, Rename, Success]),
            ("success comes first", vec![Write, Sync, Ask, Success, Write, Sync, Rename, Success, SyncFolder]),
            ("no room", vec![Ask, Write, Sync, Rename, SyncFolder, Success]),
            ("nothing at all", vec![]),
        ];
        for (name, steps) in table {
            assert!(!broken_rules(Operation::Refresh, &steps).is_empty(), "{name}");
        }
    }
}
