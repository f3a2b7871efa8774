//! A `subscriptions/listen` of a modern host at a modern server (E11): the host's own request, and where its stream breaks once
//! it was acknowledged another in its place, under an id of ours and the host's tags. The host notices nothing but that lists
//! may have changed. Read next: `listening`, for servers of the other era.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::Shared;
use super::as_legacy::ours;
use super::exchange::{Answered, Errand};
use super::incoming::{Incoming, with_id};
use super::session_stream::{LIVED, pace};
use crate::message::Envelope;
use crate::translation::listeners;
use crate::translation::subscriptions::{self, Filter};
use crate::upstream::error::UpstreamError;
use crate::upstream::exchange::Reply;
use crate::upstream::retry::Retry;

/// How a stream ended.
enum End {
    /// By the response.
    Response(Bytes),
    Broken(UpstreamError),
}

impl Shared {
    /// Listens until the host no longer wants to, or the server does not.
    pub(super) async fn listen_as_it_is(
        self: &Arc<Self>,
        errand: &Errand,
        id: &str,
    ) -> Result<Answered, UpstreamError> {
        let mut served = None;
        let mut reply = self.open(errand.line.clone(), errand).await?;
        match self.follow(&mut reply, id, id, &mut served).await {
            End::Response(response) => return Ok(Answered::from((response, reply))),
            End::Broken(error) if served.is_none() => return Err(error),
            End::Broken(error) => tracing::debug!("a stream of subscriptions broke: {error}"),
        }
        let (mut pace, mut opened, mut may_ask_again) = (pace(), Instant::now(), true);
        let mut lived = opened.duration_since(errand.received) >= LIVED;
        for number in 1_u64.. {
            tokio::time::sleep(pace.after_stream(lived, None)).await;
            let own = format!("\"mcp-bridge-listen-{number}-{}\"", id.trim_matches('"'));
            let line = with_id(errand.line.clone(), &own);
            opened = Instant::now();
            let mut again = None;
            let ended = match self.open(line, &Errand { received: opened, ..errand.clone() }).await {
                Ok(mut reply) => self.follow(&mut reply, &own, id, &mut again).await,
                Err(error) => End::Broken(error),
            };
            lived = opened.elapsed() >= LIVED && again.is_some();
            match ended {
                End::Response(_) => break,
                End::Broken(error) if error.needs_sign_in() && may_ask_again => {
                    may_ask_again = false;
                    self.upstream.admitted().await;
                }
                End::Broken(error) if again.is_none() && !error.passes() && !error.may_be_repeated() => {
                    tracing::info!("the subscriptions end: {}", error.problem(self.upstream.shown()));
                    break;
                }
                End::Broken(error) => tracing::debug!("a stream of subscriptions broke: {error}"),
            }
        }
        Ok(ours(listeners::final_response(id)))
    }

    async fn open(self: &Arc<Self>, line: Bytes, errand: &Errand) -> Result<Reply, UpstreamError> {
        let mut retry = Retry::new(errand.received, false);
        loop {
            match self.upstream.post_alone(line.clone(), (errand.purpose, errand.received)).await {
                Err(error) => self.pause(&mut retry, error).await?,
                Ok(reply) => match reply.retry_after().and_then(|wait| retry.busy(wait)) {
                    Some(wait) => self.wait_until_not_busy(wait).await,
                    None => return Ok(reply.of_era(true)),
                },
            }
        }
    }

    /// Passes on what a stream brings, with the tags of the host where it goes under an id of ours. `served` is what the
    /// server acknowledged, once it did; the host gets one acknowledgement only.
    async fn follow(&self, reply: &mut Reply, own: &str, id: &str, served: &mut Option<Filter>) -> End {
        loop {
            self.output.has_room().await;
            let message = match reply.next().await {
                Ok(Some(message)) => message,
                Ok(None) if reply.is_stream() => return End::Broken(UpstreamError::StreamEnded),
                Ok(None) => return End::Broken(UpstreamError::NoResponse(reply.status())),
                Err(error) => return End::Broken(error),
            };
            match Incoming::sort(message, own, reply.bond()) {
                Ok(Incoming::Response(response)) => return End::Response(response),
                Ok(Incoming::Request(..)) => self.asks_out_of_turn(),
                Ok(Incoming::Notification(message)) if own == id => {
                    let acknowledged = served.is_none().then(|| acknowledged(&message)).flatten();
                    *served = acknowledged.or(served.take());
                    let _ = self.output.send(message).await;
                }
                Ok(Incoming::Notification(message)) => match acknowledged(&message) {
                    Some(filter) => {
                        for missed in filter.missed() {
                            let _ = self.output.send(retagged(missed.as_bytes(), id)).await;
                        }
                        *served = Some(filter);
                    }
                    None => drop(self.output.send(retagged(&message, id)).await),
                },
                Err(error) if reply.is_stream() => tracing::warn!("`{}` {error}", self.upstream.shown()),
                Err(error) => return End::Broken(error),
            }
        }
    }
}

fn acknowledged(message: &[u8]) -> Option<Filter> {
    let envelope = Envelope::parse(message).ok()?;
    subscriptions::acknowledged(envelope.method.as_deref(), envelope.params)
}

/// A notification with the host's id as its tag.
fn retagged(message: &[u8], id: &str) -> Bytes {
    let tagged = str::from_utf8(message).ok().and_then(|message| subscriptions::tagged(message, "params", id));
    tagged.map_or_else(|| Bytes::copy_from_slice(message), Bytes::from)
}
