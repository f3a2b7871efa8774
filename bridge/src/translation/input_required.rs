//! A result that asks for input, for a host that is asked by requests (E2; MCP 2026-07-28, patterns/mrtr): which questions go
//! to the host, and what the request that goes again brings back.

use super::json::{RawObject, quoted};
use super::legacy_to_modern::LegacyHost;
use crate::message::{self, Envelope};

/// How often one request may ask.
pub const MOST_ROUNDS: usize = 10;
/// How many questions may come at once.
const MOST_QUESTIONS: usize = 64;

/// What a result is.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The end of its request.
    Complete,
    /// Questions first.
    InputRequired(InputRequired),
}

/// What a server asks before it goes on.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct InputRequired {
    /// The questions, in their order; `None` where the result has no `inputRequests`.
    pub questions: Option<Vec<Question>>,
    /// `requestState`, to the letter.
    state: Option<String>,
}

/// One question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    key: String,
    method: String,
    params: Option<String>,
}

/// What a modern server must not do, in words for whoever has to mend it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Breach {
    /// A kind of result that nobody declared.
    #[error("answered with the result type `{0}`, which the host does not know")]
    ResultType(String),
    /// Input where none may be asked for.
    #[error("asked for input to `{0}`, where it may not")]
    NotHere(String),
    /// Neither questions nor state, or questions that are none.
    #[error("asked for input in a way that MCP does not have")]
    Malformed,
    /// A question that is not the host's to answer.
    #[error("asked the host for `{0}`, which the host did not declare")]
    Undeclared(String),
    /// No end of questions.
    #[error("asked for input {MOST_ROUNDS} times without an end")]
    Endless,
}

/// Judges the response to a request of this method.
///
/// # Errors
/// A [`Breach`].
pub fn judge(method: &str, response: &[u8], host: &LegacyHost) -> Result<Outcome, Breach> {
    // Most results are complete, and told by a search, without being read.
    if memchr::memmem::find(response, b"resultType").is_none() {
        return Ok(Outcome::Complete);
    }
    let result = Envelope::parse(response).ok().and_then(|envelope| envelope.result).and_then(RawObject::parse);
    let Some(result) = result else { return Ok(Outcome::Complete) };
    let Some(kind) = result.get("resultType") else { return Ok(Outcome::Complete) };
    match kind {
        "\"complete\"" => Ok(Outcome::Complete),
        "\"input_required\"" if matches!(method, "tools/call" | "prompts/get" | "resources/read") => {
            InputRequired::of(&result, host).map(Outcome::InputRequired)
        }
        "\"input_required\"" => Err(Breach::NotHere(method.to_owned())),
        _ if host.has_extensions() && kind.starts_with('"') => Ok(Outcome::Complete),
        other => Err(Breach::ResultType(other.trim_matches('"').to_owned())),
    }
}

impl InputRequired {
    fn of(result: &RawObject<'_>, host: &LegacyHost) -> Result<Self, Breach> {
        let state = result.get("requestState").map(str::to_owned);
        let questions = match result.get("inputRequests") {
            None => None,
            Some(_) => {
                let asked = result.object("inputRequests").ok_or(Breach::Malformed)?;
                Some(
                    asked
                        .members()
                        .map(|(key, asked)| Question::of(key, asked, host))
                        .collect::<Result<Vec<_>, _>>()?,
                )
            }
        };
        let nothing = questions.is_none() && state.is_none();
        let too_many = questions.as_ref().is_some_and(|questions| questions.len() > MOST_QUESTIONS);
        let bad_state = state.as_ref().is_some_and(|state| !state.starts_with('"'));
        if nothing || too_many || bad_state {
            return Err(Breach::Malformed);
        }
        Ok(InputRequired { questions, state })
    }

    /// What the request brings when it goes again, given the host's results in the order of the questions.
    #[must_use]
    pub fn brought(&self, results: &[String]) -> Vec<(&'static str, String)> {
        let mut more = Vec::new();
        if let Some(questions) = &self.questions {
            let mut responses = RawObject::default();
            for (question, result) in questions.iter().zip(results) {
                responses.set(&question.key, result.as_str());
            }
            more.push(("inputResponses", responses.to_string()));
        }
        more.extend(self.state.clone().map(|state| ("requestState", state)));
        more
    }
}

impl Question {
    fn of(key: String, asked: &str, host: &LegacyHost) -> Result<Self, Breach> {
        let asked = RawObject::parse(asked).ok_or(Breach::Malformed)?;
        let method = asked.text("method").ok_or(Breach::Malformed)?;
        let params = asked.object("params");
        let mode = params.as_ref().and_then(|params| params.text("mode"));
        let declared = match method.as_str() {
            "elicitation/create" => host.can("elicitation", Some(mode.as_deref().unwrap_or("form"))),
            "sampling/createMessage" => host.can("sampling", None),
            "roots/list" => host.can("roots", None),
            _ => return Err(Breach::Undeclared(method)),
        };
        if !declared {
            let mode = mode.filter(|_| method == "elicitation/create").map(|mode| format!(" ({mode} mode)"));
            return Err(Breach::Undeclared(method + mode.as_deref().unwrap_or_default()));
        }
        Ok(Question { key, method, params: params.map(|params| params.to_string()) })
    }

    /// The request to the host. `id` is a JSON string; as an `elicitationId` it stands where URL mode lacks one.
    #[must_use]
    pub fn request(&self, id: &str) -> String {
        let mut request = RawObject::default();
        request.set("jsonrpc", "\"2.0\"");
        request.set("id", id);
        request.set("method", quoted(&self.method));
        if let Some(mut params) = self.params.as_deref().and_then(RawObject::parse) {
            if params.get("mode") == Some("\"url\"") {
                params.set_if_absent("elicitationId", id);
            }
            request.set("params", params.to_string());
        }
        request.to_string()
    }
}

/// The result that a host answers with; what it answers with an error is the error's code and words.
///
/// # Errors
/// The error, to the letter.
pub fn answer(response: &[u8]) -> Result<String, String> {
    let envelope = Envelope::parse(response).ok();
    match envelope.and_then(|envelope| envelope.result) {
        Some(result) => Ok(result.to_owned()),
        None => Err(message::error(response).unwrap_or_else(|| "{}".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> LegacyHost {
        LegacyHost::new(Some(r#"{"capabilities":{"elicitation":{"form":{},"url":{}},"sampling":{}}}"#))
    }

    fn judged(method: &str, result: &str) -> Result<Outcome, Breach> {
        judge(method, format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#).as_bytes(), &host())
    }

    fn asks(result: &str) -> InputRequired {
        match judged("tools/call", result) {
            Ok(Outcome::InputRequired(asks)) => asks,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn e2_questions_go_to_the_host_and_come_back_under_their_keys_with_the_state_byte_for_byte() {
        let asks = asks(
            r#"{"resultType":"input_required","inputRequests":{"a":{"method":"elicitation/create","params":{"message":"m","requestedSchema":{}}},"b\"":{"method":"elicitation/create","params":{"mode":"url","url":"https://x"}}},"requestState":"\u0061b"}"#,
        );
        let questions = asks.questions.clone().unwrap();
        assert_eq!(
            questions[0].request("\"q-1\""),
            r#"{"jsonrpc":"2.0","id":"q-1","method":"elicitation/create","params":{"message":"m","requestedSchema":{}}}"#
        );
        assert_eq!(
            questions[1].request("\"q-2\""),
            r#"{"jsonrpc":"2.0","id":"q-2","method":"elicitation/create","params":{"mode":"url","url":"https://x","elicitationId":"q-2"}}"#
        );
        let brought = asks.brought(&[r#"{"action":"accept"}"#.to_owned(), r#"{"action":"decline"}"#.to_owned()]);
        assert_eq!(
            brought,
            [
                ("inputResponses", r#"{"a":{"action":"accept"},"b\"":{"action":"decline"}}"#.to_owned()),
                ("requestState", r#""\u0061b""#.to_owned())
            ]
        );
    }

    #[test]
    fn e2_each_goes_back_only_if_its_counterpart_came() {
        let state_only = asks(r#"{"resultType":"input_required","requestState":"s"}"#);
        assert_eq!(state_only.brought(&[]), [("requestState", "\"s\"".to_owned())]);
        let questions_only = asks(r#"{"resultType":"input_required","inputRequests":{}}"#);
        assert_eq!(questions_only.brought(&[]), [("inputResponses", "{}".to_owned())]);
    }

    #[test]
    fn e2_none_is_complete_and_another_result_type_is_an_error() {
        assert_eq!(judged("tools/call", r#"{"content":[]}"#), Ok(Outcome::Complete));
        assert_eq!(judged("tools/call", r#"{"resultType":"complete"}"#), Ok(Outcome::Complete));
        assert_eq!(judged("tools/call", r#"{"content":[{"text":"resultType"}]}"#), Ok(Outcome::Complete));
        assert_eq!(judged("tools/call", r#"{"resultType":"task"}"#), Err(Breach::ResultType("task".to_owned())));
        let extended = LegacyHost::new(Some(r#"{"capabilities":{"extensions":{"a/tasks":{}}}}"#));
        let response = br#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"task"}}"#;
        assert_eq!(judge("tools/call", response, &extended), Ok(Outcome::Complete));
    }

    #[test]
    fn e2_what_may_not_be_asked_is_not_passed_on() {
        let ask = |method: &str, params: &str| {
            format!(
                r#"{{"resultType":"input_required","inputRequests":{{"a":{{"method":"{method}","params":{params}}}}}}}"#
            )
        };
        let table = [
            ("tools/list", ask("sampling/createMessage", "{}"), Breach::NotHere("tools/list".to_owned())),
            ("tools/call", ask("roots/list", "{}"), Breach::Undeclared("roots/list".to_owned())),
            ("tools/call", ask("tools/call", "{}"), Breach::Undeclared("tools/call".to_owned())),
            ("tools/call", r#"{"resultType":"input_required"}"#.to_owned(), Breach::Malformed),
            ("tools/call", r#"{"resultType":"input_required","inputRequests":[]}"#.to_owned(), Breach::Malformed),
            ("tools/call", r#"{"resultType":"input_required","requestState":1}"#.to_owned(), Breach::Malformed),
        ];
        for (method, result, breach) in table {
            assert_eq!(judged(method, &result), Err(breach), "{method} {result}");
        }
    }

    #[test]
    fn e2_the_hosts_answer_is_its_result_or_its_error() {
        assert_eq!(answer(br#"{"jsonrpc":"2.0","id":1,"result":{"a":1.0}}"#), Ok(r#"{"a":1.0}"#.to_owned()));
        assert_eq!(
            answer(br#"{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"no"}}"#),
            Err(r#"{"code":-1,"message":"no"}"#.to_owned())
        );
    }
}
