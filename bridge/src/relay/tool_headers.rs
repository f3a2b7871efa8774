//! Parameters of tools that a modern server wants as headers (T14): learnt from the lists that pass, and asked for once where
//! the server says that a call's headers do not fit.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::Shared;
use super::exchange::Course;
use crate::message::{self, Envelope};
use crate::upstream::Purpose;
use crate::upstream::error::UpstreamError;
use crate::upstream::modern;

/// MCP 2026-07-28: headers and body do not fit.
const HEADER_MISMATCH: i64 = -32_020;
/// What is longer is a result, and not worth reading, in bytes.
const LONGEST_ERROR: usize = 64 * 1024;
/// How long it may take to learn anew, and how many pages are read for it.
const LEARNING: Duration = Duration::from_secs(30);
const PAGES: usize = 50;
const ID: &str = "\"mcp-bridge-tools\"";

impl Shared {
    /// A response as the host gets it, once what it teaches is learnt.
    pub(super) fn learnt_from(&self, request: &[u8], response: Bytes) -> Bytes {
        let lists = Envelope::parse(request).is_ok_and(|request| request.is("tools/list"));
        if lists { self.upstream.learn_tools(response) } else { response }
    }

    /// Whether a call was refused for its headers, and the tools are known anew since: then it was not carried out, and is
    /// worth another try.
    pub(super) async fn wants_other_headers(self: &Arc<Self>, request: &Bytes, response: &[u8]) -> bool {
        let is_mismatch = response.len() < LONGEST_ERROR && message::error_code(response) == Some(HEADER_MISMATCH);
        if !is_mismatch || !Envelope::parse(request).is_ok_and(|request| request.is("tools/call")) {
            return false;
        }
        match tokio::time::timeout(LEARNING, Box::pin(self.learn_anew(request))).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::warn!("the tools cannot be listed anew: `{}` {error}", self.upstream.shown());
                false
            }
            Err(_) => false,
        }
    }

    async fn learn_anew(self: &Arc<Self>, request: &[u8]) -> Result<(), UpstreamError> {
        #[derive(Deserialize)]
        struct Page<'a> {
            #[serde(rename = "nextCursor", borrow)]
            next_cursor: Option<&'a RawValue>,
        }
        let mut cursor: Option<String> = None;
        for _ in 0..PAGES {
            let Some(line) = modern::list_tools(request, ID, cursor.as_deref()) else { return Ok(()) };
            let reply = self.upstream.post(line.into(), (Purpose::Background, Instant::now())).await?;
            let (response, rest) = self.response_in(reply.of_era(true), ID, &Course::default(), false).await?;
            drop(rest);
            let response = self.upstream.learn_tools(response);
            let result = Envelope::parse(&response).ok().and_then(|envelope| envelope.result);
            let page = result.and_then(|result| serde_json::from_str::<Page<'_>>(result).ok());
            cursor = page.and_then(|page| page.next_cursor.map(|cursor| cursor.get().to_owned()));
            if cursor.is_none() {
                break;
            }
        }
        Ok(())
    }
}
