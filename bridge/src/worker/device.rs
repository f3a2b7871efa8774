//! The sign-in by device code as a walk (RFC 8628): the codes, the person elsewhere, the polls, the store. It is for where no
//! browser can come back: by `--grant device-code`, or where none opens and the server offers it. The rules are in
//! `oauth::grant::device_code`; read `sign_in` for the way by a browser here.

use std::time::{Duration, Instant, SystemTime};

use super::Walk;
use super::client_identity::ClientIdentity;
use super::discovery::Discovered;
use super::preparation::Prepared;
use super::refresh::tokens_of;
use super::sign_in::Stage;
use super::token_request::{self, Possession, TokenRequestError};
use crate::credentials::record::Tokens;
use crate::credentials::store::Reservation;
use crate::http::HttpError;
use crate::oauth::endpoint::Endpoint;
use crate::oauth::grant::device_code::{
    self, DeviceAuthorization, DeviceAuthorizationRequest, DeviceCodeError, GRANT_TYPE, Pace, Poll,
};
use crate::oauth::server_metadata::AuthorizationServerMetadata;
use crate::oauth::token_response::TokenResponse;
use crate::problem::{Code, Problem};
use crate::safe_url::SafeUrl;
use crate::settings::GrantType;

/// One device authorization: who asks for what.
struct Attempt<'a> {
    discovered: &'a Discovered,
    endpoint: &'a Endpoint,
    scope: Option<&'a str>,
    resource: Option<String>,
    client: ClientIdentity,
    possession: Possession,
}

impl Walk<'_> {
    /// Whether to go by device code where no browser could be started: only if nobody chose another way, and the server says
    /// that it does both parts of it.
    pub(super) fn device_code_fits_better(&self, server: &AuthorizationServerMetadata) -> bool {
        let settings = &self.job.settings;
        let grants = server.grant_types_supported.as_deref().unwrap_or_default();
        let is_offered = server.device_authorization_endpoint.is_some() && grants.iter().any(|name| name == GRANT_TYPE);
        is_offered && settings.grant.is_none() && !settings.no_browser
    }

    /// Signs a person in who has a browser elsewhere.
    pub(super) async fn sign_in_by_device_code(
        &self,
        stage: &mut Stage<'_, '_>,
        prepared: Prepared,
    ) -> Result<(), Problem> {
        let Prepared { discovered, scope } = prepared;
        let server = &discovered.server;
        let Some(endpoint) = &server.device_authorization_endpoint else { return Err(not_offered(&server.issuer)) };
        let mut again = false;
        loop {
            let scope = scope.as_deref();
            let (client, reused) = self.client_without_redirect(stage.egress, stage.record, &discovered, scope).await?;
            let client_id = client.registration.client_id.clone();
            let (resource, possession) =
                (self.resource(stage.record, &discovered), self.possession(stage.record, &discovered)?);
            let attempt = Attempt { discovered: &discovered, endpoint, scope, resource, client, possession };
            let ended = self.authorize_device(stage, attempt).await;
            let reusable = stage.record.issuer_mut(&server.issuer).reusable();
            let forgotten = reusable.is_none_or(|known| known.client_id != client_id);
            match ended {
                // The server has forgotten the client that an earlier sign-in registered: once more with a new one (A15).
                Err(problem) if reused && forgotten && !again => {
                    tracing::info!("{problem}: registering anew");
                    again = true;
                }
                ended => return ended,
            }
        }
    }

    async fn authorize_device(&self, stage: &mut Stage<'_, '_>, mut attempt: Attempt<'_>) -> Result<(), Problem> {
        // One prompt at a time for the person, whichever server it is for.
        let _turn = self.room.turn().await?;
        // A person is not to sign in for tokens that could not be kept.
        drop(self.room.reserve(self.lock)?);
        let codes = match self.codes(stage, &mut attempt).await? {
            Ok(codes) => codes,
            Err(error) => return self.refused_device(stage, &attempt, error),
        };
        let limit = codes.expires_in.unwrap_or(self.job.settings.timeout).min(self.job.settings.timeout);
        let url = codes.best_uri().url();
        // Not tried once more where it has just been found that none opens.
        let in_browser = self.job.settings.grant == Some(GrantType::DeviceCode) && self.open(url).await;
        let issuer = &attempt.discovered.server.issuer;
        self.show(stage, issuer, (url.as_str(), Some(&codes.user_code)), (in_browser, limit));
        match self.poll(stage, &mut attempt, &codes, limit).await? {
            Ok((tokens, room)) => self.keep(stage, issuer, &attempt.client, (tokens, room)).await,
            Err(error) => self.refused_device(stage, &attempt, error),
        }
    }

    /// Asks for the pair of codes (RFC 8628 §3.1).
    async fn codes(
        &self,
        stage: &Stage<'_, '_>,
        attempt: &mut Attempt<'_>,
    ) -> Result<Result<DeviceAuthorization, DeviceCodeError>, Problem> {
        let Attempt { endpoint, scope, resource, client, possession, .. } = attempt;
        let more = &self.job.settings.authorization.parameters;
        let asked = DeviceAuthorizationRequest { scope: *scope, resource: resource.as_deref(), more };
        let request = || {
            let client = client.proof.now()?;
            Ok((device_code::authorization_request(endpoint, &client, &asked), device_code::sent(&client, None)))
        };
        let (answer, sent) = token_request::fetch(stage.egress, endpoint, possession, request).await?;
        let answer = (answer.status(), answer.body().as_ref());
        Ok(device_code::judge_authorization(endpoint, &sent, &self.rule, answer))
    }

    /// Polls until the person has decided or `limit` is over (RFC 8628 §3.4, §3.5). The room for the tokens is there before
    /// each poll: it may be the one that spends the code.
    async fn poll(
        &self,
        stage: &Stage<'_, '_>,
        attempt: &mut Attempt<'_>,
        codes: &DeviceAuthorization,
        limit: Duration,
    ) -> Result<Result<(Tokens, Reservation), DeviceCodeError>, Problem> {
        let begun = Instant::now();
        let mut pace = Pace::new(codes.interval);
        loop {
            let left = limit.saturating_sub(begun.elapsed());
            tokio::time::sleep(pace.wait().min(left)).await;
            if pace.wait() > left {
                return Err(self.timed_out(limit));
            }
            let room = self.room.reserve(self.lock)?;
            let asked = SystemTime::now();
            match self.poll_once(stage, attempt, codes).await? {
                Ok(Poll::Tokens(tokens)) => {
                    let endpoint = &attempt.discovered.server.token_endpoint;
                    if let Err(error) = attempt.possession.judge(endpoint, &tokens) {
                        return Ok(Err(error.into()));
                    }
                    let tokens = match self.bearer_of(*tokens, asked, endpoint) {
                        Ok(tokens) => tokens,
                        Err(error) => return Ok(Err(error.into())),
                    };
                    return Ok(Ok((kept(attempt, tokens, asked), room)));
                }
                Ok(Poll::Pending) => pace.answered(),
                Ok(Poll::SlowDown(named)) => pace.slow_down(named),
                Err(Missed::Unanswered(why)) => {
                    tracing::warn!("{why}: asking again in {} s or more", pace.wait().as_secs());
                    pace.unanswered();
                }
                Err(Missed::Ended(error)) => return Ok(Err(error)),
            }
        }
    }

    async fn poll_once(
        &self,
        stage: &Stage<'_, '_>,
        attempt: &mut Attempt<'_>,
        codes: &DeviceAuthorization,
    ) -> Result<Result<Poll, Missed>, Problem> {
        let endpoint = &attempt.discovered.server.token_endpoint;
        let (client, resource) = (&attempt.client.proof, attempt.resource.as_deref());
        let request = || {
            let (client, code) = (client.now()?, &codes.device_code);
            let request = device_code::token_request(endpoint, &client, code, resource);
            Ok((request, device_code::sent(&client, Some(code))))
        };
        match token_request::fetch(stage.egress, endpoint, &mut attempt.possession, request).await {
            Ok((answer, sent)) => Ok(match device_code::judge(endpoint, &sent, answer.status(), answer.body()) {
                Err(error) if error.is_passing() => Err(Missed::Unanswered(error.to_string())),
                judged => judged.map_err(Missed::Ended),
            }),
            Err(TokenRequestError::Network(error)) if passes(&error) => Ok(Err(Missed::Unanswered(error.to_string()))),
            Err(error) => Err(error.into()),
        }
    }

    fn refused_device(
        &self,
        stage: &mut Stage<'_, '_>,
        attempt: &Attempt<'_>,
        error: DeviceCodeError,
    ) -> Result<(), Problem> {
        let refusal = (error.forgets_registration(), error.into());
        self.refused(stage, attempt.discovered, &attempt.client, refusal)
    }
}

/// What a poll came to that is no word of the person.
enum Missed {
    /// The polling goes on, more slowly.
    Unanswered(String),
    /// It is over.
    Ended(DeviceCodeError),
}

/// Whether the network may be there again at the next poll.
fn passes(error: &HttpError) -> bool {
    use HttpError::{Broken, ConnectionFailed, ConnectionRefused, TimedOut, UnknownHost};
    matches!(
        error,
        TimedOut { .. } | UnknownHost { .. } | ConnectionRefused { .. } | ConnectionFailed { .. } | Broken { .. }
    )
}

/// The tokens as they go to the disk.
fn kept(attempt: &Attempt<'_>, mut response: TokenResponse, asked: SystemTime) -> Tokens {
    response.scope = response.scope.or_else(|| attempt.scope.map(str::to_owned));
    let endpoint = &attempt.discovered.server.token_endpoint;
    let tokens = tokens_of(response, asked, endpoint, attempt.resource.clone(), None);
    Tokens { grant: GrantType::DeviceCode, ..attempt.possession.bind(tokens) }
}

fn not_offered(issuer: &str) -> Problem {
    let issuer = SafeUrl::from_text(issuer);
    let what = format!("`{issuer}` offers no sign-in by device code (no `device_authorization_endpoint`)");
    let hint = "leave `--grant device-code` out; without a browser on this machine `mcp-bridge login --no-browser` takes the \
                URL that a browser elsewhere ends at";
    Problem::new(Code::InvalidSetting, what, hint).at(issuer)
}
