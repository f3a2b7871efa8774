//! What a token endpoint answers (RFC 6749 §5), read leniently where servers differ and strictly where a token is at
//! stake (A13); and what an error says about the refresh token and the registration (A15). It must never store, wait or
//! read a clock. Read `grant` for the requests.

use std::fmt;
use std::time::{Duration, SystemTime};

use http::StatusCode;
use serde_json::Value;
use url::form_urlencoded;

use super::endpoint::Endpoint;
use super::json::{self, Object};
use crate::problem::Code;
use crate::safe_url::SafeUrl;
use crate::secret::{Secret, SentSecrets};
use crate::untrusted::Untrusted;

/// The longest lifetime that is believed: ten years. More would overflow somebody's clock.
const MAX_LIFETIME: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Tokens (RFC 6749 §5.1), after [`judge`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenResponse {
    /// `access_token`: visible ASCII, fit for a header.
    pub access_token: Secret,
    /// `token_type`.
    pub token_type: TokenType,
    /// `expires_in`; None if absent or no positive number, and then the server's 401 tells.
    pub expires_in: Option<Duration>,
    /// `refresh_token`.
    pub refresh_token: Option<Secret>,
    /// `scope`; None means: as asked for.
    pub scope: Option<String>,
    /// `id_token` (OpenID Connect Core §3.1.3.3): visible ASCII.
    pub id_token: Option<Secret>,
}

/// `token_type`, those that are spoken here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenType {
    /// RFC 6750.
    Bearer,
    /// RFC 9449: bound to a key.
    Dpop,
}

impl TokenType {
    /// The name in the registry of RFC 6749 §11.1; also the scheme of `Authorization`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            TokenType::Bearer => "Bearer",
            TokenType::Dpop => "DPoP",
        }
    }
}

impl TokenResponse {
    /// This response after a refresh (RFC 6749 §6): the old refresh token and scope stay where the answer has none.
    #[must_use]
    pub fn after_refresh(mut self, refresh_token: &Secret, scope: Option<&str>) -> Self {
        self.refresh_token.get_or_insert_with(|| refresh_token.clone());
        self.scope = self.scope.or_else(|| scope.map(str::to_owned));
        self
    }

    /// When the access token ends, if it was asked for at `asked`.
    #[must_use]
    pub fn expires_at(&self, asked: SystemTime) -> Option<SystemTime> {
        asked.checked_add(self.expires_in?)
    }
}

/// Judges the answer of a token endpoint (RFC 6749 §5.1, §5.2). Its words are kept without what was `sent`.
pub fn judge(
    endpoint: &Endpoint,
    sent: &SentSecrets,
    status: StatusCode,
    body: &[u8],
) -> Result<TokenResponse, TokenError> {
    judge_by(read, endpoint, sent, status, body)
}

/// As [`judge`], where a success is something else than tokens: `read` reads it.
pub(super) fn judge_by<T>(
    read: impl FnOnce(SafeUrl, &Object) -> Result<T, TokenError>,
    endpoint: &Endpoint,
    sent: &SentSecrets,
    status: StatusCode,
    body: &[u8],
) -> Result<T, TokenError> {
    judge_as_it_is(read, endpoint, status, body).map_err(|error| error.without(sent))
}

fn judge_as_it_is<T>(
    read: impl FnOnce(SafeUrl, &Object) -> Result<T, TokenError>,
    endpoint: &Endpoint,
    status: StatusCode,
    body: &[u8],
) -> Result<T, TokenError> {
    let at = endpoint.shown();
    let object = json::object(body).or_else(|| form(body));
    let error = object.as_ref().and_then(|object| json::text(object, "error"));
    let token = object.as_ref().and_then(|object| object.get("access_token")).filter(|token| !token.is_null());
    if status.is_server_error() || status.as_u16() == 429 {
        return Err(unavailable(at, status, object.as_ref(), body));
    }
    match (object.as_ref(), error) {
        (Some(object), Some(error)) if !status.is_success() || token.is_none() => {
            Err(refusal(at, status, error, object, body))
        }
        (Some(object), _) if status.is_success() => read(at, object),
        (None, _) if status.is_success() => {
            Err(TokenError::NotJson { at, status: status.as_u16(), excerpt: json::excerpt(body) })
        }
        _ => Err(TokenError::Status { at, status: status.as_u16(), excerpt: json::excerpt(body) }),
    }
}

/// An answer in form-encoding, as GitHub gives it to whoever does not ask for JSON by its own rules: its parameters as the
/// members of an object. A page is none, nor is what has neither a token nor an error.
fn form(body: &[u8]) -> Option<Object> {
    let text = std::str::from_utf8(body).ok()?.trim();
    if text.contains(|c: char| c.is_whitespace() || matches!(c, '<' | '{' | '"')) {
        return None;
    }
    let mut object = Object::new();
    for (name, value) in form_urlencoded::parse(text.as_bytes()) {
        // There, commas stand between the scopes.
        let value = if name == "scope" { value.replace(',', " ") } else { value.into_owned() };
        if object.insert(name.into_owned(), Value::String(value)).is_some() {
            return None; // RFC 6749 §3.2: not more than once
        }
    }
    ["access_token", "error"].iter().any(|name| json::text(&object, name).is_some()).then_some(object)
}

fn read(at: SafeUrl, object: &Object) -> Result<TokenResponse, TokenError> {
    let access_token = match object.get("access_token") {
        Some(Value::String(token)) if !token.is_empty() => token,
        None | Some(Value::Null | Value::String(_)) => return Err(TokenError::NoAccessToken { at }),
        Some(_) => return Err(TokenError::AccessTokenMalformed { at }),
    };
    if !is_sendable(access_token) {
        return Err(TokenError::AccessTokenMalformed { at });
    }
    let token_type = match json::text(object, "token_type") {
        None => TokenType::Bearer,
        Some(name) if name.eq_ignore_ascii_case("bearer") => TokenType::Bearer,
        Some(name) if name.eq_ignore_ascii_case("dpop") => TokenType::Dpop,
        Some(name) => return Err(TokenError::TokenType { at, token_type: Untrusted::new(name) }),
    };
    Ok(TokenResponse {
        access_token: Secret::new(access_token.as_str()),
        token_type,
        expires_in: expires_in(object),
        refresh_token: json::text(object, "refresh_token").map(Secret::new),
        scope: scope(object),
        id_token: json::text(object, "id_token").filter(|token| is_sendable(token)).map(Secret::new),
    })
}

/// What is no visible ASCII cannot stand in a header, or would forge one.
fn is_sendable(token: &str) -> bool {
    token.bytes().all(|byte| byte.is_ascii_graphic())
}

/// `expires_in` as a number or text. What is not positive says nothing: some servers mean "never" by 0 or -1, and to
/// take them at their word would refresh at every call.
fn expires_in(object: &Object) -> Option<Duration> {
    let seconds = json::number(object, "expires_in").filter(|seconds| *seconds > 0.0)?;
    Some(Duration::try_from_secs_f64(seconds).unwrap_or(MAX_LIFETIME).min(MAX_LIFETIME))
}

/// `scope` as text, or as the list that some servers send.
fn scope(object: &Object) -> Option<String> {
    let listed = || json::texts(object, "scope").map(|tokens| tokens.join(" "));
    json::text(object, "scope").map(str::to_owned).or_else(listed).filter(|scope| !scope.is_empty())
}

fn refusal(at: SafeUrl, status: StatusCode, error: &str, object: &Object, body: &[u8]) -> TokenError {
    let error = TokenErrorCode::new(error);
    match error {
        TokenErrorCode::TemporarilyUnavailable | TokenErrorCode::ServerError => {
            unavailable(at, status, Some(object), body)
        }
        error => TokenError::Refused {
            at,
            status: status.as_u16(),
            error,
            description: json::words(object, "error_description"),
        },
    }
}

fn unavailable(at: SafeUrl, status: StatusCode, object: Option<&Object>, body: &[u8]) -> TokenError {
    let error = object.and_then(|object| json::text(object, "error"));
    let description = object.and_then(|object| json::text(object, "error_description"));
    let words = match (error, description) {
        (Some(error), Some(description)) => Untrusted::new(format!("{error}: {description}")),
        (Some(words), None) | (None, Some(words)) => Untrusted::new(words),
        (None, None) => json::excerpt(body),
    };
    TokenError::Unavailable { at, status: status.as_u16(), words }
}

/// `error` of a token endpoint (RFC 6749 §5.2, RFC 8707 §2, RFC 9449 §5 and §8, RFC 8628 §3.5 left out).
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are the RFC's")]
pub enum TokenErrorCode {
    InvalidRequest,
    InvalidClient,
    InvalidGrant,
    UnauthorizedClient,
    UnsupportedGrantType,
    InvalidScope,
    /// RFC 8707 §2: the `resource` was refused.
    InvalidTarget,
    /// RFC 9449 §8: a nonce is demanded.
    UseDpopNonce,
    /// RFC 9449 §5: the proof was refused.
    InvalidDpopProof,
    TemporarilyUnavailable,
    ServerError,
    /// Any other, to show.
    Other(Untrusted),
}

impl TokenErrorCode {
    const NAMES: [(&'static str, TokenErrorCode); 13] = [
        ("invalid_request", TokenErrorCode::InvalidRequest),
        ("invalid_client", TokenErrorCode::InvalidClient),
        ("invalid_grant", TokenErrorCode::InvalidGrant),
        ("unauthorized_client", TokenErrorCode::UnauthorizedClient),
        ("unsupported_grant_type", TokenErrorCode::UnsupportedGrantType),
        ("invalid_scope", TokenErrorCode::InvalidScope),
        ("invalid_target", TokenErrorCode::InvalidTarget),
        ("use_dpop_nonce", TokenErrorCode::UseDpopNonce),
        ("invalid_dpop_proof", TokenErrorCode::InvalidDpopProof),
        ("temporarily_unavailable", TokenErrorCode::TemporarilyUnavailable),
        ("server_error", TokenErrorCode::ServerError),
        // As GitHub spells two of these.
        ("bad_refresh_token", TokenErrorCode::InvalidGrant),
        ("incorrect_client_credentials", TokenErrorCode::InvalidClient),
    ];

    fn new(name: &str) -> Self {
        let known = Self::NAMES.into_iter().find(|(known, _)| *known == name);
        known.map_or_else(|| TokenErrorCode::Other(Untrusted::new(name)), |(_, code)| code)
    }

    fn without(self, sent: &SentSecrets) -> Self {
        match self {
            TokenErrorCode::Other(name) => TokenErrorCode::Other(name.without(sent)),
            known => known,
        }
    }
}

impl fmt::Display for TokenErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Self::NAMES.iter().find(|(_, code)| code == self) {
            Some((name, _)) => f.write_str(name),
            None => match self {
                TokenErrorCode::Other(name) => name.fmt(f),
                _ => Ok(()),
            },
        }
    }
}

/// Why there is no token. `at` is the token endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are what the message shows")]
pub enum TokenError {
    /// An error by RFC 6749 §5.2.
    #[error("`{at}` refused the token request: {error}{} (status {status})", described(description.as_ref()))]
    Refused { at: SafeUrl, status: u16, error: TokenErrorCode, description: Option<Untrusted> },
    /// 5xx, 429, `temporarily_unavailable`, `server_error`: it says nothing about any token.
    #[error("`{at}` cannot give a token now: {words} (status {status})")]
    Unavailable { at: SafeUrl, status: u16, words: Untrusted },
    /// Another status without an error by RFC 6749 §5.2: a proxy, a login page.
    #[error("`{at}` answered status {status} without an OAuth error: {excerpt}")]
    Status { at: SafeUrl, status: u16, excerpt: Untrusted },
    /// Success, but no JSON object.
    #[error("`{at}` answered status {status} with no JSON object in place of a token: {excerpt}")]
    NotJson { at: SafeUrl, status: u16, excerpt: Untrusted },
    /// Success, but no `access_token`.
    #[error("`{at}` answered without an `access_token`")]
    NoAccessToken { at: SafeUrl },
    /// `access_token` is no string, or one that no header may hold.
    #[error("`{at}` answered an `access_token` that cannot be sent in a header")]
    AccessTokenMalformed { at: SafeUrl },
    /// A `token_type` that is not spoken here.
    #[error("`{at}` answered a token of type `{token_type}`, neither Bearer nor DPoP")]
    TokenType { at: SafeUrl, token_type: Untrusted },
    /// DPoP to a request without a proof: nobody has the key.
    #[error("`{at}` answered a token of type DPoP to a request without a proof")]
    BoundUnasked { at: SafeUrl },
    /// Bearer to a request with a proof, where nothing else will do.
    #[error("`{at}` answered a token of type Bearer, and `--dpop always` takes none that is not bound")]
    Unbound { at: SafeUrl },
    /// An exchange that gave something else than was asked for (RFC 8693 §2.2.1).
    #[error("`{at}` issued a token of type `{issued}`, not `{expected}`")]
    IssuedTokenType { at: SafeUrl, issued: Untrusted, expected: &'static str },
    /// `id_token` is absent where it is what was wanted (OpenID Connect Core §3.1.3.3).
    #[error("`{at}` answered without an `id_token`")]
    NoIdToken { at: SafeUrl },
}

fn described(description: Option<&Untrusted>) -> String {
    description.map(|words| format!(": {words}")).unwrap_or_default()
}

impl TokenError {
    /// The same error without these secrets in the server's words.
    fn without(self, sent: &SentSecrets) -> Self {
        use TokenError::{IssuedTokenType, NotJson, Refused, Status, TokenType, Unavailable};
        match self {
            Refused { at, status, error, description } => {
                let description = description.map(|words| words.without(sent));
                Refused { at, status, error: error.without(sent), description }
            }
            Unavailable { at, status, words } => Unavailable { at, status, words: words.without(sent) },
            Status { at, status, excerpt } => Status { at, status, excerpt: excerpt.without(sent) },
            NotJson { at, status, excerpt } => NotJson { at, status, excerpt: excerpt.without(sent) },
            TokenType { at, token_type } => TokenType { at, token_type: token_type.without(sent) },
            IssuedTokenType { at, issued, expected } => IssuedTokenType { at, issued: issued.without(sent), expected },
            error => error,
        }
    }

    /// Whether the refresh token that was sent is dead (A15): `invalid_grant` and nothing else. A server in trouble, a
    /// page or a broken answer says nothing about it.
    #[must_use]
    pub fn forgets_refresh_token(&self) -> bool {
        matches!(self, TokenError::Refused { error: TokenErrorCode::InvalidGrant, .. })
    }

    /// Whether the registration is dead (A15): `invalid_client` or `unauthorized_client`.
    #[must_use]
    pub fn forgets_registration(&self) -> bool {
        use TokenErrorCode::{InvalidClient, UnauthorizedClient};
        matches!(self, TokenError::Refused { error: InvalidClient | UnauthorizedClient, .. })
    }

    /// Whether the server has answered that it gives no token, in whatever words: trouble that passes is none, nor is what
    /// it has against a proof, which would stand against the next token request too.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        use TokenErrorCode::{InvalidDpopProof, UseDpopNonce};
        match self {
            TokenError::Refused { error: UseDpopNonce | InvalidDpopProof, .. } => false,
            TokenError::Refused { .. } => true,
            TokenError::Status { status, .. } => (400..500).contains(status) && !matches!(status, 408 | 425 | 429),
            _ => false,
        }
    }

    /// The stable name.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            TokenError::Refused { .. } => Code::TokenRequestRefused,
            TokenError::Unavailable { .. } | TokenError::Status { .. } => Code::HttpError,
            _ => Code::TokenResponseInvalid,
        }
    }

    /// What the person can do.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            TokenError::Refused { error: TokenErrorCode::InvalidScope, .. } => "choose another scope with `--scope`",
            TokenError::Refused { error: TokenErrorCode::InvalidDpopProof, .. } => {
                "check the clock of this machine; `--dpop never` signs in without DPoP where the server allows it"
            }
            TokenError::Refused { error: TokenErrorCode::UseDpopNonce, .. } => {
                "tell the server's operator: it takes no nonce that it gives itself"
            }
            TokenError::BoundUnasked { .. } => "ask for bound tokens by `--dpop always`, or tell the server's operator",
            TokenError::Unbound { .. } => "leave `--dpop` at `auto` to go on without DPoP where the server has none",
            TokenError::Refused { .. } => "run `mcp-bridge login URL` to sign in again",
            TokenError::Unavailable { .. } | TokenError::Status { .. } => {
                "try again later; the sign-in that is stored was kept; if it stays, `mcp-bridge login URL --force`"
            }
            _ => "ask the server's operator to correct the token endpoint; the sign-in that is stored was kept",
        }
    }
}

#[cfg(test)]
mod tests;
