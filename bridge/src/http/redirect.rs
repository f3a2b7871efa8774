//! Where a redirect may lead: to its own origin, so that no credential, header or body goes to anybody else. Clients
//! follow none by themselves; must never know whose request it is.

use http::header::LOCATION;
use http::{HeaderMap, StatusCode};
use url::Url;

use super::error::{HttpError, RedirectRule};
use crate::safe_url::SafeUrl;

/// Where an answer from `from` redirects to; none if it is no redirect or names no place. Another origin is an error.
pub fn target(from: &Url, status: StatusCode, headers: &HeaderMap) -> Result<Option<Url>, HttpError> {
    if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(location) = headers.get(LOCATION) else { return Ok(None) };
    let location = String::from_utf8_lossy(location.as_bytes());
    match from.join(&location) {
        Ok(to) if to.origin() == from.origin() => Ok(Some(to)),
        Ok(to) => Err(refused(from, SafeUrl::new(&to), RedirectRule::OtherOrigin)),
        Err(_) => Err(refused(from, SafeUrl::from_text(&location), RedirectRule::OtherOrigin)),
    }
}

pub(super) fn refused(from: &Url, to: SafeUrl, rule: RedirectRule) -> HttpError {
    HttpError::RedirectRefused { url: SafeUrl::new(from), to, rule }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, StatusCode};
    use url::Url;

    use super::target;
    use crate::http::{HttpError, RedirectRule};

    fn redirect(status: u16, location: Option<&str>) -> Result<Option<String>, HttpError> {
        let from = Url::parse("https://a.example/x/y").unwrap();
        let location = location.map(|text| (http::header::LOCATION, HeaderValue::from_str(text).unwrap()));
        let headers = HeaderMap::from_iter(location);
        target(&from, StatusCode::from_u16(status).unwrap(), &headers).map(|url| url.map(String::from))
    }

    #[test]
    fn a_redirect_within_its_origin_is_resolved() {
        let cases = [
            (301, "/z", "https://a.example/z"),
            (302, "z?q", "https://a.example/x/z?q"),
            (303, "https://a.example:443/", "https://a.example/"),
            (307, "//A.EXAMPLE/b", "https://a.example/b"),
            (308, "", "https://a.example/x/y"),
        ];
        for (status, location, expected) in cases {
            assert_eq!(redirect(status, Some(location)), Ok(Some(expected.to_owned())), "{status} {location}");
        }
    }

    #[test]
    fn what_is_no_redirect_leads_nowhere() {
        for (status, location) in [(200, Some("/z")), (304, Some("/z")), (300, Some("/z")), (302, None), (404, None)] {
            assert_eq!(redirect(status, location), Ok(None), "{status} {location:?}");
        }
    }

    #[test]
    fn another_origin_is_refused() {
        for to in [
            "http://a.example/x/y",
            "https://a.example:8443/",
            "https://b.example/",
            "https://a.example.evil.example/",
            "//b.example",
            "https://a.example@b.example/",
            "javascript:alert(1)",
            "data:,x",
            "https://[",
        ] {
            let result = redirect(307, Some(to));
            let other_origin = RedirectRule::OtherOrigin;
            assert!(matches!(result, Err(HttpError::RedirectRefused { rule, .. }) if rule == other_origin), "{to}");
        }
    }
}
