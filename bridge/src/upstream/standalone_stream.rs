//! The GET of a legacy session: the stream of what the server says without being asked (T4), from its beginning or from behind
//! an event.

use std::time::Instant;

use http::{Method, StatusCode};

use super::error::UpstreamError;
use super::exchange::is_event_stream;
use super::retry::retry_after;
use super::stream::{Place, Stream};
use super::{Upstream, headers};
use crate::tokens::Purpose;
use crate::untrusted::Untrusted;

impl Upstream {
    /// Opens the session's stream, or goes on with one from `place`. `None` where the server has none: it says so by 405,
    /// and any other refusal means the same (T4), but for one that passes. `place` is empty once there is a stream.
    ///
    /// # Errors
    /// Where the server could not be asked; it may be tried again. 404 to a session id from behind an event is
    /// [`UpstreamError::SessionLost`].
    pub async fn listen(&self, place: &mut Place, purpose: Purpose) -> Result<Option<Stream>, UpstreamError> {
        let headers = |session: &_| headers::of_get(&self.headers, session, place.last_event_id());
        let (response, in_session, sent) =
            self.send(Method::GET, &self.target, (self.session(), headers), None, (purpose, Instant::now())).await?;
        let status = response.status();
        if status.is_success() && is_event_stream(response.headers()) {
            return Ok(Some(self.stream(response, sent, std::mem::take(place))));
        }
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            let retry_after = retry_after(status, response.headers());
            return Err(UpstreamError::Status { status, excerpt: Untrusted::new(""), of_oauth: false, retry_after });
        }
        if status == StatusCode::NOT_FOUND && in_session && !place.last_event_id().is_empty() {
            return Err(UpstreamError::SessionLost);
        }
        tracing::debug!("`{}` has no stream there: {status}", self.shown);
        Ok(None)
    }
}
