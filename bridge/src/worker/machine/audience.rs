//! Whether an assertion may be sent to an authorization server: the upstream's metadata say which server that is, and one
//! that is sent to a stranger can be shown by them to whom it is for. What its server makes of it is not judged here.

use std::path::Path;

use url::{Origin, Url};

use crate::credentials::file::shown;
use crate::oauth::access_token;
use crate::oauth::endpoint::Endpoint;
use crate::problem::{Code, Problem};
use crate::safe_url::SafeUrl;
use crate::secret::Secret;
use crate::untrusted::Untrusted;

/// Checks that an assertion is for this issuer (RFC 7523 §3, `aud`): by origin, for servers differ in the rest. An audience
/// that is no web address says nothing about where that is: then the person has said, by `--issuer` (`is_named`).
///
/// # Errors
/// One that is for somebody else; both are shown.
pub(super) fn check(
    file: &Path,
    assertion: &Secret,
    (issuer, is_named): (&str, bool),
    token_endpoint: &Endpoint,
) -> Result<(), Problem> {
    let audiences = access_token::audiences(assertion);
    let origins: Vec<Origin> = audiences.iter().filter_map(|audience| web_origin(audience)).collect();
    let ours = [web_origin(issuer), web_origin(token_endpoint.as_str())];
    if origins.is_empty() && is_named || origins.iter().any(|origin| ours.iter().flatten().any(|known| known == origin))
    {
        return Ok(());
    }
    let named = audiences.iter().map(|audience| format!("`{}`", Untrusted::new(audience.as_str()))).collect::<Vec<_>>();
    let (file, shown_issuer) = (shown(file), Untrusted::new(issuer));
    if origins.is_empty() {
        let audience = if named.is_empty() { "nobody in particular".to_owned() } else { named.join(", ") };
        let what = format!(
            "the assertion in `{file}` is for {audience}, which does not say where that is, and this server names the \
             issuer `{shown_issuer}`: it was not sent"
        );
        let hint = format!("if that issuer is meant, add `--issuer {shown_issuer}`");
        return Err(Problem::new(Code::InvalidSetting, what, hint).at(SafeUrl::from_text(issuer)));
    }
    let what = format!(
        "the assertion in `{file}` is for {}, and this server names the issuer `{shown_issuer}`: it was not sent",
        named.join(", ")
    );
    let hint = format!("have an assertion written there whose audience is `{shown_issuer}`, if that issuer is meant");
    Err(Problem::new(Code::InvalidSetting, what, hint).at(SafeUrl::from_text(issuer)))
}

fn web_origin(text: &str) -> Option<Origin> {
    let url = Url::parse(text).ok()?;
    matches!(url.scheme(), "https" | "http").then(|| url.origin())
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;
    use crate::oauth::endpoint::UrlRule;

    #[test]
    fn an_assertion_goes_to_the_origin_that_it_is_for_and_nowhere_else() {
        let token_endpoint = Endpoint::parse("x", "https://tokens.example/t", &UrlRule::default()).unwrap();
        let table = [
            ("the issuer", r#"{"aud":"https://as.example/tenant"}"#, true),
            ("with a slash more", r#"{"aud":"https://as.example/tenant/"}"#, true),
            ("the token endpoint", r#"{"aud":"https://tokens.example/t"}"#, true),
            ("several, ours among them", r#"{"aud":["https://b.example","https://as.example/tenant"]}"#, true),
            ("no web address, the issuer named by the person", r#"{"aud":"api://exchange"}"#, true),
            ("none, the issuer named by the person", "{}", true),
            ("no web address", r#"{"aud":"sts.amazonaws.com"}"#, false),
            ("none", "{}", false),
            ("another", r#"{"aud":"https://b.example"}"#, false),
            ("another port", r#"{"aud":"https://as.example:8443/tenant"}"#, false),
            ("others", r#"{"aud":["https://b.example","https://c.example"]}"#, false),
        ];
        for (name, payload, may) in table {
            let assertion = Secret::new(format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(payload)));
            let checked = check(
                Path::new("/a.jwt"),
                &assertion,
                ("https://as.example/tenant", name.ends_with("named by the person")),
                &token_endpoint,
            );
            assert_eq!(checked.is_ok(), may, "{name}");
        }
    }
}
