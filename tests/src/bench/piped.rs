//! A bridge as a child process with blocking pipes: one thread writes calls and reads what comes, in large pieces and
//! without parsing, because all that is measured shares its cores with this.

mod watch;

use std::io::{self, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use self::watch::Watch;
use super::call::{Call, INITIALIZE, INITIALIZED, Kind, kind};

/// How much is read at once, in bytes.
const BUFFER: usize = 256 * 1024;
/// How much of a line's beginning and of its end is looked at, in bytes.
const EDGE: usize = 160;
/// How long a bridge may take to end once its stdin is closed.
const GOODBYE: Duration = Duration::from_secs(3);

/// A bridge that runs.
#[derive(Debug)]
pub struct Piped {
    id: u32,
    child: Arc<Mutex<Child>>,
    watch: Watch,
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

/// The line that is being read.
#[derive(Debug, Default)]
struct Line {
    /// Its first and its last bytes; all of a short one.
    edges: Vec<u8>,
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
        let id = child.id();
        let child = Arc::new(Mutex::new(child));
        let watch = Watch::over(child.clone());
        let buffer = vec![0; BUFFER];
        Ok(Piped { id, child, watch, stdin, stdout, buffer, line: Line::default(), next_id: 1 })
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Shakes hands.
    ///
    /// # Errors
    /// Where it does not answer with a result.
    pub fn initialize(&mut self) -> io::Result<()> {
        self.waiting(|piped| {
            piped.write(format!("{INITIALIZE}\n").as_bytes())?;
            piped.answers(1)?;
            piped.write(format!("{INITIALIZED}\n").as_bytes())
        })
    }

    /// Sends a call and waits for its answer.
    ///
    /// # Errors
    /// Where it does not answer with a result.
    pub fn call(&mut self, call: &Call) -> io::Result<Come> {
        self.waiting(|piped| {
            piped.send(call, 1)?;
            piped.answers(1)
        })
    }

    /// Keeps `width` calls in flight until `count` are answered.
    ///
    /// # Errors
    /// Where one is not answered with a result.
    pub fn calls(&mut self, call: &Call, width: usize, count: usize) -> io::Result<()> {
        self.waiting(|piped| {
            let mut sent = width.min(count);
            let mut answered = 0;
            piped.send(call, sent)?;
            while answered < count {
                let come = piped.read()?.answers;
                answered += come;
                let more = come.min(count - sent);
                piped.send(call, more)?;
                sent += more;
            }
            Ok(())
        })
    }

    fn waiting<T>(&mut self, act: impl FnOnce(&mut Self) -> io::Result<T>) -> io::Result<T> {
        self.watch.waits(true);
        let done = act(self);
        self.watch.waits(false);
        done
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
            return Err(io::Error::other("it closed its stdout, or was silent for too long"));
        }
        self.watch.heard();
        let mut come = Come { bytes: read, ..Come::default() };
        let mut begin = 0;
        for end in memchr::memchr_iter(b'\n', &self.buffer[..read]) {
            self.line.extend(&self.buffer[begin..end]);
            begin = end + 1;
            match kind(&self.line.edges) {
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
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        let began = Instant::now();
        while began.elapsed() < GOODBYE {
            if !matches!(child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        let _ = child.kill();
        let _ = child.wait();
    }
}

impl Line {
    fn extend(&mut self, more: &[u8]) {
        let room = EDGE.saturating_sub(self.edges.len()).min(more.len());
        self.edges.extend_from_slice(&more[..room]);
        let rest = &more[room..];
        self.edges.extend_from_slice(&rest[rest.len().saturating_sub(EDGE)..]);
        if self.edges.len() > 2 * EDGE {
            self.edges.drain(EDGE..self.edges.len() - EDGE);
        }
        self.length += more.len();
    }

    fn clear(&mut self) {
        self.edges.clear();
        self.length = 0;
    }

    fn shown(&self) -> String {
        format!("{} ({} bytes)", String::from_utf8_lossy(&self.edges), self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_keeps_its_edges_however_it_comes() {
        for length in [10, EDGE, 2 * EDGE, 5 * EDGE] {
            let text: Vec<u8> = (0..length).map(|at| b'a' + u8::try_from(at % 26).unwrap()).collect();
            let expected = match length.checked_sub(2 * EDGE) {
                Some(left_out) => [&text[..EDGE], &text[EDGE + left_out..]].concat(),
                None => text.clone(),
            };
            for piece in [1, 7, EDGE, length] {
                let mut line = Line::default();
                text.chunks(piece).for_each(|chunk| line.extend(chunk));
                assert_eq!((&line.edges, line.length), (&expected, length), "{length} bytes by {piece}");
            }
        }
    }
}
