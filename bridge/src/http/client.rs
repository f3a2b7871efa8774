//! The clients, and the only place that builds one: no redirects, no `Referer`, a time limit for the connection, signs of
//! life on idle ones. Must never know what is sent. `http::egress` has the rules of OAuth requests.

use std::iter;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, redirect};
use url::Url;

use super::address_guard::{AddressGuard, is_loopback};
use super::error::{HttpError, classify};
use super::resolver::Resolver;

const USER_AGENT: &str = concat!("mcp-bridge/", env!("CARGO_PKG_VERSION"));
/// How long a connection may take to come about where nobody set another time.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const TCP_KEEPALIVE: Duration = Duration::from_secs(30);
/// Often enough for the address translators on the way, which forget a silent connection after a minute or more.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// How long an idle connection is kept: less than servers do, as one that is closed while a request is written costs the
/// request. Behind TLS stand balancers, with a minute mostly; plain http is a server at hand, Node's with 5 s.
const IDLE: Duration = Duration::from_secs(50);
const IDLE_PLAIN: Duration = Duration::from_secs(4);

/// How a URL is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// By http, without a proxy.
    Plain,
    /// By https, without a proxy.
    Secure,
    /// By the proxy that the environment names.
    Proxy,
}

/// The client for messages to the upstream: no time limit in all, for a stream may last, and no address guard, for the
/// person named the upstream. Proxies as the environment has them, but never to this machine. Build one, when it is
/// first needed: for https it loads the system's certificates, which takes milliseconds.
pub fn message_client(upstream: &Url, connect_timeout: Duration) -> Result<Client, HttpError> {
    build(Route::of(upstream, &Proxies::from_env()), None, upstream, connect_timeout)
}

/// Whether requests to a URL go by a proxy of the environment: the peer's address is the proxy's then.
#[must_use]
pub fn is_proxied(url: &Url) -> bool {
    Route::of(url, &Proxies::from_env()) == Route::Proxy
}

/// Builds a client for one route; `url` is named if that fails.
pub(super) fn build(
    route: Route,
    guard: Option<Arc<AddressGuard>>,
    url: &Url,
    connect_timeout: Duration,
) -> Result<Client, HttpError> {
    let builder = Client::builder()
        .user_agent(USER_AGENT)
        .redirect(redirect::Policy::none())
        .referer(false)
        .gzip(true)
        .connect_timeout(connect_timeout)
        .tcp_keepalive(TCP_KEEPALIVE)
        .http2_keep_alive_interval(PING_INTERVAL)
        .http2_keep_alive_timeout(PING_TIMEOUT)
        .pool_idle_timeout(if route == Route::Plain { IDLE_PLAIN } else { IDLE })
        .dns_resolver(Resolver(guard));
    let builder = match route {
        // Without a verifier of its own the client loads the certificates of the system, which nobody needs here.
        Route::Plain => builder.no_proxy().tls_certs_only(iter::empty()),
        Route::Secure => builder.no_proxy(),
        Route::Proxy => builder,
    };
    builder.build().map_err(|error| match classify(&error, url) {
        HttpError::Broken { url, reason } => HttpError::Tls { url, reason },
        other => other,
    })
}

impl Route {
    /// The route to a URL.
    pub(super) fn of(url: &Url, proxies: &Proxies) -> Route {
        if !is_loopback(url) && proxies.intercept(url) {
            Route::Proxy
        } else if url.scheme() == "http" {
            Route::Plain
        } else {
            Route::Secure
        }
    }
}

/// The proxies that the environment names: `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY`.
#[derive(Debug)]
pub(super) struct Proxies(hyper_util::client::proxy::matcher::Matcher);

impl Proxies {
    /// As the client itself reads them: both must agree.
    pub(super) fn from_env() -> Proxies {
        Proxies(hyper_util::client::proxy::matcher::Matcher::from_system())
    }

    #[cfg(test)]
    pub(super) fn none() -> Proxies {
        Proxies(hyper_util::client::proxy::matcher::Matcher::builder().build())
    }

    fn intercept(&self, url: &Url) -> bool {
        url.as_str().parse().is_ok_and(|uri| self.0.intercept(&uri).is_some())
    }
}

#[cfg(test)]
mod tests {
    use hyper_util::client::proxy::matcher::Matcher;
    use url::Url;

    use super::{Proxies, Route};

    #[test]
    fn a_proxy_is_used_where_the_environment_says_so_and_never_to_this_machine() {
        let proxies = Proxies(Matcher::builder().all("http://proxy.example:3128").no("corp.example").build());
        let none = Proxies::none();
        let cases = [
            ("https://a.example/", Route::Proxy, Route::Secure),
            ("http://a.example/", Route::Proxy, Route::Plain),
            ("https://mcp.corp.example/", Route::Secure, Route::Secure),
            ("https://localhost/", Route::Secure, Route::Secure),
            ("http://127.0.0.1:8080/", Route::Plain, Route::Plain),
            ("http://[::1]/", Route::Plain, Route::Plain),
            ("http://api.localhost./", Route::Plain, Route::Plain),
        ];
        for (url, with, without) in cases {
            let parsed = Url::parse(url).unwrap();
            assert_eq!((Route::of(&parsed, &proxies), Route::of(&parsed, &none)), (with, without), "{url}");
        }
    }
}
