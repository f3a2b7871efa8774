//! Sessions: what one client agreed on, its standalone stream, the requests it runs and those that it must answer.
//! A session belongs to the account that opened it, if one did; its id is never proof of anything.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tokio::sync::{Notify, mpsc, oneshot};

use crate::authorization::jwt::Claims;
use crate::state::lock;

/// The header that names a session, in lower case.
pub(crate) const SESSION_HEADER: &str = "mcp-session-id";

/// The revisions that we speak, the newest first.
pub(crate) const VERSIONS: [&str; 3] = ["2025-11-25", "2025-06-18", "2025-03-26"];

/// Log levels by rising severity (RFC 5424 §6.2.1).
pub(crate) const LEVELS: [&str; 8] = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];

/// A client's answer to one of our requests: its result or its error, as spelled.
pub(crate) type ClientAnswer = Result<String, String>;

/// One session.
pub(crate) struct Session {
    /// The revision agreed on.
    pub(crate) version: &'static str,
    /// Whether the client can be asked (`elicitation` among its capabilities).
    pub(crate) can_elicit: bool,
    owner: Option<(String, String)>,
    level: Mutex<usize>,
    standalone: Mutex<Option<mpsc::Sender<Bytes>>>,
    running: Mutex<HashMap<String, Arc<Notify>>>,
    asked: Mutex<HashMap<String, oneshot::Sender<ClientAnswer>>>,
    next_id: AtomicU64,
}

impl Session {
    pub(crate) fn new(version: &'static str, can_elicit: bool, claims: Option<&Claims>) -> Self {
        Session {
            version,
            can_elicit,
            owner: claims.map(owner),
            level: Mutex::new(0),
            standalone: Mutex::new(None),
            running: Mutex::default(),
            asked: Mutex::default(),
            next_id: AtomicU64::new(1),
        }
    }

    /// Opens the standalone stream; `None` if there is one already.
    pub(crate) fn open_standalone(&self) -> Option<mpsc::Receiver<Bytes>> {
        let mut standalone = lock(&self.standalone);
        if standalone.as_ref().is_some_and(|open| !open.is_closed()) {
            return None;
        }
        let (sender, receiver) = mpsc::channel(64);
        *standalone = Some(sender);
        Some(receiver)
    }

    /// The way to the standalone stream, if one is open.
    pub(crate) fn standalone(&self) -> Option<mpsc::Sender<Bytes>> {
        lock(&self.standalone).clone().filter(|open| !open.is_closed())
    }

    /// Keeps the least severe level that the client wants; `false` if there is no such level.
    pub(crate) fn set_level(&self, name: &str) -> bool {
        let Some(level) = LEVELS.iter().position(|level| *level == name) else { return false };
        *lock(&self.level) = level;
        true
    }

    pub(crate) fn wants_level(&self, name: &str) -> bool {
        LEVELS.iter().position(|level| *level == name).is_some_and(|level| level >= *lock(&self.level))
    }

    /// Notes that a request runs; `None` if its id is in use.
    pub(crate) fn begin(self: &Arc<Self>, id: &str) -> Option<Running> {
        let mut running = lock(&self.running);
        if running.contains_key(id) {
            return None;
        }
        let cancelled = Arc::new(Notify::new());
        running.insert(id.to_owned(), cancelled.clone());
        Some(Running { session: self.clone(), id: id.to_owned(), cancelled })
    }

    /// `notifications/cancelled`: an id that does not run is ignored.
    pub(crate) fn cancel(&self, id: &str) {
        if let Some(cancelled) = lock(&self.running).get(id) {
            cancelled.notify_one();
        }
    }

    /// A new id of ours, as JSON, and the answer to come.
    pub(crate) fn ask(&self) -> (String, oneshot::Receiver<ClientAnswer>) {
        let id = format!("\"ask-{}\"", self.next_id.fetch_add(1, Ordering::Relaxed));
        let (sender, receiver) = oneshot::channel();
        lock(&self.asked).insert(id.clone(), sender);
        (id, receiver)
    }

    /// Hands the client's answer to who waits for it; nobody may wait any more.
    pub(crate) fn answered(&self, id: &str, answer: ClientAnswer) {
        if let Some(waiting) = lock(&self.asked).remove(id) {
            let _ = waiting.send(answer);
        }
    }
}

fn owner(claims: &Claims) -> (String, String) {
    (claims.sub.clone(), claims.client_id.clone())
}

/// A request that runs; dropping it frees its id.
pub(crate) struct Running {
    session: Arc<Session>,
    id: String,
    /// Notified when the client cancels the request.
    pub(crate) cancelled: Arc<Notify>,
}

impl Drop for Running {
    fn drop(&mut self) {
        lock(&self.session.running).remove(&self.id);
    }
}

/// All sessions by id.
#[derive(Default)]
pub(crate) struct Sessions {
    open: Mutex<HashMap<String, Arc<Session>>>,
}

impl Sessions {
    pub(crate) fn add(&self, id: String, session: Arc<Session>) {
        lock(&self.open).insert(id, session);
    }

    /// The session of this id, for the account that opened it; one that was opened without a token is anybody's.
    pub(crate) fn find(&self, id: &str, claims: Option<&Claims>) -> Option<Arc<Session>> {
        lock(&self.open)
            .get(id)
            .filter(|session| session.owner.is_none() || session.owner == claims.map(owner))
            .cloned()
    }

    pub(crate) fn end(&self, id: &str) {
        lock(&self.open).remove(id);
    }

    pub(crate) fn forget_all(&self) {
        lock(&self.open).clear();
    }
}
