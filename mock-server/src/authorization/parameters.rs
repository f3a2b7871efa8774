//! The parameters of an OAuth request, from a query or a form: each at most once, an empty one is none
//! (RFC 6749 §3.1, §3.2).

use url::form_urlencoded;

/// Decoded parameters in the order sent.
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub(crate) fn parse(encoded: &[u8]) -> Self {
        Parameters(form_urlencoded::parse(encoded).into_owned().collect())
    }

    /// The parameter's value; the first one if it was repeated.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// A parameter that stands there twice.
    pub(crate) fn repeated(&self) -> Option<&str> {
        let keys = self.0.iter().map(|(key, _)| key.as_str());
        keys.enumerate().find(|(i, key)| self.0[..*i].iter().any(|(earlier, _)| earlier == key)).map(|(_, key)| key)
    }
}

#[cfg(test)]
mod tests {
    use super::Parameters;

    #[test]
    fn an_empty_parameter_is_none_and_a_repeated_one_is_found() {
        let parameters = Parameters::parse(b"a=&b=1&c=2&b=3");
        assert_eq!(parameters.get("a"), None);
        assert_eq!(parameters.repeated(), Some("b"));
    }
}
