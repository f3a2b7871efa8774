//! The stream of changes of a modern server, for a legacy host (E3): one `subscriptions/listen`, opened once the host is
//! initialized, opened again where it breaks, and changed with what the host subscribes to.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::Shared;
use super::as_modern::Guise;
use super::gate::{Gate, Shut};
use super::session_stream::{HEAD_START, LIVED, pace};
use crate::message::{Envelope, Kind};
use crate::translation::json::RawObject;
use crate::translation::legacy_to_modern;
use crate::translation::subscriptions::{self, Filter};
use crate::untrusted::Untrusted;
use crate::upstream::Purpose;
use crate::upstream::error::UpstreamError;
use crate::upstream::exchange::Reply;

/// How long a server may take to say what it serves.
const ACKNOWLEDGEMENT: Duration = Duration::from_secs(30);

/// A stream that the server has acknowledged.
struct Listening {
    reply: Reply,
    served: Filter,
}

/// Opens the stream. Returns once it is there, or need not be waited for.
pub(super) async fn open(shared: &Arc<Shared>, guise: &Arc<Guise>) {
    let wanted = Filter::everything(guise.host.offered, shared.settings.subscriptions());
    if wanted.is_empty() {
        return;
    }
    let (there, shut) = Gate::shut();
    follow(shared, guise, None, wanted, Some(shut));
    let _ = tokio::time::timeout(HEAD_START, there.pass()).await;
}

/// Passes on what comes from now on, in the place of an earlier stream.
fn follow(shared: &Arc<Shared>, guise: &Arc<Guise>, listening: Option<Listening>, wanted: Filter, opens: Option<Shut>) {
    let task = shared.spawn(keep_open(shared.clone(), guise.clone(), listening, wanted, opens));
    let earlier = shared.stream.lock().unwrap_or_else(PoisonError::into_inner).replace(task);
    if let Some(earlier) = earlier {
        earlier.abort();
    }
}

async fn keep_open(
    shared: Arc<Shared>,
    guise: Arc<Guise>,
    mut listening: Option<Listening>,
    wanted: Filter,
    mut opens: Option<Shut>,
) {
    let mut pace = pace();
    let mut is_reopened = false;
    let mut is_known = listening.is_some();
    let mut may_ask_again = true;
    loop {
        let opened = match listening.take() {
            Some(listening) => Ok(Ok(listening)),
            None => shared.listen_as_modern(&guise, &wanted).await,
        };
        drop(opens.take());
        let wait = match opened {
            Ok(Ok(listening)) => {
                if !std::mem::replace(&mut is_known, true) {
                    guise.heard.lock().await.clone_from(&listening.served);
                }
                // None of them is sent again (MCP 2026-07-28, subscriptions).
                let missed = if is_reopened { listening.served.missed() } else { Vec::new() };
                for missed in missed {
                    let _ = shared.output.send(missed.into()).await;
                }
                is_reopened = true;
                let began = Instant::now();
                shared.pass_on_changes(listening.reply).await;
                pace.after_stream(began.elapsed() >= LIVED, None)
            }
            Ok(Err(words)) => {
                tracing::debug!("`{}` tells of no changes: {}", shared.upstream.shown(), Untrusted::new(words));
                return;
            }
            Err(error) if error.needs_sign_in() && may_ask_again => {
                may_ask_again = false;
                shared.upstream.admitted().await;
                continue;
            }
            Err(error) if error.is_about_the_token() => {
                tracing::debug!("there is no stream of changes: {error}");
                return;
            }
            Err(error) => {
                tracing::debug!("the stream of changes could not be opened: {error}");
                pace.after_stream(false, error.retry_after())
            }
        };
        tokio::time::sleep(wait).await;
    }
}

impl Shared {
    /// One more resource to be told of. What the server says against it are the words for the host.
    pub(super) async fn subscribe(
        self: &Arc<Self>,
        guise: &Arc<Guise>,
        params: Option<&str>,
    ) -> Result<Result<(), String>, UpstreamError> {
        let Some(uri) = uri(params) else { return Ok(Err("`uri` must be a text".to_owned())) };
        if !guise.host.offered.subscribe {
            return Ok(Err("this server does not tell of changes of resources".to_owned()));
        }
        let mut heard = guise.heard.lock().await;
        let offered = Filter::everything(guise.host.offered, heard.uris.clone());
        let wanted = match offered.with(&uri) {
            Ok(wanted) => wanted,
            Err(error) => return Ok(Err(error.to_string())),
        };
        if heard.uris.contains(&uri) {
            return Ok(Ok(()));
        }
        // The earlier stream stays until this one is there.
        match self.listen_as_modern(guise, &wanted).await? {
            Ok(listening) if listening.served.uris.contains(&uri) => {
                heard.clone_from(&listening.served);
                follow(self, guise, Some(listening), wanted, None);
                Ok(Ok(()))
            }
            Ok(_) => Ok(Err("the server does not tell of changes of this resource".to_owned())),
            Err(words) => Ok(Err(words)),
        }
    }

    /// One resource less. What the server says against that changes nothing: nobody listens for it any more.
    pub(super) async fn unsubscribe(
        self: &Arc<Self>,
        guise: &Arc<Guise>,
        params: Option<&str>,
    ) -> Result<(), UpstreamError> {
        let mut heard = guise.heard.lock().await;
        let Some(uri) = uri(params).filter(|uri| heard.uris.contains(uri)) else { return Ok(()) };
        let wanted = Filter::everything(guise.host.offered, heard.without(&uri).uris);
        *heard = heard.without(&uri);
        if wanted.is_empty() {
            self.close_stream();
            return Ok(());
        }
        let listening = self.listen_as_modern(guise, &wanted).await?;
        if let Ok(listening) = listening {
            heard.clone_from(&listening.served);
            follow(self, guise, Some(listening), wanted, None);
        }
        Ok(())
    }

    /// Opens one stream, up to the acknowledgement of the server; or its words against that.
    async fn listen_as_modern(
        self: &Arc<Self>,
        guise: &Guise,
        wanted: &Filter,
    ) -> Result<Result<Listening, String>, UpstreamError> {
        let mut params = RawObject::default();
        params.set("notifications", wanted.json());
        let id = guise.fresh_id("listen");
        let line = guise.host.own_request(&id, "subscriptions/listen", params);
        let asked = tokio::time::timeout(ACKNOWLEDGEMENT, self.acknowledged(line));
        asked.await.unwrap_or(Err(UpstreamError::Silent(ACKNOWLEDGEMENT)))
    }

    async fn acknowledged(&self, line: Bytes) -> Result<Result<Listening, String>, UpstreamError> {
        let reply = self.upstream.post(line, (Purpose::Background, Instant::now())).await?;
        if reply.retry_after().is_some() {
            return Err(reply.refused());
        }
        let mut reply = reply.of_era(true);
        while let Some(message) = reply.next().await? {
            let Ok(envelope) = Envelope::parse(&message) else { continue };
            match envelope.kind {
                Kind::Response => {
                    let words = crate::message::error(&message);
                    return Ok(Err(words.unwrap_or_else(|| "the server ended it at once".to_owned())));
                }
                Kind::Request => self.asks_out_of_turn(),
                Kind::Notification => match subscriptions::acknowledged(envelope.method.as_deref(), envelope.params) {
                    Some(served) => return Ok(Ok(Listening { reply, served })),
                    None => drop(self.output.send(legacy_to_modern::notification(message)).await),
                },
            }
        }
        Err(UpstreamError::StreamEnded)
    }

    /// Passes on what comes until the stream ends.
    async fn pass_on_changes(&self, mut reply: Reply) {
        loop {
            self.output.has_room().await;
            match reply.next().await {
                Ok(Some(message)) => match Envelope::parse(&message).map(|envelope| envelope.kind) {
                    Ok(Kind::Notification) => drop(self.output.send(legacy_to_modern::notification(message)).await),
                    Ok(Kind::Request) => self.asks_out_of_turn(),
                    Ok(Kind::Response) => return,
                    Err(_) => tracing::warn!("`{}` sent what is no message", self.upstream.shown()),
                },
                Ok(None) => return,
                Err(error) => {
                    tracing::debug!("the stream of changes broke: {error}");
                    return;
                }
            }
        }
    }
}

fn uri(params: Option<&str>) -> Option<String> {
    RawObject::of_params(params)?.text("uri")
}
