//! The upstream's cookies (T15, RFC 6265): what a load balancer needs to find the same server again. Kept in memory alone,
//! bounded, and sent to the origin that set them and to nobody else; a server on a parent domain is somebody else. No value is
//! ever shown. OAuth requests have no part in it.

#[cfg(test)]
mod tests;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderValue};
use url::Url;

/// How many cookies are kept; the one that was set longest ago goes first.
const MOST: usize = 20;
/// The longest name and value together, in bytes (RFC 6265 §6.1 has 4096 for a whole cookie).
const LONGEST: usize = 4096;
/// The longest header that is sent, in bytes: servers refuse more than 8 KiB of headers.
const LONGEST_HEADER: usize = 6 * 1024;

/// The cookies of one origin.
pub(super) struct Cookies(Mutex<Vec<Cookie>>);

#[derive(Clone)]
struct Cookie {
    name: String,
    value: String,
    path: String,
    secure: bool,
    /// None: as long as this process lives.
    expires: Option<SystemTime>,
}

impl Cookies {
    pub(super) fn new() -> Self {
        Cookies(Mutex::default())
    }

    /// The header for a request to a URL of the origin, marked sensitive; none where no cookie is for it.
    pub(super) fn header(&self, url: &Url) -> Option<HeaderValue> {
        let mut cookies = self.lock();
        if cookies.is_empty() {
            return None;
        }
        let now = SystemTime::now();
        cookies.retain(|cookie| cookie.expires.is_none_or(|end| end > now));
        let mut fit: Vec<&Cookie> = cookies.iter().filter(|cookie| cookie.is_for(url)).collect();
        // Longer paths first, then those that were set earlier (RFC 6265 §5.4).
        fit.sort_by_key(|cookie| std::cmp::Reverse(cookie.path.len()));
        let mut header = String::new();
        for cookie in fit {
            let pair = format!("{}={}", cookie.name, cookie.value);
            if header.len() + pair.len() + 2 <= LONGEST_HEADER {
                header += if header.is_empty() { "" } else { "; " };
                header += &pair;
            }
        }
        let mut value = HeaderValue::from_str(&header).ok().filter(|_| !header.is_empty())?;
        value.set_sensitive(true);
        Some(value)
    }

    /// Keeps what an answer from a URL of the origin sets, and forgets what it ends.
    pub(super) fn keep(&self, url: &Url, headers: &HeaderMap) {
        for value in headers.get_all(SET_COOKIE) {
            let Some(cookie) = value.to_str().ok().and_then(|text| Cookie::parse(text, url)) else {
                tracing::debug!("a cookie of the server's is not taken");
                continue;
            };
            let mut cookies = self.lock();
            let same = cookies.iter().position(|kept| kept.name == cookie.name && kept.path == cookie.path);
            let is_over = cookie.expires.is_some_and(|end| end <= SystemTime::now());
            match same {
                Some(at) if is_over => drop(cookies.remove(at)),
                Some(at) => cookies[at] = cookie,
                None if is_over => {}
                None => {
                    if cookies.len() == MOST {
                        cookies.remove(0);
                    }
                    cookies.push(cookie);
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Cookie>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Cookies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Cookies({})", self.lock().len())
    }
}

impl Cookie {
    /// RFC 6265 §5.2, §5.3. None where it is not for this origin, or breaks a bound.
    fn parse(text: &str, url: &Url) -> Option<Cookie> {
        let mut parts = text.split(';');
        let (name, value) = parts.next()?.split_once('=')?;
        let (name, value) = (name.trim(), value.trim());
        if name.is_empty() || name.len() + value.len() > LONGEST || name.contains([' ', '\t', ',', '"']) {
            return None;
        }
        let (mut path, mut secure, mut domain, mut max_age, mut expires) = (None, false, None, None, None);
        for attribute in parts {
            let (key, value) = attribute.split_once('=').unwrap_or((attribute, ""));
            let value = value.trim();
            match key.trim().to_ascii_lowercase().as_str() {
                "path" => path = Some(value).filter(|path| path.starts_with('/')),
                "secure" => secure = true,
                "domain" => domain = Some(value.trim_start_matches('.')).filter(|domain| !domain.is_empty()),
                "max-age" => max_age = value.parse::<i64>().ok(),
                // Some still write the dashes of RFC 850.
                "expires" => expires = httpdate::parse_http_date(&value.replace('-', " ")).ok(),
                _ => {}
            }
        }
        let is_https = url.scheme() == "https";
        let is_prefixed = |prefix: &str| name.to_ascii_lowercase().starts_with(prefix);
        let breaks_its_name = (is_prefixed("__secure-") && !secure)
            || (is_prefixed("__host-") && !(secure && domain.is_none() && path == Some("/")));
        if (secure && !is_https) || breaks_its_name || domain.is_some_and(|domain| !covers(domain, url)) {
            return None;
        }
        let expires = match max_age {
            Some(seconds) => Some(u64::try_from(seconds).map_or(SystemTime::UNIX_EPOCH, from_now)),
            None => expires,
        };
        let path = path.map_or_else(|| default_path(url), str::to_owned);
        Some(Cookie { name: name.to_owned(), value: value.to_owned(), path, secure, expires })
    }

    fn is_for(&self, url: &Url) -> bool {
        let rest = url.path().strip_prefix(&self.path);
        let path_fits = rest.is_some_and(|rest| rest.is_empty() || self.path.ends_with('/') || rest.starts_with('/'));
        path_fits && (!self.secure || url.scheme() == "https")
    }
}

/// Whether a server may say that its cookie is for this domain: its own, or one above it. It is its own all the same.
fn covers(domain: &str, url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let domain = domain.to_ascii_lowercase();
    host == domain || (matches!(url.host(), Some(url::Host::Domain(_))) && host.ends_with(&format!(".{domain}")))
}

/// RFC 6265 §5.1.4.
fn default_path(url: &Url) -> String {
    match url.path().rfind('/') {
        None | Some(0) => "/".to_owned(),
        Some(end) => url.path()[..end].to_owned(),
    }
}

/// So many seconds from now; at most 400 days, as browsers have it.
fn from_now(seconds: u64) -> SystemTime {
    match seconds {
        0 => SystemTime::UNIX_EPOCH,
        seconds => SystemTime::now() + Duration::from_secs(seconds.min(400 * 86_400)),
    }
}
