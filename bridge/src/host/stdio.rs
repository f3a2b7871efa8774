//! stdin and stdout as a pair of line channels. Pipes and sockets are served by the runtime; anything else by a thread each: a
//! blocking read of stdin cannot be cancelled, and a host that does not read must not stop the runtime.

use std::fs::File;
use std::io::{self, Read, Write};
use std::pin::pin;

use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use super::lines::{Cutter, Sheaf};
use super::output::{self, Lines};
use super::{Host, Input, Written};

/// How many lines of the host may wait to be looked at.
const QUEUE: usize = 64;
/// A line over this length waits alone, in bytes.
const LONG: usize = 64 * 1024;

/// Opens the pair, in a runtime. `longest` is the longest line that is taken, in bytes. The receiver resolves once
/// [`Host::written`] is gone: everything is written, or nobody waits for it any more.
///
/// # Errors
/// Where stdin or stdout cannot be duplicated or a thread cannot be started.
pub fn open(longest: usize) -> io::Result<(Host, oneshot::Receiver<()>)> {
    let (to_bridge, input) = mpsc::channel(QUEUE);
    let (output, lines) = output::channel();
    let (done, all) = oneshot::channel();
    let (waits, over) = oneshot::channel();
    let shared = read(file_of(io::stdin())?, longest, to_bridge)?;
    write(file_of(io::stdout())?, lines, done, &shared)?;
    Ok((Host { input, output, written: Written { all, _waits: waits } }, over))
}

/// What the two ends of one socket have in common.
#[cfg(unix)]
type Shared = Option<std::sync::Arc<super::pipe::Before>>;
#[cfg(not(unix))]
type Shared = ();

fn read(stdin: File, longest: usize, to_bridge: mpsc::Sender<Input>) -> io::Result<Shared> {
    #[cfg(unix)]
    if let Some(pipe) = super::pipe::reader(&stdin, &file_of(io::stderr())?) {
        let before = pipe.before();
        tokio::spawn(async move { ended(pipe.read_lines(longest, to_bridge).await) });
        return Ok(Some(before));
    }
    let (thread, runtime) = (std::thread::Builder::new().name("stdin".into()), Handle::current());
    let take = move |line| runtime.block_on(hand_over(line, &to_bridge)).is_ok();
    thread.spawn(move || ended(read_lines(stdin, longest, take)))?;
    Ok(Shared::default())
}

/// Hands a line to the bridge once it takes it. A long one goes when no other waits: what waits is few bytes (H10).
///
/// # Errors
/// Nobody takes any more.
pub(super) async fn hand_over(line: Input, to_bridge: &mpsc::Sender<Input>) -> Result<(), ()> {
    if matches!(&line, Input::Line(line) if line.len() > LONG) {
        let mut places = to_bridge.reserve_many(QUEUE).await.map_err(|_| ())?;
        places.next().ok_or(())?.send(line);
        return Ok(());
    }
    to_bridge.send(line).await.map_err(|_| ())
}

fn ended(read: io::Result<()>) {
    if let Err(error) = read {
        tracing::warn!("stdin: {error}");
    }
}

fn write(stdout: File, lines: Lines, done: oneshot::Sender<()>, shared: &Shared) -> io::Result<()> {
    let listener = gone(stdout.try_clone()?)?;
    #[cfg(unix)]
    if let Some(pipe) = super::pipe::writer(&stdout, &file_of(io::stderr())?, shared.as_ref()) {
        tokio::spawn(async move { written(pipe.write_lines(lines, listener).await, done) });
        return Ok(());
    }
    let runtime = Handle::current();
    let thread = std::thread::Builder::new().name("stdout".into());
    thread.spawn(move || written(runtime.block_on(write_lines(stdout, lines, listener)), done))?;
    Ok(())
}

fn written(written: io::Result<()>, done: oneshot::Sender<()>) {
    if let Err(error) = written {
        tracing::debug!("stdout: {error}");
    }
    let _ = done.send(());
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

/// The same handle without a buffer: `io::stdout` flushes at every line.
#[cfg(unix)]
fn file_of(stream: impl std::os::fd::AsFd) -> io::Result<File> {
    Ok(File::from(stream.as_fd().try_clone_to_owned()?))
}

/// The same handle without a buffer: `io::stdout` flushes at every line.
#[cfg(windows)]
fn file_of(stream: impl std::os::windows::io::AsHandle) -> io::Result<File> {
    Ok(File::from(stream.as_handle().try_clone_to_owned()?))
}

/// Calls `take` with every line until the input ends or `take` says no.
fn read_lines(mut from: impl Read, limit: usize, mut take: impl FnMut(Input) -> bool) -> io::Result<()> {
    let mut chunk = vec![0; 64 * 1024];
    let mut cutter = Cutter::new(limit);
    loop {
        let length = match from.read(&mut chunk) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        let mut goes_on = true;
        cutter.cut(&chunk[..length], |line| goes_on = goes_on && take(line));
        if length == 0 {
            cutter.end().map(take); // the last
            return Ok(());
        }
        if !goes_on {
            return Ok(());
        }
    }
}

/// Writes whole lines, what is ready together, until there are no more or the listener is gone. It blocks its thread while
/// the host does not read.
async fn write_lines(mut to: impl Write, mut lines: Lines, gone: impl Future<Output = ()>) -> io::Result<()> {
    let mut gone = pin!(gone);
    let mut sheaf = Sheaf::default();
    loop {
        let goes_on = tokio::select! {
            goes_on = lines.fill(&mut sheaf) => goes_on,
            () = &mut gone => return Err(io::ErrorKind::BrokenPipe.into()),
        };
        if !goes_on {
            return Ok(());
        }
        for part in sheaf.parts() {
            to.write_all(&part)?;
        }
        to.flush()?;
        sheaf.clear();
        lines.all_written();
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn h7_the_reading_ends_with_the_input_or_when_nobody_takes_any_more() {
        let mut seen = Vec::new();
        let take_one = |line| {
            seen.push(line);
            false
        };
        read_lines(&b"a\nb\n"[..], 10, take_one).unwrap();
        assert_eq!(seen, [Input::Line(Bytes::from_static(b"a"))]);
    }

    #[tokio::test]
    async fn h2_lines_are_written_whole_and_in_order() {
        let (output, lines) = output::channel();
        for text in ["one", "two"] {
            output.send(Bytes::from_static(text.as_bytes())).await.unwrap();
        }
        drop(output);
        let mut out = Vec::new();
        write_lines(&mut out, lines, std::future::pending()).await.unwrap();
        assert_eq!(out, b"one\ntwo\n");
    }

    #[tokio::test]
    async fn h7_a_host_that_is_gone_ends_the_writing_although_nothing_is_to_be_written() {
        let (output, lines) = output::channel();
        let error = write_lines(Vec::new(), lines, async {}).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        output.closed().await;
    }
}
