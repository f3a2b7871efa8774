//! Which way to a token is gone (A18): the one that the person chose, or what fits the settings and the server; and what
//! discovery must find for it. Must never ask anybody but the server's metadata. Each way is a file of its own beside.

use super::Walk;
use crate::oauth::server_metadata::{AuthorizationServerMetadata, PkceRule};
use crate::problem::{Code, Problem};
use crate::settings::GrantType;

impl Walk<'_> {
    /// The grant to use with this server.
    pub(super) fn grant(&self, _server: &AuthorizationServerMetadata) -> GrantType {
        self.job.settings.grant.unwrap_or_default()
    }

    /// How PKCE is judged by the grant that may come of it.
    pub(super) fn pkce_rule(&self) -> PkceRule {
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
