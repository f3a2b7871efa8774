//! What can go wrong between the bridge and the upstream, sorted by whose fault it is.

use std::time::Duration;

use http::StatusCode;

use crate::http::HttpError;
use crate::problem::{Code, Problem};
use crate::safe_url::SafeUrl;
use crate::secret::SentSecrets;
use crate::untrusted::Untrusted;

/// Why an exchange with the upstream came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// The network or TLS.
    #[error("{0}")]
    Http(#[from] HttpError),
    /// No token could be had, or none is accepted.
    #[error("{0}")]
    Token(#[from] Problem),
    /// An HTTP error without a JSON-RPC body.
    #[error("answered {status}{}{}", waiting(.retry_after), quoted(.excerpt))]
    Status {
        /// The HTTP status.
        status: StatusCode,
        /// The beginning of the body, cleaned.
        excerpt: Untrusted,
        /// The body is an OAuth error, from whatever checks the token.
        of_oauth: bool,
        /// After how long it wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// 404 to a session id, or 400 with words about it: the server has forgotten the session.
    #[error("has ended the MCP session")]
    SessionLost,
    /// A success that is neither JSON nor an event stream.
    #[error("answered {status} with {content_type} instead of JSON-RPC{}", quoted(.excerpt))]
    NotMcp {
        /// The HTTP status.
        status: StatusCode,
        /// The content type as sent, or words for none.
        content_type: Untrusted,
        /// The beginning of the body, cleaned.
        excerpt: Untrusted,
    },
    /// A redirect that would carry the message elsewhere (T12).
    #[error("redirects to `{to}` ({status})")]
    Redirect {
        /// The HTTP status.
        status: StatusCode,
        /// Where to.
        to: SafeUrl,
    },
    /// An HTTP+SSE stream that wants messages sent elsewhere (T11).
    #[error("wants messages sent to `{0}`, which is another origin")]
    EndpointElsewhere(SafeUrl),
    /// No HTTP+SSE stream (T11).
    #[error("answered {0} without the stream of HTTP+SSE")]
    NoStream(StatusCode),
    /// A request was taken without a response.
    #[error("answered {0} without a response to the request")]
    NoResponse(StatusCode),
    /// A stream ended before the response to its request.
    #[error("ended the stream before the response to the request")]
    StreamEnded,
    /// A stream, or the beginning of an answer, on which nothing came for so long.
    #[error("was silent for {} s", .0.as_secs_f32())]
    Silent(Duration),
    /// A request that took longer than it may.
    #[error("did not answer the request within {} s", .0.as_secs_f32())]
    TookTooLong(Duration),
    /// A message over the limit, in bytes.
    #[error("sent a message over {0} bytes")]
    TooLarge(usize),
    /// Words about eras that a server that speaks MCP does not say (E0, E2).
    #[error("breaks MCP 2026-07-28: it {0}")]
    Breach(Untrusted),
    /// The server asked for something that the host did not give (E2).
    #[error("asked for input that the host did not give: {0}")]
    NoInput(Untrusted),
    /// The answer is to something that was not asked.
    #[error("answered with a message that is no response to the request: {0}")]
    NotAResponse(Untrusted),
}

impl UpstreamError {
    /// The same error without these secrets in the server's words.
    #[must_use]
    pub fn without(self, sent: &SentSecrets) -> Self {
        match self {
            UpstreamError::Status { status, excerpt, of_oauth, retry_after } => {
                UpstreamError::Status { status, excerpt: excerpt.without(sent), of_oauth, retry_after }
            }
            UpstreamError::NotMcp { status, content_type, excerpt } => UpstreamError::NotMcp {
                status,
                content_type: content_type.without(sent),
                excerpt: excerpt.without(sent),
            },
            UpstreamError::NotAResponse(words) => UpstreamError::NotAResponse(words.without(sent)),
            UpstreamError::Breach(words) => UpstreamError::Breach(words.without(sent)),
            error => error,
        }
    }

    /// Whether the server said something, if nothing that makes sense here.
    #[must_use]
    pub fn is_an_answer(&self) -> bool {
        matches!(
            self,
            UpstreamError::Status { .. }
                | UpstreamError::SessionLost
                | UpstreamError::NotMcp { .. }
                | UpstreamError::NoResponse(_)
                | UpstreamError::NotAResponse(_)
                | UpstreamError::StreamEnded
        )
    }

    /// Whether it is worth trying again later: the network or the server is away, and nothing else is wrong.
    #[must_use]
    pub fn passes(&self) -> bool {
        match self {
            UpstreamError::Http(error) => is_absence(error.code()),
            UpstreamError::Token(problem) => is_absence(problem.code),
            UpstreamError::Status { status, .. } => matches!(status.as_u16(), 429 | 502 | 503 | 504),
            _ => false,
        }
    }

    /// Whether the request certainly was not carried out, and it is worth while to send it again whatever it is (T7).
    #[must_use]
    pub fn was_never_sent(&self) -> bool {
        matches!(self, UpstreamError::Http(error) if error.never_sent() && is_absence(error.code()))
    }

    /// Whether a request that is idempotent may be sent again: it is not known whether it was carried out (T7).
    #[must_use]
    pub fn may_be_repeated(&self) -> bool {
        match self {
            UpstreamError::Http(error) => matches!(error, HttpError::Broken { .. } | HttpError::TimedOut { .. }),
            UpstreamError::StreamEnded | UpstreamError::Silent(_) => true,
            error => error.passes(),
        }
    }

    /// Whether it ends a stream that may go on elsewhere (T5).
    #[must_use]
    pub fn breaks_a_stream(&self) -> bool {
        matches!(
            self,
            UpstreamError::StreamEnded
                | UpstreamError::Silent(_)
                | UpstreamError::Http(HttpError::Broken { .. } | HttpError::TimedOut { .. })
        )
    }

    /// Whether it may be another answer later, as from a server that is being deployed: worth waiting for where the host
    /// has an answer already.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        matches!(self, UpstreamError::Status { status, .. } if status.is_server_error() || *status == StatusCode::NOT_FOUND)
    }

    /// After how long the server wants to be asked again.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            UpstreamError::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// Whether no token could be had, or none is accepted.
    #[must_use]
    pub fn is_about_the_token(&self) -> bool {
        matches!(self, UpstreamError::Token(problem) if !is_absence(problem.code))
    }

    /// Whether a person must sign in first, and was not asked to for this message.
    #[must_use]
    pub fn needs_sign_in(&self) -> bool {
        matches!(self, UpstreamError::Token(problem) if problem.code == Code::SignInNeeded)
    }

    /// The problem as the host and the person are told it.
    #[must_use]
    pub fn problem(&self, upstream: &SafeUrl) -> Problem {
        let (code, hint) = match self {
            UpstreamError::Token(problem) => return problem.clone(),
            UpstreamError::Http(error) => {
                return Problem::new(error.code(), error.to_string(), error.hint()).at(upstream.clone());
            }
            UpstreamError::Status { status, .. } if *status == StatusCode::FORBIDDEN => {
                (Code::Forbidden, "the account that is signed in may not do this: ask the server's operator")
            }
            UpstreamError::Status { status, .. } if *status == StatusCode::NOT_FOUND => {
                (Code::HttpError, "check the path of the URL: is this the server's MCP endpoint?")
            }
            UpstreamError::Status { of_oauth: true, .. } => (
                Code::HttpError,
                "if it stays, the server may not know the token any more: `mcp-bridge login URL --force`",
            ),
            UpstreamError::Status { .. } => {
                (Code::HttpError, "try again later, or tell the server's operator what it answered")
            }
            UpstreamError::SessionLost => (Code::SessionLost, "restart this server in the host"),
            UpstreamError::NotMcp { .. } => {
                (Code::NotAnMcpServer, "check the URL: is this the server's MCP endpoint, and not its web page?")
            }
            UpstreamError::Redirect { .. } => {
                (Code::RedirectRefused, "if you trust the new address, write it into the host's configuration")
            }
            UpstreamError::EndpointElsewhere(_) => {
                (Code::RedirectRefused, "ask the server's operator why its messages go to another origin")
            }
            UpstreamError::NoStream(_) => (
                Code::NotAnMcpServer,
                "leave `--transport sse` out, and the bridge finds out which one the server speaks",
            ),
            UpstreamError::NoInput(_) => {
                (Code::InputRefused, "answer what the server asks, in the host, and call again")
            }
            UpstreamError::NoResponse(_) | UpstreamError::NotAResponse(_) | UpstreamError::Breach(_) => {
                (Code::NotAnMcpServer, "the server breaks the MCP rules for this request: tell its operator")
            }
            UpstreamError::StreamEnded | UpstreamError::Silent(_) => {
                (Code::StreamBroken, "it is not known whether the request was carried out")
            }
            UpstreamError::TookTooLong(_) => {
                (Code::TimedOut, "if the server needs longer, set a longer `--request-timeout`, or 0 for none")
            }
            UpstreamError::TooLarge(_) => (Code::MessageTooLarge, "ask for less in one request"),
        };
        Problem::new(code, format!("`{upstream}` {self}"), hint)
            .at(upstream.clone())
            .naming(&format!("mcp-bridge login {upstream}"))
    }
}

/// A name that is not known may be known once a VPN is up.
fn is_absence(code: Code) -> bool {
    matches!(code, Code::UnknownHost | Code::ConnectionRefused | Code::ConnectionFailed | Code::TimedOut)
}

fn waiting(retry_after: &Option<Duration>) -> String {
    retry_after.map(|wait| format!(" and wants to be asked again in {} s", wait.as_secs())).unwrap_or_default()
}

fn quoted(excerpt: &Untrusted) -> String {
    let text = excerpt.to_string();
    if text.is_empty() { text } else { format!(": {text}") }
}

/// Whether a body is an OAuth error (RFC 6749 §5.2, RFC 6750 §3.1) and no JSON-RPC one: its `error` is a string.
#[must_use]
pub fn is_oauth_error(body: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Value>(body).is_ok_and(|body| body["error"].is_string())
}

/// The beginning of a body as a person can read it: without markup, white space folded.
#[must_use]
pub fn excerpt(body: &[u8]) -> Untrusted {
    let text = String::from_utf8_lossy(&body[..body.len().min(16 * 1024)]).into_owned();
    let readable = if text.trim_start().starts_with('<') { without_markup(&text) } else { text };
    Untrusted::new(readable.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn without_markup(html: &str) -> String {
    let mut text = String::new();
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        text.push_str(&rest[..start]);
        text.push(' ');
        let tag = &rest[start..];
        let hidden = ["script", "style", "head"].into_iter().find(|name| {
            tag.get(1..=name.len()).is_some_and(|found| found.eq_ignore_ascii_case(name))
                && tag[name.len() + 1..].starts_with([' ', '>'])
        });
        let end = match hidden {
            Some(name) => tag.to_ascii_lowercase().find(&format!("</{name}")),
            None => tag.find('>').map(|end| end + 1),
        };
        rest = match end {
            Some(end) => &tag[end.max(1)..],
            None => "",
        };
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    #[test]
    fn t12_an_excerpt_is_clean_and_short() {
        let html = b"<!doctype html><html><head><title>x</title></head><body><h1>Bad\n gateway</h1><script>var a = '<b>';</script><p>nginx\x1b[2J</p></body></html>";
        assert_eq!(excerpt(html).to_string(), "Bad gateway nginx\\u{1b}[2J");
        assert_eq!(excerpt(b"plain  text").to_string(), "plain text");
        assert_eq!(excerpt(b"<unfinished").to_string(), "");
    }

    #[test]
    fn a_server_that_repeats_what_it_was_sent_is_quoted_without_it() {
        let sent = SentSecrets::from([&Secret::new("at-sent/1")]);
        let status = StatusCode::BAD_REQUEST;
        let quoted = || excerpt(b"<p>bad at-sent/1 (at-sent%2F1)");
        let table = [
            UpstreamError::Status { status, excerpt: quoted(), of_oauth: false, retry_after: None },
            UpstreamError::NotMcp { status, content_type: Untrusted::new("at-sent/1"), excerpt: quoted() },
            UpstreamError::NotAResponse(quoted()),
        ];
        for error in table {
            let shown = error.without(&sent).to_string();
            assert!(shown.contains("[secret] ([secret])") && !shown.contains("at-sent"), "{shown}");
        }
    }

    #[test]
    fn a_problem_names_the_upstream_and_says_what_to_do() {
        let upstream = SafeUrl::from_text("https://mcp.example.com/mcp");
        let error = UpstreamError::Status {
            status: StatusCode::BAD_GATEWAY,
            excerpt: Untrusted::new("Bad gateway"),
            of_oauth: false,
            retry_after: None,
        };
        let problem = error.problem(&upstream);
        assert_eq!(problem.message, "`https://mcp.example.com/mcp` answered 502 Bad Gateway: Bad gateway");
        assert_eq!(problem.code, Code::HttpError);
    }
}
