//! The authorization code grant's front channel (RFC 6749 §4.1, OAuth 2.1): the URL for the browser, and the verdict on
//! what the browser brings back (RFC 9207). It must never open, listen or wait; nothing of a response is used before
//! `state` and `iss` are right. Read `grant::authorization_code` next.

use std::borrow::Cow;

use url::{Url, form_urlencoded};

use super::endpoint::{Endpoint, EndpointError, UrlRule};
use super::issuer::spelling;
use super::pkce;
use super::state::State;
use crate::problem::Code;
use crate::secret::{Secret, SentSecrets};
use crate::untrusted::Untrusted;

/// How long a redirect's query may be, in bytes.
const MAX_QUERY: usize = 16 * 1024;

/// An authorization request (RFC 6749 §4.1.1, RFC 7636 §4.3, RFC 8707 §2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizationRequest {
    /// `authorization_endpoint`.
    pub endpoint: Endpoint,
    /// `client_id`.
    pub client_id: String,
    /// `redirect_uri`, as registered.
    pub redirect_uri: String,
    /// `state`, used for this request only.
    pub state: State,
    /// `code_challenge`, always S256.
    pub code_challenge: String,
    /// `resource`, to the letter.
    pub resource: Option<String>,
    /// `scope`.
    pub scope: Option<String>,
    /// What the person adds, in order; what this request sets itself goes before it.
    pub more: Vec<(String, String)>,
    /// `dpop_jkt` (RFC 9449 §10): the code is good with this key only.
    pub dpop_jkt: Option<String>,
}

impl AuthorizationRequest {
    /// The URL to open. The endpoint's own query is kept (RFC 6749 §3.1), but for names that this request sets: a
    /// parameter must not come twice. Refused if it is no URL for a browser (A12).
    pub fn url(&self, rule: &UrlRule) -> Result<Url, EndpointError> {
        let mut ours = self.parameters();
        let more = self.more.iter().filter(|(name, _)| !ours.iter().any(|(known, _)| known == name));
        let more: Vec<_> = more.map(|(name, value)| (name.as_str(), value.as_str())).collect();
        ours.extend(more);
        let is_ours = |name: &str| ours.iter().any(|(known, _)| *known == name);
        let mut url = self.endpoint.url().clone();
        if url.query_pairs().any(|(name, _)| is_ours(&name)) {
            let kept: Vec<_> = url.query_pairs().into_owned().filter(|(name, _)| !is_ours(name)).collect();
            url.query_pairs_mut().clear().extend_pairs(kept);
        }
        url.query_pairs_mut().extend_pairs(&ours);
        Endpoint::parse("authorization URL", url.as_str(), rule)?;
        Ok(url)
    }

    fn parameters(&self) -> Vec<(&str, &str)> {
        let mut pairs = vec![
            ("response_type", "code"),
            ("client_id", &self.client_id),
            ("redirect_uri", &self.redirect_uri),
            ("state", self.state.0.expose()),
            ("code_challenge", &self.code_challenge),
            ("code_challenge_method", pkce::METHOD),
        ];
        pairs.extend(self.resource.as_deref().map(|resource| ("resource", resource)));
        pairs.extend(self.scope.as_deref().map(|scope| ("scope", scope)));
        pairs.extend(self.dpop_jkt.as_deref().map(|thumbprint| ("dpop_jkt", thumbprint)));
        pairs
    }
}

/// What a response is measured against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The state that was sent.
    pub state: State,
    /// The recorded `issuer`, as published.
    pub issuer: String,
    /// `authorization_response_iss_parameter_supported`.
    pub is_iss_required: bool,
}

/// A response that may be used (RFC 6749 §4.1.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizationResponse {
    /// `code`.
    pub code: Secret,
}

/// Judges the query of a redirect, still encoded, in this order: `state`, `iss` (RFC 9207 §2.4), repeated parameters,
/// `error`, `code`. What fails early hides all that comes later.
pub fn judge(query: &str, expected: &Expected) -> Result<AuthorizationResponse, AuthorizationResponseError> {
    if query.len() > MAX_QUERY {
        return Err(AuthorizationResponseError::TooLong { length: query.len() });
    }
    let pairs: Vec<(Cow<'_, str>, Cow<'_, str>)> = form_urlencoded::parse(query.as_bytes()).collect();
    judge_state(&pairs, expected)?;
    judge_iss(&pairs, expected)?;
    let error = single(&pairs, "error")?;
    let description = single(&pairs, "error_description")?;
    let code = single(&pairs, "code")?;
    match (error, code) {
        (Some(error), _) => {
            let mut sent = SentSecrets::from([&expected.state.0]);
            code.into_iter().for_each(|code| sent.add(Secret::new(code)));
            let shown = |words: &str| Untrusted::new(words).without(&sent);
            Err(refusal(error, Words { error: shown(error), description: description.map(shown) }))
        }
        (None, Some(code)) if !code.is_empty() => Ok(AuthorizationResponse { code: Secret::new(code) }),
        (None, _) => Err(AuthorizationResponseError::NoCode),
    }
}

type Pairs<'a> = [(Cow<'a, str>, Cow<'a, str>)];

fn judge_state(pairs: &Pairs<'_>, expected: &Expected) -> Result<(), AuthorizationResponseError> {
    match single(pairs, "state") {
        Ok(Some(state)) if expected.state.is(state) => Ok(()),
        Ok(Some(_)) => Err(AuthorizationResponseError::WrongState),
        Ok(None) => Err(AuthorizationResponseError::NoState),
        Err(_) => Err(AuthorizationResponseError::StateRepeated),
    }
}

/// Compared as decoded strings, without normalisation (RFC 9207 §2.4).
fn judge_iss(pairs: &Pairs<'_>, expected: &Expected) -> Result<(), AuthorizationResponseError> {
    match single(pairs, "iss")? {
        Some(iss)
            if iss == expected.issuer || spelling::known_in_response(&expected.issuer).any(|known| known == iss) =>
        {
            Ok(())
        }
        Some(iss) => Err(AuthorizationResponseError::IssMismatch {
            received: Untrusted::new(iss),
            expected: Untrusted::new(expected.issuer.as_str()),
        }),
        None if expected.is_iss_required => {
            Err(AuthorizationResponseError::IssMissing { expected: Untrusted::new(expected.issuer.as_str()) })
        }
        None => Ok(()),
    }
}

/// The one value of a parameter (RFC 6749 §3.1: not more than once).
fn single<'a>(pairs: &'a Pairs<'_>, name: &'static str) -> Result<Option<&'a str>, AuthorizationResponseError> {
    let mut values = pairs.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_ref());
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        (_, Some(_)) => Err(AuthorizationResponseError::Repeated { name }),
    }
}

/// RFC 6749 §4.1.2.1.
fn refusal(error: &str, words: Words) -> AuthorizationResponseError {
    match error {
        "access_denied" => AuthorizationResponseError::Denied(words),
        "server_error" | "temporarily_unavailable" => AuthorizationResponseError::ServerError(words),
        "invalid_scope" => AuthorizationResponseError::InvalidScope(words),
        "unauthorized_client" | "invalid_client" => AuthorizationResponseError::UnauthorizedClient(words),
        _ => AuthorizationResponseError::Refused(words),
    }
}

/// `error` and `error_description` of a server, to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// `error`.
    pub error: Untrusted,
    /// `error_description`.
    pub description: Option<Untrusted>,
}

impl std::fmt::Display for Words {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.description {
            Some(description) => write!(f, "{}: {description}", self.error),
            None => self.error.fmt(f),
        }
    }
}

/// Why a response is not used. The first four are not of this sign-in: the wait goes on, see
/// [`AuthorizationResponseError::wait_goes_on`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are what the message shows")]
pub enum AuthorizationResponseError {
    /// Longer than any response.
    #[error("a response of {length} bytes came to the callback; at most {MAX_QUERY} are read")]
    TooLong { length: usize },
    /// No `state`.
    #[error("a response without `state` came to the callback")]
    NoState,
    /// `state` more than once.
    #[error("a response with more than one `state` came to the callback")]
    StateRepeated,
    /// The `state` of no sign-in or of another one.
    #[error("a response with the wrong `state` came to the callback")]
    WrongState,
    /// `iss` is another issuer: a mix-up attack (RFC 9207 §2.4).
    #[error("the authorization response is of issuer `{received}`, not of `{expected}`")]
    IssMismatch { received: Untrusted, expected: Untrusted },
    /// No `iss`, though the metadata promises it (RFC 9207 §2.4).
    #[error("the authorization response has no `iss`, which `{expected}` says it always sends")]
    IssMissing { expected: Untrusted },
    /// A parameter more than once (RFC 6749 §3.1).
    #[error("the authorization response has more than one `{name}`")]
    Repeated { name: &'static str },
    /// `access_denied`.
    #[error("the sign-in was denied: {0}")]
    Denied(Words),
    /// `invalid_scope`.
    #[error("the authorization server refused the scope: {0}")]
    InvalidScope(Words),
    /// `unauthorized_client`, `invalid_client`: the registration is no longer good.
    #[error("the authorization server refused this client: {0}")]
    UnauthorizedClient(Words),
    /// `server_error`, `temporarily_unavailable`.
    #[error("the authorization server is in trouble: {0}")]
    ServerError(Words),
    /// Any other `error`.
    #[error("the authorization server refused the request: {0}")]
    Refused(Words),
    /// Neither `code` nor `error`.
    #[error("the authorization response has neither `code` nor `error`")]
    NoCode,
}

impl AuthorizationResponseError {
    /// Whether the response proves nothing, as anybody could have sent it: it is turned away, the wait goes on (A10).
    #[must_use]
    pub fn wait_goes_on(&self) -> bool {
        use AuthorizationResponseError::{NoState, StateRepeated, TooLong, WrongState};
        matches!(self, TooLong { .. } | NoState | StateRepeated | WrongState)
    }

    /// Whether the registration should be forgotten (A15).
    #[must_use]
    pub fn forgets_registration(&self) -> bool {
        matches!(self, AuthorizationResponseError::UnauthorizedClient(_))
    }

    /// The stable name.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            AuthorizationResponseError::Denied(_) => Code::SignInDenied,
            AuthorizationResponseError::IssMismatch { .. } | AuthorizationResponseError::IssMissing { .. } => {
                Code::IssuerMismatch
            }
            _ => Code::AuthorizationResponseInvalid,
        }
    }

    /// What the person can do.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            AuthorizationResponseError::Denied(_) => "run `mcp-bridge login URL` to try again",
            AuthorizationResponseError::InvalidScope(_) => "choose another scope with `--scope`",
            AuthorizationResponseError::ServerError(_) => "try again later with `mcp-bridge login URL`",
            AuthorizationResponseError::IssMismatch { .. } | AuthorizationResponseError::IssMissing { .. } => {
                "do not go on with this sign-in; tell the operator of the authorization server"
            }
            _ => "run `mcp-bridge login URL` to try again; if it stays, tell the server's operator",
        }
    }
}

#[cfg(test)]
mod tests;
