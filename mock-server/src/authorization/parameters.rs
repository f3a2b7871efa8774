//! The parameters of an OAuth request, from a query or a form: each at most once, but for `resource` (RFC 8707 §2), and an
//! empty one is none (RFC 6749 §3.1, §3.2).

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use url::form_urlencoded;

use crate::authorization::refusal::{Refusal, refusal};

/// Decoded parameters in the order sent.
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub(crate) fn parse(encoded: &[u8]) -> Self {
        Parameters(form_urlencoded::parse(encoded).into_owned().collect())
    }

    /// Those of a POST: form-encoded, in the body only, none of them twice (RFC 6749 §3.2).
    pub(crate) fn of_body(query: Option<&str>, headers: &HeaderMap, body: &[u8]) -> Result<Self, Refusal> {
        let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if content_type.split(';').next().map(str::trim) != Some("application/x-www-form-urlencoded") {
            return Err(refusal("invalid_request", "the body must be application/x-www-form-urlencoded"));
        }
        if query.is_some_and(|query| !query.is_empty()) {
            return Err(refusal("invalid_request", "parameters belong into the body, not into the URL"));
        }
        let form = Parameters::parse(body);
        match form.repeated() {
            Some(name) => Err(refusal("invalid_request", format!("{name} is repeated"))),
            None => Ok(form),
        }
    }

    /// The parameter's value; the first one if it was repeated.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// Whether more than one resource is named: that is allowed to ask, and more than we grant.
    pub(crate) fn has_several_resources(&self) -> bool {
        self.0.iter().filter(|(key, value)| key == "resource" && !value.is_empty()).count() > 1
    }

    /// A parameter that stands there twice and may not.
    pub(crate) fn repeated(&self) -> Option<&str> {
        let keys = self.0.iter().map(|(key, _)| key.as_str()).filter(|key| *key != "resource");
        let keys = keys.collect::<Vec<_>>();
        keys.iter().enumerate().find(|(i, key)| keys[..*i].contains(key)).map(|(_, key)| *key)
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

    #[test]
    fn resources_may_be_several() {
        let parameters = Parameters::parse(b"resource=a&resource=b");
        assert_eq!((parameters.repeated(), parameters.has_several_resources()), (None, true));
        assert!(!Parameters::parse(b"resource=a&resource=").has_several_resources());
    }
}
