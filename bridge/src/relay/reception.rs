//! A host at its start: what it asks is answered in time, by the server or, when the host's patience is over, by us (A17).
//! What was answered in the server's place is made good as soon as the server is there.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;

use super::Shared;
use super::arrival::State;
use super::exchange::Errand;
use super::in_flight::Ticket;
use super::placeholder::{self, STATUS_TOOL};
use super::recall;
use crate::message::{self, Envelope};
use crate::upstream::error::UpstreamError;

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
            Some(State::Arrived { response, .. }) => ticket.answer(response).await,
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
        let line = errand.line.clone();
        let streaming = AtomicBool::new(false);
        let mut exchange = std::pin::pin!(self.exchange(errand, ticket.id(), &streaming));
        let outcome = tokio::select! {
            outcome = in_time(&mut exchange, self.desk.limits().lists) => outcome,
            () = over => return,
        };
        match outcome {
            Some(Ok((response, rest))) => {
                self.desk.remember(&method, &response, None);
                ticket.answer(self.desk.made_up(&line, response, ticket.id())).await;
                let _ = self.read_to_the_end(rest).await;
            }
            Some(Err(error)) => self.answer_error(&ticket, error).await,
            None => {
                let given = self.desk.stand_in(&method);
                ticket.answer(message::result_response(ticket.id(), &given).into()).await;
                if let Ok((response, rest)) = exchange.await {
                    if self.desk.remember(&method, &response, Some(&given)) {
                        self.announce(&method).await;
                    }
                    let _ = self.read_to_the_end(rest).await;
                }
            }
        }
    }

    /// A probe for the modern era opens no tab: without an answer in time it is told to go on with `initialize` (H11).
    pub(super) async fn carry_discover(self: Arc<Self>, errand: Errand, mut ticket: Ticket) {
        let over = ticket.over();
        let streaming = AtomicBool::new(false);
        let exchange = self.exchange(errand, ticket.id(), &streaming);
        let outcome = tokio::select! {
            outcome = in_time(exchange, self.desk.limits().initialize) => outcome,
            () = over => return,
        };
        match outcome {
            Some(Ok((response, rest))) => {
                ticket.answer(response).await;
                let _ = self.read_to_the_end(rest).await;
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
        let params = envelope.params.and_then(|p| serde_json::from_str::<CallParams<'_>>(p.get()).ok());
        envelope.is("tools/call") && self.desk.has_offered() && params.is_some_and(|params| params.name == STATUS_TOOL)
    }

    /// Answers a call of the stand-in tool: how it stands now.
    pub(super) async fn answer_status(self: Arc<Self>, ticket: Ticket) {
        let standing = self.desk.standing();
        let text = match &*self.arrival.watch().borrow() {
            State::Arrived { .. } | State::NotAsked => {
                format!("{} is connected: list the tools again to see its own", standing.upstream)
            }
            State::UnderWay => standing.sentence(),
            State::Failed { problem, .. } => format!("{problem} ({})", problem.hint),
        };
        ticket.answer(message::result_response(ticket.id(), &placeholder::status_result(&text)).into()).await;
    }

    /// Makes the host fetch a list again; nothing of ours but logs goes to it before it is initialized.
    async fn announce(&self, method: &str) {
        if let Some(notification) = recall::list_changed(method).filter(|_| self.arrival.is_host_initialized()) {
            let line = format!("{{\"jsonrpc\":\"2.0\",\"method\":\"{notification}\"}}");
            let _ = self.output.send(Bytes::from(line)).await;
        }
    }
}

/// What the upstream's door said without a token: no answer to the probe itself.
fn is_about_the_sign_in(error: &UpstreamError) -> bool {
    matches!(error, UpstreamError::Token(_))
}

async fn in_time<T>(future: impl Future<Output = T>, limit: Option<Duration>) -> Option<T> {
    match limit {
        Some(limit) => tokio::time::timeout(limit, future).await.ok(),
        None => Some(future.await),
    }
}
