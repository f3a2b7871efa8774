//! The error of an event that did not come: what was seen instead, a line for each request, with its secrets shortened.
//! It must never show a whole token: such texts end up in the logs of a test run. The requests are kept in `log.rs`.

use std::time::Duration;

use url::form_urlencoded::byte_serialize;

use crate::log::Seen;

/// From this length on, a word is taken for a secret, known or not: tokens of ours have 43 characters and more.
const SUSPICIOUS: usize = 32;

/// A known secret that is shorter than this would be found everywhere.
const RECOGNISABLE: usize = 6;

/// How much of a body is looked at, and how much of it is shown, in characters.
const BODY: (usize, usize) = (4096, 120);

/// What was waited for did not happen.
#[derive(Debug, thiserror::Error)]
#[error("what was waited for did not happen within {waited:?}; seen so far:\n{seen}")]
pub struct TimedOut {
    waited: Duration,
    seen: String,
}

impl TimedOut {
    pub(crate) fn new(waited: Duration, seen: &[Seen], secrets: &[String]) -> Self {
        let short = secrets.iter().filter(|secret| (RECOGNISABLE..SUSPICIOUS).contains(&secret.len()));
        let short = short.map(String::as_str).collect::<Vec<_>>();
        let lines = seen.iter().map(|request| line(request, &short)).collect::<Vec<_>>();
        TimedOut { waited, seen: lines.join("\n") }
    }

    /// How long it was waited for.
    #[must_use]
    pub fn waited(&self) -> Duration {
        self.waited
    }
}

fn line(request: &Seen, secrets: &[&str]) -> String {
    let body = String::from_utf8_lossy(&request.body).chars().take(BODY.0).collect::<String>();
    let body = shortened(&body, secrets).chars().take(BODY.1).collect::<String>();
    let target = shortened(&request.path_and_query, secrets);
    format!("{} {target} -> {} {body}", request.method, request.status)
}

/// The text with the first four characters of each secret.
fn shortened(text: &str, secrets: &[&str]) -> String {
    let mut text = text.to_owned();
    for secret in secrets {
        let short = beginning(secret);
        text = text.replace(secret, &short);
        text = text.replace(&byte_serialize(secret.as_bytes()).collect::<String>(), &short);
    }
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '~');
    let mut result = String::with_capacity(text.len());
    for part in text.split_inclusive(|c| !is_word(c)) {
        let word = part.trim_end_matches(|c| !is_word(c));
        let shown = if word.len() < SUSPICIOUS { word.to_owned() } else { beginning(word) };
        result.push_str(&shown);
        result.push_str(&part[word.len()..]);
    }
    result
}

fn beginning(secret: &str) -> String {
    secret.chars().take(4).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::shortened;

    #[test]
    fn what_is_secret_or_looks_so_is_shortened() {
        let token = "abcdEFGH0123-_abcdEFGH0123-_abcdEFGH0123";
        for (name, text, shown) in [
            ("a query", format!("/authorize?code={token}&state=s"), "/authorize?code=abcd…&state=s"),
            ("JSON", format!(r#"{{"refresh_token":"{token}"}}"#), r#"{"refresh_token":"abcd…"}"#),
            ("at the end", format!("x {token}"), "x abcd…"),
            ("a known one", "client_secret=s3cret+%2B&x=1".to_owned(), "client_secret=s3cr…&x=1"),
            ("nothing", "POST /mcp ü\n".to_owned(), "POST /mcp ü\n"),
        ] {
            assert_eq!(shortened(&text, &["s3cret +"]), shown, "{name}");
        }
    }
}
