//! JSON objects that are changed without being read: members are found, taken out and put in, and every value that stays
//! stays to the letter. What a member means is not known here.

use std::borrow::Cow;

use crate::message::scan::{self, Shape};

/// The members of one object, in their order. Values and the spelling of keys are those of the text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RawObject<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> RawObject<'a> {
    /// The members of an object; `None` where the text is no JSON object.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Self> {
        let mut members = Vec::new();
        let shape = scan::members(text, |key, value| members.push((Cow::Borrowed(key), Cow::Borrowed(value))));
        matches!(shape, Ok(Shape::Object)).then_some(RawObject(members))
    }

    /// The object that parameters are; none are an empty one.
    #[must_use]
    pub fn of_params(params: Option<&'a str>) -> Option<Self> {
        params.map_or_else(|| Some(RawObject::default()), RawObject::parse)
    }

    /// The value of a member, to the letter.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.iter().find(|(own, _)| is_key(own, key)).map(|(_, value)| &**value)
    }

    /// The value of a member that is a string.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<String> {
        serde_json::from_str(self.get(key)?).ok()
    }

    /// The value of a member that is an object.
    #[must_use]
    pub fn object(&self, key: &str) -> Option<RawObject<'_>> {
        RawObject::parse(self.get(key)?)
    }

    /// Takes a member out; whatever came twice goes twice.
    pub fn remove(&mut self, key: &str) -> Option<Cow<'a, str>> {
        let mut removed = None;
        while let Some(at) = self.0.iter().position(|(own, _)| is_key(own, key)) {
            removed = Some(self.0.remove(at).1);
        }
        removed
    }

    /// Puts a member in, in the place of an earlier one. `value` must be JSON on one line.
    pub fn set(&mut self, key: &str, value: impl Into<Cow<'a, str>>) {
        let value = value.into();
        match self.0.iter_mut().find(|(own, _)| is_key(own, key)) {
            Some((_, own)) => *own = value,
            None => self.0.push((Cow::Owned(spelled(key)), value)),
        }
    }

    /// Puts a member in that is not there yet.
    pub fn set_if_absent(&mut self, key: &str, value: impl Into<Cow<'a, str>>) {
        if self.get(key).is_none() {
            self.0.push((Cow::Owned(spelled(key)), value.into()));
        }
    }

    /// The members, their keys without escapes.
    pub fn members(&self) -> impl Iterator<Item = (String, &str)> {
        self.0.iter().map(|(key, value)| (plain(key), &**value))
    }

    /// Whether there is no member.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl std::fmt::Display for RawObject<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("{")?;
        for (nth, (key, value)) in self.0.iter().enumerate() {
            let comma = if nth == 0 { "" } else { "," };
            write!(f, "{comma}\"{key}\":{value}")?;
        }
        f.write_str("}")
    }
}

/// A text as JSON.
#[must_use]
pub fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn is_key(own: &str, key: &str) -> bool {
    own == key || own.contains('\\') && plain(own) == key
}

fn plain(key: &str) -> String {
    serde_json::from_str(&format!("\"{key}\"")).unwrap_or_else(|_| key.to_owned())
}

/// A key as it stands between its quotes.
fn spelled(key: &str) -> String {
    let quoted = quoted(key);
    quoted[1..quoted.len() - 1].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_stays_to_the_letter() {
        let text = r#"{"a":1.10,"b":{"x": [1, 2]},"c\u0064":"\u00e9"}"#;
        assert_eq!(RawObject::parse(text).unwrap().to_string(), text);
        let mut object = RawObject::parse(text).unwrap();
        assert_eq!(object.get("cd"), Some(r#""\u00e9""#));
        assert_eq!(object.text("cd").as_deref(), Some("é"));
        object.remove("b");
        object.set("a", "2");
        object.set("n\"", "null");
        object.set_if_absent("a", "3");
        assert_eq!(object.to_string(), r#"{"a":2,"c\u0064":"\u00e9","n\"":null}"#);
    }

    #[test]
    fn what_is_no_object_has_no_members() {
        for text in ["[]", "1", "{", "{\"a\":1", ""] {
            assert!(RawObject::parse(text).is_none(), "{text}");
        }
        assert!(RawObject::of_params(None).unwrap().is_empty());
        assert!(RawObject::of_params(Some("[]")).is_none());
    }

    #[test]
    fn a_member_that_came_twice_goes_twice() {
        let mut object = RawObject::parse(r#"{"a":1,"\u0061":2,"b":3}"#).unwrap();
        object.remove("a");
        assert_eq!(object.to_string(), r#"{"b":3}"#);
    }
}
