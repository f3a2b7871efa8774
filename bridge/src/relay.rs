//! Who waits for what: every line of the host goes its way to the upstream, and what comes back goes to the host, each
//! request's response exactly once. It knows ids and methods, and must never know HTTP or a token.
//! Read next: [`in_flight`], which makes "exactly once" true by construction; then `arrival` and `reception`, for a host
//! that cannot wait for a server that is not there yet.

mod arrival;
mod as_legacy;
mod as_modern;
pub mod backlog;
pub mod batch;
mod by_era;
mod desk;
mod ending;
mod eras;
mod exchange;
pub mod gate;
mod handshake;
mod held_calls;
pub mod in_flight;
mod incoming;
mod introduction;
mod lane;
mod listening;
mod modern_listening;
mod modern_stream;
pub mod notices;
pub mod patience;
mod ping;
pub mod placeholder;
pub mod recall;
mod reception;
mod refusal;
mod said_to_modern;
mod server_requests;
mod session_settings;
mod session_stream;
mod tool_headers;

use std::pin::pin;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::{Notify, Semaphore, mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};

use self::arrival::Arrival;
use self::as_legacy::AsLegacy;
use self::backlog::{Backlog, Load};
use self::batch::Batch;
use self::desk::Desk;
use self::ending::End;
use self::eras::Eras;
use self::exchange::Errand;
use self::in_flight::InFlight;
use self::lane::{Turn, What};
use self::notices::{OpenSignIn, OwnRequests};
use self::placeholder::InitializeParams;
use self::recall::Memory;
use self::refusal::shown_at_the_beginning;
use self::server_requests::ServerRequests;
use self::session_settings::SessionSettings;
use crate::host::output::Output;
use crate::host::{Host, Input, Written};
use crate::message::{self, Envelope, Invalid, Kind};
use crate::settings::{Patience, TransportSettings};
use crate::upstream::modern::is_modern;
use crate::upstream::pace::Pace;
use crate::upstream::retry::is_idempotent;
use crate::upstream::{Purpose, Upstream};

/// A running bridge between one host and one upstream.
#[derive(Debug)]
pub struct Relay {
    shared: Arc<Shared>,
    input: mpsc::Receiver<Input>,
    written: Written,
    /// Notifications and responses of the host, one after the other; the backlog bounds them.
    lane: mpsc::UnboundedSender<Turn>,
    /// When the host last sent something that a person may be asked to sign in for.
    calls: watch::Sender<Instant>,
    /// Probes that are not answered once `initialize` has come (H11).
    probes: Vec<String>,
}

#[derive(Debug)]
struct Shared {
    upstream: Arc<Upstream>,
    output: Output,
    backlog: Arc<Backlog>,
    in_flight: Arc<InFlight>,
    arrival: Arrival,
    desk: Desk,
    eras: Eras,
    as_legacy: AsLegacy,
    own_requests: OwnRequests,
    server_requests: ServerRequests,
    /// What the host has set in the session, for the next one.
    settings: SessionSettings,
    /// One for each request that the upstream may have at once (H10).
    slots: Arc<Semaphore>,
    request_timeout: Option<Duration>,
    calls: watch::Receiver<Instant>,
    /// The host has sent a request, or has initialized.
    heard: Notify,
    stream: Mutex<Option<AbortHandle>>,
    http_sse_pace: Mutex<Pace>,
    /// The server does not answer the stream's request before it has something to say.
    stream_comes_late: AtomicBool,
    /// Whatever goes on beside the loop. Aborted at the end.
    tasks: Mutex<JoinSet<()>>,
}

/// How many tasks there may be before those that are done are looked for.
const REAPED: usize = 32;

/// What a message weighs until it is dealt with, and what its answer is part of.
type Due = (Load, Option<Arc<Batch>>);

/// What a bridge is given besides its two sides.
#[derive(Debug)]
pub struct Surroundings {
    /// How long a host's start may wait.
    pub patience: Patience,
    /// The limits of what waits and of what is taken from the host.
    pub transport: TransportSettings,
    /// Where the server's last answers are kept.
    pub memory: Arc<dyn Memory>,
    /// The sign-in that is open, if one is.
    pub sign_ins: watch::Receiver<Option<OpenSignIn>>,
}

impl Relay {
    /// Joins a host and an upstream.
    #[must_use]
    pub fn new(host: Host, upstream: Upstream, surroundings: Surroundings) -> Self {
        let Surroundings { patience, transport, memory, sign_ins } = surroundings;
        let backlog = Backlog::new();
        let desk = Desk::new(patience, format!("`{}`", upstream.shown()), memory, backlog.clone());
        let calls = watch::Sender::new(Instant::now());
        let shared = Arc::new(Shared {
            in_flight: InFlight::new(host.output.clone()),
            upstream: Arc::new(upstream),
            output: host.output,
            backlog,
            arrival: Arrival::new(),
            desk,
            eras: Eras::new(transport.era),
            as_legacy: AsLegacy::default(),
            own_requests: OwnRequests::default(),
            server_requests: ServerRequests::default(),
            settings: SessionSettings::default(),
            slots: Arc::new(Semaphore::new(transport.max_in_flight.min(Semaphore::MAX_PERMITS))),
            request_timeout: transport.request_timeout,
            calls: calls.subscribe(),
            heard: Notify::new(),
            stream: Mutex::default(),
            http_sse_pace: Mutex::new(session_stream::pace()),
            stream_comes_late: AtomicBool::new(false),
            tasks: Mutex::default(),
        });
        let (lane, turns) = mpsc::unbounded_channel();
        shared.spawn(lane::take_turns(shared.clone(), turns));
        shared.spawn(notices::tell(shared.clone(), sign_ins));
        if let Some(interval) = transport.ping_interval {
            shared.spawn(ping::keep_alive(shared.clone(), interval));
        }
        Relay { shared, input: host.input, written: host.written, lane, calls, probes: Vec::new() }
    }

    /// Runs until the host closes its side, stops listening, or `signal` resolves (H7). Nothing is awaited here but the
    /// next line: a cancellation, a signal or the end is never kept waiting by what it would end.
    pub async fn run(mut self, signal: impl Future<Output = &'static str>) {
        let mut signal = pin!(signal);
        let end = loop {
            let next = async {
                self.shared.backlog.has_room().await;
                self.input.recv().await
            };
            tokio::select! {
                input = next => match input {
                    Some(input) => self.take(input),
                    None => break End::InputClosed,
                },
                name = &mut signal => {
                    tracing::info!("{name}: ending");
                    break End::Signal;
                }
                () = self.shared.output.closed() => break End::OutputClosed,
            }
        };
        let Relay { shared, written, input, lane, calls, .. } = self;
        drop((input, lane, calls)); // nothing more comes from the host
        ending::end(shared, written, end, signal).await;
    }

    fn take(&mut self, input: Input) {
        match input {
            Input::Line(line) => {
                if message::is_array(&line) {
                    return self.take_batch(&line);
                }
                let load = self.shared.backlog.put_on(line.len());
                match Envelope::parse(&line) {
                    Ok(envelope) => self.take_message(&line, &envelope, (load, None)),
                    Err(invalid) => self.refuse(&invalid, (load, None)),
                }
            }
            Input::TooLong { length, limit, beginning } => {
                let reason = format!("a line of {length} bytes, over the limit of {limit}");
                let (id, is_response) = shown_at_the_beginning(&beginning);
                let load = self.shared.backlog.put_on(beginning.len());
                self.refuse(&Invalid { is_response, ..Invalid::message(id, reason) }, (load, None));
            }
        }
    }

    /// The members of a batch, each by itself, and one array of answers (H3). Only one revision of MCP has them.
    fn take_batch(&mut self, line: &Bytes) {
        let load = self.shared.backlog.put_on(line.len());
        let members = match message::batch(line) {
            Ok(members) if self.shared.upstream.session().knows_batches() => members.unwrap_or_default(),
            Ok(_) => {
                return self
                    .refuse(&Invalid::message(None, "an array, and this revision has no batches"), (load, None));
            }
            Err(invalid) => return self.refuse(&invalid, (load, None)),
        };
        let members: Vec<_> =
            members.into_iter().map(|member| (line.slice_ref(member), Envelope::parse(member))).collect();
        let opens = |parsed: &Result<Envelope<'_>, _>| parsed.as_ref().is_ok_and(|member| member.is("initialize"));
        let wrong = match () {
            () if members.is_empty() => Some("a batch without a message"),
            () if members.iter().any(|(_, parsed)| opens(parsed)) => Some("a batch with `initialize` in it"),
            () => None,
        };
        if let Some(wrong) = wrong {
            return self.refuse(&Invalid::message(None, wrong), (load, None));
        }
        let batch = Batch::new(self.shared.output.clone());
        for (line, parsed) in &members {
            let due = (self.shared.backlog.put_on(line.len()), Some(batch.clone()));
            match parsed {
                Ok(envelope) => self.take_message(line, envelope, due),
                Err(invalid) => self.refuse(invalid, due),
            }
        }
    }

    fn take_message(&mut self, line: &Bytes, envelope: &Envelope<'_>, due: Due) {
        match (envelope.kind, envelope.id) {
            (Kind::Request, Some(id)) => self.take_request(line, envelope, id, due),
            (Kind::Notification, _) if envelope.is("notifications/cancelled") => {
                self.take_cancel(line, envelope, due.0)
            }
            (Kind::Notification, _) if envelope.is("notifications/initialized") => {
                // Where the session is not there yet, it is told when it comes.
                if self.shared.arrival.host_is_initialized(line) {
                    self.in_turn(What::Introduction, due.0);
                }
                self.shared.heard.notify_one();
            }
            (Kind::Response, _) if self.shared.own_requests.take(envelope) => {}
            (Kind::Response, _) if self.shared.eras.guise().is_some_and(|guise| guise.takes(envelope, line)) => {}
            // Nothing was asked in this way (H12).
            (Kind::Response, _) if self.shared.as_legacy.is_active() => {}
            (Kind::Response, _) => self.in_turn(What::Response(line.clone()), due.0),
            _ => self.in_turn(What::Notification(line.clone()), due.0),
        }
    }

    fn take_request(&mut self, line: &Bytes, envelope: &Envelope<'_>, id: &str, mut due: Due) {
        if envelope.is("subscriptions/listen") {
            // It is open for as long as the host lives: the end must not wait for it (H7).
            due.0 = self.shared.backlog.put_on_nothing();
        }
        let initialize = envelope.is("initialize");
        let batch = due.1.clone();
        let Some(ticket) = self.shared.in_flight.begin(id, line, !initialize, due) else {
            let load = self.shared.backlog.put_on(0);
            return self.refuse(&Invalid::duplicate_id(id), (load, batch));
        };
        let shared = self.shared.clone();
        shared.heard.notify_one();
        let received = Instant::now();
        let method = envelope.method.as_deref().unwrap_or_default();
        if method != "initialize"
            && let Some(refusal) = shared.as_legacy.refuses(envelope)
        {
            let response = Bytes::from(refusal.response(id));
            return drop(self.shared.spawn(async move { ticket.answer(response).await }));
        }
        let modern = shared.is_modern(line);
        let (idempotent, sets) = (is_idempotent(method), session_settings::sets_something(method));
        let mut errand =
            Errand { line: line.clone(), received, may_begin: true, purpose: Purpose::Call, idempotent, sets, modern };
        match method {
            "initialize" => {
                for probe in self.probes.drain(..) {
                    shared.in_flight.cancel_probe(&probe);
                }
                shared.eras.host_is_legacy();
                shared.as_legacy.is_over();
                shared.desk.receive(&InitializeParams::read(envelope.params));
                shared.settings.clear();
                shared.arrive(line.clone(), id);
                self.shared.spawn(shared.answer_initialize(ticket));
            }
            "server/discover" => {
                errand.purpose = Purpose::Background;
                self.probes.retain(|probe| shared.in_flight.has(probe));
                self.probes.push(id.to_owned());
                self.shared.spawn(shared.carry_discover(errand, ticket));
            }
            "ping" | "logging/setLevel" => drop(self.shared.spawn(shared.carry_formality(errand, ticket))),
            _ if shared.asks_for_status(envelope) => drop(self.shared.spawn(shared.answer_status(ticket, modern))),
            method => {
                self.calls.send_replace(received);
                if recall::is_first_page(envelope) {
                    errand.may_begin = false;
                    self.shared.spawn(shared.carry_list(errand, ticket, method.to_owned()));
                } else {
                    self.shared.spawn(shared.carry(errand, ticket));
                }
            }
        }
    }

    /// The request is over for the host at once; the upstream is told (T9).
    fn take_cancel(&self, line: &Bytes, envelope: &Envelope<'_>, load: Load) {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct CancelledParams<'a> {
            #[serde(borrow)]
            request_id: &'a RawValue,
        }
        let params = envelope.params.and_then(|p| serde_json::from_str::<CancelledParams<'_>>(p).ok());
        let request = params.and_then(|params| self.shared.in_flight.cancel(params.request_id.get()));
        // Of a modern request its closed stream tells the server (MCP 2026-07-28, patterns/cancellation).
        let is_legacy = |request: Bytes| self.shared.eras.guise().is_none() && !self.shared.is_modern(&request);
        if request.is_some_and(is_legacy) {
            self.in_turn(What::Notification(line.clone()), load);
        }
    }

    fn in_turn(&self, what: What, load: Load) {
        let received = Instant::now();
        if matches!(what, What::Response(_)) {
            self.calls.send_replace(received);
        }
        // The lane's task lives as long as this sender.
        let _ = self.lane.send(Turn { what, received, load });
    }
}

impl Shared {
    /// Whether a request of the host is of the modern era: none is after `initialize` (H11).
    fn is_modern(&self, request: &[u8]) -> bool {
        !self.eras.is_host_legacy() && is_modern(request)
    }

    /// Starts something that goes on beside the loop, until it is done or everything ends.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        if tasks.len() >= REAPED {
            while tasks.try_join_next().is_some() {}
        }
        tasks.spawn(Box::pin(task))
    }
}

#[cfg(test)]
mod tests;
