//! Text that came from the network, safe to show: control and bidi characters are escaped, length is bounded.
//! The only way from a server's words to a log line, an error or a page.

use std::fmt;

use crate::secret::SentSecrets;

/// How many characters of a server's words are shown.
const SHOWN: usize = 200;

/// A server's words. Display escapes C0, C1, line separators and bidi controls and cuts after 200 characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Untrusted(String);

impl Untrusted {
    /// Wraps text from outside.
    pub fn new(text: impl Into<String>) -> Self {
        Untrusted(text.into())
    }

    /// The same words without the secrets that their speaker was sent. To be called before they are shown: what is cut can
    /// no longer be recognized.
    #[must_use]
    pub fn without(self, sent: &SentSecrets) -> Self {
        Untrusted(sent.hidden_in(&self.0))
    }
}

impl fmt::Display for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (shown, c) in self.0.chars().enumerate() {
            if shown == SHOWN {
                return f.write_str("…");
            }
            if is_unsafe(c) { write!(f, "\\u{{{:x}}}", c as u32)? } else { write!(f, "{c}")? }
        }
        Ok(())
    }
}

/// Whether a character is not shown as it is: a control, a line separator or one that turns the direction of text.
#[must_use]
pub fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::Untrusted;

    #[test]
    fn control_and_bidi_characters_are_escaped() {
        let shown = Untrusted::new("a\x1b]0;x\x07\n\u{9b}\u{202e}\u{2028}b").to_string();
        assert_eq!(shown, "a\\u{1b}]0;x\\u{7}\\u{a}\\u{9b}\\u{202e}\\u{2028}b");
    }

    #[test]
    fn long_text_is_cut() {
        assert_eq!(Untrusted::new("ä".repeat(500)).to_string().chars().count(), 201);
    }
}
