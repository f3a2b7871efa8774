//! The table of all options: each a flag, an environment variable and a key of the settings file, under one name.
//! None has a default here, so that a layer below can be seen through it; the defaults are those of the library's
//! settings. A new option is one entry here, one line in `cli.rs` and one paragraph in config/mock-server.toml.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;
use mcp_mock_server::FaultSetting;
use serde::Deserialize;
use url::Url;

use super::machines::{GrantName, Pair};
use super::transport::{EraName, Line, RetryAfterText, TransportName};
use super::values::{
    AccountText, AuthMethodName, Delay, DpopName, KnownClientText, LayoutName, Origin, ReplyName, SeparateAddress,
    Spelled, TokenFormatName, ToolScope,
};

/// Defines the options, and how one layer of them lies over another.
macro_rules! options {
    ($(#[$on_all:meta])* $name:ident { $($(#[$on_one:meta])* $option:ident: [$($type:tt)+];)* }) => {
        $(#[$on_all])*
        pub(crate) struct $name { $($(#[$on_one])* pub(crate) $option: $($type)+,)* }

        impl $name {
            /// These, and where they say nothing those below.
            pub(crate) fn or(self, below: Self) -> Self {
                Self { $($option: self.$option.or(below.$option),)* }
            }
        }
    };
}

options! {
    /// A protected MCP server with its own OAuth authorization server, for those who write MCP clients.
    ///
    /// All state is in memory: clients, grants, sessions and the signing key are gone when it ends.
    #[derive(Debug, Default, Parser, Deserialize)]
    #[command(version, after_help = "A flag goes before its environment variable, that before the file of --config.\n\
        In the environment several values are separated by commas.")]
    #[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
    Options {
        /// Read further settings from this file, in TOML; its keys are the flags without their dashes
        #[arg(long, env = "MCP_MOCK_CONFIG", value_name = "FILE")]
        #[serde(skip)]
        config: [Option<PathBuf>];
        /// Show what can be wrong, and stop
        #[arg(long, num_args = 0, default_missing_value = "true")]
        #[serde(skip)]
        list_faults: [Option<bool>];
        /// Ask a running server at this http URL for its health, and stop: 0 if it is healthy
        #[arg(long, value_name = "URL")]
        #[serde(skip)]
        health: [Option<Url>];
        /// Where to listen; port 0 takes a free one [default: 127.0.0.1:0]
        #[arg(long, env = "MCP_MOCK_LISTEN", value_name = "ADDRESS")]
        listen: [Option<SocketAddr>];
        /// Lifetime of access tokens [default: 3600]
        #[arg(long, env = "MCP_MOCK_ACCESS_TOKEN_LIFETIME", value_name = "SECONDS")]
        access_token_lifetime: [Option<u64>];
        /// When access tokens really end, whatever is said of their lifetime [default: as said]
        #[arg(long, env = "MCP_MOCK_ACCESS_TOKEN_TTL_OVERRIDE", value_name = "SECONDS")]
        access_token_ttl_override: [Option<u64>];
        /// Lifetime of each refresh token [default: 2592000]
        #[arg(long, env = "MCP_MOCK_REFRESH_TOKEN_LIFETIME", value_name = "SECONDS")]
        refresh_token_lifetime: [Option<u64>];
        /// How long a used refresh token gives the same answer again [default: 0]
        #[arg(long, env = "MCP_MOCK_REFRESH_GRACE", value_name = "SECONDS")]
        refresh_grace: [Option<u64>];
        /// Let one refresh token serve until it expires: a refresh gives no new one
        #[arg(long, env = "MCP_MOCK_NO_ROTATION", value_name = "BOOL", num_args = 0..=1, require_equals = true,
            default_missing_value = "true")]
        no_rotation: [Option<bool>];
        /// The form of access tokens [default: jwt]
        #[arg(long, env = "MCP_MOCK_TOKEN_FORMAT", value_enum)]
        token_format: [Option<TokenFormatName>];
        /// Bind tokens to a key of the client by DPoP (RFC 9449) [default: off]
        #[arg(long, env = "MCP_MOCK_DPOP", value_enum)]
        dpop: [Option<DpopName>];
        /// Demand a nonce in each DPoP proof
        #[arg(long, env = "MCP_MOCK_DPOP_NONCE", value_name = "BOOL", num_args = 0..=1, require_equals = true,
            default_missing_value = "true")]
        dpop_nonce: [Option<bool>];
        /// Lifetime of authorization codes [default: 60]
        #[arg(long, env = "MCP_MOCK_AUTHORIZATION_CODE_LIFETIME", value_name = "SECONDS")]
        authorization_code_lifetime: [Option<u64>];
        /// Let the token endpoint wait before it answers: a random time in this range, or always the same
        #[arg(long, env = "MCP_MOCK_TOKEN_DELAY", value_name = "MIN[..MAX]ms")]
        token_delay: [Option<Spelled<Delay>>];
        /// The seed of the random times [default: 0]
        #[arg(long, env = "MCP_MOCK_SEED", value_name = "NUMBER")]
        seed: [Option<u64>];
        /// Let initialize wait before it is answered [default: 0]
        #[arg(long, env = "MCP_MOCK_INITIALIZE_DELAY", value_name = "MILLISECONDS")]
        initialize_delay: [Option<u64>];
        /// How long a request may wait for its answer before it gets 503 [default: 600]
        #[arg(long, env = "MCP_MOCK_REQUEST_TIMEOUT", value_name = "SECONDS")]
        request_timeout: [Option<u64>];
        /// The largest request body that is read [default: 83886080]
        #[arg(long, env = "MCP_MOCK_BODY_LIMIT", value_name = "BYTES")]
        body_limit: [Option<usize>];
        /// How a client finds the authorization server [default: protected-resource]
        #[arg(long, env = "MCP_MOCK_LAYOUT", value_enum)]
        layout: [Option<LayoutName>];
        /// A further resource that tokens are issued for (RFC 8707); may be repeated
        #[arg(long, env = "MCP_MOCK_ALSO_ISSUES_FOR", value_name = "URL", value_delimiter = ',')]
        also_issues_for: [Option<Vec<String>>];
        /// Give the issuer a path, as /tenant1 [default: none]
        #[arg(long, env = "MCP_MOCK_ISSUER_PATH", value_name = "PATH")]
        issuer_path: [Option<String>];
        /// Give the authorization server an origin of its own: a second port [address: the host of --listen, a free port]
        #[arg(long, env = "MCP_MOCK_SEPARATE_AUTHORIZATION_SERVER", value_name = "ADDRESS", num_args = 0..=1,
            require_equals = true, default_missing_value = "")]
        separate_authorization_server: [Option<Spelled<SeparateAddress>>];
        /// As --public-origin, for an authorization server with an origin of its own
        #[arg(long, env = "MCP_MOCK_PUBLIC_AUTHORIZATION_ORIGIN", value_name = "URL")]
        public_authorization_origin: [Option<Spelled<Origin>>];
        /// Serve no RFC 8414 metadata
        #[arg(long, env = "MCP_MOCK_NO_OAUTH_METADATA", value_name = "BOOL", num_args = 0..=1, require_equals = true,
            default_missing_value = "true")]
        no_oauth_metadata: [Option<bool>];
        /// Serve no OpenID configuration
        #[arg(long, env = "MCP_MOCK_NO_OPENID_CONFIGURATION", value_name = "BOOL", num_args = 0..=1,
            require_equals = true, default_missing_value = "true")]
        no_openid_configuration: [Option<bool>];
        /// Serve no authorization server metadata at all
        #[arg(long, env = "MCP_MOCK_NO_SERVER_METADATA", value_name = "BOOL", num_args = 0..=1, require_equals = true,
            default_missing_value = "true")]
        no_server_metadata: [Option<bool>];
        /// Offer no client registration
        #[arg(long, env = "MCP_MOCK_NO_REGISTRATION", value_name = "BOOL", num_args = 0..=1, require_equals = true,
            default_missing_value = "true")]
        no_registration: [Option<bool>];
        /// Demand this token for a registration [default: anyone may register]
        #[arg(long, env = "MCP_MOCK_INITIAL_ACCESS_TOKEN", hide_env_values = true, value_name = "TOKEN")]
        initial_access_token: [Option<String>];
        /// Do not let clients read, change or delete their registration
        #[arg(long, env = "MCP_MOCK_NO_CLIENT_MANAGEMENT", value_name = "BOOL", num_args = 0..=1, require_equals = true,
            default_missing_value = "true")]
        no_client_management: [Option<bool>];
        /// Offer no introspection
        #[arg(long, env = "MCP_MOCK_NO_INTROSPECTION", value_name = "BOOL", num_args = 0..=1, require_equals = true,
            default_missing_value = "true")]
        no_introspection: [Option<bool>];
        /// Lifetime of the client secrets that registration gives [default: they do not expire]
        #[arg(long, env = "MCP_MOCK_CLIENT_SECRET_LIFETIME", value_name = "SECONDS")]
        client_secret_lifetime: [Option<u64>];
        /// A client that needs no registration; may be repeated
        #[arg(long, env = "MCP_MOCK_KNOWN_CLIENT", hide_env_values = true, value_name = "ID[:SECRET]",
            value_delimiter = ',')]
        known_client: [Option<Vec<Spelled<KnownClientText>>>];
        /// A redirect URI of the known clients, of which a loopback port means nothing; may be repeated
        /// [default: http://127.0.0.1/callback]
        #[arg(long, env = "MCP_MOCK_REDIRECT_URI", value_name = "URI", value_delimiter = ',')]
        redirect_uri: [Option<Vec<String>>];
        /// The public key (PEM) of a client that proves itself by assertions; may be repeated
        #[arg(long, env = "MCP_MOCK_CLIENT_KEY", value_name = "ID=FILE", value_delimiter = ',')]
        client_key: [Option<Vec<Spelled<Pair>>>];
        /// A grant of the token endpoint; may be repeated [default: authorization-code]
        #[arg(long, env = "MCP_MOCK_GRANT", value_enum, value_delimiter = ',')]
        grant: [Option<Vec<GrantName>>];
        /// An issuer whose assertions are taken, with its public key (PEM); may be repeated
        #[arg(long, env = "MCP_MOCK_TRUSTED_ISSUER", value_name = "ISSUER=FILE", value_delimiter = ',')]
        trusted_issuer: [Option<Vec<Spelled<Pair>>>];
        /// Exchange ID tokens for identity assertions to this issuer, where the asking client has this id; may be repeated
        #[arg(long, env = "MCP_MOCK_IDENTITY_ASSERTION", value_name = "ISSUER=CLIENT_ID", value_delimiter = ',')]
        identity_assertion: [Option<Vec<Spelled<Pair>>>];
        /// Know clients by metadata documents, this one under its client_id; may be repeated
        #[arg(long, env = "MCP_MOCK_CLIENT_DOCUMENT", value_name = "FILE", value_delimiter = ',')]
        client_document: [Option<Vec<PathBuf>>];
        /// Let devices sign in by a code that a person enters elsewhere (RFC 8628)
        #[arg(long, env = "MCP_MOCK_DEVICE_CODE", value_name = "BOOL", num_args = 0..=1, require_equals = true,
            default_missing_value = "true")]
        device_code: [Option<bool>];
        /// Lifetime of the codes of devices [default: 600]
        #[arg(long, env = "MCP_MOCK_DEVICE_CODE_LIFETIME", value_name = "SECONDS")]
        device_code_lifetime: [Option<u64>];
        /// How long a device must wait between two polls [default: 5]
        #[arg(long, env = "MCP_MOCK_DEVICE_CODE_INTERVAL", value_name = "SECONDS")]
        device_code_interval: [Option<u64>];
        /// Offer no revocation
        #[arg(long, env = "MCP_MOCK_NO_REVOCATION", value_name = "BOOL", num_args = 0..=1, require_equals = true,
            default_missing_value = "true")]
        no_revocation: [Option<bool>];
        /// The only client authentication taken at the token endpoint [default: any of them]
        #[arg(long, env = "MCP_MOCK_AUTH_METHOD", value_enum)]
        auth_method: [Option<AuthMethodName>];
        /// How requests are answered [default: json]
        #[arg(long, env = "MCP_MOCK_REPLY", value_enum)]
        reply: [Option<ReplyName>];
        /// Offer tools and logs only: no resources, prompts and completion
        #[arg(long, env = "MCP_MOCK_TOOLS_ONLY", value_name = "BOOL", num_args = 0..=1, require_equals = true,
            default_missing_value = "true")]
        tools_only: [Option<bool>];
        /// Give lists in pages of so many entries [default: in one]
        #[arg(long, env = "MCP_MOCK_PAGE_SIZE", value_name = "ENTRIES")]
        page_size: [Option<usize>];
        /// The eras that the MCP server serves: legacy up to 2025-11-25, modern from 2026-07-28 on [default: legacy]
        #[arg(long, env = "MCP_MOCK_ERA", value_enum)]
        era: [Option<EraName>];
        /// The transport of the MCP server [default: streamable-http]
        #[arg(long, env = "MCP_MOCK_TRANSPORT", value_enum)]
        transport: [Option<TransportName>];
        /// Let event streams be resumed: ids, a priming event, replay by Last-Event-ID
        #[arg(long, env = "MCP_MOCK_RESUMABLE", value_name = "BOOL", num_args = 0..=1, require_equals = true,
            default_missing_value = "true")]
        resumable: [Option<bool>];
        /// Show the tools, resources and prompts that the official conformance suite looks for, instead of our own
        #[arg(long, env = "MCP_MOCK_CONFORMANCE_FIXTURES", value_name = "BOOL", num_args = 0..=1, require_equals = true,
            default_missing_value = "true")]
        conformance_fixtures: [Option<bool>];
        /// What resumable streams say of the time to wait before a reconnect; 0: nothing [default: 100]
        #[arg(long, env = "MCP_MOCK_SSE_RETRY", value_name = "MILLISECONDS")]
        sse_retry: [Option<u64>];
        /// What Retry-After says where a fault sends it: seconds, or the date in so many seconds [default: 1]
        #[arg(long, env = "MCP_MOCK_RETRY_AFTER", value_name = "[date+]SECONDS")]
        retry_after: [Option<Spelled<RetryAfterText>>];
        /// Tie each session to a cookie, as load balancers do
        #[arg(long, env = "MCP_MOCK_STICKY_COOKIE", value_name = "BOOL", num_args = 0..=1, require_equals = true,
            default_missing_value = "true")]
        sticky_cookie: [Option<bool>];
        /// Let every answer of the MCP endpoint set a cookie: a Set-Cookie value; may be repeated
        #[arg(long, env = "MCP_MOCK_COOKIE", value_name = "SET-COOKIE")]
        cookie: [Option<Vec<Spelled<Line>>>];
        /// Refuse requests other than ping until notifications/initialized has come
        #[arg(long, env = "MCP_MOCK_STRICT_HANDSHAKE", value_name = "BOOL", num_args = 0..=1, require_equals = true,
            default_missing_value = "true")]
        strict_handshake: [Option<bool>];
        /// The status of a POST to the MCP endpoint of the http-sse transport [default: 405]
        #[arg(long, env = "MCP_MOCK_POST_REFUSAL", value_name = "STATUS")]
        post_refusal: [Option<u16>];
        /// Name the endpoint of the http-sse transport by an absolute URL
        #[arg(long, env = "MCP_MOCK_ABSOLUTE_ENDPOINT", value_name = "BOOL", num_args = 0..=1, require_equals = true,
            default_missing_value = "true")]
        absolute_endpoint: [Option<bool>];
        /// Do something wrong on purpose; may be repeated (--list-faults shows what)
        #[arg(long, env = "MCP_MOCK_FAULT", value_name = "NAME[=VALUE]", value_delimiter = ',')]
        fault: [Option<Vec<Spelled<FaultSetting>>>];
        /// Switch faults while running: GET, PUT (a JSON array of names) and DELETE at /admin/faults, heard from this
        /// machine only if nobody else reaches the port
        #[arg(long, env = "MCP_MOCK_ADMIN", value_name = "BOOL", num_args = 0..=1, require_equals = true,
            default_missing_value = "true")]
        admin: [Option<bool>];
        /// Let web pages of this origin use the MCP endpoint, `*` of any; may be repeated [default: its own only]
        #[arg(long, env = "MCP_MOCK_ALLOWED_ORIGIN", value_name = "ORIGIN", value_delimiter = ',')]
        allowed_origin: [Option<Vec<String>>];
        /// Demand no token at the MCP endpoint
        #[arg(long, env = "MCP_MOCK_UNPROTECTED", value_name = "BOOL", num_args = 0..=1, require_equals = true,
            default_missing_value = "true")]
        unprotected: [Option<bool>];
        /// Demand a token for tools/call only
        #[arg(long, env = "MCP_MOCK_OPEN_UNTIL_TOOLS_CALL", value_name = "BOOL", num_args = 0..=1, require_equals = true,
            default_missing_value = "true")]
        open_until_tools_call: [Option<bool>];
        /// Demand a further scope for one tool; may be repeated
        #[arg(long, env = "MCP_MOCK_TOOL_SCOPE", value_name = "TOOL=SCOPE", value_delimiter = ',')]
        tool_scope: [Option<Vec<Spelled<ToolScope>>>];
        /// Refuse every authorization, as a person could
        #[arg(long, env = "MCP_MOCK_DENY", value_name = "BOOL", num_args = 0..=1, require_equals = true,
            default_missing_value = "true")]
        deny: [Option<bool>];
        /// Ask a person for every authorization, on a page in their browser
        #[arg(long, env = "MCP_MOCK_CONSENT", value_name = "BOOL", num_args = 0..=1, require_equals = true,
            default_missing_value = "true")]
        consent: [Option<bool>];
        /// Somebody who can sign in; may be repeated [default: alice and bob]
        #[arg(long, env = "MCP_MOCK_ACCOUNT", value_name = "SUB[:NAME]", value_delimiter = ',')]
        account: [Option<Vec<Spelled<AccountText>>>];
        /// The account that approves where no page asks [default: the first one]
        #[arg(long, env = "MCP_MOCK_APPROVE_AS", value_name = "SUB")]
        approve_as: [Option<String>];
        /// The origin that URLs and the issuer begin with, where it is not the address: behind a proxy, in a container
        #[arg(long, env = "MCP_MOCK_PUBLIC_ORIGIN", value_name = "URL")]
        public_origin: [Option<Spelled<Origin>>];
        /// Speak TLS, with a throw-away certificate unless one is given
        #[arg(long, env = "MCP_MOCK_TLS", value_name = "BOOL", num_args = 0..=1, require_equals = true,
            default_missing_value = "true")]
        tls: [Option<bool>];
        /// Write the authority of the throw-away certificate here, in PEM; implies --tls
        #[arg(long, env = "MCP_MOCK_TLS_CA_OUT", value_name = "FILE")]
        tls_ca_out: [Option<PathBuf>];
        /// Speak TLS with the certificate of this file, in PEM, and the --tls-key
        #[arg(long, env = "MCP_MOCK_TLS_CERT", value_name = "FILE")]
        tls_cert: [Option<PathBuf>];
        /// The private key of --tls-cert, in PEM
        #[arg(long, env = "MCP_MOCK_TLS_KEY", value_name = "FILE")]
        tls_key: [Option<PathBuf>];
        /// Speak TLS, and only with clients whose certificate comes from the authority of this file, in PEM
        #[arg(long, env = "MCP_MOCK_CLIENT_CA", value_name = "FILE")]
        client_ca: [Option<PathBuf>];
        /// Offer HTTP/1.1 only
        #[arg(long, env = "MCP_MOCK_NO_HTTP2", value_name = "BOOL", num_args = 0..=1, require_equals = true,
            default_missing_value = "true")]
        no_http2: [Option<bool>];
        /// Log every request to stderr, without its secrets
        #[arg(long, short, env = "MCP_MOCK_VERBOSE", value_name = "BOOL", num_args = 0..=1, require_equals = true,
            default_missing_value = "true")]
        verbose: [Option<bool>];
    }
}
