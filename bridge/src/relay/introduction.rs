//! `notifications/initialized`, as a debt to the session: everything that follows waits until the server has it (T3). It opens
//! no tab by itself; where the server wants a token for it, it is said on behalf of the next call that may.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::oneshot;

use super::{Shared, session_stream};
use crate::upstream::Purpose;
use crate::upstream::error::UpstreamError;

/// What one session is told first.
#[derive(Debug, Default)]
pub(super) struct Introduction {
    line: Bytes,
    due: AtomicBool,
    /// One attempt at a time.
    turn: tokio::sync::Mutex<()>,
}

impl Introduction {
    /// One that is due, in these bytes.
    pub(super) fn due(line: Bytes) -> Self {
        Introduction { line, due: AtomicBool::new(true), turn: tokio::sync::Mutex::default() }
    }

    /// Nothing is due any more.
    pub(super) fn is_over(&self) {
        self.due.store(false, Ordering::Relaxed);
    }

    fn is_due(&self) -> bool {
        self.due.load(Ordering::Relaxed)
    }
}

impl Shared {
    /// Returns once the session is introduced, if the host has said so. `wanted` is the message that waits.
    ///
    /// # Errors
    /// Where that takes a token and none can be had: the message would fare no better.
    pub(super) async fn introduced(self: &Arc<Self>, wanted: (Purpose, Instant)) -> Result<(), UpstreamError> {
        let introduction = self.arrival.introduction();
        if !introduction.is_due() {
            return Ok(());
        }
        let (tell, told) = oneshot::channel();
        let shared = self.clone();
        // A task of its own: the message may be cancelled, and what was said must not be said twice.
        self.spawn(async move {
            let turn = introduction.turn.lock().await;
            let outcome = if introduction.is_due() { shared.introduce(&introduction, wanted).await } else { Ok(()) };
            drop(turn);
            let _ = tell.send(outcome);
        });
        told.await.unwrap_or(Ok(()))
    }

    async fn introduce(
        self: &Arc<Self>,
        introduction: &Introduction,
        wanted: (Purpose, Instant),
    ) -> Result<(), UpstreamError> {
        // A modern server knows no session that could begin (E1).
        let is_translated = self.eras.guise().is_some();
        if !is_translated {
            match self.send_only(introduction.line.clone(), wanted).await {
                Err(error @ UpstreamError::Token(_)) => return Err(error),
                Err(error) => self.did_not_arrive(&error),
                Ok(()) => {}
            }
        }
        // Now the server may speak unasked (T4), and what it asks there for a request that follows must find the stream.
        session_stream::open(self).await;
        if !is_translated {
            self.set_again().await;
        }
        introduction.is_over();
        Ok(())
    }
}
