//! One run of a person's command: no shell, no stdin, bounded in time and output, and killed with all that it started where it
//! does not end. What it says on stderr goes to the log, without what may be a secret. Must never know what the output means.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use zeroize::Zeroizing;

use super::output::OutputError;
use crate::secret::{Secret, SentSecrets};
use crate::settings::CommandLine;
use crate::untrusted::Untrusted;

/// The longest output, in bytes.
const LIMIT: usize = 64 * 1024;
/// How much of stderr is looked at, in bytes; the rest is read and dropped.
const SAID: usize = 4 * 1024;
/// How long the output may take once the command has ended: what it left behind may hold the pipe open.
const LAST_WORDS: Duration = Duration::from_millis(200);
/// From this length on, in bytes, a word of stderr may be a secret.
const LONG: usize = 16;

/// Why a command gave no credential. Each names the program alone: an argument may be a secret.
#[derive(Debug, thiserror::Error)]
pub(in crate::tokens) enum CommandError {
    /// It cannot be started.
    #[error("the command `{program}` cannot be started: {source}")]
    NotStarted { program: String, source: io::Error },
    /// Its output cannot be read, or its end not be awaited.
    #[error("the command `{program}` was lost sight of: {source}")]
    Lost { program: String, source: io::Error },
    /// It did not end in time.
    #[error("the command `{program}` did not end within {} s, and was ended", limit.as_secs_f64())]
    TimedOut { program: String, limit: Duration },
    /// It ended with an error.
    #[error("the command `{program}` failed: {}", ended(*status))]
    Failed { program: String, status: ExitStatus },
    /// It printed too much.
    #[error("the command `{program}` printed more than {LIMIT} bytes, and was ended")]
    TooLong { program: String },
    /// What it printed is no credential.
    #[error("the command `{program}` {error}")]
    Output { program: String, error: OutputError },
}

impl CommandError {
    /// What the person can do.
    pub(super) fn hint(&self) -> &'static str {
        match self {
            CommandError::NotStarted { .. } => {
                "name it by its absolute path: hosts start the bridge with a `PATH` of their own, and no shell reads the line"
            }
            CommandError::Lost { .. } => "try again",
            CommandError::TimedOut { .. } => {
                "run it in a terminal: it must ask nothing; more time by `--command-timeout SECONDS`"
            }
            CommandError::Failed { .. } => {
                "run it in a terminal to see why; what it says on stderr is in the bridge's log, without what may be secret"
            }
            CommandError::TooLong { .. } | CommandError::Output { .. } => {
                "run it in a terminal: it must print the credential alone, in a form that docs/credentials.md has"
            }
        }
    }
}

fn ended(status: ExitStatus) -> String {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return format!("it was ended by signal {signal}");
    }
    status.code().map_or_else(|| status.to_string(), |code| format!("its exit code is {code}"))
}

/// Runs a command and gives what it prints. Dropped, it kills the command.
pub(super) async fn run(command: &CommandLine, limit: Duration) -> Result<Zeroizing<Vec<u8>>, CommandError> {
    let program = || command.to_string();
    let mut run = Run::start(command).map_err(|source| CommandError::NotStarted { program: program(), source })?;
    let mut printed = Zeroizing::new(Vec::with_capacity(LIMIT + 1));
    let mut said = Zeroizing::new(Vec::with_capacity(SAID));
    let ended = tokio::time::timeout(limit, run.read_until_it_ends(&mut printed, &mut said)).await;
    note(command, &printed, &said);
    let status = match ended {
        Err(_) => return Err(CommandError::TimedOut { program: program(), limit }),
        Ok(Err(source)) => return Err(CommandError::Lost { program: program(), source }),
        Ok(Ok(_)) if printed.len() > LIMIT => return Err(CommandError::TooLong { program: program() }),
        Ok(Ok(status)) => status,
    };
    match status {
        Some(status) if !status.success() => Err(CommandError::Failed { program: program(), status }),
        _ => Ok(printed),
    }
}

/// A command that runs, in a process group of its own.
struct Run(Child);

impl Run {
    fn start(line: &CommandLine) -> io::Result<Run> {
        let mut command = Command::new(&line.program);
        command.args(line.arguments.iter().map(Secret::expose));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        #[cfg(unix)]
        command.process_group(0);
        #[cfg(windows)]
        {
            const CREATE_NO_WINDOW: u32 = 0x0800_0000;
            command.creation_flags(CREATE_NO_WINDOW);
        }
        Ok(Run(command.spawn()?))
    }

    /// Reads to the end of its output and of itself; no status where the output is over the limit.
    async fn read_until_it_ends(
        &mut self,
        printed: &mut Vec<u8>,
        said: &mut Vec<u8>,
    ) -> io::Result<Option<ExitStatus>> {
        let (Some(stdout), Some(stderr)) = (self.0.stdout.take(), self.0.stderr.take()) else { return Ok(None) };
        let too_long = async {
            stdout.take(LIMIT as u64 + 1).read_to_end(printed).await?;
            if printed.len() > LIMIT { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(()) }
        };
        let reading = async { tokio::try_join!(too_long, keep_the_beginning(stderr, said)) };
        let mut reading = std::pin::pin!(reading);
        let read = tokio::select! {
            read = &mut reading => read,
            status = self.0.wait() => {
                let status = status?;
                return match tokio::time::timeout(LAST_WORDS, reading).await {
                    Ok(Err(error)) if error.kind() != io::ErrorKind::FileTooLarge => Err(error),
                    _ => Ok(Some(status)),
                };
            }
        };
        match read {
            Ok(_) => Ok(Some(self.0.wait().await?)),
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // Waited for, it has no id any more; what it left running then is its own affair.
        #[cfg(unix)]
        if let Some(group) = self.0.id().and_then(|id| rustix::process::Pid::from_raw(id.cast_signed())) {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }
}

async fn keep_the_beginning(mut from: impl AsyncRead + Unpin, kept: &mut Vec<u8>) -> io::Result<()> {
    let mut buffer = Zeroizing::new([0; 1024]);
    loop {
        let read = from.read(buffer.as_mut_slice()).await?;
        if read == 0 {
            return Ok(());
        }
        kept.extend_from_slice(&buffer[..read.min(SAID - kept.len())]);
    }
}

/// Tells the log what a command said on stderr.
fn note(command: &CommandLine, printed: &[u8], said: &[u8]) {
    let said = String::from_utf8_lossy(said);
    if !said.trim().is_empty() {
        tracing::info!("`{command}` says on stderr: {}", redacted(command, &String::from_utf8_lossy(printed), &said));
    }
}

/// What a command said, without its arguments, what it printed, and every long word.
fn redacted(command: &CommandLine, printed: &str, said: &str) -> Untrusted {
    let mut secrets = SentSecrets::default();
    printed.split(between_words).for_each(|word| secrets.add(Secret::new(word)));
    command.arguments.iter().for_each(|argument| secrets.add(argument.clone()));
    let hidden = secrets.hidden_in(said.trim());
    let words = hidden.split_inclusive(between_words).map(|word| {
        let end = word.trim_end_matches(between_words);
        if end.len() >= LONG { format!("[hidden]{}", &word[end.len()..]) } else { word.to_owned() }
    });
    Untrusted::new(words.collect::<String>().replace(['\r', '\n'], " "))
}

fn between_words(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, '"' | '\'' | '`' | ',' | ';' | ':' | '=' | '(' | ')' | '[' | ']' | '{' | '}' | '<' | '>' | '&')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_secret_is_left_out_of_what_a_command_says() {
        let command = CommandLine::parse("", &Secret::new("get --password hunter2")).unwrap();
        let said = |printed: &str, text: &str| redacted(&command, printed, text).to_string();
        let table = [
            ("", "not logged in: run `op signin`\n", "not logged in: run `op signin`"),
            ("{\"access_token\":\"hunter3\"}", "token=hunter3", "token=[secret]"),
            ("", "wrong password hunter2", "wrong password [secret]"),
            ("", "a=eyJhbGciOiJIUzI1NiJ9.e30.x,\nb", "a=[hidden], b"),
            ("", "\u{1b}[31mno", "\\u{1b}[31mno"),
        ];
        for (printed, text, expected) in table {
            assert_eq!(said(printed, text), expected, "{text}");
        }
    }
}
