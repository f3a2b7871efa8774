//! A body that is read whole, up to a limit that counts what is kept in memory: the bytes after decoding, so that a few
//! compressed ones cannot become many.

use bytes::{Bytes, BytesMut};
use reqwest::Response;

use super::error::{HttpError, classify};
use crate::safe_url::SafeUrl;

/// Reads a body whole. `limit` is in bytes after decoding; a longer one is an error, and no more of it is read.
pub async fn read_limited(response: &mut Response, limit: usize) -> Result<Bytes, HttpError> {
    let too_large = |url| HttpError::TooLarge { url: SafeUrl::new(url), limit };
    if response.content_length().is_some_and(|length| length > limit as u64) {
        return Err(too_large(response.url()));
    }
    let known = response.content_length().and_then(|length| usize::try_from(length).ok());
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| classify(&error, response.url()))? {
        if chunk.len() > limit - body.len() {
            return Err(too_large(response.url()));
        }
        match known {
            // All of it, as it came; the end is read too, for the connection is free only then.
            Some(length) if chunk.len() == length => match response.chunk().await {
                Ok(None) => return Ok(chunk),
                Ok(Some(_)) => return Err(too_large(response.url())),
                Err(error) => return Err(classify(&error, response.url())),
            },
            // It says how long it is, and is not believed over the limit or before something came.
            Some(length) if body.is_empty() => body.reserve(length.min(limit)),
            _ => {}
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}
