//! The setters of the authorization server: where it is, what it offers, whom it knows and who approves.

use std::net::SocketAddr;
use std::time::Duration;

use super::MockServerBuilder;
use crate::public_key::PublicKey;
use crate::server::MockServer;
use crate::settings::{Account, Approval, AuthMethod, Dpop, KnownClient, Layout, OfferedGrant, Settings};

impl MockServerBuilder {
    /// Where a client finds the authorization server (default: by RFC 9728).
    #[must_use]
    pub fn layout(mut self, layout: Layout) -> Self {
        self.settings.layout = layout;
        self
    }

    /// The issuer that the resource metadata names, and whose tokens alone are taken (default: this server itself). They
    /// are checked only if it is one that this server [trusts](Self::trusts).
    #[must_use]
    pub fn authorization_server(mut self, issuer: impl Into<String>) -> Self {
        self.settings.authorization_server = Some(issuer.into());
        self
    }

    /// Takes the key of another server and asks it about revoked tokens, while it runs; see
    /// [`authorization_server`](Self::authorization_server).
    #[must_use]
    pub fn trusts(mut self, other: &MockServer) -> Self {
        self.trusted.push(other.known_as());
        self
    }

    /// Issues tokens for another resource too: its URL is taken as `resource` (RFC 8707) and becomes the audience.
    #[must_use]
    pub fn also_issues_for(mut self, resource: impl Into<String>) -> Self {
        self.settings.also_issues_for.push(resource.into());
        self
    }

    /// Gives the issuer a path, as `/tenant1` (default: none).
    #[must_use]
    pub fn issuer_path(mut self, path: impl Into<String>) -> Self {
        self.settings.issuer_path = path.into();
        self
    }

    /// Gives the authorization server an origin of its own: a second port beside the MCP server's, a free one.
    #[must_use]
    pub fn separate_authorization_server(mut self) -> Self {
        self.settings.separate_authorization_server = Some(SocketAddr::new(self.settings.listen.ip(), 0));
        self
    }

    /// Serves no metadata of the authorization server: neither RFC 8414's nor an OpenID configuration.
    #[must_use]
    pub fn no_server_metadata(mut self) -> Self {
        self.settings.server_metadata = false;
        self.settings.openid_configuration = false;
        self
    }

    /// Whether RFC 8414 metadata is served (default yes).
    #[must_use]
    pub fn oauth_metadata(mut self, served: bool) -> Self {
        self.settings.server_metadata = served;
        self
    }

    /// Whether an OpenID configuration is served (default yes).
    #[must_use]
    pub fn openid_configuration(mut self, served: bool) -> Self {
        self.settings.openid_configuration = served;
        self
    }

    /// The only client authentication that is granted and taken (default: any of the three).
    #[must_use]
    pub fn token_endpoint_auth_method(mut self, method: AuthMethod) -> Self {
        self.settings.token_endpoint_auth_method = Some(method);
        self
    }

    /// Whether RFC 7591 registration is offered (default yes).
    #[must_use]
    pub fn registration(mut self, offered: bool) -> Self {
        self.settings.registration = offered;
        self
    }

    /// Whether tokens are bound to a key of the client (RFC 9449, default no).
    #[must_use]
    pub fn dpop(mut self, dpop: Dpop) -> Self {
        self.settings.dpop = dpop;
        self
    }

    /// Whether both servers demand a nonce of theirs in each proof (RFC 9449 §8, §9; default no); it stays the same until
    /// [`MockServer::change_dpop_nonces`].
    #[must_use]
    pub fn dpop_nonce(mut self, demanded: bool) -> Self {
        self.settings.dpop_nonce = demanded;
        self
    }

    /// Demands this token for a registration (RFC 7591 §3; default: anyone may register).
    #[must_use]
    pub fn initial_access_token(mut self, token: impl Into<String>) -> Self {
        self.settings.initial_access_token = Some(token.into());
        self
    }

    /// Whether clients may read, change and delete their registration (RFC 7592, default yes).
    #[must_use]
    pub fn client_management(mut self, offered: bool) -> Self {
        self.settings.client_management = offered;
        self
    }

    /// Whether RFC 7662 introspection is offered (default yes).
    #[must_use]
    pub fn introspection(mut self, offered: bool) -> Self {
        self.settings.introspection = offered;
        self
    }

    /// Lifetime of the secrets that registration gives (default: they do not expire).
    #[must_use]
    pub fn client_secret_lifetime(mut self, lifetime: Duration) -> Self {
        self.settings.client_secret_lifetime = Some(lifetime);
        self
    }

    /// Adds a client that was registered by hand; without a secret it is a public one.
    #[must_use]
    pub fn known_client(mut self, client_id: &str, secret: Option<&str>, redirect_uris: &[&str]) -> Self {
        self.settings.known_clients.push(KnownClient {
            client_id: client_id.to_owned(),
            secret: secret.map(str::to_owned),
            key: None,
            redirect_uris: redirect_uris.iter().map(|uri| (*uri).to_owned()).collect(),
        });
        self
    }

    /// Adds a client that was registered by hand with a public key and proves itself by that (RFC 7523 §2.2).
    #[must_use]
    pub fn known_client_with_key(mut self, client_id: &str, key: PublicKey, redirect_uris: &[&str]) -> Self {
        self.settings.known_clients.push(KnownClient {
            client_id: client_id.to_owned(),
            secret: None,
            key: Some(key),
            redirect_uris: redirect_uris.iter().map(|uri| (*uri).to_owned()).collect(),
        });
        self
    }

    /// The grants of the token endpoint (default: the code, with refresh tokens).
    #[must_use]
    pub fn grants(mut self, grants: impl IntoIterator<Item = OfferedGrant>) -> Self {
        self.settings.grants = grants.into_iter().collect();
        self
    }

    /// Takes the assertions of this issuer, checked by its key; those of a server that is [trusted](Self::trusts) are taken too.
    #[must_use]
    pub fn trusted_issuer(mut self, issuer: impl Into<String>, key: PublicKey) -> Self {
        self.settings.trusted_issuers.insert(issuer.into(), key);
        self
    }

    /// As an identity provider, issues identity assertions for this issuer, where the asking client has this id.
    #[must_use]
    pub fn identity_assertions(mut self, issuer: impl Into<String>, client_id: impl Into<String>) -> Self {
        self.settings.identity_assertions.insert(issuer.into(), client_id.into());
        self
    }

    /// Whether a client may be known by the URL of its metadata document (default no).
    #[must_use]
    pub fn client_metadata_documents(mut self, supported: bool) -> Self {
        self.settings.client_metadata_documents = supported;
        self
    }

    /// What the server finds under a client's URL; it fetches nothing. A document that breaks a rule is refused when the
    /// client turns up.
    #[must_use]
    pub fn client_document(mut self, url: &str, document: serde_json::Value) -> Self {
        self.settings.client_documents.insert(url.to_owned(), document);
        self
    }

    /// Lets devices sign in (RFC 8628; default no): the lifetime of their codes, and the time between two polls.
    #[must_use]
    pub fn device_code(mut self, lifetime: Duration, interval: Duration) -> Self {
        self.settings.device_code = true;
        self.settings.device_code_lifetime = lifetime;
        self.settings.device_code_interval = interval;
        self
    }

    /// Whether RFC 7009 revocation is offered (default yes).
    #[must_use]
    pub fn revocation(mut self, offered: bool) -> Self {
        self.settings.revocation = offered;
        self
    }

    /// What the person says at the authorization endpoint (default yes to everything valid).
    #[must_use]
    pub fn auto_approve(mut self, approval: Approval) -> Self {
        self.settings.approval = approval;
        self
    }

    /// Who can sign in (default Alice and Bob); an empty list is as good as the default.
    #[must_use]
    pub fn accounts(mut self, accounts: impl IntoIterator<Item = Account>) -> Self {
        self.settings.accounts = accounts.into_iter().collect();
        if self.settings.accounts.is_empty() {
            self.settings.accounts = Settings::default().accounts;
        }
        self
    }

    /// The `sub` of the account that approves where no page asks (default: the first one).
    #[must_use]
    pub fn approve_as(mut self, sub: impl Into<String>) -> Self {
        self.settings.approve_as = Some(sub.into());
        self
    }
}
