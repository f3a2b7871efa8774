//! What a token says of its owner and its end, where it is a JWT (RFC 9068, OpenID Connect Core §2): for a person who looks
//! which account is signed in, to know when it is due, and not to send it to whom it is not for. Nothing is verified, so nothing else may be decided by it; a token
//! is opaque to everybody else.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::json;
use crate::secret::Secret;
use crate::untrusted::Untrusted;

/// The claims that name an account, the one that a person recognises first.
const CLAIMS: [&str; 4] = ["email", "preferred_username", "name", "sub"];

/// The account, as the token's issuer calls it; `None` if the token is no JWT or names none.
#[must_use]
pub fn account(access_token: &Secret) -> Option<Untrusted> {
    let claims = claims(access_token)?;
    CLAIMS.iter().find_map(|claim| json::words(&claims, claim))
}

/// When it ends (`exp`), in Unix seconds; `None` if the token is no JWT or does not say.
#[must_use]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast to u64 saturates, and is meant to")]
pub fn expires_at(token: &Secret) -> Option<u64> {
    json::number(&claims(token)?, "exp").map(|seconds| seconds as u64)
}

/// For whom it is (`aud`, RFC 7519 §4.1.3); nobody if the token is no JWT or does not say.
#[must_use]
pub fn audiences(token: &Secret) -> Vec<String> {
    let Some(claims) = claims(token) else { return Vec::new() };
    let one = json::text(&claims, "aud").map(|audience| vec![audience.to_owned()]);
    one.or_else(|| json::texts(&claims, "aud")).unwrap_or_default()
}

fn claims(token: &Secret) -> Option<json::Object> {
    let mut parts = token.expose().split('.');
    let (Some(_), Some(payload), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return None;
    };
    json::object(&URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(payload: &str) -> Option<String> {
        let token = format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(payload));
        account(&Secret::new(token)).map(|account| account.to_string())
    }

    #[test]
    fn the_claim_that_a_person_recognises_wins() {
        let table = [
            (r#"{"sub":"7","name":"Anna","preferred_username":"anna","email":"anna@example.com"}"#, "anna@example.com"),
            (r#"{"sub":"7","name":"Anna","preferred_username":"anna","email":""}"#, "anna"),
            (r#"{"sub":"7","name":"Anna","email":null}"#, "Anna"),
            (r#"{"sub":"auth0|7","iss":"x"}"#, "auth0|7"),
        ];
        for (payload, expected) in table {
            assert_eq!(shown(payload).as_deref(), Some(expected), "{payload}");
        }
    }

    #[test]
    fn what_is_no_jwt_or_names_nobody_has_no_account() {
        for payload in ["{}", "[]", "not JSON", r#"{"sub":7}"#] {
            assert_eq!(shown(payload), None, "{payload}");
        }
        for token in ["", "opaque", "a.b", "a.!.c", "a.e30.c.d", "..", "a.e30.c"] {
            assert_eq!(account(&Secret::new(token)), None, "{token}");
        }
    }

    #[test]
    fn rfc7519_4_1_3_it_is_for_one_or_several() {
        for (payload, expected) in [(r#"{"aud":"a"}"#, &["a"][..]), (r#"{"aud":["a","b"]}"#, &["a", "b"]), ("{}", &[])]
        {
            let token = Secret::new(format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(payload)));
            assert_eq!(audiences(&token), expected, "{payload}");
        }
    }

    #[test]
    fn rfc7519_4_1_4_the_end_is_the_one_that_it_tells() {
        for (payload, expected) in [(r#"{"exp":1000}"#, Some(1000)), (r#"{"exp":12.7}"#, Some(12)), ("{}", None)] {
            let token = Secret::new(format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(payload)));
            assert_eq!(expires_at(&token), expected, "{payload}");
        }
    }

    #[test]
    fn a_name_cannot_turn_a_terminal() {
        assert_eq!(shown("{\"sub\":\"a\\u001b[2Jb\"}").as_deref(), Some("a\\u{1b}[2Jb"));
    }
}
