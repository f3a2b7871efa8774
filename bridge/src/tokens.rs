//! One token for one resource, inside a bridge: it reads the store, decides whether a token will do, starts the worker
//! where it will not, and waits. It never writes a token and must never know what a message says.
//! Read next: [`waiting`], then `worker`, on the other side of the process wall.

mod step_up;
pub mod waiting;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderValue, StatusCode, header};
use tokio::sync::watch;

use self::waiting::SignInState;
use crate::credentials::record::{Record, Tokens, unix_now};
use crate::credentials::store::{Room, Store};
use crate::oauth::challenge::{self, BearerChallenge};
use crate::oauth::resource::ResourceIdentifier;
use crate::problem::{Code, Problem};
use crate::safe_url::SafeUrl;
use crate::secret::SentSecrets;
use crate::settings::SignInSettings;
use crate::untrusted::Untrusted;
use crate::worker::job::{Challenged, Job};

/// How often a 401 to one message may cause an authorization: a refresh whose token is refused, then a sign-in, or the
/// other way.
const MAX_MENDED: u32 = 2;
/// A person who signed in this recently (seconds) is not asked again because the server rejects what came of it.
const FRESH: u64 = 300;

/// A token that lived shorter (seconds) since its person signed in is shown although it has ended by its own account.
const SHORTEST_LIFE: u64 = 60;
/// How long a resource's metadata is not read again for tokens that it rejects.
const LOOK_AGAIN: Duration = Duration::from_secs(10);
/// How long a refresh ahead of time is not tried again after it failed.
const COOL_DOWN: Duration = Duration::from_secs(10);

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
    held: Mutex<Option<Arc<Held>>>,
    /// One authorization at a time in this process; the store's lock does the same over all processes. Keeps how the last
    /// one failed, and when.
    turn: tokio::sync::Mutex<Option<(Instant, Problem)>>,
    /// When the person signed in whose tokens were rejected although they were fresh: what else the server takes of them
    /// does not make another sign-in worth while.
    rejected: AtomicU64,
    /// When the resource's metadata was last read for a token that is rejected.
    looked: Mutex<Option<Instant>>,
    /// Scopes that were signed in for in vain.
    in_vain: Mutex<step_up::InVain>,
    /// No refresh ahead of time before this instant: the last one failed.
    not_before: Mutex<Option<Instant>>,
    states: watch::Sender<SignInState>,
}

/// A token in use.
#[derive(Debug)]
struct Held {
    authorization: HeaderValue,
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
        let room = Store::open(&settings.state_dir).room(resource.as_str(), &settings.profile);
        Keeper {
            settings,
            room,
            fixed,
            held: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            rejected: AtomicU64::new(0),
            looked: Mutex::default(),
            in_vain: Mutex::default(),
            not_before: Mutex::default(),
            states: watch::Sender::new(SignInState::None),
        }
    }

    /// What is to be shown of a sign-in under way.
    #[must_use]
    pub fn states(&self) -> watch::Receiver<SignInState> {
        self.states.subscribe()
    }

    /// The verbs for one message that arrived at this instant.
    #[must_use]
    pub fn pass(&self, purpose: Purpose, arrived: Instant) -> Pass<'_> {
        Pass { keeper: self, purpose, arrived, used: None, authorizations: 0, stepped_up: None }
    }

    /// The token that is there already, if any: for a goodbye that waits for nothing.
    #[must_use]
    pub fn at_hand(&self) -> Option<HeaderValue> {
        self.lock_held().as_ref().map(|held| held.authorization.clone())
    }

    /// The token in use, from memory or, the first time, from the store.
    fn current(&self) -> Result<Option<Arc<Held>>, Problem> {
        if let Some(held) = &*self.lock_held() {
            return Ok(Some(held.clone()));
        }
        self.reload()
    }

    /// Reads the store again.
    fn reload(&self) -> Result<Option<Arc<Held>>, Problem> {
        let record = self.room.read()?;
        let held = record.and_then(|record| Held::from_record(&record)).map(Arc::new);
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

    /// Another token than `used`: somebody else's, or one that a worker gets. What had arrived when an authorization failed
    /// shares its failure: a person who says no is not asked again by the next in the queue.
    async fn obtain(&self, used: Option<Arc<Held>>, mut job: Job, arrived: Instant) -> Result<Arc<Held>, Problem> {
        let mut turn = self.turn.lock().await;
        if let Some((at, problem)) = &*turn
            && *at >= arrived
            && problem.code != Code::SignInNeeded
        {
            return Err(problem.clone());
        }
        let stored = self.reload()?;
        if let Some(held) = &stored
            && used.as_ref().is_none_or(|used| used.tokens != held.tokens)
            && !held.tokens.needs_refresh(unix_now())
        {
            return Ok(held.clone());
        }
        if !job.interactive && stored.as_ref().is_none_or(|held| held.tokens.refresh_token.is_none()) {
            return Err(job.sign_in_needed());
        }
        job.refused = stored.or(used).map(|held| held.tokens.fingerprint());
        let obtained = match waiting::wait_for_worker(&self.room, &job, &self.states).await {
            Ok(()) => self.reload()?.filter(|held| job.is_news(&held.tokens)).ok_or_else(ended_without_a_token),
            Err(problem) => Err(problem),
        };
        *turn = obtained.as_ref().err().map(|problem| (Instant::now(), problem.clone()));
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
        match self.obtain(Some(held.clone()), self.job(purpose), arrived).await {
            Ok(held) => Ok(Some(held)),
            // The upstream's challenge to the old token says how to sign in.
            Err(problem) if problem.code == Code::SignInNeeded => self.reload(),
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

/// The way of one message through the authorization, bounded: no message can cause a loop.
#[derive(Debug)]
pub struct Pass<'a> {
    keeper: &'a Keeper,
    purpose: Purpose,
    arrived: Instant,
    used: Option<Arc<Held>>,
    authorizations: u32,
    /// The scope that a step-up for this message asked for.
    stepped_up: Option<String>,
}

impl Pass<'_> {
    /// The `Authorization` header to send, if there is a token; refreshed before its expiry (A14).
    ///
    /// # Errors
    /// Where a refresh was due and neither it nor a sign-in gave a token.
    pub async fn authorize(&mut self) -> Result<Option<HeaderValue>, Problem> {
        if self.keeper.fixed {
            return Ok(None);
        }
        self.used = self.keeper.current()?;
        if let Some(held) = self.used.clone()
            && held.tokens.refresh_token.is_some()
            && held.tokens.needs_refresh(unix_now())
        {
            self.used = self.keeper.refresh_ahead(held, self.purpose, self.arrived).await?;
        }
        // Shown a token that has ended, some servers answer anything but a challenge.
        self.used.take_if(|held| held.is_over(unix_now()));
        Ok(self.used.as_ref().map(|held| held.authorization.clone()))
    }

    /// Looks at an answer: a 401 is mended where a token can mend it (A15), and nothing else is touched.
    ///
    /// # Errors
    /// Where no token could be had, or none is accepted.
    pub async fn observe(
        &mut self,
        status: StatusCode,
        headers: &HeaderMap,
        peer: Option<SocketAddr>,
    ) -> Result<Verdict, Problem> {
        let challenge = || challenge::bearer(headers.get_all(header::WWW_AUTHENTICATE));
        match status {
            StatusCode::UNAUTHORIZED if self.keeper.fixed => {
                Err(self.keeper.job(self.purpose).rejected("the `Authorization` header given"))
            }
            StatusCode::UNAUTHORIZED => self.mend(challenge(), peer).await,
            StatusCode::FORBIDDEN => match challenge() {
                Some(challenge) if challenge.error.as_deref() == Some("insufficient_scope") => {
                    self.step_up(challenge, peer).await
                }
                _ => Ok(Verdict::GoOn),
            },
            _ => {
                if let Some(held) = self.used.as_ref().filter(|_| status.is_success()) {
                    held.proven.store(true, Ordering::Relaxed);
                }
                Ok(Verdict::GoOn)
            }
        }
    }

    async fn mend(&mut self, challenge: Option<BearerChallenge>, peer: Option<SocketAddr>) -> Result<Verdict, Problem> {
        let now = unix_now();
        // What this very message brought about, and the server does not take.
        let in_vain = self.authorizations > 0 && self.used.as_ref().is_some_and(|held| held.tokens.refreshed);
        let rejected = self.keeper.rejected.load(Ordering::Relaxed);
        let pointless = self.used.as_ref().is_some_and(|held| {
            let doubtful = !held.proven.load(Ordering::Relaxed) || rejected == held.tokens.signed_in_at;
            let only_a_person_is_left = in_vain || !(held.given_up || held.tokens.refresh_token.is_some());
            doubtful && only_a_person_is_left && now.saturating_sub(held.tokens.signed_in_at) < FRESH
        });
        let mut job = self.keeper.job(self.purpose);
        job.challenge = Some(Challenged::new(challenge, peer.map(|peer| peer.ip())));
        job.skip_refresh = in_vain;
        if pointless || self.authorizations >= MAX_MENDED {
            let signed_in_at = self.used.as_ref().map_or(0, |held| held.tokens.signed_in_at);
            self.keeper.rejected.store(signed_in_at, Ordering::Relaxed);
            let looks =
                self.purpose == Purpose::Call && self.authorizations <= MAX_MENDED && self.keeper.may_look_again();
            if !looks {
                return Err(job.rejected("a token that was issued for it just now"));
            }
            // The resource may name another issuer by now (A15, A7).
            (job.skip_refresh, job.other_issuer_only) = (true, true);
        }
        self.authorizations += 1;
        self.used = Some(self.keeper.obtain(self.used.take(), job, self.arrived).await?);
        Ok(Verdict::SendAgain)
    }

    /// Signs in for what was granted and what is demanded; stops where that cannot help (A16).
    async fn step_up(&mut self, challenge: BearerChallenge, peer: Option<SocketAddr>) -> Result<Verdict, Problem> {
        let granted = self.used.as_ref().and_then(|held| held.tokens.scope.as_deref());
        let wanted = step_up::union(granted, challenge.scope.as_deref().unwrap_or_default());
        let refused = self.insufficient_scope(&challenge);
        let may = !self.keeper.fixed && self.used.is_some() && self.purpose == Purpose::Call;
        let Some(wanted) = wanted.filter(|_| may && self.authorizations < step_up::MAX_AUTHORIZATIONS - 1) else {
            return Err(refused);
        };
        let asked_before = self.stepped_up.replace(wanted.clone());
        if self.keeper.is_in_vain(&wanted, asked_before.as_ref() == Some(&wanted)) {
            return Err(refused);
        }
        self.authorizations += 1;
        let mut job = self.keeper.job(self.purpose);
        let challenge = BearerChallenge { scope: Some(wanted), ..challenge };
        job.challenge = Some(Challenged::new(Some(challenge), peer.map(|peer| peer.ip())));
        (job.skip_refresh, job.step_up) = (true, true);
        self.used = Some(self.keeper.obtain(self.used.take(), job, self.arrived).await?);
        Ok(Verdict::SendAgain)
    }

    fn insufficient_scope(&self, challenge: &BearerChallenge) -> Problem {
        let upstream = SafeUrl::new(&self.keeper.settings.upstream);
        let sent = self.used.as_ref().map(|held| SentSecrets::from([&held.tokens.access_token])).unwrap_or_default();
        let scope = Untrusted::new(challenge.scope.as_deref().unwrap_or("unnamed")).without(&sent);
        Problem::new(
            Code::InsufficientScope,
            format!("`{upstream}` demands the scope `{scope}` for this request (403 insufficient_scope)"),
            "add `--scope` with what is demanded and run `mcp-bridge login URL --force`",
        )
        .at(upstream)
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
        let mut authorization = HeaderValue::from_str(&format!("Bearer {}", tokens.access_token.expose())).ok()?;
        authorization.set_sensitive(true);
        Some(Held { authorization, tokens, given_up, proven: AtomicBool::new(false) })
    }

    fn same_token(&self, other: &Held) -> bool {
        self.tokens.access_token == other.tokens.access_token
    }

    /// Its time is over. A lifetime that leaves no time to use it is not believed.
    fn is_over(&self, now: u64) -> bool {
        self.tokens.has_ended(now) && now.saturating_sub(self.tokens.signed_in_at) > SHORTEST_LIFE
    }
}
