//! The GET stream of a legacy session (T4): what the server says without being asked.

use std::time::Instant;

use http::{Method, StatusCode};

use super::error::UpstreamError;
use super::exchange::{Stream, is_event_stream};
use super::{Upstream, headers};
use crate::tokens::Purpose;
use crate::untrusted::Untrusted;

impl Upstream {
    /// Opens the standalone stream, from behind `last_event_id` if that is not empty. `None` where the server has none:
    /// it says so by 405, and any other refusal means the same (T4), but for
    /// one that passes.
    ///
    /// # Errors
    /// Where the server could not be asked; it may be tried again.
    pub async fn listen(&self, last_event_id: &[u8]) -> Result<Option<Stream>, UpstreamError> {
        let headers = |session: &_| headers::of_get(&self.headers, session, last_event_id);
        let (response, _, sent) = self.send(Method::GET, headers, None, (Purpose::Background, Instant::now())).await?;
        if response.status().is_success() && is_event_stream(response.headers()) {
            return Ok(Some(Stream::new(response, self.url.clone(), sent)));
        }
        let status = response.status();
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Err(UpstreamError::Status { status, excerpt: Untrusted::new(""), of_oauth: false });
        }
        tracing::debug!("`{}` has no standalone stream: {status}", self.shown);
        Ok(None)
    }
}
