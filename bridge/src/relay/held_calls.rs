//! What a modern host wants of a legacy server, under way (E8): a task of its own for each request, so that it goes on while
//! the host has an `input_required` result and answers what the server asks. Whoever lets go of a [`Running`] cancels it at
//! the server. Read next: `said_to_modern`, which brings the questions.

use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use aws_lc_rs::rand;
use bytes::Bytes;
use serde_json::json;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use super::Shared;
use super::as_legacy::{lock, ours};
use super::exchange::{Answered, Course, Errand};
use crate::message;
use crate::translation::capabilities::{Capabilities, Undeclared, url_elicitation};
use crate::translation::era::MISSING_CAPABILITY;
use crate::translation::held::{self, BadRetry, HELD_FOR, InputResponses, Questions, Salient};
use crate::translation::modern_to_legacy::{
    self, INVALID_PARAMS, LogLevel, Metadata, URL_ELICITATION_REQUIRED, error_response,
};
use crate::upstream::Purpose;
use crate::upstream::error::UpstreamError;
use crate::upstream::retry::Retry;
use crate::upstream::session::Session;

/// How long more questions may follow the first: a server that asks several things asks them at once.
const GATHER: Duration = Duration::from_millis(50);

/// A request under way at the server.
#[derive(Debug)]
pub(super) struct Call {
    /// Our id of it, to the letter; its progress token too.
    pub(super) id: String,
    /// A later one has a higher number.
    pub(super) number: u64,
    method: String,
    front: Mutex<Front>,
    /// It has questions, or its outcome.
    turned: Notify,
}

/// The side of a call that the host sees.
#[derive(Debug)]
struct Front {
    /// A request of the host waits for it.
    attended: bool,
    /// What that request, or the last one, says of itself.
    metadata: Metadata,
    /// Within which session it goes.
    session: Session,
    questions: Questions,
    outcome: Option<Result<Answered, UpstreamError>>,
    over: bool,
}

/// What the retry with a state goes on with.
#[derive(Debug)]
pub(super) enum Waiting {
    /// A call that goes on.
    Running(Running),
    /// A call that must be sent anew (−32042).
    Anew,
}

/// The right to a call. Dropped before its outcome is there, it cancels the call at the server.
#[derive(Debug)]
pub(super) struct Running {
    call: Arc<Call>,
    course: Arc<Course>,
    task: AbortHandle,
    shared: Weak<Shared>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let is_over = std::mem::replace(&mut lock(&self.call.front).over, true);
        if is_over {
            return;
        }
        self.task.abort();
        let Some(shared) = self.shared.upgrade() else { return };
        shared.as_legacy.ends(&self.call);
        if self.course.was_sent() {
            shared.answer_server(self.call.session(), vec![modern_to_legacy::cancelled(&self.call.id)]);
        }
    }
}

impl Call {
    /// Within which session it goes.
    pub(super) fn session(&self) -> Session {
        lock(&self.front).session.clone()
    }

    /// The level of log messages that it wants, while somebody waits for it.
    pub(super) fn log_level(&self) -> Option<LogLevel> {
        let front = lock(&self.front);
        front.metadata.log_level.filter(|_| front.attended)
    }

    /// The progress token of who waits for it.
    pub(super) fn progress_token(&self) -> Option<String> {
        let front = lock(&self.front);
        front.metadata.progress_token.clone().filter(|_| front.attended)
    }

    /// Whether the host may be asked something for it.
    pub(super) fn may_be_held(&self) -> bool {
        held::may_be_held(&self.method)
    }

    /// Whether a request of the host waits for it.
    pub(super) fn is_attended(&self) -> bool {
        lock(&self.front).attended
    }

    /// The server asks the host something for it.
    pub(super) fn ask(&self, id: &str, method: &str, params: Option<&str>) -> Result<(), Unasked> {
        let mut front = lock(&self.front);
        front.metadata.capabilities.allow(method, params)?;
        if !front.questions.ask(id, method, params) {
            return Err(Unasked::TooMany);
        }
        self.turned.notify_one();
        Ok(())
    }

    /// The server no longer wants to know.
    pub(super) fn withdraw(&self, id: &str) -> bool {
        lock(&self.front).questions.withdraw(id)
    }

    fn attend(&self, metadata: Metadata) {
        let mut front = lock(&self.front);
        (front.attended, front.metadata) = (true, metadata);
    }

    /// The next thing for the host: the outcome, or that there are questions.
    async fn next(&self) -> Option<Result<Answered, UpstreamError>> {
        loop {
            {
                let mut front = lock(&self.front);
                if let Some(outcome) = front.outcome.take() {
                    return Some(outcome);
                }
                if !front.questions.is_empty() {
                    return None;
                }
            }
            self.turned.notified().await;
        }
    }
}

/// Why the host is not asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unasked {
    #[error("{0}")]
    Undeclared(#[from] Undeclared),
    #[error("too many questions are open")]
    TooMany,
    #[error("method not found: no request of the client is under way that it could belong to")]
    OutOfTurn,
}

impl Unasked {
    /// The error code that the server is told (JSON-RPC 2.0 §5.1).
    pub(super) fn code(&self) -> i64 {
        match self {
            Unasked::Undeclared(Undeclared::Part(_)) => INVALID_PARAMS,
            Unasked::Undeclared(Undeclared::Method) | Unasked::OutOfTurn => message::METHOD_NOT_FOUND.into(),
            Unasked::TooMany => message::INTERNAL_ERROR.into(),
        }
    }
}

impl Shared {
    /// A request of a modern host, to its result, its error, or what the server wants to know first.
    pub(super) async fn call_as_legacy(
        self: &Arc<Self>,
        errand: &Errand,
        (method, params): (&str, Option<&str>),
        metadata: Metadata,
        id: &str,
    ) -> Result<Answered, UpstreamError> {
        let salient = Salient::of(method, params.filter(|_| held::may_be_held(method)));
        let declared = metadata.capabilities.clone();
        let running = match self.goes_on(&salient, (method, params), &metadata) {
            Ok(Some(running)) => running,
            Ok(None) => self.begin(errand, (method, params), metadata),
            Err(bad) => return Ok(ours(error_response(id, INVALID_PARAMS, &bad.to_string(), None))),
        };
        let call = running.call.clone();
        let mut outcome = call.next().await;
        if outcome.is_none() {
            outcome = tokio::time::timeout(GATHER, call.turn_to_outcome()).await.ok();
        }
        match outcome {
            Some(outcome) => Ok(self.as_modern(method, outcome?, id, &declared, salient)),
            None => Ok(self.hold(running, salient, id)),
        }
    }

    /// What a retry goes on with; nothing where a call is to be sent.
    fn goes_on(
        self: &Arc<Self>,
        salient: &Salient,
        (method, params): (&str, Option<&str>),
        metadata: &Metadata,
    ) -> Result<Option<Running>, BadRetry> {
        if !held::may_be_held(method) {
            return Ok(None);
        }
        let responses = InputResponses::read(params)?;
        let Some(state) = held::request_state(params)? else { return Ok(None) };
        let waiting = lock(&self.as_legacy.held).take(&state, salient, Instant::now())?;
        let Waiting::Running(running) = waiting else { return Ok(None) };
        running.call.attend(metadata.clone());
        let (answers, session) = {
            let mut front = lock(&running.call.front);
            (front.questions.answer(&responses), front.session.clone())
        };
        self.answer_server(session, answers);
        Ok(Some(running))
    }

    /// Sends a call to the server.
    fn begin(self: &Arc<Self>, errand: &Errand, (method, params): (&str, Option<&str>), metadata: Metadata) -> Running {
        let id = self.as_legacy.next_id();
        let line = Bytes::from(modern_to_legacy::request(method, params, &id, &id));
        let wants_logs = metadata.log_level.is_some();
        let front = Front {
            attended: true,
            metadata,
            session: Session::default(),
            questions: Questions::default(),
            outcome: None,
            over: false,
        };
        let number = id.parse().unwrap_or_default();
        let (front, turned) = (Mutex::new(front), Notify::new());
        let call = Arc::new(Call { id, number, method: method.to_owned(), front, turned });
        self.as_legacy.begins(&call);
        let course = Arc::new(Course::of(call.clone()));
        let errand = Errand { line, modern: false, may_begin: true, ..errand.clone() };
        let task = self.spawn(self.clone().run(errand, call.clone(), course.clone(), wants_logs));
        Running { call, course, task, shared: Arc::downgrade(self) }
    }

    async fn run(self: Arc<Self>, errand: Errand, call: Arc<Call>, course: Arc<Course>, wants_logs: bool) {
        if wants_logs {
            self.adjust_level(errand.received, errand.purpose).await;
        }
        let outcome = self.exchange_in_the_end(&errand, &call.id, &course).await;
        {
            let mut front = lock(&call.front);
            front.outcome = Some(outcome.map(Answered::from));
            front.over = true;
        }
        self.as_legacy.ends(&call);
        call.turned.notify_one();
    }

    /// The outcome of a call as the host gets it.
    fn as_modern(
        self: &Arc<Self>,
        method: &str,
        answered: Answered,
        id: &str,
        declared: &Capabilities,
        salient: Salient,
    ) -> Answered {
        let Answered { response, rest } = answered;
        let wants_urls = message::error_code(&response) == Some(URL_ELICITATION_REQUIRED);
        let urls = if wants_urls && held::may_be_held(method) { held::urls_to_visit(&response) } else { None };
        let response = match urls {
            Some(requests) if declared.elicit_by_url() => match self.hold_under(Waiting::Anew, salient) {
                Some(state) => held::input_required(id, &requests, &state),
                None => error_response(id, message::INTERNAL_ERROR.into(), NO_RANDOMNESS, None),
            },
            Some(_) => {
                let data = json!({"requiredCapabilities": url_elicitation()});
                error_response(id, MISSING_CAPABILITY, "the server wants a URL to be visited first", Some(&data))
            }
            None => match modern_to_legacy::response(method, &response, id) {
                Some(response) => response,
                None => response.to_vec(),
            },
        };
        Answered { response: response.into(), rest }
    }

    /// The `input_required` result of a call that goes on without anybody who waits for it.
    fn hold(self: &Arc<Self>, running: Running, salient: Salient, id: &str) -> Answered {
        running.course.waits_for_the_host();
        let requests = {
            let mut front = lock(&running.call.front);
            front.attended = false;
            front.questions.input_requests()
        };
        match self.hold_under(Waiting::Running(running), salient) {
            Some(state) => ours(held::input_required(id, &requests, &state)),
            None => ours(error_response(id, message::INTERNAL_ERROR.into(), NO_RANDOMNESS, None)),
        }
    }

    /// Holds something for its time. Gives the state.
    fn hold_under(self: &Arc<Self>, waiting: Waiting, salient: Salient) -> Option<String> {
        let mut random = [0; 24];
        rand::fill(&mut random).ok()?;
        let (state, displaced) = lock(&self.as_legacy.held).hold(waiting, salient, Instant::now(), random);
        if displaced.is_some() {
            tracing::warn!("too many calls wait for what the server asked the host: the oldest is cancelled");
        }
        let shared = Arc::downgrade(self);
        self.spawn(async move {
            tokio::time::sleep(HELD_FOR).await;
            if let Some(shared) = shared.upgrade() {
                let expired = lock(&shared.as_legacy.held).expire(Instant::now());
                expired.iter().for_each(|_| tracing::info!("a call was held for too long: it is cancelled"));
            }
        });
        Some(state)
    }

    /// Gives the server what has no answer, in the session that it is about.
    pub(super) fn answer_server(self: &Arc<Self>, session: Session, answers: Vec<Vec<u8>>) {
        for answer in answers {
            let (shared, session, answer) = (self.clone(), session.clone(), Bytes::from(answer));
            self.spawn(async move {
                let wanted = (Purpose::Background, Instant::now());
                let mut retry = Retry::new(wanted.1, false);
                loop {
                    let outcome = match shared.upstream.post_within(session.clone(), answer.clone(), wanted).await {
                        Ok(reply) if reply.is_acknowledgement() => return,
                        Ok(reply) => match reply.retry_after().and_then(|wait| retry.busy(wait)) {
                            Some(wait) => {
                                shared.wait_until_not_busy(wait).await;
                                continue;
                            }
                            None => shared.read_to_the_end(reply).await,
                        },
                        Err(error) => match shared.pause(&mut retry, error).await {
                            Ok(()) => continue,
                            Err(error) => Err(error),
                        },
                    };
                    return outcome.unwrap_or_else(|error| shared.did_not_arrive(&error));
                }
            });
        }
    }
}

const NO_RANDOMNESS: &str = "the system gives no random bytes";

impl Call {
    /// The outcome, however many questions come before.
    async fn turn_to_outcome(&self) -> Result<Answered, UpstreamError> {
        loop {
            if let Some(outcome) = lock(&self.front).outcome.take() {
                return outcome;
            }
            self.turned.notified().await;
        }
    }

    /// It goes within this session from now on.
    pub(super) fn goes_within(&self, session: Session) {
        lock(&self.front).session = session;
    }
}
