//! Requests that wait for a person (`Approval::Ask`): each was judged right already and is parked under an unguessable id,
//! which one decision uses up. The page itself is elsewhere; it shows [`pending`] and hands the answer to [`decide`].
//! A decision must be a POST with the id, from a page of our own origin ([`judge_origin`]).

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use axum::response::Response;
use http::header::ORIGIN;
use http::{HeaderMap, StatusCode};
use url::Url;

use crate::authorization::authorize::{self, AuthorizationRequest};
use crate::authorization::scope::Scope;
use crate::random::{self, NoRandomness};
use crate::settings::Account;
use crate::state::{ServerState, lock};

/// The path of the page, below the issuer; its query is `request=ID`.
pub(crate) const PATH: &str = "/consent";

/// How long a request waits for a person.
const LIFETIME: Duration = Duration::from_secs(600);

/// How many requests wait at most; the oldest goes first.
const MOST: usize = 1000;

/// The requests that wait, by their ids.
#[derive(Default)]
pub(crate) struct Waiting(Mutex<HashMap<String, (SystemTime, AuthorizationRequest)>>);

/// What a person is to be told before they decide. Names are the client's own words: show them escaped.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    pub(crate) client_id: String,
    pub(crate) client_name: Option<String>,
    pub(crate) redirect_uri: String,
    /// The scopes asked for; a person may grant fewer.
    pub(crate) scopes: Vec<String>,
    pub(crate) resource: Option<String>,
    /// Who the person can be; never empty.
    pub(crate) accounts: Vec<Account>,
}

/// What a person says.
#[derive(Clone, Debug)]
pub(crate) enum Decision {
    /// Yes, as this account (its `sub`), with these of the scopes asked for.
    Allow { account: String, scopes: Vec<String> },
    /// No: the client gets `access_denied`.
    Deny,
}

/// Why a decision decides nothing; but for the first the request goes on waiting.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ConsentFault {
    #[error("no request waits under this id: it was decided, or is too old, or never was")]
    NotPending,
    #[error("there is no account `{0}`")]
    UnknownAccount(String),
    #[error("the scopes granted are none, or not all of those asked for: {0}")]
    Scopes(String),
    #[error("the decision comes from a page of another origin")]
    ForeignPage,
}

/// Parks a request; where the person is to be sent.
pub(crate) fn park(state: &ServerState, request: AuthorizationRequest) -> Result<String, NoRandomness> {
    let id = random::token()?;
    state.remember_secret(&id);
    let url = format!("{}{PATH}?request={id}", state.issuer);
    let mut waiting = lock(&state.waiting.0);
    waiting.retain(|_, (since, _)| !is_over(*since));
    if waiting.len() >= MOST {
        let oldest = waiting.iter().min_by_key(|(_, (since, _))| *since).map(|(id, _)| id.clone());
        oldest.and_then(|id| waiting.remove(&id));
    }
    waiting.insert(id, (SystemTime::now(), request));
    Ok(url)
}

/// What waits under an id.
pub(crate) fn pending(state: &ServerState, id: &str) -> Option<Pending> {
    let request = waiting(state, id)?;
    let client_name = state.records().client(&request.client_id).and_then(|client| client.name.clone());
    Some(Pending {
        client_name,
        client_id: request.client_id,
        redirect_uri: request.redirect_uri,
        scopes: request.scope.words().map(str::to_owned).collect(),
        resource: request.resource,
        accounts: state.settings.accounts.clone(),
    })
}

/// Carries out the decision: the redirect to the client, with a code or `access_denied`. The id is used up.
pub(crate) fn decide(state: &ServerState, id: &str, decision: &Decision) -> Result<Response, ConsentFault> {
    let request = waiting(state, id).ok_or(ConsentFault::NotPending)?;
    let granted = match decision {
        Decision::Deny => None,
        Decision::Allow { account, scopes } => Some((chosen(state, account)?, narrowed(&request.scope, scopes)?)),
    };
    // Of two decisions at once only one takes the request out.
    let taken = lock(&state.waiting.0).remove(id);
    let (_, request) = taken.ok_or(ConsentFault::NotPending)?;
    let redirect_uri = request.redirect_uri.clone();
    let client_state = request.state.clone();
    let answer = match granted {
        Some((account, scope)) => authorize::issue_code(state, AuthorizationRequest { scope, ..request }, account),
        None => Err(authorize::denied()),
    };
    Ok(authorize::response(state, StatusCode::SEE_OTHER, &redirect_uri, client_state.as_deref(), answer))
}

/// Whether a decision was sent by a page of ours; browsers say so in every POST.
pub(crate) fn judge_origin(state: &ServerState, headers: &HeaderMap) -> Result<(), ConsentFault> {
    let own = Url::parse(&state.issuer).map(|url| url.origin().ascii_serialization());
    let sent = headers.get(ORIGIN).and_then(|origin| origin.to_str().ok());
    if own.is_ok_and(|own| sent == Some(&own)) { Ok(()) } else { Err(ConsentFault::ForeignPage) }
}

fn waiting(state: &ServerState, id: &str) -> Option<AuthorizationRequest> {
    let waiting = lock(&state.waiting.0);
    waiting.get(id).filter(|(since, _)| !is_over(*since)).map(|(_, request)| request.clone())
}

/// A clock that went backwards makes it recent.
fn is_over(since: SystemTime) -> bool {
    since.elapsed().unwrap_or_default() >= LIFETIME
}

fn chosen(state: &ServerState, sub: &str) -> Result<Account, ConsentFault> {
    let account = state.settings.accounts.iter().find(|account| account.sub == sub);
    account.cloned().ok_or_else(|| ConsentFault::UnknownAccount(sub.to_owned()))
}

fn narrowed(asked: &Scope, granted: &[String]) -> Result<Scope, ConsentFault> {
    let granted = granted.iter().map(String::as_str).collect::<Scope>();
    let right = granted.is_within(asked) && granted.words().next().is_some();
    if right { Ok(granted) } else { Err(ConsentFault::Scopes(granted.to_string())) }
}

#[cfg(test)]
mod tests;
