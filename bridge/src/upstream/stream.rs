//! A stream of events, seen as the messages that they carry, and the place where it is: what a new connection needs to go
//! on without telling anything twice (T2, T5). When to connect again is not known here; `resumption` says.

use std::collections::{HashSet, VecDeque};
use std::mem;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderValue;

use super::error::UpstreamError;
use super::exchange::one_line_each;
use super::{headers, sse};
use crate::http::{Answer, Chunks};

/// How many ids of events are kept, to know those that a server sends once more.
const REMEMBERED: usize = 4096;

/// One connection's events.
#[derive(Debug)]
pub struct Stream {
    response: Answer,
    /// What the server may repeat, and nobody is shown.
    sent: Vec<HeaderValue>,
    limits: Limits,
    parser: sse::Parser,
    place: Place,
    /// The ids of this connection's events.
    told: Told,
    ready: VecDeque<Bytes>,
    /// What an event of this name says, which only T11 wants.
    endpoint: Option<Bytes>,
    /// Why no more can be read, once what is ready is told.
    failed: Option<UpstreamError>,
    /// It brought an event, if only one without a message.
    lived: bool,
}

/// What is borne of a stream.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The longest message, in bytes.
    pub message: usize,
    /// The longest silence; `None` waits for ever.
    pub idle: Option<Duration>,
}

/// Where a stream is. A default one is at its beginning.
#[derive(Debug, Default)]
pub struct Place {
    last_event_id: Bytes,
    retry: Option<Duration>,
    /// The ids of what was told on connections before.
    told: Told,
}

#[derive(Debug, Default)]
struct Told {
    ids: HashSet<Bytes>,
    order: VecDeque<Bytes>,
}

impl Stream {
    pub(super) fn new(response: Answer, sent: Vec<HeaderValue>, limits: Limits, place: Place) -> Self {
        let parser = sse::Parser::new(limits.message);
        let (told, ready) = (Told::default(), VecDeque::new());
        Stream { response, sent, limits, parser, place, told, ready, endpoint: None, failed: None, lived: false }
    }

    /// The next message on one line, or `None` at the end.
    ///
    /// # Errors
    /// Where the stream breaks, is silent for too long, or an event is over the limit.
    pub async fn next(&mut self) -> Result<Option<Bytes>, UpstreamError> {
        loop {
            if let Some(message) = self.ready.pop_front() {
                return Ok(Some(message));
            }
            // What came before it has been told.
            if let Some(error) = self.failed.take() {
                return Err(error.without(&headers::secrets(&self.sent)));
            }
            let Some(chunk) = self.chunk().await? else { return Ok(None) };
            self.failed = self.read(&chunk).err();
        }
    }

    /// What the first event says, if it is `endpoint` (T11).
    ///
    /// # Errors
    /// As [`Stream::next`].
    pub async fn endpoint(&mut self) -> Result<Option<String>, UpstreamError> {
        while self.ready.is_empty() && self.endpoint.is_none() {
            let Some(chunk) = self.chunk().await? else { return Ok(None) };
            self.read(&chunk)?;
        }
        // Kept only where no message came before it.
        let endpoint = self.endpoint.take();
        Ok(endpoint.map(|endpoint| String::from_utf8_lossy(&endpoint).into_owned()))
    }

    /// Whether it brought an event.
    #[must_use]
    pub fn lived(&self) -> bool {
        self.lived
    }

    /// Where it left off.
    #[must_use]
    pub fn into_place(mut self) -> Place {
        for id in mem::take(&mut self.told.order) {
            self.place.told.add(id);
        }
        self.place
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>, UpstreamError> {
        let reading = self.response.chunk();
        let chunk = match self.limits.idle {
            None => reading.await,
            Some(limit) => tokio::time::timeout(limit, reading).await.map_err(|_| UpstreamError::Silent(limit))?,
        };
        Ok(chunk?)
    }

    fn read(&mut self, chunk: &Bytes) -> Result<(), UpstreamError> {
        let Stream { parser, place, told, ready, endpoint, lived, .. } = self;
        let mut outcome = Ok(());
        let parsed = parser.push(chunk, |event| {
            let is_told = event.id.as_ref().is_some_and(|id| place.told.ids.contains(id) || place.last_event_id == *id);
            *lived |= !is_told;
            if event.name == "endpoint" && ready.is_empty() {
                *endpoint = Some(event.data);
                return;
            }
            if !event.is_message() || outcome.is_err() {
                return;
            }
            if let Some(id) = event.id {
                if place.told.ids.contains(&id) {
                    return;
                }
                told.add(Bytes::copy_from_slice(&id));
            }
            outcome = one_line_each(event.data, ready);
        });
        // One that cannot be sent back is none.
        let last = parser.last_event_id();
        if !last.is_empty() && HeaderValue::from_bytes(last).is_ok() {
            place.last_event_id = last.clone();
        }
        place.retry = parser.retry().or(place.retry);
        parsed.map_err(|sse::TooLarge(limit)| UpstreamError::TooLarge(limit))?;
        outcome
    }
}

impl Place {
    /// Behind which event; empty where the server gave none an id.
    #[must_use]
    pub fn last_event_id(&self) -> &Bytes {
        &self.last_event_id
    }

    /// How long the server wants a client to wait before it connects again.
    #[must_use]
    pub fn retry(&self) -> Option<Duration> {
        self.retry
    }
}

impl Told {
    fn add(&mut self, id: Bytes) {
        if self.ids.insert(id.clone()) {
            self.order.push_back(id);
        }
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t5_so_many_ids_are_remembered_and_no_more() {
        let mut told = Told::default();
        for id in 0..=REMEMBERED {
            told.add(Bytes::from(id.to_string()));
        }
        assert!(!told.ids.contains(&Bytes::from("0")) && told.ids.contains(&Bytes::from(REMEMBERED.to_string())));
        assert_eq!((told.ids.len(), told.order.len()), (REMEMBERED, REMEMBERED));
    }
}
