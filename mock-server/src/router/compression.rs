//! Which answers are compressed (gzip, for those who accept it): whole ones of some size, never a stream, whose events must
//! not wait, and nothing while something is wrong on purpose, so that a fault is seen as it is.

use axum::body::HttpBody;
use http::Response;
use tower_http::compression::predicate::Predicate;
use tower_http::compression::{CompressionLayer, DefaultPredicate};

/// The smallest body that is worth it, in bytes.
const WORTH_IT: u64 = 512;

/// Marks an answer, among its extensions, that goes as it is.
#[derive(Clone, Copy)]
pub(super) struct AsItIs;

/// Compresses what [`Whole`] finds fit.
pub(super) fn layer() -> CompressionLayer<impl Predicate> {
    CompressionLayer::new().gzip(true).compress_when(DefaultPredicate::new().and(Whole))
}

/// Answers whose length is known and large enough.
#[derive(Clone, Copy)]
struct Whole;

impl Predicate for Whole {
    fn should_compress<B: HttpBody>(&self, response: &Response<B>) -> bool {
        let length = response.body().size_hint().exact().unwrap_or_default();
        length >= WORTH_IT && response.extensions().get::<AsItIs>().is_none()
    }
}
