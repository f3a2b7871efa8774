//! A URL that can be shown: its user name, password, query and fragment never are.

use std::fmt;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::untrusted::Untrusted;

/// A URL cut down to what may stand in a log or an error: scheme, host, port and path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SafeUrl(String);

impl SafeUrl {
    /// Keeps scheme, host, port and path; says by `?…` that there was a query.
    #[must_use]
    pub fn new(url: &Url) -> Self {
        let mut shown = url.clone();
        let _ = shown.set_username("");
        let _ = shown.set_password(None);
        shown.set_fragment(None);
        let query = if url.query().is_some() { "?…" } else { "" };
        shown.set_query(None);
        SafeUrl(format!("{}{query}", Untrusted::new(shown.as_str())))
    }

    /// As [`SafeUrl::new`], for text that may be no URL at all.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        match Url::parse(text) {
            Ok(url) => SafeUrl::new(&url),
            Err(_) => SafeUrl(Untrusted::new(text.split(['?', '#']).next().unwrap_or_default()).to_string()),
        }
    }

    /// The shown form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SafeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::SafeUrl;

    #[test]
    fn a_password_and_a_query_are_not_shown() {
        let shown = SafeUrl::from_text("https://user:pass@example.com/mcp?key=1#f");
        assert_eq!(shown.as_str(), "https://example.com/mcp?…");
    }

    #[test]
    fn text_that_is_no_url_is_shown_escaped() {
        assert_eq!(SafeUrl::from_text("not a url\n?x").as_str(), "not a url\\u{a}");
    }
}
