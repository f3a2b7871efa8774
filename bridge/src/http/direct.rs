//! The client for messages where no proxy stands between: hyper's own, for on this path every step counts. It dials, speaks
//! TLS, keeps connections and decodes; it follows no redirect and adds no header but its own two. `http::client` decides
//! who goes by it.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING};
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;
use tower_http::decompression::{Decompression, DecompressionBody};
use tower_service::Service;

use super::client::{PING_INTERVAL, PING_TIMEOUT, Route, TCP_KEEPALIVE, TCP_PROBE_INTERVAL, TCP_PROBES};
use super::network::Loaded;
use super::resolver::Resolver;

/// A body as it comes.
pub(super) enum Body {
    /// In no encoding.
    Plain(Incoming),
    /// What is taken out of an encoding that was offered.
    Decoded(Pin<Box<DecompressionBody<Incoming>>>),
}

/// Why there is no answer.
pub(super) type Failure = hyper_util::client::legacy::Error;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

type Connector = InTime<HttpsConnector<HttpConnector<Resolver>>>;

/// The client.
pub(super) struct Direct(Client<Connector, Full<Bytes>>);

impl Direct {
    /// A client by this route, which is no proxy's. For https it loads the certificates of the system.
    pub(super) fn build(route: Route, network: &Loaded, connect_timeout: Duration) -> Result<Self, rustls::Error> {
        let mut connector = HttpConnector::new_with_resolver(Resolver { guard: None, ipv4_only: network.ipv4_only });
        connector.enforce_http(false);
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(connect_timeout));
        connector.set_keepalive(Some(TCP_KEEPALIVE));
        connector.set_keepalive_interval(Some(TCP_PROBE_INTERVAL));
        connector.set_keepalive_retries(Some(TCP_PROBES));
        let tls = tls(route, network)?;
        let https = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_all_versions();
        let connector = InTime { connector: https.wrap_connector(connector), limit: connect_timeout };
        // Without a timer for the pool: it would wake the process for as long as the client lives.
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_idle_timeout(route.idle_limit())
            .http2_keep_alive_interval(PING_INTERVAL)
            .http2_keep_alive_timeout(PING_TIMEOUT)
            .http2_keep_alive_while_idle(true)
            .build(connector);
        Ok(Direct(client))
    }

    pub(super) async fn send(&self, mut request: Request<Full<Bytes>>) -> Result<Response<Body>, Failure> {
        request.headers_mut().entry(ACCEPT_ENCODING).or_insert(HeaderValue::from_static("gzip"));
        let response = self.0.request(request).await?;
        if !response.headers().contains_key(CONTENT_ENCODING) {
            return Ok(response.map(Body::Plain));
        }
        let Ok(response) = Decompression::new(Received(Some(response))).call(Request::new(())).await;
        Ok(response.map(|body| Body::Decoded(Box::pin(body))))
    }
}

/// A response that is there already, for the layer that decodes it.
struct Received(Option<Response<Incoming>>);

impl Service<Request<()>> for Received {
    type Response = Response<Incoming>;
    type Error = Infallible;
    type Future = Once;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Once {
        Once(self.0.take())
    }
}

/// Gives it, once.
struct Once(Option<Response<Incoming>>);

impl Future for Once {
    type Output = Result<Response<Incoming>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.take().map_or(Poll::Pending, |response| Poll::Ready(Ok(response)))
    }
}

/// What plain http has no use for loads nothing.
fn tls(route: Route, network: &Loaded) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(CryptoProvider { ..aws_lc_rs::default_provider() });
    let builder = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
    if route == Route::Plain {
        return Ok(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth());
    }
    let verifier = Verifier::new_with_extra_roots(network.trusted.iter().cloned(), provider)?;
    let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
    match &network.client_auth {
        Some((chain, key)) => builder.with_client_auth_cert(chain.clone(), key.clone_key()),
        None => Ok(builder.with_no_client_auth()),
    }
}

/// A connector with a limit for all of it, the TLS handshake too.
#[derive(Clone)]
struct InTime<C> {
    connector: C,
    limit: Duration,
}

/// There was no connection in time.
#[derive(Debug, thiserror::Error)]
#[error("it took too long")]
pub(super) struct NotInTime;

impl<C> Service<Uri> for InTime<C>
where
    C: Service<Uri>,
    C::Error: Into<BoxError>,
    C::Future: Send + 'static,
{
    type Response = C::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<C::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.connector.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let connecting = tokio::time::timeout(self.limit, self.connector.call(uri));
        Box::pin(async move { connecting.await.map_err(|_| NotInTime)?.map_err(Into::into) })
    }
}
