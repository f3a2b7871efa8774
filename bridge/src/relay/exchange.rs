//! One request of the host to its response, and what else comes on the way. Whoever needs the response has the ticket.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::Shared;
use super::in_flight::Ticket;
use crate::message::{self, Envelope, Kind};
use crate::untrusted::Untrusted;
use crate::upstream::Purpose;
use crate::upstream::error::UpstreamError;
use crate::upstream::exchange::{Bond, Reply};

/// How long a stream is read on after its request is over.
const AFTERWORDS: Duration = Duration::from_secs(30);

/// A request on its way.
#[derive(Clone, Debug)]
pub(super) struct Errand {
    pub(super) line: Bytes,
    pub(super) received: Instant,
    /// A way to the session that failed is tried once more for it.
    pub(super) may_begin: bool,
    /// Whether a person may be asked to sign in for it.
    pub(super) purpose: Purpose,
}

/// A message of the upstream, in the reply to one request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Incoming {
    /// The response, with the host's spelling of the id (H5).
    Response(Bytes),
    /// A request or notification of the server.
    ForHost(Bytes),
}

impl Shared {
    /// One request from the host to its response.
    pub(super) async fn carry(self: Arc<Self>, errand: Errand, mut ticket: Ticket) {
        let over = ticket.over();
        let line = errand.line.clone();
        let streaming = AtomicBool::new(false);
        let mut exchange = std::pin::pin!(self.exchange(errand, ticket.id(), &streaming));
        let outcome = tokio::select! {
            outcome = &mut exchange => outcome,
            () = over => {
                tracing::debug!("a request is over without its response");
                // The server may still withdraw what it asked the host for this request; the response goes nowhere.
                if streaming.load(Ordering::Relaxed) {
                    let _ = tokio::time::timeout(AFTERWORDS, exchange).await;
                }
                return;
            }
        };
        match outcome {
            Ok((response, rest)) => {
                ticket.answer(self.desk.made_up(&line, response, ticket.id())).await;
                let _ = self.read_to_the_end(rest).await;
            }
            Err(error) => self.answer_error(&ticket, error).await,
        }
    }

    /// Answers with an error of ours, and says it on stderr.
    pub(super) async fn answer_error(&self, ticket: &Ticket, error: UpstreamError) {
        let problem = error.problem(self.upstream.shown());
        tracing::warn!("{problem} ({})", problem.hint);
        ticket.answer(message::problem_response(ticket.id(), &problem).into()).await;
    }

    /// The response to a request, and what may still follow on its stream. A session that the server has forgotten is
    /// begun anew, and the request sent once more: it was not carried out (T6).
    pub(super) async fn exchange(
        self: &Arc<Self>,
        errand: Errand,
        id: &str,
        streaming: &AtomicBool,
    ) -> Result<(Bytes, Reply), UpstreamError> {
        let Errand { line, received, may_begin, purpose } = errand;
        let mut again = true;
        loop {
            self.arrived(received, may_begin).await?;
            let session = self.session_number();
            self.introduced((purpose, received)).await?;
            match self.ask(&line, (purpose, received), id, streaming).await {
                Err(UpstreamError::SessionLost) if again && session.is_some() => {
                    again = false;
                    self.session_is_lost(session.unwrap_or_default());
                }
                outcome => return outcome,
            }
        }
    }

    async fn ask(
        &self,
        line: &Bytes,
        wanted: (Purpose, Instant),
        id: &str,
        streaming: &AtomicBool,
    ) -> Result<(Bytes, Reply), UpstreamError> {
        let mut reply = self.upstream.post(line.clone(), wanted).await?;
        streaming.store(reply.is_stream(), Ordering::Relaxed);
        while let Some(message) = reply.next().await? {
            match Incoming::sort(message, id, reply.bond()) {
                Ok(Incoming::Response(response)) => return Ok((response, reply)),
                Ok(Incoming::ForHost(message)) => drop(self.output.send(message).await),
                Err(error) if reply.is_stream() => tracing::warn!("`{}` {error}", self.upstream.shown()),
                Err(error) => return Err(error),
            }
        }
        Err(if reply.is_stream() { UpstreamError::StreamEnded } else { UpstreamError::NoResponse(reply.status()) })
    }

    /// A connection is only free for the next request once its stream is read to the end.
    pub(super) async fn read_to_the_end(&self, mut reply: Reply) -> Result<(), UpstreamError> {
        let reading = async {
            while let Some(message) = reply.next().await? {
                self.pass_on(message).await;
            }
            Ok(())
        };
        tokio::time::timeout(AFTERWORDS, reading).await.unwrap_or(Ok(()))
    }

    /// A request or notification of the server goes to the host as it is.
    pub(super) async fn pass_on(&self, message: Bytes) {
        match Envelope::parse(&message) {
            Ok(envelope) if envelope.kind != Kind::Response => drop(self.output.send(message).await),
            Ok(_) => tracing::warn!("`{}` sent a response that nobody waits for", self.upstream.shown()),
            Err(invalid) => {
                let words = Untrusted::new(invalid.to_string());
                tracing::warn!("`{}` sent what is no message: {words}", self.upstream.shown());
            }
        }
    }
}

impl Incoming {
    /// What a message is to the request with this id. `bond` says what ties it to the request besides its id.
    pub(super) fn sort(message: Bytes, id: &str, bond: Bond) -> Result<Self, UpstreamError> {
        let envelope = Envelope::parse(&message)
            .map_err(|invalid| UpstreamError::NotAResponse(Untrusted::new(invalid.to_string())))?;
        let is_error = envelope.kind == Kind::Response && envelope.result.is_none();
        match (envelope.kind, envelope.id) {
            (Kind::Response, Some(theirs)) if theirs == id => Ok(Incoming::Response(message)),
            (Kind::Response, Some(theirs)) if message::same_id(theirs, id) => {
                Ok(Incoming::Response(envelope.with_id(&message, id).into()))
            }
            (Kind::Response, _) if bond == Bond::SessionLost => Err(UpstreamError::SessionLost),
            (Kind::Response, Some(theirs)) if !(is_error && bond == Bond::Alone) => {
                Err(UpstreamError::NotAResponse(Untrusted::new(format!("its id is {theirs}, the request's {id}"))))
            }
            (Kind::Response, _) => Ok(Incoming::Response(envelope.with_id(&message, id).into())),
            _ => Ok(Incoming::ForHost(message)),
        }
    }
}
