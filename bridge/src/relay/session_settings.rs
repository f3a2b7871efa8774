//! What a host has set in its session: the level of log messages and the resources that it subscribed to. A session that the
//! server has forgotten is begun anew by us, and the host must not notice: it is set again there (T6).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::Deserialize;

use super::Shared;
use super::exchange::Course;
use crate::message::Envelope;
use crate::translation::legacy_to_modern;
use crate::untrusted::Untrusted;
use crate::upstream::Purpose;
use crate::upstream::error::UpstreamError;

/// How long one of them may take to be set again.
const EACH: Duration = Duration::from_secs(10);
/// How many subscriptions are remembered.
const MOST: usize = 4096;

/// The parameters of what was set, to the letter.
#[derive(Debug, Default)]
pub(super) struct SessionSettings(Mutex<Set>);

#[derive(Clone, Debug, Default)]
struct Set {
    level: Option<Box<str>>,
    /// By URI.
    subscriptions: BTreeMap<String, Box<str>>,
}

/// Whether a request sets something in its session.
pub(super) fn sets_something(method: &str) -> bool {
    matches!(method, "logging/setLevel" | "resources/subscribe" | "resources/unsubscribe")
}

impl SessionSettings {
    /// Another host, or the same from its beginning.
    pub(super) fn clear(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Set::default();
    }

    /// Notes what a request has set, if the server agreed.
    pub(super) fn note(&self, request: &[u8], response: &[u8]) {
        #[derive(Deserialize)]
        struct Params {
            uri: String,
        }
        let agreed = Envelope::parse(response).is_ok_and(|response| response.result.is_some());
        let Some(request) = Envelope::parse(request).ok().filter(|_| agreed) else { return };
        let Some(params) = request.params else { return };
        let uri = || serde_json::from_str::<Params>(params).ok().map(|params| params.uri);
        let mut set = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match request.method.as_deref() {
            Some("logging/setLevel") => set.level = Some(params.into()),
            Some("resources/subscribe") if set.subscriptions.len() < MOST => {
                set.subscriptions.extend(uri().map(|uri| (uri, params.into())));
            }
            Some("resources/unsubscribe") => drop(uri().and_then(|uri| set.subscriptions.remove(&uri))),
            _ => {}
        }
    }

    /// The level of log messages, if the host has set one.
    pub(super) fn level(&self) -> Option<String> {
        let set = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        legacy_to_modern::level(set.level.as_deref())
    }

    /// The resources that the host has subscribed to.
    pub(super) fn subscriptions(&self) -> BTreeSet<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).subscriptions.keys().cloned().collect()
    }

    /// The requests that set it again, with their ids.
    fn requests(&self) -> Vec<(String, Bytes)> {
        let set = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let levels = set.level.into_iter().map(|params| ("logging/setLevel", params));
        let subscriptions = set.subscriptions.into_values().map(|params| ("resources/subscribe", params));
        let numbered = levels.chain(subscriptions).zip(0_usize..);
        let lines = numbered.map(|((method, params), number)| {
            let id = format!("\"mcp-bridge-again-{number}\"");
            let line = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"{method}\",\"params\":{params}}}");
            (id, line.into())
        });
        lines.collect()
    }
}

impl Shared {
    /// Sets in the new session what was set in the one before. What the server refuses now is said, and changes nothing else.
    pub(super) async fn set_again(self: &Arc<Self>) {
        for (id, line) in self.settings.requests() {
            let setting = async {
                let reply = self.upstream.post(line, (Purpose::Background, Instant::now())).await?;
                let (response, rest) = self.response_in(reply, &id, &Course::default(), false).await?;
                let refused = Envelope::parse(&response).is_ok_and(|response| response.result.is_none());
                self.read_to_the_end(rest).await?;
                if refused { Err(UpstreamError::NotAResponse(Untrusted::new("an error"))) } else { Ok(()) }
            };
            match tokio::time::timeout(EACH, setting).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!("what the host had set is not set in the new session: {error}"),
                Err(_) => tracing::warn!("what the host had set is not set in the new session: no answer in time"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGREED: &[u8] = br#"{"jsonrpc":"2.0","id":1,"result":{}}"#;
    const REFUSED: &[u8] = br#"{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"no"}}"#;

    fn request(method: &str, params: &str) -> Vec<u8> {
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#).into_bytes()
    }

    fn set_again(settings: &SessionSettings) -> Vec<String> {
        settings.requests().into_iter().map(|(_, line)| String::from_utf8(line.to_vec()).unwrap()).collect()
    }

    #[test]
    fn t6_the_level_and_the_subscriptions_are_set_again_as_they_were_last() {
        let settings = SessionSettings::default();
        settings.note(&request("logging/setLevel", r#"{"level":"info"}"#), AGREED);
        settings.note(&request("logging/setLevel", r#"{"level":"debug"}"#), AGREED);
        settings.note(&request("logging/setLevel", r#"{"level":"alert"}"#), REFUSED);
        for uri in ["a:1", "a:2", "a:2"] {
            settings.note(&request("resources/subscribe", &format!(r#"{{"uri":"{uri}","_meta":{{"x":1}}}}"#)), AGREED);
        }
        settings.note(&request("resources/unsubscribe", r#"{"uri":"a:1"}"#), AGREED);
        assert_eq!(
            set_again(&settings),
            [
                r#"{"jsonrpc":"2.0","id":"mcp-bridge-again-0","method":"logging/setLevel","params":{"level":"debug"}}"#,
                r#"{"jsonrpc":"2.0","id":"mcp-bridge-again-1","method":"resources/subscribe","params":{"uri":"a:2","_meta":{"x":1}}}"#,
            ]
        );
        settings.clear();
        assert!(set_again(&settings).is_empty());
    }
}
