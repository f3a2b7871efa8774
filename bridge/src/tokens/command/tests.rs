//! Commands as they run: counted by the lines that they append to a file.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, StatusCode};
use tempfile::TempDir;

use super::run::{CommandError, run};
use super::*;
use crate::secret::Secret;
use crate::tokens::{Keeper, Purpose};
use crate::worker::job::tests::job;

const LIMIT: Duration = Duration::from_secs(20);

fn shell(script: &str) -> CommandLine {
    CommandLine { program: "/bin/sh".to_owned(), arguments: ["-c", script].map(Secret::new).to_vec() }
}

/// A command that appends a line to a file each time and does as the script says, with the number of the run in `$n`.
fn counting(folder: &Path, script: &str) -> CommandLine {
    let log = folder.join("log").display().to_string();
    shell(&format!("echo run >> '{log}'; n=$(wc -l < '{log}'); n=$((n)); {script}"))
}

#[expect(clippy::disallowed_methods, reason = "a file of this test")]
fn runs(folder: &Path) -> usize {
    std::fs::read_to_string(folder.join("log")).unwrap_or_default().lines().count()
}

fn keeper(script: &str) -> (TempDir, Keeper) {
    let folder = tempfile::tempdir().unwrap();
    let given = Given::Token(counting(folder.path(), script), LIMIT);
    let keeper = Keeper::new(job(None).settings, false).supplied_by(Some(given));
    (folder, keeper)
}

fn value(headers: &HeaderMap) -> &str {
    headers["authorization"].to_str().unwrap()
}

async fn refused(pass: &mut Pass<'_>) -> Result<Verdict, Problem> {
    pass.observe(StatusCode::UNAUTHORIZED, &HeaderMap::new(), None).await
}

#[tokio::test]
async fn a_token_is_kept_until_the_server_rejects_it_and_then_fetched_once_for_a_message() {
    let (folder, keeper) = keeper("echo token-$n");
    for _ in 0..3 {
        let mut pass = keeper.pass(Purpose::Call, Instant::now());
        assert_eq!(value(&pass.supplied().await.unwrap()), "Bearer token-1");
    }
    let mut pass = keeper.pass(Purpose::Call, Instant::now());
    pass.supplied().await.unwrap();
    assert_eq!(refused(&mut pass).await, Ok(Verdict::SendAgain));
    assert_eq!(value(&pass.supplied().await.unwrap()), "Bearer token-2");
    assert_eq!(refused(&mut pass).await.unwrap_err().code, Code::TokenRejected);
    assert_eq!(runs(folder.path()), 2);
}

#[tokio::test]
async fn a_command_that_gives_the_rejected_token_again_ends_the_message() {
    let (folder, keeper) = keeper("echo same-token");
    let mut pass = keeper.pass(Purpose::Call, Instant::now());
    pass.supplied().await.unwrap();
    let problem = refused(&mut pass).await.unwrap_err();
    assert_eq!(problem.code, Code::TokenRejected);
    assert!(problem.message.contains("/bin/sh") && !problem.message.contains("same-token"), "{problem}");
    assert_eq!(runs(folder.path()), 2);
}

#[tokio::test]
async fn many_whose_token_is_rejected_run_the_command_once() {
    let (folder, keeper) = keeper("echo token-$n");
    let mut passes: Vec<_> = (0..20).map(|_| keeper.pass(Purpose::Call, Instant::now())).collect();
    for pass in &mut passes {
        pass.supplied().await.unwrap();
    }
    for pass in &mut passes {
        assert_eq!(refused(pass).await, Ok(Verdict::SendAgain));
        assert_eq!(value(&pass.supplied().await.unwrap()), "Bearer token-2");
    }
    assert_eq!(runs(folder.path()), 2);
}

#[tokio::test]
async fn what_came_before_a_failure_shares_it_and_what_comes_after_runs_the_command_again() {
    let (folder, keeper) = keeper("test $n -gt 1 && echo token || exit 3");
    let arrived = Instant::now();
    for _ in 0..5 {
        let problem = keeper.pass(Purpose::Call, arrived).supplied().await.unwrap_err();
        assert_eq!(problem.code, Code::CredentialCommandFailed);
        assert!(problem.message.contains("/bin/sh") && problem.message.ends_with('3'), "{problem}");
    }
    assert_eq!(runs(folder.path()), 1);
    assert!(keeper.pass(Purpose::Call, Instant::now()).supplied().await.is_ok());
}

#[tokio::test]
async fn a_token_that_ends_is_fetched_anew() {
    let (folder, keeper) = keeper("echo '{\"access_token\":\"token-'$n'\",\"expires_in\":0}'");
    for number in 1..=3 {
        let mut pass = keeper.pass(Purpose::Call, Instant::now());
        assert_eq!(value(&pass.supplied().await.unwrap()), format!("Bearer token-{number}"));
    }
    assert_eq!(runs(folder.path()), 3);
}

#[tokio::test]
async fn a_command_has_no_stdin_and_the_environment() {
    let printed = run(&shell("cat; printf %s \"$PATH\""), LIMIT).await.unwrap();
    assert_eq!(printed.as_slice(), std::env::var("PATH").unwrap().as_bytes());
}

#[tokio::test]
async fn a_command_that_gives_nothing_is_told_by_what_it_did() {
    type IsIt = fn(&CommandError) -> bool;
    let nowhere = CommandLine { program: "/nowhere/get".to_owned(), arguments: vec![Secret::new("hunter2")] };
    let short = Duration::from_millis(50);
    let table: [(CommandLine, Duration, IsIt); 5] = [
        (nowhere, LIMIT, |e| matches!(e, CommandError::NotStarted { .. })),
        (shell("exit 7"), LIMIT, |e| matches!(e, CommandError::Failed { status, .. } if status.code() == Some(7))),
        (shell("kill -9 $$"), LIMIT, |e| matches!(e, CommandError::Failed { .. })),
        (shell("yes hunter2"), LIMIT, |e| matches!(e, CommandError::TooLong { .. })),
        (shell("sleep 1000"), short, |e| matches!(e, CommandError::TimedOut { .. })),
    ];
    for (command, limit, is_it) in table {
        let error = run(&command, limit).await.unwrap_err();
        assert!(is_it(&error), "{error:?}");
        let problem = Problem::from(error);
        assert!(problem.message.contains(&command.program) && !problem.message.contains("hunter2"), "{problem}");
    }
}

#[tokio::test]
async fn what_is_left_running_in_the_background_holds_nobody_up() {
    let began = Instant::now();
    let printed = run(&shell("sleep 30 & echo token"), LIMIT).await.unwrap();
    assert_eq!(printed.as_slice(), b"token\n");
    assert!(began.elapsed() < LIMIT);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_command_that_hangs_is_killed_with_what_it_started() {
    let folder = tempfile::tempdir().unwrap();
    let pids = folder.path().join("pids");
    let script = format!("sleep 1000 & echo $! $$ > '{}'; wait", pids.display());
    for is_cancelled in [false, true] {
        #[expect(clippy::disallowed_methods, reason = "a file of this test")]
        let read = || std::fs::read_to_string(&pids).unwrap_or_default();
        let command = shell(&script);
        let running = run(&command, Duration::from_secs(if is_cancelled { 1000 } else { 1 }));
        tokio::select! {
            ended = running => assert!(matches!(ended, Err(CommandError::TimedOut { .. })), "{ended:?}"),
            () = async { while !read().ends_with('\n') { tokio::task::yield_now().await } }, if is_cancelled => {}
        }
        let started = read();
        assert_eq!(started.split_whitespace().count(), 2);
        for pid in started.split_whitespace() {
            let stat = format!("/proc/{pid}/stat");
            let is_alive = || {
                #[expect(clippy::disallowed_methods, reason = "what the system tells of a process")]
                let stat = std::fs::read_to_string(&stat).unwrap_or_default();
                !stat.is_empty() && !stat.contains(") Z ")
            };
            let gone = async {
                while is_alive() {
                    tokio::task::yield_now().await
                }
            };
            assert!(tokio::time::timeout(LIMIT, gone).await.is_ok(), "{pid} is alive");
        }
        #[expect(clippy::disallowed_methods, reason = "a file of this test")]
        std::fs::write(&pids, "").unwrap();
    }
}

#[tokio::test]
async fn one_runs_at_a_time() {
    let (folder, keeper) = keeper("sleep 0.2; echo token-$n");
    let keeper = Arc::new(keeper);
    let tasks: Vec<_> = (0..10)
        .map(|_| {
            let keeper = keeper.clone();
            tokio::spawn(async move {
                value(&keeper.pass(Purpose::Call, Instant::now()).supplied().await.unwrap()).to_owned()
            })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), "Bearer token-1");
    }
    assert_eq!(runs(folder.path()), 1);
}
