//! What a run says: what it does and its seed first, every failure when it is found, the figures and the verdict at the end.
//! The only place of the runs that prints.

use std::fmt::Display;
use std::io::{self, Write};
use std::time::{Duration, Instant};

/// How many failures are told in full; the rest are counted.
const TOLD: usize = 20;
/// How often the progress is told.
const PROGRESS: Duration = Duration::from_secs(15);

/// A run's report, while it is made.
#[derive(Debug)]
pub struct Report {
    name: String,
    began: Instant,
    told: Instant,
    figures: Vec<(String, String)>,
    failures: usize,
    skipped: Option<String>,
}

impl Report {
    /// Says what is going to happen.
    #[must_use]
    pub fn begin(name: &str, what: impl Display, seed: u64) -> Self {
        let now = Instant::now();
        let report =
            Report { name: name.to_owned(), began: now, told: now, figures: Vec::new(), failures: 0, skipped: None };
        report.say(format_args!("{name}: {what}"));
        report.say(format_args!("{name}: seed {seed}"));
        report
    }

    /// Says a line.
    pub fn say(&self, line: impl Display) {
        // Nobody reads: the exit code must do.
        let _ = writeln!(io::stdout().lock(), "{line}");
    }

    /// Says how far it is, now and then.
    pub fn progress(&mut self, done: usize, of: usize) {
        if self.told.elapsed() >= PROGRESS {
            self.told = Instant::now();
            let (name, failures) = (&self.name, self.failures);
            self.say(format_args!("{name}: {done} of {of}, {failures} failures, {} s", self.began.elapsed().as_secs()));
        }
    }

    /// A figure of the end.
    pub fn figure(&mut self, name: impl Display, value: impl Display) {
        self.figures.push((name.to_string(), value.to_string()));
    }

    /// Something that must not be.
    pub fn fail(&mut self, what: impl Display) {
        self.failures += 1;
        if self.failures <= TOLD {
            self.say(format_args!("{}: FAILURE {}: {what}", self.name, self.failures));
        }
    }

    /// A figure that must have one value.
    pub fn must_be<T: PartialEq + Display>(&mut self, name: &str, value: T, wanted: T) {
        if value != wanted {
            self.fail(format_args!("{name}: {value}, not {wanted}"));
        }
        self.figure(name, value);
    }

    /// How many failures there are.
    #[must_use]
    pub fn failures(&self) -> usize {
        self.failures
    }

    /// Nothing can be run here, and why.
    pub fn skip(&mut self, why: impl Display) {
        self.skipped = Some(why.to_string());
    }

    /// Says the figures and the verdict. A skip is no success where `skip_fails`.
    #[must_use]
    pub fn end(self, skip_fails: bool) -> bool {
        let name = &self.name;
        for (figure, value) in &self.figures {
            self.say(format_args!("{name}: {figure}: {value}"));
        }
        let seconds = self.began.elapsed().as_secs_f64();
        let verdict = match (&self.skipped, self.failures) {
            (Some(why), 0) => format!("SKIP ({why})"),
            (_, 0) => "PASS".to_owned(),
            (_, failures) => format!("FAIL ({failures} failures)"),
        };
        self.say(format_args!("{name}: {verdict} after {seconds:.1} s"));
        self.failures == 0 && (self.skipped.is_none() || !skip_fails)
    }
}
