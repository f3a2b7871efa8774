//! The clients that go by reqwest, for OAuth and by proxies, and what holds for the direct one too: no redirects, no `Referer`, a
//! time limit for the connection, signs of life on idle ones. Must never know what is sent. `http::egress` has the rules of
//! OAuth requests.

use std::iter;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, redirect};
use url::Url;

use super::address_guard::AddressGuard;
use super::error::{HttpError, classify};
use super::network::Network;
use super::resolver::Resolver;

pub(super) const OUR_NAME: &str = concat!("mcp-bridge/", env!("CARGO_PKG_VERSION"));
/// How long a connection may take to come about where nobody set another time.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The system probes a silent connection by itself, which wakes nobody here: often enough for the address translators on the
/// way, which forget one after a minute or more. A peer that is gone, after this machine slept say, is found within a minute.
pub(super) const TCP_KEEPALIVE: Duration = Duration::from_secs(30);
pub(super) const TCP_PROBES: u32 = 3;
pub(super) const TCP_PROBE_INTERVAL: Duration = Duration::from_secs(10);
/// HTTP/2 pings, through whatever stands before the server; not more often than once a minute, for each wakes the process.
/// A connection without an open stream is gone before the first one ([`IDLE`]). One with a stream has left the pool by then
/// and is taken for idle all the same, so idle ones are pinged too.
pub(super) const PING_INTERVAL: Duration = Duration::from_secs(75);
pub(super) const PING_TIMEOUT: Duration = Duration::from_secs(20);

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
    /// By the proxy that the settings or the environment name.
    Proxy,
}

/// Builds a client for one route; `url` is named if that fails.
pub(super) fn build(
    route: Route,
    network: &Network,
    guard: Option<Arc<AddressGuard>>,
    url: &Url,
    connect_timeout: Duration,
) -> Result<Client, HttpError> {
    let network = network.loaded();
    let mut builder = Client::builder()
        .user_agent(OUR_NAME)
        .redirect(redirect::Policy::none())
        .referer(false)
        .gzip(true)
        .connect_timeout(connect_timeout)
        .tcp_keepalive(TCP_KEEPALIVE)
        .tcp_keepalive_interval(TCP_PROBE_INTERVAL)
        .tcp_keepalive_retries(TCP_PROBES)
        .http2_keep_alive_interval(PING_INTERVAL)
        .http2_keep_alive_timeout(PING_TIMEOUT)
        .http2_keep_alive_while_idle(true)
        .pool_idle_timeout(route.idle_limit())
        .dns_resolver(Resolver { guard, ipv4_only: network.ipv4_only });
    if route != Route::Proxy {
        builder = builder.no_proxy();
    } else if let Some(proxy) = &network.proxy {
        builder = builder.proxy(proxy.clone());
    } else if !network.from_environment {
        builder = builder.no_proxy();
    }
    if route == Route::Plain {
        // Without a verifier of its own the client loads the certificates of the system, which nobody needs here.
        builder = builder.tls_certs_only(iter::empty());
    } else {
        if !network.roots.is_empty() {
            builder = builder.tls_certs_merge(network.roots.iter().cloned());
        }
        if let Some(identity) = &network.identity {
            builder = builder.identity(identity.clone());
        }
    }
    builder.build().map_err(|error| match classify(&error, url) {
        HttpError::Broken { url, reason } => HttpError::Tls { url, reason },
        other => other,
    })
}

impl Route {
    /// How long an idle connection is kept.
    pub(super) fn idle_limit(self) -> Duration {
        if self == Route::Plain { IDLE_PLAIN } else { IDLE }
    }

    /// The route to a URL.
    pub(super) fn of(url: &Url, network: &Network) -> Route {
        if network.is_proxied(url) {
            Route::Proxy
        } else if url.scheme() == "http" {
            Route::Plain
        } else {
            Route::Secure
        }
    }
}

#[cfg(test)]
mod tests {
    use hyper_util::client::proxy::matcher::Matcher;
    use url::Url;

    use super::{Network, Route};

    #[test]
    fn each_url_has_its_route() {
        let network =
            Network::with_matcher(Matcher::builder().all("http://proxy.example:3128").no("corp.example").build());
        let cases = [
            ("https://mcp.example.com/", Route::Proxy),
            ("http://mcp.example.com/", Route::Proxy),
            ("https://mcp.corp.example/", Route::Secure),
            ("http://mcp.corp.example/", Route::Plain),
            ("http://localhost:8000/", Route::Plain),
            ("https://127.0.0.1/", Route::Secure),
        ];
        for (url, expected) in cases {
            assert_eq!(Route::of(&Url::parse(url).unwrap(), &network), expected, "{url}");
        }
    }
}
