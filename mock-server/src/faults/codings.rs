//! Bodies in the content codings that few servers use, zstd and br: not compressed, in blocks that say so, but every
//! reader must unpack them. The one that all use is in `body.rs`.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use hyper::body::Frame;

/// The most that one block holds here; both formats allow it.
const BLOCK: usize = 0x8000;

/// A content coding (RFC 9110 §8.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    /// Raw blocks of RFC 8878 §3.1.1.2.
    Zstd,
    /// Uncompressed meta-blocks of RFC 7932 §9.2.
    Brotli,
}

impl Coding {
    /// Its name in `Accept-Encoding` and `Content-Encoding`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Coding::Zstd => "zstd",
            Coding::Brotli => "br",
        }
    }

    fn head(self) -> &'static [u8] {
        match self {
            // The magic number, no content size, a window of 2 MiB.
            Coding::Zstd => &[0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58],
            // A window of 64 KiB, then an empty block of metadata, which ends at a whole byte.
            Coding::Brotli => &[0x0c],
        }
    }

    fn block_head(self, length: usize) -> [u8; 3] {
        let length = u32::try_from(length).unwrap_or_default();
        let bits = match self {
            Coding::Zstd => length << 3,
            // Not the last; four nibbles of length, less one; uncompressed.
            Coding::Brotli => (length.saturating_sub(1) << 3) | (1 << 19),
        };
        let [a, b, c, _] = bits.to_le_bytes();
        [a, b, c]
    }

    fn end(self) -> &'static [u8] {
        match self {
            Coding::Zstd => &[0x01, 0x00, 0x00],
            Coding::Brotli => &[0x03],
        }
    }
}

/// A body in such a coding, each frame of it at once.
pub(crate) struct Coded {
    inner: Body,
    coding: Coding,
    head_sent: bool,
    ended: bool,
}

impl Coded {
    pub(crate) fn new(inner: Body, coding: Coding) -> Self {
        Coded { inner, coding, head_sent: false, ended: false }
    }
}

impl HttpBody for Coded {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if !std::mem::replace(&mut self.head_sent, true) {
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(self.coding.head())))));
        }
        let mut coded = Vec::new();
        match ready!(Pin::new(&mut self.inner).poll_frame(context)) {
            Some(Ok(frame)) => {
                for block in frame.into_data().unwrap_or_default().chunks(BLOCK) {
                    coded.extend(self.coding.block_head(block.len()));
                    coded.extend_from_slice(block);
                }
            }
            Some(Err(error)) => return Poll::Ready(Some(Err(error))),
            None => {
                self.ended = true;
                coded.extend_from_slice(self.coding.end());
            }
        }
        Poll::Ready(Some(Ok(Frame::data(coded.into()))))
    }
}
