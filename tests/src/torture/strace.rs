//! `strace` as an instrument: it counts system calls, kills a process before one of them, or has one of them fail.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What is done to a process.
#[derive(Clone, Debug)]
pub struct Injection {
    /// The system call.
    pub call: String,
    /// What happens in its place, in strace's words: `signal=SIGKILL`, `error=ENOSPC`.
    pub what: String,
    /// At which of these calls of a thread, from 1 on.
    pub nth: usize,
    /// And at every one that follows.
    pub from_then_on: bool,
}

/// Whether strace can be used here; else why not.
///
/// # Errors
/// A sentence.
pub fn usable() -> Result<(), String> {
    let quiet =
        |command: &mut Command| command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    match quiet(Command::new("strace").args(["-f", "-qq", "-o", "/dev/null", "true"])) {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("strace may not trace here: {status}")),
        Err(error) => Err(format!("strace cannot be started: {error}")),
    }
}

/// The words before a command that is to be traced into a file; only calls on `paths` where there are any.
#[must_use]
pub fn words(trace: &Path, calls: impl Display, paths: &[PathBuf]) -> Vec<String> {
    let mut words: Vec<String> = ["strace", "-f", "-qq", "-y", "-s", "512", "-o"].map(str::to_owned).into();
    words.push(trace.display().to_string());
    words.extend(["-e".to_owned(), format!("trace={calls}")]);
    for path in paths {
        words.extend(["-P".to_owned(), path.display().to_string()]);
    }
    words
}

impl Injection {
    /// The words before a command that is to suffer this.
    #[must_use]
    pub fn words(&self, trace: &Path, paths: &[PathBuf]) -> Vec<String> {
        let Injection { call, what, nth, from_then_on } = self;
        let plus = if *from_then_on { "+" } else { "" };
        let mut words = words(trace, call, paths);
        words.extend(["-e".to_owned(), format!("inject={call}:{what}:when={nth}{plus}")]);
        words
    }
}

impl Display for Injection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let then = if self.from_then_on { " and every later one" } else { "" };
        write!(f, "{} at {} {}{then}", self.what, self.call, self.nth)
    }
}

/// One call in a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call<'a> {
    /// The thread.
    pub thread: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Its arguments and result as strace writes them.
    pub rest: &'a str,
}

/// The calls in a trace in the order in which they began.
pub fn calls(trace: &str) -> impl Iterator<Item = Call<'_>> {
    trace.lines().filter_map(|line| {
        let (thread, rest) = line.split_once(' ')?;
        let (name, rest) = rest.trim_start().split_once('(')?;
        let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        is_name.then_some(Call { thread, name, rest })
    })
}

/// How often each call was made by the thread that made it most.
#[must_use]
pub fn counts(trace: &str) -> BTreeMap<String, usize> {
    let mut by_thread: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for call in calls(trace) {
        *by_thread.entry((call.name, call.thread)).or_default() += 1;
    }
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for ((name, _), count) in by_thread {
        let most = counts.entry(name.to_owned()).or_default();
        *most = count.max(*most);
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::counts;

    #[test]
    fn calls_are_counted_by_thread_and_the_resumed_ones_once() {
        let trace = "7  openat(AT_FDCWD</>, \"a\") = 3\n7  read(3 <unfinished ...>\n8  openat(AT_FDCWD, \"b\") = 4\n\
                     7  <... read resumed>) = 1\n8  openat(AT_FDCWD, \"c\") = 5\n7  +++ killed by SIGKILL +++\n";
        let counts = counts(trace);
        assert_eq!((counts["openat"], counts["read"], counts.len()), (2, 1, 2));
    }
}
