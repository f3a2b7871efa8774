//! Which way to a token is gone (A18): the one that the person chose, or what fits the settings and the server; and what
//! discovery must find for it. Must never ask anybody but the server's metadata. Each way is a file of its own beside.

use super::Walk;
use super::discovery::{self, Discovered};
use super::job::Challenged;
use super::sign_in::Stage;
use crate::oauth::server_metadata::{AuthorizationServerMetadata, PkceRule};
use crate::problem::{Code, Problem};
use crate::settings::GrantType;

impl Walk<'_> {
    /// The grant to use with this server.
    pub(super) fn grant(&self, _server: &AuthorizationServerMetadata) -> GrantType {
        self.job.settings.grant.unwrap_or_default()
    }

    /// Reads the metadata, by the rules of the grant that may come of it.
    pub(super) async fn discover(&self, stage: &Stage<'_, '_>, challenge: &Challenged) -> Result<Discovered, Problem> {
        let suits = |server: &_| self.suits(stage.record, server);
        let rules = (&self.rule, self.pkce_rule());
        discovery::discover(stage.egress, self.upstream(), challenge, rules, &suits).await
    }

    fn pkce_rule(&self) -> PkceRule {
        match self.job.settings.grant {
            Some(grant) if grant != GrantType::AuthorizationCode => PkceRule::NoCode,
            _ if self.job.settings.allow_missing_pkce => PkceRule::MayBeMissing,
            _ => PkceRule::Required,
        }
    }
}

/// A grant that has a name and nothing else yet.
pub(super) fn not_built(grant: GrantType) -> Problem {
    let what = format!("`--grant {}` is not there yet", grant.as_str());
    Problem::new(Code::InvalidSetting, what, "leave `--grant` out")
}
