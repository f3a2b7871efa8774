//! Server-sent events by the WHATWG rules (T2), from chunks that may split anywhere, a UTF-8 character included.
//! It must never know what an event's data means.

use std::mem;
use std::time::Duration;

/// One dispatched event.
#[derive(Debug, PartialEq, Eq)]
pub struct Event {
    /// The `event` field; empty where there was none.
    pub name: Vec<u8>,
    /// The `data` lines, joined by line feeds.
    pub data: Vec<u8>,
}

impl Event {
    /// Whether this event carries JSON-RPC: only `message` and nameless events do, and a priming event has no data.
    #[must_use]
    pub fn is_message(&self) -> bool {
        (self.name.is_empty() || self.name == b"message") && !self.data.is_empty()
    }
}

/// An event grew over the limit, in bytes.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event over {0} bytes")]
pub struct TooLarge(pub usize);

/// Turns chunks into events.
#[derive(Debug)]
pub struct Parser {
    limit: usize,
    /// The part of a line that earlier chunks brought.
    line: Vec<u8>,
    /// The last chunk ended in CR: a LF at the start of the next one belongs to it.
    after_cr: bool,
    /// Nothing was read yet: a byte order mark is skipped.
    first_line: bool,
    name: Vec<u8>,
    /// The data lines so far; `None` where there was none.
    data: Option<Vec<u8>>,
    /// The `id` field so far. Unlike the others it outlives its event.
    id: Vec<u8>,
    last_event_id: Vec<u8>,
    retry: Option<Duration>,
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
            name: Vec::new(),
            data: None,
            id: Vec::new(),
            last_event_id: Vec::new(),
            retry: None,
        }
    }

    /// Reads a chunk and hands every event that it completes to `take`.
    ///
    /// # Errors
    /// [`TooLarge`] once a line or an event's data exceeds the limit.
    pub fn push(&mut self, mut chunk: &[u8], mut take: impl FnMut(Event)) -> Result<(), TooLarge> {
        if mem::take(&mut self.after_cr) && chunk.first() == Some(&b'\n') {
            chunk = &chunk[1..];
        }
        while let Some(end) = memchr::memchr2(b'\n', b'\r', chunk) {
            if self.line.is_empty() {
                self.end_line(&chunk[..end], &mut take)?;
            } else {
                let mut whole = mem::take(&mut self.line);
                whole.extend_from_slice(&chunk[..end]);
                self.end_line(&whole, &mut take)?;
            }
            let ended_by_cr = chunk[end] == b'\r';
            chunk = &chunk[end + 1..];
            if ended_by_cr {
                match chunk.first() {
                    Some(b'\n') => chunk = &chunk[1..],
                    Some(_) => {}
                    None => self.after_cr = true,
                }
            }
        }
        self.line.extend_from_slice(chunk);
        self.check(self.line.len())
    }

    /// The id of the last event that was dispatched or had no data, for `Last-Event-ID`; empty where none was sent.
    #[must_use]
    pub fn last_event_id(&self) -> &[u8] {
        &self.last_event_id
    }

    /// How long the server wants a client to wait before it connects again.
    #[must_use]
    pub fn retry(&self) -> Option<Duration> {
        self.retry
    }

    fn end_line(&mut self, line: &[u8], take: &mut impl FnMut(Event)) -> Result<(), TooLarge> {
        let line = match line.strip_prefix(b"\xef\xbb\xbf") {
            Some(rest) if self.first_line => rest,
            _ => line,
        };
        self.first_line = false;
        if line.is_empty() {
            self.last_event_id.clone_from(&self.id);
            let name = mem::take(&mut self.name);
            if let Some(data) = self.data.take() {
                take(Event { name, data });
            }
            return Ok(());
        }
        let (field, value) = match memchr::memchr(b':', line) {
            Some(colon) => (&line[..colon], line[colon + 1..].strip_prefix(b" ").unwrap_or(&line[colon + 1..])),
            None => (line, &b""[..]),
        };
        match field {
            b"data" => {
                let so_far = self.data.as_ref().map_or(0, Vec::len);
                self.check(so_far + value.len())?;
                match &mut self.data {
                    None => self.data = Some(value.to_vec()),
                    Some(data) => {
                        data.push(b'\n');
                        data.extend_from_slice(value);
                    }
                }
            }
            b"event" => self.name = value.to_vec(),
            b"id" if !value.contains(&0) => self.id = value.to_vec(),
            b"retry" if !value.is_empty() && value.iter().all(u8::is_ascii_digit) => {
                self.retry = std::str::from_utf8(value).ok().and_then(|ms| ms.parse().ok()).map(Duration::from_millis);
            }
            _ => {} // a comment, or a field from the future
        }
        Ok(())
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
            parser
                .push(chunk, |e| seen.push((String::from_utf8(e.name).unwrap(), String::from_utf8(e.data).unwrap())))
                .unwrap();
        }
        seen
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
            assert_eq!(parser.last_event_id(), b"2");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(events(&mut Parser::new(1000), &single), expected());
    }

    #[test]
    fn t2_only_message_and_nameless_events_with_data_carry_json_rpc() {
        let event = |name: &str, data: &str| Event { name: name.into(), data: data.into() };
        assert!(event("", "{}").is_message() && event("message", "{}").is_message());
        assert!(!event("endpoint", "/x").is_message() && !event("", "").is_message());
    }

    #[test]
    fn t2_an_id_with_nul_is_ignored_and_retry_takes_only_digits() {
        let mut parser = Parser::new(100);
        events(&mut parser, &[b"id: a\nid: b\0\nretry: 250\nretry: 1x\nretry:\n\n"]);
        assert_eq!((parser.last_event_id(), parser.retry()), (&b"a"[..], Some(Duration::from_millis(250))));
    }

    #[test]
    fn t2_an_event_over_the_limit_is_refused_however_it_comes() {
        for stream in ["data: 0123456789\n\n", "data: 012345\ndata: 6789\n\n", "0123456789abc"] {
            assert_eq!(Parser::new(8).push(stream.as_bytes(), |_| ()), Err(TooLarge(8)), "{stream}");
        }
    }
}
