//! A modern host at a legacy server (E7, E10): a session on its behalf, begun with its first request and begun anew where a
//! later one declares more, and each request in the words of that session. The session itself is `arrival`'s as any other.
//! Read next: `held_calls`, which carries each request; `said_to_modern`, for what the server says; `listening`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::Notify;

use super::Shared;
use super::arrival::State;
use super::exchange::{Answered, Course, Errand};
use super::held_calls::{Call, Waiting};
use super::listening::Subscribed;
use super::placeholder::InitializeParams;
use crate::message::Envelope;
use crate::translation::capabilities::Capabilities;
use crate::translation::held::Held;
use crate::translation::json::RawObject;
use crate::translation::listeners::Listeners;
use crate::translation::modern_to_legacy::{self, INITIALIZED, LogLevel, Metadata, Refusal};
use crate::upstream::Purpose;
use crate::upstream::error::UpstreamError;
use crate::upstream::retry::is_idempotent;
use crate::upstream::session::Session;

/// What is kept for a modern host at a legacy server.
#[derive(Debug, Default)]
pub(super) struct AsLegacy {
    /// There is a session on its behalf, or one comes.
    active: AtomicBool,
    me: OnceLock<Weak<Shared>>,
    ids: AtomicU64,
    declared: Mutex<Declared>,
    /// What is under way for it, by our id.
    calls: Mutex<BTreeMap<String, Arc<Call>>>,
    /// One of them is no longer.
    pub(super) call_ended: Notify,
    pub(super) held: Mutex<Held<Waiting>>,
    pub(super) listeners: Mutex<Listeners>,
    pub(super) subscribed: tokio::sync::Mutex<Subscribed>,
    /// The level of log messages that is set in the session.
    level: tokio::sync::Mutex<Option<LogLevel>>,
}

/// What the host has said of itself, in all its requests together.
#[derive(Debug, Default)]
struct Declared {
    client_info: Option<String>,
    capabilities: Capabilities,
}

impl AsLegacy {
    /// Whether the host is modern and has a legacy session.
    pub(super) fn is_active(&self) -> bool {
        self.active.load(Ordering::Relaxed)
    }

    /// Why a request cannot be taken: a host that was modern once says so each time.
    pub(super) fn refuses(&self, request: &Envelope<'_>) -> Option<Refusal> {
        if self.is_active() { Metadata::read(request.params).err() } else { None }
    }

    /// Where it is kept, for what is done beside.
    pub(super) fn me(&self) -> Option<Arc<Shared>> {
        self.me.get().and_then(Weak::upgrade)
    }

    /// The host has sent `initialize`: whatever was on its behalf is over (H11).
    pub(super) fn is_over(&self) {
        if self.active.swap(false, Ordering::Relaxed) {
            *lock(&self.declared) = Declared::default();
            *lock(&self.held) = Held::default();
            *lock(&self.listeners) = Listeners::default();
        }
    }

    /// An id for a request of ours to the server.
    pub(super) fn next_id(&self) -> String {
        (self.ids.fetch_add(1, Ordering::Relaxed) + 1).to_string()
    }

    /// What is under way, the oldest first.
    pub(super) fn calls(&self) -> Vec<Arc<Call>> {
        let mut calls: Vec<_> = lock(&self.calls).values().cloned().collect();
        calls.sort_by_key(|call| call.number);
        calls
    }

    /// What is under way with this id or progress token.
    pub(super) fn call(&self, id: &str) -> Option<Arc<Call>> {
        lock(&self.calls).get(id).cloned()
    }

    pub(super) fn begins(&self, call: &Arc<Call>) {
        lock(&self.calls).insert(call.id.clone(), call.clone());
    }

    pub(super) fn ends(&self, call: &Call) {
        lock(&self.calls).remove(&call.id);
        self.call_ended.notify_waiters();
    }
}

impl Shared {
    /// A modern request at a legacy server, to its response.
    pub(super) async fn exchange_as_legacy(
        self: &Arc<Self>,
        errand: &Errand,
        id: &str,
        course: &Course,
    ) -> Result<Answered, UpstreamError> {
        course.is_modern(); // the host's id says nothing to the server
        let Ok(envelope) = Envelope::parse(&errand.line) else { return Err(UpstreamError::StreamEnded) };
        let method = envelope.method.as_deref().unwrap_or_default();
        let metadata = match Metadata::read(envelope.params) {
            Ok(metadata) => metadata,
            Err(refusal) => return Ok(ours(refusal.response(id))),
        };
        // `initialize` may have come while the era was found out: the rest is legacy, and so is the session (H11).
        if self.eras.is_host_legacy() {
            return Err(UpstreamError::SessionLost);
        }
        self.has_session_for(&metadata, errand.purpose);
        self.arrived(errand.received, true).await?;
        let refused = self.initialize_response().filter(|response| is_refusal(response));
        if refused.is_some() {
            // It takes no handshake: that it has no modern era may have been an answer of a bad moment (E0).
            self.learns(|spoken| spoken.modern = spoken.modern.filter(|_| spoken.legacy == Some(true)));
        }
        if let Some(refused) = refused.and_then(|response| modern_to_legacy::response(method, &response, id)) {
            return Ok(ours(refused));
        }
        match method {
            "server/discover" => self.discover_as_legacy(id),
            "subscriptions/listen" => self.listen_as_legacy(errand, envelope.params, id).await,
            method => self.call_as_legacy(errand, (method, envelope.params), metadata, id).await,
        }
    }

    fn discover_as_legacy(&self, id: &str) -> Result<Answered, UpstreamError> {
        let response = self.initialize_response();
        let envelope = response.as_deref().and_then(|response| Envelope::parse(response).ok());
        let result = envelope.and_then(|envelope| envelope.result).and_then(modern_to_legacy::discover_result);
        let line = result.map(|result| format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{result}}}"));
        line.map(|line| ours(line.into_bytes())).ok_or(UpstreamError::SessionLost)
    }

    /// Begins a session on behalf of the host if there is none, or none that shows all that it can do. The person is asked
    /// to sign in for it where that is what the request may do.
    fn has_session_for(self: &Arc<Self>, metadata: &Metadata, purpose: Purpose) {
        self.as_legacy.me.get_or_init(|| Arc::downgrade(self));
        let line = {
            let mut declared = lock(&self.as_legacy.declared);
            let more = declared.capabilities.add(&metadata.capabilities);
            let first = !self.as_legacy.active.swap(true, Ordering::Relaxed);
            // One that failed or was refused may come about now, if only because a person may be asked to sign in.
            let failed = match &*self.arrival.watch().borrow() {
                State::Failed { .. } => true,
                State::Arrived { response, .. } => is_refusal(response),
                _ => false,
            };
            let failed = failed && purpose == Purpose::Call;
            if !first && !more && !failed {
                return;
            }
            if declared.client_info.is_none() {
                declared.client_info.clone_from(&metadata.client_info);
            }
            let Declared { client_info, capabilities } = &*declared;
            if first {
                self.settings.clear();
            }
            (self.as_legacy.next_id(), client_info.clone(), capabilities.clone())
        };
        let (id, client_info, capabilities) = line;
        let line = modern_to_legacy::initialize(&id, client_info.as_deref(), &capabilities);
        let mut params = InitializeParams::read(Envelope::parse(&line).ok().and_then(|envelope| envelope.params));
        // A modern host is asked nothing of its own accord (H12).
        params.capabilities = super::placeholder::Capabilities::default();
        self.desk.receive(&params);
        self.arrive_for(line.into(), &id, purpose);
        self.arrival.host_is_initialized(&Bytes::from_static(INITIALIZED));
    }

    /// Returns once nothing is under way within this session any more.
    pub(super) async fn is_idle(&self, session: &Session) {
        while session.id.is_some() {
            let ended = self.as_legacy.call_ended.notified();
            if !self.as_legacy.calls().iter().any(|call| call.session().id == session.id) {
                return;
            }
            ended.await;
        }
    }

    /// The response to the `initialize` of the session.
    fn initialize_response(&self) -> Option<Bytes> {
        match &*self.arrival.watch().borrow() {
            State::Arrived { response, .. } => Some(response.clone()),
            _ => None,
        }
    }

    /// What the server can do, as it said in the handshake; to the letter.
    pub(super) fn server_capabilities(&self) -> String {
        let response = self.initialize_response();
        let envelope = response.as_deref().and_then(|response| Envelope::parse(response).ok());
        let result = envelope.and_then(|envelope| RawObject::parse(envelope.result?));
        result.and_then(|result| result.get("capabilities").map(str::to_owned)).unwrap_or_default()
    }

    /// Sets the level of log messages that what is under way wants, if it is another than before (E10). What the server says
    /// to it changes nothing.
    pub(super) async fn adjust_level(self: &Arc<Self>, received: Instant, purpose: Purpose) {
        let mut set = self.as_legacy.level.lock().await;
        let wanted = self.as_legacy.calls().iter().filter_map(|call| call.log_level()).min();
        let Some(level) = wanted.filter(|wanted| *set != Some(*wanted)) else { return };
        if self.arrived(received, true).await.is_err() || !self.server_logs() {
            return;
        }
        let params = format!("{{\"level\":\"{}\"}}", level.name());
        match self.request_of_ours("logging/setLevel", &params, received, purpose).await {
            Ok(_) => *set = Some(level),
            Err(error) => tracing::debug!("the level of log messages is not set: {error}"),
        }
    }

    fn server_logs(&self) -> bool {
        RawObject::parse(&self.server_capabilities()).is_some_and(|capabilities| capabilities.get("logging").is_some())
    }

    /// A request of ours within the session on behalf of the host. What it sets is set again in the next session (T6).
    pub(super) async fn request_of_ours(
        self: &Arc<Self>,
        method: &str,
        params: &str,
        received: Instant,
        purpose: Purpose,
    ) -> Result<Bytes, UpstreamError> {
        let id = self.as_legacy.next_id();
        let line = modern_to_legacy::request(method, Some(params), &id, &id).into();
        let idempotent = is_idempotent(method);
        let errand = Errand { line, received, may_begin: true, purpose, idempotent, sets: true, modern: false };
        let (response, rest) = self.exchange_in_the_end(&errand, &id, &Course::default()).await?;
        let shared = self.clone();
        self.spawn(async move { drop(shared.read_to_the_end(rest).await) });
        Ok(response)
    }
}

/// Whether the response to `initialize` is an error.
fn is_refusal(response: &[u8]) -> bool {
    Envelope::parse(response).is_ok_and(|envelope| envelope.result.is_none())
}

/// A response of ours.
pub(super) fn ours(response: Vec<u8>) -> Answered {
    Answered { response: response.into(), rest: None }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
