//! The sign-in as a walk: discovery, registration, the browser, the callback, the exchange, the store (A8 to A12). What was
//! stored stays until the new tokens are on the disk.

use std::time::{Duration, SystemTime};

use url::Url;

use super::callback::page::PageKind;
use super::callback::{Callback, Reply};
use super::client_identity::{self, Client, ClientIdentity};
use super::discovery::Discovered;
use super::healing::remedy::{Asked, Refusal};
use super::healing::{self, Healing, Met, Trial, conceded};
use super::preparation::Prepared;
use super::progress::Progress;
use super::refresh::tokens_of;
use super::token_request::{self, Possession, TokenRequestError};
use super::{Audience, Prompt, Walk, browser, paste};
use crate::credentials::record::{Record, Source, Tokens};
use crate::credentials::sign_in::Phase;
use crate::credentials::store::Reservation;
use crate::http::Egress;
use crate::oauth::authorization::{
    self, AuthorizationRequest, AuthorizationResponse, AuthorizationResponseError, Expected,
};
use crate::oauth::dpop::Wanted;
use crate::oauth::endpoint::Endpoint;
use crate::oauth::grant::authorization_code::{self, AuthorizationCodeGrant};
use crate::oauth::pkce::Pkce;
use crate::oauth::state::State;
use crate::problem::{Code, Problem};
use crate::safe_url::SafeUrl;
use crate::untrusted::Untrusted;

/// What a sign-in works with.
pub(super) struct Stage<'a, 'b> {
    pub(super) egress: &'a Egress,
    pub(super) record: &'a mut Record,
    pub(super) progress: &'a mut Progress<'b>,
    pub(super) audience: &'a dyn Audience,
}

/// One authorization request: what is known before the browser opens and needed when it comes back.
struct Attempt<'a> {
    discovered: &'a Discovered,
    resource: Option<String>,
    scope: Option<String>,
    /// `prompt=consent` is sent.
    consent: bool,
    client: ClientIdentity,
    pkce: Pkce,
    state: State,
    /// The thumbprint of the key that the code is to be good with.
    dpop_jkt: Option<String>,
}

impl Attempt<'_> {
    /// What the response to it must have, or one to a trial of its own `state`.
    fn expected(&self, state: State) -> Expected {
        let server = &self.discovered.server;
        let is_iss_required = server.authorization_response_iss_parameter_supported;
        Expected { state, issuer: server.issuer.clone(), is_iss_required }
    }

    fn asked(&self) -> Asked<'_> {
        Asked { resource: self.resource.is_some(), scope: self.scope.as_deref(), ..Asked::default() }
    }
}

type Judged = Result<AuthorizationResponse, AuthorizationResponseError>;

impl Walk<'_> {
    /// Signs a person in. What the server was found not to take is kept only if that helped.
    pub(super) async fn sign_in(&self, stage: &mut Stage<'_, '_>, prepared: Prepared) -> Result<(), Problem> {
        let issuer = prepared.discovered.server.issuer.clone();
        let before = conceded(stage.record, &issuer);
        let mut healing = Healing::default();
        let result = self.attempts(stage, &prepared, &mut healing).await;
        if result.is_err() && conceded(stage.record, &issuer) != before {
            stage.record.issuer_mut(&issuer).concessions = before;
            self.save(stage.record)?;
        }
        result
    }

    /// One attempt; once more for each remedy that is found, and once for a client that the server has forgotten.
    async fn attempts(
        &self,
        stage: &mut Stage<'_, '_>,
        prepared: &Prepared,
        healing: &mut Healing,
    ) -> Result<(), Problem> {
        let discovered = &prepared.discovered;
        let mut is_first_client = true;
        loop {
            let scope = self.conceded_scope(stage.record, discovered, prepared.scope.as_deref());
            let client = self.client(stage.egress, stage.record, discovered, scope.as_deref()).await?;
            let (reused, client_id) = (client.reused, client.identity.registration.client_id.clone());
            let Err(problem) = self.attempt(stage, discovered, (scope, client), healing).await else { return Ok(()) };
            let reusable = stage.record.issuer_mut(&discovered.server.issuer).reusable();
            let forgotten = reusable.is_none_or(|known| known.client_id != client_id);
            if healing.goes_on() {
                continue;
            }
            // The server has forgotten the client that an earlier sign-in registered: once more with a new one (A15).
            let is_unknown = is_first_client && reused && forgotten && problem.code != Code::SignInTimedOut;
            if !(is_unknown && healing.may_register_anew()) {
                return Err(problem);
            }
            is_first_client = false;
            tracing::info!("{problem}: registering anew");
        }
    }

    /// One authorization request from the browser to the store.
    async fn attempt(
        &self,
        stage: &mut Stage<'_, '_>,
        discovered: &Discovered,
        (scope, client): (Option<String>, Client),
        healing: &mut Healing,
    ) -> Result<(), Problem> {
        let Client { identity: client, callback, reused } = client;
        let concessions = conceded(stage.record, &discovered.server.issuer);
        let resource = self.resource(stage.record, discovered);
        let consent = healing::wants_consent(&concessions, discovered.server.is_openid, scope.as_deref());
        let possession = self.possession(stage.record, discovered)?;
        let dpop_jkt = possession.thumbprint().map(str::to_owned);
        let (pkce, state) = (Pkce::generate()?, State::generate()?);
        let attempt = Attempt { discovered, resource, scope, consent, client, pkce, state, dpop_jkt };
        if reused || healing.wants_trial(&attempt.client) {
            self.trial(stage, &attempt, reused, healing).await?;
        }
        // One tab at a time for the person, whichever server it is for; the time counts from its opening.
        let turn = self.room.turn().await?;
        let url = self.authorization_url(&attempt, &attempt.state, &attempt.pkce.challenge)?;
        // A person is not to sign in for tokens that could not be kept. Not held meanwhile: a kill would leave it behind.
        drop(self.room.reserve(self.lock)?);
        let in_browser = self.open(&url).await;
        if !in_browser && self.device_code_fits_better(&discovered.server) {
            tracing::info!("no browser opens here: signing in by device code");
            let (discovered, scope) = (discovered.clone(), attempt.scope);
            drop(turn);
            healing.ends();
            return self.sign_in_by_device_code(stage, Prepared { discovered, scope }).await;
        }
        self.show(stage, &discovered.server.issuer, (url.as_str(), None), (in_browser, self.job.settings.timeout));
        healing.person_saw_it();
        let (response, page) = match self.response(stage.audience, &attempt, callback, in_browser).await {
            // Perhaps the tab showed that the client is unknown: a new one is registered next time.
            Err(problem) => {
                let problem = client_identity::perhaps_refused(problem, &attempt.client);
                return self.refused(stage, discovered, &attempt.client, (reused, problem));
            }
            Ok(response) => response,
        };
        stage.progress.phase(Phase::Exchanging);
        let result = match response {
            Ok(response) => self.exchange(stage, &attempt, possession, (response, healing)).await,
            Err(error) => {
                let refusal = Refusal::of_response(&error);
                self.heal(stage, (discovered, attempt.asked()), refusal, (healing, Met::ByPerson));
                self.refused(stage, discovered, &attempt.client, (error.forgets_registration(), error.into()))
            }
        };
        let Some(page) = page else { return result };
        page.finish(match &result {
            Ok(()) => PageKind::SignedIn,
            Err(problem) if problem.code == Code::SignInDenied => PageKind::Denied,
            Err(_) => PageKind::NotCompleted,
        })
        .await;
        result
    }

    /// Asks without the person first, with nothing of the request that they will make. An error is one that they need not see:
    /// there is a remedy, or a new client to be registered.
    async fn trial(
        &self,
        stage: &mut Stage<'_, '_>,
        attempt: &Attempt<'_>,
        reused: bool,
        healing: &mut Healing,
    ) -> Result<(), Problem> {
        let expected = attempt.expected(State::generate()?);
        let url = self.authorization_url(attempt, &expected.state, &Pkce::generate()?.challenge)?;
        let issuer = &attempt.discovered.server.issuer;
        let about_redirect_uri = match healing::trial(stage.egress, &url, &attempt.client.redirect_uri, &expected).await
        {
            Trial::Passes => return Ok(()),
            Trial::Refused(error) => {
                let (refusal, asked) = (Refusal::of_response(&error), (attempt.discovered, attempt.asked()));
                let healed = self.heal(stage, asked, refusal, (healing, Met::ByTrial));
                return if healed { Err(error.into()) } else { Ok(()) };
            }
            Trial::ErrorPage { about_redirect_uri } => about_redirect_uri,
        };
        let healed = about_redirect_uri && self.heal_redirect_uri(stage, issuer, healing);
        let shown = Untrusted::new(issuer.as_str());
        let (what, hint) = (format!("`{shown}` does not know this client any more"), "try again to register anew");
        let problem = Problem::new(Code::AuthorizationResponseInvalid, what, hint);
        match () {
            () if reused => self.refused(stage, attempt.discovered, &attempt.client, (true, problem)),
            () if healed => Err(problem),
            () => Ok(()),
        }
    }

    fn authorization_url(&self, attempt: &Attempt<'_>, state: &State, code_challenge: &str) -> Result<Url, Problem> {
        let request = AuthorizationRequest {
            endpoint: authorization_endpoint(attempt.discovered)?,
            client_id: attempt.client.registration.client_id.clone(),
            redirect_uri: attempt.client.redirect_uri.clone(),
            state: state.clone(),
            code_challenge: code_challenge.to_owned(),
            resource: attempt.resource.clone(),
            scope: attempt.scope.clone(),
            more: self.job.settings.authorization.parameters.clone(),
            dpop_jkt: attempt.dpop_jkt.clone(),
        };
        let mut url = request.url(&self.rule)?;
        if attempt.consent && !url.query_pairs().any(|(name, _)| name == "prompt") {
            url.query_pairs_mut().append_pair("prompt", "consent");
        }
        Ok(url)
    }

    /// The key that tokens are to be bound to, if they are (RFC 9449): that of the ones before, or a new one.
    pub(super) fn possession(&self, record: &Record, discovered: &Discovered) -> Result<Possession, Problem> {
        let server = &discovered.server;
        let wanted = Wanted {
            by_metadata: discovered.dpop_required,
            by_challenge: self.job.challenge.as_ref().is_some_and(|challenge| challenge.wants_dpop),
            taken: discovered.dpop_taken,
            offered: server.dpop_signing_alg_values_supported.as_deref(),
        };
        if !wanted.decide(self.job.settings.dpop)? {
            if wanted.by_metadata || wanted.by_challenge {
                tracing::warn!("`{}` demands tokens bound by DPoP: going on without", SafeUrl::new(self.upstream()));
            }
            return Ok(Possession::none());
        }
        let before = record.issuers.get(&server.issuer).and_then(|stored| stored.tokens.as_ref());
        Ok(Possession::begin(before, self.job.settings.dpop)?)
    }

    /// Sends the person's browser to the authorization server (A8, A12).
    pub(super) async fn open(&self, url: &Url) -> bool {
        !self.job.settings.no_browser && browser::open_in_background(url.clone(), self.rule.clone()).await
    }

    /// Tells everybody who may show it where a person signs in, and for how long.
    pub(super) fn show(
        &self,
        stage: &mut Stage<'_, '_>,
        issuer: &str,
        (url, user_code): (&str, Option<&Untrusted>),
        (in_browser, limit): (bool, Duration),
    ) {
        let (upstream, issuer) = (&SafeUrl::new(self.upstream()), &Untrusted::new(issuer));
        let prompt = Prompt { upstream, issuer, url, user_code, in_browser };
        stage.progress.open(&prompt, limit);
        tracing::info!("waiting for a person to sign in to `{upstream}` through `{issuer}`");
        stage.audience.sign_in_open(&prompt);
    }

    /// Waits for the browser to come back, and holds its page (A10, A11); or for a person to paste what it came back with,
    /// where no browser was opened.
    async fn response(
        &self,
        audience: &dyn Audience,
        attempt: &Attempt<'_>,
        callback: Callback,
        in_browser: bool,
    ) -> Result<(Judged, Option<Reply>), Problem> {
        let expected = attempt.expected(attempt.state.clone());
        let pasted = if in_browser { None } else { audience.pasted() };
        let pasting = paste::response(audience, pasted, expected.clone());
        let judge = move |query: &str| match authorization::judge(query, &expected) {
            Err(error) if error.wait_goes_on() => {
                tracing::debug!("{error}");
                None
            }
            judged => Some(judged),
        };
        let waiting = async {
            tokio::select! {
                returned = callback.wait(judge) => returned.map(|(judged, page)| (judged, Some(page))),
                judged = pasting => Ok((judged, None)),
            }
        };
        let waited = tokio::time::timeout(self.job.settings.timeout, waiting).await;
        Ok(waited.map_err(|_| self.timed_out(self.job.settings.timeout))??)
    }

    /// Exchanges the code and stores the tokens (A13).
    async fn exchange(
        &self,
        stage: &mut Stage<'_, '_>,
        attempt: &Attempt<'_>,
        mut possession: Possession,
        (response, healing): (AuthorizationResponse, &mut Healing),
    ) -> Result<(), Problem> {
        let server = &attempt.discovered.server;
        let grant = AuthorizationCodeGrant {
            code: &response.code,
            redirect_uri: &attempt.client.redirect_uri,
            verifier: &attempt.pkce.verifier,
            resource: attempt.resource.as_deref(),
        };
        let (endpoint, client) = (&server.token_endpoint, &attempt.client.proof);
        let request = || {
            let client = client.now()?;
            Ok((authorization_code::request(endpoint, &client, &grant), grant.sent(&client)))
        };
        let room = self.room.reserve(self.lock)?;
        let asked = SystemTime::now();
        match token_request::ask(stage.egress, endpoint, &mut possession, request).await {
            Ok(tokens) => {
                let mut tokens = self.bearer_of(tokens, asked, endpoint)?;
                tokens.scope = tokens.scope.or_else(|| attempt.scope.clone());
                let (scope, refreshable) = (attempt.scope.as_deref(), tokens.refresh_token.is_some());
                let concessions = &mut stage.record.issuer_mut(&server.issuer).concessions;
                healing::note_refresh_token(concessions, attempt.discovered, scope, refreshable);
                let resource = attempt.resource.clone();
                let tokens = possession.bind(tokens_of(tokens, asked, endpoint, resource, None));
                self.keep(stage, &server.issuer, &attempt.client, (tokens, room)).await
            }
            Err(TokenRequestError::Token(error)) => {
                let (refusal, asked) = (Refusal::of_token(&error), (attempt.discovered, attempt.asked()));
                self.heal(stage, asked, refusal, (healing, Met::ByPerson));
                let refusal = (error.forgets_registration(), error.into());
                self.refused(stage, attempt.discovered, &attempt.client, refusal)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Puts new tokens and the client that got them on the disk: from then on they are those in use.
    pub(super) async fn keep(
        &self,
        stage: &mut Stage<'_, '_>,
        issuer: &str,
        client: &ClientIdentity,
        (tokens, room): (Tokens, Reservation),
    ) -> Result<(), Problem> {
        stage.record.issuer = Some(issuer.to_owned());
        stage.record.issuer_mut(issuer).signed_in(client.registration.clone(), tokens);
        *stage.record = self.room.write_reserved(self.lock, room, stage.record.clone()).await?;
        Ok(())
    }

    /// A client that the server no longer knows is forgotten, so that the next sign-in registers anew (A15); but one that
    /// did not register itself is never forgotten.
    pub(super) fn refused(
        &self,
        stage: &mut Stage<'_, '_>,
        discovered: &Discovered,
        client: &ClientIdentity,
        (forgets_registration, mut problem): (bool, Problem),
    ) -> Result<(), Problem> {
        let issuer = &discovered.server.issuer;
        let registration = &client.registration;
        if forgets_registration && registration.source != Source::Dynamic {
            problem = client_identity::refused(registration, &problem.message);
        } else if forgets_registration {
            stage.record.issuer_mut(issuer).doubt(&registration.client_id);
            self.save(stage.record)?;
        }
        Err(if problem.url.is_some() { problem } else { problem.at(SafeUrl::from_text(issuer)) })
    }

    /// Nobody came within this time.
    pub(super) fn timed_out(&self, limit: Duration) -> Problem {
        let upstream = SafeUrl::new(self.upstream());
        let seconds = limit.as_secs();
        let limit = if seconds.is_multiple_of(60) { format!("{} min", seconds / 60) } else { format!("{seconds} s") };
        Problem::new(
            Code::SignInTimedOut,
            format!("nobody finished the sign-in to `{upstream}` within {limit}"),
            format!("run `{}`; waiting requests will go through", self.job.settings.login_command()),
        )
        .at(upstream)
    }
}

/// Where the browser goes. Asked for a code a server has been judged to say that.
fn authorization_endpoint(discovered: &Discovered) -> Result<Endpoint, Problem> {
    let endpoint = discovered.server.authorization_endpoint.clone();
    endpoint.ok_or_else(|| {
        let issuer = SafeUrl::from_text(&discovered.server.issuer);
        let hint = "choose another way to a token with `--grant`";
        let what = format!("the metadata of `{issuer}` has no `authorization_endpoint`");
        Problem::new(Code::ServerMetadataInvalid, what, hint).at(issuer)
    })
}
