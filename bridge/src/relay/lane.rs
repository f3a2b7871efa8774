//! The notifications and responses of the host, one after the other (H9). No notification asks a person to sign in: one
//! that needs a token waits for the next call, which may. Read next: `introduction`, for the one that calls wait for.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use super::Shared;
use super::backlog::Load;
use crate::message::Envelope;
use crate::translation::legacy_to_modern;
use crate::upstream::Purpose;
use crate::upstream::error::UpstreamError;
use crate::upstream::exchange::{Bond, Reply};
use crate::upstream::retry::Retry;

/// How long a notification may hold up the ones behind it.
const TURN: Duration = Duration::from_secs(30);

/// A message whose order matters.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) what: What,
    pub(super) received: Instant,
    pub(super) load: Load,
}

/// What has its turn.
#[derive(Debug)]
pub(super) enum What {
    /// `notifications/initialized`, which the introduction keeps.
    Introduction,
    /// Any other notification.
    Notification(Bytes),
    /// The answer to a request of the server.
    Response(Bytes),
}

/// Takes one turn after the other until no more can come.
pub(super) async fn take_turns(shared: Arc<Shared>, mut turns: mpsc::UnboundedReceiver<Turn>) {
    while let Some(Turn { what, received, load }) = turns.recv().await {
        if shared.arrived(received, false).await.is_err() {
            tracing::debug!("a notification has nowhere to go");
            continue;
        }
        let outcome = match what {
            // What does not come through now is said before the next call.
            What::Introduction => {
                let said = shared.introduced((Purpose::Background, received)).await;
                shared.make_good();
                said.or(Ok(()))
            }
            What::Notification(message) if !shared.means_something(&message) => Ok(()),
            What::Notification(message) => shared.deliver_in_time(message, received).await,
            What::Response(_) if shared.eras.guise().is_some() => {
                tracing::debug!("an answer of the host to what nobody asks any more");
                Ok(())
            }
            What::Response(message) if shared.is_of_a_lost_session(&message) => {
                tracing::debug!("the session is gone that asked for an answer of the host");
                Ok(())
            }
            What::Response(message) => shared.deliver(message, (Purpose::Call, received)).await,
        };
        if let Err(error) = outcome {
            shared.did_not_arrive(&error);
        }
        drop(load);
    }
}

impl Shared {
    /// Whether an answer is to what another session asked (T4).
    fn is_of_a_lost_session(&self, response: &[u8]) -> bool {
        let id = Envelope::parse(response).ok().and_then(|envelope| envelope.id.map(str::to_owned));
        let asked_in = id.and_then(|id| self.server_requests.end(&id));
        asked_in.is_some_and(|session| self.session_number() != Some(session))
    }

    /// Whether a notification is one for the server's era (E4).
    fn means_something(&self, notification: &[u8]) -> bool {
        self.eras.guise().is_none()
            || Envelope::parse(notification).is_ok_and(|envelope| legacy_to_modern::passes(&envelope))
    }

    /// Sends a notification; where that takes a sign-in, behind the next call.
    async fn deliver_in_time(self: &Arc<Self>, message: Bytes, received: Instant) -> Result<(), UpstreamError> {
        match self.deliver(message.clone(), (Purpose::Background, received)).await {
            Err(error) if error.needs_sign_in() => match self.next_call(received).await {
                Some(call) => self.deliver(message, (Purpose::Call, call)).await,
                None => Err(error),
            },
            outcome => outcome,
        }
    }

    /// When a call came that came after this instant. `None` where none can come any more, or too much waits.
    async fn next_call(&self, after: Instant) -> Option<Instant> {
        let mut calls = self.calls.clone();
        tokio::select! {
            call = calls.wait_for(|call| *call >= after) => call.ok().map(|call| *call),
            () = self.backlog.is_full() => None,
        }
    }

    /// Sends one notification or response behind the introduction. Returns once the server has it.
    async fn deliver(self: &Arc<Self>, message: Bytes, wanted: (Purpose, Instant)) -> Result<(), UpstreamError> {
        self.introduced(wanted).await?;
        self.send_only(message, wanted).await
    }

    /// Sends one message that has no response. Returns once the server has it: the beginning of an answer says so. What
    /// more the answer holds is read beside, so that a server that never ends it holds up nothing.
    pub(super) async fn send_only(
        self: &Arc<Self>,
        message: Bytes,
        wanted: (Purpose, Instant),
    ) -> Result<(), UpstreamError> {
        let (tell, told) = oneshot::channel();
        let shared = self.clone();
        self.spawn(async move {
            let session = shared.session_number();
            match shared.post_in_the_end(message, wanted).await {
                Ok(reply) => {
                    let _ = tell.send(Ok(()));
                    shared.read_the_rest(reply, session).await;
                }
                Err(error) => {
                    if let Err(Err(error)) = tell.send(Err(error)) {
                        shared.did_not_arrive(&error);
                    }
                }
            }
        });
        self.unless_late(TURN, std::pin::pin!(told)).await.and_then(Result::ok).unwrap_or(Ok(()))
    }

    /// POSTs a message that has no response, again where it certainly did not arrive (T7).
    async fn post_in_the_end(
        self: &Arc<Self>,
        message: Bytes,
        wanted: (Purpose, Instant),
    ) -> Result<Reply, UpstreamError> {
        let mut retry = Retry::new(wanted.1, false);
        loop {
            self.arrived(wanted.1, false).await?;
            match self.upstream.post(message.clone(), wanted).await {
                Ok(reply) => match reply.retry_after().and_then(|wait| retry.busy(wait)) {
                    Some(wait) => self.wait_until_not_busy(wait).await,
                    None => return Ok(reply),
                },
                Err(error) => self.pause(&mut retry, error).await?,
            }
        }
    }

    /// What an answer holds besides. `session` is the one that the message went to.
    async fn read_the_rest(self: &Arc<Self>, reply: Reply, session: Option<u64>) {
        if reply.is_acknowledgement() {
            return;
        }
        // Said by the status alone: the body may well be an error without an id.
        let unknown = reply.bond() == Bond::SessionLost;
        let read = self.read_to_the_end(reply).await;
        if let Err(error) = if unknown { Err(UpstreamError::SessionLost) } else { read } {
            self.did_not_arrive(&error);
            if let (UpstreamError::SessionLost, Some(lost)) = (error, session) {
                self.session_is_lost(lost);
            }
        }
    }

    pub(super) fn did_not_arrive(&self, error: &UpstreamError) {
        let problem = error.problem(self.upstream.shown());
        tracing::warn!("a notification did not arrive: {problem}");
    }
}
