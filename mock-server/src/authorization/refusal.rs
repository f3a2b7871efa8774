//! A refusal of the token or the revocation endpoint (RFC 6749 §5.2, RFC 7009 §2.2.1) and its response.
//! It judges nothing: the rules stand in `token.rs`, `revocation.rs` and `client_authentication.rs`.

use std::borrow::Cow;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Value, json};
use url::form_urlencoded;

use crate::authorization::client_authentication::AuthenticationFault;
use crate::authorization::dpop::{self, ProofFault};
use crate::faults::Fault;
use crate::state::ServerState;

/// Why a request gets an error document.
pub(crate) struct Refusal {
    status: StatusCode,
    code: Cow<'static, str>,
    description: String,
    /// The DPoP nonce that the next request is to prove possession with.
    nonce: Option<String>,
}

/// A refusal with status 400.
pub(crate) fn refusal(code: impl Into<Cow<'static, str>>, description: impl Into<String>) -> Refusal {
    Refusal { status: StatusCode::BAD_REQUEST, code: code.into(), description: description.into(), nonce: None }
}

/// Our own failure.
pub(crate) fn server_error(error: impl ToString) -> Refusal {
    Refusal {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        code: "server_error".into(),
        description: error.to_string(),
        nonce: None,
    }
}

/// RFC 6749 §5.2: 401 is due to a client that used the header.
pub(crate) fn unauthenticated(state: &ServerState, fault: AuthenticationFault, headers: &HeaderMap) -> Refusal {
    if fault == AuthenticationFault::UnknownClient && state.has(Fault::ForgottenClientIsInvalidGrant) {
        return refusal("invalid_grant", fault.to_string());
    }
    if fault == AuthenticationFault::TwoMethods {
        return refusal("invalid_request", fault.to_string());
    }
    let by_header = headers.contains_key(AUTHORIZATION);
    let status = if by_header { StatusCode::UNAUTHORIZED } else { StatusCode::BAD_REQUEST };
    Refusal { status, code: "invalid_client".into(), description: fault.to_string(), nonce: None }
}

/// RFC 9449 §5, §8.
impl From<ProofFault> for Refusal {
    fn from(fault: ProofFault) -> Self {
        let refusal = refusal(fault.code(), fault.to_string());
        if let ProofFault::Nonce(nonce) = fault { Refusal { nonce, ..refusal } } else { refusal }
    }
}

/// An answer as some servers give it: form-encoded, with status 200 whatever it says.
pub(crate) fn form(document: &Value) -> Response {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let members = document.as_object().into_iter().flatten().map(|(name, value)| (name, text(value)));
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(members).finish();
    ([(CONTENT_TYPE, "application/x-www-form-urlencoded; charset=utf-8")], body).into_response()
}

impl Refusal {
    /// A public client where a client must prove itself.
    pub(crate) fn public_client() -> Self {
        let description = "a client must prove itself here, and this one has no secret".to_owned();
        Refusal { status: StatusCode::UNAUTHORIZED, code: "invalid_client".into(), description, nonce: None }
    }

    pub(crate) fn response(&self, state: &ServerState) -> Response {
        let body = json!({ "error": self.code, "error_description": state.words(&self.description) });
        if state.has(Fault::FormTokenAnswers) {
            return form(&body);
        }
        let mut response = (self.status, Json(body)).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"token endpoint\""));
        }
        dpop::add_nonce(response.headers_mut(), self.nonce.as_deref());
        response
    }
}
