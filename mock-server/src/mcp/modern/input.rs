//! What a request asks its client back (MCP 2026-07-28, multi round-trip requests): the answers that came with it, and the
//! result that asks for those that are missing. Nothing is kept here between two rounds: all is in `requestState`, which is
//! sealed and good for the same request of the same person only.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::breach::Breach;
use super::results::INPUT_REQUIRED;
use crate::authorization::jwt::Claims;
use crate::faults::Fault;
use crate::mcp::message::{Request, quoted};
use crate::mcp::session::{Owner, owner};
use crate::state::ServerState;

/// How long a `requestState` is good, in seconds.
const GOOD_FOR: u64 = 600;

/// The members of `params` that belong to a round and not to the request.
const OF_A_ROUND: [&str; 3] = ["inputResponses", "requestState", "_meta"];

/// What one request brought.
pub(crate) struct Input {
    /// The client's results so far, as spelled, by the key of their question.
    answers: BTreeMap<String, String>,
    has_state: bool,
    bound: Bound,
}

/// Which request a state is good for.
#[derive(Clone, PartialEq, Eq, Deserialize, Serialize)]
struct Bound {
    owner: Option<Owner>,
    /// The digest of method and parameters.
    request: String,
}

/// What a `requestState` holds.
#[derive(Deserialize, Serialize)]
struct Sealed {
    bound: Bound,
    /// Seconds since the epoch.
    until: u64,
    answers: BTreeMap<String, String>,
}

impl Input {
    /// Reads what came with a request; a state that is not ours, or another request's, is refused.
    pub(super) fn of(state: &ServerState, request: &Request<'_>, claims: Option<&Claims>) -> Result<Self, Breach> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Params {
            request_state: Option<String>,
            #[serde(default)]
            input_responses: Option<BTreeMap<String, Box<RawValue>>>,
        }
        let bound = Bound { owner: claims.map(owner), request: digested(request) };
        let input = |answers, has_state| Input { answers, has_state, bound: bound.clone() };
        if !matches!(request.method.as_ref(), "tools/call" | "prompts/get" | "resources/read") {
            return Ok(input(BTreeMap::new(), false));
        }
        let text = request.params.map_or("{}", RawValue::get);
        let params = serde_json::from_str::<Params>(text).map_err(|_| Breach::Answers)?;
        let has_state = params.request_state.is_some();
        let mut answers = match params.request_state {
            Some(text) if !state.has(Fault::ForgetsState) => opened(state, &bound, &text).ok_or(Breach::State)?,
            Some(_) => return Err(Breach::State),
            None => BTreeMap::new(),
        };
        for (key, answer) in params.input_responses.unwrap_or_default() {
            if !answer.get().starts_with('{') {
                return Err(Breach::Answers);
            }
            answers.insert(key, answer.get().to_owned());
        }
        Ok(input(answers, has_state))
    }

    /// The client's answer, if its question needs no state or the state came along.
    pub(crate) fn answer(&self, key: &str, with_state: bool) -> Option<&str> {
        self.answers.get(key).filter(|_| self.has_state || !with_state).map(String::as_str)
    }

    /// Whether this is a later round.
    pub(crate) fn has_state(&self) -> bool {
        self.has_state
    }

    /// The result that asks these questions; the state, if there is to be one, keeps the answers so far.
    pub(crate) fn required(&self, state: &ServerState, questions: &[(String, Value)], with_state: bool) -> String {
        let mut result = INPUT_REQUIRED.to_owned();
        if !questions.is_empty() {
            let requests = questions.iter().map(|(key, request)| format!("{}:{request}", quoted(key)));
            let requests = requests.collect::<Vec<_>>().join(",");
            result.push_str(&format!(r#","inputRequests":{{{requests}}}"#));
        }
        if with_state {
            result.push_str(&format!(r#","requestState":{}"#, quoted(&self.sealed(state))));
        }
        result.push('}');
        result
    }

    fn sealed(&self, state: &ServerState) -> String {
        let answers = if self.has_state { self.answers.clone() } else { BTreeMap::new() };
        let sealed = json!(Sealed { bound: self.bound.clone(), until: now() + GOOD_FOR, answers }).to_string();
        let seal = hmac::sign(state.key.secret(), sealed.as_bytes());
        format!("{}.{}", URL_SAFE_NO_PAD.encode(sealed), URL_SAFE_NO_PAD.encode(seal))
    }
}

/// The answers of a state that we sealed, for this request, not long ago.
fn opened(state: &ServerState, bound: &Bound, text: &str) -> Option<BTreeMap<String, String>> {
    let (sealed, seal) = text.split_once('.')?;
    let (sealed, seal) = (URL_SAFE_NO_PAD.decode(sealed).ok()?, URL_SAFE_NO_PAD.decode(seal).ok()?);
    hmac::verify(state.key.secret(), &sealed, &seal).ok()?;
    let sealed = serde_json::from_slice::<Sealed>(&sealed).ok()?;
    (sealed.bound == *bound && now() < sealed.until).then_some(sealed.answers)
}

fn digested(request: &Request<'_>) -> String {
    let mut params = request.params.and_then(|params| serde_json::from_str(params.get()).ok()).unwrap_or(Value::Null);
    if let Some(params) = params.as_object_mut() {
        params.retain(|name, _| !OF_A_ROUND.contains(&name.as_str()));
    }
    let text = format!("{} {params}", request.method);
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, text.as_bytes()))
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
