//! A body that is read whole, up to a limit that counts what is kept in memory: the bytes after decoding, so that a few
//! compressed ones cannot become many.

use bytes::{Bytes, BytesMut};
use url::Url;

use super::error::{HttpError, classify};
use crate::safe_url::SafeUrl;

/// A body as it comes, decoded.
pub trait Chunks {
    /// Where it comes from.
    fn url(&self) -> &Url;

    /// How long it is, where that is known before it is read.
    fn length(&self) -> Option<u64>;

    /// The next piece, never an empty one; `None` at the end.
    fn chunk(&mut self) -> impl Future<Output = Result<Option<Bytes>, HttpError>> + Send;
}

impl Chunks for reqwest::Response {
    fn url(&self) -> &Url {
        reqwest::Response::url(self)
    }

    fn length(&self) -> Option<u64> {
        self.content_length()
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>, HttpError> {
        match reqwest::Response::chunk(self).await {
            Ok(chunk) => Ok(chunk),
            Err(error) => Err(classify(&error, reqwest::Response::url(self))),
        }
    }
}

/// Reads a body whole. `limit` is in bytes after decoding; a longer one is an error, and no more of it is read.
pub async fn read_limited(body: &mut (impl Chunks + Send), limit: usize) -> Result<Bytes, HttpError> {
    let too_large = |url: &Url| HttpError::TooLarge { url: SafeUrl::new(url), limit };
    let known = body.length();
    if known.is_some_and(|length| length > limit as u64) {
        return Err(too_large(body.url()));
    }
    let known = known.and_then(|length| usize::try_from(length).ok());
    let Some(first) = body.chunk().await? else { return Ok(Bytes::new()) };
    let mut read = BytesMut::new();
    let mut next = match known {
        // All of it, as it came; the end is read too, for the connection is free only then.
        Some(length) if first.len() == length => match body.chunk().await? {
            None => return Ok(first),
            next => {
                read.extend_from_slice(&first);
                next
            }
        },
        // What it says of its length is not believed before something came.
        _ => {
            read.reserve(known.unwrap_or_default().min(limit));
            Some(first)
        }
    };
    while let Some(chunk) = next {
        if chunk.len() > limit - read.len() {
            return Err(too_large(body.url()));
        }
        read.extend_from_slice(&chunk);
        next = body.chunk().await?;
    }
    Ok(read.freeze())
}
