//! What all requests share: the settings, the faults of the moment, the key, the records, the sessions and the log.
//! It holds and hands out; the rules stand in `authorization/` and `mcp/`.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use http::HeaderValue;

use crate::authorization::client_metadata_document::{self, DocumentFault};
use crate::authorization::dpop::Proofs;
use crate::authorization::jwt::SigningKey;
use crate::authorization::records::{Client, Records};
use crate::authorization::{consent, device};
use crate::counts::Counts;
use crate::delay::Delays;
use crate::faults::{EVIL_WORDS, Fault, FaultSetting};
use crate::log::Log;
use crate::mcp::modern::Served;
use crate::mcp::session::Sessions;
use crate::mcp::slow::Slow;
use crate::mcp::trouble::Trouble;
use crate::public_key::PublicKey;
use crate::settings::{AuthMethod, KnownClient, Settings};

/// How handlers hold the state.
pub(crate) type Shared = Arc<ServerState>;

/// How another server is held, whose tokens are taken: two that trust each other must not keep each other alive.
pub(crate) type Known = Weak<ServerState>;

/// One running server's state.
pub(crate) struct ServerState {
    pub(crate) settings: Settings,
    /// The MCP server's origin: no final slash.
    pub(crate) origin: String,
    /// The issuer, below which all of the authorization server lies: no final slash.
    pub(crate) issuer: String,
    /// The MCP endpoint, which is also the resource and the audience.
    pub(crate) mcp_url: String,
    pub(crate) key: SigningKey,
    pub(crate) log: Log,
    pub(crate) sessions: Sessions,
    pub(crate) slow: Slow,
    /// What outlives a request of the modern era.
    pub(crate) modern: Served,
    /// The authorization requests that wait for a person.
    pub(crate) waiting: consent::Waiting,
    /// The devices that wait for one.
    pub(crate) devices: device::Devices,
    pub(crate) trouble: Trouble,
    /// The proofs of possession that came, and the nonces for those to come.
    pub(crate) proofs: Proofs,
    pub(crate) token_delays: Option<Delays>,
    /// The client metadata documents that are none, by their URL.
    pub(crate) refused_documents: HashMap<String, DocumentFault>,
    /// The issuer whose tokens are taken; none is ourselves.
    authorization_server: Mutex<Option<String>>,
    trusted: Mutex<Vec<Known>>,
    /// Further resources that tokens are issued for.
    resources: Mutex<Vec<String>>,
    faults: Mutex<Vec<FaultSetting>>,
    counts: Mutex<Counts>,
    records: Mutex<Records>,
    secrets: Mutex<HashSet<String>>,
}

impl ServerState {
    pub(crate) fn new(settings: Settings, origin: String, issuer: String, key: SigningKey) -> Self {
        let (records, refused_documents) = known_from_the_start(&settings);
        let secrets = settings.known_clients.iter().filter_map(|client| client.secret.clone());
        let secrets = secrets.chain(settings.initial_access_token.clone()).collect();
        ServerState {
            mcp_url: format!("{origin}/mcp"),
            origin,
            authorization_server: Mutex::new(settings.authorization_server.clone()),
            trusted: Mutex::new(Vec::new()),
            resources: Mutex::new(settings.also_issues_for.clone()),
            faults: Mutex::new(settings.faults.clone()),
            token_delays: settings.token_delay.clone().map(|(range, seed)| Delays::new(range, seed)),
            log: Log::new(settings.log_limit),
            settings,
            issuer,
            key,
            waiting: consent::Waiting::default(),
            devices: device::Devices::default(),
            counts: Mutex::new(Counts::default()),
            sessions: Sessions::default(),
            slow: Slow::new(),
            modern: Served::new(),
            trouble: Trouble::default(),
            proofs: Proofs::default(),
            refused_documents,
            records: Mutex::new(records),
            secrets: Mutex::new(secrets),
        }
    }

    /// Whether this is wrong at the moment.
    pub(crate) fn has(&self, fault: Fault) -> bool {
        lock(&self.faults).iter().any(|set| set.fault() == fault)
    }

    /// The number or the milliseconds of a fault that takes such and is there at the moment.
    pub(crate) fn fault_number(&self, fault: Fault) -> Option<u64> {
        lock(&self.faults).iter().find(|set| set.fault() == fault)?.number()
    }

    /// The text of a fault that takes one and is there at the moment.
    pub(crate) fn fault_text(&self, fault: Fault) -> Option<String> {
        lock(&self.faults).iter().find(|set| set.fault() == fault)?.text().map(str::to_owned)
    }

    /// What is wrong at the moment.
    pub(crate) fn faults(&self) -> Vec<FaultSetting> {
        lock(&self.faults).clone()
    }

    /// Whether this is wrong at the moment; from then on it is not.
    pub(crate) fn take_fault(&self, fault: Fault) -> bool {
        let mut faults = lock(&self.faults);
        let position = faults.iter().position(|known| known.fault() == fault);
        position.map(|position| faults.remove(position)).is_some()
    }

    pub(crate) fn set_faults(&self, faults: Vec<FaultSetting>) {
        *lock(&self.faults) = faults;
        self.trouble.forget();
    }

    /// The issuer that the resource metadata names.
    pub(crate) fn authorization_server(&self) -> String {
        lock(&self.authorization_server).clone().unwrap_or_else(|| self.issuer.clone())
    }

    pub(crate) fn set_authorization_server(&self, issuer: Option<String>) {
        *lock(&self.authorization_server) = issuer;
    }

    pub(crate) fn trust(&self, other: Known) {
        lock(&self.trusted).push(other);
    }

    /// The server whose tokens the MCP endpoint takes: the one named, if it is ourselves or one that we trust and runs.
    pub(crate) fn token_issuer(self: &Arc<Self>) -> Option<Shared> {
        let named = self.authorization_server();
        if named == self.issuer {
            return Some(self.clone());
        }
        lock(&self.trusted).iter().filter_map(Weak::upgrade).find(|other| other.issuer == named)
    }

    pub(crate) fn also_issue_for(&self, resource: String) {
        lock(&self.resources).push(resource);
    }

    /// The key of an issuer whose assertions are taken: one that was given, or of a server that we trust and that runs.
    pub(crate) fn trusted_issuer(&self, issuer: &str) -> Option<PublicKey> {
        let given = self.settings.trusted_issuers.get(issuer).cloned();
        let known = || lock(&self.trusted).iter().filter_map(Weak::upgrade).find(|other| other.issuer == issuer);
        given.or_else(|| PublicKey::from_p256_jwk(known()?.key.public_jwk()))
    }

    /// Whether a web page of this origin may use the MCP endpoint.
    pub(crate) fn may_come_from(&self, origin: &HeaderValue) -> bool {
        let allowed = self.settings.allowed_origins.iter().map(String::as_str).chain([&*self.origin]);
        origin.to_str().is_ok_and(|origin| allowed.into_iter().any(|allowed| allowed == "*" || allowed == origin))
    }

    /// Whether tokens are issued for this resource.
    pub(crate) fn issues_for(&self, resource: &str) -> bool {
        resource == self.mcp_url || lock(&self.resources).iter().any(|known| known == resource)
    }

    /// Our own error text; made evil by its fault.
    pub(crate) fn words(&self, text: &str) -> String {
        if self.has(Fault::EvilWords) { format!("{text} {EVIL_WORDS}") } else { text.to_owned() }
    }

    /// Changes the numbers.
    pub(crate) fn count(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut lock(&self.counts));
    }

    pub(crate) fn counts(&self) -> Counts {
        let counts = *lock(&self.counts);
        Counts { families_revoked: self.records().families_revoked(), ..counts }
    }

    /// The clients, codes and tokens. Never held over an await.
    pub(crate) fn records(&self) -> MutexGuard<'_, Records> {
        lock(&self.records)
    }

    /// Remembers a value that must appear nowhere but in its own request or answer.
    pub(crate) fn remember_secret(&self, secret: &str) {
        let mut secrets = lock(&self.secrets);
        if !secrets.contains(secret) {
            secrets.insert(secret.to_owned());
        }
    }

    pub(crate) fn secrets(&self) -> Vec<String> {
        lock(&self.secrets).iter().cloned().collect()
    }
}

/// The clients that need no registration, and the documents that describe none.
fn known_from_the_start(settings: &Settings) -> (Records, HashMap<String, DocumentFault>) {
    let mut records = Records::default();
    let mut refused = HashMap::new();
    for known in &settings.known_clients {
        records.add_client(known_client(settings, known));
    }
    for (url, document) in settings.client_documents.iter().filter(|_| settings.client_metadata_documents) {
        match client_metadata_document::judged(url, document) {
            Ok(client) => records.add_client(client),
            Err(fault) => {
                refused.insert(url.clone(), fault);
            }
        }
    }
    (records, refused)
}

fn known_client(settings: &Settings, known: &KnownClient) -> Client {
    let fits = |method: &AuthMethod| match method {
        AuthMethod::None => known.secret.is_none() && known.key.is_none(),
        AuthMethod::Basic | AuthMethod::Post => known.secret.is_some(),
        AuthMethod::PrivateKeyJwt => known.key.is_some(),
    };
    let methods = settings.auth_methods().into_iter().filter(fits);
    let grants = settings.grants.iter().flat_map(|grant| grant.names()).map(|name| (*name).to_owned());
    Client {
        id: known.client_id.clone(),
        name: None,
        secret: known.secret.clone(),
        key: known.key.clone(),
        secret_expires_at: None,
        auth_methods: methods.collect(),
        redirect_uris: known.redirect_uris.clone(),
        // A device may come at any time: what is offered decides.
        grant_types: grants.chain([device::GRANT_TYPE.to_owned()]).collect(),
        registration: None,
    }
}

/// Locks; a panic elsewhere while it was held changes nothing for us: every change under a lock is a single step.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
