//! The other side of the process wall: sign-in and refresh, in a process that no host kills. It holds the store's lock,
//! the loopback port and the PKCE verifier, and is the only writer of tokens. `mcp-bridge login` runs the same code in a
//! terminal. Read next: [`sign_in`], [`refresh`].

pub mod browser;
pub mod callback;
pub mod client_identity;
pub mod client_proof;
mod client_secret;
mod device;
pub mod discovery;
mod given_file;
mod grant;
mod healing;
pub mod job;
mod machine;
pub mod paste;
mod preparation;
pub mod process;
mod progress;
mod refresh;
mod registration;
mod sign_in;
pub mod token_request;

use std::time::Duration;

use tokio::sync::mpsc;
use url::Url;

use self::job::Job;
use self::progress::Progress;
use self::sign_in::Stage;
use crate::credentials::lock::Lock;
use crate::credentials::record::Record;
use crate::credentials::store::{Room, Store};
use crate::http::{AddressGuard, Egress, Network};
use crate::oauth::endpoint::UrlRule;
use crate::oauth::resource::ResourceIdentifier;
use crate::problem::{Code, Problem};
use crate::safe_url::SafeUrl;
use crate::secret::Secret;
use crate::settings::GrantType;
use crate::untrusted::Untrusted;

/// How long a worker waits for the lock; another one is at work then, and does what this one would.
const LOCK_WAIT: Duration = Duration::from_secs(2);

/// How a wish for a token ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obtained {
    /// There was a good one already.
    AlreadyThere,
    /// A refresh token brought it (RFC 6749 §6).
    Refreshed,
    /// A person signed in.
    SignedIn,
    /// No person was needed: this grant brought it.
    Granted(GrantType),
    /// Another worker is at it.
    UnderWay,
}

/// Who is told of the URL besides the store: a terminal, or nobody.
pub trait Audience: Sync {
    /// A person is asked to sign in.
    fn sign_in_open(&self, prompt: &Prompt<'_>);

    /// What the person pastes from now on, a line each, where a person can: the URL that their browser ended at. Each that is
    /// of no use is followed by [`Audience::not_pasted`].
    fn pasted(&self) -> Option<mpsc::Receiver<Secret>> {
        None
    }

    /// Why what was pasted does not end the wait, or what is to be said of it.
    fn not_pasted(&self, _why: &str) {}

    /// Asks, once, whether a server that is named so and the issuer that it calls itself are one (A3). Nobody says yes.
    fn vouches(&self, _upstream: &SafeUrl, _named: &Untrusted, _published: &Untrusted) -> bool {
        false
    }
}

/// Where a person is asked to sign in.
#[derive(Clone, Copy, Debug)]
pub struct Prompt<'a> {
    /// To what.
    pub upstream: &'a SafeUrl,
    /// Through whom.
    pub issuer: &'a Untrusted,
    /// Where; it may be shown to the person, and only to the person.
    pub url: &'a str,
    /// The code to enter there, where that is the way (RFC 8628 §3.3).
    pub user_code: Option<&'a Untrusted>,
    /// A browser was opened with the URL.
    pub in_browser: bool,
}

/// Nobody: the bridges watch the store.
#[derive(Clone, Copy, Debug)]
pub struct NoAudience;

impl Audience for NoAudience {
    fn sign_in_open(&self, _: &Prompt<'_>) {}
}

/// Does a job for the bridges that wait; how it ended stands in the store, where the store can be written.
///
/// # Errors
/// As [`obtain`].
pub async fn run(job: &Job) -> Result<(), Problem> {
    match obtain(job, &NoAudience).await {
        Ok(obtained) => {
            tracing::info!("{obtained:?}");
            Ok(())
        }
        Err(problem) => {
            match problem.code {
                Code::SignInNeeded => tracing::debug!("{problem}"), // the bridge that asked knows what to do
                _ => tracing::warn!("{problem} ({})", problem.hint),
            }
            Err(problem)
        }
    }
}

/// Gets a token into the store.
///
/// # Errors
/// The first thing that stands against it; it also stands in the store, if the store can be written.
pub async fn obtain(job: &Job, audience: &dyn Audience) -> Result<Obtained, Problem> {
    let resource = ResourceIdentifier::new(&job.settings.upstream);
    let room = Store::room_of(&job.settings, resource.as_str());
    room.prepare()?;
    let Some(lock) = room.lock_within(LOCK_WAIT).await? else { return Ok(Obtained::UnderWay) };
    if !job.at_terminal
        && room.sign_in().is_some_and(|last| last.outcome.is_some() && job.seen_attempt != Some(last.attempt))
    {
        return Ok(Obtained::UnderWay); // whoever waits has seen how it ended
    }
    let walk =
        Walk { job, room: &room, lock: &lock, rule: UrlRule::of(&job.settings.upstream, job.settings.allow_http) };
    let mut progress = Progress::begin(&room, &lock, job)?;
    let result = walk.go(&mut progress, audience).await;
    let result = result.map_err(|problem| problem.naming(&job.settings.login_command()));
    progress.end(&result);
    result
}

/// One wish, with what it takes to fulfil it.
struct Walk<'a> {
    job: &'a Job,
    room: &'a Room,
    lock: &'a Lock,
    rule: UrlRule,
}

impl Walk<'_> {
    async fn go(&self, progress: &mut Progress<'_>, audience: &dyn Audience) -> Result<Obtained, Problem> {
        self.room.set_aside_damaged(self.lock)?;
        let record = self.room.read()?;
        let mut record = record.unwrap_or_else(|| Record::new(self.room.resource(), self.room.profile()));
        if record.current_tokens().is_some_and(|tokens| self.job.is_satisfied_by(tokens)) {
            return Ok(Obtained::AlreadyThere);
        }
        let egress = self.egress()?;
        if !self.job.skip_refresh {
            match self.renew(&egress, &mut record, progress).await {
                Ok(true) => return Ok(Obtained::Refreshed),
                Ok(false) => {}
                Err(problem) if self.goes_on_after(&problem, &record) => tracing::warn!("{problem}: trying anew"),
                Err(problem) => return Err(problem),
            }
        }
        match &self.job.challenge {
            Some(challenge) if self.job.interactive || self.may_be_machine(&record) => {
                let mut stage = Stage { egress: &egress, record: &mut record, progress, audience };
                let prepared = self.prepare(&mut stage, challenge).await?;
                match self.grant(&prepared.discovered.server) {
                    grant if grant.is_machine() => {
                        self.granted(&mut stage, prepared, grant).await?;
                        return Ok(Obtained::Granted(grant));
                    }
                    _ if !self.job.interactive => return Err(self.job.sign_in_needed()),
                    GrantType::DeviceCode => self.sign_in_by_device_code(&mut stage, prepared).await?,
                    _ => self.sign_in(&mut stage, prepared).await?,
                }
                Ok(Obtained::SignedIn)
            }
            _ => Err(self.job.sign_in_needed()),
        }
    }

    /// A new token without a person: by the grant that needs none, or by the refresh token. False where neither is possible.
    async fn renew(&self, egress: &Egress, record: &mut Record, progress: &mut Progress<'_>) -> Result<bool, Problem> {
        let by_machine = record.current_tokens().is_some_and(|tokens| tokens.grant.is_machine());
        // The person wants another kind of way now: the one who signed in is not to go on.
        if self.job.settings.grant.is_some_and(|grant| grant.is_machine() != by_machine) {
            return Ok(false);
        }
        if !by_machine {
            return self.refresh(egress, record, progress).await;
        }
        // A token that was refused may be another issuer's by now: then the resource is asked first (A15, A7).
        if self.job.challenge.is_some() { Ok(false) } else { self.granted_again(egress, record, progress).await }
    }

    /// Whether a person at a terminal gets another try by another way. A refused assertion gets none (A18).
    fn goes_on_after(&self, problem: &Problem, record: &Record) -> bool {
        let is_refusal = matches!(problem.code, Code::TokenRequestRefused | Code::ClientRefused | Code::InvalidSetting);
        self.job.at_terminal && !(is_refusal && self.may_be_machine(record))
    }

    /// Writes the record and goes on with it as written.
    fn save(&self, record: &mut Record) -> Result<(), Problem> {
        *record = self.room.write(self.lock, record.clone())?;
        Ok(())
    }

    fn egress(&self) -> Result<Egress, Problem> {
        let network = Network::load(&self.job.settings.network)?;
        let peer = self.job.challenge.as_ref().and_then(|challenge| challenge.peer);
        let peer = peer.filter(|_| !network.is_proxied(self.upstream()));
        let egress = Egress::new(AddressGuard::new(self.upstream()).seen_at(peer), network);
        Ok(match &self.rule.http_host {
            Some(host) => egress.allow_http(host),
            None => egress,
        })
    }

    fn upstream(&self) -> &Url {
        &self.job.settings.upstream
    }
}
