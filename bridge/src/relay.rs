//! Who waits for what: every line of the host goes its way to the upstream, and what comes back goes to the host, each
//! request's response exactly once. It knows ids and methods, and must never know HTTP or a token.
//! Read next: [`in_flight`], which makes "exactly once" true by construction; then `arrival` and `reception`, for a host
//! that cannot wait for a server that is not there yet.

mod arrival;
mod desk;
mod exchange;
pub mod gate;
pub mod in_flight;
pub mod notices;
pub mod patience;
pub mod placeholder;
pub mod recall;
mod reception;
mod session_stream;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinHandle};

use self::arrival::Arrival;
use self::desk::Desk;
use self::exchange::Errand;
use self::gate::{Gate, Shut};
use self::in_flight::InFlight;
use self::notices::{OpenSignIn, OwnRequests};
use self::placeholder::InitializeParams;
use self::recall::Memory;
use crate::host::{Host, Input};
use crate::message::{self, Envelope, Invalid, Kind};
use crate::problem::{Code, Problem};
use crate::settings::Patience;
use crate::untrusted::Untrusted;
use crate::upstream::{Purpose, Upstream};

/// How many notifications and responses of the host may wait for their turn.
const LANE: usize = 256;
/// How long a notification may hold up the ones behind it.
const TURN: Duration = Duration::from_secs(30);
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
    /// What a message waits for that arrives now, besides the session.
    gate: Gate,
    /// Probes that are not answered once `initialize` has come (H11).
    probes: Vec<String>,
}

#[derive(Debug)]
struct Shared {
    upstream: Upstream,
    output: mpsc::Sender<Bytes>,
    in_flight: Arc<InFlight>,
    arrival: Arrival,
    desk: Desk,
    own_requests: OwnRequests,
    stream: Mutex<Option<AbortHandle>>,
}

/// What a bridge is given besides its two sides.
#[derive(Debug)]
pub struct Surroundings {
    /// How long a host's start may wait.
    pub patience: Patience,
    /// Where the server's last answers are kept.
    pub memory: Arc<dyn Memory>,
    /// The sign-in that is open, if one is.
    pub sign_ins: watch::Receiver<Option<OpenSignIn>>,
}

/// A message whose order matters.
#[derive(Debug)]
struct Turn {
    message: Bytes,
    received: Instant,
    after: Gate,
    /// It is `notifications/initialized`: the stream is opened behind it, and then what waits may go.
    opens: Option<Shut>,
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
    pub fn new(host: Host, upstream: Upstream, surroundings: Surroundings) -> Self {
        let Surroundings { patience, memory, sign_ins } = surroundings;
        let desk = Desk::new(patience, format!("`{}`", upstream.shown()), memory);
        let shared = Arc::new(Shared {
            in_flight: InFlight::new(host.output.clone()),
            upstream,
            output: host.output,
            arrival: Arrival::new(),
            desk,
            own_requests: OwnRequests::default(),
            stream: Mutex::default(),
        });
        let (lane, turns) = mpsc::channel(LANE);
        let lane_end = tokio::spawn(take_turns(shared.clone(), turns));
        tokio::spawn(notices::tell(shared.clone(), sign_ins));
        Relay { shared, input: host.input, lane, lane_end, gate: Gate::open(), probes: Vec::new() }
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
        let Relay { shared, lane, lane_end, .. } = self;
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
        if let Some(stream) = shared.stream.lock().unwrap_or_else(PoisonError::into_inner).take() {
            stream.abort();
        }
        tokio::join!(shared.upstream.end_session(), shared.desk.settle());
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
        if invalid.is_response {
            return; // a response has no answer
        }
        let null_id = self.shared.upstream.session().knows_null_id();
        let _ = self.shared.output.send(message::invalid_response(&invalid, null_id).into()).await;
    }

    async fn take_message(&mut self, line: &Bytes, envelope: &Envelope<'_>) {
        match (envelope.kind, envelope.id) {
            (Kind::Request, Some(id)) => self.take_request(line, envelope, id).await,
            (Kind::Notification, _) if envelope.is("notifications/cancelled") => self.take_cancel(line, envelope).await,
            (Kind::Notification, _) if envelope.is("notifications/initialized") => {
                // Where the session is not there yet, it is told when it comes.
                if self.shared.arrival.host_is_initialized() {
                    // Acknowledged before the next message goes (T3); then the server may speak unasked (T4), and what
                    // it asks there for a request that follows must find the stream open.
                    let (gate, opens) = Gate::shut();
                    let after = std::mem::replace(&mut self.gate, gate);
                    self.in_turn(line, after, Some(opens)).await;
                }
            }
            (Kind::Response, _) if self.shared.own_requests.take(envelope) => {}
            _ => self.in_turn(line, self.gate.clone(), None).await,
        }
    }

    async fn take_request(&mut self, line: &Bytes, envelope: &Envelope<'_>, id: &str) {
        let initialize = envelope.is("initialize");
        let Some(ticket) = self.shared.in_flight.begin(id, line, !initialize) else {
            return self.refuse(Invalid::duplicate_id(id)).await;
        };
        let shared = self.shared.clone();
        let mut errand = Errand {
            line: line.clone(),
            received: Instant::now(),
            after: self.gate.clone(),
            may_begin: true,
            purpose: Purpose::Call,
        };
        match envelope.method.as_deref().unwrap_or_default() {
            "initialize" => {
                for probe in self.probes.drain(..) {
                    shared.in_flight.cancel(&probe);
                }
                self.gate = Gate::open();
                shared.desk.receive(&InitializeParams::read(envelope.params));
                shared.arrive(line.clone(), id);
                tokio::spawn(shared.answer_initialize(ticket));
            }
            "server/discover" => {
                errand.purpose = Purpose::Background;
                self.probes.push(id.to_owned());
                tokio::spawn(shared.carry_discover(errand, ticket));
            }
            method if recall::is_first_page(envelope) => {
                errand.may_begin = false;
                tokio::spawn(shared.carry_list(errand, ticket, method.to_owned()));
            }
            "tools/call" if shared.desk.has_offered() && shared.answer_status(envelope, &ticket).await => {}
            _ => drop(tokio::spawn(shared.carry(errand, ticket))),
        }
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
            self.in_turn(line, self.gate.clone(), None).await;
        }
    }

    async fn in_turn(&self, message: &Bytes, after: Gate, opens: Option<Shut>) {
        // The lane's task lives as long as this sender.
        let _ = self.lane.send(Turn { message: message.clone(), received: Instant::now(), after, opens }).await;
    }
}

/// Notifications and responses of the host, in the order they came (H9); none waits longer than [`TURN`] for another.
async fn take_turns(shared: Arc<Shared>, mut turns: mpsc::Receiver<Turn>) {
    while let Some(Turn { message, received, after, opens }) = turns.recv().await {
        after.pass().await;
        if shared.arrived(received, false).await.is_err() {
            tracing::debug!("a notification has nowhere to go");
            continue;
        }
        let sending = tokio::spawn({
            let shared = shared.clone();
            async move { shared.send_only(message).await }
        });
        let _ = tokio::time::timeout(TURN, sending).await;
        if let Some(opens) = opens {
            session_stream::open(&shared).await;
            drop(opens);
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
