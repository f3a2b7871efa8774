//! A scope: space-separated words in which order means nothing (RFC 6749 §3.3).

use std::collections::BTreeSet;

/// A set of scope words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scope(BTreeSet<String>);

impl Scope {
    /// Parses the words; `None` if a character is outside of RFC 6749's `scope-token`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let legal = |word: &str| word.bytes().all(|b| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e));
        let words = text.split(' ').filter(|word| !word.is_empty());
        words.map(|word| legal(word).then(|| word.to_owned())).collect::<Option<BTreeSet<_>>>().map(Scope)
    }

    pub(crate) fn is_within(&self, other: &Scope) -> bool {
        self.0.is_subset(&other.0)
    }

    /// The words, in order.
    pub(crate) fn words(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    pub(crate) fn contains(&self, word: &str) -> bool {
        self.0.contains(word)
    }
}

impl<'a> FromIterator<&'a str> for Scope {
    fn from_iter<I: IntoIterator<Item = &'a str>>(words: I) -> Self {
        Scope(words.into_iter().map(str::to_owned).collect())
    }
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, word) in self.0.iter().enumerate() {
            let gap = if index == 0 { "" } else { " " };
            write!(f, "{gap}{word}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Scope;

    #[test]
    fn order_and_repetition_mean_nothing() {
        assert_eq!(Scope::parse("b a b"), Scope::parse("a b"));
    }

    #[test]
    fn a_quote_is_refused() {
        assert_eq!(Scope::parse("a\"b"), None);
    }
}
