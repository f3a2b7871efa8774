//! The company's identity provider (Enterprise-Managed Authorization §4): an ID token goes there, an identity assertion for
//! one authorization server comes back. It must never be told by a server where it is: the person says so.

use super::super::{Walk, client_secret, given_file};
use super::Target;
use super::refusal::{self, Ask};
use crate::http::{AddressGuard, Egress, Network};
use crate::oauth::client_authentication::{ClientAuthentication, method_for_secret};
use crate::oauth::endpoint::{Endpoint, UrlRule};
use crate::oauth::grant::token_exchange::{self, TokenExchangeGrant};
use crate::problem::{Code, Problem};
use crate::settings::IdentityProvider;

impl Walk<'_> {
    /// An identity assertion for the authorization server, for the ID token as it is now.
    pub(super) async fn identity_assertion(&self, target: &Target) -> Result<Ask, Problem> {
        let Some(provider) = &self.job.settings.machine.identity_provider else {
            return Err(Problem::new(
                Code::InvalidSetting,
                "the token came by way of an identity provider, and none is given now",
                "add `--idp-token-endpoint URL` and `--id-token-file FILE`, or run `mcp-bridge logout URL` to sign in \
                 another way",
            ));
        };
        let hint =
            "sign in at the identity provider, and have the ID token written there, alone; it is read again each time";
        let id_token = given_file::jwt(&provider.id_token_file, "an ID token", hint)?;
        let client = client_of(provider)?;
        let endpoint = Endpoint::parse("--idp-token-endpoint", provider.token_endpoint.as_str(), &UrlRule::default())?;
        let grant = TokenExchangeGrant {
            id_token: &id_token,
            audience: &target.issuer,
            resource: &target.published,
            scope: target.scope.as_deref(),
        };
        // The person named it: it may be in the company's own network, whatever the upstream is (A19).
        let network = Network::load(&self.job.settings.network)?;
        let egress = Egress::new(AddressGuard::new(&provider.token_endpoint), network);
        let answer = egress.fetch(token_exchange::request(&endpoint, client.as_ref(), &grant)).await?;
        let sent = grant.sent(client.as_ref());
        let judged = token_exchange::judge(&endpoint, &sent, answer.status(), answer.body());
        let assertion = judged.map_err(|error| refusal::by_provider(provider, &error))?;
        Ok(Ask::Identity { provider: endpoint, assertion })
    }
}

/// This client as the provider knows it. Which methods that takes is not asked: Basic is what every server takes (RFC 6749
/// §2.3.1).
fn client_of(provider: &IdentityProvider) -> Result<Option<ClientAuthentication>, Problem> {
    let secret = provider.client_secret.as_ref().map(client_secret::read).transpose()?;
    let client = provider.client_id.clone();
    Ok(client.map(|client_id| match secret {
        Some(secret) => ClientAuthentication::new(client_id, Some(secret), method_for_secret(&[])),
        None => ClientAuthentication::None { client_id },
    }))
}
