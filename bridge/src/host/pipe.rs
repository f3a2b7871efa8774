//! Pipes and sockets to the host, read and written by the runtime itself, without a thread between: that is the shortest way
//! of a message. Terminals and files cannot be waited for, and what shares its file description with stderr must not be
//! changed for that: those are left to `stdio`'s threads.

use std::fs::File;
use std::io::{self, IoSlice};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::fs::{FileType, OFlags, fcntl_getfl, fcntl_setfl, fstat};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio::sync::mpsc;

use super::Input;
use super::lines::{Cutter, Sheaf};
use super::output::Lines;
use super::stdio::hand_over;

/// How much is read at once, in bytes.
const CHUNK: usize = 64 * 1024;

/// How much a pipe shall hold once a long message goes, in bytes: what Linux lets everybody have. Each user has an allowance
/// for all wide pipes together, so no pipe is widened sooner.
#[cfg(target_os = "linux")]
const WIDE: usize = 1024 * 1024;
/// So many whole chunks in a row are a long message.
const LONG_READ: usize = 4;
/// How much of a long message is written at once, in bytes: a pipe is locked for as long as a write goes on, and the host is to
/// read the beginning meanwhile.
const PIECE: usize = 128 * 1024;
/// What comes so soon after the last write is one of many: more is gathered before the next. A single call takes longer, and
/// its answer is written at once.
const BURST: Duration = Duration::from_micros(25);

/// One end of a pipe or socket, which does not block while this lives.
pub(super) struct Pipe<T: ?Sized> {
    before: Arc<Before>,
    end: Box<T>,
}

/// How its file description was. Whoever shares it shall find it so, once nobody here needs it otherwise.
pub(super) struct Before {
    file: File,
    flags: OFlags,
}

/// What the host writes to.
pub(super) type Reader = Pipe<dyn AsyncRead + Send + Unpin>;
/// What the host reads from.
pub(super) type Writer = Pipe<dyn AsyncWrite + Send + Unpin>;

/// stdin, if it can be waited for and is not stderr too.
pub(super) fn reader(file: &File, stderr: &File) -> Option<Reader> {
    let (before, kind) = Before::of(file, stderr, None)?;
    let end: Box<dyn AsyncRead + Send + Unpin> = match kind {
        FileType::Fifo => Box::new(pipe::Receiver::from_file(file.try_clone().ok()?).ok()?),
        _ => Box::new(socket(file)?),
    };
    Some(Pipe { before, end })
}

/// stdout, if it can be waited for and is not stderr too. It may be `stdin` too, as one socket for both.
pub(super) fn writer(file: &File, stderr: &File, stdin: Option<&Arc<Before>>) -> Option<Writer> {
    let (before, kind) = Before::of(file, stderr, stdin)?;
    let end: Box<dyn AsyncWrite + Send + Unpin> = match kind {
        FileType::Fifo => Box::new(pipe::Sender::from_file(file.try_clone().ok()?).ok()?),
        _ => Box::new(socket(file)?),
    };
    Some(Pipe { before, end })
}

fn socket(file: &File) -> Option<tokio::net::UnixStream> {
    let stream = UnixStream::from(OwnedFd::from(file.try_clone().ok()?));
    stream.local_addr().ok()?; // another family's socket is none for us
    stream.set_nonblocking(true).ok()?;
    tokio::net::UnixStream::from_std(stream).ok()
}

impl Before {
    fn of(file: &File, stderr: &File, stdin: Option<&Arc<Before>>) -> Option<(Arc<Before>, FileType)> {
        let own = fstat(file).ok()?;
        let kind = FileType::from_raw_mode(own.st_mode);
        let is_same = |other: &File| fstat(other).is_ok_and(|o| (o.st_dev, o.st_ino) == (own.st_dev, own.st_ino));
        let is_stderr = is_same(stderr);
        let flags = fcntl_getfl(file).ok()?;
        let waits = matches!(kind, FileType::Fifo | FileType::Socket) && !is_stderr;
        waits.then_some(())?;
        if let Some(stdin) = stdin.filter(|stdin| is_same(&stdin.file)) {
            return Some((stdin.clone(), kind));
        }
        Some((Arc::new(Before { file: file.try_clone().ok()?, flags }), kind))
    }
}

impl Before {
    /// A long message through a narrow pipe is many waits of both sides for each other. Where the system does not allow it,
    /// the pipe stays as it is; a socket is no pipe.
    fn widen(&self) {
        #[cfg(target_os = "linux")]
        if rustix::pipe::fcntl_getpipe_size(&self.file).is_ok_and(|size| size < WIDE) {
            let _ = rustix::pipe::fcntl_setpipe_size(&self.file, WIDE);
        }
    }
}

impl Drop for Before {
    fn drop(&mut self) {
        let _ = fcntl_setfl(&self.file, self.flags);
    }
}

impl Reader {
    /// Reads lines until the input ends or nobody takes them any more.
    ///
    /// # Errors
    /// What the system says.
    pub(super) async fn read_lines(mut self, limit: usize, to_bridge: mpsc::Sender<Input>) -> io::Result<()> {
        let mut chunk = vec![0; CHUNK];
        let mut cutter = Cutter::new(limit);
        let mut ready = Vec::new();
        let mut whole = 0;
        loop {
            let length = self.end.read(&mut chunk).await?;
            whole = if length == CHUNK { whole + 1 } else { 0 };
            if whole == LONG_READ {
                self.before.widen();
            }
            cutter.cut(&chunk[..length], |line| ready.push(line));
            if length == 0 {
                ready.extend(cutter.end());
            }
            for line in ready.drain(..) {
                if hand_over(line, &to_bridge).await.is_err() {
                    return Ok(());
                }
            }
            if length == 0 {
                return Ok(());
            }
        }
    }
}

impl Pipe<dyn AsyncRead + Send + Unpin> {
    /// For the other end, where that is the same.
    pub(super) fn before(&self) -> Arc<Before> {
        self.before.clone()
    }
}

impl Writer {
    /// Writes lines, what is ready together, until there are no more or the listener is gone.
    ///
    /// # Errors
    /// What the system says; a broken pipe where the listener is gone.
    pub(super) async fn write_lines(mut self, mut lines: Lines, gone: impl Future<Output = ()>) -> io::Result<()> {
        let mut gone = pin!(gone);
        let writing = async {
            let mut sheaf = Sheaf::default();
            let mut last = None::<Instant>;
            while lines.fill(&mut sheaf).await {
                if last.is_some_and(|last| last.elapsed() < BURST) {
                    lines.gather(&mut sheaf).await;
                }
                self.write_all(&mut sheaf.parts()).await?;
                last = Some(Instant::now());
                sheaf.clear();
                lines.all_written();
            }
            Ok(())
        };
        tokio::select! {
            biased;
            written = writing => written,
            () = &mut gone => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    async fn write_all(&mut self, mut parts: &mut [IoSlice<'_>]) -> io::Result<()> {
        IoSlice::advance_slices(&mut parts, 0);
        if parts.first().is_some_and(|part| part.len() > PIECE) {
            self.before.widen();
        }
        while !parts.is_empty() {
            let written = match parts[0].get(..PIECE) {
                Some(piece) => self.end.write(piece).await?,
                None => self.end.write_vectored(parts).await?,
            };
            match written {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                written => IoSlice::advance_slices(&mut parts, written),
            }
        }
        Ok(())
    }
}
