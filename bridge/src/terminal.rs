//! The one file that prints, and its rules: while a bridge runs stdout carries MCP messages and nothing else, so everything
//! a person reads goes to stderr; an error first, its hint on a line of its own; no colour where stderr is no terminal.
//! Only what a command was asked for goes to stdout, and only of a command that bridges nothing. Nobody waits for who reads
//! stderr: read next [`outlet`].

mod outlet;
mod pasted;
mod qr;

use std::fs::OpenOptions;
use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use self::outlet::Outlet;
pub use self::pasted::lines;
use crate::problem::{Code, Problem};
use crate::settings::LogSettings;

/// How much may wait for a stderr that nobody reads, in bytes; some hosts never do.
const WAITING: usize = 64 * 1024;
/// How long the end of the program waits for a stderr that nobody reads.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// How much of an answer is read, in bytes.
const LONGEST_ANSWER: u64 = 1024;

/// stderr; `None` where the system gives no thread for it.
static STDERR: OnceLock<Option<Outlet>> = OnceLock::new();

/// Says a sentence to the person. Never waits: what finds no room is dropped.
pub fn say(text: &str) {
    write(format!("{text}\n").as_bytes());
}

/// Asks the person a question; only `y` or `yes` is a yes. No, where nobody sits at a terminal. Waits for the answer.
#[must_use]
pub fn agrees(question: &str) -> bool {
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return false;
    }
    say(question);
    let mut answer = String::new();
    let read = io::stdin().lock().take(LONGEST_ANSWER).read_line(&mut answer);
    read.is_ok() && matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

/// Waits shortly for what was said to be written: to be called before the program ends.
pub fn flush() {
    if let Some(Some(outlet)) = STDERR.get() {
        outlet.flush(LAST_WORDS);
    }
}

/// Shows a URL as a QR code, where stderr is a terminal that a phone can look at.
pub fn say_qr(url: &str) {
    if io::stderr().is_terminal()
        && let Some(code) = qr::text(url)
    {
        say(&code);
    }
}

fn write(lines: &[u8]) {
    match STDERR.get_or_init(|| Outlet::start(io::stderr(), WAITING).ok()) {
        Some(outlet) => outlet.push(lines),
        // A closed stderr must not end the bridge.
        None => drop(io::stderr().write_all(lines)),
    }
}

/// What the log writes to: each event is one call.
struct LogLine;

impl Write for LogLine {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        write(lines);
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Prints what was asked for, to stdout: for commands that bridge nothing.
pub fn print(text: &str) {
    // Whoever reads may have read enough.
    let _ = writeln!(io::stdout().lock(), "{text}");
}

/// Shows a problem: what happened, then what to do.
pub fn show(problem: &Problem) {
    say(&format!("mcp-bridge: {}\nhint: {}", problem.message, problem.hint));
}

/// Sends logs where the settings say. Other crates' logs are only let through from `warn` up: at their lower levels they
/// may show what went over the wire.
///
/// # Errors
/// Where the log file cannot be opened.
pub fn start_logging(settings: &LogSettings) -> Result<(), Problem> {
    let level: LevelFilter = settings.level.parse().unwrap_or(LevelFilter::INFO);
    let filter = Targets::new().with_default(level.min(LevelFilter::WARN)).with_target("mcp_bridge", level);
    let format = tracing_subscriber::fmt::layer().with_target(false);
    let registry = tracing_subscriber::registry().with(filter);
    // A second subscriber in one process can only come from a test; the first one stays.
    let _ = match &settings.file {
        None => registry.with(format.with_ansi(io::stderr().is_terminal()).with_writer(|| LogLine)).try_init(),
        Some(path) => {
            let mut options = OpenOptions::new();
            options.append(true).create(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let file = options.open(path).map_err(|error| {
                Problem::new(
                    Code::StateDirUnusable,
                    format!("cannot open the log file `{}`: {error}", path.display()),
                    "choose another place with `--log-file FILE`",
                )
            })?;
            registry.with(format.with_ansi(false).with_writer(Arc::new(file))).try_init()
        }
    };
    Ok(())
}
