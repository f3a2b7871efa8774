//! How messages leave, and how their answers are read: one face for both clients, the direct one and the one that goes by a
//! proxy. Errors come named. Must never know what is sent.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, USER_AGENT};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::connect::HttpInfo;
use url::Url;

use super::body::Chunks;
use super::client::{OUR_NAME, Route, build};
use super::direct::{self, Direct};
use super::error::{HttpError, classify, classify_direct};
use super::network::Network;
use crate::safe_url::SafeUrl;

/// The client for messages to the upstream: no time limit in all, for a stream may last, and no address guard, for the
/// person named the upstream. Cheap to clone.
#[derive(Clone)]
pub struct MessageClient(Arc<Client>);

enum Client {
    Direct(Box<Direct>),
    Proxied(reqwest::Client),
}

/// Where a message goes: parsed once for all of them. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Target(Arc<(Url, Option<Uri>)>);

/// The answer to a message; its body is read as it is asked for.
pub struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    target: Target,
    peer: Option<SocketAddr>,
    length: Option<u64>,
    body: Body,
}

enum Body {
    Direct(direct::Body),
    Proxied(reqwest::Response),
}

impl MessageClient {
    /// Builds one; for https it loads the system's certificates, which takes milliseconds.
    ///
    /// # Errors
    /// [`HttpError::Tls`]: no certificates can be had, or the client's own will not do.
    pub fn build(upstream: &Url, network: &Network, connect_timeout: Duration) -> Result<Self, HttpError> {
        let route = Route::of(upstream, network);
        if route == Route::Proxy {
            let proxied = build(route, network, None, upstream, connect_timeout)?;
            return Ok(MessageClient(Arc::new(Client::Proxied(proxied))));
        }
        match Direct::build(route, network.loaded(), connect_timeout) {
            Ok(direct) => Ok(MessageClient(Arc::new(Client::Direct(Box::new(direct))))),
            Err(error) => Err(HttpError::Tls { url: SafeUrl::new(upstream), reason: error.to_string() }),
        }
    }

    /// How long one is kept once nothing goes by it any more.
    #[must_use]
    pub fn idle_limit(upstream: &Url, network: &Network) -> Duration {
        Route::of(upstream, network).idle_limit()
    }

    /// Sends one request. Redirects are not followed.
    ///
    /// # Errors
    /// [`HttpError`], which says whether the request can have reached the server.
    pub async fn send(
        &self,
        method: Method,
        target: &Target,
        headers: HeaderMap,
        body: Option<Bytes>,
    ) -> Result<Answer, HttpError> {
        match &*self.0 {
            Client::Direct(client) => {
                let insecure = || HttpError::InsecureUrl { url: SafeUrl::new(target.url()) };
                let uri = target.0.1.clone().ok_or_else(insecure)?;
                let mut request = Request::new(Full::new(body.unwrap_or_default()));
                (*request.method_mut(), *request.uri_mut(), *request.headers_mut()) = (method, uri, headers);
                request.headers_mut().entry(USER_AGENT).or_insert(HeaderValue::from_static(OUR_NAME));
                let answer = client.send(request).await;
                let answer = answer.map_err(|error| classify_direct(&error, error.is_connect(), target.url()))?;
                Ok(Answer::direct(answer, target.clone()))
            }
            Client::Proxied(client) => {
                let mut request = reqwest::Request::new(method, target.url().clone());
                *request.headers_mut() = headers;
                *request.body_mut() = body.map(Into::into);
                let answer = Box::pin(client.execute(request)).await.map_err(|error| classify(&error, target.url()))?;
                Ok(Answer::proxied(answer, target.clone()))
            }
        }
    }
}

impl fmt::Debug for MessageClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MessageClient").finish_non_exhaustive()
    }
}

impl Target {
    /// A URL as both clients want it.
    #[must_use]
    pub fn new(url: Url) -> Self {
        let uri = url.as_str().parse().ok();
        Target(Arc::new((url, uri)))
    }

    /// The URL.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.0.0
    }
}

impl Answer {
    fn direct(answer: http::Response<direct::Body>, target: Target) -> Self {
        let (mut parts, body) = answer.into_parts();
        let peer = parts.extensions.remove::<HttpInfo>().map(|info| info.remote_addr());
        let length = parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        let (status, headers) = (parts.status, parts.headers);
        Answer { status, headers, target, peer, length, body: Body::Direct(body) }
    }

    fn proxied(mut answer: reqwest::Response, target: Target) -> Self {
        let (status, headers) = (answer.status(), std::mem::take(answer.headers_mut()));
        let (peer, length) = (answer.remote_addr(), answer.content_length());
        Answer { status, headers, target, peer, length, body: Body::Proxied(answer) }
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The headers, as long as nobody has taken them.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Takes the headers.
    pub fn take_headers(&mut self) -> HeaderMap {
        std::mem::take(&mut self.headers)
    }

    /// Who is at the other end of the connection: a proxy, where one stands between.
    #[must_use]
    pub fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }
}

impl Chunks for Answer {
    fn url(&self) -> &Url {
        self.target.url()
    }

    fn length(&self) -> Option<u64> {
        self.length
    }

    async fn chunk(&mut self) -> Result<Option<Bytes>, HttpError> {
        match &mut self.body {
            Body::Proxied(answer) => answer.chunk().await.map_err(|error| classify(&error, self.target.url())),
            Body::Direct(body) => loop {
                let frame = match body {
                    direct::Body::Plain(body) => body.frame().await.map(|read| read.map_err(Into::into)),
                    direct::Body::Decoded(body) => body.frame().await,
                };
                match frame {
                    None => return Ok(None),
                    Some(Err(error)) => return Err(classify_direct(&*error, false, self.target.url())),
                    Some(Ok(frame)) => match frame.into_data() {
                        Ok(chunk) if !chunk.is_empty() => return Ok(Some(chunk)),
                        _ => {} // trailers, or nothing
                    },
                }
            },
        }
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("status", &self.status).finish_non_exhaustive()
    }
}
