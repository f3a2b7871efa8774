//! One message and its token: the header before it goes, the judgement of the answer after. Bounded in how many
//! authorizations it may cause; what a person was asked in vain is not asked again soon.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use http::{HeaderMap, Method, StatusCode, header};
use url::Url;

use super::command::Supplied;
use super::dpop::{Judged, Met};
use super::step_up;
use super::{Held, Keeper, Purpose, Verdict};
use crate::credentials::record::unix_now;
use crate::oauth::challenge::{self, BearerChallenge};
use crate::oauth::dpop::{Authorization, Objection};
use crate::problem::{Code, Problem};
use crate::safe_url::SafeUrl;
use crate::secret::SentSecrets;
use crate::untrusted::Untrusted;
use crate::worker::job::Challenged;

/// How often a 401 to one message may cause an authorization: a refresh whose token is refused, then a sign-in, or the
/// other way.
const MAX_MENDED: u32 = 2;
/// A person who signed in this recently (seconds) is not asked again because the server rejects what came of it.
const FRESH: u64 = 300;

/// The way of one message through the authorization, bounded: no message can cause a loop.
#[derive(Debug)]
pub struct Pass<'a> {
    pub(super) keeper: &'a Keeper,
    pub(super) purpose: Purpose,
    pub(super) arrived: Instant,
    pub(super) used: Option<Arc<Held>>,
    pub(super) authorizations: u32,
    /// The scope that a step-up for this message asked for.
    pub(super) stepped_up: Option<String>,
    /// What the resource wanted of proofs, and got.
    pub(super) met: Met,
    /// What the person's command gave for this message.
    pub(super) supplied: Supplied,
}

impl Pass<'_> {
    /// What a request by this method to this URL sends to be let in, if there is a token; refreshed before its expiry (A14).
    ///
    /// # Errors
    /// Where a refresh was due and neither it nor a sign-in gave a token.
    pub async fn authorize(&mut self, method: &Method, url: &Url) -> Result<Option<Authorization>, Problem> {
        let keeper = self.keeper;
        if keeper.fixed {
            return Ok(None);
        }
        self.find_token().await.map_err(|problem| problem.naming(&keeper.settings.login_command()))?;
        let Some(held) = &self.used else { return Ok(None) };
        Ok(Some(keeper.show(held, (method, url), &mut self.met)?))
    }

    async fn find_token(&mut self) -> Result<(), Problem> {
        self.used = self.keeper.current().await?;
        if let Some(held) = self.used.clone()
            && held.tokens.is_renewable()
            && held.tokens.needs_refresh(unix_now())
        {
            self.used = Box::pin(self.keeper.refresh_ahead(held, self.purpose, self.arrived)).await?;
        }
        // Shown a token that has ended, some servers answer anything but a challenge.
        let choice = self.keeper.settings.dpop;
        self.used.take_if(|held| held.is_over(unix_now()) || !held.is_as_chosen(choice));
        Ok(())
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
        let keeper = self.keeper;
        let judged = self.judge(status, headers, peer).await;
        judged.map_err(|problem| problem.naming(&keeper.settings.login_command()))
    }

    async fn judge(
        &mut self,
        status: StatusCode,
        headers: &HeaderMap,
        peer: Option<SocketAddr>,
    ) -> Result<Verdict, Problem> {
        let challenge = || challenge::bearer(headers.get_all(header::WWW_AUTHENTICATE));
        if let Some(verdict) = self.judge_proof(status, headers)? {
            return Ok(verdict);
        }
        match status {
            StatusCode::UNAUTHORIZED if self.keeper.fixed => Box::pin(self.credential_refused()).await,
            // Rare, and large as futures: every message would carry them.
            StatusCode::UNAUTHORIZED => Box::pin(self.mend(challenge(), peer)).await,
            StatusCode::FORBIDDEN => match challenge() {
                Some(challenge) if challenge.error.as_deref() == Some("insufficient_scope") => {
                    Box::pin(self.step_up(challenge, peer)).await
                }
                _ => Ok(Verdict::GoOn),
            },
            _ => {
                if let Some(held) = self.used.as_ref().filter(|_| status.is_success()) {
                    self.keeper.is_accepted(held);
                }
                Ok(Verdict::GoOn)
            }
        }
    }

    /// Meets what the resource wants of the proof. `None` where it says nothing of it, or there was none.
    fn judge_proof(&mut self, status: StatusCode, headers: &HeaderMap) -> Result<Option<Verdict>, Problem> {
        if !self.used.as_ref().is_some_and(|held| held.presenter.is_bound()) {
            return Ok(None);
        }
        self.keeper.wishes.note(headers);
        if status != StatusCode::UNAUTHORIZED {
            return Ok(None);
        }
        match self.keeper.wishes.judge(headers, &mut self.met) {
            Judged::TheToken => Ok(None),
            Judged::SendAgain => {
                tracing::debug!("the server wants another DPoP proof: sending it again");
                Ok(Some(Verdict::SendAgain))
            }
            Judged::Refused(objection) => Err(self.proof_refused(objection)),
        }
    }

    fn proof_refused(&self, objection: Objection) -> Problem {
        let upstream = SafeUrl::new(&self.keeper.settings.upstream);
        let (what, hint) = match objection {
            Objection::UseNonce => (
                format!("`{upstream}` asks for a DPoP nonce, and takes none that it gives (401 use_dpop_nonce)"),
                "tell the server's operator; `--dpop never` signs in without DPoP where the server allows it",
            ),
            Objection::InvalidProof => (
                format!("`{upstream}` refuses the DPoP proof (401 invalid_dpop_proof)"),
                "check the clock of this machine, and whether the server knows itself by another URL; `--dpop never` signs \
                 in without DPoP where the server allows it",
            ),
        };
        Problem::new(Code::DpopFailed, what, hint).at(upstream)
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
        self.met.forget();
        Ok(Verdict::SendAgain)
    }

    /// Signs in for what was granted and what is demanded; stops where that cannot help (A16).
    async fn step_up(&mut self, challenge: BearerChallenge, peer: Option<SocketAddr>) -> Result<Verdict, Problem> {
        let demanded = step_up::in_order(challenge.scope.as_deref().unwrap_or_default());
        let refused = self.insufficient_scope(&challenge);
        // Where it was granted already, another sign-in could bring nothing new.
        let lacks = self.used.as_ref().is_some_and(|held| !held.tokens.has_scope(&demanded));
        let may = !self.keeper.fixed && lacks && self.purpose == Purpose::Call;
        if !may || self.authorizations >= step_up::MAX_AUTHORIZATIONS - 1 {
            return Err(refused);
        }
        let asked_before = self.stepped_up.replace(demanded.clone());
        let in_vain = self.keeper.is_in_vain(&demanded, asked_before.as_ref() == Some(&demanded));
        // Somebody may have signed in for it since, at a terminal say.
        if in_vain && !self.keeper.reload().await?.is_some_and(|held| held.tokens.has_scope(&demanded)) {
            return Err(refused);
        }
        self.authorizations += 1;
        let mut job = self.keeper.job(self.purpose);
        let challenge = BearerChallenge { scope: Some(demanded), ..challenge };
        job.challenge = Some(Challenged::new(Some(challenge), peer.map(|peer| peer.ip())));
        (job.skip_refresh, job.step_up) = (true, true);
        self.used = Some(self.keeper.obtain(self.used.take(), job, self.arrived).await?);
        self.met.forget();
        Ok(Verdict::SendAgain)
    }

    fn insufficient_scope(&self, challenge: &BearerChallenge) -> Problem {
        let upstream = SafeUrl::new(&self.keeper.settings.upstream);
        let sent = self.used.as_ref().map(|held| SentSecrets::from([&held.tokens.access_token])).unwrap_or_default();
        let scope = Untrusted::new(challenge.scope.as_deref().unwrap_or("unnamed")).without(&sent);
        Problem::new(
            Code::InsufficientScope,
            format!("`{upstream}` demands the scope `{scope}` for this request (403 insufficient_scope)"),
            match self.keeper.fixed {
                true => "give a credential that has this scope",
                false => "add `--scope` with what is demanded and run `mcp-bridge login URL --force`",
            },
        )
        .at(upstream)
    }
}
