//! The requests to a token endpoint (RFC 6749 §4.1.3, §4.4, §4.5, §6), one file a grant. A request holds secrets: it must never be
//! shown by Debug. The answers are judged by `token_response`.

pub mod authorization_code;
pub mod client_credentials;
pub mod device_code;
pub mod jwt_bearer;
pub mod refresh;
pub mod token_exchange;

use bytes::Bytes;
use http::Request;
use http::header::AUTHORIZATION;

use super::client_authentication::ClientAuthentication;
use super::endpoint::Endpoint;
use super::request::{Form, post_form};

/// Adds the client's proof to a form, if a client asks, and posts it.
pub(super) fn post(endpoint: &Endpoint, client: Option<&ClientAuthentication>, mut form: Form) -> Request<Bytes> {
    let header = client.and_then(|client| client.apply(&mut form));
    let mut request = post_form(endpoint, form);
    if let Some(value) = header {
        request.headers_mut().insert(AUTHORIZATION, value);
    }
    request
}
