//! The requests to a token endpoint (RFC 6749 §4.1.3, §6), one file a grant. A request holds secrets: it must never be
//! shown by Debug. The answers are judged by `token_response`.

pub mod authorization_code;
pub mod device_code;
pub mod refresh;

use bytes::Bytes;
use http::Request;
use http::header::AUTHORIZATION;

use super::client_authentication::ClientAuthentication;
use super::endpoint::Endpoint;
use super::request::{Form, post_form};

/// Adds the client's proof to a form and posts it.
pub(super) fn post(endpoint: &Endpoint, client: &ClientAuthentication, mut form: Form) -> Request<Bytes> {
    let header = client.apply(&mut form);
    let mut request = post_form(endpoint, form);
    if let Some(value) = header {
        request.headers_mut().insert(AUTHORIZATION, value);
    }
    request
}
