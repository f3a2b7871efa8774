//! A call that a legacy server holds open while it asks the host something (E8): its questions become the `inputRequests` of
//! an `input_required` result (MCP 2026-07-28, basic/patterns/mrtr), the retry's `inputResponses` its answers. Pure: the
//! clock and the randomness are handed in. Who carries the call is not known here.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::Value;

use super::json::{RawObject, quoted};

/// How many calls are held at once; the oldest makes room for another.
pub const MOST_HELD: usize = 64;
/// How long a call is held.
pub const HELD_FOR: Duration = Duration::from_secs(600);
/// How many questions of one call may be open.
pub const MOST_QUESTIONS: usize = 64;

/// Whether a request of this method may be answered with `input_required` (MCP 2026-07-28, basic/patterns/mrtr, "Supported
/// Requests").
#[must_use]
pub fn may_be_held(method: &str) -> bool {
    matches!(method, "tools/call" | "prompts/get" | "resources/read")
}

/// Why a retry is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRetry {
    /// The state is none of ours, was used, or is too old.
    #[error("invalid params: `requestState` is unknown, was used already or has expired; begin anew without it")]
    State,
    /// It was given for another request.
    #[error("invalid params: `requestState` belongs to another request")]
    OfAnother,
    /// No object of objects.
    #[error("invalid params: `inputResponses` must be an object of results")]
    Responses,
}

/// What a state is bound to: the method and what the request is about, as a digest.
#[derive(Clone, PartialEq, Eq)]
pub struct Salient([u8; 32]);

impl Salient {
    /// Of a request; its metadata and what a retry adds do not count.
    #[must_use]
    pub fn of(method: &str, params: Option<&str>) -> Self {
        let mut params: Value = params.and_then(|params| serde_json::from_str(params).ok()).unwrap_or_default();
        if let Some(params) = params.as_object_mut() {
            for key in ["_meta", "inputResponses", "requestState"] {
                params.remove(key);
            }
        }
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, format!("{method} {params}").as_bytes()).as_ref());
        Salient(bytes)
    }
}

impl std::fmt::Debug for Salient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Salient(..)")
    }
}

/// What is held under which state, the oldest first.
#[derive(Debug)]
pub struct Held<C>(VecDeque<Entry<C>>);

#[derive(Debug)]
struct Entry<C> {
    state: String,
    salient: Salient,
    until: Instant,
    call: C,
}

impl<C> Default for Held<C> {
    fn default() -> Self {
        Held(VecDeque::new())
    }
}

impl<C> Held<C> {
    /// Holds a call. `random` must not be guessed by anybody. Gives the `requestState`, and the call that made room.
    pub fn hold(&mut self, call: C, salient: Salient, now: Instant, random: [u8; 24]) -> (String, Option<C>) {
        let displaced = if self.0.len() >= MOST_HELD { self.0.pop_front() } else { None };
        let state = random.iter().fold(String::with_capacity(48), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        });
        self.0.push_back(Entry { state: state.clone(), salient, until: now + HELD_FOR, call });
        (state, displaced.map(|entry| entry.call))
    }

    /// Gives a call to the retry with its state; the state is used then.
    ///
    /// # Errors
    /// Where there is no such state now, or it was given for another request; then it stays.
    pub fn take(&mut self, state: &str, salient: &Salient, now: Instant) -> Result<C, BadRetry> {
        let found = self.0.iter().position(|entry| entry.state == state && now < entry.until);
        match found {
            None => Err(BadRetry::State),
            Some(at) if self.0[at].salient != *salient => Err(BadRetry::OfAnother),
            Some(at) => self.0.remove(at).map(|entry| entry.call).ok_or(BadRetry::State),
        }
    }

    /// Gives up what was held for too long.
    pub fn expire(&mut self, now: Instant) -> Vec<C> {
        let expired = self.0.iter().take_while(|entry| entry.until <= now).count();
        self.0.drain(..expired).map(|entry| entry.call).collect()
    }
}

/// The questions of one call that no answer came to yet.
#[derive(Debug, Default)]
pub struct Questions {
    open: BTreeMap<u64, Question>,
    asked: u64,
}

#[derive(Debug)]
struct Question {
    /// The server's id, to the letter.
    id: Box<str>,
    /// The request as the host gets it: `method` and `params`.
    request: String,
}

impl Questions {
    /// The server asks. False where too many are open.
    pub fn ask(&mut self, id: &str, method: &str, params: Option<&str>) -> bool {
        if self.open.len() >= MOST_QUESTIONS {
            return false;
        }
        self.asked += 1;
        self.open.insert(self.asked, Question { id: id.into(), request: as_input_request(method, params) });
        true
    }

    /// The server no longer wants to know. True if it had asked.
    pub fn withdraw(&mut self, id: &str) -> bool {
        let before = self.open.len();
        self.open.retain(|_, question| &*question.id != id);
        self.open.len() < before
    }

    /// Whether no question is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// The `inputRequests`.
    #[must_use]
    pub fn input_requests(&self) -> String {
        input_requests(self.open.iter().map(|(number, question)| (number, question.request.as_str())))
    }

    /// Takes what answers a question out of the `inputResponses`: the responses for the server. What is not answered stays
    /// open, what was not asked is passed over.
    pub fn answer(&mut self, responses: &InputResponses) -> Vec<Vec<u8>> {
        let mut answers = Vec::new();
        for (key, result) in &responses.0 {
            if let Some(question) =
                key.strip_prefix('q').and_then(|n| n.parse().ok()).and_then(|n| self.open.remove(&n))
            {
                let id = question.id;
                answers.push(format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{result}}}").into_bytes());
            }
        }
        answers
    }
}

/// The answers of a retry, by their keys; the results to the letter.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct InputResponses(Vec<(String, String)>);

impl InputResponses {
    /// Reads them from the parameters of a request; none are no error.
    ///
    /// # Errors
    /// [`BadRetry::Responses`].
    pub fn read(params: Option<&str>) -> Result<Self, BadRetry> {
        let params = RawObject::of_params(params).ok_or(BadRetry::Responses)?;
        let Some(responses) = params.get("inputResponses") else { return Ok(InputResponses::default()) };
        let responses = RawObject::parse(responses).ok_or(BadRetry::Responses)?;
        if responses.members().any(|(_, result)| !result.starts_with('{')) {
            return Err(BadRetry::Responses);
        }
        Ok(InputResponses(responses.members().map(|(key, result)| (key, result.to_owned())).collect()))
    }
}

/// The `requestState` of a request that is a retry; `None` of any other.
///
/// # Errors
/// [`BadRetry::State`] where it is no string.
pub fn request_state(params: Option<&str>) -> Result<Option<String>, BadRetry> {
    match RawObject::of_params(params) {
        Some(params) if params.get("requestState").is_some() => {
            params.text("requestState").map(Some).ok_or(BadRetry::State)
        }
        _ => Ok(None),
    }
}

/// The `input_required` response that asks the host.
#[must_use]
pub fn input_required(id: &str, input_requests: &str, state: &str) -> Vec<u8> {
    let state = quoted(state);
    let result =
        format!("{{\"resultType\":\"input_required\",\"inputRequests\":{input_requests},\"requestState\":{state}}}");
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{result}}}").into_bytes()
}

/// The `inputRequests` of an error −32042 (MCP 2025-11-25, client/elicitation, "URL Elicitation Required Error"); `None` where
/// it names no elicitation.
#[must_use]
pub fn urls_to_visit(error_response: &[u8]) -> Option<String> {
    let response = RawObject::parse(str::from_utf8(error_response).ok()?)?;
    let error = response.object("error")?;
    let data = error.object("data")?;
    let elicitations: Vec<Value> = serde_json::from_str(data.get("elicitations")?).ok()?;
    let requests: Vec<String> = elicitations
        .iter()
        .filter(|elicitation| elicitation["url"].is_string())
        .take(MOST_QUESTIONS)
        .map(|elicitation| {
            let mut params = elicitation.clone();
            params["mode"] = "url".into();
            as_input_request("elicitation/create", Some(&params.to_string()))
        })
        .collect();
    let numbered = (1_u64..).zip(&requests).map(|(number, request)| (number, request.as_str()));
    (!requests.is_empty()).then(|| input_requests(numbered))
}

fn input_requests<'a>(numbered: impl Iterator<Item = (impl std::fmt::Display, &'a str)>) -> String {
    let members: Vec<_> = numbered.map(|(number, request)| format!("\"q{number}\":{request}")).collect();
    format!("{{{}}}", members.join(","))
}

/// A request of a legacy server as one of `inputRequests`: without what only it knows.
fn as_input_request(method: &str, given: Option<&str>) -> String {
    let mut params = RawObject::of_params(given).unwrap_or_default();
    params.remove("task");
    if method == "elicitation/create" {
        params.remove("elicitationId");
    }
    let meta = params.remove("_meta");
    if let Some(mut meta) = meta.as_deref().and_then(RawObject::parse) {
        meta.remove("progressToken");
        if !meta.is_empty() {
            params.set("_meta", meta.to_string());
        }
    }
    let method_text = quoted(method);
    if params.is_empty() && given.is_none() {
        return format!("{{\"method\":{method_text}}}");
    }
    format!("{{\"method\":{method_text},\"params\":{params}}}")
}

#[cfg(test)]
mod tests;
