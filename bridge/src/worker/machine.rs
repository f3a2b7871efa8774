//! The grants without a person (A18): the client's own credentials, an assertion from a file, an identity assertion for an
//! ID token. They run anew whenever a token is due or refused, from what the person keeps at that moment; a refresh token
//! is of no use. After a refused assertion there is no retry and no other grant. Read next: [`provider`], `oauth::grant`.

mod audience;
mod provider;
mod refusal;

use std::time::SystemTime;

use self::refusal::Ask;
use super::client_proof::ClientProof;
use super::preparation::Prepared;
use super::progress::Progress;
use super::refresh::tokens_of;
use super::sign_in::Stage;
use super::token_request::{self, Possession, TokenRequestError};
use super::{Walk, given_file};
use crate::credentials::record::{Discovery, Record, Registration, Tokens};
use crate::credentials::sign_in::Phase;
use crate::http::Egress;
use crate::oauth::client_authentication::{ClientAuthentication, TokenEndpointAuthMethod};
use crate::oauth::endpoint::Endpoint;
use crate::oauth::grant::client_credentials::{self, ClientCredentialsGrant};
use crate::oauth::grant::jwt_bearer::{self, JwtBearerGrant};
use crate::problem::{Code, Problem};
use crate::secret::{Secret, SentSecrets};
use crate::settings::GrantType;
use crate::untrusted::Untrusted;

/// Where a grant is asked for, and what for.
struct Target {
    issuer: String,
    token_endpoint: Endpoint,
    /// What an identity assertion is for.
    published: String,
    /// What goes into the `resource` parameter, if anything.
    resource: Option<String>,
    scope: Option<String>,
    /// `token_endpoint_auth_methods_supported`.
    listed: Vec<String>,
    takes_documents: bool,
}

impl Target {
    fn discovered(prepared: Prepared, resource: Option<String>) -> Target {
        let server = prepared.discovered.server;
        Target {
            issuer: server.issuer,
            token_endpoint: server.token_endpoint,
            published: prepared.discovered.resource,
            resource,
            scope: prepared.scope,
            listed: server.token_endpoint_auth_methods_supported.unwrap_or_default(),
            takes_documents: server.client_id_metadata_document_supported,
        }
    }

    fn known(known: &Discovery, tokens: &Tokens, token_endpoint: Endpoint) -> Target {
        Target {
            issuer: known.issuer.clone(),
            token_endpoint,
            published: known.resource.clone(),
            resource: tokens.resource.clone(),
            scope: tokens.scope.clone(),
            listed: known.token_endpoint_auth_methods_supported.clone(),
            takes_documents: known.client_id_metadata_document_supported,
        }
    }
}

impl Walk<'_> {
    /// Gets a token by a grant without a person, where discovery has led.
    pub(super) async fn granted(
        &self,
        stage: &mut Stage<'_, '_>,
        prepared: Prepared,
        grant: GrantType,
    ) -> Result<(), Problem> {
        stage.progress.phase(Phase::Exchanging);
        let possession = self.possession(stage.record, &prepared.discovered)?;
        let resource = self.resource(stage.record, &prepared.discovered);
        let target = Target::discovered(prepared, resource);
        self.ask_for(stage.egress, stage.record, grant, &target, (possession, None)).await
    }

    /// Gets the next token by the grant that brought the stored one, from the server that was discovered then. False where
    /// another way is to be gone now.
    ///
    /// # Errors
    /// Where there is none: what is stored is kept.
    pub(super) async fn granted_again(
        &self,
        egress: &Egress,
        record: &mut Record,
        progress: &mut Progress<'_>,
    ) -> Result<bool, Problem> {
        let Some((_, current)) = record.current() else { return Ok(false) };
        let (Some(tokens), Some(known)) = (&current.tokens, &current.discovery) else { return Ok(false) };
        let grant = tokens.grant;
        if self.job.settings.grant.is_some_and(|chosen| chosen != grant) {
            return Ok(false);
        }
        progress.phase(Phase::Refreshing);
        let endpoint = Endpoint::parse("token_endpoint", &tokens.token_endpoint, &self.rule)?;
        let target = Target::known(known, tokens, endpoint);
        let wants_dpop = self.job.challenge.as_ref().is_some_and(|challenge| challenge.wants_dpop);
        let Some(possession) = Possession::of_refresh(tokens, self.job.settings.dpop, wants_dpop)? else {
            return Ok(false);
        };
        let begun = Some(tokens.signed_in_at);
        self.ask_for(egress, record, grant, &target, (possession, begun)).await?;
        Ok(true)
    }

    /// Asks once, and stores what comes.
    async fn ask_for(
        &self,
        egress: &Egress,
        record: &mut Record,
        grant: GrantType,
        target: &Target,
        (mut possession, begun): (Possession, Option<u64>),
    ) -> Result<(), Problem> {
        let client = self.given_client(record, &target.issuer, &target.listed, target.takes_documents)?;
        check(grant, client.as_ref(), target)?;
        let ask = match grant {
            GrantType::JwtBearer => self.kept_assertion(target)?,
            GrantType::Enterprise => self.identity_assertion(target).await?,
            _ => Ask::Client,
        };
        let (registration, proof) = client.unzip();
        let request = || {
            let proof = proof.as_ref().map(ClientProof::now).transpose()?;
            request_of(&ask, proof.as_ref(), target)
        };
        let room = self.room.reserve(self.lock)?;
        let asked = SystemTime::now();
        let endpoint = &target.token_endpoint;
        let answered = token_request::ask(egress, endpoint, &mut possession, request).await;
        let mut response = answered.map_err(|error| match error {
            TokenRequestError::Token(error) => refusal::told(&ask, registration.as_ref(), &target.issuer, &error),
            error => error.into(),
        })?;
        // A fresh grant is at hand at any time, and says more of who asks than a refresh token does (RFC 6749 §4.4.3).
        response.refresh_token = None;
        response.scope = response.scope.or_else(|| target.scope.clone());
        let response = self.bearer_of(response, asked, endpoint)?;
        let mut tokens = possession.bind(tokens_of(response, asked, endpoint, target.resource.clone(), begun));
        tokens.grant = grant;
        record.issuer = Some(target.issuer.clone());
        record.issuer_mut(&target.issuer).granted(registration, tokens);
        *record = self.room.write_reserved(self.lock, room, record.clone()).await?;
        tracing::info!("got a token from `{}` by {}", Untrusted::new(target.issuer.as_str()), grant.as_str());
        Ok(())
    }

    /// The assertion that somebody keeps fresh, as it is now.
    fn kept_assertion(&self, target: &Target) -> Result<Ask, Problem> {
        let hint = "have a current assertion written there, a JWT alone; it is read again each time";
        let Some(file) = self.job.settings.machine.assertion_file.clone() else {
            return Err(Problem::new(
                Code::InvalidSetting,
                "the token came by an assertion, and no file of one is given now",
                "add `--assertion-file FILE`, or run `mcp-bridge logout URL` to sign in another way",
            ));
        };
        let assertion = given_file::jwt(&file, "an assertion", hint)?;
        let is_named = self.job.settings.issuer.as_ref() == Some(&target.issuer);
        audience::check(&file, &assertion, (&target.issuer, is_named), &target.token_endpoint)?;
        Ok(Ask::Assertion { file, assertion })
    }
}

fn request_of(
    ask: &Ask,
    client: Option<&ClientAuthentication>,
    target: &Target,
) -> Result<(http::Request<bytes::Bytes>, SentSecrets), Problem> {
    let (scope, resource) = (target.scope.as_deref(), target.resource.as_deref());
    let endpoint = &target.token_endpoint;
    let by_assertion = |assertion: &Secret| {
        let grant = JwtBearerGrant { assertion, scope, resource };
        (jwt_bearer::request(endpoint, client, &grant), grant.sent(client))
    };
    match (ask, client) {
        (Ask::Assertion { assertion, .. } | Ask::Identity { assertion, .. }, _) => Ok(by_assertion(assertion)),
        (Ask::Client, Some(client)) => {
            let grant = ClientCredentialsGrant { scope, resource };
            Ok((client_credentials::request(endpoint, client, &grant), client_credentials::sent(client)))
        }
        (Ask::Client, None) => Err(no_client(GrantType::ClientCredentials, &target.issuer)),
    }
}

/// Whether the client is enough of one for this grant.
fn check(grant: GrantType, client: Option<&(Registration, ClientProof)>, target: &Target) -> Result<(), Problem> {
    match (grant, client) {
        (GrantType::ClientCredentials | GrantType::Enterprise, None) => Err(no_client(grant, &target.issuer)),
        // RFC 6749 §4.4: confidential clients only.
        (GrantType::ClientCredentials, Some((registration, proof)))
            if proof.method() == TokenEndpointAuthMethod::None =>
        {
            let client = Untrusted::new(registration.client_id.as_str());
            let what = format!("the client `{client}` has neither a secret nor a key, and is to sign in as itself");
            let hint = "add `--private-key-file FILE`, `--client-secret-env VAR` or `--client-secret-file FILE`";
            Err(Problem::new(Code::InvalidSetting, what, hint))
        }
        _ => Ok(()),
    }
}

fn no_client(grant: GrantType, issuer: &str) -> Problem {
    let (grant, issuer) = (grant.as_str(), Untrusted::new(issuer));
    let what = format!("the grant `{grant}` at `{issuer}` is for a client that is known there, and none is given");
    Problem::new(Code::InvalidSetting, what, "ask its operator for a client id, then add `--client-id ID`")
}
