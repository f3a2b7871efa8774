//! Bytes cut into lines, and lines put together to few writes (H1, H2, H4). It knows what a line is, not where it comes from
//! or goes to.

use std::io::IoSlice;

use bytes::Bytes;

use super::Input;

/// How much of a line over the limit is kept, in bytes: enough to find its id.
const BEGINNING: usize = 4096;
/// A line up to this length is copied to its neighbours, a longer one is written as it is.
const SMALL: usize = 16 * 1024;
/// How much is put together before it is written, in bytes.
const TOGETHER: usize = 128 * 1024;

/// Cuts what comes into lines.
#[derive(Debug)]
pub struct Cutter {
    limit: usize,
    /// The beginning of a line whose end has not come.
    partial: Vec<u8>,
    /// How long the line is that is being skipped, where one is.
    skipped: Option<u64>,
}

impl Cutter {
    /// Lines up to `limit` bytes are taken, longer ones skipped.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Cutter { limit, partial: Vec::new(), skipped: None }
    }

    /// Hands every line that ends in this chunk to `take`. Empty ones are no lines.
    pub fn cut(&mut self, mut chunk: &[u8], mut take: impl FnMut(Input)) {
        while let Some(end) = memchr::memchr(b'\n', chunk) {
            self.add(&chunk[..end]);
            if let Some(line) = self.end_line() {
                take(line);
            }
            chunk = &chunk[end + 1..];
        }
        self.add(chunk);
    }

    /// The last line, which the end of the input ends.
    pub fn end(&mut self) -> Option<Input> {
        self.end_line()
    }

    fn add(&mut self, bytes: &[u8]) {
        if let Some(skipped) = &mut self.skipped {
            *skipped += bytes.len() as u64;
            return;
        }
        // A CR before the end does not count; whether the end comes next is not known yet.
        let length = self.partial.len() + bytes.len();
        if length > self.limit + 1 || length > self.limit && last(&self.partial, bytes) != Some(b'\r') {
            self.partial.extend_from_slice(&bytes[..bytes.len().min(BEGINNING.saturating_sub(self.partial.len()))]);
            self.partial.truncate(BEGINNING);
            self.partial.shrink_to_fit();
            self.skipped = Some(length as u64);
        } else {
            self.partial.extend_from_slice(bytes);
        }
    }

    fn end_line(&mut self) -> Option<Input> {
        let mut line = std::mem::take(&mut self.partial);
        if let Some(length) = self.skipped.take() {
            return Some(Input::TooLong { length, limit: self.limit, beginning: line.into() });
        }
        line.pop_if(|byte| *byte == b'\r');
        (!line.trim_ascii().is_empty()).then(|| Input::Line(line.into()))
    }
}

fn last(first: &[u8], second: &[u8]) -> Option<u8> {
    second.last().or(first.last()).copied()
}

/// Lines that are written together: what is small is copied into one buffer, a long one goes as it is.
#[derive(Debug, Default)]
pub struct Sheaf {
    small: Vec<u8>,
    long: Option<Bytes>,
}

impl Sheaf {
    /// Adds a line, if it still fits; nothing fits behind a long one.
    pub fn add(&mut self, line: Bytes) {
        if line.len() <= SMALL {
            self.small.extend_from_slice(&line);
            self.small.push(b'\n');
        } else {
            self.long = Some(line);
        }
    }

    /// Whether it must be written before another line is added.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.long.is_some() || self.small.len() >= TOGETHER
    }

    /// The parts, in order, each with its line ends.
    #[must_use]
    pub fn parts(&self) -> [IoSlice<'_>; 3] {
        let (long, end): (&[u8], &[u8]) = match &self.long {
            Some(line) => (line, b"\n"),
            None => (&[], &[]),
        };
        [IoSlice::new(&self.small), IoSlice::new(long), IoSlice::new(end)]
    }

    /// All of it has gone.
    pub fn clear(&mut self) {
        self.small.clear();
        self.small.shrink_to(TOGETHER);
        self.long = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(chunks: &[&[u8]], limit: usize) -> Vec<Input> {
        let mut seen = Vec::new();
        let mut cutter = Cutter::new(limit);
        for chunk in chunks {
            cutter.cut(chunk, |line| seen.push(line));
        }
        seen.extend(cutter.end());
        seen
    }

    fn line(text: &'static str) -> Input {
        Input::Line(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn h1_lines_end_in_lf_or_crlf_or_with_the_input_however_they_come() {
        let whole: &[u8] = b"a\nbc\r\nd";
        for split in 0..=whole.len() {
            let seen = lines(&[&whole[..split], &whole[split..]], 10);
            assert_eq!(seen, [line("a"), line("bc"), line("d")], "split at {split}");
        }
    }

    #[test]
    fn h3_empty_lines_are_ignored() {
        assert_eq!(lines(&[b"\n \r\n\r\na\n"], 10), [line("a")]);
    }

    #[test]
    fn h4_a_line_over_the_limit_is_skipped_and_the_next_one_works_however_they_come() {
        let whole: &[u8] = b"0123456789x\n0123456789\r\nok\n";
        let beginning = Bytes::from_static(b"0123456789x");
        let too_long = Input::TooLong { length: 11, limit: 10, beginning };
        for split in 0..=whole.len() {
            let seen = lines(&[&whole[..split], &whole[split..]], 10);
            assert_eq!(seen, [too_long.clone(), line("0123456789"), line("ok")], "split at {split}");
        }
    }

    #[test]
    fn h4_of_a_line_over_the_limit_only_the_beginning_is_kept() {
        let mut cutter = Cutter::new(10_000);
        for _ in 0..100 {
            cutter.cut(&[b'x'; 1000], |_| {});
            assert!(cutter.partial.len() <= 10_001);
        }
        match cutter.end() {
            Some(Input::TooLong { length: 100_000, beginning, .. }) => assert_eq!(beginning.len(), BEGINNING),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn h2_lines_are_put_together_whole_and_in_order() {
        let mut sheaf = Sheaf::default();
        sheaf.add(Bytes::from_static(b"one"));
        sheaf.add(Bytes::from_static(b"two"));
        assert!(!sheaf.is_full());
        let long = Bytes::from(vec![b'x'; SMALL + 1]);
        sheaf.add(long.clone());
        assert!(sheaf.is_full());
        let written: Vec<u8> = sheaf.parts().iter().flat_map(|part| part.to_vec()).collect();
        assert_eq!(written, [b"one\ntwo\n", &long[..], b"\n"].concat());
        sheaf.clear();
        assert!(!sheaf.is_full() && sheaf.parts().iter().all(|part| part.is_empty()));
    }
}
