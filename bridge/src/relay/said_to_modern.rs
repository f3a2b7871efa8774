//! What a legacy server says, as a modern host may hear it (E8, E9, E10, H12): its questions go to the call that they belong
//! to, its log messages and progress to who asked for them, its news to who listens. The host gets no request.
//! Read next: `held_calls`.

use std::sync::Arc;

use bytes::Bytes;

use super::Shared;
use super::as_legacy::lock;
use super::held_calls::{Call, Unasked};
use crate::message::Envelope;
use crate::translation::json::RawObject;
use crate::translation::listeners;
use crate::translation::modern_to_legacy::{LogLevel, error_response};

impl Shared {
    /// The server asks; `call` is what its stream belongs to, if it is a call's.
    pub(super) fn ask_modern(&self, message: &[u8], id: &str, call: Option<&Arc<Call>>) {
        let Ok(envelope) = Envelope::parse(message) else { return };
        let method = envelope.method.as_deref().unwrap_or_default();
        let session = call.map_or_else(|| self.upstream.session(), |call| call.session());
        let answer = if method == "ping" {
            format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{}}}}").into_bytes()
        } else {
            let asked = match self.whose_question(call) {
                Some(call) => call.ask(id, method, envelope.params),
                None => Err(Unasked::OutOfTurn),
            };
            let Err(unasked) = asked else { return };
            tracing::debug!("`{}` asked the host out of turn: {unasked}", self.upstream.shown());
            error_response(id, unasked.code(), &unasked.to_string(), None)
        };
        if let Some(shared) = self.as_legacy.me() {
            shared.answer_server(session, vec![answer]);
        }
    }

    /// The call that a question belongs to: the one of its stream, else the latest that the host waits for, else one that is
    /// held.
    fn whose_question(&self, call: Option<&Arc<Call>>) -> Option<Arc<Call>> {
        if let Some(call) = call {
            return Some(call.clone()).filter(|call| call.may_be_held());
        }
        let calls = self.as_legacy.calls();
        let candidates = || calls.iter().rev().filter(|call| call.may_be_held());
        candidates().find(|call| call.is_attended()).or_else(|| candidates().next()).cloned()
    }

    /// The server tells something; `call` is what its stream belongs to, if it is a call's.
    pub(super) async fn tell_modern(&self, message: Bytes, call: Option<&Arc<Call>>) {
        let Ok(envelope) = Envelope::parse(&message) else { return };
        let (method, params) = (envelope.method.as_deref().unwrap_or_default(), envelope.params);
        match method {
            "notifications/message" => {
                if self.is_wanted_log(params, call) {
                    let _ = self.output.send(message.clone()).await;
                }
            }
            "notifications/progress" => {
                if let Some(line) = self.progress(params) {
                    let _ = self.output.send(line).await;
                }
            }
            "notifications/cancelled" => {
                let id = RawObject::of_params(params).and_then(|params| params.get("requestId").map(str::to_owned));
                if let Some(id) = id {
                    let withdrawn = self.as_legacy.calls().iter().any(|call| call.withdraw(&id));
                    tracing::debug!("the server withdraws a question: {withdrawn}");
                }
            }
            // Of a question that the host was asked in another way, and of what the modern era does not have.
            "notifications/elicitation/complete" | "notifications/tasks/status" => {}
            method if listeners::is_for_listeners(method) => self.tell_listeners(&message).await,
            _ => drop(self.output.send(message.clone()).await),
        }
    }

    /// Tells whoever listens.
    async fn tell_listeners(&self, notification: &[u8]) {
        self.output.has_room().await;
        let mut listeners = lock(&self.as_legacy.listeners);
        // Within the lock: an acknowledgement comes before all else.
        listeners.tagged(notification).into_iter().for_each(|line| self.output.send_soon(line.into()));
    }

    /// A log message goes to who asked for its level; from a stream of its own, to anybody's request that did.
    fn is_wanted_log(&self, params: Option<&str>, call: Option<&Arc<Call>>) -> bool {
        let level = RawObject::of_params(params).and_then(|params| params.text("level"));
        let Some(level) = level.and_then(|level| LogLevel::named(&level)) else { return false };
        match call {
            Some(call) => call.log_level().is_some_and(|wanted| wanted <= level),
            None => self.wants_logs(level),
        }
    }

    /// Whether anybody waits who wants log messages of this level.
    pub(super) fn wants_logs(&self, level: LogLevel) -> bool {
        self.as_legacy.calls().iter().any(|call| call.log_level().is_some_and(|wanted| wanted <= level))
    }

    /// Progress with the token of the host's request; nothing where nobody asked.
    fn progress(&self, params: Option<&str>) -> Option<Bytes> {
        let mut params = RawObject::of_params(params)?;
        let call = self.as_legacy.call(params.get("progressToken")?.trim_matches('"'))?;
        params.set("progressToken", call.progress_token()?);
        let line = format!("{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{params}}}");
        Some(line.into())
    }
}
