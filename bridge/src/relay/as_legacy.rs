//! A modern host at a legacy server (E7 to E10).

use std::sync::Arc;

use super::Shared;
use super::exchange::{Answered, Course, Errand};
use crate::message;
use crate::upstream::error::UpstreamError;

impl Shared {
    /// One request of a modern host to its response, at a legacy server.
    #[expect(clippy::unused_async, reason = "its callers wait for it")]
    pub(super) async fn exchange_as_legacy(
        self: &Arc<Self>,
        _errand: &Errand,
        id: &str,
        _course: &Course,
    ) -> Result<Answered, UpstreamError> {
        Ok(Answered { response: message::method_not_found(id).into(), rest: None })
    }
}
