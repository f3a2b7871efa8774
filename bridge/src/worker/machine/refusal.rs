//! What is said where a grant without a person brings no token: which file, which issuer, the server's words, and what to do
//! about it. Nobody sits there to sign in again, so that is never the hint.

use std::path::PathBuf;

use crate::credentials::file::shown;
use crate::credentials::record::Registration;
use crate::oauth::endpoint::Endpoint;
use crate::oauth::token_response::{TokenError, TokenErrorCode};
use crate::problem::{Code, Problem};
use crate::safe_url::SafeUrl;
use crate::secret::Secret;
use crate::settings::IdentityProvider;
use crate::untrusted::Untrusted;

/// What a token is asked for with.
#[derive(Debug)]
pub(super) enum Ask {
    /// The client's own credentials.
    Client,
    /// An assertion from a file.
    Assertion { file: PathBuf, assertion: Secret },
    /// An identity assertion that the provider at this endpoint gave.
    Identity { provider: Endpoint, assertion: Secret },
}

/// That the authorization server gives no token.
pub(super) fn told(ask: &Ask, client: Option<&Registration>, issuer: &str, error: &TokenError) -> Problem {
    let id = client.map(|client| Untrusted::new(client.client_id.as_str()));
    let with = match (ask, &id) {
        (Ask::Client, Some(id)) => format!("the client `{id}`"),
        (Ask::Client, None) => "the client".to_owned(),
        (Ask::Assertion { file, .. }, _) => format!("the assertion in `{}`", shown(file)),
        (Ask::Identity { provider, .. }, _) => format!("the identity assertion from `{provider}`"),
    };
    let shown_issuer = Untrusted::new(issuer);
    let message = format!("{with} brings no token from the issuer `{shown_issuer}`: {error}");
    let hint = hint(ask, issuer, error).unwrap_or_else(|| error.hint().to_owned());
    let code = if error.forgets_registration() { Code::ClientRefused } else { error.code() };
    Problem::new(code, message, hint).at(SafeUrl::from_text(issuer))
}

/// That the identity provider gives no assertion.
pub(super) fn by_provider(provider: &IdentityProvider, error: &TokenError) -> Problem {
    let file = shown(&provider.id_token_file);
    let message = format!("the ID token in `{file}` brings no identity assertion: {error}");
    let hint = match error {
        error if error.forgets_registration() => {
            "check `--idp-client-id` and its secret with the operator of the identity provider".to_owned()
        }
        error if error.is_refusal() => format!(
            "see that `{file}` holds a current ID token that was issued to `--idp-client-id`, and ask the operator of the \
             identity provider whether this server is allowed"
        ),
        TokenError::IssuedTokenType { .. } | TokenError::NoAccessToken { .. } => {
            "ask the operator of the identity provider whether it issues identity assertions (ID-JAG)".to_owned()
        }
        error => error.hint().to_owned(),
    };
    let code = if error.forgets_registration() { Code::ClientRefused } else { error.code() };
    Problem::new(code, message, hint).at(SafeUrl::new(&provider.token_endpoint))
}

fn hint(ask: &Ask, issuer: &str, error: &TokenError) -> Option<String> {
    use TokenErrorCode::{InvalidScope, InvalidTarget, UnauthorizedClient, UnsupportedGrantType};
    let TokenError::Refused { error: code, .. } = error else { return None };
    let issuer = Untrusted::new(issuer);
    Some(match (code, ask) {
        (InvalidScope, _) => "choose another scope with `--scope`".to_owned(),
        (InvalidTarget, _) => format!("ask the operator of `{issuer}` whether it issues tokens for this server"),
        (UnauthorizedClient | UnsupportedGrantType, _) => {
            format!(
                "ask the operator of `{issuer}` to allow this grant to the client, or choose another with `--grant`"
            )
        }
        (TokenErrorCode::InvalidClient, _) | (_, Ask::Client) => {
            format!("check `--client-id` and its secret or key with the operator of `{issuer}`")
        }
        (_, Ask::Assertion { file, .. }) => format!(
            "see that `{}` holds a current assertion whose audience is `{issuer}`; it is read again at the next call",
            shown(file)
        ),
        (_, Ask::Identity { .. }) => format!(
            "ask the operator of `{issuer}` whether it trusts the identity provider, and this client of it (`--client-id`)"
        ),
    })
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;
    use crate::oauth::endpoint::UrlRule;
    use crate::oauth::token_response::judge;

    fn error(body: &str) -> TokenError {
        let at = Endpoint::parse("x", "https://as.example/token", &UrlRule::default()).unwrap();
        judge(&at, &[].into(), StatusCode::BAD_REQUEST, body.as_bytes()).unwrap_err()
    }

    #[test]
    fn a_refused_assertion_names_its_file_the_issuer_and_the_servers_words() {
        let ask = Ask::Assertion { file: PathBuf::from("/run/workload.jwt"), assertion: Secret::new("a.b.c") };
        let refused = error(r#"{"error":"invalid_grant","error_description":"it has expired"}"#);
        let problem = told(&ask, None, "https://as.example", &refused);
        assert_eq!(problem.code, Code::TokenRequestRefused);
        for word in ["/run/workload.jwt", "https://as.example", "invalid_grant", "it has expired"] {
            assert!(problem.message.contains(word), "{word}: {problem}");
        }
        assert!(problem.hint.contains("/run/workload.jwt") && !problem.hint.contains("login"), "{}", problem.hint);
    }

    #[test]
    fn each_refusal_says_whom_to_ask() {
        let table = [
            ("invalid_client", Code::ClientRefused, "secret or key"),
            ("unauthorized_client", Code::ClientRefused, "allow this grant"),
            ("unsupported_grant_type", Code::TokenRequestRefused, "allow this grant"),
            ("invalid_scope", Code::TokenRequestRefused, "--scope"),
            ("invalid_target", Code::TokenRequestRefused, "for this server"),
        ];
        for (code, expected, word) in table {
            let refused = error(&format!(r#"{{"error":"{code}"}}"#));
            let problem = told(&Ask::Client, None, "https://as.example", &refused);
            assert_eq!(problem.code, expected, "{code}");
            assert!(problem.hint.contains(word), "{code}: {}", problem.hint);
        }
    }
}
