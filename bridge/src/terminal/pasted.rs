//! What a person types or pastes, line by line, for whoever asked last. A thread of its own reads: a terminal cannot be asked
//! without waiting, and the program does not wait for it to end. It must never know what a line means; any may be a secret.

use std::io::{self, BufRead, Read};
use std::sync::{Mutex, Once, PoisonError};
use std::thread;

use tokio::sync::mpsc;
use zeroize::Zeroizing;

use crate::secret::Secret;

/// How long a line may be, in bytes; what is longer comes in pieces.
const LONGEST: u64 = 64 * 1024;

/// Where lines go: to whoever asked last. None once stdin has ended.
static TO: Mutex<Option<mpsc::Sender<Secret>>> = Mutex::new(None);
static READER: Once = Once::new();

/// The lines from now on.
pub fn lines() -> mpsc::Receiver<Secret> {
    let (sender, lines) = mpsc::channel(1);
    *TO.lock().unwrap_or_else(PoisonError::into_inner) = Some(sender);
    READER.call_once(|| {
        let started = thread::Builder::new().name("stdin".to_owned()).spawn(|| read(io::stdin().lock()));
        if let Err(error) = started {
            tracing::debug!("nothing can be pasted: {error}");
        }
    });
    lines
}

fn read(mut from: impl BufRead) {
    loop {
        let mut line = Zeroizing::new(Vec::with_capacity(8 * 1024));
        let read = from.by_ref().take(LONGEST).read_until(b'\n', &mut line);
        if !matches!(read, Ok(1..)) {
            break;
        }
        let to = TO.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(to) = to {
            // Nobody listens any more: the line is for nobody.
            let _ = to.blocking_send(Secret::new(String::from_utf8_lossy(&line).into_owned()));
        }
    }
    TO.lock().unwrap_or_else(PoisonError::into_inner).take();
}
