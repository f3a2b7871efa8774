//! The device authorization grant (RFC 8628): a device asks for a pair of codes, a person enters the short one on a page,
//! the device polls with the long one. The page itself is elsewhere; it shows [`pending`] and hands the answer to
//! [`decide`]. A device that polls faster than it was told is slowed down, and each code gives tokens once.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::CACHE_CONTROL;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use crate::authorization::authorize;
use crate::authorization::client_authentication::authenticated;
use crate::authorization::consent::Decision;
use crate::authorization::parameters::Parameters;
use crate::authorization::records::{Client, Grant};
use crate::authorization::refusal::{Refusal, refusal, server_error, unauthenticated};
use crate::authorization::scope::Scope;
use crate::authorization::token::judge_resource;
use crate::faults::Fault;
use crate::mcp::trouble::happens;
use crate::random;
use crate::settings::Account;
use crate::state::{ServerState, Shared, lock};

/// `grant_type` (RFC 8628 §3.4).
pub(crate) const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// Where a device asks, below the issuer.
pub(crate) const PATH: &str = "/device_authorization";
/// The page where a person enters a code, below the issuer.
pub(crate) const PAGE: &str = "/device";

/// What `slow_down` adds to the interval (RFC 8628 §3.5).
const SLOWER: Duration = Duration::from_secs(5);
/// The letters of a code that a person types: no vowels, so no words (RFC 8628 §6.1).
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";
/// How many letters such a code has, and where the dash between them is.
const LENGTH: usize = 8;

/// The devices that were given codes, by the long one.
#[derive(Default)]
pub(crate) struct Devices(Mutex<HashMap<String, Device>>);

#[derive(Clone, Debug)]
struct Device {
    user_code: String,
    client_id: String,
    scope: Scope,
    resource: Option<String>,
    expires_at: SystemTime,
    interval: Duration,
    polled_at: Option<SystemTime>,
    answer: Answer,
}

#[derive(Clone, Debug)]
enum Answer {
    Pending,
    Denied,
    Granted(Account, Scope),
}

/// What a person is to be told before they decide. The name is the client's own word: show it escaped.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    pub(crate) user_code: String,
    pub(crate) client_name: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) accounts: Vec<Account>,
}

/// Why a person's word decides nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DeviceFault {
    #[error("no device waits under this code: it was decided, or is too old, or never was")]
    NotPending,
    #[error("there is no account `{0}`")]
    UnknownAccount(String),
    #[error("the scopes granted are none, or not all of those asked for: {0}")]
    Scopes(String),
}

/// `POST /device_authorization` (RFC 8628 §3.1).
pub(crate) async fn authorization(
    State(state): State<Shared>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if !state.settings.device_code || !state.settings.protected {
        return StatusCode::NOT_FOUND.into_response();
    }
    let answer = match authorized(&state, query.as_deref(), &headers, &body) {
        Ok(document) => Json(document).into_response(),
        Err(refusal) => refusal.response(&state),
    };
    ([(CACHE_CONTROL, "no-store")], answer).into_response()
}

fn authorized(state: &ServerState, query: Option<&str>, headers: &HeaderMap, body: &[u8]) -> Result<Value, Refusal> {
    let form = Parameters::of_body(query, headers, body)?;
    let client = authenticated(&mut state.records(), &state.issuer, headers, &form);
    let client = client.map_err(|fault| unauthenticated(state, fault, headers))?;
    if !client.may_use(GRANT_TYPE) {
        return Err(refusal("unauthorized_client", format!("the client did not register the grant type {GRANT_TYPE}")));
    }
    let device = Device {
        user_code: user_code().map_err(server_error)?,
        client_id: client.id,
        scope: authorize::judged_scope(state, form.get("scope")).map_err(Refusal::from)?,
        resource: authorize::judged_resource(state, &form).map_err(Refusal::from)?,
        expires_at: SystemTime::now() + state.settings.device_code_lifetime,
        interval: state.settings.device_code_interval,
        polled_at: None,
        answer: Answer::Pending,
    };
    let device_code = random::token().map_err(server_error)?;
    state.remember_secret(&device_code);
    let document = document(state, &device_code, &device);
    lock(&state.devices.0).insert(device_code, device);
    Ok(document)
}

/// RFC 8628 §3.2.
fn document(state: &ServerState, device_code: &str, device: &Device) -> Value {
    let page = if state.has(Fault::InsecureVerificationUri) {
        format!("http://elsewhere.example{PAGE}")
    } else {
        format!("{}{PAGE}", state.issuer)
    };
    let mut document = json!({
        "device_code": device_code,
        "user_code": device.user_code,
        "verification_uri": page,
        "verification_uri_complete": format!("{page}?user_code={}", device.user_code),
        "expires_in": state.settings.device_code_lifetime.as_secs(),
        "interval": device.interval.as_secs(),
    });
    for (fault, name) in
        [(Fault::NoVerificationUriComplete, "verification_uri_complete"), (Fault::NoDeviceInterval, "interval")]
    {
        if let Some(members) = document.as_object_mut().filter(|_| state.has(fault)) {
            members.remove(name);
        }
    }
    document
}

/// What a poll gives, but for the tokens themselves (RFC 8628 §3.4, §3.5). A code that was granted is used up.
pub(super) fn redeemed(state: &ServerState, client: &Client, form: &Parameters) -> Result<Grant, Refusal> {
    let code = form.get("device_code").ok_or_else(|| refusal("invalid_request", "device_code is missing"))?;
    let now = SystemTime::now();
    let mut devices = lock(&state.devices.0);
    let device = devices.get_mut(code).filter(|device| device.client_id == client.id);
    let device = device.ok_or_else(|| refusal("invalid_grant", "the device code is not known, or is another's"))?;
    if device.expires_at <= now {
        return Err(refusal("expired_token", "the device code has expired"));
    }
    judge_resource(device.resource.as_deref(), form)?;
    let too_fast = device.polled_at.replace(now).is_some_and(|at| now < at + device.interval);
    if too_fast || happens(state, Fault::SlowDown) {
        device.interval += SLOWER;
        let seconds = device.interval.as_secs();
        return Err(refusal("slow_down", format!("there must be {seconds} s between two polls from now on")));
    }
    let (account, scope) = match device.answer.clone() {
        Answer::Pending => return Err(refusal("authorization_pending", "the person has not decided yet")),
        Answer::Denied => return Err(refusal("access_denied", "the person said no")),
        Answer::Granted(account, scope) => (account, scope),
    };
    let grant = Grant {
        client_id: client.id.clone(),
        account,
        scope,
        resource: device.resource.clone(),
        at: now,
        nonce: None,
        jkt: None,
    };
    devices.remove(code);
    Ok(grant)
}

/// What waits under a code as a person types it: case, dashes and blanks mean nothing.
pub(crate) fn pending(state: &ServerState, user_code: &str) -> Option<Pending> {
    let devices = lock(&state.devices.0);
    let device = devices.values().find(|device| device.is_waiting_as(user_code))?;
    let name = state.records().client(&device.client_id).and_then(|client| client.name.clone());
    Some(Pending {
        user_code: device.user_code.clone(),
        client_name: name.unwrap_or_else(|| device.client_id.clone()),
        scopes: device.scope.words().map(str::to_owned).collect(),
        accounts: state.settings.accounts.clone(),
    })
}

/// Carries out what a person said; a code is decided once.
pub(crate) fn decide(state: &ServerState, user_code: &str, decision: &Decision) -> Result<(), DeviceFault> {
    let mut devices = lock(&state.devices.0);
    let device = devices.values_mut().find(|device| device.is_waiting_as(user_code));
    let device = device.ok_or(DeviceFault::NotPending)?;
    device.answer = match decision {
        Decision::Deny => Answer::Denied,
        Decision::Allow { account, scopes } => {
            let known = state.settings.accounts.iter().find(|known| known.sub == *account);
            let known = known.ok_or_else(|| DeviceFault::UnknownAccount(account.clone()))?;
            let granted = scopes.iter().map(String::as_str).collect::<Scope>();
            if scopes.is_empty() || !granted.is_within(&device.scope) {
                return Err(DeviceFault::Scopes(granted.to_string()));
            }
            Answer::Granted(known.clone(), granted)
        }
    };
    Ok(())
}

impl Device {
    fn is_waiting_as(&self, typed: &str) -> bool {
        let letters = |code: &str| {
            code.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect::<String>()
        };
        let is_open = matches!(self.answer, Answer::Pending) && self.expires_at > SystemTime::now();
        is_open && letters(&self.user_code) == letters(typed)
    }
}

/// Eight letters with a dash between: 34 bits, and no vowels.
fn user_code() -> Result<String, random::NoRandomness> {
    let mut code = String::with_capacity(LENGTH + 1);
    while code.len() < LENGTH + 1 {
        for byte in random::token()?.bytes() {
            // Of the 64 characters of a token those that are letters here already: all as likely as each other.
            if code.len() <= LENGTH && LETTERS.contains(&byte) {
                code.push(char::from(byte));
                if code.len() == LENGTH / 2 {
                    code.push('-');
                }
            }
        }
    }
    Ok(code)
}

#[cfg(test)]
mod tests {
    use super::{LENGTH, LETTERS, user_code};

    #[test]
    fn rfc8628_6_1_a_user_code_is_eight_letters_without_vowels_and_another_each_time() {
        let code = user_code().unwrap();
        assert_eq!((code.len(), code.as_bytes()[LENGTH / 2]), (LENGTH + 1, b'-'));
        assert!(code.bytes().all(|byte| byte == b'-' || LETTERS.contains(&byte)), "{code}");
        assert_ne!(code, user_code().unwrap());
    }
}
