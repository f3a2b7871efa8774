//! The resource server's gate: an access token from the `Authorization` header and nowhere else (RFC 6750, RFC 9728 §5.1),
//! with a proof of its key where it is bound to one (RFC 9449 §7).

use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use url::form_urlencoded;

use crate::authorization::access_token;
use crate::authorization::dpop::{self, Expected, ProofFault, Role};
use crate::authorization::jwt::{Claims, TokenFault};
use crate::authorization::metadata::resource_metadata_url;
use crate::authorization::records::Ended;
use crate::authorization::scope::Scope;
use crate::faults::Fault;
use crate::settings::{Dpop, Layout, MCP_SCOPE};
use crate::state::{ServerState, Shared};

/// Why a request is not let in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Denial {
    #[error("no access token was sent")]
    NoToken,
    #[error("the access token belongs into the Authorization header")]
    TokenInUrl,
    #[error("the Authorization header is not of a scheme that is spoken here")]
    OtherScheme,
    #[error(transparent)]
    Proof(#[from] ProofFault),
    #[error("the access token is bound to a key, and came as if it were not")]
    Bound,
    #[error("the access token is not bound to the key that was proved, or to none")]
    NotBound,
    #[error("the access token is not one of this server")]
    Invalid,
    #[error("the access token is of another issuer")]
    Issuer,
    #[error("the access token is for another audience")]
    Audience,
    #[error("the access token expired")]
    Expired,
    #[error("the access token was revoked")]
    Revoked,
    #[error("the scope {0} is needed")]
    InsufficientScope(String),
}

/// The token's claims; `None` on an unprotected server.
pub(crate) fn admitted(
    state: &Shared,
    (method, path): (&Method, &str),
    headers: &HeaderMap,
    query: Option<&str>,
) -> Result<Option<Claims>, Denial> {
    if !state.settings.protected {
        return Ok(None);
    }
    let query = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    if query.into_iter().any(|(name, _)| name == "access_token") {
        return Err(Denial::TokenInUrl);
    }
    let header = headers.get(AUTHORIZATION).ok_or(Denial::NoToken)?;
    let (scheme, token) = header.to_str().ok().and_then(|text| text.split_once(' ')).ok_or(Denial::OtherScheme)?;
    let by_dpop = scheme.eq_ignore_ascii_case("dpop") && state.settings.dpop != Dpop::Off;
    if !by_dpop && !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Denial::OtherScheme);
    }
    let proved = if by_dpop { Some(proved(state, (method, path), headers, token)?) } else { None };
    let issuer = state.token_issuer().ok_or(Denial::Issuer)?;
    let read = access_token::read(&issuer, &issuer.records(), token, Some(&state.mcp_url));
    let claims = read.map_err(|fault| match fault {
        TokenFault::Issuer => Denial::Issuer,
        TokenFault::Audience => Denial::Audience,
        TokenFault::Invalid => Denial::Invalid,
    })?;
    match (&claims.cnf, &proved) {
        (Some(_), None) => return Err(Denial::Bound),
        (Some(bound), Some(jkt)) if bound.jkt == *jkt => {}
        (None, None) if state.settings.dpop != Dpop::Required => {}
        _ => return Err(Denial::NotBound),
    }
    judge_end(state, &issuer, &claims)?;
    if state.has(Fault::RejectsEveryToken) {
        return Err(Denial::Invalid);
    }
    has_scope(&claims, MCP_SCOPE)?;
    Ok(Some(claims))
}

/// The key that a request proves to have (RFC 9449 §7.1).
fn proved(
    state: &ServerState,
    (method, path): (&Method, &str),
    headers: &HeaderMap,
    token: &str,
) -> Result<String, ProofFault> {
    let url = format!("{}{path}", state.origin);
    dpop::proved(state, headers, Expected { role: Role::Resource, method, url: &url, access_token: Some(token) })
}

/// Whether the token counts still; revoked or expired, by its own time or by its issuer's records.
fn judge_end(state: &ServerState, issuer: &ServerState, claims: &Claims) -> Result<(), Denial> {
    let mut records = issuer.records();
    match records.access_token_end(&claims.jti) {
        Some(Ended::Revoked) => Err(Denial::Revoked),
        None if !claims.have_expired() => Ok(()),
        Some(Ended::Expired) | None => {
            if state.has(Fault::ExpiredTokenKillsRefresh) {
                records.end_refresh_token_beside(&claims.jti);
            }
            Err(Denial::Expired)
        }
    }
}

/// Whether the token is good for this scope.
pub(crate) fn has_scope(claims: &Claims, scope: &str) -> Result<(), Denial> {
    let granted = Scope::parse(&claims.scope).is_some_and(|granted| granted.contains(scope));
    if granted { Ok(()) } else { Err(Denial::InsufficientScope(scope.to_owned())) }
}

/// The response with its challenge (RFC 6750 §3, RFC 9449 §7.1): no error code for who sent no token.
pub(crate) fn denied(state: &ServerState, denial: &Denial) -> Response {
    let (status, code) = match denial {
        Denial::NoToken => (StatusCode::UNAUTHORIZED, None),
        Denial::TokenInUrl => (StatusCode::BAD_REQUEST, Some("invalid_request")),
        Denial::InsufficientScope(_) => (StatusCode::FORBIDDEN, Some("insufficient_scope")),
        Denial::Proof(fault) => (StatusCode::UNAUTHORIZED, Some(fault.code())),
        _ => (StatusCode::UNAUTHORIZED, Some("invalid_token")),
    };
    let mut parameters = Vec::new();
    if let Some(code) = code {
        parameters.push(format!("error=\"{code}\""));
        parameters.push(format!("error_description=\"{}\"", state.words(&denial.to_string())));
    }
    if state.settings.layout == Layout::ProtectedResource {
        parameters.push(format!("resource_metadata=\"{}\"", resource_metadata_url(state)));
    }
    let scope = if let Denial::InsufficientScope(scope) = denial { scope } else { MCP_SCOPE };
    parameters.push(format!("scope=\"{scope}\""));
    let mut response = (status, state.words(&denial.to_string())).into_response();
    for scheme in schemes(state, denial) {
        let algorithms = if *scheme == "DPoP" { "algs=\"ES256\", " } else { "" };
        // HTTP allows no ASCII control character here: evil words lose those, and keep the others.
        let challenge = format!("{scheme} {algorithms}{}", parameters.join(", "));
        if let Ok(challenge) = HeaderValue::from_bytes(challenge.replace(|c: char| c.is_ascii_control(), "").as_bytes())
        {
            response.headers_mut().append(WWW_AUTHENTICATE, challenge);
        }
    }
    if let Denial::Proof(ProofFault::Nonce(nonce)) = denial {
        dpop::add_nonce(response.headers_mut(), nonce.as_deref());
    }
    response
}

/// By which schemes the next request may come.
fn schemes(state: &ServerState, denial: &Denial) -> &'static [&'static str] {
    match (state.settings.dpop, denial) {
        (Dpop::Off, _) => &["Bearer"],
        (Dpop::Required, _) | (_, Denial::Proof(_) | Denial::Bound) => &["DPoP"],
        (Dpop::Offered, _) => &["Bearer", "DPoP"],
    }
}
