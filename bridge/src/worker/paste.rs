//! What a person pastes in the place of a redirect: the URL that their browser ended at, on a machine from which it could not
//! come back (a terminal reached by ssh, a container). It is judged as a redirect is (`oauth::authorization`), and what does
//! not belong to the sign-in changes nothing. It must never read a terminal itself: an [`Audience`] does.

use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use url::Url;
use zeroize::Zeroizing;

use super::Audience;
use crate::oauth::authorization::{AuthorizationResponse, AuthorizationResponseError, Expected, judge as judge_query};
use crate::oauth::endpoint::is_loopback;
use crate::secret::Secret;

/// How long the process that waits may take to answer: it exchanges the code first.
const HAND_OVER: Duration = Duration::from_secs(30);
/// How much of its answer is read, in bytes.
const MAX_ANSWER: u64 = 64 * 1024;
/// The shortest text that is taken for a code: less is a slip of the hand.
const SHORTEST_CODE: usize = 6;

/// Waits for something that settles the sign-in; for ever where nothing is pasted any more.
pub(super) async fn response(
    audience: &dyn Audience,
    pasted: Option<mpsc::Receiver<Secret>>,
    expected: Expected,
) -> Result<AuthorizationResponse, AuthorizationResponseError> {
    if let Some(mut pasted) = pasted {
        while let Some(text) = pasted.recv().await {
            match judge(text.expose(), &expected) {
                Pasted::Settled(judged) => return judged,
                Pasted::Unchecked(response) => {
                    audience.not_pasted(
                        "this is only a code: that it belongs to this sign-in is checked by the server alone",
                    );
                    return Ok(response);
                }
                Pasted::TurnedAway(why) => audience.not_pasted(&why),
                Pasted::Nothing => {}
            }
        }
    }
    std::future::pending().await
}

/// Hands what was pasted to the process that waits for the redirect of `authorization_url` on this machine, and says whether
/// it took it. There it is judged as a browser's request is.
///
/// # Errors
/// What to tell the person.
pub async fn hand_over(authorization_url: &str, pasted: &Secret) -> Result<(), String> {
    let unknown = || "this cannot be passed on to the process that waits for it".to_owned();
    let url = Url::parse(authorization_url).map_err(|_| unknown())?;
    let redirect_uri = url.query_pairs().find(|(name, _)| name == "redirect_uri").map(|(_, uri)| uri.into_owned());
    let mut target = redirect_uri.and_then(|uri| Url::parse(&uri).ok()).ok_or_else(unknown)?;
    let text = pasted.expose().trim();
    let query = match Url::parse(text) {
        Ok(url) => url.query().map(str::to_owned),
        Err(_) => text.contains("state=").then(|| text.trim_start_matches('?').to_owned()),
    };
    target.set_query(Some(&query.ok_or("paste the URL that the browser ended at, the whole of it")?));
    let port = target.port().filter(|_| target.scheme() == "http" && is_loopback(&target)).ok_or_else(unknown)?;
    let path_and_query = &target[url::Position::BeforePath..url::Position::AfterQuery];
    let request = Zeroizing::new(format!("GET {path_and_query} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n"));
    let exchange = async {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(MAX_ANSWER).read_to_end(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    match tokio::time::timeout(HAND_OVER, exchange).await {
        Ok(Ok(answer)) if answer.starts_with(b"HTTP/1.1 200 ") => Ok(()),
        Ok(Ok(_)) => Err("this is not of this sign-in: paste the URL that the browser ended at".to_owned()),
        Ok(Err(_)) | Err(_) => Err(unknown()),
    }
}

/// What a pasted line comes to.
#[derive(Debug, PartialEq, Eq)]
enum Pasted {
    /// It is of this sign-in.
    Settled(Result<AuthorizationResponse, AuthorizationResponseError>),
    /// A bare code: PKCE binds it to this sign-in, yet no `state` says that it is of it.
    Unchecked(AuthorizationResponse),
    /// The wait goes on.
    TurnedAway(String),
    /// An empty line.
    Nothing,
}

fn judge(text: &str, expected: &Expected) -> Pasted {
    let text = text.trim().trim_matches(['"', '\'', '<', '>']);
    if text.is_empty() {
        return Pasted::Nothing;
    }
    let query = match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => match url.query() {
            Some(query) => query.to_owned(),
            None => {
                return Pasted::TurnedAway(
                    "this URL has no `code`: paste the one that the browser ended at".to_owned(),
                );
            }
        },
        _ if text.contains("code=") || text.contains("error=") => text.trim_start_matches('?').to_owned(),
        _ => return bare(text, expected),
    };
    match judge_query(&query, expected) {
        Err(error) if error.wait_goes_on() => {
            Pasted::TurnedAway(format!("{error}: paste the URL that the browser ended at, the whole of it"))
        }
        judged => Pasted::Settled(judged),
    }
}

/// A code without anything around it. Where the server promises to name itself (RFC 9207), that is not given up.
fn bare(text: &str, expected: &Expected) -> Pasted {
    if text.len() < SHORTEST_CODE || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Pasted::TurnedAway("this is no URL: paste the one that the browser ended at".to_owned());
    }
    if expected.is_iss_required {
        return Pasted::TurnedAway(
            "a code alone does not say which server it is of: paste the whole URL that the browser ended at".to_owned(),
        );
    }
    Pasted::Unchecked(AuthorizationResponse { code: Secret::new(text) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::state::State;

    fn expected(is_iss_required: bool) -> Expected {
        let issuer = "https://as.example.com".to_owned();
        Expected { state: State(Secret::new("st")), issuer, is_iss_required }
    }

    fn code(code: &str) -> AuthorizationResponse {
        AuthorizationResponse { code: Secret::new(code) }
    }

    #[test]
    fn a_pasted_answer_is_judged_as_a_redirect_is() {
        let table = [
            ("the URL", "http://127.0.0.1:1/callback?code=good&state=st"),
            ("with blanks around", "  http://127.0.0.1:1/callback?code=good&state=st\r"),
            ("in quotes", "'http://localhost:1/callback?state=st&code=good'"),
            ("of another page", "https://app.example.com/done?state=st&code=good#x"),
            ("the query", "code=good&state=st"),
            ("the query with its mark", "?state=st&code=good"),
            ("with iss", "code=good&state=st&iss=https%3A%2F%2Fas.example.com"),
        ];
        for (name, text) in table {
            assert_eq!(judge(text, &expected(false)), Pasted::Settled(Ok(code("good"))), "{name}");
        }
        for (name, text) in [
            ("a denial", "http://127.0.0.1:1/callback?error=access_denied&state=st"),
            ("another issuer", "http://127.0.0.1:1/callback?code=good&state=st&iss=https://evil.example"),
            ("no code", "http://127.0.0.1:1/callback?error=&state=st"),
        ] {
            assert!(matches!(judge(text, &expected(false)), Pasted::Settled(Err(_))), "{name}");
        }
        let without_iss = judge("code=good&state=st", &expected(true));
        assert!(matches!(without_iss, Pasted::Settled(Err(AuthorizationResponseError::IssMissing { .. }))));
    }

    #[test]
    fn what_does_not_belong_to_the_sign_in_is_turned_away_and_not_shown() {
        let table = [
            ("a wrong state", "http://127.0.0.1:1/callback?code=hunter22&state=other"),
            ("no state", "code=hunter22"),
            ("two states", "code=hunter22&state=st&state=st"),
            ("a URL without a query", "http://127.0.0.1:1/hunter22"),
            ("words", "where is hunter22?"),
            ("a slip", "q"),
        ];
        for (name, text) in table {
            let Pasted::TurnedAway(why) = judge(text, &expected(false)) else { panic!("{name}") };
            assert!(!why.contains("hunter22"), "{name}: {why}");
        }
        assert_eq!(judge(" \r", &expected(false)), Pasted::Nothing);
    }

    #[test]
    fn a_bare_code_is_taken_unless_the_server_promises_iss() {
        assert_eq!(
            judge("SplxlOBeZQQYbYS6WxSbIA", &expected(false)),
            Pasted::Unchecked(code("SplxlOBeZQQYbYS6WxSbIA"))
        );
        assert!(matches!(judge("SplxlOBeZQQYbYS6WxSbIA", &expected(true)), Pasted::TurnedAway(_)));
    }
}
