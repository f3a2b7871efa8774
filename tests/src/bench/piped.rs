//! A bridge as a child process with blocking pipes: one thread writes calls and reads what comes, in large pieces and
//! without parsing, because all that is measured shares its cores with this.

use std::io::{self, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use super::call::{Call, EDGE, Kind, kind};

/// How much is read at once, in bytes.
const BUFFER: usize = 256 * 1024;
/// How long a bridge may take to end once its stdin is closed.
const GOODBYE: Duration = Duration::from_secs(3);

/// A bridge that runs.
#[derive(Debug)]
pub struct Piped {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: ChildStdout,
    buffer: Vec<u8>,
    line: Line,
    next_id: u64,
}

/// What has come since it was last asked.
#[derive(Clone, Copy, Debug, Default)]
pub struct Come {
    /// Responses with a result.
    pub answers: usize,
    /// Other messages.
    pub others: usize,
    /// Bytes of all lines.
    pub bytes: usize,
}

/// The edges of the line that is being read.
#[derive(Debug, Default)]
struct Line {
    head: Vec<u8>,
    tail: Vec<u8>,
    length: usize,
}

impl Piped {
    /// Starts it.
    ///
    /// # Errors
    /// Where it does not start.
    pub fn start(command: &mut Command) -> io::Result<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let (Some(stdout), stdin) = (child.stdout.take(), child.stdin.take()) else {
            return Err(io::Error::other("no pipes"));
        };
        Ok(Piped { child, stdin, stdout, buffer: vec![0; BUFFER], line: Line::default(), next_id: 1 })
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Shakes hands.
    ///
    /// # Errors
    /// Where it does not answer with a result.
    pub fn initialize(&mut self) -> io::Result<()> {
        let client = r#"{"name":"bench","version":"1"}"#;
        let params = format!(r#"{{"protocolVersion":"2025-11-25","capabilities":{{}},"clientInfo":{client}}}"#);
        let request = format!("{{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"initialize\",\"params\":{params}}}\n");
        self.write(request.as_bytes())?;
        self.answers(1)?;
        self.write(b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n")
    }

    /// Sends a call and waits for its answer.
    ///
    /// # Errors
    /// Where it does not answer with a result.
    pub fn call(&mut self, call: &Call) -> io::Result<Come> {
        self.send(call, 1)?;
        self.answers(1)
    }

    /// Keeps `width` calls in flight until `count` are answered.
    ///
    /// # Errors
    /// Where one is not answered with a result.
    pub fn calls(&mut self, call: &Call, width: usize, count: usize) -> io::Result<()> {
        let mut sent = width.min(count);
        let mut answered = 0;
        self.send(call, sent)?;
        while answered < count {
            let come = self.read()?.answers;
            answered += come;
            let more = come.min(count - sent);
            self.send(call, more)?;
            sent += more;
        }
        Ok(())
    }

    fn send(&mut self, call: &Call, count: usize) -> io::Result<()> {
        let mut small = Vec::new();
        for _ in 0..count {
            let (beginning, rest) = call.line(self.next_id);
            self.next_id += 1;
            small.extend_from_slice(beginning.as_bytes());
            if rest.len() < BUFFER {
                small.extend_from_slice(rest);
            } else {
                self.write(&small)?;
                small.clear();
                self.write(rest)?;
            }
        }
        self.write(&small)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stdin.as_mut().ok_or(io::ErrorKind::BrokenPipe)?.write_all(bytes)
    }

    fn answers(&mut self, wanted: usize) -> io::Result<Come> {
        let mut come = Come::default();
        while come.answers < wanted {
            let more = self.read()?;
            come.answers += more.answers;
            come.others += more.others;
            come.bytes += more.bytes;
        }
        Ok(come)
    }

    /// Reads once.
    fn read(&mut self) -> io::Result<Come> {
        let read = self.stdout.read(&mut self.buffer)?;
        if read == 0 {
            return Err(io::Error::other("it closed its stdout"));
        }
        let mut come = Come { bytes: read, ..Come::default() };
        let mut begin = 0;
        for end in memchr::memchr_iter(b'\n', &self.buffer[..read]) {
            self.line.extend(&self.buffer[begin..end]);
            begin = end + 1;
            match kind(&self.line.head, &self.line.tail) {
                Kind::Answer => come.answers += 1,
                Kind::Other => come.others += 1,
                Kind::Error => return Err(io::Error::other(self.line.shown())),
            }
            self.line.clear();
        }
        self.line.extend(&self.buffer[begin..read]);
        Ok(come)
    }
}

impl Drop for Piped {
    /// Closes its stdin and waits for the end; kills it where that does not come.
    fn drop(&mut self) {
        self.stdin = None;
        let began = Instant::now();
        while began.elapsed() < GOODBYE {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Line {
    fn extend(&mut self, more: &[u8]) {
        let room = (EDGE - self.head.len()).min(more.len());
        self.head.extend_from_slice(&more[..room]);
        let rest = &more[room..];
        self.tail.extend_from_slice(&rest[rest.len().saturating_sub(EDGE)..]);
        self.tail.drain(..self.tail.len().saturating_sub(EDGE));
        self.length += more.len();
    }

    fn clear(&mut self) {
        self.head.clear();
        self.tail.clear();
        self.length = 0;
    }

    fn shown(&self) -> String {
        format!("{} … ({} bytes)", String::from_utf8_lossy(&self.head), self.length)
    }
}
