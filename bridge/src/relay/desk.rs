//! What is known at the desk where a host is received: who it is, what it was promised, what the server answered last, and
//! how things stand now.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use serde_json::Value;
use serde_json::value::RawValue;

use super::backlog::Backlog;
use super::notices::OpenSignIn;
use super::patience::Limits;
use super::placeholder::{self, InitializeParams, REVISIONS, Standing};
use super::recall::{self, Initialized, Memory, Recalled};
use crate::message::{self, Envelope};
use crate::problem::{Code, Problem};
use crate::settings::Patience;
use crate::translation::era::Spoken;
use crate::untrusted::Untrusted;

/// The desk.
#[derive(Debug)]
pub(super) struct Desk {
    patience: Patience,
    memory: Arc<dyn Memory>,
    to_keep: Arc<ToKeep>,
    /// What is not kept yet is not dealt with yet.
    backlog: Arc<Backlog>,
    facts: Mutex<Facts>,
    /// The host was given a handshake that the server had not answered.
    promised: AtomicBool,
    /// The host was given the stand-in tool.
    offered: AtomicBool,
}

/// What is to be kept. Only the latest matters, and an older one never comes last.
#[derive(Debug, Default)]
struct ToKeep {
    latest: Mutex<Option<Recalled>>,
    /// Held while something is kept.
    turn: Mutex<()>,
}

#[derive(Debug)]
struct Facts {
    limits: Limits,
    asked: String,
    url_elicitation: bool,
    standing: Standing,
    trouble: Option<Problem>,
    recalled: Option<Recalled>,
    /// What the host was given in the place of each list, until it is made good.
    owed: BTreeMap<&'static str, Value>,
}

impl Desk {
    pub(super) fn new(patience: Patience, upstream: String, memory: Arc<dyn Memory>, backlog: Arc<Backlog>) -> Self {
        let facts = Facts {
            limits: Limits::of(patience, None),
            asked: String::new(),
            url_elicitation: false,
            standing: Standing { upstream, ..Standing::default() },
            trouble: None,
            recalled: None,
            owed: BTreeMap::new(),
        };
        let (promised, offered) = (AtomicBool::new(false), AtomicBool::new(false));
        Desk { patience, memory, to_keep: Arc::default(), backlog, facts: Mutex::new(facts), promised, offered }
    }

    /// A host introduces itself.
    pub(super) fn receive(&self, params: &InitializeParams) {
        let mut facts = self.lock();
        facts.limits = Limits::of(self.patience, Some(params.client_info.name.as_str()));
        facts.asked.clone_from(&params.protocol_version);
        facts.url_elicitation = params.capabilities.elicitation.url.is_some();
        facts.owed.clear();
        self.promised.store(false, Ordering::Relaxed);
    }

    /// How long this host waits. One whose handshake was answered by us gets its lists as soon: the server is not there,
    /// and a host that has a limit for the one mostly has it for the others.
    pub(super) fn limits(&self) -> Limits {
        let limits = self.lock().limits;
        match (self.has_promised(), limits.initialize, limits.lists) {
            (true, Some(initialize), Some(lists)) => Limits { lists: Some(lists.min(initialize)), ..limits },
            _ => limits,
        }
    }

    /// Whether the host can show a URL to its person.
    pub(super) fn shows_urls(&self) -> bool {
        self.lock().url_elicitation
    }

    /// How things stand.
    pub(super) fn standing(&self) -> Standing {
        self.lock().standing.clone()
    }

    /// A person is asked to sign in, or no longer is.
    pub(super) fn sign_in_at(&self, open: Option<&OpenSignIn>) {
        let mut facts = self.lock();
        facts.standing.sign_in = open.map(|open| open.url.clone());
        facts.standing.user_code = open.and_then(|open| open.user_code.clone());
    }

    /// Something went wrong on the way to the server.
    pub(super) fn has_trouble(&self, problem: &Problem) {
        let mut facts = self.lock();
        facts.standing.trouble = Some(format!("{problem} ({})", problem.hint));
        facts.trouble = Some(problem.clone());
    }

    /// Why the server is away, where no sign-in is what is waited for.
    pub(super) fn absence(&self) -> Option<Problem> {
        let facts = self.lock();
        facts.trouble.clone().filter(|_| facts.standing.sign_in.is_none())
    }

    /// The server has answered the handshake.
    pub(super) fn server_is_there(&self, line: &[u8], response: &Envelope<'_>) {
        {
            let mut facts = self.lock();
            (facts.standing.trouble, facts.trouble) = (None, None);
        }
        let asked = Envelope::parse(line).map(|request| InitializeParams::read(request.params).protocol_version);
        if let (Ok(asked), Some(result)) = (asked, response.result.and_then(raw)) {
            let known = Initialized { asked, result };
            self.keep(|recalled| {
                let same = recalled
                    .initialize
                    .as_ref()
                    .is_some_and(|old| old.asked == known.asked && old.result.get() == known.result.get());
                recalled.initialize = Some(known);
                !same
            });
        }
    }

    /// What is known of the eras that the server speaks.
    pub(super) fn spoken(&self) -> Spoken {
        self.recalled().eras
    }

    /// Something is known of them now, for the next start too.
    pub(super) fn learns(&self, spoken: Spoken) {
        self.keep(|recalled| std::mem::replace(&mut recalled.eras, spoken) != spoken);
    }

    /// Whether the host was given a handshake of ours.
    pub(super) fn has_promised(&self) -> bool {
        self.promised.load(Ordering::Relaxed)
    }

    /// Whether the host was given the stand-in tool.
    pub(super) fn has_offered(&self) -> bool {
        self.offered.load(Ordering::Relaxed)
    }

    /// A handshake in the server's place.
    pub(super) fn promise(&self) -> Value {
        self.promised.store(true, Ordering::Relaxed);
        let recalled = self.recalled();
        let facts = self.lock();
        placeholder::initialize(&facts.asked, recalled.initialize.as_ref(), &facts.standing)
    }

    /// A list in the server's place. It is owed from now on.
    pub(super) fn stand_in(&self, method: &str) -> Value {
        let given = match self.recalled().lists.get(method) {
            Some(known) => placeholder::first_page(known),
            None => {
                self.offered.fetch_or(method == "tools/list", Ordering::Relaxed);
                placeholder::list(method, &self.standing())
            }
        };
        if let Some(list) = recall::LISTS.into_iter().find(|list| *list == method) {
            self.lock().owed.insert(list, given.clone());
        }
        given
    }

    /// The lists that are owed.
    pub(super) fn all_owed(&self) -> Vec<&'static str> {
        self.lock().owed.keys().copied().collect()
    }

    /// A list is owed no longer: what the host was given in its place, if anything.
    pub(super) fn owed(&self, method: &str) -> Option<Value> {
        self.lock().owed.remove(method)
    }

    /// The server has answered a list.
    pub(super) fn remember(&self, method: &str, response: &[u8]) {
        let result = Envelope::parse(response).ok().and_then(|envelope| envelope.result.and_then(raw));
        let Some(result) = result else { return };
        self.keep(|recalled| {
            let same = recalled.lists.get(method).is_some_and(|old| old.get() == result.get());
            recalled.lists.insert(method.to_owned(), result);
            !same
        });
    }

    /// What the host is told where the server refuses what we promised: as a server would that had nothing to offer.
    pub(super) fn made_up(&self, request: &[u8], response: Bytes, id: &str) -> Bytes {
        if !self.has_promised() {
            return response;
        }
        match Envelope::parse(request).ok().and_then(|envelope| envelope.method) {
            Some(method) => self.made_up_for(&method, response, id),
            None => response,
        }
    }

    /// The same, for a request of this method.
    pub(super) fn made_up_for(&self, method: &str, response: Bytes, id: &str) -> Bytes {
        match placeholder::without_capability(method).filter(|_| self.has_promised()) {
            Some(result) if is_method_not_found(&response) => message::result_response(id, &result).into(),
            _ => response,
        }
    }

    /// Why what the server negotiated cannot stand for what the host was promised.
    pub(super) fn promise_broken(&self, response: &[u8]) -> Option<Problem> {
        let envelope = Envelope::parse(response).ok()?;
        let negotiated = InitializeParams::read(Some(envelope.result?)).protocol_version;
        (!REVISIONS.contains(&negotiated.as_str())).then(|| {
            let upstream = self.standing().upstream;
            Problem::new(
                Code::NotAnMcpServer,
                format!(
                    "{upstream} speaks the revision `{}`, which the host was not promised",
                    Untrusted::new(negotiated)
                ),
                "restart this server in the host",
            )
        })
    }

    fn recalled(&self) -> Recalled {
        if let Some(recalled) = &self.lock().recalled {
            return recalled.clone();
        }
        let recalled = self.memory.recall();
        self.lock().recalled.get_or_insert(recalled).clone()
    }

    fn keep(&self, change: impl FnOnce(&mut Recalled) -> bool) {
        let mut recalled = self.recalled();
        if change(&mut recalled) {
            self.lock().recalled = Some(recalled.clone());
            *self.to_keep.latest.lock().unwrap_or_else(PoisonError::into_inner) = Some(recalled);
            let (memory, to_keep, load) = (self.memory.clone(), self.to_keep.clone(), self.backlog.put_on(0));
            tokio::task::spawn_blocking(move || {
                let turn = to_keep.turn.lock().unwrap_or_else(PoisonError::into_inner);
                let latest = to_keep.latest.lock().unwrap_or_else(PoisonError::into_inner).take();
                if let Some(recalled) = latest {
                    memory.keep(recalled);
                }
                drop((turn, load));
            });
        }
    }

    fn lock(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn raw(json: &str) -> Option<Box<RawValue>> {
    RawValue::from_string(json.to_owned()).ok()
}

fn is_method_not_found(response: &[u8]) -> bool {
    message::error_code(response) == Some(message::METHOD_NOT_FOUND.into())
}
