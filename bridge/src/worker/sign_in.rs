//! The sign-in as a walk: discovery, registration, the browser, the callback, the exchange, the store (A8 to A12). What was
//! stored stays until the new tokens are on the disk.

use std::time::SystemTime;

use super::callback::page::PageKind;
use super::callback::{Callback, Reply};
use super::discovery::{self, Discovered};
use super::job::Challenged;
use super::progress::Progress;
use super::refresh::{client_of, tokens_of};
use super::registration::Client;
use super::{Audience, Walk, browser};
use crate::credentials::record::{Discovery, Extra, Record, Registration, unix_now};
use crate::credentials::sign_in::Phase;
use crate::http::Egress;
use crate::oauth::authorization::{
    self, AuthorizationRequest, AuthorizationResponse, AuthorizationResponseError, Expected,
};
use crate::oauth::grant::authorization_code::{self, AuthorizationCodeGrant};
use crate::oauth::pkce::Pkce;
use crate::oauth::scope::{self, Scope};
use crate::oauth::state::State;
use crate::oauth::token_response;
use crate::problem::{Code, Problem};
use crate::safe_url::SafeUrl;

/// One authorization request: what is known before the browser opens and needed when it comes back.
struct Attempt {
    discovered: Discovered,
    scope: Option<String>,
    pkce: Pkce,
    state: State,
}

type Judged = Result<AuthorizationResponse, AuthorizationResponseError>;

impl Walk<'_> {
    /// Signs a person in.
    pub(super) async fn sign_in(
        &self,
        egress: &Egress,
        mut record: Record,
        challenge: &Challenged,
        progress: &mut Progress<'_>,
        audience: &dyn Audience,
    ) -> Result<(), Problem> {
        progress.phase(Phase::Discovering);
        let discovered = discovery::discover(egress, self.upstream(), challenge, &self.rule).await?;
        self.remember(&mut record, &discovered);
        let scope = self.scope(challenge, &discovered)?;
        let client = self.client(egress, &mut record, &discovered, scope.as_deref()).await?;
        let attempt = Attempt { discovered, scope, pkce: Pkce::generate()?, state: State::generate()? };

        let Client { registration, callback, redirect_uri } = client;
        self.open(&attempt, &registration, &redirect_uri, progress, audience).await?;
        let (response, page) = self.response(&attempt, callback).await?;
        progress.phase(Phase::Exchanging);
        let result = match response {
            Ok(response) => self.exchange(egress, &mut record, &attempt, &registration, &redirect_uri, response).await,
            Err(error) => self.refused(&mut record, &attempt, error.forgets_registration(), error.into()),
        };
        page.finish(match &result {
            Ok(()) => PageKind::SignedIn,
            Err(problem) if problem.code == Code::SignInDenied => PageKind::Denied,
            Err(_) => PageKind::NotCompleted,
        })
        .await;
        result
    }

    /// Sends the person's browser to the authorization server (A8, A12).
    async fn open(
        &self,
        attempt: &Attempt,
        registration: &Registration,
        redirect_uri: &str,
        progress: &mut Progress<'_>,
        audience: &dyn Audience,
    ) -> Result<(), Problem> {
        let server = &attempt.discovered.server;
        let request = AuthorizationRequest {
            endpoint: server.authorization_endpoint.clone(),
            client_id: registration.client_id.clone(),
            redirect_uri: redirect_uri.to_owned(),
            state: attempt.state.clone(),
            code_challenge: attempt.pkce.challenge.clone(),
            resource: Some(attempt.discovered.resource.clone()),
            scope: attempt.scope.clone(),
            extra: Vec::new(),
        };
        let url = request.url(&self.rule)?;
        let in_browser =
            !self.job.settings.no_browser && browser::open_in_background(url.clone(), self.rule.clone()).await;
        progress.open(url.as_str(), in_browser, self.job.settings.timeout);
        let (upstream, issuer) = (SafeUrl::new(self.upstream()), SafeUrl::from_text(&server.issuer));
        tracing::info!("waiting for a person to sign in to `{upstream}` through `{issuer}`");
        audience.sign_in_open(&upstream, &issuer, url.as_str(), in_browser);
        Ok(())
    }

    /// Waits for the browser to come back, and holds its page (A10, A11).
    async fn response(&self, attempt: &Attempt, callback: Callback) -> Result<(Judged, Reply), Problem> {
        let server = &attempt.discovered.server;
        let expected = Expected {
            state: attempt.state.clone(),
            issuer: server.issuer.clone(),
            is_iss_required: server.authorization_response_iss_parameter_supported,
        };
        let judge = move |query: &str| match authorization::judge(query, &expected) {
            Err(error) if error.wait_goes_on() => {
                tracing::debug!("{error}");
                None
            }
            judged => Some(judged),
        };
        let waited = tokio::time::timeout(self.job.settings.timeout, callback.wait(judge)).await;
        Ok(waited.map_err(|_| self.timed_out())??)
    }

    /// Exchanges the code and stores the tokens (A13).
    async fn exchange(
        &self,
        egress: &Egress,
        record: &mut Record,
        attempt: &Attempt,
        registration: &Registration,
        redirect_uri: &str,
        response: AuthorizationResponse,
    ) -> Result<(), Problem> {
        let server = &attempt.discovered.server;
        let grant = AuthorizationCodeGrant {
            code: &response.code,
            redirect_uri,
            verifier: &attempt.pkce.verifier,
            resource: Some(&attempt.discovered.resource),
        };
        let request = authorization_code::request(&server.token_endpoint, &client_of(registration), &grant);
        let asked = SystemTime::now();
        let answer = egress.fetch(request).await?;
        match token_response::judge(&server.token_endpoint, answer.status(), answer.body()) {
            Ok(mut tokens) => {
                tokens.scope = tokens.scope.or_else(|| attempt.scope.clone());
                record.issuer = Some(server.issuer.clone());
                let tokens = tokens_of(tokens, asked, &server.token_endpoint, None);
                record.issuer_mut(&server.issuer).tokens = Some(tokens);
                self.save(record)
            }
            Err(error) => self.refused(record, attempt, error.forgets_registration(), error.into()),
        }
    }

    /// A client that the server no longer knows is forgotten, so that the next sign-in registers anew (A15).
    fn refused(
        &self,
        record: &mut Record,
        attempt: &Attempt,
        forgets_registration: bool,
        problem: Problem,
    ) -> Result<(), Problem> {
        let issuer = &attempt.discovered.server.issuer;
        if forgets_registration {
            record.issuer_mut(issuer).registration = None;
            self.save(record)?;
        }
        Err(if problem.url.is_some() { problem } else { problem.at(SafeUrl::from_text(issuer)) })
    }

    fn scope(&self, challenge: &Challenged, discovered: &Discovered) -> Result<Option<String>, Problem> {
        let flag = self.job.settings.scope.as_deref().map(Scope::parse).transpose()?;
        let chosen = scope::choose(
            flag.as_ref(),
            challenge.scope.as_deref(),
            discovered.resource_scopes.as_deref(),
            discovered.server.scopes_supported.as_deref(),
        );
        Ok(chosen.map(|scope| scope.to_string()))
    }

    /// What was discovered goes into the record with the next write; the issuer in use stays until it has issued tokens.
    fn remember(&self, record: &mut Record, discovered: &Discovered) {
        let server = &discovered.server;
        record.discovery = Some(Discovery {
            upstream: self.upstream().to_string(),
            resource: discovered.resource.clone(),
            resource_scopes_supported: discovered.resource_scopes.clone().unwrap_or_default(),
            issuer: server.issuer.clone(),
            authorization_endpoint: server.authorization_endpoint.as_str().to_owned(),
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

    fn timed_out(&self) -> Problem {
        let upstream = SafeUrl::new(self.upstream());
        let seconds = self.job.settings.timeout.as_secs();
        let limit = if seconds.is_multiple_of(60) { format!("{} min", seconds / 60) } else { format!("{seconds} s") };
        Problem::new(
            Code::SignInTimedOut,
            format!("nobody finished the sign-in to `{upstream}` within {limit}"),
            format!("run `mcp-bridge login {upstream}`; waiting requests will go through"),
        )
        .at(upstream)
    }
}
