//! A host at its start: what it asks is answered in time, by the server or, when the host's patience is over, by us (A17).
//! What was answered in the server's place is made good as soon as the server is there.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::Value;

use super::Shared;
use super::arrival::State;
use super::exchange::{Answered, Course, Errand};
use super::in_flight::Ticket;
use super::placeholder::{self, STATUS_TOOL};
use super::recall;
use crate::message::{self, Envelope};
use crate::translation::modern_to_legacy;
use crate::upstream::Purpose;
use crate::upstream::error::UpstreamError;

/// How long a request waits whose answer says nothing, where the host goes on without the server.
const FORMALITY: Duration = Duration::from_secs(2);

impl Shared {
    /// Answers `initialize`: with the server's own answer, with its error, or in time in its place.
    pub(super) async fn answer_initialize(self: Arc<Self>, ticket: Ticket) {
        let mut state = self.arrival.watch();
        let limit = self.desk.limits().initialize;
        let settled = async {
            let settled = state.wait_for(|state| !matches!(state, State::UnderWay)).await;
            settled.map(|state| state.clone()).unwrap_or(State::NotAsked)
        };
        match in_time(settled, limit).await {
            Some(State::Arrived { response, .. }) => {
                // The response may be to a later `initialize`, which took this one's place.
                let own = Envelope::parse(&response).ok().filter(|envelope| envelope.id != Some(ticket.id()));
                let own = own.map(|envelope| Bytes::from(envelope.with_id(&response, ticket.id())));
                ticket.answer(own.unwrap_or(response)).await;
            }
            Some(State::Failed { problem, .. }) => {
                ticket.answer(message::problem_response(ticket.id(), &problem).into()).await;
            }
            Some(State::NotAsked | State::UnderWay) => {} // the ticket answers for itself
            None => {
                tracing::warn!("{}: the host goes on without the server", self.desk.standing().sentence());
                ticket.answer(message::result_response(ticket.id(), &self.desk.promise()).into()).await;
            }
        }
    }

    /// Answers a list in time, and tells the host to fetch it again if the server then says something else.
    pub(super) async fn carry_list(self: Arc<Self>, errand: Errand, mut ticket: Ticket, method: String) {
        let over = ticket.over();
        let (line, is_modern) = (errand.line.clone(), errand.modern);
        let course = Course::default();
        let mut exchange = std::pin::pin!(self.exchange(errand, ticket.id(), &course));
        // Who has not asked for a session is not at its start, or of another era.
        let limit = self.desk.limits().lists.filter(|_| !self.arrival.is_not_asked());
        let outcome = tokio::select! {
            outcome = in_time(&mut exchange, limit) => outcome,
            () = over => return,
        };
        match outcome {
            Some(Ok(Answered { response, rest })) => {
                self.desk.remember(&method, &response);
                self.desk.owed(&method);
                ticket.answer(self.desk.made_up(&line, response, ticket.id())).await;
                let _ = self.read_the_end_of(rest).await;
            }
            Some(Err(error)) => self.answer_error(&ticket, error).await,
            None => {
                let given = message::result_response(ticket.id(), &self.desk.stand_in(&method));
                ticket.answer(of_era(given, is_modern, &method, ticket.id())).await;
                if self.session_number().is_none() {
                    // Asked once, when the session is there, however often the host asks until then.
                    return self.make_good();
                }
                let outcome = exchange.await;
                self.is_made_good(&method, outcome).await;
            }
        }
    }

    /// Fetches each list that the host was given in the server's place, once both sides are there.
    pub(super) fn make_good(self: &Arc<Self>) {
        if self.session_number().is_none() || !self.arrival.is_host_initialized() {
            return;
        }
        for method in self.desk.all_owed() {
            let shared = self.clone();
            self.spawn(async move {
                let id = format!("\"mcp-bridge-{method}\"");
                let line = Bytes::from(format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"{method}\"}}"));
                let (received, purpose) = (Instant::now(), Purpose::Call);
                let errand =
                    Errand { line, received, may_begin: false, purpose, idempotent: true, sets: false, modern: false };
                let outcome = shared.exchange(errand, &id, &Course::default()).await;
                shared.is_made_good(method, outcome).await;
            });
        }
    }

    /// The host is to fetch a list again where the server says something else than the host was told, or cannot say.
    async fn is_made_good(&self, method: &str, outcome: Result<Answered, UpstreamError>) {
        let Some(given) = self.desk.owed(method) else { return };
        match outcome {
            Ok(Answered { response, rest }) => {
                self.desk.remember(method, &response);
                let response = self.desk.made_up_for(method, response, "0");
                if !is_result(&response, &given) {
                    self.announce(method).await;
                }
                let _ = self.read_the_end_of(rest).await;
            }
            Err(error) => {
                tracing::warn!("{method}: {}", error.problem(self.upstream.shown()));
                self.announce(method).await;
            }
        }
    }

    /// Carries a request that only wants a sign of life, or sets what can be set later. Hosts send it of themselves, so
    /// within a session it asks nobody to sign in, and a host that goes on without the server is answered soon.
    pub(super) async fn carry_formality(self: Arc<Self>, mut errand: Errand, mut ticket: Ticket) {
        errand.may_begin = false;
        if !self.arrival.is_not_asked() {
            errand.purpose = Purpose::Background;
        }
        let over = ticket.over();
        let line = errand.line.clone();
        let course = Course::default();
        let mut exchange = std::pin::pin!(self.exchange(errand, ticket.id(), &course));
        let limit = self.desk.has_promised().then_some(FORMALITY);
        let outcome = tokio::select! {
            outcome = in_time(&mut exchange, limit) => outcome,
            () = over => return,
        };
        match outcome {
            Some(Ok(Answered { response, rest })) => {
                ticket.answer(self.desk.made_up(&line, response, ticket.id())).await;
                let _ = self.read_the_end_of(rest).await;
            }
            Some(Err(error)) if error.needs_sign_in() => {
                ticket.answer(message::result_response(ticket.id(), &serde_json::json!({})).into()).await;
            }
            Some(Err(error)) => self.answer_error(&ticket, error).await,
            None => {
                ticket.answer(message::result_response(ticket.id(), &serde_json::json!({})).into()).await;
                if let Ok(Answered { rest, .. }) = exchange.await {
                    let _ = self.read_the_end_of(rest).await;
                }
            }
        }
    }

    /// A probe for the modern era opens no tab: without an answer in time it is told to go on with `initialize` (H11).
    pub(super) async fn carry_discover(self: Arc<Self>, errand: Errand, mut ticket: Ticket) {
        let over = ticket.over();
        let course = Course::default();
        let exchange = self.exchange(errand, ticket.id(), &course);
        let outcome = tokio::select! {
            outcome = in_time(exchange, self.desk.limits().initialize) => outcome,
            () = over => return,
        };
        match outcome {
            Some(Ok(Answered { response, rest })) => {
                ticket.answer(response).await;
                let _ = self.read_the_end_of(rest).await;
            }
            Some(Err(error)) if !is_about_the_sign_in(&error) && !error.passes() => {
                self.answer_error(&ticket, error).await;
            }
            Some(Err(_)) | None => ticket.answer(message::method_not_found(ticket.id()).into()).await,
        }
    }

    /// Whether a request calls the stand-in tool that the host was given.
    pub(super) fn asks_for_status(&self, envelope: &Envelope<'_>) -> bool {
        #[derive(Deserialize)]
        struct CallParams<'a> {
            #[serde(borrow)]
            name: std::borrow::Cow<'a, str>,
        }
        // Asked first: it is no host's but one that was given the tool, and the parameters may be long.
        if !self.desk.has_offered() || !envelope.is("tools/call") {
            return false;
        }
        let params = envelope.params.and_then(|p| serde_json::from_str::<CallParams<'_>>(p).ok());
        params.is_some_and(|params| params.name == STATUS_TOOL)
    }

    /// Answers a call of the stand-in tool: how it stands now. It may be all that the host can call, so it tries again
    /// what failed.
    pub(super) async fn answer_status(self: Arc<Self>, ticket: Ticket, modern: bool) {
        let standing = self.desk.standing();
        let state = self.arrival.watch().borrow().clone();
        let text = match state {
            State::Arrived { .. } | State::NotAsked => {
                format!("{} is connected: list the tools again to see its own", standing.upstream)
            }
            State::UnderWay => standing.sentence(),
            State::Failed { problem, .. } => {
                self.try_again();
                format!("{problem} ({}). It is tried once more now: call this tool again to see", problem.hint)
            }
        };
        let result = message::result_response(ticket.id(), &placeholder::status_result(&text));
        ticket.answer(of_era(result, modern, "tools/call", ticket.id())).await;
    }

    /// Makes the host fetch a list again; nothing of ours but logs goes to it before it is initialized.
    async fn announce(&self, method: &str) {
        if let Some(notification) = recall::list_changed(method).filter(|_| self.arrival.is_host_initialized()) {
            let line = format!("{{\"jsonrpc\":\"2.0\",\"method\":\"{notification}\"}}");
            self.tell_host(Bytes::from(line), None).await;
        }
    }
}

/// A response of ours as the host's era has it.
fn of_era(response: Vec<u8>, modern: bool, method: &str, id: &str) -> Bytes {
    let completed = if modern { modern_to_legacy::response(method, &response, id) } else { None };
    completed.unwrap_or(response).into()
}

/// What the upstream's door said without a token: no answer to the probe itself.
fn is_about_the_sign_in(error: &UpstreamError) -> bool {
    matches!(error, UpstreamError::Token(_))
}

/// Whether a response has exactly this result.
fn is_result(response: &[u8], given: &Value) -> bool {
    let result = Envelope::parse(response).ok().and_then(|envelope| envelope.result);
    result.is_some_and(|result| serde_json::from_str::<Value>(result).is_ok_and(|result| result == *given))
}

async fn in_time<T>(future: impl Future<Output = T>, limit: Option<Duration>) -> Option<T> {
    match limit {
        Some(limit) => tokio::time::timeout(limit, future).await.ok(),
        None => Some(future.await),
    }
}
