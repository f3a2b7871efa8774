//! The transcript: numbered steps with what went over each wire, what was checked, and how long it took. The only part of
//! the demo that prints. It knows columns and colours, and nothing of MCP or OAuth.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use super::{Failure, unexpected};

/// The columns of a line.
pub(super) const WIDTH: usize = 100;
/// Where the text of a wire's line begins.
const TEXT: usize = 22;

/// Who talks on a wire, as two names and the direction.
pub(super) type Wire = [&'static str; 3];
pub(super) const HOST_TO_BRIDGE: Wire = ["host", "→", "bridge"];
pub(super) const BRIDGE_TO_HOST: Wire = ["host", "←", "bridge"];
pub(super) const BRIDGE_TO_SERVER: Wire = ["bridge", "→", "server"];
pub(super) const SERVER_TO_BRIDGE: Wire = ["bridge", "←", "server"];
pub(super) const BROWSER_TO_SERVER: Wire = ["browser", "→", "server"];
pub(super) const SERVER_TO_BROWSER: Wire = ["browser", "←", "server"];
pub(super) const BROWSER_TO_BRIDGE: Wire = ["browser", "→", "bridge"];
pub(super) const BRIDGE_TO_BROWSER: Wire = ["browser", "←", "bridge"];

/// Writes what happens.
pub struct Transcript<'a> {
    out: &'a mut dyn Write,
    colour: bool,
    /// All that was written, without colours.
    text: String,
    steps: usize,
    step: Option<Step>,
}

/// A step that is not over yet.
struct Step {
    title: &'static str,
    source: &'static str,
    begun: Instant,
    lines: Vec<Line>,
}

enum Line {
    Wire(Wire, String),
    /// Names and values, aligned with each other.
    Details(Vec<(String, String)>),
    Aside(String),
    Checked(String),
}

enum Style {
    Plain,
    Bold,
    Dim,
    Green,
    Red,
}

impl<'a> Transcript<'a> {
    /// A transcript that goes to `out`, with colours or without.
    pub fn new(out: &'a mut dyn Write, colour: bool) -> Self {
        Transcript { out, colour, text: String::new(), steps: 0, step: None }
    }

    /// All that was written so far, without colours.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn heading(&mut self, text: &str) -> io::Result<()> {
        self.line(&[(Style::Bold, text)])?;
        self.line(&[])
    }

    /// A line of its own, shown at once.
    pub(super) fn note(&mut self, name: &str, text: &str) -> io::Result<()> {
        self.line(&[(Style::Dim, &format!("    {name:<9}")), (Style::Plain, text)])?;
        self.out.flush()
    }

    /// Something that only the person in front may see, and that no transcript keeps: a URL to open.
    pub(super) fn for_the_person(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.out, "{text}")?;
        self.out.flush()
    }

    /// Begins a step; its time runs from here.
    pub(super) fn begin(&mut self, title: &'static str, source: &'static str) {
        self.steps += 1;
        self.step = Some(Step { title, source, begun: Instant::now(), lines: Vec::new() });
    }

    pub(super) fn wire(&mut self, wire: Wire, text: impl Into<String>) {
        self.push(Line::Wire(wire, text.into()));
    }

    /// Names and values that belong to the line before.
    pub(super) fn details(&mut self, details: impl IntoIterator<Item = (String, String)>) {
        self.push(Line::Details(details.into_iter().collect()));
    }

    /// A remark that belongs to the line before.
    pub(super) fn aside(&mut self, text: impl Into<String>) {
        self.push(Line::Aside(text.into()));
    }

    /// Checks a fact.
    pub(super) fn check(&mut self, fact: &str, holds: bool, seen: impl Into<String>) -> Result<(), Failure> {
        if !holds {
            return Err(unexpected(fact, seen));
        }
        self.push(Line::Checked(fact.to_owned()));
        Ok(())
    }

    /// Checks that two values are the same.
    pub(super) fn check_same(&mut self, fact: &str, expected: &str, seen: Option<&str>) -> Result<(), Failure> {
        if seen != Some(expected) {
            return Err(unexpected(format!("{fact}: {expected}"), seen.unwrap_or("nothing")));
        }
        self.push(Line::Checked(fact.to_owned()));
        Ok(())
    }

    /// Ends the step and shows it.
    pub(super) fn end(&mut self) -> io::Result<()> {
        let Some(step) = self.step.take() else { return Ok(()) };
        let took = in_words(step.begun.elapsed());
        self.show(&step, &took)
    }

    /// Shows what there is of a step that failed, and names it.
    pub(super) fn interrupted(&mut self) -> String {
        let Some(step) = self.step.take() else { return "the end of the demo".to_owned() };
        // The failure is told on stderr in any case.
        let _ = self.show(&step, "failed");
        format!("step {} ({})", self.steps, step.title)
    }

    /// The last line.
    pub(super) fn summary(&mut self, took: Duration, what: &str) -> io::Result<()> {
        self.line(&[])?;
        let text = format!("All {} steps worked in {}: {what}.", self.steps, in_words(took));
        self.line(&[(Style::Green, "✓ "), (Style::Bold, &text)])?;
        self.out.flush()
    }

    fn push(&mut self, line: Line) {
        if let Some(step) = &mut self.step {
            step.lines.push(line);
        }
    }

    fn show(&mut self, step: &Step, took: &str) -> io::Result<()> {
        let title = format!("{:>2}  {}", self.steps, step.title);
        let source = format!("{:>1$}", step.source, WIDTH.saturating_sub(title.chars().count() + 9));
        let style = if took == "failed" { Style::Red } else { Style::Dim };
        self.line(&[])?;
        self.line(&[(Style::Bold, &title), (Style::Dim, &source), (style, &format!("{took:>9}"))])?;
        for line in &step.lines {
            match line {
                Line::Wire(wire, text) => self.wire_lines(wire, text)?,
                Line::Details(details) => self.detail_lines(details)?,
                Line::Aside(text) => self.line(&[(Style::Dim, &format!("        {}", cut(text, WIDTH - 8)))])?,
                Line::Checked(fact) => {
                    self.line(&[(Style::Green, "    ✓ "), (Style::Plain, &cut(fact, WIDTH - 6))])?;
                }
            }
        }
        self.out.flush()
    }

    fn wire_lines(&mut self, [one, arrow, other]: &Wire, text: &str) -> io::Result<()> {
        let mut label = format!("    {one:<7} {arrow} {other:<6}  ");
        for line in broken(text, WIDTH - TEXT) {
            self.line(&[(Style::Dim, &label), (Style::Plain, &line)])?;
            label = " ".repeat(TEXT);
        }
        Ok(())
    }

    fn detail_lines(&mut self, details: &[(String, String)]) -> io::Result<()> {
        let widest = details.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
        for (name, value) in details {
            let value = cut(value, WIDTH.saturating_sub(widest + 10));
            self.line(&[(Style::Dim, &format!("        {name:<widest$}  ")), (Style::Plain, &value)])?;
        }
        Ok(())
    }

    fn line(&mut self, parts: &[(Style, &str)]) -> io::Result<()> {
        for (style, part) in parts {
            self.text.push_str(part);
            match (self.colour, style.code()) {
                (true, Some(code)) => write!(self.out, "\x1b[{code}m{part}\x1b[0m")?,
                _ => write!(self.out, "{part}")?,
            }
        }
        self.text.push('\n');
        writeln!(self.out)
    }
}

impl Style {
    /// The parameter of SGR (ECMA-48 §8.3.117).
    fn code(&self) -> Option<u8> {
        match self {
            Style::Plain => None,
            Style::Bold => Some(1),
            Style::Dim => Some(2),
            Style::Red => Some(31),
            Style::Green => Some(32),
        }
    }
}

/// A message on one line or two, the second cut; the first ends at a comma where there is a late one.
fn broken(text: &str, width: usize) -> Vec<String> {
    if text.chars().count() <= width {
        return vec![text.to_owned()];
    }
    let first: String = text.chars().take(width).collect();
    let comma = first.rfind(',').map(|comma| comma + 1).filter(|end| *end > width / 2);
    let (first, rest) = text.split_at(comma.unwrap_or(first.len()));
    vec![first.to_owned(), cut(rest, width)]
}

/// At most so many characters; what is left out shows as `…`.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}

fn in_words(time: Duration) -> String {
    match time.as_millis() {
        0 => "< 1 ms".to_owned(),
        ms @ 1..1000 => format!("{ms} ms"),
        _ => format!("{:.2} s", time.as_secs_f64()),
    }
}
