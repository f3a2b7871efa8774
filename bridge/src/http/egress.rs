//! The one way of every OAuth request (A19): https but for this machine, an address that the guard permits, a limit of time
//! and of size, redirects within an origin for GET alone. Must never know what is asked or answered.
//! `http::address_guard` has the rules of addresses, `http::client` builds the clients.

#[cfg(test)]
mod tests;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request, Response};
use reqwest::Client;
use url::{Host, Url};

use super::address_guard::{AddressGuard, Reach, is_loopback};
use super::body::read_limited;
use super::client::{CONNECT_TIMEOUT, Route, build};
use super::error::{HttpError, RedirectRule, classify};
use super::network::Network;
use super::redirect;
use crate::safe_url::SafeUrl;

/// The limits of one exchange.
#[derive(Clone, Copy, Debug)]
struct Limits {
    /// From the first look-up to the last byte, redirects included.
    time: Duration,
    /// Of the decoded body, in bytes.
    body: usize,
    /// How many redirects are followed.
    redirects: usize,
}

/// How long a page may take that only its status is wanted of.
const PAGE_LIMIT: Duration = Duration::from_secs(5);
const LIMITS: Limits = Limits { time: Duration::from_secs(15), body: 1 << 20, redirects: 3 };

/// The way out for the OAuth requests on behalf of one upstream. Clients are built when first needed and kept.
#[derive(Debug)]
pub struct Egress {
    guard: Arc<AddressGuard>,
    http_host: Option<String>,
    network: Network,
    limits: Limits,
    plain: OnceLock<Client>,
    secure: OnceLock<Client>,
    proxied: OnceLock<Client>,
}

impl Egress {
    /// A way out by the rules of `guard`.
    #[must_use]
    pub fn new(guard: AddressGuard, network: Network) -> Egress {
        Egress {
            guard: Arc::new(guard.lenient(network.loaded().allow_private_addresses)),
            http_host: None,
            network,
            limits: LIMITS,
            plain: OnceLock::new(),
            secure: OnceLock::new(),
            proxied: OnceLock::new(),
        }
    }

    /// Allows http to one host that is not this machine: the person said so.
    #[must_use]
    pub fn allow_http(mut self, host: &str) -> Egress {
        self.http_host = Some(host.to_ascii_lowercase());
        self
    }

    /// Sends a request and reads its answer whole, whatever its status. At most 15 s, 1 MiB after decoding, and for GET
    /// three redirects within the origin; a redirect that is not followed is an error.
    pub async fn fetch(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (parts, body) = request.into_parts();
        let text = parts.uri.to_string();
        let url = Url::parse(&text).map_err(|_| HttpError::InsecureUrl { url: SafeUrl::from_text(&text) })?;
        let in_time = tokio::time::timeout(self.limits.time, self.follow(url.clone(), &parts, &body)).await;
        in_time.unwrap_or_else(|_| Err(HttpError::TimedOut { url: SafeUrl::new(&url), is_connecting: false }))
    }

    /// What a page answers to somebody who is not signed in; redirects are not followed. At most 5 s.
    pub async fn page(&self, url: &Url) -> Result<Response<Bytes>, HttpError> {
        let (parts, body) = Request::new(Bytes::new()).into_parts();
        let page = async {
            let mut response = self.send(url, &parts, &body).await?;
            let body = read_limited(&mut response, self.limits.body).await?;
            Ok(answer(&mut response, body))
        };
        let in_time = tokio::time::timeout(PAGE_LIMIT, page).await;
        in_time.unwrap_or_else(|_| Err(HttpError::TimedOut { url: SafeUrl::new(url), is_connecting: false }))
    }

    async fn follow(&self, mut url: Url, parts: &Parts, body: &Bytes) -> Result<Response<Bytes>, HttpError> {
        let mut redirects = 0;
        loop {
            let mut response = self.send(&url, parts, body).await?;
            let Some(to) = redirect::target(&url, response.status(), response.headers())? else {
                let body = read_limited(&mut response, self.limits.body).await?;
                return Ok(answer(&mut response, body));
            };
            let broken = match () {
                () if parts.method != Method::GET => Some(RedirectRule::NotGet),
                () if redirects == self.limits.redirects => Some(RedirectRule::TooMany),
                () => None,
            };
            if let Some(rule) = broken {
                return Err(redirect::refused(&url, SafeUrl::new(&to), rule));
            }
            redirects += 1;
            url = to;
        }
    }

    async fn send(&self, url: &Url, parts: &Parts, body: &Bytes) -> Result<reqwest::Response, HttpError> {
        self.check(url).await?;
        let mut request = reqwest::Request::new(parts.method.clone(), url.clone());
        request.headers_mut().clone_from(&parts.headers);
        if !body.is_empty() {
            *request.body_mut() = Some(body.clone().into());
        }
        self.client(url)?.execute(request).await.map_err(|error| classify(&error, url))
    }

    /// Judges what stands in the URL. The addresses of a name are judged when they are dialled; behind a proxy it alone
    /// knows them.
    async fn check(&self, url: &Url) -> Result<(), HttpError> {
        let is_allowed_http =
            || is_loopback(url) || url.host_str().is_some_and(|host| self.http_host.as_deref() == Some(host));
        if url.scheme() != "https" && !(url.scheme() == "http" && is_allowed_http()) {
            return Err(HttpError::InsecureUrl { url: SafeUrl::new(url) });
        }
        let host = url.host().ok_or_else(|| HttpError::InsecureUrl { url: SafeUrl::new(url) })?;
        let Some(reach) = Reach::of_host(&host) else { return Ok(()) };
        let is_permitted = match host {
            Host::Ipv4(address) => self.guard.permits(address.into()).await,
            Host::Ipv6(address) => self.guard.permits(address.into()).await,
            Host::Domain(_) => self.guard.permits_reach(reach).await,
        };
        if is_permitted {
            return Ok(());
        }
        Err(HttpError::AddressRefused { url: SafeUrl::new(url), address: host.to_string(), reach })
    }

    fn client(&self, url: &Url) -> Result<&Client, HttpError> {
        let route = Route::of(url, &self.network);
        let (kept, guard) = match route {
            Route::Plain => (&self.plain, Some(Arc::clone(&self.guard))),
            Route::Secure => (&self.secure, Some(Arc::clone(&self.guard))),
            Route::Proxy => (&self.proxied, None), // it would judge the proxy
        };
        if let Some(client) = kept.get() {
            return Ok(client);
        }
        let client = build(route, &self.network, guard, url, CONNECT_TIMEOUT)?;
        Ok(kept.get_or_init(|| client))
    }
}

fn answer(response: &mut reqwest::Response, body: Bytes) -> Response<Bytes> {
    let mut answer = Response::new(body);
    *answer.status_mut() = response.status();
    *answer.version_mut() = response.version();
    std::mem::swap(answer.headers_mut(), response.headers_mut());
    answer
}
