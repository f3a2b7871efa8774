//! Sessions: what one client agreed on, its standalone stream, the requests it runs and those that it must answer.
//! A session belongs to the account that opened it, if one did; its id is never proof of anything.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Map, Value};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinSet;

use crate::authorization::jwt::Claims;
use crate::mcp::changes::Listed;
use crate::mcp::http_sse::Link;
use crate::mcp::stream::Outlet;
use crate::mcp::track::Track;
use crate::state::lock;

/// The header that names a session, in lower case.
pub(crate) const SESSION_HEADER: &str = "mcp-session-id";

/// The revisions that we speak, the newest first.
pub(crate) const VERSIONS: [&str; 3] = ["2025-11-25", "2025-06-18", "2025-03-26"];

/// The revision without handshake and sessions.
pub(crate) const MODERN_VERSION: &str = "2026-07-28";

/// Log levels by rising severity (RFC 5424 §6.2.1).
pub(crate) const LEVELS: [&str; 8] = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];

/// How many streams that ended can still be resumed, in a session.
const ENDED_TRACKS: usize = 64;

/// The lists that hold something more.
pub(crate) type Surprises = Arc<Mutex<HashSet<Listed>>>;

/// A client's answer to one of our requests: its result or its error, as spelled.
pub(crate) type ClientAnswer = Result<String, String>;

/// One session.
pub(crate) struct Session {
    /// The revision agreed on.
    pub(crate) version: &'static str,
    /// What the client declared.
    capabilities: Map<String, Value>,
    subscriptions: Mutex<BTreeSet<String>>,
    /// What the lists hold that they did not hold at first; all modern requests share theirs.
    surprises: Surprises,
    page_visited: AtomicBool,
    /// The server behind the balancer that holds it.
    pub(crate) node: String,
    owner: Option<Owner>,
    level: Mutex<usize>,
    standalone: Mutex<Outlet>,
    tracks: Mutex<Vec<Arc<Track>>>,
    /// What goes on without a connection.
    work: Mutex<JoinSet<()>>,
    served: AtomicU64,
    initialized: AtomicBool,
    running: Mutex<HashMap<String, Arc<Notify>>>,
    asked: Mutex<HashMap<String, oneshot::Sender<ClientAnswer>>>,
    next_id: AtomicU64,
}

impl Session {
    pub(crate) fn new(version: &'static str, capabilities: Map<String, Value>, claims: Option<&Claims>) -> Self {
        Session {
            version,
            capabilities,
            subscriptions: Mutex::default(),
            surprises: Surprises::default(),
            page_visited: AtomicBool::new(false),
            node: String::new(),
            owner: claims.map(owner),
            level: Mutex::new(0),
            standalone: Mutex::new(Outlet::Closed),
            tracks: Mutex::default(),
            work: Mutex::default(),
            served: AtomicU64::new(0),
            initialized: AtomicBool::new(false),
            running: Mutex::default(),
            asked: Mutex::default(),
            next_id: AtomicU64::new(1),
        }
    }

    /// What stands for a session while a modern request runs: nothing of it outlives the request but the surprises.
    /// Without a level no log message is wanted.
    pub(crate) fn of_request(capabilities: Map<String, Value>, level: Option<usize>, surprises: Surprises) -> Self {
        Session {
            surprises,
            level: Mutex::new(level.unwrap_or(usize::MAX)),
            ..Session::new(MODERN_VERSION, capabilities, None)
        }
    }

    /// Makes this the standalone stream; `false` if there is one that somebody reads.
    pub(crate) fn open_standalone(&self, outlet: impl FnOnce() -> Outlet) -> bool {
        let mut standalone = lock(&self.standalone);
        if standalone.is_read() {
            return false;
        }
        if let Outlet::Kept(old) = std::mem::replace(&mut *standalone, outlet()) {
            old.end();
        }
        true
    }

    /// The way to the standalone stream, if one is open.
    pub(crate) fn standalone(&self) -> Option<Outlet> {
        Some(lock(&self.standalone).clone()).filter(Outlet::is_open)
    }

    /// Keeps a stream for those who resume it; of those that ended, the last ones.
    pub(crate) fn keep(&self, track: &Arc<Track>) {
        let mut tracks = lock(&self.tracks);
        tracks.push(track.clone());
        let ended = tracks.iter().filter(|track| track.has_ended()).count();
        if let Some(oldest) = tracks.iter().position(|track| track.has_ended())
            && ended > ENDED_TRACKS
        {
            tracks.remove(oldest);
        }
    }

    pub(crate) fn track(&self, name: &str) -> Option<Arc<Track>> {
        lock(&self.tracks).iter().find(|track| track.name() == name).cloned()
    }

    /// Does something that no connection's end may end; the session's end does.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let mut running = lock(&self.work);
        while running.try_join_next().is_some() {}
        running.spawn(work);
    }

    /// `notifications/initialized` has come.
    pub(crate) fn set_initialized(&self) {
        self.initialized.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_initialized(&self) -> bool {
        self.initialized.load(Ordering::Relaxed)
    }

    /// Counts a request; how many there were before it.
    pub(crate) fn serve_one(&self) -> u64 {
        self.served.fetch_add(1, Ordering::Relaxed)
    }

    /// Ends its streams and what it runs by itself.
    fn close(&self) {
        *lock(&self.standalone) = Outlet::Closed;
        lock(&self.tracks).drain(..).for_each(|track| track.end());
        lock(&self.work).abort_all();
    }

    /// Whether the client declared a capability and, of elicitation, a mode; none said means form mode.
    pub(crate) fn client_can(&self, capability: &str, mode: Option<&str>) -> bool {
        let Some(declared) = self.capabilities.get(capability) else { return false };
        let modes = declared.as_object();
        mode.is_none_or(|mode| {
            modes.is_some_and(|modes| modes.contains_key(mode))
                || (mode == "form" && modes.is_none_or(|modes| !modes.contains_key("url")))
        })
    }

    pub(crate) fn subscribe(&self, uri: String) {
        lock(&self.subscriptions).insert(uri);
    }

    pub(crate) fn unsubscribe(&self, uri: &str) {
        lock(&self.subscriptions).remove(uri);
    }

    /// The resources that the client wants to hear of.
    pub(crate) fn subscriptions(&self) -> Vec<String> {
        lock(&self.subscriptions).iter().cloned().collect()
    }

    /// Whether a list holds something that it did not hold at first.
    pub(crate) fn has_surprise(&self, list: Listed) -> bool {
        lock(&self.surprises).contains(&list)
    }

    pub(crate) fn toggle_surprise(&self, list: Listed) {
        toggle(&self.surprises, list);
    }

    /// Notes that a page was asked for; whether that had happened before.
    pub(crate) fn visit_page(&self) -> bool {
        self.page_visited.swap(true, Ordering::Relaxed)
    }

    /// The least severe level that the client wants.
    pub(crate) fn level(&self) -> &'static str {
        LEVELS.get(*lock(&self.level)).copied().unwrap_or_default()
    }

    /// Keeps the least severe level that the client wants; `false` if there is no such level.
    pub(crate) fn set_level(&self, name: &str) -> bool {
        let Some(level) = LEVELS.iter().position(|level| *level == name) else { return false };
        *lock(&self.level) = level;
        true
    }

    /// Whether a log message of this level is to be sent.
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

    /// Nobody waits for this answer any more.
    pub(crate) fn forget_question(&self, id: &str) {
        lock(&self.asked).remove(id);
    }

    /// Hands the client's answer to who waits for it; nobody may wait any more.
    pub(crate) fn answered(&self, id: &str, answer: ClientAnswer) {
        if let Some(waiting) = lock(&self.asked).remove(id) {
            let _ = waiting.send(answer);
        }
    }
}

/// Adds the surprise to a list, or takes it away.
pub(crate) fn toggle(surprises: &Surprises, list: Listed) {
    let mut surprises = lock(surprises);
    if !surprises.remove(&list) {
        surprises.insert(list);
    }
}

/// An account: the person and the client.
pub(crate) type Owner = (String, String);

pub(crate) fn owner(claims: &Claims) -> Owner {
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

/// All sessions by id, and the streams of the old transport by theirs.
#[derive(Default)]
pub(crate) struct Sessions {
    open: Mutex<HashMap<String, Arc<Session>>>,
    links: Mutex<HashMap<String, Arc<Link>>>,
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
        let ended = lock(&self.open).remove(id);
        ended.inspect(|session| session.close());
    }

    pub(crate) fn forget_all(&self) {
        let ended = std::mem::take(&mut *lock(&self.open));
        ended.values().for_each(|session| session.close());
        let links = std::mem::take(&mut *lock(&self.links));
        links.values().for_each(|link| link.close());
    }

    /// All that are open, on either transport.
    pub(crate) fn all(&self) -> Vec<Arc<Session>> {
        let mut all = lock(&self.open).values().cloned().collect::<Vec<_>>();
        all.extend(lock(&self.links).values().filter(|link| link.is_open()).filter_map(|link| link.session()));
        all
    }

    /// Stops what goes on without a connection.
    pub(crate) fn stop_work(&self) {
        lock(&self.open).values().for_each(|session| lock(&session.work).abort_all());
    }

    pub(crate) fn add_link(&self, id: String, link: Arc<Link>) {
        let mut links = lock(&self.links);
        links.retain(|_, link| link.is_open());
        links.insert(id, link);
    }

    /// The open stream of this id, for the account that opened it.
    pub(crate) fn link(&self, id: &str, claims: Option<&Claims>) -> Option<Arc<Link>> {
        let link = lock(&self.links).get(id).cloned()?;
        (link.is_open() && (link.owner.is_none() || link.owner == claims.map(owner))).then_some(link)
    }
}

/// What an open session has agreed on and set; see [`MockServer::sessions`](crate::MockServer::sessions).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenSession {
    /// The revision agreed on.
    pub version: String,
    /// Whether `notifications/initialized` has come.
    pub initialized: bool,
    /// The least severe log level that is sent.
    pub level: String,
    /// The resources subscribed to, sorted.
    pub subscriptions: Vec<String>,
    /// Whether a standalone stream is read.
    pub has_stream: bool,
    /// The requests that run, by their ids as they were spelled, sorted.
    pub running: Vec<String>,
}

impl OpenSession {
    pub(crate) fn of(session: &Session) -> Self {
        let mut running = lock(&session.running).keys().cloned().collect::<Vec<_>>();
        running.sort_unstable();
        OpenSession {
            version: session.version.to_owned(),
            initialized: session.is_initialized(),
            level: session.level().to_owned(),
            subscriptions: session.subscriptions(),
            has_stream: lock(&session.standalone).is_read(),
            running,
        }
    }
}
