//! A legacy host at a modern server (E1 to E6): each of its requests becomes one or more of the server's era, and what the
//! server asks meanwhile becomes requests to the host. What is said is decided in `translation`. Read next: `modern_stream`.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::oneshot;

use super::Shared;
use super::exchange::{Answered, Course, Errand};
use super::incoming::with_id;
use crate::host::output::Output;
use crate::message::{self, Envelope};
use crate::translation::input_required::{self, Breach, MOST_ROUNDS, Outcome, Question};
use crate::translation::legacy_to_modern::{self, LegacyHost};
use crate::translation::subscriptions::Filter;
use crate::untrusted::Untrusted;
use crate::upstream::error::UpstreamError;

/// How a legacy host is presented to a modern server.
#[derive(Debug)]
pub(super) struct Guise {
    pub(super) host: LegacyHost,
    /// What the stream of changes brings; one change of it at a time.
    pub(super) heard: tokio::sync::Mutex<Filter>,
    questions: Mutex<HashMap<Box<str>, oneshot::Sender<Bytes>>>,
    /// For ids that nobody has used.
    next: AtomicU64,
}

impl Guise {
    pub(super) fn new(host: LegacyHost) -> Self {
        Guise { host, heard: tokio::sync::Mutex::default(), questions: Mutex::default(), next: AtomicU64::new(0) }
    }

    /// An id for the server or the host, as JSON.
    pub(super) fn fresh_id(&self, what: &str) -> String {
        format!("\"mcp-bridge-{what}-{}\"", self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// Whether a response of the host answers a question of ours; it goes no further then.
    pub(super) fn takes(&self, response: &Envelope<'_>, line: &Bytes) -> bool {
        let asked = response.id.and_then(|id| self.lock().remove(id));
        asked.is_some_and(|asked| {
            let _ = asked.send(line.clone());
            true
        })
    }

    /// Whether the host is being asked something: that may take its time.
    pub(super) fn is_asking(&self) -> bool {
        !self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, oneshot::Sender<Bytes>>> {
        self.questions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Questions that are open. Those without an answer are withdrawn when nobody waits any more (E6).
struct Asked<'a> {
    guise: &'a Guise,
    output: &'a Output,
    ids: Vec<String>,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        for id in &self.ids {
            let open = self.guise.lock().remove(id.as_str());
            if open.is_some() {
                let params = format!("{{\"requestId\":{id},\"reason\":\"the request is over\"}}");
                let method = "notifications/cancelled";
                let line = format!("{{\"jsonrpc\":\"2.0\",\"method\":\"{method}\",\"params\":{params}}}");
                self.output.send_soon(line.into());
            }
        }
    }
}

impl Shared {
    /// One request of a legacy host to its response, at a modern server.
    pub(super) async fn exchange_as_modern(
        self: &Arc<Self>,
        guise: &Arc<Guise>,
        errand: &Errand,
        id: &str,
        course: &Course,
    ) -> Result<Answered, UpstreamError> {
        course.is_modern();
        let Ok(request) = Envelope::parse(&errand.line) else { return Ok(invalid_params(id, "no message")) };
        match request.method.as_deref().unwrap_or_default() {
            // Both belonged to sessions (E4).
            "ping" => Ok(empty(id)),
            "logging/setLevel" => match legacy_to_modern::level(request.params) {
                Some(_) => Ok(self.agreed(errand, id)),
                None => Ok(invalid_params(id, "no such level")),
            },
            "resources/subscribe" => match self.subscribe(guise, request.params).await? {
                Ok(()) => Ok(self.agreed(errand, id)),
                Err(words) => Ok(invalid_params(id, &words)),
            },
            "resources/unsubscribe" => {
                self.unsubscribe(guise, request.params).await?;
                Ok(self.agreed(errand, id))
            }
            method => self.rounds(guise, errand, (method, id), course).await,
        }
    }

    /// The host has set something: it holds from now on, in another session too.
    fn agreed(&self, errand: &Errand, id: &str) -> Answered {
        let answered = empty(id);
        self.settings.note(&errand.line, &answered.response);
        answered
    }

    /// Sends a request until the server asks no more (E2).
    async fn rounds(
        self: &Arc<Self>,
        guise: &Arc<Guise>,
        errand: &Errand,
        (method, id): (&str, &str),
        course: &Course,
    ) -> Result<Answered, UpstreamError> {
        let text = str::from_utf8(&errand.line).unwrap_or_default();
        let level = self.settings.level();
        let (mut own_id, mut more) = (id.to_owned(), Vec::new());
        for round in 0..=MOST_ROUNDS {
            let Ok(line) = guise.host.request(text, &own_id, level.as_deref(), &more) else {
                return Ok(invalid_params(id, "`params` must be an object"));
            };
            let sent = Errand { line, modern: true, sets: false, ..errand.clone() };
            let (response, rest) = self.exchange_in_the_end(&sent, &own_id, course).await?;
            match input_required::judge(method, &response, &guise.host) {
                Ok(Outcome::Complete) => {
                    let response = legacy_to_modern::response(method, with_id(response, id));
                    return Ok(Answered { response, rest: Some(rest) });
                }
                Ok(Outcome::InputRequired(_)) if round == MOST_ROUNDS => break,
                Ok(Outcome::InputRequired(asked)) => {
                    drop(rest);
                    course.waits_for_the_host();
                    let results = self.ask(guise, asked.questions.as_deref().unwrap_or_default()).await?;
                    more = asked.brought(&results);
                    own_id = guise.fresh_id("again");
                }
                Err(breach) => return Err(breached(&breach)),
            }
        }
        Err(breached(&Breach::Endless))
    }

    /// Asks the host, everything at once, and gives its results in the order of the questions.
    async fn ask(&self, guise: &Guise, questions: &[Question]) -> Result<Vec<String>, UpstreamError> {
        let ids: Vec<String> = questions.iter().map(|_| guise.fresh_id("ask")).collect();
        let answers: Vec<_> = ids
            .iter()
            .map(|id| {
                let (tell, told) = oneshot::channel();
                guise.lock().insert(id.as_str().into(), tell);
                told
            })
            .collect();
        let asked = Asked { guise, output: &self.output, ids };
        for (question, id) in questions.iter().zip(&asked.ids) {
            let _ = self.output.send(question.request(id).into()).await;
        }
        let mut results = Vec::new();
        for answer in answers {
            let answer = answer.await.unwrap_or_default();
            let refused = |error| UpstreamError::NoInput(Untrusted::new(error));
            results.push(input_required::answer(&answer).map_err(refused)?);
        }
        Ok(results)
    }
}

fn breached(breach: &Breach) -> UpstreamError {
    UpstreamError::Breach(Untrusted::new(breach.to_string()))
}

fn empty(id: &str) -> Answered {
    Answered { response: message::result_response(id, &serde_json::json!({})).into(), rest: None }
}

fn invalid_params(id: &str, words: &str) -> Answered {
    Answered { response: message::invalid_params(id, words).into(), rest: None }
}
