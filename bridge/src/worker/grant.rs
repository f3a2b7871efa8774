//! Which way to a token is gone (A18): the one that the person chose, or what fits the settings and the server; and what
//! discovery must find for it. Must never ask anybody but the server's metadata. Each way is a file of its own beside.

use std::time::SystemTime;

use super::Walk;
use crate::credentials::record::Record;
use crate::oauth::access_token;
use crate::oauth::endpoint::Endpoint;
use crate::oauth::server_metadata::AuthorizationServerMetadata;
use crate::oauth::token_response::{TokenError, TokenResponse};
use crate::problem::{Code, Problem};
use crate::safe_url::SafeUrl;
use crate::settings::{GrantType, SignInSettings};
use crate::untrusted::Untrusted;

impl Walk<'_> {
    /// The grant to use with this server.
    pub(super) fn grant(&self, server: &AuthorizationServerMetadata) -> GrantType {
        fitting(&self.job.settings, server.grant_types_supported.as_deref())
    }

    /// Whether it may be that no person is needed; which grant it is only the server's metadata tells.
    pub(super) fn may_be_machine(&self, record: &Record) -> bool {
        let stored = record.current_tokens().is_some_and(|tokens| tokens.grant.is_machine());
        self.job.settings.grant.map_or(stored, GrantType::is_machine)
    }

    /// The response with what is to be shown to the upstream as its token: the ID token, where the person says so, and then
    /// for as long as that tells.
    pub(super) fn bearer_of(
        &self,
        mut response: TokenResponse,
        asked: SystemTime,
        endpoint: &Endpoint,
    ) -> Result<TokenResponse, TokenError> {
        if !self.job.settings.use_id_token {
            return Ok(response);
        }
        let id_token = response.id_token.take().ok_or_else(|| TokenError::NoIdToken { at: endpoint.shown() })?;
        if let Some(end) = access_token::expires_at(&id_token) {
            let end = SystemTime::UNIX_EPOCH.checked_add(std::time::Duration::from_secs(end));
            response.expires_in = end.and_then(|end| end.duration_since(asked).ok());
        }
        response.access_token = id_token;
        Ok(response)
    }
}

/// The person's choice; else the client's own credentials, where the client has some and the server takes no code; else a
/// code.
fn fitting(settings: &SignInSettings, listed: Option<&[String]>) -> GrantType {
    let lists = |name: &str| listed.is_some_and(|listed| listed.iter().any(|known| known == name));
    match settings.grant {
        Some(grant) => grant,
        None if settings.client.can_prove() && lists("client_credentials") && !lists("authorization_code") => {
            GrantType::ClientCredentials
        }
        None => GrantType::AuthorizationCode,
    }
}

/// Whether a server has no place for a browser, and says that it wants none.
pub(super) fn takes_no_code(server: &AuthorizationServerMetadata) -> bool {
    let listed = server.grant_types_supported.as_deref();
    let lists_code = listed.is_none_or(|listed| listed.iter().any(|grant| grant == "authorization_code"));
    server.authorization_endpoint.is_none() && !lists_code
}

pub(super) fn no_code(server: &AuthorizationServerMetadata) -> Problem {
    let issuer = SafeUrl::from_text(&server.issuer);
    let grants = server.grant_types_supported.as_deref().unwrap_or_default().join(", ");
    let what = format!("`{issuer}` signs no person in with a browser; it takes the grants: {}", Untrusted::new(grants));
    let hint = "ask its operator for a client id, then add `--client-id ID` with `--private-key-file FILE` or \
                `--client-secret-env VAR`, or name another way with `--grant`";
    Problem::new(Code::RegistrationUnsupported, what, hint).at(issuer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::SecretPlace;
    use crate::worker::job::tests::job;

    #[test]
    fn a18_the_way_is_the_chosen_one_or_fits_settings_and_server() {
        use GrantType::{AuthorizationCode, ClientCredentials, JwtBearer};
        let plain = job(None).settings;
        let mut proving = plain.clone();
        proving.client.client_id = Some("c".to_owned());
        proving.client.client_secret = Some(SecretPlace::Variable("V".to_owned()));
        let chosen = SignInSettings { grant: Some(JwtBearer), ..proving.clone() };
        let code = SignInSettings { grant: Some(AuthorizationCode), ..proving.clone() };
        let table = [
            ("nothing known", &plain, None, AuthorizationCode),
            ("a server for machines, no client", &plain, Some(&["client_credentials"][..]), AuthorizationCode),
            ("a client, a server that says nothing", &proving, None, AuthorizationCode),
            ("a client, a server for machines", &proving, Some(&["client_credentials"]), ClientCredentials),
            ("both", &proving, Some(&["authorization_code", "client_credentials"]), AuthorizationCode),
            ("chosen", &chosen, Some(&["client_credentials"]), JwtBearer),
            ("a code, chosen", &code, Some(&["client_credentials"]), AuthorizationCode),
        ];
        for (name, settings, listed, expected) in table {
            let listed = listed.map(|names| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
            assert_eq!(fitting(settings, listed.as_deref()), expected, "{name}");
        }
    }
}
