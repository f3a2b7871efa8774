//! The builder: one setter for each setting, by value, so that a test reads as one sentence.
//! It only fills [`Settings`]; `server.rs` starts what it describes. The setters of the authorization server are in
//! `builder/authorization.rs`.

mod authorization;

mod mcp;

use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

use crate::faults::FaultSetting;
use crate::server::{MockServer, StartError};
use crate::settings::{ReplyForm, ServerCertificate, Settings, TokenFormat};
use crate::state::Known;
use crate::tls::IssuedCertificate;

/// Describes a server that is not started yet; made by [`MockServer::builder`].
#[derive(Clone, Debug, Default)]
pub struct MockServerBuilder {
    settings: Settings,
    trusted: Vec<Known>,
}

impl MockServerBuilder {
    /// Replaces all settings at once.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Lifetime of access tokens (default 1 h).
    #[must_use]
    pub fn access_token_lifetime(mut self, lifetime: Duration) -> Self {
        self.settings.access_token_lifetime = lifetime;
        self
    }

    /// When access tokens really end, while `expires_in` goes on saying the lifetime (default: as said). To end all of
    /// them at one moment there is [`MockServer::expire_access_tokens`].
    #[must_use]
    pub fn access_token_ttl_override(mut self, lifetime: Duration) -> Self {
        self.settings.access_token_ttl_override = Some(lifetime);
        self
    }

    /// Lifetime of each refresh token (default 30 days).
    #[must_use]
    pub fn refresh_token_lifetime(mut self, lifetime: Duration) -> Self {
        self.settings.refresh_token_lifetime = lifetime;
        self
    }

    /// Whether each refresh gives a new refresh token and spends the old one (default yes).
    #[must_use]
    pub fn rotate_refresh_tokens(mut self, rotated: bool) -> Self {
        self.settings.rotate_refresh_tokens = rotated;
        self
    }

    /// The form of access tokens (default JWT).
    #[must_use]
    pub fn token_format(mut self, format: TokenFormat) -> Self {
        self.settings.token_format = format;
        self
    }

    /// How long a used refresh token still gives the same answer again (default: not at all; its family ends).
    #[must_use]
    pub fn refresh_grace(mut self, grace: Duration) -> Self {
        self.settings.refresh_grace = grace;
        self
    }

    /// Lets the token endpoint wait after it has acted and before it answers: random within the range, the same sequence
    /// for the same seed (default: no delay).
    #[must_use]
    pub fn token_delay(mut self, range: Range<Duration>, seed: u64) -> Self {
        self.settings.token_delay = Some((range, seed));
        self
    }

    /// Lifetime of authorization codes (default 60 s).
    #[must_use]
    pub fn authorization_code_lifetime(mut self, lifetime: Duration) -> Self {
        self.settings.authorization_code_lifetime = lifetime;
        self
    }

    /// How requests are answered when a tool does not need a stream (default JSON).
    #[must_use]
    pub fn reply(mut self, reply: ReplyForm) -> Self {
        self.settings.reply = reply;
        self
    }

    /// Lets web pages of this origin use the MCP endpoint (default: those of its own only); `*` is any.
    #[must_use]
    pub fn allowed_origin(mut self, origin: impl Into<String>) -> Self {
        self.settings.allowed_origins.push(origin.into());
        self
    }

    /// Whether the MCP endpoint demands a token (default yes).
    #[must_use]
    pub fn protected(mut self, protected: bool) -> Self {
        self.settings.protected = protected;
        self
    }

    /// Demands a token for `tools/call` only, as servers do whose tools may be listed by anyone (default: for everything).
    /// A token that is sent must be good all the same.
    #[must_use]
    pub fn open_until_tools_call(mut self, open: bool) -> Self {
        self.settings.open_until_tools_call = open;
        self
    }

    /// Demands a further scope for one tool; a token without it gets 403 `insufficient_scope`.
    #[must_use]
    pub fn tool_scope(mut self, tool: impl Into<String>, scope: impl Into<String>) -> Self {
        self.settings.tool_scopes.insert(tool.into(), scope.into());
        self
    }

    /// Lets `initialize` wait before it is answered (default: no delay).
    #[must_use]
    pub fn initialize_delay(mut self, delay: Duration) -> Self {
        self.settings.initialize_delay = delay;
        self
    }

    /// Adds something that is wrong on purpose: a [`Fault`](crate::Fault), or one [with a value](crate::Fault::with).
    #[must_use]
    pub fn fault(mut self, fault: impl Into<FaultSetting>) -> Self {
        self.settings.faults.push(fault.into());
        self
    }

    /// Lets faults be switched by `/admin/faults` while the server runs (default: they are not).
    #[must_use]
    pub fn admin(mut self, served: bool) -> Self {
        self.settings.admin = served;
        self
    }

    /// Keeps only the last so many requests in the log (default: all), so that a long run does not grow.
    #[must_use]
    pub fn log_limit(mut self, requests: usize) -> Self {
        self.settings.log_limit = Some(requests);
        self
    }

    /// Where to listen (default 127.0.0.1, a free port).
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.settings.listen = address;
        self
    }

    /// The origin that URLs and the issuer begin with (default: the address listened on).
    #[must_use]
    pub fn public_origin(mut self, origin: impl Into<String>) -> Self {
        self.settings.public_origin = Some(origin.into());
        self
    }

    /// Speaks TLS, with a throw-away certificate; [`MockServer::ca_pem`] is what a client must trust.
    #[must_use]
    pub fn tls(mut self) -> Self {
        self.settings.tls = Some(ServerCertificate::ThrowAway);
        self
    }

    /// Speaks TLS, with this certificate.
    #[must_use]
    pub fn tls_certificate(mut self, certificate: IssuedCertificate) -> Self {
        self.settings.tls = Some(ServerCertificate::Given(certificate));
        self
    }

    /// Speaks TLS, and only with clients whose certificate comes from this authority (PEM), such as
    /// [`ThrowAwayCa::pem`](crate::ThrowAwayCa::pem).
    #[must_use]
    pub fn client_ca(mut self, pem: impl Into<String>) -> Self {
        self.settings.client_ca = Some(pem.into());
        self
    }

    /// Whether HTTP/2 is offered under TLS (default yes).
    #[must_use]
    pub fn http2(mut self, offered: bool) -> Self {
        self.settings.http2 = offered;
        self
    }

    /// Starts the server on the current tokio runtime.
    ///
    /// # Errors
    /// [`StartError`]: the address cannot be had, no signing key can be made, or a certificate is of no use.
    pub async fn start(self) -> Result<MockServer, StartError> {
        MockServer::start(self.settings, self.trusted).await
    }
}
