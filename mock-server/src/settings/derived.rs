//! What follows from the settings: scopes, URLs, who approves, and what cannot be together.

use std::net::SocketAddr;

use url::Url;

use super::{
    ADMIN_SCOPE, Account, AuthMethod, EMAIL_SCOPE, Era, Layout, MCP_SCOPE, OFFLINE_SCOPE, OPENID_SCOPE, PROFILE_SCOPE,
    Settings, Transport,
};
use crate::authorization::device;

impl Settings {
    /// The methods that the token endpoint takes.
    pub(crate) fn auth_methods(&self) -> Vec<AuthMethod> {
        let knows_keys = self.known_clients.iter().any(|client| client.key.is_some());
        let all = AuthMethod::ALL.into_iter().chain(knows_keys.then_some(AuthMethod::PrivateKeyJwt));
        self.token_endpoint_auth_method.map_or_else(|| all.collect(), |only| vec![only])
    }

    /// The grants by their names (RFC 8414 §2).
    pub(crate) fn grant_types(&self) -> Vec<&'static str> {
        let of_device = self.device_code.then_some(device::GRANT_TYPE);
        self.grants.iter().flat_map(|grant| grant.names()).copied().chain(of_device).collect()
    }

    /// The MCP server's origin, as it listens on this address.
    pub(crate) fn origin(&self, address: SocketAddr) -> String {
        self.public_origin.clone().unwrap_or_else(|| self.listened_on(address))
    }

    /// The issuer; the address is that of the authorization server, if it has one of its own.
    pub(crate) fn issuer(&self, origin: &str, own: Option<SocketAddr>) -> String {
        let own = own.map(|own| self.public_authorization_origin.clone().unwrap_or_else(|| self.listened_on(own)));
        format!("{}{}", own.as_deref().unwrap_or(origin), self.issuer_path)
    }

    fn listened_on(&self, address: SocketAddr) -> String {
        let scheme = if self.tls.is_some() || self.client_ca.is_some() { "https" } else { "http" };
        format!("{scheme}://{address}")
    }

    /// The hosts of the public origins.
    pub(crate) fn public_hosts(&self) -> impl Iterator<Item = String> {
        let origins = [&self.public_origin, &self.public_authorization_origin].into_iter().flatten();
        let hosts = origins.filter_map(|origin| Url::parse(origin).ok()?.host_str().map(str::to_owned));
        hosts.map(|host| host.trim_matches(['[', ']']).to_owned())
    }

    /// What of these settings cannot be together.
    pub(crate) fn contradiction(&self) -> Option<&'static str> {
        let path = self.issuer_path.as_str();
        let segments = path.strip_prefix('/').is_some_and(|rest| {
            let plain = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
            rest.split('/').all(|part| !part.trim_matches('.').is_empty() && part.chars().all(plain))
        });
        let at_origin = path.is_empty() && self.separate_authorization_server.is_none();
        if !path.is_empty() && !segments {
            Some(
                "the path of the issuer must look as /tenant1 does: segments of letters, digits, `-`, `.`, `_` and `~`",
            )
        } else if self.layout == Layout::Authorization2025_03_26 && !at_origin {
            Some("MCP 2025-03-26 knows the authorization server at the MCP server's origin only, without a path")
        } else if self.mcp.era != Era::Legacy && self.mcp.transport == Transport::HttpSse {
            Some("the transport HTTP+SSE belongs to the legacy era: it ended before MCP 2026-07-28")
        } else if self.accounts.is_empty() {
            Some("there must be an account")
        } else {
            None
        }
    }

    /// Who approves where no page asks.
    pub(crate) fn approving_account(&self) -> Account {
        let named = self.accounts.iter().find(|account| Some(&account.sub) == self.approve_as.as_ref());
        let account = named.or(self.accounts.first());
        account.cloned().unwrap_or_else(|| Account::new("alice", "Alice Example"))
    }

    /// The scopes that mean something to the MCP endpoint.
    pub(crate) fn resource_scopes(&self) -> Vec<&str> {
        let mut scopes = vec![MCP_SCOPE];
        for scope in self.tool_scopes.values() {
            if !scopes.contains(&scope.as_str()) {
                scopes.push(scope);
            }
        }
        scopes
    }

    /// The scopes that the authorization server grants.
    pub(crate) fn server_scopes(&self) -> Vec<&str> {
        let mut scopes = self.resource_scopes();
        for scope in [ADMIN_SCOPE, OFFLINE_SCOPE, OPENID_SCOPE, PROFILE_SCOPE, EMAIL_SCOPE] {
            if !scopes.contains(&scope) {
                scopes.push(scope);
            }
        }
        scopes
    }
}
