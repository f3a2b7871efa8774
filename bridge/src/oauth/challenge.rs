//! The `WWW-Authenticate` header (RFC 9110 §11.6.1) and the Bearer challenge in it (RFC 6750 §3, RFC 9728 §5.1), read
//! leniently: what is broken in one challenge costs that part of it, never the others. It must never judge what a
//! parameter says: `resource_metadata` and `scope` do. Bounded in size and number, whatever a server sends.

use crate::untrusted::Untrusted;

/// How much of one header field is read, in bytes.
const MAX_FIELD: usize = 64 * 1024;
/// How many challenges are kept.
const MAX_CHALLENGES: usize = 32;
/// How many parameters of one challenge are kept.
const MAX_PARAMETERS: usize = 32;

/// One challenge (RFC 9110 §11.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Challenge {
    /// The scheme in lower case: `bearer`, `basic`, `dpop`, …
    pub scheme: String,
    /// The one value that some schemes send in place of parameters (`Negotiate YII=`).
    pub token68: Option<String>,
    /// The parameters, names in lower case, in the order they came; of two with one name, the first.
    pub parameters: Vec<(String, String)>,
}

impl Challenge {
    /// The parameter of this name (in lower case), if it is there and not empty.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let (_, value) = self.parameters.iter().find(|(known, _)| known == name)?;
        Some(value.as_str()).filter(|value| !value.is_empty())
    }
}

/// What a challenge for an access token says, of the scheme Bearer or DPoP (RFC 6750 §3, RFC 9449 §7.1, RFC 9728 §5.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BearerChallenge {
    /// `invalid_token`, `insufficient_scope`, …: to compare, not to show.
    pub error: Option<String>,
    /// The server's words.
    pub error_description: Option<Untrusted>,
    /// The scope that is demanded, as it came.
    pub scope: Option<String>,
    /// Where the metadata of the resource is, as it came.
    pub resource_metadata: Option<String>,
    /// The scheme is DPoP, and Bearer is not offered beside it.
    pub wants_dpop: bool,
}

/// Reads every challenge of all the `WWW-Authenticate` fields of a response.
pub fn parse<V: AsRef<[u8]>>(fields: impl IntoIterator<Item = V>) -> Vec<Challenge> {
    let mut challenges = Vec::new();
    for field in fields {
        let bytes = field.as_ref();
        Reader { bytes: &bytes[..bytes.len().min(MAX_FIELD)], at: 0 }.read_into(&mut challenges);
    }
    challenges
}

/// The challenge for an access token, if there is one, be it Bearer or DPoP. Of several, one that names the resource's metadata comes first,
/// then one that names an error.
pub fn bearer<V: AsRef<[u8]>>(fields: impl IntoIterator<Item = V>) -> Option<BearerChallenge> {
    let challenges = parse(fields);
    let rank = |challenge: &&Challenge| {
        (challenge.parameter("resource_metadata").is_none(), challenge.parameter("error").is_none())
    };
    let is_for_tokens = |challenge: &&Challenge| matches!(challenge.scheme.as_str(), "bearer" | "dpop");
    let chosen = challenges.iter().filter(is_for_tokens).min_by_key(rank)?;
    let owned = |name| chosen.parameter(name).map(str::to_owned);
    Some(BearerChallenge {
        error: owned("error"),
        error_description: chosen.parameter("error_description").map(Untrusted::new),
        scope: owned("scope"),
        resource_metadata: owned("resource_metadata"),
        wants_dpop: challenges.iter().all(|challenge| challenge.scheme != "bearer"),
    })
}

/// A position in one header field.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Reads to the end. A scheme stands at the start or after a comma; a word elsewhere is skipped.
    fn read_into(&mut self, challenges: &mut Vec<Challenge>) {
        let first = challenges.len();
        let mut after_comma = true;
        while let Some(byte) = self.peek() {
            match byte {
                b',' => (self.at, after_comma) = (self.at + 1, true),
                byte if is_blank(byte) => self.at += 1,
                b'"' => {
                    self.skip_quoted();
                    after_comma = false;
                }
                byte if is_token(byte) => {
                    let word = self.take(is_token);
                    if self.skip_equals() {
                        let value = self.value();
                        add_parameter(challenges.get_mut(first..).and_then(<[_]>::last_mut), word, value);
                    } else if after_comma && challenges.len() < MAX_CHALLENGES {
                        challenges.push(Challenge {
                            scheme: lower(word),
                            token68: self.token68(),
                            parameters: Vec::new(),
                        });
                    }
                    after_comma = false;
                }
                _ => self.at += 1,
            }
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self, wanted: fn(u8) -> bool) -> &'a [u8] {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|byte| !wanted(*byte)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    /// Passes `BWS "=" BWS`; passes nothing if there is no `=`.
    fn skip_equals(&mut self) -> bool {
        let start = self.at;
        self.take(is_blank);
        if self.peek() == Some(b'=') {
            self.at += 1;
            self.take(is_blank);
            return true;
        }
        self.at = start;
        false
    }

    /// A value: a quoted string, or anything up to a comma or blank (`scope=read:x`, which is no token, is common).
    /// None for a quoted string without its end: half a URL is worse than none.
    fn value(&mut self) -> Option<String> {
        if self.peek() == Some(b'"') { self.quoted() } else { Some(text(self.take(|b| b != b',' && !is_blank(b)))) }
    }

    /// A quoted string with its escapes undone. Without an end it is None, and the rest of the field is passed.
    fn quoted(&mut self) -> Option<String> {
        self.at += 1;
        let mut value = Vec::new();
        while let Some(byte) = self.peek() {
            self.at += 1;
            match byte {
                b'"' => return Some(text(&value)),
                b'\\' => {
                    value.extend(self.peek());
                    self.at += 1;
                }
                byte => value.push(byte),
            }
        }
        None
    }

    /// Passes a quoted string where none is due; only the quote if the string has no end.
    fn skip_quoted(&mut self) {
        let start = self.at;
        if self.quoted().is_none() {
            self.at = start + 1;
        }
    }

    /// A token68 after a scheme: it ends at a comma or at the end of the field.
    fn token68(&mut self) -> Option<String> {
        let start = self.at;
        self.take(is_blank);
        let from = self.at;
        let body = self.take(|b| b.is_ascii_alphanumeric() || b"-._~+/".contains(&b));
        self.take(|b| b == b'=');
        let value = &self.bytes[from..self.at];
        self.take(is_blank);
        if from > start && !body.is_empty() && matches!(self.peek(), None | Some(b',')) {
            return Some(text(value));
        }
        self.at = start;
        None
    }
}

fn add_parameter(challenge: Option<&mut Challenge>, name: &[u8], value: Option<String>) {
    let (Some(challenge), Some(value)) = (challenge, value) else { return };
    let name = lower(name);
    let known = challenge.parameters.iter().any(|(known, _)| *known == name);
    if !known && challenge.parameters.len() < MAX_PARAMETERS {
        challenge.parameters.push((name, value));
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// RFC 9110 §5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn lower(bytes: &[u8]) -> String {
    text(bytes).to_ascii_lowercase()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests;
