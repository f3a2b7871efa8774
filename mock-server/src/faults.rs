//! What the server does wrong on purpose, each by a name: one table, read by the binary's `--list-faults` too.
//! A fault changes one thing of an honest answer. Those of HTTP bodies are in `faults/body.rs`, those of whole answers
//! in `faults/answer.rs`, the talkative one in `faults/echo.rs`; the others stand where the honest value is made (search
//! for `Fault::`). What a fault may take is in `faults/value.rs`, the switchboard in `faults/admin.rs`.

pub(crate) mod admin;
pub(crate) mod answer;
pub(crate) mod body;
mod codings;
pub(crate) mod echo;
mod value;

use std::fmt;
use std::str::FromStr;

pub use self::value::{FaultSetting, Takes, WrongFault};

/// Words that no client may show as they are: a terminal's title escape, newlines, a C1 code, bidi controls.
pub(crate) const EVIL_WORDS: &str = "evil \u{1b}]0;owned\u{7}\u{1b}[31m\r\n\u{9b}2J\u{202e}txt\u{2066}\u{2028}words";

/// Defines the enum and its table in one place, so that no fault can lack a name or a sentence. A fault that takes a value
/// says so behind its name: `= Takes::Number { of: "SECONDS", default: 2 }`.
macro_rules! faults {
    ($($variant:ident, $name:literal $(= $takes:expr)?, $sentence:literal;)*) => {
        /// Something that is wrong on purpose. Its documentation is its [`Fault::sentence`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Fault {
            $(#[doc = $sentence] $variant,)*
        }

        /// Every fault with its name, its sentence and what it takes.
        const TABLE: &[(Fault, &str, &str, Takes)] =
            &[$((Fault::$variant, $name, $sentence, takes!($($takes)?)),)*];
    };
}

macro_rules! takes {
    () => {
        Takes::Nothing
    };
    ($takes:expr) => {
        $takes
    };
}

/// A fault that happens some times, then no more.
const TIMES: Takes = Takes::Number { of: "TIMES", default: 1 };
/// A fault of a stream that begins well.
const EVENTS: Takes = Takes::Number { of: "EVENTS", default: 0 };

faults! {
    WrongIssuer, "wrong-issuer", "the authorization server metadata names another issuer";
    WrongResource, "wrong-resource", "the resource metadata names a resource on another origin";
    AppendedOnly, "appended-only", "of an issuer with a path, only /path/.well-known/openid-configuration is there";
    NoPkce, "no-pkce", "the authorization server metadata lacks code_challenge_methods_supported";
    WrongIss, "wrong-iss", "the authorization response comes with another issuer's iss";
    NoIss, "no-iss", "the authorization response lacks the iss that the metadata promises";
    HtmlMcp, "html-mcp", "the MCP endpoint answers 200 with an HTML page";
    HtmlError, "html-error", "the MCP endpoint answers 500 with an HTML page";
    RegistrationRefused, "registration-refused", "registration is refused with invalid_redirect_uri";
    TokenEndpointDown, "token-endpoint-down", "the token endpoint answers 503";
    TokenEndpointHangs, "token-endpoint-hangs", "the token endpoint reads requests, and neither acts nor answers";
    LostTokenAnswer, "lost-token-answer", "the next grant is carried out, then the connection ends without an answer (once)";
    TokenHtml, "token-html", "the token endpoint answers 200 with an HTML page";
    ForgottenClientIsInvalidGrant, "forgotten-client-is-invalid-grant", "the token endpoint answers invalid_grant to a client that it does not know";
    UnauthorizedClient, "unauthorized-client", "the token endpoint answers unauthorized_client to every refresh";
    RefreshTokensOnly, "refresh-tokens-only", "the revocation endpoint answers unsupported_token_type to access tokens";
    StreamCut, "stream-cut", "the event stream of a reply ends before its response (initialize is spared)";
    Mcp503, "mcp-503", "the MCP endpoint answers 503";
    ExpiredTokenKillsRefresh, "expired-token-kills-refresh", "who shows an expired access token loses the refresh token that came with it";
    StepUpInVain, "step-up-in-vain", "a tool that needs a further scope is refused with insufficient_scope although the token has it";
    RejectsEveryToken, "rejects-every-token", "the MCP endpoint answers 401 to fresh tokens too";
    RedirectMcp, "redirect-mcp", "the MCP endpoint redirects (307) to another origin";
    PrettyJson, "pretty-json", "JSON bodies are printed over several lines";
    MultiLineData, "multi-line-data", "replies are event streams, their data split over several lines that end in CRLF";
    EvilWords, "evil-words", "error texts carry terminal escapes, newlines and bidi characters";
    EchoesSecrets, "echoes-secrets", "OAuth errors and error pages repeat the tokens, codes, verifiers and secrets of the request";
    NoSession, "no-session", "initialize gives no session id, none is asked for";
    Get405, "get-405", "there is no standalone stream: GET is answered 405";
    BatchReply, "batch-reply", "replies come in an array";
    Drip, "drip", "bodies come a byte at a time";
    Gzip, "gzip", "bodies are gzip-encoded for those who accept it";
    Empty200, "empty-200", "the MCP endpoint answers 200 with nothing";
    Slow, "slow" = Takes::Milliseconds { default: 1000 }, "every answer waits this long first";
    TokenError, "token-error" = Takes::Text { of: "CODE", default: "server_error" }, "the token endpoint answers 400 with this error code, and does not act";
    TokenType, "token-type" = Takes::Text { of: "TYPE", default: "mac" }, "token answers say this token_type";
    ExpiresIn, "expires-in" = Takes::Number { of: "SECONDS", default: 0 }, "token answers say this expires_in, whatever is true";
    NoExpiresIn, "no-expires-in", "token answers lack expires_in";
    NoScope, "no-scope", "token answers lack the granted scope";
    Zstd, "zstd", "bodies are zstd-encoded for those who accept it";
    Brotli, "brotli", "bodies are br-encoded for those who accept it";
    StreamClosedBeforeResponse, "stream-closed-before-response" = EVENTS, "the event stream of a reply is closed before its response, after so many events; a resumable one goes on";
    StreamReset, "stream-reset" = EVENTS, "the event stream of a reply is reset inside an event, after so many events";
    HalfEvent, "half-event" = EVENTS, "the event stream of a reply ends cleanly inside an event, after so many events";
    StreamPolls, "stream-polls" = Takes::Number { of: "EVENTS", default: 1 }, "every connection of a resumable stream is closed after so many events, also those that resume it";
    ReplaysTooMuch, "replays-too-much", "a resumed stream begins with events that were delivered already";
    ResumeRefused, "resume-refused" = Takes::Number { of: "STATUS", default: 405 }, "a GET with Last-Event-ID is answered with this status";
    RetryAfter429, "retry-after-429" = TIMES, "the next requests to the MCP endpoint are answered 429 with Retry-After, so many times";
    RetryAfter503, "retry-after-503" = TIMES, "the next requests to the MCP endpoint are answered 503 with Retry-After, so many times";
    ClosedBeforeAnswer, "closed-before-answer" = TIMES, "the MCP endpoint closes the connection instead of acting, so many times";
    LostAnswer, "lost-answer" = TIMES, "the MCP endpoint acts, then closes the connection without an answer, so many times";
    NoResponseHead, "no-response-head" = TIMES, "the MCP endpoint reads a request, and neither acts nor answers, so many times";
    HangsAfterHead, "hangs-after-head" = TIMES, "the MCP endpoint sends the head of its answer and then nothing, so many times";
    ResetAtHeaders, "reset-at-headers" = TIMES, "the MCP endpoint resets the connection inside the head of its answer, so many times";
    ResetInBody, "reset-in-body" = TIMES, "the MCP endpoint resets the connection inside a JSON body, so many times";
    IdleConnectionsClose, "idle-connections-close" = Takes::Milliseconds { default: 50 }, "connections to the MCP endpoint are closed so long after an answer, unannounced";
    DeadOnReuse, "dead-on-reuse", "connections to the MCP endpoint are reset when they are used again, and not a byte is read";
    LostSession, "lost-session" = Takes::Number { of: "REQUESTS", default: 3 }, "a session is forgotten after so many requests";
    LostSession400, "lost-session-400", "a session that is not known is answered 400, not 404";
    CookieForAnotherDomain, "cookie-for-another-domain", "the MCP endpoint sets a cookie for another domain";
    NotificationStatus, "notification-status" = Takes::Number { of: "STATUS", default: 200 }, "notifications and responses are answered with this status instead of 202";
    OddEvents, "odd-events", "event streams have a byte order mark, comments, CR as line end, events without a name, and foreign events";
    AnswersTwice, "answers-twice", "event streams of replies hold each response twice";
    WrongId, "wrong-id", "responses carry an id that nobody used";
    ErrorWithoutId, "error-without-id", "JSON-RPC errors lack the id of their request";
    RpcErrorStatus, "rpc-error-status" = Takes::Number { of: "STATUS", default: 400 }, "JSON bodies that are a JSON-RPC error come with this status";
    ContentType, "content-type" = Takes::Text { of: "TYPE", default: "text/plain" }, "JSON bodies of the MCP endpoint say this content type";
    RedirectHere, "redirect-here" = Takes::Number { of: "STATUS", default: 307 }, "the MCP endpoint redirects to /moved on the same origin, with this status";
    Delete405, "delete-405", "a session cannot be ended: DELETE is answered 405";
    EndpointElsewhere, "endpoint-elsewhere", "the endpoint of the HTTP+SSE transport is on another origin";
    EndpointLate, "endpoint-late" = Takes::Milliseconds { default: 500 }, "the endpoint of the HTTP+SSE transport comes so late";
    MetadataStatus, "metadata-status" = Takes::Number { of: "STATUS", default: 500 }, "authorization server metadata, of either kind, is answered with this status and no document";
    ResourceMetadataStatus, "resource-metadata-status" = Takes::Number { of: "STATUS", default: 500 }, "resource metadata is answered with this status and no document";
    EndpointsElsewhere, "endpoints-elsewhere", "the authorization server metadata names token and registration endpoints on another origin";
    Padding, "padding" = Takes::Number { of: "BYTES", default: 1_000_000 }, "authorization server metadata and token answers have a member of this many bytes more";
    WrongState, "wrong-state", "the authorization response comes with another state";
    NoState, "no-state", "the authorization response lacks the state";
    GrantedScope, "granted-scope" = Takes::Text { of: "SCOPE", default: "offline_access" }, "whatever scope is asked for, this one is granted";
    RegistrationError, "registration-error" = Takes::Text { of: "CODE", default: "invalid_client_metadata" }, "registration is refused with this error code";
    RefreshError, "refresh-error" = Takes::Text { of: "CODE", default: "invalid_grant" }, "the token endpoint answers this error code to every refresh, and does not act";
    TokenStatus, "token-status" = Takes::Number { of: "STATUS", default: 429 }, "the token endpoint answers this status without a document, and does not act";
    WrongHeaderCode, "wrong-header-code" = Takes::Text { of: "CODE", default: "-32001" }, "a header that lacks or differs is refused with this error code (MCP 2026-07-28)";
    EraChanges, "era-changes", "the MCP endpoint serves the other era than before: modern instead of legacy, or legacy instead of modern or both";
    StaleDiscover, "stale-discover", "server/discover names MCP 2026-07-28, which every other request of it is told is not served";
    NoDiscover, "no-discover", "server/discover is an unknown method, as the modern era does not allow";
    NoListen, "no-listen", "subscriptions/listen is an unknown method (MCP 2026-07-28)";
    ResultType, "result-type" = Takes::Text { of: "TYPE", default: "sideways" }, "results of tools/call say this resultType (MCP 2026-07-28)";
    NoResultType, "no-result-type", "results lack resultType, ttlMs and cacheScope (MCP 2026-07-28)";
    ServerRequests, "server-requests", "replies are event streams, those of the modern era with a request of the server in them, which it does not allow";
    InputElsewhere, "input-elsewhere", "lists and completions ask for input, which they may not (MCP 2026-07-28)";
    InvalidAnnotations, "invalid-annotations", "tools/list holds tools whose x-mcp-header is invalid, for each rule one (MCP 2026-07-28)";
    LateAnnotations, "late-annotations" = TIMES, "tools/list lacks every x-mcp-header, so many times; calls must have the headers nevertheless (MCP 2026-07-28)";
    NoSubscriptionId, "no-subscription-id", "what comes on a subscription does not say which one it is of (MCP 2026-07-28)";
    NoResourceUpdates, "no-resource-updates", "subscriptions to resources are not acknowledged (MCP 2026-07-28)";
    ForgetsState, "forgets-state", "no requestState is known any more: each is refused (MCP 2026-07-28)";
    EndlessInput, "endless-input", "whatever a client answers, a tool that asks asks again (MCP 2026-07-28)";
    UndeclaredInput, "undeclared-input", "clients are asked what they did not declare (MCP 2026-07-28)";
    SlowDown, "slow-down" = TIMES, "the token endpoint answers slow_down to the next polls of a device, so many times";
    NoVerificationUriComplete, "no-verification-uri-complete", "a device authorization lacks verification_uri_complete";
    NoDeviceInterval, "no-device-interval", "a device authorization lacks interval";
    InsecureVerificationUri, "insecure-verification-uri", "a device authorization sends the person to a page without TLS elsewhere";
    IssuerSpelling, "issuer-spelling" = Takes::Text { of: "ISSUER", default: "https://issuer.example" }, "the metadata and the authorization response say this issuer, however the server is named";
    AnotherServerFirst, "another-server-first" = Takes::Text { of: "ISSUER", default: "https://elsewhere.example" }, "the resource metadata names this authorization server before the own one";
    LocalhostOnly, "localhost-only", "redirect URIs at an address of loopback are refused, at registration and at the authorization endpoint";
    ResourceRefused, "resource-refused" = Takes::Text { of: "WHERE", default: "authorize" }, "a request with resource is refused with invalid_target, one without it is not: at authorize, token or refresh, or at entra, which is authorize with invalid_request and the words of Entra ID";
    ScopeRefused, "scope-refused" = Takes::Text { of: "SCOPE", default: "offline_access" }, "the authorization endpoint answers invalid_scope to whoever asks for this scope, and names it";
    ScopesRefused, "scopes-refused" = Takes::Text { of: "KEPT", default: "mcp:tools" }, "the authorization endpoint answers invalid_scope, without saying to which, to whoever asks for more than this scope; none: for any";
    OfflineNeedsConsent, "offline-needs-consent", "only who asks for offline_access with prompt=consent gets a refresh token (OpenID Connect Core §11)";
    RefreshNeedsScope, "refresh-needs-scope", "a refresh without scope is refused with invalid_request";
    FormTokenAnswers, "form-token-answers", "the token endpoint answers in form-encoding, and refuses with status 200";
    DpopNonceLoop, "dpop-nonce-loop", "no DPoP nonce is ever good: another one is demanded each time, at both servers";
    DpopNonceOnce, "dpop-nonce-once", "each DPoP nonce is good for one request, and every answer gives the next (where nonces are demanded)";
    DpopNonceNotGiven, "dpop-nonce-not-given", "a DPoP nonce is demanded, and none is given, at both servers";
    DpopProofRefused, "dpop-proof-refused", "every DPoP proof is refused with invalid_dpop_proof, at both servers";
    DpopIgnored, "dpop-ignored", "the token endpoint answers Bearer tokens, bound to nothing, to requests with a DPoP proof";
    ClockAhead, "clock-ahead" = Takes::Number { of: "SECONDS", default: 3600 }, "the clock by which DPoP proofs are judged is so far ahead, and Date says so";
    TokenRedirect, "token-redirect", "the token endpoint redirects (307) to another origin";
}

impl Fault {
    /// Every fault.
    pub fn all() -> impl Iterator<Item = Fault> {
        TABLE.iter().map(|row| row.0)
    }

    /// The name, in kebab-case.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// What is wrong, as a sentence without capital and dot.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        self.row().2
    }

    /// What may follow its name.
    #[must_use]
    pub fn takes(self) -> Takes {
        self.row().3
    }

    fn row(self) -> (Fault, &'static str, &'static str, Takes) {
        // The macro makes a row for each variant, in order.
        TABLE[self as usize]
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Fault {
    type Err = WrongFault;

    fn from_str(name: &str) -> Result<Self, WrongFault> {
        Fault::all().find(|fault| fault.name() == name).ok_or_else(|| WrongFault::Unknown(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::Fault;

    #[test]
    fn each_fault_is_found_by_its_own_name() {
        for fault in Fault::all() {
            assert_eq!(fault.name().parse::<Fault>().unwrap(), fault);
        }
    }

    #[test]
    fn an_unknown_name_is_refused() {
        assert!("wrong-planet".parse::<Fault>().is_err());
    }
}
