//! The way of a request by the eras of host and server (E): as it is where they are the same, else translated. What is known
//! of the server is found out anew where an answer proves it wrong, once for a request.

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;

use super::Shared;
use super::exchange::{Answered, Course, Errand};
use super::handshake::{Discovered, may_be_of_another_era};
use crate::message;
use crate::translation::era::{self, Spoken};
use crate::upstream::error::UpstreamError;
use crate::upstream::retry::Retry;

/// The id of a `server/discover` of ours for a modern host.
const FIND_OUT: &str = "\"mcp-bridge-era\"";

/// What is known of a server once it was asked for a modern host.
enum Found {
    Known {
        modern: bool,
    },
    /// The host's own `server/discover` found it out.
    Answered(Box<Answered>),
}

impl Shared {
    /// One request to its response, however it has to be said to the server.
    pub(super) async fn exchange_by_era(
        self: &Arc<Self>,
        errand: &Errand,
        id: &str,
        course: &Course,
    ) -> Result<Answered, UpstreamError> {
        let mut may_doubt = true;
        loop {
            let outcome = if errand.modern {
                Box::pin(self.exchange_for_modern_host(errand, id, course)).await
            } else {
                self.arrived(errand.received, errand.may_begin).await?;
                match self.eras.guise() {
                    None => self.exchange_in_the_end(errand, id, course).await.map(Answered::from),
                    Some(guise) => Box::pin(self.exchange_as_modern(&guise, errand, id, course)).await,
                }
            };
            let Some((status, code)) = doubtful(&outcome) else { return outcome };
            if !may_doubt || self.eras.is_forced() || !Box::pin(self.is_of_another_era(errand, status, code)).await {
                return outcome;
            }
            tracing::info!("`{}` speaks another era of MCP than before", self.upstream.shown());
            may_doubt = false;
        }
    }

    async fn exchange_for_modern_host(
        self: &Arc<Self>,
        errand: &Errand,
        id: &str,
        course: &Course,
    ) -> Result<Answered, UpstreamError> {
        match self.find_out(errand, id).await? {
            Found::Answered(answered) => Ok(*answered),
            Found::Known { modern: true } if listens(errand) => self.listen_as_it_is(errand, id).await,
            Found::Known { modern: true } => self.exchange_in_the_end(errand, id, course).await.map(Answered::from),
            Found::Known { modern: false } => self.exchange_as_legacy(errand, id, course).await,
        }
    }

    /// Whether the server is modern: as is known, or by `server/discover`. A legacy server might carry out another request,
    /// so none goes before (E0).
    async fn find_out(self: &Arc<Self>, errand: &Errand, id: &str) -> Result<Found, UpstreamError> {
        if let Some(modern) = self.spoken().modern {
            return Ok(Found::Known { modern });
        }
        let _turn = self.eras.finding_out.lock().await;
        if let Some(modern) = self.spoken().modern {
            return Ok(Found::Known { modern });
        }
        let is_discover = message::Envelope::parse(&errand.line).is_ok_and(|request| request.is("server/discover"));
        let (line, own) = match era::discover_on_behalf_of(&errand.line, FIND_OUT) {
            Some(line) if !is_discover => (Bytes::from(line), FIND_OUT),
            _ => (errand.line.clone(), id),
        };
        let mut retry = Retry::new(errand.received, true);
        let discovered = loop {
            match self.discover(line.clone(), own, (errand.purpose, errand.received)).await {
                Ok(discovered) => break discovered,
                Err(error) => self.pause(&mut retry, error).await?,
            }
        };
        let modern = matches!(discovered, Discovered::Modern(..));
        self.learns(|spoken| spoken.modern = Some(modern));
        match discovered {
            Discovered::Modern(response, rest) if is_discover => {
                Ok(Found::Answered(Box::new(Answered { response, rest: Some(*rest) })))
            }
            _ => Ok(Found::Known { modern }),
        }
    }

    /// Looks again which era the server speaks, after an answer that leaves a doubt. True where it is another one: the
    /// request was refused, and goes once more.
    async fn is_of_another_era(self: &Arc<Self>, errand: &Errand, status: StatusCode, code: Option<i64>) -> bool {
        let is_modern_error = code.is_some_and(|code| (-32_099..=-32_020).contains(&code));
        match (errand.modern, self.eras.guise()) {
            (false, None) => {
                let session = self.session_number().filter(|_| is_modern_error && self.eras.is_host_legacy());
                session.into_iter().for_each(|session| self.begins_anew(session));
                session.is_some()
            }
            (false, Some(guise)) => {
                let session = self.session_number().filter(|_| era::doubts_modern(code));
                let Some(session) = session else { return false };
                let line = guise.host.discover(FIND_OUT);
                let is_legacy = self.says_that_it_is_legacy(line, FIND_OUT, errand).await;
                if is_legacy {
                    self.learns(|spoken| *spoken = Spoken { legacy: None, modern: Some(false) });
                    self.begins_anew(session);
                }
                is_legacy
            }
            (true, _) if self.spoken().modern == Some(false) => {
                if is_modern_error {
                    self.learns(|spoken| spoken.modern = Some(true));
                }
                is_modern_error
            }
            (true, _) => {
                let doubts = era::doubts_modern(code) || status == StatusCode::METHOD_NOT_ALLOWED;
                let Some(line) = era::discover_on_behalf_of(&errand.line, FIND_OUT).filter(|_| doubts) else {
                    return false;
                };
                let is_legacy = self.says_that_it_is_legacy(line.into(), FIND_OUT, errand).await;
                if is_legacy {
                    self.learns(|spoken| spoken.modern = Some(false));
                }
                is_legacy
            }
        }
    }

    async fn says_that_it_is_legacy(self: &Arc<Self>, line: Bytes, id: &str, errand: &Errand) -> bool {
        matches!(self.discover(line, id, (errand.purpose, errand.received)).await, Ok(Discovered::Legacy))
    }
}

/// Whether a request is answered at the end only.
pub(super) fn listens(errand: &Errand) -> bool {
    message::Envelope::parse(&errand.line).is_ok_and(|request| request.is("subscriptions/listen"))
}

/// The status and the error code of an answer that may be another era's.
fn doubtful(outcome: &Result<Answered, UpstreamError>) -> Option<(StatusCode, Option<i64>)> {
    let (status, code) = match outcome {
        // Every message passes here: its status is all that is looked at.
        Ok(Answered { rest: Some(rest), .. }) if rest.status().is_success() => return None,
        Ok(Answered { response, rest: Some(rest) }) => (rest.status(), message::error_code(response)),
        Err(UpstreamError::Status { status, .. }) => (*status, None),
        _ => return None,
    };
    may_be_of_another_era(status).then_some((status, code))
}
