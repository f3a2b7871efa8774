//! One handshake with the server on behalf of the host: its own `initialize`, or, at a server without handshakes, an answer
//! made of `server/discover` (E0, E1). How often it is tried, and who waits for it, is in `arrival`.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::StatusCode;

use super::Shared;
use super::as_modern::Guise;
use super::incoming::Incoming;
use crate::message::{self, Envelope};
use crate::translation::era::{self, Finding};
use crate::translation::legacy_to_modern::LegacyHost;
use crate::untrusted::Untrusted;
use crate::upstream::Purpose;
use crate::upstream::error::UpstreamError;
use crate::upstream::exchange::Reply;

/// The id of our own `server/discover`.
const DISCOVER: &str = "\"mcp-bridge-discover\"";

/// What a server says to `server/discover`.
#[derive(Debug)]
pub(super) enum Discovered {
    /// The response with its result: it speaks the modern era.
    Modern(Bytes, Box<Reply>),
    /// What no modern server says.
    Legacy,
}

impl Shared {
    /// Sends the handshake, and gives the response that the host gets.
    pub(super) async fn shake_hands(
        self: &Arc<Self>,
        line: &Bytes,
        id: &str,
        wanted: (Purpose, Instant),
    ) -> Result<Bytes, UpstreamError> {
        self.upstream.forget_session();
        self.eras.present_as(None);
        let translates = self.eras.is_host_legacy();
        if translates && self.spoken().is_modern_only() {
            let modern = self.modern_handshake(line, id, wanted).await?;
            match modern {
                Some(response) => return Ok(response),
                None if self.eras.is_forced() => return Err(not_modern()),
                None => self.learns(|spoken| *spoken = era::Spoken::default()),
            }
        }
        let reply = self.upstream.initialize(line.clone(), wanted, self.listener()).await?;
        let status = reply.status();
        let first = self.taken_up(line, id, reply).await;
        // Whoever answers a handshake with a revision that has none wants to be asked otherwise, too.
        let refused = matches!(&first, Ok(response) if is_error(response) || era::promises_modern(response));
        if refused && translates && !self.eras.is_forced() {
            // What keeps this from being found out says less than the first answer.
            if let Ok(Some(response)) = self.modern_handshake(line, id, wanted).await {
                self.learns(|spoken| spoken.legacy = Some(false));
                return Ok(response);
            }
        }
        if matches!(&first, Ok(response) if era::is_modern_error(response)) {
            self.learns(|spoken| *spoken = era::Spoken::only(era::Era::Modern));
        } else if refused || first.is_err() {
            let older = self.upstream.initialize_older(line.clone(), wanted, self.listener(), status).await?;
            if let Some(reply) = older {
                return self.taken_up(line, id, reply).await;
            }
        }
        first
    }

    /// The response to an `initialize`, and the session that it sets up.
    async fn taken_up(self: &Arc<Self>, line: &Bytes, id: &str, reply: Reply) -> Result<Bytes, UpstreamError> {
        let (response, reply) = self.first_response(reply, id).await?;
        if let Ok(envelope) = Envelope::parse(&response)
            && envelope.result.is_some()
        {
            self.upstream.begin_session(reply.headers(), &envelope);
            self.desk.server_is_there(line, &envelope);
            self.learns(|spoken| spoken.legacy = Some(true));
        }
        let shared = self.clone();
        self.spawn(async move { drop(shared.read_to_the_end(reply).await) });
        Ok(response)
    }

    /// The handshake of a legacy host with a modern server; `None` where the server is none.
    async fn modern_handshake(
        self: &Arc<Self>,
        line: &Bytes,
        id: &str,
        wanted: (Purpose, Instant),
    ) -> Result<Option<Bytes>, UpstreamError> {
        let mut host = LegacyHost::new(Envelope::parse(line).ok().and_then(|envelope| envelope.params));
        let (response, rest) = match self.discover(host.discover(DISCOVER), DISCOVER, wanted).await? {
            Discovered::Modern(response, rest) => (response, rest),
            Discovered::Legacy => return Ok(None),
        };
        drop(rest);
        let discovered = Envelope::parse(&response).ok().and_then(|envelope| envelope.result);
        let name = self.upstream.shown().as_str();
        let Some(result) = discovered.and_then(|discovered| host.initialize_result(discovered, name)) else {
            return Ok(None);
        };
        let response = Bytes::from(format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{result}}}"));
        tracing::info!("`{}` has no handshake: the host's requests are translated to MCP 2026-07-28", name);
        self.upstream.begin_modern(host.version());
        self.eras.present_as(Some(Arc::new(Guise::new(host))));
        if let Ok(envelope) = Envelope::parse(&response) {
            self.desk.server_is_there(line, &envelope);
        }
        self.learns(|spoken| spoken.modern = Some(true));
        Ok(Some(response))
    }

    /// Sends a `server/discover`, once more where the server says that it would do (E0). `line` must be modern.
    ///
    /// # Errors
    /// Whatever tells no era: the network, a token, 401, 403, 429 and 5xx.
    pub(super) async fn discover(
        &self,
        line: Bytes,
        id: &str,
        wanted: (Purpose, Instant),
    ) -> Result<Discovered, UpstreamError> {
        let mut may_ask_again = true;
        loop {
            let reply = self.upstream.post_alone(line.clone(), wanted).await?.of_era(true);
            let status = reply.status();
            let tells_nothing = status.is_server_error() || matches!(status.as_u16(), 401 | 403 | 408 | 429);
            if tells_nothing {
                return Err(reply.refused());
            }
            let (response, rest) = match self.first_response(reply, id).await {
                Ok(answered) => answered,
                Err(error) if error.is_an_answer() => return Ok(Discovered::Legacy),
                Err(error) => return Err(error),
            };
            match era::of_discover(&response) {
                Finding::Modern => return Ok(Discovered::Modern(response, Box::new(rest))),
                Finding::ModernError if may_ask_again => may_ask_again = false,
                Finding::ModernError => {
                    let words = message::error(&response).unwrap_or_default();
                    return Err(UpstreamError::Breach(Untrusted::new(format!("refuses `server/discover`: {words}"))));
                }
                Finding::Legacy => return Ok(Discovered::Legacy),
            }
        }
    }

    /// The response in a reply; what else comes goes to the host.
    pub(super) async fn first_response(&self, mut reply: Reply, id: &str) -> Result<(Bytes, Reply), UpstreamError> {
        if reply.retry_after().is_some() {
            return Err(reply.refused());
        }
        while let Some(message) = reply.next().await? {
            match Incoming::sort(message, id, reply.bond()) {
                Err(error) if reply.is_stream() => tracing::warn!("`{}` {error}", self.upstream.shown()),
                Err(error) => return Err(error),
                Ok(Incoming::Response(response)) => return Ok((response, reply)),
                Ok(Incoming::Request(..)) if reply.is_modern() => self.asks_out_of_turn(),
                Ok(Incoming::Request(message, theirs)) => self.ask_host(message, &theirs, None).await,
                Ok(Incoming::Notification(message)) => self.tell_host(message, None).await,
            }
        }
        Err(if reply.is_stream() { UpstreamError::StreamEnded } else { UpstreamError::NoResponse(reply.status()) })
    }

    /// A modern server has no requests of its own (H12): there is no way to answer one.
    pub(super) fn asks_out_of_turn(&self) {
        tracing::warn!("`{}` sent a request, which MCP 2026-07-28 does not have: dropped", self.upstream.shown());
    }
}

fn is_error(response: &[u8]) -> bool {
    Envelope::parse(response).is_ok_and(|envelope| envelope.result.is_none())
}

fn not_modern() -> UpstreamError {
    UpstreamError::Breach(Untrusted::new(
        "does not answer `server/discover`, so it is no server of 2026-07-28: leave `--era modern` out",
    ))
}

/// Whether the status of an answer may be a server's that does not speak the era that it was asked in.
pub(super) fn may_be_of_another_era(status: StatusCode) -> bool {
    matches!(status, StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED)
}
