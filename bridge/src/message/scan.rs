//! JSON (RFC 8259) read over without being read: whether bytes are one value, and where the members of an object lie. It is
//! on the path of every message, so it builds nothing and recurses into nothing. What a member means is not known here.

use std::str;

/// The text is not JSON, from this byte on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not JSON at byte {0}")]
pub struct NotJson(pub usize);

/// What a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One object; every member was handed out.
    Object,
    /// One value of another type.
    Other,
}

/// Reads over a text and hands the members of the outermost object to `take`: the key without its quotes, escapes and all,
/// and the value to the letter.
///
/// # Errors
/// [`NotJson`], wherever in the text: members before it may have been handed out.
pub fn members<'a>(text: &'a str, mut take: impl FnMut(&'a str, &'a str)) -> Result<Shape, NotJson> {
    beginnings(text, |key, value| {
        if let Some(value) = value {
            take(key, value);
        }
    })
}

/// As [`members`], for a text that may be cut anywhere: a member whose value is not JSON, or not whole, is handed out without
/// it. A number at the very end is handed out; it may go on.
///
/// # Errors
/// [`NotJson`].
pub fn beginnings<'a>(text: &'a str, mut take: impl FnMut(&'a str, Option<&'a str>)) -> Result<Shape, NotJson> {
    let mut scan = Scan::new(text);
    scan.blanks();
    if scan.peek() != Some(b'{') {
        scan.value()?;
        return scan.end().map(|()| Shape::Other);
    }
    scan.at += 1;
    scan.blanks();
    if scan.peek() == Some(b'}') {
        scan.at += 1;
        return scan.end().map(|()| Shape::Object);
    }
    loop {
        let key = scan.at;
        scan.key()?;
        let key = &text[key + 1..scan.at - 1];
        scan.colon()?;
        let value = scan.at;
        if let Err(error) = scan.value() {
            take(key, None);
            return Err(error);
        }
        take(key, Some(&text[value..scan.at]));
        scan.blanks();
        match scan.next()? {
            b',' => scan.blanks(),
            b'}' => return scan.end().map(|()| Shape::Object),
            _ => return scan.wrong_before(),
        }
    }
}

/// A place in a text.
struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
    /// No control character is anywhere in it, so none is in a string: the common case.
    clean: bool,
}

/// What is open around a place: for each level, whether it is an object. Levels without end cost a bit each.
#[derive(Default)]
struct Nesting {
    depth: usize,
    innermost: u64,
    outer: Vec<u64>,
}

impl<'a> Scan<'a> {
    fn new(text: &'a str) -> Self {
        let bytes = text.as_bytes();
        Scan { bytes, at: 0, clean: !has_controls(bytes) }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn next(&mut self) -> Result<u8, NotJson> {
        let byte = self.peek().ok_or(NotJson(self.at))?;
        self.at += 1;
        Ok(byte)
    }

    fn wrong_before<T>(&self) -> Result<T, NotJson> {
        Err(NotJson(self.at - 1))
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn end(&mut self) -> Result<(), NotJson> {
        self.blanks();
        if self.at == self.bytes.len() { Ok(()) } else { Err(NotJson(self.at)) }
    }

    fn key(&mut self) -> Result<(), NotJson> {
        if self.next()? != b'"' {
            return self.wrong_before();
        }
        self.string()
    }

    fn colon(&mut self) -> Result<(), NotJson> {
        self.blanks();
        if self.next()? != b':' {
            return self.wrong_before();
        }
        self.blanks();
        Ok(())
    }

    /// One value, from its first byte to behind its last.
    fn value(&mut self) -> Result<(), NotJson> {
        let mut open = Nesting::default();
        loop {
            match self.next()? {
                b'"' => self.string()?,
                b'{' if !self.closes(b'}') => {
                    open.push(true);
                    self.key()?;
                    self.colon()?;
                    continue;
                }
                b'[' if !self.closes(b']') => {
                    open.push(false);
                    continue;
                }
                b'{' | b'[' => {} // empty
                b't' => self.word(b"rue")?,
                b'f' => self.word(b"alse")?,
                b'n' => self.word(b"ull")?,
                b'-' => {
                    let digit = self.next()?;
                    self.number(digit)?;
                }
                digit => self.number(digit)?,
            }
            if !self.goes_on(&mut open)? {
                return Ok(());
            }
        }
    }

    /// What follows a value within whatever is open; false where nothing is open any more.
    fn goes_on(&mut self, open: &mut Nesting) -> Result<bool, NotJson> {
        while let Some(is_object) = open.innermost() {
            self.blanks();
            match (self.next()?, is_object) {
                (b',', true) => {
                    self.blanks();
                    self.key()?;
                    self.colon()?;
                    return Ok(true);
                }
                (b',', false) => {
                    self.blanks();
                    return Ok(true);
                }
                (b'}', true) | (b']', false) => open.pop(),
                _ => return self.wrong_before(),
            }
        }
        Ok(false)
    }

    /// Blanks, then this end of an empty object or array, if it is one.
    fn closes(&mut self, end: u8) -> bool {
        self.blanks();
        let closes = self.peek() == Some(end);
        self.at += usize::from(closes);
        closes
    }

    /// A string, from behind its first quote to behind its last.
    fn string(&mut self) -> Result<(), NotJson> {
        loop {
            let rest = &self.bytes[self.at..];
            let special = if self.clean { quote_or_escape(rest) } else { special(rest) };
            self.at += special.ok_or(NotJson(self.bytes.len()))?;
            match self.next()? {
                b'"' => return Ok(()),
                b'\\' => self.escape()?,
                _ => return self.wrong_before(), // a control character
            }
        }
    }

    fn escape(&mut self) -> Result<(), NotJson> {
        match self.next()? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(()),
            b'u' => {
                let digits = self.bytes.get(self.at..self.at + 4).ok_or(NotJson(self.bytes.len()))?;
                if !digits.iter().all(u8::is_ascii_hexdigit) {
                    return Err(NotJson(self.at));
                }
                self.at += 4;
                Ok(())
            }
            _ => self.wrong_before(),
        }
    }

    fn word(&mut self, rest: &[u8]) -> Result<(), NotJson> {
        if !self.bytes[self.at..].starts_with(rest) {
            return self.wrong_before();
        }
        self.at += rest.len();
        Ok(())
    }

    /// A number, from behind its first digit.
    fn number(&mut self, first: u8) -> Result<(), NotJson> {
        match first {
            b'0' => {}
            b'1'..=b'9' => self.digits(),
            _ => return self.wrong_before(),
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.some_digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.some_digits()?;
        }
        Ok(())
    }

    fn some_digits(&mut self) -> Result<(), NotJson> {
        if !self.next()?.is_ascii_digit() {
            return self.wrong_before();
        }
        self.digits();
        Ok(())
    }

    fn digits(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
    }
}

impl Nesting {
    fn push(&mut self, is_object: bool) {
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.outer.push(self.innermost);
        }
        self.innermost = self.innermost << 1 | u64::from(is_object);
        self.depth += 1;
    }

    fn pop(&mut self) {
        self.depth -= 1;
        self.innermost >>= 1;
        if self.depth > 0 && self.depth.is_multiple_of(64) {
            self.innermost = self.outer.pop().unwrap_or_default();
        }
    }

    fn innermost(&self) -> Option<bool> {
        (self.depth > 0).then_some(self.innermost & 1 == 1)
    }
}

/// Whether any byte is below the blank. Written so that it becomes wide instructions.
fn has_controls(bytes: &[u8]) -> bool {
    bytes.chunks(256).any(|chunk| chunk.iter().fold(false, |found, byte| found | (*byte < 0x20)))
}

/// The first quote or backslash. Most are near, and a long search has its price to begin: two words are looked at first.
fn quote_or_escape(bytes: &[u8]) -> Option<usize> {
    const NEAR: usize = 2 * WORD;
    let Some((near, far)) = bytes.split_at_checked(NEAR) else {
        return bytes.iter().position(|byte| matches!(byte, b'"' | b'\\'));
    };
    for (number, word) in near.chunks_exact(WORD).enumerate() {
        if let Some(at) = quote_or_escape_in(u64::from_le_bytes(word.try_into().unwrap_or_default())) {
            return Some(number * WORD + at);
        }
    }
    memchr::memchr2(b'"', b'\\', far).map(|at| NEAR + at)
}

const WORD: usize = 8;

/// Which of eight bytes is the first such one. A byte that is zero after the exclusive or borrows from its own highest bit;
/// what bytes behind it borrow does not matter.
fn quote_or_escape_in(word: u64) -> Option<usize> {
    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let zeros = |word: u64| word.wrapping_sub(LOW) & !word & HIGH;
    let found = zeros(word ^ (LOW * u64::from(b'"'))) | zeros(word ^ (LOW * u64::from(b'\\')));
    (found != 0).then(|| found.trailing_zeros() as usize / 8)
}

/// The first quote, backslash or control character.
fn special(bytes: &[u8]) -> Option<usize> {
    bytes.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20))
}

#[cfg(test)]
mod tests;
