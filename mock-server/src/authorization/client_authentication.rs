//! Who asks at the token endpoint: client authentication by exactly a method that is the client's (RFC 6749 §2.3, RFC 7523
//! §2.2).

use std::time::SystemTime;

use aws_lc_rs::constant_time;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use url::form_urlencoded;

use crate::authorization::assertion::{Assertion, AssertionFault};
use crate::authorization::parameters::Parameters;
use crate::authorization::records::{Client, Records};
use crate::settings::AuthMethod;

/// `client_assertion_type` (RFC 7523 §2.2).
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Why the client is not taken for who it says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AuthenticationFault {
    #[error("the Authorization header is not of the Basic scheme or cannot be decoded")]
    UnreadableHeader,
    #[error("more than one way of client authentication is used")]
    TwoMethods,
    #[error("client_id is missing")]
    NoClientId,
    #[error("the client is not known")]
    UnknownClient,
    #[error("this way of client authentication is not the client's")]
    OtherMethod,
    #[error("the client secret is wrong")]
    WrongSecret,
    #[error("the client secret has expired")]
    ExpiredSecret,
    #[error("client_assertion_type is not that of a JWT, or there is no client_assertion")]
    AssertionType,
    #[error("iss and sub of the client assertion are not both the client_id")]
    AssertionOfAnother,
    #[error(transparent)]
    Assertion(#[from] AssertionFault),
}

/// What a request says of its client.
struct Claimed {
    id: String,
    secret: Option<String>,
    method: AuthMethod,
}

/// The client, once it is proved.
pub(crate) fn authenticated(
    records: &mut Records,
    issuer: &str,
    headers: &HeaderMap,
    form: &Parameters,
) -> Result<Client, AuthenticationFault> {
    if form.get("client_assertion").is_some() || form.get("client_assertion_type").is_some() {
        return by_assertion(records, issuer, headers, form);
    }
    let claimed = claimed(headers, form)?;
    let client = records.client(&claimed.id).ok_or(AuthenticationFault::UnknownClient)?;
    if !client.auth_methods.contains(&claimed.method) {
        return Err(AuthenticationFault::OtherMethod);
    }
    let (known, given) = (client.secret.as_deref().unwrap_or_default(), claimed.secret.unwrap_or_default());
    match constant_time::verify_slices_are_equal(known.as_bytes(), given.as_bytes()) {
        Ok(()) if client.secret_expires_at.is_some_and(|end| end <= SystemTime::now()) => {
            Err(AuthenticationFault::ExpiredSecret)
        }
        Ok(()) => Ok(client.clone()),
        Err(_) => Err(AuthenticationFault::WrongSecret),
    }
}

/// RFC 7523 §2.2, §3, and the issuer as the one audience.
fn by_assertion(
    records: &mut Records,
    issuer: &str,
    headers: &HeaderMap,
    form: &Parameters,
) -> Result<Client, AuthenticationFault> {
    if headers.contains_key(AUTHORIZATION) || form.get("client_secret").is_some() {
        return Err(AuthenticationFault::TwoMethods);
    }
    let text = form.get("client_assertion").filter(|_| form.get("client_assertion_type") == Some(JWT_BEARER));
    let assertion = Assertion::read(text.ok_or(AuthenticationFault::AssertionType)?)?;
    let id = assertion.text("sub").unwrap_or_default();
    if assertion.text("iss") != Some(id) || form.get("client_id").is_some_and(|named| named != id) {
        return Err(AuthenticationFault::AssertionOfAnother);
    }
    let client = records.client(id).ok_or(AuthenticationFault::UnknownClient)?.clone();
    let key = client.key.as_ref().filter(|_| client.auth_methods.contains(&AuthMethod::PrivateKeyJwt));
    assertion.judge(key.ok_or(AuthenticationFault::OtherMethod)?, issuer)?;
    assertion.use_once(records)?;
    Ok(client)
}

fn claimed(headers: &HeaderMap, form: &Parameters) -> Result<Claimed, AuthenticationFault> {
    let secret = form.get("client_secret").map(str::to_owned);
    let Some(header) = headers.get(AUTHORIZATION) else {
        let id = form.get("client_id").ok_or(AuthenticationFault::NoClientId)?.to_owned();
        let method = if secret.is_some() { AuthMethod::Post } else { AuthMethod::None };
        return Ok(Claimed { id, secret, method });
    };
    let basic = header.to_str().ok().and_then(basic).ok_or(AuthenticationFault::UnreadableHeader)?;
    if secret.is_some() || form.get("client_id").is_some_and(|id| id != basic.0) {
        return Err(AuthenticationFault::TwoMethods);
    }
    Ok(Claimed { id: basic.0, secret: Some(basic.1), method: AuthMethod::Basic })
}

/// Both parts of a Basic header; each was form-encoded before they were joined (RFC 6749 §2.3.1).
fn basic(header: &str) -> Option<(String, String)> {
    let (scheme, credentials) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(credentials.trim()).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    Some((form_decoded(id)?, form_decoded(secret)?))
}

fn form_decoded(text: &str) -> Option<String> {
    if text.contains(['&', '=']) {
        return None; // form-encoding leaves neither
    }
    Some(form_urlencoded::parse(text.as_bytes()).next().map(|(key, _)| key.into_owned()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::basic;

    #[test]
    fn both_parts_are_form_decoded() {
        let header = format!("Basic {}", base64::Engine::encode(&super::STANDARD, "a%3Ab+c:d%2Be"));
        assert_eq!(basic(&header), Some(("a:b c".to_owned(), "d+e".to_owned())));
    }
}
