//! Everything that can be chosen before the server starts, with the defaults of an honest and strict server.
//! Plain data: it knows neither sockets nor state. What follows from it is in `settings/derived.rs`, what is wrong on
//! purpose in `faults.rs`.

mod derived;
mod machines;

mod mcp;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::time::Duration;

use serde_json::Value;

use crate::faults::FaultSetting;
use crate::public_key::PublicKey;

pub use self::machines::OfferedGrant;
pub use self::mcp::{Era, McpSettings, RetryAfter, Transport};
use crate::tls::IssuedCertificate;

/// The scope that every call to the MCP endpoint needs.
pub(crate) const MCP_SCOPE: &str = "mcp:tools";
/// A second scope of the resource, for step-up (see [`Settings::tool_scopes`]).
pub(crate) const ADMIN_SCOPE: &str = "mcp:admin";
/// OpenID Connect's scope for refresh tokens; listed by the authorization server only, as are those below.
pub(crate) const OFFLINE_SCOPE: &str = "offline_access";
/// The scope that asks for an ID token.
pub(crate) const OPENID_SCOPE: &str = "openid";
/// The scope that asks for the name in the ID token.
pub(crate) const PROFILE_SCOPE: &str = "profile";
/// The scope that asks for the mail address in the ID token.
pub(crate) const EMAIL_SCOPE: &str = "email";

/// The form of access tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TokenFormat {
    /// A signed JWT (RFC 9068).
    #[default]
    Jwt,
    /// A random text.
    Opaque,
}

/// Whether tokens are bound to a key of the client (RFC 9449).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dpop {
    /// There is no such thing; a proof is not looked at.
    #[default]
    Off,
    /// For clients that send a proof with their token request; others get bearer tokens.
    Offered,
    /// Always: without a proof no token is issued, and none is taken.
    Required,
}

/// How requests to the MCP endpoint are answered when a tool does not need a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReplyForm {
    /// `application/json`.
    #[default]
    Json,
    /// `text/event-stream`.
    Sse,
}

/// Where a client finds the authorization server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// RFC 9728: protected resource metadata, named by every challenge; `resource` (RFC 8707) is demanded.
    #[default]
    ProtectedResource,
    /// MCP 2025-03-26: no resource metadata; the server's own origin is the authorization server; `resource` is optional.
    Authorization2025_03_26,
}

/// How a client proves itself at the token endpoint (RFC 6749 §2.3, RFC 7591 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthMethod {
    /// `none`: a public client.
    None,
    /// `client_secret_basic`.
    Basic,
    /// `client_secret_post`.
    Post,
    /// `private_key_jwt`, for clients whose key was registered by hand.
    PrivateKeyJwt,
}

impl AuthMethod {
    /// Every method that registration grants, in the order of preference.
    pub(crate) const ALL: [AuthMethod; 3] = [AuthMethod::None, AuthMethod::Basic, AuthMethod::Post];

    /// The name of RFC 7591 §2.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            AuthMethod::None => "none",
            AuthMethod::Basic => "client_secret_basic",
            AuthMethod::Post => "client_secret_post",
            AuthMethod::PrivateKeyJwt => "private_key_jwt",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        AuthMethod::ALL.into_iter().find(|method| method.name() == name)
    }
}

/// What the person says at the authorization endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Approval {
    /// Every valid request is granted.
    #[default]
    Allow,
    /// Every valid request is answered `access_denied`.
    Deny,
    /// A page asks who is there and what they grant.
    Ask,
}

/// Somebody who can sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The subject of their tokens (`sub`).
    pub sub: String,
    /// Their name, as a token tells it.
    pub name: String,
    /// Their mail address, as a token tells it.
    pub email: String,
}

impl Account {
    /// An account whose mail address is made of its subject, at example.com.
    #[must_use]
    pub fn new(sub: impl Into<String>, name: impl Into<String>) -> Self {
        let sub = sub.into();
        Account { email: format!("{sub}@example.com"), name: name.into(), sub }
    }
}

/// The certificate that a server shows.
#[derive(Clone, Debug)]
pub enum ServerCertificate {
    /// One made at the start, for the address, localhost and the loopback addresses, signed by an authority made then too.
    ThrowAway,
    /// This one.
    Given(IssuedCertificate),
}

/// A client that was registered by hand, with every grant that is offered.
#[derive(Clone, Debug)]
pub struct KnownClient {
    /// Its id.
    pub client_id: String,
    /// Its secret, which may come by Basic or by POST; a public client has neither this nor a key.
    pub secret: Option<String>,
    /// The public key of its assertions (RFC 7523 §2.2), if it has one.
    pub key: Option<PublicKey>,
    /// Its redirect URIs; the port of a loopback address means nothing (RFC 8252 §7.3).
    pub redirect_uris: Vec<String>,
}

/// All that a server can be told before it starts.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The origin that URLs and the issuer begin with, `https://mcp.example.com`, where it is not the address listened on:
    /// behind a proxy or in a container. No final slash.
    pub public_origin: Option<String>,
    /// Whether TLS is spoken, and with which certificate.
    pub tls: Option<ServerCertificate>,
    /// The authority, in PEM, that a client's certificate must come from; it makes TLS a must, too.
    pub client_ca: Option<String>,
    /// Whether HTTP/2 is offered beside HTTP/1.1, under TLS.
    pub http2: bool,
    /// Lifetime of access tokens; `expires_in` says its whole seconds.
    pub access_token_lifetime: Duration,
    /// When access tokens really end, whatever `expires_in` says; `None`: as said.
    pub access_token_ttl_override: Option<Duration>,
    /// Lifetime of each refresh token, from its own issue on.
    pub refresh_token_lifetime: Duration,
    /// How long a used refresh token still gives its successor again; zero: not at all, it ends its family.
    pub refresh_grace: Duration,
    /// How long the token endpoint waits between what it does and its answer: a range, and the seed of the sequence.
    pub token_delay: Option<(Range<Duration>, u64)>,
    /// Whether each refresh gives a new refresh token and spends the old one; else one serves until it expires.
    pub rotate_refresh_tokens: bool,
    /// The form of access tokens.
    pub token_format: TokenFormat,
    /// Whether devices may sign in (RFC 8628).
    pub device_code: bool,
    /// Lifetime of device codes.
    pub device_code_lifetime: Duration,
    /// How long a device must wait between two polls; it is told whole seconds.
    pub device_code_interval: Duration,
    /// Whether tokens are bound to a key.
    pub dpop: Dpop,
    /// Whether both servers demand a nonce of theirs in each proof (RFC 9449 §8, §9).
    pub dpop_nonce: bool,
    /// Lifetime of authorization codes.
    pub authorization_code_lifetime: Duration,
    /// How requests are answered.
    pub reply: ReplyForm,
    /// Where the authorization server is found.
    pub layout: Layout,
    /// The issuer that the resource metadata names, and whose tokens are taken; `None`: this server itself.
    pub authorization_server: Option<String>,
    /// Other resources, by their URL, for which this server issues tokens too.
    pub also_issues_for: Vec<String>,
    /// The path of the issuer: empty, or `/tenant1`.
    pub issuer_path: String,
    /// Where the authorization server listens, if it has an origin of its own; `None`: at the MCP server's.
    pub separate_authorization_server: Option<SocketAddr>,
    /// As `public_origin`, for an authorization server of its own.
    pub public_authorization_origin: Option<String>,
    /// Whether RFC 8414 metadata is served.
    pub server_metadata: bool,
    /// Whether an OpenID configuration is served.
    pub openid_configuration: bool,
    /// The only method that registration grants; `None` offers all three.
    pub token_endpoint_auth_method: Option<AuthMethod>,
    /// Whether RFC 7591 registration is offered.
    pub registration: bool,
    /// The token that registration demands (RFC 7591 §3); `None`: anyone may register.
    pub initial_access_token: Option<String>,
    /// Whether clients may manage their registration (RFC 7592).
    pub client_management: bool,
    /// Whether RFC 7662 introspection is offered.
    pub introspection: bool,
    /// Lifetime of the secrets that registration gives; `None`: they do not expire.
    pub client_secret_lifetime: Option<Duration>,
    /// The clients that were registered by hand.
    pub known_clients: Vec<KnownClient>,
    /// The grants of the token endpoint; what registers itself gets the code alone.
    pub grants: Vec<OfferedGrant>,
    /// Issuers whose assertions are taken (RFC 7523 §2.1), with their keys; the servers that are trusted count besides.
    pub trusted_issuers: BTreeMap<String, PublicKey>,
    /// As an identity provider: the issuers that identity assertions are for, each with the client id that the asking client
    /// has there.
    pub identity_assertions: BTreeMap<String, String>,
    /// Whether a client may be known by the URL of its metadata document.
    pub client_metadata_documents: bool,
    /// The documents by URL; nothing is fetched.
    pub client_documents: BTreeMap<String, Value>,
    /// Whether RFC 7009 revocation is offered.
    pub revocation: bool,
    /// What the person says.
    pub approval: Approval,
    /// Who can sign in; the first one is who approves unless `approve_as` names another. Never empty.
    pub accounts: Vec<Account>,
    /// The `sub` of the account that approves where no page asks; `None`, or nobody's: the first one.
    pub approve_as: Option<String>,
    /// Origins of web pages that may use the MCP endpoint beside its own; `*` is any.
    pub allowed_origins: Vec<String>,
    /// Whether the MCP endpoint demands a token.
    pub protected: bool,
    /// Whether only `tools/call` demands a token: the handshake and the lists are open.
    pub open_until_tools_call: bool,
    /// Tools that need a scope beyond `mcp:tools`, by name; the scope is then part of `scopes_supported`.
    pub tool_scopes: BTreeMap<String, String>,
    /// How many requests the log keeps, the last ones; `None` keeps all.
    pub log_limit: Option<usize>,
    /// The largest request body that is read, in bytes; larger ones get 413.
    pub body_limit: usize,
    /// How long a request may wait for the head of its response before it gets 503.
    pub request_timeout: Duration,
    /// How long `initialize` waits before it is answered.
    pub initialize_delay: Duration,
    /// What is wrong on purpose, from the start.
    pub faults: Vec<FaultSetting>,
    /// Whether `/admin/faults` switches faults while the server runs, for requests to a loopback host.
    pub admin: bool,
    /// What the MCP server offers, and over which transport.
    pub mcp: McpSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            public_origin: None,
            tls: None,
            client_ca: None,
            http2: true,
            access_token_lifetime: Duration::from_secs(3600),
            access_token_ttl_override: None,
            refresh_token_lifetime: Duration::from_secs(30 * 24 * 3600),
            refresh_grace: Duration::ZERO,
            rotate_refresh_tokens: true,
            token_format: TokenFormat::default(),
            dpop: Dpop::default(),
            dpop_nonce: false,
            token_delay: None,
            device_code: false,
            device_code_lifetime: Duration::from_secs(600),
            device_code_interval: Duration::from_secs(5),
            authorization_code_lifetime: Duration::from_secs(60),
            reply: ReplyForm::default(),
            layout: Layout::default(),
            authorization_server: None,
            also_issues_for: Vec::new(),
            issuer_path: String::new(),
            separate_authorization_server: None,
            public_authorization_origin: None,
            server_metadata: true,
            openid_configuration: true,
            token_endpoint_auth_method: None,
            registration: true,
            initial_access_token: None,
            client_management: true,
            introspection: true,
            client_secret_lifetime: None,
            known_clients: Vec::new(),
            grants: vec![OfferedGrant::AuthorizationCode],
            trusted_issuers: BTreeMap::new(),
            identity_assertions: BTreeMap::new(),
            client_metadata_documents: false,
            client_documents: BTreeMap::new(),
            revocation: true,
            approval: Approval::default(),
            accounts: vec![Account::new("alice", "Alice Example"), Account::new("bob", "Bob Example")],
            approve_as: None,
            allowed_origins: Vec::new(),
            protected: true,
            open_until_tools_call: false,
            tool_scopes: BTreeMap::new(),
            log_limit: None,
            body_limit: 80 * 1024 * 1024,
            request_timeout: Duration::from_secs(600),
            initialize_delay: Duration::ZERO,
            faults: Vec::new(),
            admin: false,
            mcp: McpSettings::default(),
        }
    }
}
