//! The device authorization grant (RFC 8628): a person signs in on whatever device has a browser, by a short code, while
//! the client polls. It must never wait or read a clock: [`Pace`] only says how long. The tokens are judged by
//! `token_response`; read `worker::device` for the walk.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};

use crate::oauth::client_authentication::ClientAuthentication;
use crate::oauth::endpoint::{Endpoint, EndpointError, UrlRule};
use crate::oauth::json::{self, Object};
use crate::oauth::request::Form;
use crate::oauth::token_response::{self, TokenError, TokenResponse};
use crate::problem::Code;
use crate::safe_url::SafeUrl;
use crate::secret::{Secret, SentSecrets};
use crate::untrusted::Untrusted;

/// `grant_type` (RFC 8628 §3.4).
pub const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// Between polls where the server names no interval (RFC 8628 §3.2).
const INTERVAL: Duration = Duration::from_secs(5);
/// What `slow_down` adds (RFC 8628 §3.5).
const SLOWER: Duration = Duration::from_secs(5);
/// A server that names less would be polled without a pause.
const SHORTEST: Duration = Duration::from_secs(1);
/// More would make a person wait although they have signed in.
const LONGEST: Duration = Duration::from_secs(60);
/// The longest time that a code is believed to live: a day.
const LONGEST_LIFE: Duration = Duration::from_secs(24 * 3600);

/// What a device asks for (RFC 8628 §3.1, RFC 8707 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceAuthorizationRequest<'a> {
    /// `scope`.
    pub scope: Option<&'a str>,
    /// `resource`, to the letter.
    pub resource: Option<&'a str>,
    /// What the person adds; none of the names above.
    pub more: &'a [(String, String)],
}

/// The request at the `device_authorization_endpoint`. Do not show it: it may hold the client's secret.
#[must_use]
pub fn authorization_request(
    endpoint: &Endpoint,
    client: &ClientAuthentication,
    asked: &DeviceAuthorizationRequest<'_>,
) -> Request<Bytes> {
    let mut form = Form::new();
    form.push_some("scope", asked.scope);
    form.push_some("resource", asked.resource);
    for (name, value) in asked.more {
        form.push(name, value);
    }
    super::post(endpoint, Some(client), form)
}

/// What the person is shown and the client polls with (RFC 8628 §3.2), after [`judge_authorization`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceAuthorization {
    /// `device_code`.
    pub device_code: Secret,
    /// `user_code`: for the person, to type in.
    pub user_code: Untrusted,
    /// `verification_uri`: where to.
    pub verification_uri: Endpoint,
    /// `verification_uri_complete`: the same with the code in it; left out where it breaks the rule for URLs.
    pub verification_uri_complete: Option<Endpoint>,
    /// `expires_in`; `None` where it is no positive number.
    pub expires_in: Option<Duration>,
    /// `interval`, 1 to 60 s; 5 s where none is named.
    pub interval: Duration,
}

impl DeviceAuthorization {
    /// Where to send the person: with the code, if the server can do that.
    #[must_use]
    pub fn best_uri(&self) -> &Endpoint {
        self.verification_uri_complete.as_ref().unwrap_or(&self.verification_uri)
    }
}

/// What of it is secret, with what proves the client: the answer must not be shown with it.
#[must_use]
pub fn sent(client: &ClientAuthentication, device_code: Option<&Secret>) -> SentSecrets {
    let mut sent = SentSecrets::default();
    device_code.cloned().into_iter().for_each(|code| sent.add(code));
    client.sent_with(sent)
}

/// Judges the answer of the `device_authorization_endpoint` (RFC 8628 §3.2). Where to send a person is held to `rule`.
///
/// # Errors
/// A refusal by RFC 6749 §5.2, or an answer that lacks what is required.
pub fn judge_authorization(
    endpoint: &Endpoint,
    sent: &SentSecrets,
    rule: &UrlRule,
    (status, body): (StatusCode, &[u8]),
) -> Result<DeviceAuthorization, DeviceCodeError> {
    let at = || endpoint.shown();
    let object = match json::object(body) {
        Some(object) if status.is_success() && !object.contains_key("error") => object,
        // No success by that judge's measure either.
        _ => return Err(refused(endpoint, sent, status, body)),
    };
    let required =
        |name| json::text(&object, name).ok_or_else(|| DeviceCodeError::Incomplete { at: endpoint.shown(), name });
    let device_code = Secret::new(required("device_code")?);
    let user_code = Untrusted::new(required("user_code")?);
    // The name that Google had for it before the RFC.
    let verification_uri = json::text(&object, "verification_uri").or_else(|| json::text(&object, "verification_url"));
    let verification_uri =
        verification_uri.ok_or_else(|| DeviceCodeError::Incomplete { at: at(), name: "verification_uri" })?;
    let complete = json::text(&object, "verification_uri_complete");
    Ok(DeviceAuthorization {
        device_code,
        user_code,
        verification_uri: Endpoint::parse("verification_uri", verification_uri, rule)?,
        verification_uri_complete: complete
            .and_then(|text| Endpoint::parse("verification_uri_complete", text, rule).ok()),
        expires_in: seconds(&object, "expires_in").map(|time| time.min(LONGEST_LIFE)),
        interval: seconds(&object, "interval").unwrap_or(INTERVAL).clamp(SHORTEST, LONGEST),
    })
}

fn refused(endpoint: &Endpoint, sent: &SentSecrets, status: StatusCode, body: &[u8]) -> DeviceCodeError {
    match token_response::judge(endpoint, sent, status, body) {
        Err(error) => error.into(),
        Ok(_) => DeviceCodeError::Incomplete { at: endpoint.shown(), name: "device_code" },
    }
}

fn seconds(object: &Object, name: &str) -> Option<Duration> {
    let seconds = json::number(object, name).filter(|seconds| *seconds > 0.0)?;
    Some(Duration::try_from_secs_f64(seconds).unwrap_or(LONGEST_LIFE))
}

/// The poll at the token endpoint (RFC 8628 §3.4). Its body is wiped on drop; do not show it.
#[must_use]
pub fn token_request(
    token_endpoint: &Endpoint,
    client: &ClientAuthentication,
    device_code: &Secret,
    resource: Option<&str>,
) -> Request<Bytes> {
    let mut form = Form::new();
    form.push("grant_type", GRANT_TYPE);
    form.push("device_code", device_code.expose());
    form.push_some("resource", resource);
    super::post(token_endpoint, Some(client), form)
}

/// What a poll came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Poll {
    /// The person has signed in.
    Tokens(Box<TokenResponse>),
    /// `authorization_pending`: not yet.
    Pending,
    /// `slow_down`: not yet, and not so often; some servers name the interval that they want.
    SlowDown(Option<Duration>),
}

/// Judges the answer to a poll (RFC 8628 §3.5); some servers say it with status 200. Its words are kept without what was
/// `sent`.
///
/// # Errors
/// What ends the sign-in, and what is wrong with the answer; see [`DeviceCodeError::is_passing`].
pub fn judge(
    token_endpoint: &Endpoint,
    sent: &SentSecrets,
    status: StatusCode,
    body: &[u8],
) -> Result<Poll, DeviceCodeError> {
    let object = json::object(body).filter(|_| !status.is_server_error());
    let error = object.as_ref().and_then(|object| json::text(object, "error"));
    match (error, &object) {
        (Some("authorization_pending"), _) => Ok(Poll::Pending),
        (Some("slow_down"), Some(object)) => Ok(Poll::SlowDown(seconds(object, "interval"))),
        // `authorization_declined` is Microsoft's word for it.
        (Some(error @ ("access_denied" | "authorization_declined")), Some(object)) => {
            let words = json::text(object, "error_description").unwrap_or(error);
            Err(DeviceCodeError::Denied { words: Untrusted::new(words).without(sent) })
        }
        (Some("expired_token"), _) => Err(DeviceCodeError::Expired { at: token_endpoint.shown() }),
        _ => {
            let tokens = token_response::judge(token_endpoint, sent, status, body)?;
            Ok(Poll::Tokens(Box::new(tokens)))
        }
    }
}

/// How often to poll (RFC 8628 §3.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    interval: Duration,
    /// How many polls in a row came to no answer.
    unanswered: u32,
}

impl Pace {
    /// As the server wants it.
    #[must_use]
    pub fn new(interval: Duration) -> Self {
        Pace { interval, unanswered: 0 }
    }

    /// How long to wait before the next poll: twice as long after each that came to no answer, at most a minute then.
    #[must_use]
    pub fn wait(&self) -> Duration {
        let doubled = self.interval.saturating_mul(1_u32.checked_shl(self.unanswered).unwrap_or(u32::MAX));
        doubled.min(LONGEST.max(self.interval))
    }

    /// The server has answered.
    pub fn answered(&mut self) {
        self.unanswered = 0;
    }

    /// The server wants to be asked less often, from now on: by 5 s, or by what it names if that is more.
    pub fn slow_down(&mut self, named: Option<Duration>) {
        self.answered();
        let slower = self.interval + SLOWER;
        self.interval = named.map_or(slower, |named| named.min(LONGEST).max(slower));
    }

    /// No answer came, or one that says only that there is trouble.
    pub fn unanswered(&mut self) {
        self.unanswered = self.unanswered.saturating_add(1);
    }
}

/// Why a sign-in by device code does not go on. `at` is the endpoint that was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are what the message shows")]
pub enum DeviceCodeError {
    /// A member that RFC 8628 §3.2 requires is absent, or no text.
    #[error("`{at}` answered a device authorization without `{name}`")]
    Incomplete { at: SafeUrl, name: &'static str },
    /// Where to send the person breaks the URL rule.
    #[error(transparent)]
    Url(#[from] EndpointError),
    /// `access_denied`.
    #[error("the sign-in was denied: {words}")]
    Denied { words: Untrusted },
    /// `expired_token`: nobody entered the code in time.
    #[error("`{at}` says that the code for this sign-in has expired")]
    Expired { at: SafeUrl },
    /// What any token request can come to.
    #[error(transparent)]
    Token(#[from] TokenError),
}

impl DeviceCodeError {
    /// Whether it says nothing of the sign-in: the polling goes on.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(self, DeviceCodeError::Token(TokenError::Unavailable { .. }))
    }

    /// Whether the registration should be forgotten (A15).
    #[must_use]
    pub fn forgets_registration(&self) -> bool {
        matches!(self, DeviceCodeError::Token(error) if error.forgets_registration())
    }

    /// The stable name.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            DeviceCodeError::Incomplete { .. } => Code::AuthorizationResponseInvalid,
            DeviceCodeError::Url(error) => error.code(),
            DeviceCodeError::Denied { .. } => Code::SignInDenied,
            DeviceCodeError::Expired { .. } => Code::SignInTimedOut,
            DeviceCodeError::Token(error) => error.code(),
        }
    }

    /// What the person can do.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            DeviceCodeError::Incomplete { .. } => {
                "tell the server's operator; without `--grant device-code` the sign-in goes through a browser"
            }
            DeviceCodeError::Url(error) => error.hint(),
            DeviceCodeError::Denied { .. } => "run `mcp-bridge login URL` to try again",
            DeviceCodeError::Expired { .. } => "run `mcp-bridge login URL` to get a new code",
            DeviceCodeError::Token(error) => error.hint(),
        }
    }
}

#[cfg(test)]
mod tests;
