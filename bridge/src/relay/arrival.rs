//! The way to a session with the upstream: the host's own `initialize`, sent until the server is there, sent again when it
//! has forgotten the session. Whoever needs the session waits here; how long a host waits is not known here.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;

use super::Shared;
use super::introduction::Introduction;
use crate::message::Envelope;
use crate::problem::{Code, Problem};
use crate::upstream::Purpose;
use crate::upstream::error::UpstreamError;
use crate::upstream::http_sse::Listener;

/// How long to wait before an absent server is asked again, at first and at most.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// How long a request waits for a server that is away (T7: a minute at most).
const ABSENCE: Duration = Duration::from_secs(45);
/// How often a handshake is begun anew whose answer broke off.
const MOST_BROKEN: u32 = 3;
/// How long one handshake may take without a person being asked: a connection that died in sleep answers never.
const ATTEMPT: Duration = Duration::from_secs(60);

/// Where the session stands.
#[derive(Clone, Debug)]
pub(super) enum State {
    /// The host has not asked for one: everything goes as it is.
    NotAsked,
    /// It is being set up.
    UnderWay,
    /// It is there; the response to the host's `initialize`. A later one has a higher number.
    Arrived { number: u64, response: Bytes },
    /// It could not be set up.
    Failed { problem: Problem, at: Instant },
}

/// The session, and who waits for it.
#[derive(Debug)]
pub(super) struct Arrival {
    state: watch::Sender<State>,
    /// A request waits for the session.
    wanted: Notify,
    handshake: Mutex<Handshake>,
}

/// What the host has said of the handshake.
#[derive(Debug, Default)]
struct Handshake {
    line: Bytes,
    id: String,
    /// Nobody is asked to sign in for it.
    in_the_background: bool,
    /// `notifications/initialized`, once the host has sent it.
    initialized: Option<Bytes>,
    introduction: Arc<Introduction>,
    /// The server has accepted it once; what follows are renewals.
    accepted: bool,
    sessions: u64,
    /// Who sets the session up.
    under_way: Option<AbortHandle>,
}

impl Arrival {
    pub(super) fn new() -> Self {
        Arrival { state: watch::Sender::new(State::NotAsked), wanted: Notify::new(), handshake: Mutex::default() }
    }

    /// The state and its changes.
    pub(super) fn watch(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// Whether the host has asked for no session.
    pub(super) fn is_not_asked(&self) -> bool {
        matches!(*self.state.borrow(), State::NotAsked)
    }

    /// Whether the host has finished its side of the handshake.
    pub(super) fn is_host_initialized(&self) -> bool {
        self.lock().initialized.is_some()
    }

    /// Notes `notifications/initialized`. True where a session is there that must be told; else it is told when it comes.
    pub(super) fn host_is_initialized(&self, line: &Bytes) -> bool {
        let mut handshake = self.lock();
        handshake.initialized = Some(line.clone());
        let is_there = !matches!(*self.state.borrow(), State::UnderWay | State::Failed { .. });
        if is_there {
            handshake.introduce(Introduction::due(line.clone()));
        }
        is_there
    }

    /// What the session in use is told first.
    pub(super) fn introduction(&self) -> Arc<Introduction> {
        self.lock().introduction.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Handshake> {
        self.handshake.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Handshake {
    /// Another session, another introduction; the earlier one is void.
    fn introduce(&mut self, introduction: Introduction) {
        std::mem::replace(&mut self.introduction, Arc::new(introduction)).is_over();
    }
}

impl Shared {
    /// Begins anew with the host's `initialize`. An earlier session is over: its stream ends, and the server is told.
    pub(super) fn arrive(self: &Arc<Self>, line: Bytes, id: &str) {
        self.arrive_for(line, id, Purpose::Call);
    }

    /// The same, with an `initialize` that is not the host's own, and a person asked to sign in for it or not.
    pub(super) fn arrive_for(self: &Arc<Self>, line: Bytes, id: &str, purpose: Purpose) {
        {
            let mut handshake = self.arrival.lock();
            if let Some(earlier) = handshake.under_way.take() {
                earlier.abort();
            }
            handshake.introduce(Introduction::default());
            (handshake.line, handshake.id, handshake.initialized) = (line, id.to_owned(), None);
            handshake.accepted = false;
            handshake.in_the_background = purpose == Purpose::Background;
        }
        self.close_stream();
        let (shared, earlier) = (self.clone(), self.upstream.forget_session());
        self.spawn(async move {
            shared.is_idle(&earlier).await;
            shared.upstream.end_session(earlier).await;
        });
        self.arrival.state.send_replace(State::UnderWay);
        self.set_out();
    }

    /// Returns once the session is there, or none was asked for. `may_begin` says that a way that failed before this
    /// message came is tried once more for it.
    pub(super) async fn arrived(self: &Arc<Self>, received: Instant, may_begin: bool) -> Result<(), UpstreamError> {
        if matches!(*self.arrival.state.borrow(), State::NotAsked | State::Arrived { .. }) {
            return Ok(());
        }
        Box::pin(self.arrives(received, may_begin)).await
    }

    async fn arrives(self: &Arc<Self>, received: Instant, may_begin: bool) -> Result<(), UpstreamError> {
        let mut state = self.arrival.watch();
        loop {
            let now = state.borrow_and_update().clone(); // not borrowed on: to begin again changes it
            match now {
                State::NotAsked | State::Arrived { .. } => return Ok(()),
                State::UnderWay => self.arrival.wanted.notify_one(),
                State::Failed { problem, at } if at >= received || !may_begin => {
                    return Err(UpstreamError::Token(problem));
                }
                State::Failed { .. } => self.try_again(),
            }
            // A sign-in may take its time; for a server that is away nobody waits for ever.
            let changed = tokio::time::timeout(ABSENCE, state.changed()).await;
            match (changed, self.desk.absence()) {
                (Ok(Err(_)), _) => return Ok(()),
                (Err(_), Some(problem)) => return Err(UpstreamError::Token(problem)),
                _ => {}
            }
        }
    }

    /// The number of the session in use, if there is one.
    pub(super) fn session_number(&self) -> Option<u64> {
        match &*self.arrival.state.borrow() {
            State::Arrived { number, .. } => Some(*number),
            _ => None,
        }
    }

    /// The server has forgotten this session: a new one, once for all who find out (T6).
    pub(super) fn session_is_lost(self: &Arc<Self>, lost: u64) {
        tracing::info!("`{}` has forgotten the session: beginning a new one", self.upstream.shown());
        self.begin_again(|state| matches!(state, State::Arrived { number, .. } if *number == lost));
    }

    /// The server is of another era now than when this session began.
    pub(super) fn begins_anew(self: &Arc<Self>, session: u64) {
        self.begin_again(|state| matches!(state, State::Arrived { number, .. } if *number == session));
    }

    /// A way that failed is tried once more.
    pub(super) fn try_again(self: &Arc<Self>) {
        self.begin_again(|state| matches!(state, State::Failed { .. }));
    }

    fn begin_again(self: &Arc<Self>, due: impl Fn(&State) -> bool) {
        let begins = self.arrival.state.send_if_modified(|state| {
            let due = due(state);
            if due {
                *state = State::UnderWay;
            }
            due
        });
        if begins {
            self.close_stream();
            self.set_out();
        }
    }

    fn set_out(self: &Arc<Self>) {
        let task = self.spawn(self.clone().establish());
        self.arrival.lock().under_way = Some(task);
    }

    async fn establish(self: Arc<Self>) {
        let mut wait = FIRST_WAIT;
        let mut broken = 0;
        let state = loop {
            // Each attempt counts as a message of its own: how the last one ended decides nothing for it.
            match self.attempt(Instant::now()).await {
                Ok(response) => break self.settle(response),
                Err(error) if self.is_worth_another_try(&error, broken) => {
                    broken += u32::from(!error.passes());
                    let problem = error.problem(self.upstream.shown());
                    self.desk.has_trouble(&problem);
                    // The server's own wish is never cut short.
                    let least = error.retry_after().unwrap_or(FIRST_WAIT);
                    let most = wait.max(least);
                    tracing::warn!("{problem} ({}); trying again in {} s", problem.hint, most.as_secs_f32());
                    // A host that asks for something need not wait for the longer pauses.
                    tokio::time::sleep(least).await;
                    let _ = tokio::time::timeout(most - least, self.arrival.wanted.notified()).await;
                    wait = (wait * 2).min(LONGEST_WAIT);
                    self.upstream.look_at_the_store_again();
                }
                Err(error) => break self.failed(error.problem(self.upstream.shown())),
            }
        };
        self.arrival.state.send_replace(state);
        // The host may have nothing to say for long; nobody is asked to sign in for that.
        let _ = self.introduced((Purpose::Background, Instant::now())).await;
        self.make_good();
    }

    /// Whether the server may be there soon. One that wants to be left alone for longer than anybody waits says no (T7).
    /// One whose answers break off is asked again so often and no oftener.
    fn is_worth_another_try(&self, error: &UpstreamError, broken: u32) -> bool {
        let promised = self.desk.has_promised();
        let in_time = promised || error.retry_after().is_none_or(|wait| wait <= ABSENCE);
        let breaks = error.may_be_repeated() && broken < MOST_BROKEN;
        in_time && (error.passes() || breaks) || promised && error.may_pass()
    }

    /// One handshake, bounded in time as long as no person is asked to sign in for it.
    async fn attempt(self: &Arc<Self>, received: Instant) -> Result<Bytes, UpstreamError> {
        let handshake = std::pin::pin!(self.host_shakes_hands(received));
        let outcome = self.unless_late(ATTEMPT, handshake).await;
        outcome.unwrap_or_else(|| Err(UpstreamError::Token(mute(self.upstream.shown().as_str()))))
    }

    async fn host_shakes_hands(self: &Arc<Self>, received: Instant) -> Result<Bytes, UpstreamError> {
        let (line, id, purpose) = {
            let handshake = self.arrival.lock();
            let purpose = if handshake.in_the_background { Purpose::Background } else { Purpose::Call };
            (handshake.line.clone(), handshake.id.clone(), purpose)
        };
        self.shake_hands(&line, &id, (purpose, received)).await
    }

    /// Who passes on what comes by a stream that is nobody's reply. It keeps nothing alive.
    pub(super) fn listener(self: &Arc<Self>) -> Listener {
        let shared = Arc::downgrade(self);
        Arc::new(move |message| {
            let shared = shared.clone();
            Box::pin(async move {
                if let Some(shared) = shared.upgrade() {
                    shared.output.has_room().await;
                    shared.pass_on(message).await;
                }
            })
        })
    }

    /// What the response to `initialize` makes of the way to the session.
    fn settle(&self, response: Bytes) -> State {
        let refused = Envelope::parse(&response).is_ok_and(|envelope| envelope.result.is_none());
        let promised = self.desk.promise_broken(&response);
        if let Some(problem) = promised.filter(|_| self.desk.has_promised()) {
            return self.failed(problem);
        }
        let mut handshake = self.arrival.lock();
        if refused && (handshake.accepted || self.desk.has_promised()) {
            drop(handshake);
            return self.failed(refused_handshake(self.upstream.shown().as_str()));
        }
        handshake.accepted = !refused;
        if let Some(line) = handshake.initialized.clone().filter(|_| !refused) {
            handshake.introduce(Introduction::due(line));
        }
        handshake.sessions += 1;
        State::Arrived { number: handshake.sessions, response }
    }

    fn failed(&self, problem: Problem) -> State {
        self.desk.has_trouble(&problem);
        tracing::warn!("{problem} ({})", problem.hint);
        State::Failed { problem, at: Instant::now() }
    }
}

fn refused_handshake(upstream: &str) -> Problem {
    Problem::new(
        Code::NotAnMcpServer,
        format!("`{upstream}` refused the handshake that the host was promised"),
        "restart this server in the host",
    )
}

fn mute(upstream: &str) -> Problem {
    Problem::new(
        Code::TimedOut,
        format!("`{upstream}` has not answered the handshake within {} s", ATTEMPT.as_secs()),
        "it is tried again by itself; if it stays, ask the server's operator",
    )
}
