//! Server-sent events by the WHATWG rules (T2), from chunks that may split anywhere, a UTF-8 character included.
//! It must never know what an event's data means.

use std::mem;
use std::time::Duration;

use bytes::Bytes;

/// One dispatched event.
#[derive(Debug, PartialEq, Eq)]
pub struct Event {
    /// The `event` field; empty where there was none.
    pub name: Bytes,
    /// The `data` lines, joined by line feeds.
    pub data: Bytes,
    /// The `id` field of this very event, where it has one.
    pub id: Option<Bytes>,
}

impl Event {
    /// Whether this event carries JSON-RPC: only `message` and nameless events do, and a priming event has no data.
    #[must_use]
    pub fn is_message(&self) -> bool {
        (self.name.is_empty() || self.name == "message") && !self.data.is_empty()
    }
}

/// An event grew over the limit, in bytes.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event over {0} bytes")]
pub struct TooLarge(pub usize);

/// Turns chunks into events. What a chunk holds whole is not copied.
#[derive(Debug)]
pub struct Parser {
    limit: usize,
    /// The part of a line that earlier chunks brought.
    line: Vec<u8>,
    /// The last chunk ended in CR: a LF at the start of the next one belongs to it.
    after_cr: bool,
    /// Nothing was read yet: a byte order mark is skipped.
    first_line: bool,
    name: Bytes,
    data: Data,
    /// The `id` field of the event so far.
    id: Option<Bytes>,
    last_event_id: Bytes,
    retry: Option<Duration>,
}

/// The `data` lines so far.
#[derive(Debug, Default)]
enum Data {
    #[default]
    None,
    One(Bytes),
    Several(Vec<u8>),
}

impl Parser {
    /// A parser that refuses events over `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Parser {
            limit,
            line: Vec::new(),
            after_cr: false,
            first_line: true,
            name: Bytes::new(),
            data: Data::None,
            id: None,
            last_event_id: Bytes::new(),
            retry: None,
        }
    }

    /// Reads a chunk and hands every event that it completes to `take`.
    ///
    /// # Errors
    /// [`TooLarge`] once a line or an event's data exceeds the limit.
    pub fn push(&mut self, chunk: &Bytes, mut take: impl FnMut(Event)) -> Result<(), TooLarge> {
        let mut at = usize::from(mem::take(&mut self.after_cr) && chunk.first() == Some(&b'\n'));
        while let Some(length) = memchr::memchr2(b'\n', b'\r', &chunk[at..]) {
            let end = at + length;
            let line = if self.line.is_empty() {
                chunk.slice(at..end)
            } else {
                let mut whole = mem::take(&mut self.line);
                whole.extend_from_slice(&chunk[at..end]);
                self.check(whole.len())?;
                whole.into()
            };
            self.end_line(&line, &mut take)?;
            at = end + 1;
            if chunk[end] == b'\r' {
                match chunk.get(at) {
                    Some(b'\n') => at += 1,
                    Some(_) => {}
                    None => self.after_cr = true,
                }
            }
        }
        self.line.extend_from_slice(&chunk[at..]);
        self.check(self.line.len())
    }

    /// The id of the last event that was dispatched or had no data, for `Last-Event-ID`; empty where none was sent.
    #[must_use]
    pub fn last_event_id(&self) -> &Bytes {
        &self.last_event_id
    }

    /// How long the server wants a client to wait before it connects again.
    #[must_use]
    pub fn retry(&self) -> Option<Duration> {
        self.retry
    }

    fn end_line(&mut self, line: &Bytes, take: &mut impl FnMut(Event)) -> Result<(), TooLarge> {
        let start = if mem::take(&mut self.first_line) && line.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        if line.len() == start {
            self.dispatch(take);
            return Ok(());
        }
        let colon = memchr::memchr(b':', &line[start..]).map_or(line.len(), |colon| start + colon);
        let blank = usize::from(line.get(colon + 1) == Some(&b' '));
        let value = line.slice((colon + 1 + blank).min(line.len())..);
        match &line[start..colon] {
            b"data" => self.add(value)?,
            b"event" => self.name = value,
            b"id" if !value.contains(&0) => self.id = Some(value),
            b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                self.retry = std::str::from_utf8(&value).ok().and_then(|ms| ms.parse().ok()).map(Duration::from_millis);
            }
            _ => {} // a comment, or a field from the future
        }
        Ok(())
    }

    fn add(&mut self, value: Bytes) -> Result<(), TooLarge> {
        let mut lines = match mem::take(&mut self.data) {
            Data::None => {
                self.check(value.len())?;
                self.data = Data::One(value);
                return Ok(());
            }
            Data::One(first) => Vec::from(first),
            Data::Several(lines) => lines,
        };
        self.check(lines.len() + value.len())?;
        lines.push(b'\n');
        lines.extend_from_slice(&value);
        self.data = Data::Several(lines);
        Ok(())
    }

    fn dispatch(&mut self, take: &mut impl FnMut(Event)) {
        let id = self.id.take();
        if let Some(id) = &id {
            // Small, and kept for long: it must not keep a chunk.
            self.last_event_id = Bytes::copy_from_slice(id);
        }
        let name = mem::take(&mut self.name);
        let data = match mem::take(&mut self.data) {
            Data::None => return,
            Data::One(line) => line,
            Data::Several(lines) => lines.into(),
        };
        take(Event { name, data, id });
    }

    fn check(&self, length: usize) -> Result<(), TooLarge> {
        if length > self.limit { Err(TooLarge(self.limit)) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(parser: &mut Parser, chunks: &[&[u8]]) -> Vec<(String, String)> {
        let mut seen = Vec::new();
        for chunk in chunks {
            parser.push(&Bytes::copy_from_slice(chunk), |e| seen.push((text(&e.name), text(&e.data)))).unwrap();
        }
        seen
    }

    fn text(bytes: &[u8]) -> String {
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    const STREAM: &str = "\u{feff}: hello\r\nid: 1\ndata\n\nevent: message\rdata: a\rdata:b\r\r: c\ndata:  \u{e4}\u{1f600}\nfoo: x\n\nid: 2\n\ndata: unfinished\n";

    fn expected() -> Vec<(String, String)> {
        [("", ""), ("message", "a\nb"), ("", " \u{e4}\u{1f600}")].map(|(n, d)| (n.to_owned(), d.to_owned())).to_vec()
    }

    #[test]
    fn t2_any_split_gives_the_same_events() {
        let bytes = STREAM.as_bytes();
        for split in 0..=bytes.len() {
            let mut parser = Parser::new(1000);
            assert_eq!(events(&mut parser, &[&bytes[..split], &bytes[split..]]), expected(), "split at {split}");
            assert_eq!(parser.last_event_id(), "2");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(events(&mut Parser::new(1000), &single), expected());
    }

    #[test]
    fn t2_only_message_and_nameless_events_with_data_carry_json_rpc() {
        let event = |name: &'static str, data: &'static str| Event { name: name.into(), data: data.into(), id: None };
        assert!(event("", "{}").is_message() && event("message", "{}").is_message());
        assert!(!event("endpoint", "/x").is_message() && !event("", "").is_message());
    }

    #[test]
    fn t2_an_id_with_nul_is_ignored_and_retry_takes_only_digits() {
        let mut parser = Parser::new(100);
        events(&mut parser, &[b"id: a\nid: b\0\nretry: 250\nretry: 1x\nretry:\n\n"]);
        assert_eq!((parser.last_event_id(), parser.retry()), (&Bytes::from("a"), Some(Duration::from_millis(250))));
    }

    #[test]
    fn t2_an_event_over_the_limit_is_refused_however_it_comes() {
        for stream in ["data: 0123456789\n\n", "data: 012345\ndata: 6789\n\n", "0123456789abc"] {
            assert_eq!(Parser::new(8).push(&Bytes::from(stream), |_| ()), Err(TooLarge(8)), "{stream}");
        }
    }
}
