//! A secret: a token, code, verifier or client secret. It never shows itself in Debug or Display, compares in constant
//! time and is wiped on drop. The only way out is [`Secret::expose`]; the disk has its own, in `credentials::record`.
//! [`SentSecrets`] takes out of a server's words what it was sent, and may repeat.

use std::fmt;

use serde::{Deserialize, Deserializer};
use url::form_urlencoded::byte_serialize;
use zeroize::Zeroizing;

/// Text that must never be printed, logged or put into an error.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes a secret over; the caller's copy should be gone.
    pub fn new(text: impl Into<String>) -> Self {
        Secret(Zeroizing::new(text.into()))
    }

    /// The secret itself, for the request or the record that needs it and for nothing else.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        aws_lc_rs::constant_time::verify_slices_are_equal(self.0.as_bytes(), other.0.as_bytes()).is_ok()
    }
}

impl Eq for Secret {}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Secret::new)
    }
}

/// What stands in place of a secret.
const SHOWN: &str = "[secret]";
/// What is shorter, in bytes, is no secret; taken out of a text it would spoil other words.
const SHORTEST: usize = 6;
/// How many are kept, the latest: a bridge that runs for months gets a token an hour.
const KEPT: usize = 32;

/// The secrets that a server was sent. Some servers repeat them in their errors, which go to logs, the host and the disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SentSecrets(Vec<Secret>);

impl SentSecrets {
    /// One more; beyond 32 the oldest is forgotten.
    pub fn add(&mut self, secret: Secret) {
        if secret.expose().len() >= SHORTEST && !self.0.contains(&secret) {
            self.0.push(secret);
            let surplus = self.0.len().saturating_sub(KEPT);
            self.0.drain(..surplus);
        }
    }

    /// The text with `[secret]` in place of each, also where it is form-encoded or its slashes are escaped as some JSON
    /// writers do.
    #[must_use]
    pub fn hidden_in(&self, text: &str) -> String {
        let mut spellings: Vec<Zeroizing<String>> = self.0.iter().flat_map(spellings).collect();
        // One may be a part of another: `Basic …` and its client secret, say.
        spellings.sort_by_key(|spelling| std::cmp::Reverse(spelling.len()));
        spellings.iter().fold(text.to_owned(), |text, spelling| text.replace(spelling.as_str(), SHOWN))
    }
}

fn spellings(secret: &Secret) -> [Zeroizing<String>; 3] {
    let plain = secret.expose();
    let form = byte_serialize(plain.as_bytes()).collect();
    [plain.to_owned(), form, plain.replace('/', "\\/")].map(Zeroizing::new)
}

impl<const N: usize> From<[&Secret; N]> for SentSecrets {
    fn from(secrets: [&Secret; N]) -> Self {
        let mut sent = SentSecrets::default();
        secrets.into_iter().cloned().for_each(|secret| sent.add(secret));
        sent
    }
}

#[cfg(test)]
mod tests {
    use super::{KEPT, Secret, SentSecrets};

    #[test]
    fn a_sent_secret_is_hidden_in_each_spelling() {
        let (token, part) = (Secret::new("ab/c+d=1"), Secret::new("c+d=1x"));
        let sent = SentSecrets::from([&token, &part]);
        let table = [
            ("plain", "unknown token ab/c+d=1", "unknown token [secret]"),
            ("twice", "ab/c+d=1ab/c+d=1", "[secret][secret]"),
            ("form-encoded", "token=ab%2Fc%2Bd%3D1&x", "token=[secret]&x"),
            ("an escaped slash", "\"ab\\/c+d=1\"", "\"[secret]\""),
            ("the longer one first", "ab/c+d=1x", "[secret]x"),
            ("another", "ab/c+d=2", "ab/c+d=2"),
        ];
        for (name, text, expected) in table {
            assert_eq!(sent.hidden_in(text), expected, "{name}");
        }
    }

    #[test]
    fn what_is_too_short_for_a_secret_hides_nothing() {
        let sent = SentSecrets::from([&Secret::new(""), &Secret::new("prod")]);
        assert_eq!(sent.hidden_in("no such product"), "no such product");
    }

    #[test]
    fn the_latest_are_kept() {
        let mut sent = SentSecrets::default();
        for number in 0..=KEPT {
            sent.add(Secret::new(format!("secret-{number:03}")));
        }
        assert_eq!(sent.hidden_in("secret-000 secret-001"), "secret-000 [secret]");
    }

    #[test]
    fn neither_debug_nor_display_shows_it() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret} {secret:?}"), "[secret] [secret]");
    }

    #[test]
    fn equal_is_equal_and_different_is_not() {
        assert_eq!(Secret::new("a"), Secret::new("a"));
        assert_ne!(Secret::new("a"), Secret::new("ab"));
    }
}
