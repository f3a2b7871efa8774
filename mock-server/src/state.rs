//! What all requests share: the settings, the faults of the moment, the key, the records, the sessions and the log.
//! It holds and hands out; the rules stand in `authorization/` and `mcp/`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::authorization::jwt::SigningKey;
use crate::authorization::records::Records;
use crate::delay::Delays;
use crate::faults::{EVIL_WORDS, Fault};
use crate::log::Log;
use crate::mcp::session::Sessions;
use crate::mcp::slow::Slow;
use crate::settings::Settings;

/// How handlers hold the state.
pub(crate) type Shared = Arc<ServerState>;

/// One running server's state.
pub(crate) struct ServerState {
    pub(crate) settings: Settings,
    /// The issuer, which is also the origin: no final slash.
    pub(crate) issuer: String,
    /// The MCP endpoint, which is also the resource and the audience.
    pub(crate) mcp_url: String,
    pub(crate) key: SigningKey,
    pub(crate) log: Log,
    pub(crate) sessions: Sessions,
    pub(crate) slow: Slow,
    pub(crate) token_delays: Option<Delays>,
    faults: Mutex<Vec<Fault>>,
    records: Mutex<Records>,
    secrets: Mutex<Vec<String>>,
}

impl ServerState {
    pub(crate) fn new(settings: Settings, issuer: String, key: SigningKey) -> Self {
        ServerState {
            mcp_url: format!("{issuer}/mcp"),
            faults: Mutex::new(settings.faults.clone()),
            token_delays: settings.token_delay.clone().map(|(range, seed)| Delays::new(range, seed)),
            settings,
            issuer,
            key,
            log: Log::new(),
            sessions: Sessions::default(),
            slow: Slow::new(),
            records: Mutex::new(Records::default()),
            secrets: Mutex::new(Vec::new()),
        }
    }

    /// Whether this is wrong at the moment.
    pub(crate) fn has(&self, fault: Fault) -> bool {
        lock(&self.faults).contains(&fault)
    }

    /// Whether this is wrong at the moment; from then on it is not.
    pub(crate) fn take_fault(&self, fault: Fault) -> bool {
        let mut faults = lock(&self.faults);
        let position = faults.iter().position(|known| *known == fault);
        position.map(|position| faults.remove(position)).is_some()
    }

    pub(crate) fn set_faults(&self, faults: Vec<Fault>) {
        *lock(&self.faults) = faults;
    }

    /// Our own error text; made evil by its fault.
    pub(crate) fn words(&self, text: &str) -> String {
        if self.has(Fault::EvilWords) { format!("{text} {EVIL_WORDS}") } else { text.to_owned() }
    }

    /// The clients, codes and tokens. Never held over an await.
    pub(crate) fn records(&self) -> MutexGuard<'_, Records> {
        lock(&self.records)
    }

    /// Remembers a value that must appear nowhere but in its own request or answer.
    pub(crate) fn remember_secret(&self, secret: &str) {
        let mut secrets = lock(&self.secrets);
        if !secrets.iter().any(|known| known == secret) {
            secrets.push(secret.to_owned());
        }
    }

    pub(crate) fn secrets(&self) -> Vec<String> {
        lock(&self.secrets).clone()
    }
}

/// Locks; a panic elsewhere while it was held changes nothing for us: every change under a lock is a single step.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
