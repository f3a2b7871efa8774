//! Who waits for what: every line of the host goes its way to the upstream, and what comes back goes to the host, each
//! request's response exactly once. It knows ids and methods, and must never know HTTP or a token.
//! Read next: [`in_flight`], which makes "exactly once" true by construction.

pub mod gate;
pub mod in_flight;
mod session_stream;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinHandle};

use self::gate::{Gate, Shut};
use self::in_flight::{InFlight, Ticket};
use crate::host::{Host, Input};
use crate::message::{self, Envelope, Invalid, Kind};
use crate::problem::{Code, Problem};
use crate::untrusted::Untrusted;
use crate::upstream::Upstream;
use crate::upstream::error::UpstreamError;
use crate::upstream::exchange::Reply;

/// How many notifications and responses of the host may wait for their turn.
const LANE: usize = 256;
/// How long a notification may hold up the ones behind it.
const TURN: Duration = Duration::from_secs(30);
/// How long a stream is read on after its request is over.
const AFTERWORDS: Duration = Duration::from_secs(30);
/// How long requests may still run once the host has closed its side (H7).
const LAST_ANSWERS: Duration = Duration::from_secs(5);
/// The same after a signal (H7: all within 1 s).
const LAST_ANSWERS_AFTER_SIGNAL: Duration = Duration::from_millis(200);

/// A running bridge between one host and one upstream.
#[derive(Debug)]
pub struct Relay {
    shared: Arc<Shared>,
    input: mpsc::Receiver<Input>,
    /// Notifications and responses of the host, one after the other.
    lane: mpsc::Sender<Turn>,
    lane_end: JoinHandle<()>,
    /// What a message waits for that arrives now.
    gate: Gate,
    listening: Option<AbortHandle>,
}

#[derive(Debug)]
struct Shared {
    upstream: Upstream,
    output: mpsc::Sender<Bytes>,
    in_flight: Arc<InFlight>,
}

/// A message whose order matters, and what waits for it.
#[derive(Debug)]
struct Turn {
    message: Bytes,
    after: Gate,
    holds: Option<Shut>,
}

/// Why a bridge ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    InputClosed,
    Signal,
    OutputClosed,
}

impl Relay {
    /// Joins a host and an upstream.
    #[must_use]
    pub fn new(host: Host, upstream: Upstream) -> Self {
        let in_flight = InFlight::new(host.output.clone());
        let shared = Arc::new(Shared { upstream, output: host.output, in_flight });
        let (lane, turns) = mpsc::channel(LANE);
        let lane_end = tokio::spawn(take_turns(shared.clone(), turns));
        Relay { shared, input: host.input, lane, lane_end, gate: Gate::open(), listening: None }
    }

    /// Runs until the host closes its side, stops listening, or `signal` resolves (H7).
    pub async fn run(mut self, signal: impl Future<Output = &'static str>) {
        let mut signal = std::pin::pin!(signal);
        let output = self.shared.output.clone();
        let end = loop {
            tokio::select! {
                input = self.input.recv() => match input {
                    Some(input) => self.take(input).await,
                    None => break End::InputClosed,
                },
                name = &mut signal => {
                    tracing::info!("{name}: ending");
                    break End::Signal;
                }
                () = output.closed() => break End::OutputClosed,
            }
        };
        self.finish(end, signal).await;
    }

    async fn finish(self, end: End, signal: impl Future<Output = &'static str>) {
        let Relay { shared, lane, lane_end, listening, .. } = self;
        drop(lane);
        let all_done = async {
            shared.in_flight.empty().await;
            let _ = lane_end.await;
        };
        if end == End::OutputClosed {
            tracing::info!("the host no longer listens: ending");
        } else {
            let bound = if end == End::Signal { LAST_ANSWERS_AFTER_SIGNAL } else { LAST_ANSWERS };
            tokio::select! {
                _ = tokio::time::timeout(bound, all_done) => {}
                _ = signal, if end == End::InputClosed => {}
                () = shared.output.closed() => {}
            }
            let problem = Problem::new(
                Code::ShuttingDown,
                "the bridge was told to end before the response came",
                "it is not known whether the request was carried out",
            );
            shared.in_flight.answer_all(&problem).await;
        }
        if let Some(listening) = listening {
            listening.abort();
        }
        shared.upstream.end_session().await;
    }

    async fn take(&mut self, input: Input) {
        match input {
            Input::Line(line) => match Envelope::parse(&line) {
                Ok(envelope) => self.take_message(&line, &envelope).await,
                Err(invalid) => self.refuse(invalid).await,
            },
            Input::TooLong { length, beginning } => {
                let reason = format!("a line of {length} bytes, over the limit of {}", crate::host::MAX_LINE);
                let id = id_at_the_beginning(&beginning);
                self.refuse(Invalid::message(id.as_deref(), reason)).await;
            }
        }
    }

    async fn refuse(&self, invalid: Invalid) {
        tracing::warn!("from the host: {}", Untrusted::new(invalid.to_string()));
        let null_id = self.shared.upstream.session().knows_null_id();
        let _ = self.shared.output.send(message::invalid_response(&invalid, null_id).into()).await;
    }

    async fn take_message(&mut self, line: &Bytes, envelope: &Envelope<'_>) {
        match (envelope.kind, envelope.id) {
            (Kind::Request, Some(id)) => self.take_request(line, envelope, id).await,
            (Kind::Notification, _) if envelope.is("notifications/cancelled") => self.take_cancel(line, envelope).await,
            (Kind::Notification, _) if envelope.is("notifications/initialized") => {
                // Acknowledged before the next message goes (T3); then the server may speak unasked (T4), and what it asks
                // there for a request that follows must find the stream open.
                let (acknowledged, shut) = Gate::shut();
                let (listening, opens) = Gate::shut();
                let after = std::mem::replace(&mut self.gate, listening);
                self.in_turn(Turn { message: line.clone(), after, holds: Some(shut) }).await;
                let stream = session_stream::keep_open(self.shared.clone(), acknowledged, opens);
                if let Some(before) = self.listening.replace(tokio::spawn(stream).abort_handle()) {
                    before.abort();
                }
            }
            _ => {
                let after = self.gate.clone();
                self.in_turn(Turn { message: line.clone(), after, holds: None }).await;
            }
        }
    }

    async fn take_request(&mut self, line: &Bytes, envelope: &Envelope<'_>, id: &str) {
        let initialize = envelope.is("initialize");
        let Some(ticket) = self.shared.in_flight.begin(id, !initialize) else {
            return self.refuse(Invalid::duplicate_id(id)).await;
        };
        let mut after = self.gate.clone();
        let holds = initialize.then(|| {
            let (gate, shut) = Gate::shut();
            after = std::mem::replace(&mut self.gate, gate);
            shut
        });
        tokio::spawn(self.shared.clone().carry(line.clone(), ticket, after, holds));
    }

    /// The request is over for the host at once; the upstream is told (T9).
    async fn take_cancel(&mut self, line: &Bytes, envelope: &Envelope<'_>) {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct CancelledParams<'a> {
            #[serde(borrow)]
            request_id: &'a RawValue,
        }
        let params = envelope.params.and_then(|p| serde_json::from_str::<CancelledParams<'_>>(p.get()).ok());
        if params.is_some_and(|params| self.shared.in_flight.cancel(params.request_id.get())) {
            let after = self.gate.clone();
            self.in_turn(Turn { message: line.clone(), after, holds: None }).await;
        }
    }

    async fn in_turn(&self, turn: Turn) {
        // The lane's task lives as long as this sender.
        let _ = self.lane.send(turn).await;
    }
}

impl Shared {
    /// One request from the host to its response.
    async fn carry(self: Arc<Self>, line: Bytes, mut ticket: Ticket, after: Gate, holds: Option<Shut>) {
        let over = ticket.over();
        let streaming = AtomicBool::new(false);
        let mut exchange = std::pin::pin!(self.exchange(line, &ticket, after, holds, &streaming));
        let outcome = tokio::select! {
            biased; // an exchange that is through is through, although its ticket is over then
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
            Ok(rest) => drop(tokio::time::timeout(AFTERWORDS, self.read_to_the_end(rest)).await),
            Err(error) => {
                let problem = error.problem(self.upstream.shown());
                tracing::warn!("{problem} ({})", problem.hint);
                ticket.answer(message::problem_response(ticket.id(), &problem).into()).await;
            }
        }
    }

    /// Answers the request; what may still follow on its stream is handed back.
    async fn exchange(
        &self,
        line: Bytes,
        ticket: &Ticket,
        after: Gate,
        holds: Option<Shut>,
        streaming: &AtomicBool,
    ) -> Result<Reply, UpstreamError> {
        let arrived = Instant::now();
        after.pass().await;
        if holds.is_some() {
            self.upstream.forget_session();
        }
        let mut reply = self.upstream.post(line, Kind::Request, arrived).await?;
        streaming.store(reply.is_stream(), Ordering::Relaxed);
        while let Some(message) = reply.next().await? {
            match Incoming::sort(message, ticket.id()) {
                Ok(Incoming::Response(response)) => {
                    if holds.is_some() {
                        self.begin_session(&reply, &response);
                    }
                    ticket.answer(response).await;
                    return Ok(reply);
                }
                Ok(Incoming::ForHost(message)) => {
                    let _ = self.output.send(message).await;
                }
                Err(error) if reply.is_stream() => tracing::warn!("`{}` {error}", self.upstream.shown()),
                Err(error) => return Err(error),
            }
        }
        if reply.is_stream() { Err(UpstreamError::StreamEnded) } else { Err(UpstreamError::NoResponse(reply.status())) }
    }

    /// A connection is only free for the next request once its stream is read to the end.
    async fn read_to_the_end(&self, mut reply: Reply) {
        while let Ok(Some(message)) = reply.next().await {
            self.pass_on(message).await;
        }
    }

    fn begin_session(&self, reply: &Reply, response: &[u8]) {
        if let Ok(envelope) = Envelope::parse(response)
            && envelope.result.is_some()
        {
            self.upstream.begin_session(reply.headers(), &envelope);
        }
    }

    /// A request or notification of the server goes to the host as it is.
    async fn pass_on(&self, message: Bytes) {
        match Envelope::parse(&message) {
            Ok(envelope) if envelope.kind != Kind::Response => {
                let _ = self.output.send(message).await;
            }
            Ok(_) => tracing::warn!("`{}` sent a response that nobody waits for", self.upstream.shown()),
            Err(invalid) => {
                let words = Untrusted::new(invalid.to_string());
                tracing::warn!("`{}` sent what is no message: {words}", self.upstream.shown());
            }
        }
    }

    /// Sends one notification or response; nobody waits for what comes back.
    async fn send_only(&self, message: Bytes) {
        match self.upstream.post(message, Kind::Notification, Instant::now()).await {
            Ok(reply) => self.read_to_the_end(reply).await,
            Err(error) => {
                let problem = error.problem(self.upstream.shown());
                tracing::warn!("a notification did not arrive: {problem}");
            }
        }
    }
}

/// Notifications and responses of the host, in the order they came (H9); none waits longer than [`TURN`] for another.
async fn take_turns(shared: Arc<Shared>, mut turns: mpsc::Receiver<Turn>) {
    while let Some(Turn { message, after, holds }) = turns.recv().await {
        after.pass().await;
        let sending = tokio::spawn({
            let shared = shared.clone();
            async move { shared.send_only(message).await }
        });
        let _ = tokio::time::timeout(TURN, sending).await;
        drop(holds);
    }
}

/// A message of the upstream, in the reply to one request.
#[derive(Debug, PartialEq, Eq)]
enum Incoming {
    /// The response, with the host's spelling of the id (H5).
    Response(Bytes),
    /// A request or notification of the server.
    ForHost(Bytes),
}

impl Incoming {
    fn sort(message: Bytes, id: &str) -> Result<Self, UpstreamError> {
        let envelope = Envelope::parse(&message)
            .map_err(|invalid| UpstreamError::NotAResponse(Untrusted::new(invalid.to_string())))?;
        match (envelope.kind, envelope.id) {
            (Kind::Response, Some(theirs)) if theirs == id => Ok(Incoming::Response(message)),
            (Kind::Response, Some(theirs)) if !message::same_id(theirs, id) => {
                Err(UpstreamError::NotAResponse(Untrusted::new(format!("its id is {theirs}, the request's {id}"))))
            }
            (Kind::Response, _) => Ok(Incoming::Response(envelope.with_id(&message, id).into())),
            _ => Ok(Incoming::ForHost(message)),
        }
    }
}

/// The id of a line over the limit, where its beginning shows one (H4).
fn id_at_the_beginning(beginning: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(beginning)
        .map_or_else(|e| String::from_utf8_lossy(&beginning[..e.valid_up_to()]).into_owned(), str::to_owned);
    let after = text[text.find("\"id\"")? + 4..].trim_start().strip_prefix(':')?.trim_start().to_owned();
    let mut values = serde_json::Deserializer::from_str(&after).into_iter::<&RawValue>();
    let id = values.next()?.ok()?.get();
    (matches!(id.as_bytes().first(), Some(b'"' | b'-' | b'0'..=b'9'))).then(|| id.to_owned())
}

#[cfg(test)]
mod tests;
