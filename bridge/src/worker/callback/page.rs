//! The pages that the browser shows at the end of a sign-in: constant bytes, so that nothing of a request can ever stand
//! in one (the most repeated bug of this field). No script, no foreign assets, no framing. The words tell how it ended;
//! why it ended so is told by the bridge, not here.

use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::Full;

/// How a sign-in ended, for the person in front of the browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageKind {
    /// The tokens are there and stored.
    SignedIn,
    /// The person, or the server for them, said no.
    Denied,
    /// The response came, but no tokens came of it.
    NotCompleted,
}

const STYLE: &str = "\
:root{color-scheme:light dark;--back:#f5f6f8;--card:#fff;--text:#1b1f24;--soft:#5b6470;--line:#e3e6ea;\
--good:#1a7f43;--bad:#b3372b;--calm:#5b6470}\
@media(prefers-color-scheme:dark){:root{--back:#101316;--card:#191d22;--text:#e8ebee;--soft:#9aa4af;--line:#2a3037;\
--good:#4cc38a;--bad:#f0796b;--calm:#9aa4af}}\
*{box-sizing:border-box}\
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1.5rem;background:var(--back);\
color:var(--text);font:1rem/1.55 system-ui,-apple-system,'Segoe UI',sans-serif}\
main{width:100%;max-width:26rem;padding:2.5rem 2rem 1.75rem;background:var(--card);border:1px solid var(--line);\
border-radius:1rem;text-align:center}\
svg{width:3.25rem;height:3.25rem;fill:none;stroke:currentColor;stroke-width:2;stroke-linecap:round;\
stroke-linejoin:round}\
.good{color:var(--good)}.bad{color:var(--bad)}.calm{color:var(--calm)}\
h1{margin:1rem 0 .5rem;font-size:1.375rem;line-height:1.3;font-weight:600;text-wrap:balance}\
p{margin:0;color:var(--soft);text-wrap:balance}\
footer{margin-top:2rem;padding-top:1rem;border-top:1px solid var(--line);font-size:.8125rem;color:var(--soft)}";

/// `style-src` names the one style by its hash; a test keeps the two together.
const POLICY: &str = "default-src 'none'; style-src 'sha256-iN3+igLuDp30HbYNVsEBsLGnO+6LH3g5/6AxY+j0OSA='; frame-ancestors 'none'; base-uri 'none'; \
                      form-action 'none'";

const GOOD: &str = "<svg class=\"good\" viewBox=\"0 0 24 24\" aria-hidden=\"true\"><circle cx=\"12\" cy=\"12\" \
                    r=\"10\"/><path d=\"m7.5 12.5 3 3 6-6.5\"/></svg>";
const BAD: &str = "<svg class=\"bad\" viewBox=\"0 0 24 24\" aria-hidden=\"true\"><circle cx=\"12\" cy=\"12\" \
                   r=\"10\"/><path d=\"m9 9 6 6m0-6-6 6\"/></svg>";
const CALM: &str = "<svg class=\"calm\" viewBox=\"0 0 24 24\" aria-hidden=\"true\"><circle cx=\"12\" cy=\"12\" \
                    r=\"10\"/><path d=\"M12 11.5v5m0-9v.01\"/></svg>";

/// The page at the end of a sign-in.
pub(super) fn outcome(kind: PageKind) -> Response<Full<Bytes>> {
    let (mark, title, text) = match kind {
        PageKind::SignedIn => (GOOD, "You are signed in", "You can close this tab and go back to your application."),
        PageKind::Denied => (
            BAD,
            "The sign-in was denied",
            "Nothing was stored. You can close this tab; to try again, start the sign-in anew.",
        ),
        PageKind::NotCompleted => (
            BAD,
            "The sign-in was not completed",
            "The message of mcp-bridge in your application or terminal says why. You can close this tab.",
        ),
    };
    page(StatusCode::OK, mark, title, text)
}

/// A response without the right `state`: it proves nothing, and the sign-in goes on.
pub(super) fn turned_away() -> Response<Full<Bytes>> {
    let text = "It does not belong to the sign-in that is going on. That one still waits for you in its own tab.";
    page(StatusCode::BAD_REQUEST, CALM, "This page was not expected", text)
}

/// Anything after the response that counted.
pub(super) fn already_done() -> Response<Full<Bytes>> {
    page(StatusCode::OK, CALM, "This sign-in has already been answered", "You can close this tab.")
}

/// A `Host` or target that is not this listener (RFC 9110 §15.5.20).
pub(super) fn misdirected() -> Response<Full<Bytes>> {
    page(StatusCode::MISDIRECTED_REQUEST, CALM, "This is not the address of this page", "You can close this tab.")
}

/// A request by a script of another page.
pub(super) fn forbidden() -> Response<Full<Bytes>> {
    page(StatusCode::FORBIDDEN, CALM, "This request is not allowed", "You can close this tab.")
}

/// Another path.
pub(super) fn not_found() -> Response<Full<Bytes>> {
    page(StatusCode::NOT_FOUND, CALM, "There is no such page", "You can close this tab.")
}

/// Another method than GET.
pub(super) fn wrong_method() -> Response<Full<Bytes>> {
    let mut response =
        page(StatusCode::METHOD_NOT_ALLOWED, CALM, "This request is not allowed", "You can close this tab.");
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
    response
}

fn page(status: StatusCode, mark: &'static str, title: &'static str, text: &'static str) -> Response<Full<Bytes>> {
    let body = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title} · mcp-bridge</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n{mark}\n\
         <h1>{title}</h1>\n<p>{text}</p>\n<footer>mcp-bridge</footer>\n</main>\n</body>\n</html>\n"
    );
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().extend(headers());
    response
}

fn headers() -> [(HeaderName, HeaderValue); 6] {
    [
        (CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (CONNECTION, HeaderValue::from_static("close")),
    ]
}

#[cfg(test)]
mod tests {
    use super::{POLICY, STYLE};
    use aws_lc_rs::digest;
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;

    #[test]
    fn the_policy_names_the_style_by_its_hash() {
        let hash = STANDARD.encode(digest::digest(&digest::SHA256, STYLE.as_bytes()));
        assert!(POLICY.contains(&format!("style-src 'sha256-{hash}'")), "{hash}");
    }
}
