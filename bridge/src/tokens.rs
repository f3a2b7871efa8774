//! One token for one resource, inside a bridge: it reads the store, decides whether a token will do, starts the worker
//! where it will not, and waits. It never writes a token and must never know what a message says.
//! Read next: [`waiting`], then `worker`, on the other side of the process wall.

mod command;
mod dpop;
mod pass;
mod step_up;
pub mod waiting;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::{HeaderMap, Method};
use tokio::sync::watch;
use url::Url;

use self::command::{Supplied, Supplier};
pub use self::pass::Pass;
use self::waiting::SignInState;
use crate::credentials::record::{Record, Tokens, unix_now};
use crate::credentials::sign_in::Aim;
use crate::credentials::store::{Room, Stamp, Store};
pub use crate::oauth::dpop::Authorization;
use crate::oauth::dpop::{DpopError, Presenter};
use crate::oauth::resource::ResourceIdentifier;
use crate::problem::{Code, Problem};
use crate::settings::{DpopChoice, Given, GrantType, SignInSettings};
use crate::worker::job::Job;

/// A token that lived shorter (seconds) since its person signed in is shown although it has ended by its own account.
const SHORTEST_LIFE: u64 = 60;
/// How long a resource's metadata is not read again for tokens that it rejects.
const LOOK_AGAIN: Duration = Duration::from_secs(10);
/// How long a refresh ahead of time is not tried again after it failed.
const COOL_DOWN: Duration = Duration::from_secs(10);

/// How often a bridge that has a token looks whether the store has another one.
const GLANCE: Duration = Duration::from_secs(1);
/// How long a message waits for a refresh ahead of time; its token is good still.
const AHEAD: Duration = Duration::from_secs(5);

/// What a token is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Something the host asked: a person may be asked to sign in.
    Call,
    /// Something the bridge does of itself: no tab opens for it.
    Background,
}

/// What to do with an answer of the upstream.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Take it as it is.
    GoOn,
    /// There is another token now: send the same once more.
    SendAgain,
}

/// The keeper of the token of one upstream.
#[derive(Debug)]
pub struct Keeper {
    settings: SignInSettings,
    room: Room,
    /// The person gave an `Authorization` header: it is the only credential.
    fixed: bool,
    /// Where the credential comes from instead, if not from those headers.
    supplier: Option<Supplier>,
    held: Mutex<Option<Arc<Held>>>,
    /// When the store was last looked at, and what it was.
    seen: Mutex<Option<(Instant, Stamp)>>,
    /// One authorization at a time in this process; the store's lock does the same over all processes. Keeps how the last
    /// one failed, when, and what it was for.
    turn: tokio::sync::Mutex<Option<(Instant, Aim, Problem)>>,
    /// When the person signed in whose tokens were rejected although they were fresh: what else the server takes of them
    /// does not make another sign-in worth while.
    rejected: AtomicU64,
    /// When the resource's metadata was last read for a token that is rejected.
    looked: Mutex<Option<Instant>>,
    /// Scopes that were signed in for in vain.
    in_vain: Mutex<step_up::InVain>,
    /// What the resource wants of proofs.
    wishes: dpop::Wishes,
    /// No refresh ahead of time before this instant: the last one failed.
    not_before: Mutex<Option<Instant>>,
    states: watch::Sender<SignInState>,
    /// Somebody notes that a token was accepted.
    note: Mutex<Option<tokio::task::JoinHandle<()>>>,
}

/// A token in use.
#[derive(Debug)]
struct Held {
    presenter: Presenter,
    tokens: Tokens,
    /// Its refresh token was refused and is gone.
    given_up: bool,
    /// The upstream has accepted it.
    proven: AtomicBool,
}

impl Keeper {
    /// The keeper for what `settings` name. `fixed` says that the person's own headers carry the credential.
    #[must_use]
    pub fn new(settings: SignInSettings, fixed: bool) -> Self {
        let resource = ResourceIdentifier::new(&settings.upstream);
        let room = Store::room_of(&settings, resource.as_str());
        Keeper {
            settings,
            room,
            fixed,
            supplier: None,
            held: Mutex::default(),
            seen: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            rejected: AtomicU64::new(0),
            looked: Mutex::default(),
            in_vain: Mutex::default(),
            wishes: dpop::Wishes::default(),
            not_before: Mutex::default(),
            states: watch::Sender::new(SignInState::None),
            note: Mutex::default(),
        }
    }

    /// The same, with the credential that the person gives in place of a sign-in, if any.
    #[must_use]
    pub fn supplied_by(mut self, given: Option<Given>) -> Self {
        self.fixed |= given.is_some();
        self.supplier = given.map(Supplier::new);
        self
    }

    /// What is to be shown of a sign-in under way.
    #[must_use]
    pub fn states(&self) -> watch::Receiver<SignInState> {
        self.states.subscribe()
    }

    /// The verbs for one message that arrived at this instant.
    #[must_use]
    pub fn pass(&self, purpose: Purpose, arrived: Instant) -> Pass<'_> {
        Pass {
            keeper: self,
            purpose,
            arrived,
            used: None,
            authorizations: 0,
            stepped_up: None,
            met: dpop::Met::default(),
            supplied: Supplied::default(),
        }
    }

    /// The token that is there already, if any, for a goodbye that waits for nothing, by this method to this URL.
    #[must_use]
    pub fn at_hand(&self, method: &Method, url: &Url) -> Option<Authorization> {
        let held = self.lock_held().clone()?;
        self.show(&held, (method, url), &mut dpop::Met::default()).ok()
    }

    /// A token as one request shows it.
    fn show(&self, held: &Held, request: (&Method, &Url), met: &mut dpop::Met) -> Result<Authorization, DpopError> {
        let nonce = if held.presenter.is_bound() { self.wishes.nonce(met) } else { None };
        held.presenter.authorization(request, || self.wishes.now(), nonce.as_ref())
    }

    /// The headers of the person's command that are there already, if any.
    #[must_use]
    pub fn supplied_at_hand(&self) -> HeaderMap {
        self.supplier.as_ref().and_then(Supplier::at_hand).unwrap_or_default()
    }

    /// Forgets the token in memory; the store's is read for the next message.
    pub fn forget_held(&self) {
        *self.lock_held() = None;
    }

    /// The token in use, from memory or, the first time, from the store.
    async fn current(&self) -> Result<Option<Arc<Held>>, Problem> {
        let held = self.lock_held().clone();
        if held.is_none() {
            return self.reload().await;
        }
        // Somebody may have signed out, or in as somebody else. Where the store cannot be read, the token stays good.
        if self.store_changed() { Ok(self.reload().await.unwrap_or(held)) } else { Ok(held) }
    }

    /// Whether the store is another than when it was last looked at; looked at now and then only.
    fn store_changed(&self) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if seen.as_ref().is_some_and(|(at, _)| now.duration_since(*at) < GLANCE) {
            return false;
        }
        let stamp = self.room.stamp();
        let changed = seen.as_ref().is_some_and(|(_, before)| *before != stamp);
        *seen = Some((now, stamp));
        changed
    }

    /// Reads the store again.
    async fn reload(&self) -> Result<Option<Arc<Held>>, Problem> {
        // Before it is read: what changes meanwhile is seen the next time.
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), self.room.stamp()));
        let record = self.room.read_aside().await?;
        let held = record.and_then(|record| Held::from_record(&record)).map(Arc::new);
        if let Some(held) = held.as_ref().filter(|held| self.room.accepted() == Some(held.tokens.access_fingerprint()))
        {
            held.proven.store(true, Ordering::Relaxed);
        }
        let mut current = self.lock_held();
        match (&*current, &held) {
            (Some(old), Some(new)) if old.tokens == new.tokens => {}
            (Some(old), Some(new)) if old.same_token(new) => {
                new.proven.store(old.proven.load(Ordering::Relaxed), Ordering::Relaxed);
                current.clone_from(&held);
            }
            _ => current.clone_from(&held),
        }
        Ok(current.clone())
    }

    /// The upstream has taken this token. Noted once beside the record: it is not fresh for the next bridge either.
    fn is_accepted(&self, held: &Arc<Held>) {
        if !held.proven.swap(true, Ordering::Relaxed) {
            let (room, fingerprint) = (self.room.clone(), held.tokens.access_fingerprint());
            let note = tokio::spawn(async move {
                if let Err(error) = room.note_accepted(&fingerprint).await {
                    tracing::debug!("{error}");
                }
            });
            *self.note.lock().unwrap_or_else(PoisonError::into_inner) = Some(note);
        }
    }

    /// Returns once what is to be noted is noted.
    pub async fn noted(&self) {
        let note = self.note.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(note) = note {
            let _ = note.await;
        }
    }

    /// Another token than `used`: somebody else's, or one that a worker gets. What had arrived when an authorization failed
    /// shares its failure: a person who says no is not asked again by the next in the queue.
    async fn obtain(&self, used: Option<Arc<Held>>, mut job: Job, arrived: Instant) -> Result<Arc<Held>, Problem> {
        let mut turn = self.turn.lock().await;
        let stored = self.reload().await?;
        let can_refresh = stored.as_ref().is_some_and(|held| held.tokens.is_renewable());
        if let Some((at, aim, problem)) = &*turn
            && *at >= arrived
            && problem.code != Code::SignInNeeded
            && job.shares_failure(aim, can_refresh)
        {
            return Err(problem.clone());
        }
        if let Some(held) = &stored
            && used.as_ref().is_none_or(|used| used.tokens != held.tokens)
            && job.is_covered_by(&held.tokens)
            && !held.tokens.needs_refresh(unix_now())
        {
            return Ok(held.clone());
        }
        let needs_person = !self.settings.grant.is_some_and(GrantType::is_machine);
        if !job.interactive && !can_refresh && needs_person {
            return Err(job.sign_in_needed());
        }
        job.refused = stored.or(used).map(|held| held.tokens.fingerprint());
        let obtained = match waiting::wait_for_worker(&self.room, &job, &self.states).await {
            Ok(()) => self.reload().await?.filter(|held| job.is_news(&held.tokens)).ok_or_else(ended_without_a_token),
            Err(problem) => Err(problem),
        };
        *turn = obtained.as_ref().err().map(|problem| (Instant::now(), job.aim(), problem.clone()));
        obtained
    }

    /// A token that is about to end is refreshed first (A14); where that fails it is used for as long as it lasts.
    async fn refresh_ahead(
        &self,
        held: Arc<Held>,
        purpose: Purpose,
        arrived: Instant,
    ) -> Result<Option<Arc<Held>>, Problem> {
        let has_ended = held.tokens.has_ended(unix_now());
        if !has_ended && self.lock_not_before().is_some_and(|instant| Instant::now() < instant) {
            return Ok(Some(held));
        }
        let obtaining = self.obtain(Some(held.clone()), self.job(purpose), arrived);
        let obtained = if has_ended {
            obtaining.await
        } else {
            let Ok(obtained) = tokio::time::timeout(AHEAD, obtaining).await else {
                // The worker goes on: what it brings is found in the store.
                tracing::info!("the refresh takes long: the token is used until it ends");
                *self.lock_not_before() = Some(Instant::now() + COOL_DOWN);
                return Ok(Some(held));
            };
            obtained
        };
        match obtained {
            Ok(held) => Ok(Some(held)),
            // The upstream's challenge to the old token says how to sign in.
            Err(problem) if problem.code == Code::SignInNeeded => self.reload().await,
            Err(problem) if !has_ended => {
                tracing::warn!("{problem}: the token is used until it ends");
                *self.lock_not_before() = Some(Instant::now() + COOL_DOWN);
                Ok(Some(held))
            }
            Err(problem) => Err(problem),
        }
    }

    /// Whether a sign-in for this scope was in vain a moment ago, or has just been.
    fn is_in_vain(&self, scope: &str, just_now: bool) -> bool {
        let mut in_vain = self.in_vain.lock().unwrap_or_else(PoisonError::into_inner);
        if just_now {
            in_vain.note(scope);
        }
        in_vain.has(scope)
    }

    /// Whether the resource's metadata may be read again for a token that is rejected: not at every call.
    fn may_look_again(&self) -> bool {
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let due = looked.is_none_or(|at| at.elapsed() >= LOOK_AGAIN);
        if due {
            *looked = Some(Instant::now());
        }
        due
    }

    fn job(&self, purpose: Purpose) -> Job {
        let mut job = Job::new(self.settings.clone());
        job.interactive = purpose == Purpose::Call;
        job
    }

    fn lock_not_before(&self) -> MutexGuard<'_, Option<Instant>> {
        self.not_before.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_held(&self) -> MutexGuard<'_, Option<Arc<Held>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn ended_without_a_token() -> Problem {
    Problem::new(
        Code::SignInInterrupted,
        "the sign-in ended without a token",
        "run `mcp-bridge login URL` with `--log debug`, or try again",
    )
}

impl Held {
    fn from_record(record: &Record) -> Option<Self> {
        let (_, issued) = record.current()?;
        let tokens = issued.tokens.clone()?;
        let given_up = issued.set_aside.last().is_some_and(|token| token.at >= tokens.signed_in_at);
        let presenter = Presenter::new(&tokens.access_token, tokens.private_key());
        let presenter = presenter.inspect_err(|error| tracing::warn!("{error}")).ok()??;
        Some(Held { presenter, tokens, given_up, proven: AtomicBool::new(false) })
    }

    fn same_token(&self, other: &Held) -> bool {
        self.tokens.access_token == other.tokens.access_token
    }

    /// Whether it is bound, or is not, as the person wants it.
    fn is_as_chosen(&self, choice: DpopChoice) -> bool {
        match choice {
            DpopChoice::Auto => true,
            DpopChoice::Always => self.presenter.is_bound(),
            DpopChoice::Never => !self.presenter.is_bound(),
        }
    }

    /// Its time is over. A lifetime that leaves no time to use it is not believed.
    fn is_over(&self, now: u64) -> bool {
        self.tokens.has_ended(now) && now.saturating_sub(self.tokens.signed_in_at) > SHORTEST_LIFE
    }
}
