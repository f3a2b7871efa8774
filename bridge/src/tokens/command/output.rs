//! What a person's command prints, read as a token or as headers, with how long it lasts. Pure. Nothing of it is ever in an
//! error: whatever a command prints may be a secret. docs/credentials.md has the forms.

use http::HeaderMap;
use http::header::AUTHORIZATION;
use serde::Deserialize;
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::secret::Secret;
use crate::settings::{header_value, parse_header};

/// The longest time before its end that a credential is fetched anew, in seconds; of a short one it is a tenth (as A14).
const LONGEST_SKEW: u64 = 60;
/// A moment beyond this, the year 5138 in seconds, is counted in milliseconds.
const IN_MILLISECONDS: u64 = 100_000_000_000;

/// What a command gave.
#[derive(Debug, Default)]
pub(super) struct Supply {
    /// The headers for every request, their values marked sensitive.
    pub(super) headers: HeaderMap,
    /// When it came and when it ends, in Unix seconds; none where it did not say.
    life: Option<(u64, u64)>,
}

impl Supply {
    /// Whether another one is due: it ends within a tenth of its life, at most 60 s.
    pub(super) fn is_due(&self, now: u64) -> bool {
        self.life.is_some_and(|(came, ends)| {
            let skew = (ends.saturating_sub(came) / 10).min(LONGEST_SKEW);
            now >= came && now.saturating_add(skew) >= ends
        })
    }

    /// Whether its time is over.
    pub(super) fn has_ended(&self, now: u64) -> bool {
        self.life.is_some_and(|(came, ends)| now >= came && now >= ends)
    }
}

/// Why output is no credential.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(in crate::tokens) enum OutputError {
    /// It is not UTF-8.
    #[error("printed what is not text")]
    NotText,
    /// There is none.
    #[error("printed nothing")]
    Nothing,
    /// It begins as JSON and is none, or a member has another type.
    #[error("printed what begins as JSON and is not as expected (line {line}, column {column})")]
    NotJson { line: usize, column: usize },
    /// An object without a token.
    #[error("printed JSON without `access_token`")]
    NoToken,
    /// A token of a type that no header can carry alone (RFC 6750 §2.1).
    #[error("printed a token of another type than `Bearer`")]
    OtherType,
    /// A bare token has characters that no token has, or there are several words.
    #[error("printed what is no token: one word of visible ASCII characters is wanted")]
    NotAToken,
    /// A line or a member is no header.
    #[error("printed what is no header in place {place}: {why}")]
    NotAHeader { place: usize, why: String },
    /// A moment that cannot be read.
    #[error("printed an end that is neither RFC 3339 nor a number of seconds")]
    NotATime,
}

#[derive(Deserialize)]
struct TokenJson<'a> {
    #[serde(alias = "accessToken", alias = "token")]
    access_token: Option<Secret>,
    #[serde(alias = "tokenType")]
    token_type: Option<String>,
    #[serde(borrow, flatten)]
    end: End<'a>,
}

#[derive(Deserialize)]
struct HeadersJson<'a> {
    #[serde(borrow)]
    headers: Option<&'a RawValue>,
}

/// How long it lasts, in one of several spellings.
#[derive(Default, Deserialize)]
struct End<'a> {
    #[serde(borrow, default, rename = "expires_in", alias = "expiresIn")]
    lifetime: Option<Moment<'a>>,
    #[serde(borrow, default, rename = "expires_at", alias = "expiresAt", alias = "expires_on")]
    moment: Option<Moment<'a>>,
}

/// A number, perhaps in a text, or a date.
#[derive(Deserialize)]
#[serde(untagged)]
enum Moment<'a> {
    Number(f64),
    Text(std::borrow::Cow<'a, str>),
}

/// A token, bare or as JSON, that came `now` (Unix seconds).
pub(super) fn token(printed: &[u8], now: u64) -> Result<Supply, OutputError> {
    let text = text(printed)?;
    let (token, life) = if text.starts_with('{') {
        let json: TokenJson = serde_json::from_str(text).map_err(|error| not_json(&error))?;
        if json.token_type.is_some_and(|name| !name.eq_ignore_ascii_case("bearer")) {
            return Err(OutputError::OtherType);
        }
        (json.access_token.ok_or(OutputError::NoToken)?, json.end.life(now)?)
    } else {
        (Secret::new(text), None)
    };
    let word = token.expose();
    if word.is_empty() || !word.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(OutputError::NotAToken);
    }
    let bearer = Zeroizing::new(format!("Bearer {word}"));
    let value = header_value(&AUTHORIZATION, &bearer).map_err(|_| OutputError::NotAToken)?;
    Ok(Supply { headers: HeaderMap::from_iter([(AUTHORIZATION, value)]), life })
}

/// Headers, one a line or as JSON, that came `now` (Unix seconds).
pub(super) fn headers(printed: &[u8], now: u64) -> Result<Supply, OutputError> {
    let text = text(printed)?;
    let mut supply = Supply::default();
    let lines: Vec<Zeroizing<String>> = if text.starts_with('{') {
        let json: HeadersJson = serde_json::from_str(text).map_err(|error| not_json(&error))?;
        if json.headers.is_some() {
            let end: End = serde_json::from_str(text).map_err(|error| not_json(&error))?;
            supply.life = end.life(now)?;
        }
        // Without `headers` the object itself is them.
        let members = json.headers.map_or(text, RawValue::get);
        let members: std::collections::BTreeMap<String, Secret> =
            serde_json::from_str(members).map_err(|error| not_json(&error))?;
        members.iter().map(|(name, value)| Zeroizing::new(format!("{name}: {}", value.expose()))).collect()
    } else {
        text.lines().map(|line| Zeroizing::new(line.to_owned())).collect()
    };
    for (at, line) in lines.iter().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let (name, value) = parse_header(line).map_err(|why| OutputError::NotAHeader { place: at + 1, why })?;
        supply.headers.append(name, value);
    }
    if supply.headers.is_empty() { Err(OutputError::Nothing) } else { Ok(supply) }
}

fn text(printed: &[u8]) -> Result<&str, OutputError> {
    match std::str::from_utf8(printed).map_err(|_| OutputError::NotText)?.trim() {
        "" => Err(OutputError::Nothing),
        text => Ok(text.trim_start_matches('\u{feff}')),
    }
}

fn not_json(error: &serde_json::Error) -> OutputError {
    OutputError::NotJson { line: error.line(), column: error.column() }
}

impl End<'_> {
    fn life(&self, now: u64) -> Result<Option<(u64, u64)>, OutputError> {
        Ok(match (&self.lifetime, &self.moment) {
            (Some(lifetime), _) => Some((now, now.saturating_add(lifetime.seconds()?))),
            (None, Some(moment)) => match moment.seconds()? {
                milliseconds @ IN_MILLISECONDS.. => Some((now, milliseconds / 1000)),
                seconds => Some((now, seconds)),
            },
            (None, None) => None,
        })
    }
}

impl Moment<'_> {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a float saturates")]
    fn seconds(&self) -> Result<u64, OutputError> {
        match self {
            Moment::Number(number) => Ok(*number as u64),
            Moment::Text(text) => {
                let number = text.trim().parse::<f64>().ok().map(|number| number as u64);
                number.or_else(|| rfc3339(text.trim())).ok_or(OutputError::NotATime)
            }
        }
    }
}

/// Unix seconds of a moment as RFC 3339 §5.6 writes it; a blank or a `t` may stand for the `T`.
fn rfc3339(text: &str) -> Option<u64> {
    let number = |at: std::ops::Range<usize>| text.get(at)?.parse::<i64>().ok();
    let is = |at: usize, marks: &str| text[at..].starts_with(|c| marks.contains(c));
    let is_shaped = text.is_ascii() && text.len() >= 20;
    if !(is_shaped && is(4, "-") && is(7, "-") && is(10, "Tt ") && is(13, ":") && is(16, ":")) {
        return None;
    }
    let (year, month, day) = (number(0..4)?, number(5..7)?, number(8..10)?);
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let zone = text[19..].trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    let offset = match zone.as_bytes() {
        [b'Z' | b'z'] => 0,
        [sign @ (b'+' | b'-'), _, _, b':', _, _] => {
            let minutes = zone[1..3].parse::<i64>().ok()? * 60 + zone[4..6].parse::<i64>().ok()?;
            if *sign == b'+' { minutes * 60 } else { -minutes * 60 }
        }
        _ => return None,
    };
    // Years that begin in March: the leap day then comes last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468;
    u64::try_from(days * 86_400 + hour * 3600 + minute * 60 + second - offset).ok()
}

#[cfg(test)]
mod tests;
