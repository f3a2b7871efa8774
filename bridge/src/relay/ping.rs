//! MCP pings that keep a connection or a session alive where something on the way forgets them (`--ping-interval`).

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::Shared;
use super::exchange::{Answered, Course, Errand};
use crate::upstream::Purpose;

const ID: &str = "\"mcp-bridge-ping\"";
const PING: &[u8] = br#"{"jsonrpc":"2.0","id":"mcp-bridge-ping","method":"ping"}"#;

/// Sends a ping at this interval, whenever there is a session. Nobody is asked to sign in for it, and what comes of it is
/// only logged.
pub(super) async fn keep_alive(shared: Arc<Shared>, interval: Duration) {
    loop {
        tokio::time::sleep(interval).await;
        if shared.session_number().is_none() {
            continue;
        }
        let (line, received) = (Bytes::from_static(PING), Instant::now());
        let (purpose, idempotent) = (Purpose::Background, true);
        let errand = Errand { line, received, may_begin: false, purpose, idempotent, sets: false, modern: false };
        let pinged = tokio::time::timeout(interval, shared.exchange(errand, ID, &Course::default())).await;
        match pinged {
            Ok(Ok(Answered { rest, .. })) => drop(shared.read_the_end_of(rest).await),
            Ok(Err(error)) => tracing::debug!("ping: `{}` {error}", shared.upstream.shown()),
            Err(_) => tracing::debug!("ping: `{}` has not answered in time", shared.upstream.shown()),
        }
    }
}
