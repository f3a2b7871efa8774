//! A running server: its start, its end, and the door through which a test looks at it and changes it.
//! Its connections are in `port.rs`, its paths in `router.rs`.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

use crate::authorization::dpop::Role;
use crate::authorization::jwt::{KeyError, SigningKey};
use crate::authorization::records::Ended;
use crate::builder::MockServerBuilder;
use crate::counts::Counts;
use crate::faults::{Fault, FaultSetting};
use crate::log::{Endpoint, Seen};
use crate::mcp::changes::{self, Listed};
use crate::mcp::modern::listen::OpenSubscription;
use crate::mcp::session::OpenSession;
use crate::port::Port;
use crate::public_key::{PublicKey, PublicKeyFault};
use crate::router::services;
use crate::settings::Settings;
use crate::state::{Known, ServerState, Shared};
use crate::timed_out::TimedOut;
use crate::tls::{self, TlsFault};

/// How long [`MockServer::wait_for`] waits.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long [`MockServer::stop`] lets subscriptions end.
const PARTING: Duration = Duration::from_secs(1);

/// A running server; dropping it stops it and closes its connections.
pub struct MockServer {
    state: Shared,
    port: Port,
    /// The authorization server's own, if it has one.
    authorization_port: Option<Port>,
    ca_pem: Option<String>,
}

/// Why a server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// Two settings cannot be together, or one cannot be at all.
    #[error("{0}")]
    Contradiction(&'static str),
    /// TLS is wanted and cannot be had.
    #[error(transparent)]
    Tls(#[from] TlsFault),
    /// No signing key.
    #[error("no signing key: {0}")]
    Key(#[from] KeyError),
}

impl Drop for MockServer {
    fn drop(&mut self) {
        // It needs no connection, so the end of all of them does not end it.
        self.state.sessions.stop_work();
    }
}

impl MockServer {
    /// Describes a server; `.start().await` runs it.
    #[must_use]
    pub fn builder() -> MockServerBuilder {
        MockServerBuilder::default()
    }

    pub(crate) async fn start(settings: Settings, trusted: Vec<Known>) -> Result<Self, StartError> {
        if let Some(contradiction) = settings.contradiction() {
            return Err(StartError::Contradiction(contradiction));
        }
        let (listener, address) = listening(settings.listen).await?;
        let separate = match settings.separate_authorization_server {
            Some(wanted) => Some(listening(wanted).await?),
            None => None,
        };
        let (acceptor, ca_pem) = match tls::prepared(&settings, address.ip())? {
            Some(tls) => (Some(tls.acceptor), tls.ca_pem),
            None => (None, None),
        };
        let origin = settings.origin(address);
        let issuer = settings.issuer(&origin, separate.as_ref().map(|(_, address)| *address));
        let state = Arc::new(ServerState::new(settings, origin, issuer, SigningKey::generate()?));
        trusted.into_iter().for_each(|other| state.trust(other));
        let (of_resource, of_authorization) = services(&state);
        let authorization_port = separate.zip(of_authorization);
        let authorization_port = authorization_port
            .map(|((listener, address), service)| Port::open(listener, address, service, acceptor.clone()));
        let port = Port::open(listener, address, of_resource, acceptor);
        Ok(MockServer { state, port, authorization_port, ca_pem })
    }

    /// The MCP endpoint: `http://127.0.0.1:PORT/mcp` (https with TLS).
    #[must_use]
    pub fn mcp_url(&self) -> String {
        self.state.mcp_url.clone()
    }

    /// The authorization server's issuer: `http://127.0.0.1:PORT`, the same origin, unless the settings give it a path or
    /// a port of its own.
    #[must_use]
    pub fn issuer(&self) -> String {
        self.state.issuer.clone()
    }

    /// The authority of the throw-away certificate, in PEM: what a client must trust. None without TLS, or with a
    /// certificate that was given.
    #[must_use]
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// Where it listens; where an authorization server of its own does is in its issuer.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    fn ports(&self) -> impl Iterator<Item = &Port> {
        std::iter::once(&self.port).chain(&self.authorization_port)
    }

    /// Every HTTP request seen so far, in order of arrival; with a `log_limit`, the last of them.
    #[must_use]
    pub fn log(&self) -> Vec<Seen> {
        self.state.log.kept()
    }

    /// How many requests an endpoint got so far.
    #[must_use]
    pub fn count(&self, endpoint: Endpoint) -> usize {
        self.state.log.count(endpoint)
    }

    /// What happened so far, in numbers.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.state.counts()
    }

    /// Waits until the log satisfies the condition.
    ///
    /// # Panics
    /// After 20 s, with the log.
    pub async fn wait_for(&self, condition: impl Fn(&[Seen]) -> bool) {
        if let Err(timed_out) = self.try_wait_for(PATIENCE, condition).await {
            panic!("{timed_out}");
        }
    }

    /// Waits until the log satisfies the condition, no longer than this.
    ///
    /// # Errors
    /// [`TimedOut`], which shows the log with its secrets shortened.
    pub async fn try_wait_for(&self, time: Duration, condition: impl Fn(&[Seen]) -> bool) -> Result<(), TimedOut> {
        if self.state.log.wait_for(time, condition).await {
            return Ok(());
        }
        Err(TimedOut::new(time, &self.state.log.kept(), &self.state.secrets()))
    }

    /// Every access token issued so far is refused from now on.
    pub fn revoke_access_tokens(&self) {
        self.state.records().end_access_tokens(Ended::Revoked);
    }

    /// As [`MockServer::revoke_access_tokens`], but the challenge says that they expired.
    pub fn expire_access_tokens(&self) {
        self.state.records().end_access_tokens(Ended::Expired);
    }

    /// Every refresh token issued so far is refused from now on (`invalid_grant`). Not counted as reuse.
    pub fn revoke_refresh_tokens(&self) {
        self.state.records().end_refresh_tokens();
    }

    /// Forgets every client that registered itself, as a server deployed anew with an empty store: `invalid_client` at
    /// the token endpoint, an error page at the authorization endpoint. Access tokens stay good until they end.
    pub fn forget_clients(&self) {
        self.state.records().forget_clients();
    }

    /// Changes the issuer that the resource metadata names and whose tokens alone are taken from now on; `None` is this
    /// server itself. Tokens of the issuer before are `invalid_token`.
    pub fn set_authorization_server(&self, issuer: Option<String>) {
        self.state.set_authorization_server(issuer);
    }

    /// As [`MockServerBuilder::trusts`], while running: two servers may trust each other.
    pub fn trust(&self, other: &MockServer) {
        self.state.trust(other.known_as());
    }

    /// As [`MockServerBuilder::also_issues_for`], while running.
    pub fn also_issue_for(&self, resource: impl Into<String>) {
        self.state.also_issue_for(resource.into());
    }

    /// A software statement (RFC 7591 §2.3) of these claims that registration approves: this server signs it itself, as
    /// its issuer, unless the claims name another.
    ///
    /// # Errors
    /// [`KeyError`]: nothing can be signed.
    pub fn software_statement(
        &self,
        mut claims: serde_json::Map<String, serde_json::Value>,
    ) -> Result<String, KeyError> {
        claims.entry("iss").or_insert_with(|| self.state.issuer.clone().into());
        self.state.key.sign_statement(&claims)
    }

    /// A JWT of these claims, signed by this server as its issuer unless they name another: an ID token, or an assertion to a
    /// server that trusts this one.
    ///
    /// # Errors
    /// [`KeyError`]: nothing can be signed.
    pub fn signed(&self, mut claims: serde_json::Value) -> Result<String, KeyError> {
        if claims["iss"].is_null() {
            claims["iss"] = self.state.issuer.clone().into();
        }
        self.state.key.sign_as("JWT", &claims)
    }

    /// The key that checks what this server signs.
    ///
    /// # Errors
    /// [`PublicKeyFault`]: never of a server that has started.
    pub fn public_key(&self) -> Result<PublicKey, PublicKeyFault> {
        PublicKey::from_p256_jwk(self.state.key.public_jwk()).ok_or(PublicKeyFault::Unsupported)
    }

    /// Both servers demand another DPoP nonce from now on (RFC 9449 §8.2).
    pub fn change_dpop_nonces(&self) {
        self.state.proofs.change(Role::AuthorizationServer);
        self.state.proofs.change(Role::Resource);
    }

    /// Replaces all faults by this one, or by none.
    pub fn set_fault(&self, fault: Option<Fault>) {
        self.set_faults(fault);
    }

    /// Replaces all faults by these.
    pub fn set_faults<F: Into<FaultSetting>>(&self, faults: impl IntoIterator<Item = F>) {
        self.state.set_faults(faults.into_iter().map(Into::into).collect());
    }

    /// Ends every event stream of the MCP endpoint that is open now, cleanly. A resumable one can be resumed.
    pub fn end_streams(&self) {
        self.state.trouble.end_streams();
    }

    /// How many families of tokens were revoked because an old refresh token was presented again (RFC 9700 §4.14.2).
    #[must_use]
    pub fn families_revoked(&self) -> usize {
        self.state.records().families_revoked()
    }

    /// Every access token, refresh token, code, client secret and session id ever issued and every `code_verifier` and
    /// `state` ever seen: none of them may turn up in a log, an error or a URL that is shown.
    #[must_use]
    pub fn issued_secrets(&self) -> Vec<String> {
        self.state.secrets()
    }

    /// Ends every session as a restarted server would: their ids are answered 404, their streams end.
    pub fn forget_sessions(&self) {
        self.state.sessions.forget_all();
    }

    /// Adds the surprise to this list of every session, or takes it away, and tells of it on the standalone streams;
    /// the same for the modern era, whose lists are everybody's, on its subscriptions.
    pub async fn change_list(&self, list: Listed) {
        for session in self.state.sessions.all() {
            changes::change_list(&self.state, &session, list).await;
        }
        changes::change_modern_list(&self.state, list).await;
    }

    /// Tells those who subscribed to this resource that it changed, on standalone streams and subscriptions; how many could be told.
    pub async fn update_resource(&self, uri: &str) -> usize {
        let mut told = self.state.modern.subscriptions.tell_resource(&self.state, uri).await;
        for session in self.state.sessions.all() {
            told += usize::from(changes::update_resource(&self.state, &session, uri).await);
        }
        told
    }

    /// What the open sessions of the MCP server have agreed on and set.
    #[must_use]
    pub fn sessions(&self) -> Vec<OpenSession> {
        self.state.sessions.all().iter().map(|session| OpenSession::of(session)).collect()
    }

    /// The subscriptions of the modern era that are open now, in order of arrival.
    #[must_use]
    pub fn subscriptions(&self) -> Vec<OpenSubscription> {
        self.state.modern.subscriptions.described()
    }

    /// Ends every subscription of the modern era gracefully, with its result; [`MockServer::end_streams`] gives none.
    pub async fn end_subscriptions(&self) {
        self.state.modern.subscriptions.end(&self.state).await;
    }

    /// The requests of the modern era that run now, by their ids as they were spelled, in order of arrival.
    #[must_use]
    pub fn running(&self) -> Vec<String> {
        self.state.modern.calls.running()
    }

    /// The requests of the modern era whose client closed the response before it was there: they were stopped.
    #[must_use]
    pub fn cancelled(&self) -> Vec<String> {
        self.state.modern.calls.cancelled()
    }

    /// Waits until at least this many requests of the modern era were cancelled.
    ///
    /// # Panics
    /// After 20 s, with the number of those that were.
    pub async fn wait_for_cancelled(&self, count: usize) {
        if let Err(cancelled) = self.state.modern.calls.wait_for_cancelled(count).await {
            panic!("{count} cancelled requests were awaited, {cancelled} were");
        }
    }

    /// Lets every waiting call of the tool `slow` answer now.
    pub fn release_slow(&self) {
        self.state.slow.release();
    }

    /// How many calls of the tool `slow` wait now.
    #[must_use]
    pub fn slow_waiting(&self) -> usize {
        self.state.slow.waiting()
    }

    /// Waits until exactly this many calls of the tool `slow` wait.
    ///
    /// # Panics
    /// After 20 s, with the number of those that do.
    pub async fn wait_for_slow(&self, count: usize) {
        if let Err(waiting) = self.state.slow.wait_for(count).await {
            panic!("{count} calls of `slow` were awaited, {waiting} wait");
        }
    }

    /// How another server holds it: not any longer than it runs.
    pub(crate) fn known_as(&self) -> Known {
        Arc::downgrade(&self.state)
    }

    /// Stops; when it returns, the port is free and every connection is closed. Subscriptions of the modern era are ended in
    /// good order before, if that takes no longer than a second.
    pub async fn stop(self) {
        // A client that does not read is not waited for.
        let _ = tokio::time::timeout(PARTING, self.end_subscriptions()).await;
        self.pause().await;
    }

    /// Goes away as a server that is down: connections end and new ones are refused, until [`MockServer::resume`].
    /// Nothing is forgotten. When it returns, every connection is closed; the port is given to nobody who asks for a free one.
    pub async fn pause(&self) {
        for port in self.ports() {
            port.close().await;
        }
    }

    /// Comes back on the same port; nothing changes if it was not away. Needs a tokio runtime.
    ///
    /// # Errors
    /// [`StartError::Listen`]: the system does not give the port back.
    pub fn resume(&self) -> Result<(), StartError> {
        let mut ports = self.ports();
        ports
            .try_for_each(|port| port.reopen().map_err(|source| StartError::Listen { address: port.address(), source }))
    }
}

/// A listener, and the address that it got.
async fn listening(wanted: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let failure = |source| StartError::Listen { address: wanted, source };
    let listener = TcpListener::bind(wanted).await.map_err(failure)?;
    let address = listener.local_addr().map_err(failure)?;
    Ok((listener, address))
}
