//! stdin and stdout as a pair of line channels, each served by a thread of its own: a blocking read of stdin cannot be
//! cancelled, and a host that does not read must not stop the runtime.

use std::fs::File;
use std::io::{self, BufRead, Read, Write};
use std::pin::pin;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use super::{Host, Input, Written};

/// How many lines may wait in each direction.
const QUEUE: usize = 64;
/// How much of a line over the limit is kept, in bytes: enough to find its id.
const BEGINNING: usize = 4096;

/// Opens the pair, in a runtime. `longest` is the longest line that is taken, in bytes. The receiver resolves once [`Host::written`] is gone: everything is written, or nobody
/// waits for it any more.
///
/// # Errors
/// Where stdout cannot be duplicated or a thread cannot be started.
pub fn open(longest: usize) -> io::Result<(Host, oneshot::Receiver<()>)> {
    let (to_bridge, input) = mpsc::channel(QUEUE);
    let (output, from_bridge) = mpsc::channel(QUEUE);
    let (done, all) = oneshot::channel();
    let (waits, over) = oneshot::channel();
    let stdout = stdout_file()?;
    let listener = gone(stdout.try_clone()?)?;
    let runtime = Handle::current();
    std::thread::Builder::new().name("stdin".into()).spawn(move || {
        if let Err(error) = read_lines(io::stdin().lock(), longest, |line| to_bridge.blocking_send(line).is_ok()) {
            tracing::warn!("stdin: {error}");
        }
    })?;
    std::thread::Builder::new().name("stdout".into()).spawn(move || {
        if let Err(error) = runtime.block_on(write_lines(stdout, from_bridge, listener)) {
            tracing::debug!("stdout: {error}");
        }
        let _ = done.send(());
    })?;
    Ok((Host { input, output, written: Written { all, _waits: waits } }, over))
}

/// Resolves once nobody reads stdout any more, which otherwise only a write would show: a host that is gone has nothing more
/// to ask for.
#[cfg(unix)]
fn gone(stdout: File) -> io::Result<impl Future<Output = ()>> {
    use rustix::event::{PollFd, PollFlags, poll};

    let (tell, told) = oneshot::channel();
    std::thread::Builder::new().name("stdout's end".into()).spawn(move || {
        let shows = loop {
            // Errors and hang-ups are told without being asked for.
            let mut stdout = [PollFd::new(&stdout, PollFlags::empty())];
            match poll(&mut stdout, None) {
                Ok(_) => break stdout[0].revents(),
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => break PollFlags::empty(),
            }
        };
        if shows.intersects(PollFlags::ERR | PollFlags::HUP) {
            let _ = tell.send(());
        }
    })?;
    Ok(async move {
        if told.await.is_err() {
            std::future::pending().await // it cannot be watched
        }
    })
}

/// What polls a pipe is not there: a write shows it.
#[cfg(not(unix))]
fn gone(_: File) -> io::Result<impl Future<Output = ()>> {
    Ok(std::future::pending())
}

/// `io::stdout` flushes at every line; a file of the same handle flushes when we say so.
fn stdout_file() -> io::Result<File> {
    #[cfg(unix)]
    {
        use std::os::fd::AsFd;
        Ok(File::from(io::stdout().as_fd().try_clone_to_owned()?))
    }
    #[cfg(windows)]
    {
        use std::os::windows::io::AsHandle;
        Ok(File::from(io::stdout().as_handle().try_clone_to_owned()?))
    }
}

/// Calls `take` with every line until the input ends or `take` says no.
fn read_lines(mut from: impl BufRead, limit: usize, mut take: impl FnMut(Input) -> bool) -> io::Result<()> {
    loop {
        let mut line = Vec::new();
        let read = (&mut from).take(limit as u64 + 1).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(());
        }
        let input = if line.last() == Some(&b'\n') {
            line.pop();
            line.pop_if(|byte| *byte == b'\r');
            Input::Line(line.into())
        } else if read > limit {
            line.truncate(BEGINNING);
            let length = read as u64 + skip_line(&mut from)?;
            Input::TooLong { length, limit, beginning: line.into() }
        } else {
            Input::Line(line.into())
        };
        let empty = matches!(&input, Input::Line(line) if line.trim_ascii().is_empty());
        if !empty && !take(input) {
            return Ok(());
        }
    }
}

fn skip_line(from: &mut impl BufRead) -> io::Result<u64> {
    let mut skipped = 0;
    loop {
        let buffer = from.fill_buf()?;
        if buffer.is_empty() {
            return Ok(skipped);
        }
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let used = end.map_or(buffer.len(), |end| end + 1);
        from.consume(used);
        skipped += used as u64;
        if end.is_some() {
            return Ok(skipped);
        }
    }
}

/// Writes whole lines and flushes when no more is ready, until there are no more or the listener is gone. It blocks its
/// thread while the host does not read.
async fn write_lines(
    to: impl Write,
    mut lines: mpsc::Receiver<Bytes>,
    gone: impl Future<Output = ()>,
) -> io::Result<()> {
    let mut to = io::BufWriter::with_capacity(64 * 1024, to);
    let mut gone = pin!(gone);
    loop {
        let line = tokio::select! {
            line = lines.recv() => line,
            () = &mut gone => return Err(io::ErrorKind::BrokenPipe.into()),
        };
        let Some(line) = line else { return Ok(()) };
        write_line(&mut to, &line)?;
        while let Ok(line) = lines.try_recv() {
            write_line(&mut to, &line)?;
        }
        to.flush()?;
    }
}

fn write_line(to: &mut impl Write, line: &[u8]) -> io::Result<()> {
    to.write_all(line)?;
    to.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(input: &[u8], limit: usize) -> Vec<Input> {
        let mut seen = Vec::new();
        read_lines(input, limit, |line| {
            seen.push(line);
            true
        })
        .unwrap();
        seen
    }

    fn line(text: &'static str) -> Input {
        Input::Line(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn h1_lines_end_in_lf_or_crlf_or_with_the_input() {
        assert_eq!(lines(b"a\nb\r\nc", 10), [line("a"), line("b"), line("c")]);
    }

    #[test]
    fn h3_empty_lines_are_ignored() {
        assert_eq!(lines(b"\n \r\n\r\na\n", 10), [line("a")]);
    }

    #[test]
    fn h4_a_line_over_the_limit_is_skipped_and_the_next_one_works() {
        let seen = lines(b"0123456789x\n0123456789\nok\n", 10);
        let beginning = Bytes::from_static(b"0123456789x");
        assert_eq!(seen, [Input::TooLong { length: 12, limit: 10, beginning }, line("0123456789"), line("ok")]);
    }

    #[tokio::test]
    async fn h2_lines_are_written_whole_and_in_order() {
        let (sender, receiver) = mpsc::channel(4);
        for text in ["one", "two"] {
            sender.try_send(Bytes::from_static(text.as_bytes())).unwrap();
        }
        drop(sender);
        let mut out = Vec::new();
        write_lines(&mut out, receiver, std::future::pending()).await.unwrap();
        assert_eq!(out, b"one\ntwo\n");
    }

    #[tokio::test]
    async fn h7_a_host_that_is_gone_ends_the_writing_although_nothing_is_to_be_written() {
        let (sender, receiver) = mpsc::channel(4);
        let error = write_lines(Vec::new(), receiver, async {}).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        assert!(sender.is_closed());
    }
}
