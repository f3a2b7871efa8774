//! One request of the host to its response, and what else comes on the way. Whoever needs the response has the ticket.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;

use super::Shared;
use super::by_era::listens;
use super::held_calls::Call;
use super::in_flight::Ticket;
use super::incoming::{Again, Incoming, with_id};
use crate::message::{self, Envelope, Kind};
use crate::untrusted::Untrusted;
use crate::upstream::Purpose;
use crate::upstream::error::UpstreamError;
use crate::upstream::exchange::Reply;
use crate::upstream::resumption::Resumption;
use crate::upstream::retry::Retry;

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
    /// Whether it may be sent again although it may have been carried out (T7).
    pub(super) idempotent: bool,
    /// Whether it sets something that must be set again in another session (T6).
    pub(super) sets: bool,
    /// Whether it is of the modern era: its stream is its own, and tells of its end by being closed.
    pub(super) modern: bool,
}

/// The response to a request, and what may still follow on its stream.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) response: Bytes,
    /// None where the response is not the server's own.
    pub(super) rest: Option<Reply>,
}

impl From<(Bytes, Reply)> for Answered {
    fn from((response, rest): (Bytes, Reply)) -> Self {
        Answered { response, rest: Some(rest) }
    }
}

/// How a request stands, for who waits for it and who carries it.
#[derive(Debug, Default)]
pub(super) struct Course {
    /// Its reply is a stream.
    streaming: AtomicBool,
    /// It goes in the modern era: its closed stream tells the server of its end.
    modern: AtomicBool,
    /// Nobody waits for it any more: nothing more is sent for it.
    over: AtomicBool,
    /// Something was sent for it.
    sent: AtomicBool,
    /// What a modern host has under way at a legacy server by it.
    call: Option<Arc<Call>>,
    /// Its place among those that the server may have at once.
    slot: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Course {
    /// That of a call of a modern host at a legacy server.
    pub(super) fn of(call: Arc<Call>) -> Self {
        Course { call: Some(call), ..Course::default() }
    }

    /// Whether something was sent for it.
    pub(super) fn was_sent(&self) -> bool {
        self.sent.load(Ordering::Relaxed)
    }

    /// Nobody waits any more: what still comes holds up no other.
    fn is_over(&self) {
        self.over.store(true, Ordering::Relaxed);
        drop(self.lock_slot().take());
    }

    /// It goes in the modern era, whatever the host speaks.
    pub(super) fn is_modern(&self) {
        self.modern.store(true, Ordering::Relaxed);
    }

    /// It is the host's turn, which may take long: another request may go meanwhile.
    pub(super) fn waits_for_the_host(&self) {
        drop(self.lock_slot().take());
    }

    fn lock_slot(&self) -> MutexGuard<'_, Option<OwnedSemaphorePermit>> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// One request from the host to its response.
    pub(super) async fn carry(self: Arc<Self>, errand: Errand, mut ticket: Ticket) {
        let over = ticket.over();
        let line = errand.line.clone();
        let course = Course::default();
        course.modern.store(errand.modern, Ordering::Relaxed);
        let mut exchange = std::pin::pin!(self.exchange(errand, ticket.id(), &course));
        let outcome = tokio::select! {
            outcome = &mut exchange => outcome,
            () = over => {
                tracing::debug!("a request is over without its response");
                course.is_over();
                // The server may still withdraw what it asked the host for this request; the response goes nowhere.
                if course.streaming.load(Ordering::Relaxed) && !course.modern.load(Ordering::Relaxed) {
                    let _ = tokio::time::timeout(AFTERWORDS, exchange).await;
                }
                return;
            }
        };
        match outcome {
            Ok(Answered { response, rest }) => {
                ticket.answer(self.desk.made_up(&line, response, ticket.id())).await;
                let _ = self.read_the_end_of(rest).await;
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

    /// The response to a request, and what may still follow on its stream, within the time that a request may take (T8).
    pub(super) async fn exchange(
        self: &Arc<Self>,
        errand: Errand,
        id: &str,
        course: &Course,
    ) -> Result<Answered, UpstreamError> {
        let limit = self.request_timeout.filter(|_| !listens(&errand));
        let Some(limit) = limit else { return self.exchange_by_era(&errand, id, course).await };
        let mut exchange = Box::pin(self.exchange_by_era(&errand, id, course));
        match self.unless_late(limit, exchange.as_mut()).await {
            Some(outcome) => outcome,
            None => {
                if !course.modern.load(Ordering::Relaxed) && course.sent.load(Ordering::Relaxed) {
                    self.withdraw(id);
                }
                Err(UpstreamError::TookTooLong(limit))
            }
        }
    }

    /// The outcome of something that may take so long; a person who is asked to sign in, or something else, may take longer.
    pub(super) async fn unless_late<T>(
        &self,
        limit: Duration,
        mut future: std::pin::Pin<&mut impl Future<Output = T>>,
    ) -> Option<T> {
        loop {
            match tokio::time::timeout(limit, &mut future).await {
                Ok(outcome) => return Some(outcome),
                Err(_) if self.desk.standing().sign_in.is_some() => {}
                Err(_) if self.eras.guise().is_some_and(|guise| guise.is_asking()) => {}
                Err(_) => return None,
            }
        }
    }

    /// The server need not work on what nobody waits for any more (T9).
    fn withdraw(self: &Arc<Self>, id: &str) {
        let (shared, reason) = (self.clone(), "it took too long");
        let params = format!("{{\"requestId\":{id},\"reason\":\"{reason}\"}}");
        let line = format!("{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{params}}}");
        self.spawn(async move {
            if let Err(error) = shared.send_only(line.into(), (Purpose::Background, Instant::now())).await {
                shared.did_not_arrive(&error);
            }
        });
    }

    /// As [`Shared::exchange`], however long it takes, with the request as it is. A session that the server has forgotten is
    /// begun anew, and the request sent once more: it was not carried out (T6).
    pub(super) async fn exchange_in_the_end(
        self: &Arc<Self>,
        errand: &Errand,
        id: &str,
        course: &Course,
    ) -> Result<(Bytes, Reply), UpstreamError> {
        let Errand { ref line, received, may_begin, purpose, idempotent, sets, modern } = *errand;
        let mut again: Option<Again> = None;
        let (mut may_renew, mut may_learn) = (true, modern);
        let mut retry = Retry::new(received, idempotent);
        loop {
            self.arrived(received, may_begin).await?;
            let session = self.session_number();
            self.introduced((purpose, received)).await?;
            if course.lock_slot().is_none() {
                let slot = self.slots.clone().acquire_owned().await.ok();
                *course.lock_slot() = slot;
            }
            if self.session_number() != session {
                continue; // it was lost meanwhile
            }
            if let Some(call) = &course.call {
                call.goes_within(self.upstream.session());
            }
            course.sent.store(true, Ordering::Relaxed);
            let (sent, own_id) = again.as_ref().map_or((line, id), |again| (&again.line, &again.id));
            let error = match self.upstream.post(sent.clone(), (purpose, received)).await {
                Err(error) => error,
                Ok(reply) => match reply.retry_after().and_then(|wait| retry.busy(wait)) {
                    Some(wait) => {
                        drop(reply);
                        self.wait_until_not_busy(wait).await;
                        continue;
                    }
                    None => match self.response_in(reply.of_era(modern), own_id, course, may_renew).await {
                        Err(error) => error,
                        Ok((response, _)) if may_learn && self.wants_other_headers(line, &response).await => {
                            may_learn = false;
                            continue;
                        }
                        Ok((response, rest)) => {
                            if sets {
                                self.settings.note(line, &response);
                            }
                            let response = if modern { self.learnt_from(line, response) } else { response };
                            let response = if again.is_some() { with_id(response, id) } else { response };
                            return Ok((response, rest));
                        }
                    },
                },
            };
            course.streaming.store(false, Ordering::Relaxed);
            if course.over.load(Ordering::Relaxed) {
                return Err(error);
            }
            match session {
                Some(lost) if may_renew && matches!(error, UpstreamError::SessionLost) => {
                    may_renew = false;
                    self.session_is_lost(lost);
                }
                _ => {
                    let may_have_arrived = !error.was_never_sent();
                    self.pause(&mut retry, error).await?;
                    if modern && may_have_arrived {
                        again = Again::of(line, again.map_or(0, |again| again.number) + 1);
                    }
                }
            }
        }
    }

    /// The response in a reply, and what may still follow on its stream. What else comes goes to the host at once. A stream
    /// that ends too early is gone on with (T5).
    pub(super) async fn response_in(
        &self,
        mut reply: Reply,
        id: &str,
        course: &Course,
        may_renew: bool,
    ) -> Result<(Bytes, Reply), UpstreamError> {
        if !may_renew {
            reply.takes_loss();
        }
        let mut tries = Resumption::default();
        loop {
            course.streaming.store(reply.is_stream(), Ordering::Relaxed);
            self.output.has_room().await;
            let message = match reply.next().await {
                Ok(Some(message)) => Ok(message),
                Ok(None) if !reply.is_stream() => return Err(UpstreamError::NoResponse(reply.status())),
                Ok(None) => Err(UpstreamError::StreamEnded),
                Err(error) => Err(error),
            };
            let message = match message {
                Ok(message) => message,
                Err(error) if reply.is_stream() && error.breaks_a_stream() && !course.over.load(Ordering::Relaxed) => {
                    reply = Box::pin(self.upstream.resume(reply, error, &mut tries)).await?;
                    continue;
                }
                Err(error) => return Err(error),
            };
            match Incoming::sort(message, id, reply.bond()) {
                Ok(Incoming::Response(response)) => return Ok((response, reply)),
                Ok(Incoming::Request(..)) if reply.is_modern() => self.asks_out_of_turn(),
                Ok(Incoming::Request(message, theirs)) => self.ask_host(message, &theirs, course.call.as_ref()).await,
                Ok(Incoming::Notification(message)) if reply.is_modern() => drop(self.output.send(message).await),
                Ok(Incoming::Notification(message)) => self.tell_host(message, course.call.as_ref()).await,
                Err(error) if reply.is_stream() => tracing::warn!("`{}` {error}", self.upstream.shown()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits as the server wants it.
    pub(super) async fn wait_until_not_busy(&self, wait: Duration) {
        tracing::info!("`{}` is busy: asking again in {} s", self.upstream.shown(), wait.as_secs_f32());
        tokio::time::sleep(wait).await;
    }

    /// Waits before a message is sent once more, or gives the error back (T7).
    pub(super) async fn pause(&self, retry: &mut Retry, error: UpstreamError) -> Result<(), UpstreamError> {
        let wait = if self.upstream.was_reached() { retry.pause(&error) } else { None };
        let Some(wait) = wait else { return Err(error) };
        tracing::info!("{}: trying again", error.problem(self.upstream.shown()));
        tokio::time::sleep(wait).await;
        Ok(())
    }

    /// As [`Shared::read_to_the_end`], where there is anything to read.
    pub(super) async fn read_the_end_of(&self, rest: Option<Reply>) -> Result<(), UpstreamError> {
        match rest {
            Some(rest) => self.read_to_the_end(rest).await,
            None => Ok(()),
        }
    }

    /// A connection is only free for the next request once its stream is read to the end.
    pub(super) async fn read_to_the_end(&self, mut reply: Reply) -> Result<(), UpstreamError> {
        let reading = async {
            while let Some(message) = reply.next().await? {
                let is_request = || Envelope::parse(&message).is_ok_and(|envelope| envelope.kind == Kind::Request);
                match reply.is_modern() && is_request() {
                    true => self.asks_out_of_turn(),
                    false => self.pass_on(message).await,
                }
                self.output.has_room().await;
            }
            Ok(())
        };
        tokio::time::timeout(AFTERWORDS, reading).await.unwrap_or(Ok(()))
    }

    /// A request of the server goes to the host; the answer is its session's alone. A modern host gets none (H12).
    pub(super) async fn ask_host(&self, message: Bytes, id: &str, call: Option<&Arc<Call>>) {
        if self.as_legacy.is_active() {
            return self.ask_modern(&message, id, call);
        }
        if let Some(session) = self.session_number() {
            self.server_requests.begin(id, session);
        }
        let _ = self.output.send(message).await;
    }

    /// A notification of a legacy server goes to the host.
    pub(super) async fn tell_host(&self, message: Bytes, call: Option<&Arc<Call>>) {
        match self.as_legacy.is_active() {
            true => self.tell_modern(message, call).await,
            false => drop(self.output.send(message).await),
        }
    }

    /// A request or notification of the server goes to the host as it is.
    pub(super) async fn pass_on(&self, message: Bytes) {
        match Envelope::parse(&message) {
            Ok(Envelope { kind: Kind::Request, id: Some(id), .. }) => self.ask_host(message.clone(), id, None).await,
            Ok(envelope) if envelope.kind == Kind::Notification => self.tell_host(message.clone(), None).await,
            Ok(_) => tracing::warn!("`{}` sent a response that nobody waits for", self.upstream.shown()),
            Err(invalid) => {
                let words = Untrusted::new(invalid.to_string());
                tracing::warn!("`{}` sent what is no message: {words}", self.upstream.shown());
            }
        }
    }
}
