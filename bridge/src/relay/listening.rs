//! A `subscriptions/listen` of a modern host at a legacy server (E9): answered at the end only, told what the stream of the
//! session brings, its resources subscribed to for as long as anybody wants them. Read next: `said_to_modern`.

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use std::time::Instant;

use super::Shared;
use super::arrival::State;
use super::as_legacy::{lock, ours};
use super::exchange::{Answered, Errand};
use crate::message::Envelope;
use crate::translation::json::quoted;
use crate::translation::listeners;
use crate::translation::modern_to_legacy::{INVALID_PARAMS, error_response};
use crate::translation::subscriptions::Offered;
use crate::upstream::Purpose;
use crate::upstream::error::UpstreamError;

/// The resources that the server has taken a subscription to.
pub(super) type Subscribed = BTreeSet<String>;

/// A listener; dropped, it is none.
#[derive(Debug)]
struct Listening {
    shared: Weak<Shared>,
    number: u64,
}

impl Drop for Listening {
    fn drop(&mut self) {
        let Some(shared) = self.shared.upgrade() else { return };
        lock(&shared.as_legacy.listeners).end(self.number);
        shared.spawn(shared.clone().unsubscribe_unwanted());
    }
}

impl Shared {
    /// Listens until the host no longer wants to, or the session cannot be had again.
    pub(super) async fn listen_as_legacy(
        self: &Arc<Self>,
        errand: &Errand,
        params: Option<&str>,
        id: &str,
    ) -> Result<Answered, UpstreamError> {
        let Some(asked) = listeners::asked(params) else {
            let words = "invalid params: `notifications` must say what to listen for";
            return Ok(ours(error_response(id, INVALID_PARAMS, words, None)));
        };
        let offered = Offered::of(&self.server_capabilities());
        let served = listeners::served(asked, offered);
        let uris = served.uris.clone();
        let number = lock(&self.as_legacy.listeners).begin(id, served);
        let _listening = Listening { shared: Arc::downgrade(self), number };
        let refused = self.subscribe_to(uris, errand).await?;
        {
            let mut listeners = lock(&self.as_legacy.listeners);
            for line in listeners.acknowledge(number, &refused) {
                self.output.send_soon(line.into());
            }
        }
        let mut state = self.arrival.watch();
        let _ = state.wait_for(|state| matches!(state, State::Failed { .. } | State::NotAsked)).await;
        Ok(ours(listeners::final_response(id)))
    }

    /// Subscribes to what nobody was subscribed to yet. Gives what the server refused.
    async fn subscribe_to(
        self: &Arc<Self>,
        uris: BTreeSet<String>,
        errand: &Errand,
    ) -> Result<BTreeSet<String>, UpstreamError> {
        let mut refused = BTreeSet::new();
        if uris.is_empty() {
            return Ok(refused);
        }
        let mut subscribed = self.as_legacy.subscribed.lock().await;
        for uri in uris {
            if subscribed.contains(&uri) {
                continue;
            }
            let params = format!("{{\"uri\":{}}}", quoted(&uri));
            let response =
                self.request_of_ours("resources/subscribe", &params, errand.received, errand.purpose).await?;
            match Envelope::parse(&response).is_ok_and(|response| response.result.is_some()) {
                true => subscribed.insert(uri),
                false => refused.insert(uri),
            };
        }
        Ok(refused)
    }

    async fn unsubscribe_unwanted(self: Arc<Self>) {
        let mut subscribed = self.as_legacy.subscribed.lock().await;
        let unwanted: Vec<_> =
            subscribed.iter().filter(|uri| !lock(&self.as_legacy.listeners).is_wanted(uri)).cloned().collect();
        for uri in unwanted {
            let params = format!("{{\"uri\":{}}}", quoted(&uri));
            let asked = self.request_of_ours("resources/unsubscribe", &params, Instant::now(), Purpose::Background);
            if let Err(error) = asked.await {
                tracing::debug!("a subscription that nobody wants any more stays: {error}");
            }
            subscribed.remove(&uri);
        }
    }
}
