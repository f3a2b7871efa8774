//! The transport of MCP 2024-11-05 (T11): one stream brings everything, and names the URL that messages are POSTed to. Who
//! waits for which response is known here; what else comes goes to the listener. Read next: `exchange`, which sees a
//! response that comes by such a stream as the reply to its POST.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, StatusCode};
use tokio::sync::{oneshot, watch};
use tokio::task::AbortHandle;

use super::error::UpstreamError;
use super::exchange::{Reply, is_event_stream};
use super::stream::{Place, Stream};
use super::{Upstream, headers};
use crate::http::Target;
use crate::message::{self, Envelope, Kind};
use crate::safe_url::SafeUrl;
use crate::settings::Transport;
use crate::tokens::Purpose;

/// How long the first event may take.
const FIRST_EVENT: Duration = Duration::from_secs(10);

/// Who is told what the server says without being asked.
pub type Listener = Arc<dyn Fn(Bytes) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// What is known of this transport at one upstream.
#[derive(Debug, Default)]
pub(super) struct HttpSse {
    /// The server speaks it and nothing newer.
    spoken: AtomicBool,
    connection: Mutex<Option<Arc<Connection>>>,
}

/// One stream, which is one session.
#[derive(Debug)]
pub(super) struct Connection {
    /// Where messages are POSTed to.
    pub(super) endpoint: Target,
    /// By id, each with a number of its own: an id may be used again.
    waiting: Mutex<HashMap<Box<str>, Waiter>>,
    next_number: AtomicU64,
    broken: watch::Sender<bool>,
    reader: Mutex<Option<AbortHandle>>,
}

/// Who waits for a response, and its number.
type Waiter = (u64, oneshot::Sender<Bytes>);

/// The response to one request, by the stream.
#[derive(Debug)]
pub(super) struct Awaited {
    connection: Arc<Connection>,
    id: Box<str>,
    number: u64,
    response: Option<oneshot::Receiver<Bytes>>,
}

impl Upstream {
    /// POSTs an `initialize`, by the older transport where that was chosen or is known.
    ///
    /// # Errors
    /// As [`Upstream::post`]; where the server does not speak the transport that was chosen.
    pub async fn initialize(
        &self,
        message: Bytes,
        wanted: (Purpose, Instant),
        listener: Listener,
    ) -> Result<Reply, UpstreamError> {
        self.http_sse.close();
        if self.transport.transport == Transport::Sse || self.http_sse.spoken.load(Ordering::Relaxed) {
            self.connect(wanted, listener).await?;
            return self.post(message, wanted).await;
        }
        self.post(message, wanted).await
    }

    /// POSTs an `initialize` that was answered with this status once more by the older transport, where that may be what the
    /// server speaks; `None` where it is not.
    ///
    /// # Errors
    /// As [`Upstream::initialize`].
    pub async fn initialize_older(
        &self,
        message: Bytes,
        wanted: (Purpose, Instant),
        listener: Listener,
        status: StatusCode,
    ) -> Result<Option<Reply>, UpstreamError> {
        let may_be_older =
            matches!(status, StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED);
        if self.transport.transport != Transport::Auto || !may_be_older || self.speaks_http_sse() {
            return Ok(None);
        }
        match self.connect(wanted, listener).await {
            Ok(()) => {
                tracing::info!("`{}` speaks HTTP+SSE, the transport of 2024-11-05", self.shown);
                self.post(message, wanted).await.map(Some)
            }
            Err(error @ UpstreamError::EndpointElsewhere(_)) => Err(error),
            Err(error) => {
                tracing::debug!("`{}` does not speak HTTP+SSE either: {error}", self.shown);
                Ok(None)
            }
        }
    }

    /// Whether everything comes by one stream: there is no other to be opened.
    #[must_use]
    pub fn speaks_http_sse(&self) -> bool {
        self.http_sse.connection().is_some()
    }

    /// Resolves once the stream that brings everything is broken.
    pub async fn http_sse_broken(&self) {
        let Some(connection) = self.http_sse.connection() else { return };
        let _ = connection.broken.subscribe().wait_for(|broken| *broken).await;
    }

    /// Opens the stream and learns where messages go.
    async fn connect(&self, (purpose, arrived): (Purpose, Instant), listener: Listener) -> Result<(), UpstreamError> {
        let headers = |session: &_| headers::of_get(&self.headers, session, &[]);
        let (response, _, sent) =
            self.send(Method::GET, &self.target, (self.session(), headers), None, (purpose, arrived)).await?;
        let status = response.status();
        if !status.is_success() || !is_event_stream(response.headers()) {
            return Err(UpstreamError::NoStream(status));
        }
        let url = self.target.url();
        let mut stream = self.stream(response, sent, Place::default());
        let named = tokio::time::timeout(FIRST_EVENT, stream.endpoint()).await;
        let named = named.map_err(|_| UpstreamError::Silent(FIRST_EVENT))??;
        let named = named.ok_or(UpstreamError::NoStream(status))?;
        let endpoint = url.join(&named).map_err(|_| UpstreamError::EndpointElsewhere(SafeUrl::from_text(&named)))?;
        if endpoint.origin() != url.origin() {
            return Err(UpstreamError::EndpointElsewhere(SafeUrl::new(&endpoint)));
        }
        self.http_sse.spoken.store(true, Ordering::Relaxed);
        let connection = Connection::new(Target::new(endpoint));
        let reader = tokio::spawn(read(Arc::downgrade(&connection), stream, listener));
        *lock(&connection.reader) = Some(reader.abort_handle());
        *lock(&self.http_sse.connection) = Some(connection);
        Ok(())
    }
}

impl HttpSse {
    pub(super) fn connection(&self) -> Option<Arc<Connection>> {
        lock(&self.connection).clone()
    }

    /// Gives up the stream: nothing more comes by it, and who waits there is told.
    pub(super) fn close(&self) {
        if let Some(connection) = lock(&self.connection).take() {
            connection.is_broken();
        }
    }
}

impl Connection {
    /// Waits for the response to a message, if it is a request. `None` for any other.
    ///
    /// # Errors
    /// [`UpstreamError::SessionLost`]: the stream is broken, and nothing could come by it.
    pub(super) fn await_response(self: &Arc<Self>, message: &[u8]) -> Result<Option<Awaited>, UpstreamError> {
        if *self.broken.borrow() {
            return Err(UpstreamError::SessionLost);
        }
        let envelope = Envelope::parse(message).ok().filter(|envelope| envelope.kind == Kind::Request);
        let Some(id) = envelope.and_then(|envelope| envelope.id) else { return Ok(None) };
        let (tell, told) = oneshot::channel();
        let number = self.next_number.fetch_add(1, Ordering::Relaxed);
        lock(&self.waiting).insert(id.into(), (number, tell));
        Ok(Some(Awaited { connection: self.clone(), id: id.into(), number, response: Some(told) }))
    }

    /// Gives a response to whoever waits for it, or the message back.
    fn take(&self, message: Bytes) -> Option<Bytes> {
        let Ok(envelope) = Envelope::parse(&message) else { return Some(message) };
        let (Kind::Response, Some(id)) = (envelope.kind, envelope.id) else { return Some(message) };
        let mut waiting = lock(&self.waiting);
        let known = match waiting.contains_key(id) {
            true => Some(id.into()),
            false => waiting.keys().find(|known| message::same_id(known, id)).cloned(),
        };
        match known.and_then(|known: Box<str>| waiting.remove(&known)) {
            Some((_, waiter)) => {
                let _ = waiter.send(message);
                None
            }
            None => Some(message),
        }
    }
}

impl Connection {
    fn new(endpoint: Target) -> Arc<Self> {
        let (waiting, broken) = (Mutex::default(), watch::Sender::new(false));
        Arc::new(Connection { endpoint, waiting, next_number: AtomicU64::new(0), broken, reader: Mutex::default() })
    }

    /// Nothing more comes by it.
    fn is_broken(&self) {
        self.broken.send_replace(true);
        lock(&self.waiting).clear();
        if let Some(reader) = lock(&self.reader).take() {
            reader.abort();
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.is_broken();
    }
}

impl Awaited {
    /// The response; afterwards nothing more comes.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, UpstreamError> {
        match self.response.take() {
            Some(response) => response.await.map(Some).map_err(|_| UpstreamError::StreamEnded),
            None => Ok(None),
        }
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        let mut waiting = lock(&self.connection.waiting);
        if waiting.get(&self.id).is_some_and(|(number, _)| *number == self.number) {
            waiting.remove(&self.id);
        }
    }
}

/// Hands out what comes, in its order, until the stream ends or its connection is given up.
async fn read(connection: Weak<Connection>, mut stream: Stream, listener: Listener) {
    loop {
        let message = match stream.next().await {
            Ok(Some(message)) => message,
            Ok(None) => break,
            Err(error) => {
                tracing::debug!("the stream of HTTP+SSE broke: {error}");
                break;
            }
        };
        let Some(connection) = connection.upgrade() else { return };
        if let Some(message) = connection.take(message) {
            listener(message).await;
        }
    }
    if let Some(connection) = connection.upgrade() {
        connection.is_broken();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection() -> Arc<Connection> {
        let endpoint = Target::new(url::Url::parse("http://127.0.0.1/messages").unwrap());
        Connection::new(endpoint)
    }

    #[tokio::test]
    async fn t11_a_response_on_the_stream_goes_to_its_request_and_anything_else_to_the_listener() {
        let connection = connection();
        let request = br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
        let mut awaited = connection.await_response(request).unwrap().unwrap();
        let notification = Bytes::from_static(br#"{"jsonrpc":"2.0","method":"notifications/progress"}"#);
        assert_eq!(connection.take(notification.clone()), Some(notification));
        let other = Bytes::from_static(br#"{"jsonrpc":"2.0","id":2,"result":{}}"#);
        assert_eq!(connection.take(other.clone()), Some(other));
        let response = Bytes::from_static(br#"{"jsonrpc":"2.0","id":1.0,"result":{}}"#);
        assert_eq!(connection.take(response.clone()), None);
        assert_eq!(awaited.next().await.unwrap(), Some(response));
        assert_eq!(awaited.next().await.unwrap(), None);
    }

    #[tokio::test]
    async fn t11_nobody_waits_on_a_broken_stream_and_who_is_gone_is_forgotten() {
        let connection = connection();
        let request = br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
        drop(connection.await_response(request).unwrap());
        assert!(lock(&connection.waiting).is_empty());
        assert!(connection.await_response(br#"{"jsonrpc":"2.0","method":"x"}"#).unwrap().is_none());
        connection.broken.send_replace(true);
        assert!(matches!(connection.await_response(request), Err(UpstreamError::SessionLost)));
    }
}
