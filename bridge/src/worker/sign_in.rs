//! The sign-in as a walk: discovery, registration, the browser, the callback, the exchange, the store (A8 to A12). What was
//! stored stays until the new tokens are on the disk.

use std::time::{Duration, SystemTime};

use http::StatusCode;
use url::Url;

use super::callback::page::PageKind;
use super::callback::{Callback, Reply};
use super::client_identity::{self, Client, ClientIdentity};
use super::discovery::Discovered;
use super::job::Challenged;
use super::progress::Progress;
use super::refresh::tokens_of;
use super::token_request::{self, Possession, TokenRequestError};
use super::{Audience, Prompt, Walk, browser, paste};
use crate::credentials::record::{Discovery, Extra, Record, Source, Tokens, unix_now};
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
use crate::oauth::scope::{self, Scope};
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

/// What is known before a grant is asked for.
pub(super) struct Prepared {
    pub(super) discovered: Discovered,
    pub(super) scope: Option<String>,
}

/// One authorization request: what is known before the browser opens and needed when it comes back.
struct Attempt<'a> {
    discovered: &'a Discovered,
    scope: Option<String>,
    client: ClientIdentity,
    pkce: Pkce,
    state: State,
    /// The thumbprint of the key that the code is to be good with.
    dpop_jkt: Option<String>,
}

type Judged = Result<AuthorizationResponse, AuthorizationResponseError>;

impl Walk<'_> {
    /// Asks who issues tokens for the upstream and what scope is wanted (A1 to A4, A9).
    pub(super) async fn prepare(&self, stage: &mut Stage<'_, '_>, challenge: &Challenged) -> Result<Prepared, Problem> {
        stage.progress.phase(Phase::Discovering);
        let discovered = self.discover(stage, challenge).await?;
        if self.job.other_issuer_only && stage.record.issuer.as_ref() == Some(&discovered.server.issuer) {
            return Err(self.job.rejected("a token that was issued for it just now"));
        }
        self.remember(stage.record, &discovered);
        let scope = self.scope(stage.record, challenge, &discovered)?;
        Ok(Prepared { discovered, scope })
    }

    /// Signs a person in.
    pub(super) async fn sign_in(&self, stage: &mut Stage<'_, '_>, prepared: Prepared) -> Result<(), Problem> {
        let Prepared { discovered, scope } = prepared;
        let egress = stage.egress;
        let client = self.client(egress, stage.record, &discovered, scope.as_deref()).await?;
        let (reused, client_id) = (client.reused, client.identity.registration.client_id.clone());
        let first = self.attempt(stage, &discovered, scope.clone(), client).await;
        let reusable = stage.record.issuer_mut(&discovered.server.issuer).reusable();
        let forgotten = reusable.is_none_or(|known| known.client_id != client_id);
        match first {
            // The server has forgotten the client that an earlier sign-in registered: once more with a new one (A15).
            Err(problem) if reused && forgotten && problem.code != Code::SignInTimedOut => {
                tracing::info!("{problem}: registering anew");
                let client = self.client(egress, stage.record, &discovered, scope.as_deref()).await?;
                self.attempt(stage, &discovered, scope, client).await
            }
            first => first,
        }
    }

    /// One authorization request from the browser to the store.
    async fn attempt(
        &self,
        stage: &mut Stage<'_, '_>,
        discovered: &Discovered,
        scope: Option<String>,
        client: Client,
    ) -> Result<(), Problem> {
        let Client { identity: client, callback, reused } = client;
        let possession = self.possession(stage.record, discovered)?;
        let dpop_jkt = possession.thumbprint().map(str::to_owned);
        let attempt =
            Attempt { discovered, scope, client, pkce: Pkce::generate()?, state: State::generate()?, dpop_jkt };
        // Asked without the person first, with nothing of the request that they will make.
        let trial = self.authorization_url(&attempt, &State::generate()?, &Pkce::generate()?.challenge)?;
        if reused && shows_an_error_page(stage.egress, &trial).await {
            let issuer = Untrusted::new(attempt.discovered.server.issuer.as_str());
            let (what, hint) = (format!("`{issuer}` does not know this client any more"), "try again to register anew");
            let problem = Problem::new(Code::AuthorizationResponseInvalid, what, hint);
            return self.refused(stage, discovered, &attempt.client, (true, problem));
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
            return self.sign_in_by_device_code(stage, Prepared { discovered, scope }).await;
        }
        self.show(stage, &discovered.server.issuer, (url.as_str(), None), (in_browser, self.job.settings.timeout));
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
            Ok(response) => self.exchange(stage, &attempt, possession, response).await,
            Err(error) => {
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

    fn authorization_url(&self, attempt: &Attempt<'_>, state: &State, code_challenge: &str) -> Result<Url, Problem> {
        let request = AuthorizationRequest {
            endpoint: authorization_endpoint(attempt.discovered)?,
            client_id: attempt.client.registration.client_id.clone(),
            redirect_uri: attempt.client.redirect_uri.clone(),
            state: state.clone(),
            code_challenge: code_challenge.to_owned(),
            resource: self.resource(attempt.discovered),
            scope: attempt.scope.clone(),
            more: self.job.settings.authorization.parameters.clone(),
            dpop_jkt: attempt.dpop_jkt.clone(),
        };
        Ok(request.url(&self.rule)?)
    }

    /// The key that tokens are to be bound to, if they are (RFC 9449): that of the ones before, or a new one.
    pub(super) fn possession(&self, record: &Record, discovered: &Discovered) -> Result<Possession, Problem> {
        let server = &discovered.server;
        let wanted = Wanted {
            by_metadata: discovered.dpop_required,
            by_challenge: self.job.challenge.as_ref().is_some_and(|challenge| challenge.wants_dpop),
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

    /// The `resource` to name: on every request for these tokens the same (A8).
    pub(super) fn resource(&self, discovered: &Discovered) -> Option<String> {
        self.job.settings.authorization.resource(&discovered.resource)
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
        let server = &attempt.discovered.server;
        let expected = Expected {
            state: attempt.state.clone(),
            issuer: server.issuer.clone(),
            is_iss_required: server.authorization_response_iss_parameter_supported,
        };
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
        response: AuthorizationResponse,
    ) -> Result<(), Problem> {
        let server = &attempt.discovered.server;
        let resource = self.resource(attempt.discovered);
        let grant = AuthorizationCodeGrant {
            code: &response.code,
            redirect_uri: &attempt.client.redirect_uri,
            verifier: &attempt.pkce.verifier,
            resource: resource.as_deref(),
        };
        let (endpoint, client) = (&server.token_endpoint, &attempt.client.authentication);
        let request = || authorization_code::request(endpoint, client, &grant);
        let room = self.room.reserve(self.lock)?;
        let asked = SystemTime::now();
        match token_request::ask(stage.egress, endpoint, &mut possession, &grant.sent(client), request).await {
            Ok(mut tokens) => {
                tokens.scope = tokens.scope.or_else(|| attempt.scope.clone());
                let tokens = possession.bind(tokens_of(tokens, asked, endpoint, resource, None));
                self.keep(stage, &server.issuer, &attempt.client, (tokens, room)).await
            }
            Err(TokenRequestError::Token(error)) => {
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

    fn scope(
        &self,
        record: &Record,
        challenge: &Challenged,
        discovered: &Discovered,
    ) -> Result<Option<String>, Problem> {
        let more = self.job.demanded().zip(record.current_tokens()).map(|(scope, tokens)| tokens.scope_with(scope));
        let flag = self.job.settings.scope.as_deref().map(Scope::parse).transpose()?;
        let chosen = scope::choose(
            flag.as_ref().filter(|_| !self.job.step_up),
            more.as_deref().or(challenge.scope.as_deref()),
            discovered.resource_scopes.as_deref(),
            discovered.server.scopes_supported.as_deref(),
        );
        Ok(chosen.map(|scope| scope.to_string()))
    }

    /// What was discovered goes into the record, under its issuer, with the next write; the issuer in use stays until
    /// this one has issued tokens.
    fn remember(&self, record: &mut Record, discovered: &Discovered) {
        let server = &discovered.server;
        record.issuer_mut(&server.issuer).discovery = Some(Discovery {
            upstream: self.upstream().to_string(),
            resource: discovered.resource.clone(),
            resource_scopes_supported: discovered.resource_scopes.clone().unwrap_or_default(),
            issuer: server.issuer.clone(),
            authorization_endpoint: server
                .authorization_endpoint
                .as_ref()
                .map_or_else(String::new, |url| url.as_str().to_owned()),
            token_endpoint: server.token_endpoint.as_str().to_owned(),
            registration_endpoint: server.registration_endpoint.as_ref().map(|url| url.as_str().to_owned()),
            revocation_endpoint: server.revocation_endpoint.as_ref().map(|url| url.as_str().to_owned()),
            iss_parameter_supported: server.authorization_response_iss_parameter_supported,
            client_id_metadata_document_supported: server.client_id_metadata_document_supported,
            token_endpoint_auth_methods_supported: server
                .token_endpoint_auth_methods_supported
                .clone()
                .unwrap_or_default(),
            scopes_supported: server.scopes_supported.clone().unwrap_or_default(),
            fetched_at: unix_now(),
            extra: Extra::default(),
        });
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

/// Whether the authorization endpoint would show the person an error in place of a sign-in: an unknown client or
/// redirect URI is answered by a page, never by a redirect (RFC 6749 §4.1.2.1).
async fn shows_an_error_page(egress: &Egress, url: &Url) -> bool {
    let status = egress.status(url).await;
    matches!(status, Ok(StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND))
}
