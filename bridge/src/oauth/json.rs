//! Reading JSON that a server wrote: an object whatever its content type, a byte order mark forgiven, members read
//! leniently; and an excerpt of what was no JSON. It must never show a body that may hold a secret. Its readers are the
//! judges beside it.

use serde_json::{Map, Value};

use crate::untrusted::Untrusted;

/// A JSON object.
pub(super) type Object = Map<String, Value>;

/// How many members of an array are read; the rest is dropped.
const MAX_MEMBERS: usize = 1000;

/// The object that a body is, if it is one.
pub(super) fn object(body: &[u8]) -> Option<Object> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => Some(object),
        _ => None,
    }
}

/// A member that is a string and not empty.
pub(super) fn text<'a>(object: &'a Object, key: &str) -> Option<&'a str> {
    object.get(key).and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// As [`text`], for words that are only ever shown.
pub(super) fn words(object: &Object, key: &str) -> Option<Untrusted> {
    text(object, key).map(Untrusted::new)
}

/// A member that is an array: its strings, the first thousand.
pub(super) fn texts(object: &Object, key: &str) -> Option<Vec<String>> {
    let members = object.get(key)?.as_array()?;
    Some(members.iter().filter_map(Value::as_str).map(str::to_owned).take(MAX_MEMBERS).collect())
}

/// A member that is true, or the text "true".
pub(super) fn flag(object: &Object, key: &str) -> bool {
    match object.get(key) {
        Some(Value::Bool(value)) => *value,
        Some(Value::String(text)) => text.eq_ignore_ascii_case("true"),
        _ => false,
    }
}

/// A member that is a number, or a number in a string; not NaN, not infinite.
pub(super) fn number(object: &Object, key: &str) -> Option<f64> {
    let number = match object.get(key)? {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    number.filter(|number| number.is_finite())
}

/// What a person may see of a body that was not understood. A body that may hold a token or secret is not shown: half
/// an object, or a form instead of JSON, would put it into an error.
pub(super) fn excerpt(body: &[u8]) -> Untrusted {
    let text = String::from_utf8_lossy(&body[..body.len().min(16 * 1024)]).into_owned();
    let lower = text.to_ascii_lowercase();
    if text.trim().is_empty() {
        return Untrusted::new("(an empty body)");
    }
    if ["token", "secret", "code", "assertion"].iter().any(|word| lower.contains(word)) {
        return Untrusted::new("(a body that may hold a secret, not shown)");
    }
    let plain = if text.trim_start().starts_with('<') { without_markup(&text, &lower) } else { text };
    Untrusted::new(plain.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// The words of a page, without tags, styles and scripts. `lower` is `text` in lower case, byte for byte as long.
fn without_markup(text: &str, lower: &str) -> String {
    let mut words = String::new();
    let mut at = 0;
    while let Some(open) = text[at..].find('<').map(|found| at + found) {
        words.push_str(&text[at..open]);
        words.push(' ');
        let closing = ["style", "script"].iter().find(|name| lower[open + 1..].starts_with(**name));
        let from =
            closing.and_then(|name| lower[open..].find(&format!("</{name}"))).map_or(open, |offset| open + offset);
        match text[from..].find('>') {
            Some(end) => at = from + end + 1,
            None => return words,
        }
    }
    words.push_str(&text[at..]);
    words
}

#[cfg(test)]
mod tests {
    use super::{excerpt, flag, number, object, text, texts};

    #[test]
    fn a_byte_order_mark_is_forgiven() {
        assert!(object(b"\xef\xbb\xbf{}").is_some());
    }

    #[test]
    fn only_an_object_is_an_object() {
        for body in ["", "[]", "null", "\"x\"", "{", "<html>", "{}{}"] {
            assert!(object(body.as_bytes()).is_none(), "{body}");
        }
    }

    #[test]
    fn members_are_read_leniently() {
        let read = object(br#"{"a":"","b":"x","c":["x",1,"y"],"d":"true","e":"36.5","f":"NaN","g":1}"#).unwrap();
        assert_eq!(text(&read, "a"), None);
        assert_eq!(text(&read, "b"), Some("x"));
        assert_eq!(texts(&read, "c"), Some(vec!["x".to_owned(), "y".to_owned()]));
        assert_eq!(texts(&read, "b"), None);
        assert!(flag(&read, "d") && !flag(&read, "g"));
        assert_eq!(number(&read, "e"), Some(36.5));
        assert_eq!(number(&read, "f"), None);
    }

    #[test]
    fn a_page_is_cut_down_to_its_words() {
        let page = b"<!DOCTYPE html><style>a{b:c}</style><h1>Bad\n gateway</h1><script>x()</script><p>nginx";
        assert_eq!(excerpt(page).to_string(), "Bad gateway nginx");
    }

    #[test]
    fn a_body_that_may_hold_a_secret_is_not_shown() {
        for body in ["access_token=abc&x=1", "{\"Refresh_Token\":\"abc\"", "client_secret: abc"] {
            assert!(!excerpt(body.as_bytes()).to_string().contains("abc"), "{body}");
        }
    }

    #[test]
    fn a_broken_page_ends_the_excerpt() {
        assert_eq!(excerpt(b"<p>x<scr").to_string(), "x");
        assert_eq!(excerpt("<script>ä".as_bytes()).to_string(), "ä");
        assert_eq!(excerpt(b"").to_string(), "(an empty body)");
    }
}
