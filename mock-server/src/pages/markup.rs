//! HTML as a type of its own: text becomes part of it only through [`Shown`], which escapes what is not markup already.
//! It knows no page. Templates are literals in our source, put together by the macro [`markup!`](crate::pages::markup).

use std::borrow::Cow;
use std::fmt::{self, Display};

/// A piece of HTML that is safe to send.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Markup(String);

impl Markup {
    /// What a template gave; only [`markup!`](crate::pages::markup) calls it, whose templates are literals.
    pub(crate) fn from_template(html: String) -> Self {
        Markup(html)
    }

    /// All pieces, one behind the other.
    pub(crate) fn joined(pieces: impl IntoIterator<Item = Markup>) -> Self {
        Markup(pieces.into_iter().map(|piece| piece.0).collect())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn into_string(self) -> String {
        self.0
    }
}

impl Display for Markup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A value as it may stand in a page: text is escaped, in elements and in quoted attributes alike.
pub(crate) trait Shown {
    fn shown(&self) -> Cow<'_, str>;
}

impl Shown for Markup {
    fn shown(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.0)
    }
}

impl Shown for str {
    fn shown(&self) -> Cow<'_, str> {
        escaped(self)
    }
}

impl Shown for String {
    fn shown(&self) -> Cow<'_, str> {
        escaped(self)
    }
}

impl Shown for usize {
    fn shown(&self) -> Cow<'_, str> {
        Cow::Owned(self.to_string())
    }
}

impl Shown for u16 {
    fn shown(&self) -> Cow<'_, str> {
        Cow::Owned(self.to_string())
    }
}

impl<T: Shown + ?Sized> Shown for &T {
    fn shown(&self) -> Cow<'_, str> {
        (**self).shown()
    }
}

/// The five characters of HTML; control and bidi characters, which a page could be forged with, show as symbols.
fn escaped(text: &str) -> Cow<'_, str> {
    let is_plain = |c: char| !matches!(c, '&' | '<' | '>' | '"' | '\'') && !is_invisible(c);
    if text.chars().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c if is_invisible(c) => safe.push('\u{fffd}'),
            c => safe.push(c),
        }
    }
    Cow::Owned(safe)
}

fn is_invisible(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t')
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// HTML from a literal template; each `{}` takes a value that is [`Shown`], and so escaped.
macro_rules! markup {
    ($template:literal $(, $value:expr)* $(,)?) => {
        $crate::pages::markup::Markup::from_template(
            format!($template $(, $crate::pages::markup::Shown::shown(&$value))*)
        )
    };
}
pub(crate) use markup;

#[cfg(test)]
mod tests {
    use super::Markup;

    #[test]
    fn text_never_becomes_markup() {
        for (name, text, shown) in [
            ("an element", "<script>x</script>", "&lt;script&gt;x&lt;/script&gt;"),
            ("the end of an attribute", "\" onload='x", "&quot; onload=&#39;x"),
            ("a reference", "&lt;", "&amp;lt;"),
            ("a terminal escape", "\u{1b}[31m", "\u{fffd}[31m"),
            ("a bidi override", "a\u{202e}b", "a\u{fffd}b"),
            ("plain text", "Grüße, 20 °C", "Grüße, 20 °C"),
        ] {
            assert_eq!(markup!("{}", text), Markup::from_template(shown.to_owned()), "{name}");
        }
    }

    #[test]
    fn markup_stays_markup() {
        let inner = markup!("<b>{}</b>", "a & b");
        assert_eq!(markup!("<p>{}</p>", inner).into_string(), "<p><b>a &amp; b</b></p>");
    }
}
