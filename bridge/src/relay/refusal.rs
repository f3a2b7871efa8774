//! The answer to what the host sent and is no message (H3, H4).

use bytes::Bytes;

use super::{Due, Relay};
use crate::message::{self, Invalid};
use crate::untrusted::Untrusted;

impl Relay {
    /// Answers what is no message; a response has no answer.
    pub(super) fn refuse(&self, invalid: &Invalid, (load, batch): Due) {
        tracing::warn!("from the host: {}", Untrusted::new(invalid.to_string()));
        if invalid.is_response {
            return;
        }
        let null_id = !self.shared.as_legacy.is_active() && self.shared.upstream.session().knows_null_id();
        let answer = Bytes::from(message::invalid_response(invalid, null_id));
        if let Some(batch) = batch {
            return batch.add(answer);
        }
        let output = self.shared.output.clone();
        self.shared.spawn(async move {
            let _ = output.send(answer).await;
            drop(load);
        });
    }
}

/// What the beginning of a line over the limit shows (H4): the id of the request, and whether it is a response instead, which
/// has no answer. Only the outermost members count, and a number at the very end may be cut.
pub(super) fn shown_at_the_beginning(beginning: &[u8]) -> (Option<&str>, bool) {
    let text = match str::from_utf8(beginning) {
        Ok(text) => text,
        Err(error) => str::from_utf8(&beginning[..error.valid_up_to()]).unwrap_or_default(),
    };
    let (mut id, mut is_request, mut is_response) = (None, false, false);
    // It is cut, so it is no JSON.
    let _ = message::scan::beginnings(text, |key, value| match (key, value) {
        ("method", _) => is_request = true,
        ("result" | "error", _) => is_response = true,
        ("id", Some(value)) if value.as_bytes().as_ptr_range().end != text.as_bytes().as_ptr_range().end => {
            id = Some(value)
        }
        _ => {}
    });
    let id = id.filter(|id| matches!(id.as_bytes().first(), Some(b'"' | b'-' | b'0'..=b'9')));
    (id, is_response && !is_request)
}
