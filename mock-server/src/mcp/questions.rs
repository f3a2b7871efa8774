//! What a request asks its client while it runs, and the answers: in the legacy era by requests on a stream, which it awaits;
//! in the modern one by a result that asks for input, after which the client sends its request again. It knows no tool.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::sync::oneshot;

use crate::faults::Fault;
use crate::mcp::message::{INTERNAL_ERROR, notification, request};
use crate::mcp::methods::{Call, RpcError};
use crate::mcp::modern::Modern;
use crate::mcp::modern::breach::MISSING_CAPABILITY;
use crate::mcp::session::ClientAnswer;
use crate::mcp::stream::Outlet;
use crate::mcp::tools::failure;

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(300);

/// One question.
pub(crate) struct Question {
    /// What tells it from others of the same request.
    pub(crate) key: String,
    pub(crate) method: &'static str,
    pub(crate) params: Value,
    /// What a client must have declared for it: a capability and, of elicitation, a mode.
    pub(crate) capability: Option<(&'static str, Option<&'static str>)>,
}

/// The stream on which a legacy client is asked.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum On {
    #[default]
    Reply,
    Standalone,
}

/// How questions are asked.
#[derive(Clone, Copy)]
pub(crate) struct Way {
    pub(crate) on: On,
    /// Whether a modern client gets a `requestState` to bring back.
    pub(crate) with_state: bool,
}

impl Default for Way {
    fn default() -> Self {
        Way { on: On::Reply, with_state: true }
    }
}

/// Why a request ends before its questions are answered.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The client did not declare what it would have to do (modern).
    Rpc(RpcError),
    /// The result that asks for input (modern).
    InputRequired(String),
    /// Nobody can or did answer (legacy), and why.
    Unanswered(&'static str),
}

impl Stop {
    /// What the call of a tool ends with.
    pub(crate) fn of_tool(self) -> Result<String, RpcError> {
        match self {
            Stop::Unanswered(reason) => Ok(failure(reason)),
            other => other.of_other(),
        }
    }

    /// What any other request ends with.
    pub(crate) fn of_other(self) -> Result<String, RpcError> {
        match self {
            Stop::Rpc(error) => Err(error),
            Stop::InputRequired(result) => Ok(result),
            Stop::Unanswered(reason) => Err(RpcError { code: INTERNAL_ERROR, message: reason.to_owned(), data: None }),
        }
    }
}

impl Question {
    pub(crate) fn may_be_asked(&self, call: &Call) -> bool {
        let (capability, mode) = self.capability.unzip();
        capability.is_none_or(|capability| call.session.client_can(capability, mode.flatten()))
    }
}

/// The answers, in the order of the questions, which are asked all at once.
pub(crate) async fn ask(call: &Call, questions: &[Question], way: Way) -> Result<Vec<ClientAnswer>, Stop> {
    let may_ask = questions.iter().all(|question| question.may_be_asked(call));
    match &call.modern {
        Some(_) if !may_ask && !call.state.has(Fault::UndeclaredInput) => Err(undeclared(call, questions)),
        Some(modern) => brought(call, modern, questions, way.with_state),
        None if !may_ask => Err(Stop::Unanswered("this client did not declare that it can be asked")),
        None => awaited(call, questions, way.on).await,
    }
}

fn undeclared(call: &Call, questions: &[Question]) -> Stop {
    let mut needed = Map::new();
    for question in questions.iter().filter(|question| !question.may_be_asked(call)) {
        let Some((capability, mode)) = question.capability else { continue };
        let modes = needed.entry(capability).or_insert_with(|| json!({}));
        if let (Some(mode), Some(modes)) = (mode, modes.as_object_mut()) {
            modes.insert(mode.to_owned(), json!({}));
        }
    }
    Stop::Rpc(RpcError {
        code: MISSING_CAPABILITY,
        message: "the client did not declare what this request needs".to_owned(),
        data: Some(json!({ "requiredCapabilities": needed })),
    })
}

/// The answers that came with the request, or the result that asks for those that did not.
fn brought(call: &Call, modern: &Modern, questions: &[Question], state: bool) -> Result<Vec<ClientAnswer>, Stop> {
    let endless = call.state.has(Fault::EndlessInput);
    let answer = |question: &Question| modern.input.answer(&question.key, state).filter(|_| !endless);
    let asked =
        |question: &Question| (question.key.clone(), json!({ "method": question.method, "params": question.params }));
    let missing = questions.iter().filter(|question| answer(question).is_none()).map(asked).collect::<Vec<_>>();
    if !missing.is_empty() {
        return Err(Stop::InputRequired(modern.input.required(&call.state, &missing, state)));
    }
    Ok(questions.iter().filter_map(answer).map(|answer| Ok(answer.to_owned())).collect())
}

/// The answers to requests that are sent on a stream now.
async fn awaited(call: &Call, questions: &[Question], on: On) -> Result<Vec<ClientAnswer>, Stop> {
    let outlet = match on {
        On::Reply => Some(call.outlet.clone()),
        On::Standalone => call.session.standalone(),
    };
    let Some(outlet) = outlet.filter(|outlet| !matches!(outlet, Outlet::Closed)) else {
        return Err(Stop::Unanswered("there is no standalone stream"));
    };
    let mut open = Vec::new();
    for question in questions {
        let (asked, answer) = Asked::of(call, outlet.clone());
        outlet.send(&call.state, &request(&asked.id, question.method, &question.params.to_string())).await;
        open.push((asked, answer));
    }
    let mut answers = Vec::new();
    for (asked, answer) in open {
        let answer = tokio::time::timeout(ANSWER, answer).await;
        if matches!(answer, Ok(Ok(_))) {
            asked.close();
        }
        let answer = answer.map_err(|_| Stop::Unanswered("nobody answered"))?;
        answers.push(answer.map_err(|_| Stop::Unanswered("the session ended before the answer"))?);
    }
    Ok(answers)
}

/// A question that is out; dropped before its answer it is withdrawn (MCP 2025-11-25, cancellation).
struct Asked<'a> {
    call: &'a Call,
    outlet: Outlet,
    id: String,
    is_open: bool,
}

impl<'a> Asked<'a> {
    fn of(call: &'a Call, outlet: Outlet) -> (Self, oneshot::Receiver<ClientAnswer>) {
        let (id, answer) = call.session.ask();
        (Asked { call, outlet, id, is_open: true }, answer)
    }

    fn close(mut self) {
        self.is_open = false;
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        if self.is_open {
            self.call.session.forget_question(&self.id);
            let params = format!(r#"{{"requestId":{},"reason":"the call has ended"}}"#, self.id);
            self.outlet.send_now(&self.call.state, &notification("notifications/cancelled", Some(&params)));
        }
    }
}
