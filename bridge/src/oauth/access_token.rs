//! What an access token says of its owner, where it is a JWT (RFC 9068): for a person who looks which account is signed
//! in. Nothing is verified, so nothing may be decided by it; a token is opaque to everybody else.

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
    let mut parts = access_token.expose().split('.');
    let (Some(_), Some(payload), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return None;
    };
    let claims = json::object(&URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?)?;
    CLAIMS.iter().find_map(|claim| json::words(&claims, claim))
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
    fn a_name_cannot_turn_a_terminal() {
        assert_eq!(shown("{\"sub\":\"a\\u001b[2Jb\"}").as_deref(), Some("a\\u{1b}[2Jb"));
    }
}
