//! The refresh (RFC 6749 §6, A14), under the lock from reading to renaming: the room on the disk is there before the
//! refresh token is spent, and the new tokens are on the disk before anybody uses them.

use std::time::{Duration, SystemTime};

use super::Walk;
use super::client_identity;
use super::client_proof::ClientProof;
use super::discovery::is_on_origin_of;
use super::healing::remedy::Refusal;
use super::progress::Progress;
use super::token_request::{self, Possession, TokenRequestError};
use crate::credentials::record::{Concessions, Record, Registration, Source, Tokens, unix_now};
use crate::credentials::sign_in::Phase;
use crate::http::Egress;
use crate::oauth::client_authentication::{ClientAuthentication, TokenEndpointAuthMethod};
use crate::oauth::endpoint::Endpoint;
use crate::oauth::grant::refresh;
use crate::oauth::token_response::{TokenError, TokenResponse};
use crate::problem::Problem;
use crate::safe_url::SafeUrl;
use crate::secret::Secret;
use crate::settings::{GrantType, ResourceChoice};

impl Walk<'_> {
    /// Refreshes the tokens of the issuer in use. False where that is not possible and a sign-in is due.
    ///
    /// # Errors
    /// Where the token endpoint cannot be reached or makes no sense: everything stored is kept (A15).
    pub(super) async fn refresh(
        &self,
        egress: &Egress,
        record: &mut Record,
        progress: &mut Progress<'_>,
    ) -> Result<bool, Problem> {
        let Some((issuer, current)) = record.current() else { return Ok(false) };
        let (Some(registration), Some(tokens)) = (&current.registration, &current.tokens) else { return Ok(false) };
        let Some(refresh_token) = tokens.refresh_token.clone() else { return Ok(false) };
        let issuer = issuer.to_owned();
        let discovered = || current.discovery.as_ref().map(|discovery| discovery.resource.clone());
        let resource = match &self.job.settings.authorization.resource {
            ResourceChoice::Omitted => None,
            ResourceChoice::Given(given) => tokens.resource.clone().or_else(|| Some(given.clone())),
            ResourceChoice::Published => tokens.resource.clone().or_else(discovered),
        };
        let endpoint = Endpoint::parse("token_endpoint", &tokens.token_endpoint, &self.rule)?;
        let listed = current.discovery.as_ref().map(|known| known.token_endpoint_auth_methods_supported.as_slice());
        let known = &self.job.settings.client;
        let proof = client_identity::authentication(registration, known, listed.unwrap_or_default(), &issuer)?;
        let Some(proof) = proof else { return Ok(false) };
        let wants_dpop = self.job.challenge.as_ref().is_some_and(|challenge| challenge.wants_dpop);
        let possession = Possession::of_refresh(tokens, self.job.settings.dpop, wants_dpop)?;
        let Some(mut possession) = possession else { return Ok(false) };
        let registration = registration.clone();
        let (scope, signed_in_at) = (tokens.scope.clone(), tokens.signed_in_at);
        progress.phase(Phase::Refreshing);
        let room = self.room.reserve(self.lock)?;
        let asked = SystemTime::now();
        let mut concessions = current.concessions.clone();
        let question =
            Question { endpoint: &endpoint, client: &proof, refresh_token: &refresh_token, scope: scope.as_deref() };
        let at_home = is_on_origin_of(&issuer, self.upstream()) || concessions.no_resource;
        let named = (resource.as_deref(), self.resource_is_free(), at_home);
        let answered = question.ask(egress, &mut possession, named, &mut concessions).await;
        let judged = match answered {
            Ok(tokens) => Ok(tokens),
            Err(TokenRequestError::Token(error)) => Err(error),
            Err(error) => return Err(error.into()),
        };
        match judged {
            Ok(tokens) => {
                let tokens = match self.bearer_of(tokens, asked, &endpoint) {
                    Ok(tokens) => tokens,
                    // A refresh need not bring one (OpenID Connect Core §12.2): then only a sign-in does.
                    Err(error) => {
                        tracing::warn!("{error} at a refresh: a sign-in is due");
                        give_up(record, &issuer, &error);
                        self.save(record)?;
                        return Ok(false);
                    }
                };
                let tokens = tokens.after_refresh(&refresh_token, scope.as_deref());
                let tokens = tokens_of(tokens, asked, &endpoint, resource, Some(signed_in_at));
                let stored = record.issuer_mut(&issuer);
                (stored.tokens, stored.concessions) = (Some(possession.bind(tokens)), concessions);
                *record = self.room.write_reserved(self.lock, room, record.clone()).await?;
                tracing::info!("refreshed the token for `{}`", SafeUrl::new(self.upstream()));
                Ok(true)
            }
            Err(error) if error.forgets_registration() && registration.source != Source::Dynamic => {
                Err(client_identity::refused(&registration, &error.to_string()).at(endpoint.shown()))
            }
            Err(error) if error.forgets_refresh_token() || error.forgets_registration() => {
                tracing::warn!("{error}: a sign-in is due");
                give_up(record, &issuer, &error);
                self.save(record)?;
                Ok(false)
            }
            // Whatever the server means by it, it gives no token for this one; a person can go on, and nothing is lost.
            Err(error) if error.is_refusal() && self.job.may_ask() => {
                tracing::warn!("{error}: asking the person instead");
                Ok(false)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// A refresh, to be asked for.
struct Question<'a> {
    endpoint: &'a Endpoint,
    client: &'a ClientProof,
    refresh_token: &'a Secret,
    /// As granted.
    scope: Option<&'a str>,
}

impl Question<'_> {
    /// Asks, and once more for each remedy that a refusal has; what helps is to be kept with the new tokens. The `resource`
    /// is left out only if it is free: nobody chose it.
    async fn ask(
        &self,
        egress: &Egress,
        possession: &mut Possession,
        (resource, is_free, at_home): (Option<&str>, bool, bool),
        concessions: &mut Concessions,
    ) -> Result<TokenResponse, TokenRequestError> {
        let Question { endpoint, client, refresh_token, scope } = *self;
        loop {
            let omits_resource = is_free && (concessions.no_resource || concessions.no_resource_on_refresh);
            let (resource, again) =
                (resource.filter(|_| !omits_resource), scope.filter(|_| concessions.scope_on_refresh));
            let request = || {
                let client = client.now()?;
                let request = refresh::request(endpoint, &client, refresh_token, resource, again);
                Ok((request, refresh::sent(&client, refresh_token)))
            };
            let answered = match token_request::ask(egress, endpoint, possession, request).await {
                // The answer may have been lost, and the token be spent: a server with a grace period gives it again, and a
                // strict one has ended nothing that was not lost already.
                Err(TokenRequestError::Network(error)) if !error.never_sent() => {
                    tracing::warn!("{error}: asking once more");
                    token_request::ask(egress, endpoint, possession, request).await
                }
                answered => answered,
            };
            let Err(TokenRequestError::Token(error)) = &answered else { return answered };
            let missed = scope.filter(|_| again.is_none());
            let refusal = Refusal::of_token(error);
            // Each remedy is news once, so this ends.
            match refusal
                .and_then(|refusal| refusal.remedy_of_refresh((is_free && resource.is_some(), at_home), missed))
            {
                Some(remedy) if remedy.add_to(concessions) => tracing::warn!("{error}: asking again {remedy}"),
                _ => return answered,
            }
        }
    }
}

/// Sets the refused token aside, and with it the registration where that is what was refused.
fn give_up(record: &mut Record, issuer: &str, error: &TokenError) {
    let stored = record.issuer_mut(issuer);
    let refused = stored.tokens.as_ref().and_then(|tokens| tokens.refresh_token.clone());
    if let Some(refused) = refused {
        stored.set_aside_refused(&refused, &error.to_string(), unix_now());
    }
    if error.forgets_registration()
        && let Some(client_id) = stored.registration.as_ref().map(|client| client.client_id.clone())
    {
        stored.doubt(&client_id);
    }
}

/// How the stored client proves itself.
pub(super) fn client_of(registration: &Registration) -> ClientAuthentication {
    let method = TokenEndpointAuthMethod::from_name(&registration.token_endpoint_auth_method)
        .unwrap_or(TokenEndpointAuthMethod::ClientSecretBasic);
    ClientAuthentication::new(registration.client_id.clone(), registration.client_secret.clone(), method)
}

/// A token response as it goes to the disk. A refreshed one says when the person had signed in. What they are bound to is
/// added by [`Possession::bind`].
pub(super) fn tokens_of(
    response: TokenResponse,
    asked: SystemTime,
    endpoint: &Endpoint,
    resource: Option<String>,
    signed_in_at: Option<u64>,
) -> Tokens {
    let seconds = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
    Tokens {
        expires_at: response.expires_at(asked).map(seconds),
        access_token: response.access_token,
        resource,
        token_type: response.token_type.as_str().to_owned(),
        obtained_at: seconds(asked),
        signed_in_at: signed_in_at.unwrap_or_else(|| seconds(asked)),
        refreshed: signed_in_at.is_some(),
        refresh_token: response.refresh_token,
        scope: response.scope,
        grant: GrantType::default(),
        token_endpoint: endpoint.as_str().to_owned(),
        dpop: None,
        extra: crate::credentials::record::Extra::default(),
    }
}
