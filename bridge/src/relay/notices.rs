//! What a host is told while a person is asked to sign in (A17): a log message with the link, progress for the requests
//! that wait, and the link as an elicitation where no browser opened and the host can show it.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::Shared;
use super::arrival::State;
use crate::message::Envelope;
use crate::translation::modern_to_legacy::LogLevel;

/// How often waiting requests show progress: many hosts count their limit anew with each.
const PROGRESS: Duration = Duration::from_secs(5);
/// How long what the host has just said may gather before it is told in turn.
const GATHER: Duration = Duration::from_millis(200);
/// How our own requests to the host begin their ids; a random part follows.
const OWN_ID: &str = "mcp-bridge-";

/// A sign-in that is open, as whoever wires the rooms tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenSignIn {
    /// Where the person signs in.
    pub url: String,
    /// The code to enter there, if there is one.
    pub user_code: Option<String>,
    /// A browser was opened with it.
    pub in_browser: bool,
}

/// Our own requests to the host that wait for its answer.
#[derive(Debug, Default)]
pub(super) struct OwnRequests(Mutex<HashSet<String>>);

impl OwnRequests {
    /// Whether a response answers one of ours; it goes no further then.
    pub(super) fn take(&self, response: &Envelope<'_>) -> bool {
        let id = response.id.unwrap_or_default().trim_matches('"');
        id.starts_with(OWN_ID) && self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(id)
    }

    fn begin(&self, id: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned());
    }
}

/// Tells the host of every sign-in that opens, until nobody can open one any more.
pub(super) async fn tell(shared: Arc<Shared>, mut sign_ins: watch::Receiver<Option<OpenSignIn>>) {
    loop {
        let open = sign_ins.borrow_and_update().clone();
        shared.desk.sign_in_at(open.as_ref());
        let ended = match open {
            None => sign_ins.changed().await.is_err(),
            Some(open) => shared.tell_of(&open, &mut sign_ins).await,
        };
        if ended {
            return;
        }
    }
}

impl Shared {
    /// Tells of one sign-in until it is over; true at the end of everything.
    async fn tell_of(&self, open: &OpenSignIn, sign_ins: &mut watch::Receiver<Option<OpenSignIn>>) -> bool {
        let sentence = self.desk.standing().sentence();
        let mut logged = false;
        let mut asked = None;
        let mut steps = 0_u32;
        loop {
            let hears =
                !self.as_legacy.is_active() || LogLevel::named("warning").is_some_and(|level| self.wants_logs(level));
            if !logged && hears && !matches!(*self.arrival.watch().borrow(), State::NotAsked) {
                logged = true;
                self.say(&json!({"jsonrpc": "2.0", "method": "notifications/message",
                    "params": {"level": "warning", "logger": "mcp-bridge", "data": sentence}}))
                    .await;
            }
            if asked.is_none() && !open.in_browser && self.desk.shows_urls() && self.arrival.is_host_initialized() {
                asked = Some(self.elicit(open, &sentence).await);
            }
            steps += 1;
            self.show_progress(steps, &sentence).await;
            tokio::select! {
                changed = sign_ins.changed() => {
                    if let Some(id) = asked {
                        self.say(&json!({"jsonrpc": "2.0", "method": "notifications/elicitation/complete",
                            "params": {"elicitationId": id}}))
                            .await;
                    }
                    return changed.is_err();
                }
                () = tokio::time::sleep(PROGRESS) => {}
                // It may be ready to be asked now, or have one more request that waits.
                () = self.heard.notified() => tokio::time::sleep(GATHER).await,
            }
        }
    }

    /// The link as a URL mode elicitation (MCP 2025-11-25); gives its id. What the host answers changes nothing: the
    /// sign-in itself tells how it ended.
    async fn elicit(&self, open: &OpenSignIn, sentence: &str) -> String {
        let id = format!("{OWN_ID}{}", unique());
        self.own_requests.begin(&id);
        self.say(&json!({"jsonrpc": "2.0", "id": id, "method": "elicitation/create", "params": {
            "mode": "url", "elicitationId": id, "url": open.url, "message": sentence}}))
            .await;
        id
    }

    /// Small steps: the server's own progress comes after ours, and progress must grow.
    async fn show_progress(&self, steps: u32, sentence: &str) {
        for line in self.in_flight.lines() {
            if let Some(token) = progress_token(&line) {
                let progress = f64::from(steps) / 1e6;
                self.say(&json!({"jsonrpc": "2.0", "method": "notifications/progress",
                    "params": {"progressToken": token, "progress": progress, "message": sentence}}))
                    .await;
            }
        }
    }

    async fn say(&self, message: &Value) {
        let _ = self.output.send(Bytes::from(message.to_string())).await;
    }
}

fn progress_token(line: &[u8]) -> Option<Box<RawValue>> {
    #[derive(Deserialize)]
    struct Params {
        #[serde(rename = "_meta")]
        meta: Meta,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Meta {
        progress_token: Box<RawValue>,
    }
    let envelope = Envelope::parse(line).ok()?;
    serde_json::from_str::<Params>(envelope.params?).ok().map(|params| params.meta.progress_token)
}

/// A text that no server chose.
fn unique() -> String {
    use std::hash::{BuildHasher, RandomState};
    format!("{:016x}", RandomState::new().hash_one(std::process::id()))
}
