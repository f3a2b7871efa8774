//! What is known before a grant is asked for, whichever it is: who issues tokens for the upstream, and what scope is wanted of
//! them (A1 to A4, A9). It must never ask a person, but who sits at a terminal whether an issuer is the one. Read `grant` next.

use super::Walk;
use super::discovery::Discovered;
use super::job::Challenged;
use super::sign_in::Stage;
use crate::credentials::record::{Discovery, Extra, Record, unix_now};
use crate::credentials::sign_in::Phase;
use crate::oauth::scope::{self, Scope};
use crate::problem::Problem;

/// What is known before a grant is asked for.
pub(super) struct Prepared {
    pub(super) discovered: Discovered,
    pub(super) scope: Option<String>,
}

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
        let scope = self.conceded_scope(stage.record, &discovered, scope.as_deref());
        Ok(Prepared { discovered, scope })
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
            // What no refresh token comes of needs no `offline_access`.
            discovered.server.scopes_supported.as_deref().filter(|_| !self.grant(&discovered.server).is_machine()),
        );
        let chosen = chosen.map(|scope| scope.to_string());
        Ok(if self.job.settings.use_id_token { Some(scope::with_openid(chosen.as_deref())) } else { chosen })
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
}
