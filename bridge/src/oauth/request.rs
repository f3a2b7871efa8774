//! The three shapes of an OAuth request: a document asked for, a form posted, an object posted. It must never choose
//! where to: an [`Endpoint`] has been judged before. A request is not to be shown by Debug: its body may hold secrets.

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderValue, Method, Request};
use url::form_urlencoded;
use zeroize::Zeroizing;

use super::endpoint::Endpoint;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");

/// A request for a JSON document (RFC 8414 §3.1, RFC 9728 §3.1).
pub(super) fn get(endpoint: &Endpoint) -> Request<Bytes> {
    build(Method::GET, endpoint, Bytes::new())
}

/// An object, posted (RFC 7591 §3.1).
pub(super) fn post_json(endpoint: &Endpoint, object: &serde_json::Value) -> Request<Bytes> {
    let mut request = build(Method::POST, endpoint, Bytes::from(object.to_string()));
    request.headers_mut().insert(CONTENT_TYPE, JSON);
    request
}

/// A form, posted (RFC 6749 §3.2, Appendix B).
pub(super) fn post_form(endpoint: &Endpoint, form: Form) -> Request<Bytes> {
    let mut request = build(Method::POST, endpoint, form.into_bytes());
    request.headers_mut().insert(CONTENT_TYPE, FORM);
    request
}

fn build(method: Method, endpoint: &Endpoint, body: Bytes) -> Request<Bytes> {
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = endpoint.uri().clone();
    request.headers_mut().insert(ACCEPT, JSON);
    request
}

/// A form under construction. It and the body that comes of it are wiped on drop.
pub(super) struct Form(Zeroizing<String>);

impl Form {
    /// An empty form.
    pub(super) fn new() -> Self {
        // Room for every usual request at once: a string that grows leaves unwiped copies behind.
        Form(Zeroizing::new(String::with_capacity(16 * 1024)))
    }

    /// Adds a pair.
    pub(super) fn push(&mut self, name: &str, value: &str) {
        if !self.0.is_empty() {
            self.0.push('&');
        }
        for piece in form_urlencoded::byte_serialize(name.as_bytes()) {
            self.0.push_str(piece);
        }
        self.0.push('=');
        for piece in form_urlencoded::byte_serialize(value.as_bytes()) {
            self.0.push_str(piece);
        }
    }

    /// Adds a pair if there is a value.
    pub(super) fn push_some(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.push(name, value);
        }
    }

    fn into_bytes(self) -> Bytes {
        struct Wiped(Zeroizing<String>);
        impl AsRef<[u8]> for Wiped {
            fn as_ref(&self) -> &[u8] {
                self.0.as_bytes()
            }
        }
        Bytes::from_owner(Wiped(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::{Form, get, post_form, post_json};
    use crate::oauth::endpoint::{Endpoint, UrlRule};

    fn endpoint() -> Endpoint {
        Endpoint::parse("x", "https://as.example.com/p?q=1", &UrlRule::default()).unwrap()
    }

    #[test]
    fn every_request_asks_for_json_at_the_whole_url() {
        for request in
            [get(&endpoint()), post_json(&endpoint(), &serde_json::json!({})), post_form(&endpoint(), Form::new())]
        {
            assert_eq!(request.headers()["accept"], "application/json");
            assert_eq!(request.uri(), "https://as.example.com/p?q=1");
        }
    }

    #[test]
    fn a_form_is_encoded_by_its_own_rules() {
        let mut form = Form::new();
        form.push("a b", "c&d=é+");
        form.push_some("none", None);
        form.push_some("e", Some(""));
        let request = post_form(&endpoint(), form);
        assert_eq!(request.headers()["content-type"], "application/x-www-form-urlencoded");
        assert_eq!(request.body(), "a+b=c%26d%3D%C3%A9%2B&e=");
    }
}
