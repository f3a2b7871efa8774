//! What all pages have in common: head, navigation, footer, and the headers that forbid everything a page does not need.
//! It knows no page's content. The look is `style.css`, the only style there is.

use axum::response::{Html, IntoResponse, Response};
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderValue, StatusCode};

use crate::pages::markup::{Markup, markup};
use crate::refused::Refused;

/// The pages that the navigation names.
const PAGES: [(&str, &str); 3] = [("/", "Overview"), ("/try", "Try it"), ("/docs", "Endpoints")];

/// What a page may do besides showing itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs<'a> {
    /// Nothing: no script, no form.
    Nothing,
    /// A form whose answer may redirect to the client, and from there anywhere: browsers hold `form-action` against every
    /// redirect that follows, so it cannot name the client's host alone.
    Form,
    /// Our one script, which asks this server and the origin given here.
    Script(&'a str),
}

/// A page before it is sent.
pub(crate) struct Page<'a> {
    /// The title, which is also the heading.
    pub(crate) title: &'a str,
    /// One sentence below the heading.
    pub(crate) lead: Markup,
    /// Everything below it.
    pub(crate) body: Markup,
    /// Its own path, if the navigation names it.
    pub(crate) path: Option<&'a str>,
    pub(crate) needs: Needs<'a>,
}

impl Page<'_> {
    pub(crate) fn response(self, status: StatusCode) -> Response {
        let policy = policy(self.needs);
        let mut response = (status, Html(self.html().into_string())).into_response();
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        // `no-referrer` would make browsers send `Origin: null` with a form.
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
        headers.insert(X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        if let Ok(policy) = HeaderValue::from_str(&policy) {
            headers.insert(CONTENT_SECURITY_POLICY, policy);
        }
        response
    }

    fn html(self) -> Markup {
        let script = match self.needs {
            Needs::Script(_) => markup!("<script src=\"/try/app.js\" defer></script>\n"),
            Needs::Nothing | Needs::Form => Markup::default(),
        };
        let lead = if self.lead.is_empty() { self.lead } else { markup!("<p class=\"lead\">{}</p>\n", self.lead) };
        markup!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n<title>{} · Mock MCP server</title>\n\
             <link rel=\"stylesheet\" href=\"/style.css\">\n<link rel=\"icon\" href=\"/icon.svg\" type=\"image/svg+xml\">\n\
             {}</head>\n<body>\n<a class=\"skip\" href=\"#content\">Skip to the content</a>\n\
             <header><div class=\"wide\"><span class=\"brand\">Mock MCP server</span>\n{}</div></header>\n\
             <main id=\"content\" class=\"wide\">\n<h1>{}</h1>\n{}{}</main>\n\
             <footer><div class=\"wide\">mcp-mock-server {} · everything here is made up and kept in memory: \
             a restart forgets it.</div></footer>\n</body>\n</html>\n",
            self.title,
            script,
            navigation(self.path),
            self.title,
            lead,
            self.body,
            env!("CARGO_PKG_VERSION"),
        )
    }
}

/// A page that says only what went wrong.
pub(crate) fn refusal(status: StatusCode, title: &str, reason: &str) -> Response {
    let body = markup!("<p class=\"notice bad\" role=\"alert\">{}</p>\n", reason);
    let page = Page { title, lead: Markup::default(), body, path: None, needs: Needs::Nothing };
    let mut response = page.response(status);
    response.extensions_mut().insert(Refused(reason.to_owned()));
    response
}

/// One of our own files, which never changes while the server runs.
pub(crate) fn asset(content_type: &'static str, text: &'static str) -> Response {
    let headers = [(CONTENT_TYPE, content_type), (CACHE_CONTROL, "max-age=60"), (X_CONTENT_TYPE_OPTIONS, "nosniff")];
    (headers, text).into_response()
}

fn policy(needs: Needs<'_>) -> String {
    let own = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'";
    match needs {
        Needs::Nothing => format!("{own}; form-action 'none'"),
        Needs::Form => format!("{own}; form-action *"),
        Needs::Script(other) => {
            format!("{own}; script-src 'self'; connect-src 'self' {other}; form-action 'none'")
        }
    }
}

/// None on pages that lead elsewhere: who is asked for consent has come for one thing, perhaps to a port of its own.
fn navigation(current: Option<&str>) -> Markup {
    let Some(current) = current else { return Markup::default() };
    let links = PAGES.iter().map(|(path, name)| {
        let here = if current == *path { markup!(" aria-current=\"page\"") } else { Markup::default() };
        markup!("<a href=\"{}\"{}>{}</a>\n", path, here, name)
    });
    markup!("<nav aria-label=\"Pages\">\n{}</nav>", Markup::joined(links))
}

#[cfg(test)]
mod tests {
    use super::{Needs, policy};

    #[test]
    fn no_page_takes_a_foreign_or_an_inline_script() {
        for needs in [Needs::Nothing, Needs::Form, Needs::Script("https://as.example")] {
            let policy = policy(needs);
            assert!(policy.starts_with("default-src 'none'"), "{needs:?}");
            assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{needs:?}");
            assert_eq!(policy.contains("script-src 'self'"), needs == Needs::Script("https://as.example"), "{needs:?}");
        }
    }
}
