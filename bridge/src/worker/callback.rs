//! The loopback page that the browser returns to (RFC 8252 §7.3; A10): one path, GET only, `Host` checked, and one
//! response for one sign-in. It must never judge a response itself (`oauth::authorization` does), nor show anything that
//! came with a request: `page` has constant bytes. Whatever does not belong to the sign-in changes nothing.

pub mod page;

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::{HOST, ORIGIN};
use http::{Method, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::task::JoinHandle;

use crate::problem::{Code, Problem};
use crate::settings::{RedirectHost, RedirectSettings};
use page::PageKind;

/// How long a connection may take to send its request: a browser may connect ahead and send nothing.
const REQUEST_LIMIT: Duration = Duration::from_secs(10);
/// How long the listener outlives the verdict, so that the last page reaches the browser.
const FLUSH_LIMIT: Duration = Duration::from_secs(1);
/// How many connections are served at a time.
const MAX_CONNECTIONS: usize = 64;
/// How long a request's head may be, in bytes: more than any redirect that a server may send.
const MAX_HEAD: usize = 64 * 1024;

/// A bound port of 127.0.0.1. From here on the system accepts connections; they are answered in [`Callback::wait`].
#[derive(Debug)]
pub struct Callback {
    /// 127.0.0.1, and ::1 once the name `localhost` is served.
    listeners: Vec<TcpListener>,
    port: u16,
    redirect: RedirectSettings,
}

impl Callback {
    /// Binds this port, or a free one. To be called before anything is opened: a server that knows the person redirects
    /// at once.
    pub async fn bind(port: Option<u16>) -> Result<Self, CallbackError> {
        let listener = listen(Ipv4Addr::LOCALHOST.into(), port.unwrap_or(0)).await?;
        let port = listener.local_addr().map_err(|source| CallbackError::Bind { port: 0, source })?.port();
        Ok(Callback { listeners: vec![listener], port, redirect: RedirectSettings::default() })
    }

    /// The same at the path that the person wants.
    #[must_use]
    pub fn at(mut self, redirect: &RedirectSettings) -> Self {
        self.redirect = redirect.clone();
        self
    }

    /// Serves this spelling and gives the redirect URI.
    ///
    /// # Errors
    /// Of the name: its port is another program's under IPv6.
    pub async fn serve(&mut self, host: RedirectHost) -> Result<String, CallbackError> {
        match host {
            RedirectHost::Address => Ok(self.redirect_uri()),
            RedirectHost::Name => self.serve_localhost().await,
        }
    }

    /// Also serves the name `localhost`, for a server that refuses the address in digits. Both families are bound, as
    /// another program on `[::1]` would get the code; a machine without IPv6 has no such program.
    pub async fn serve_localhost(&mut self) -> Result<String, CallbackError> {
        match listen(Ipv6Addr::LOCALHOST.into(), self.port).await {
            Ok(listener) => self.listeners.push(listener),
            Err(CallbackError::Bind { .. }) => {}
            Err(taken) => return Err(taken),
        }
        Ok(self.redirect.uri(RedirectHost::Name, Some(self.port)))
    }

    /// The redirect URI: the address in digits, as `localhost` may lead to another listener (RFC 8252 §8.3).
    #[must_use]
    pub fn redirect_uri(&self) -> String {
        self.redirect.uri(RedirectHost::Address, Some(self.port))
    }

    /// Waits for the response of this sign-in. `judge` gets each query, still encoded: None turns it away with a constant
    /// page, and the wait goes on; Some ends the wait, and the browser's page is held until [`Reply::finish`]. Dropping
    /// the future closes the port.
    pub async fn wait<T, J>(self, judge: J) -> Result<(T, Reply), CallbackError>
    where
        T: Send + 'static,
        J: FnMut(&str) -> Option<T> + Send + 'static,
    {
        let (settle, settled) = oneshot::channel();
        let door = Arc::new(Door {
            port: self.port,
            path: self.redirect.path,
            waiting: Mutex::new(Some((Box::new(judge), settle))),
        });
        let accepting = self.listeners.into_iter().map(|listener| tokio::spawn(accept(listener, Arc::clone(&door))));
        let listening = Listening(accepting.collect());
        let (value, page, closed) = settled.await.map_err(|_| CallbackError::Closed)?;
        Ok((value, Reply { page, closed, listening }))
    }
}

/// The browser's page, held back until it is known how the sign-in ended. Dropped without a verdict, it says that the
/// sign-in was not completed.
#[derive(Debug)]
#[must_use = "the browser waits for its page"]
pub struct Reply {
    page: oneshot::Sender<PageKind>,
    closed: watch::Receiver<()>,
    listening: Listening,
}

impl Reply {
    /// Releases the page, waits until it has reached the browser (a second at most) and closes the port.
    pub async fn finish(mut self, kind: PageKind) {
        if self.page.send(kind).is_ok() {
            // An error of `changed` is what is waited for: the connection is gone, its page written.
            let _ = tokio::time::timeout(FLUSH_LIMIT, self.closed.changed()).await;
        }
        for accepting in &mut self.listening.0 {
            accepting.abort();
            let _ = accepting.await;
        }
    }
}

/// The tasks that accept connections; dropping this closes the port.
#[derive(Debug)]
struct Listening(Vec<JoinHandle<()>>);

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.iter().for_each(JoinHandle::abort);
    }
}

/// What a response that settles the sign-in hands over: the value, where the page's kind goes, and a watch that ends
/// with the connection.
type Settled<T> = (T, oneshot::Sender<PageKind>, watch::Receiver<()>);

/// Whom the response is for, until it has come: who judges it, and where it goes.
type Waiting<T> = (Box<dyn FnMut(&str) -> Option<T> + Send>, oneshot::Sender<Settled<T>>);

/// What the connections share.
struct Door<T> {
    port: u16,
    /// The one path that is served.
    path: String,
    /// None once a response has settled the sign-in: it is handed over once.
    waiting: Mutex<Option<Waiting<T>>>,
}

/// What a query came to.
enum Verdict {
    TurnedAway,
    AlreadyDone,
    Held(oneshot::Receiver<PageKind>),
}

impl<T> Door<T> {
    fn judge(&self, query: &str, closed: watch::Receiver<()>) -> Verdict {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((judge, _)) = waiting.as_mut() else { return Verdict::AlreadyDone };
        let Some(value) = judge(query) else { return Verdict::TurnedAway };
        let (page, kind) = oneshot::channel();
        if let Some((_, settle)) = waiting.take() {
            // If nobody waits any more, `page` is dropped with the value, and the browser is told.
            let _ = settle.send((value, page, closed));
        }
        Verdict::Held(kind)
    }

    fn is_own_host(&self, host: &str) -> bool {
        let port = self.port;
        let is = |name: &str| {
            host.eq_ignore_ascii_case(&format!("{name}:{port}")) || (port == 80 && host.eq_ignore_ascii_case(name))
        };
        is("127.0.0.1") || is("localhost") || is("[::1]")
    }

    /// Why a request is not even judged: it came by another name (DNS rebinding), from a script or for another path.
    fn refusal<B>(&self, request: &Request<B>) -> Option<Response<Full<Bytes>>> {
        let mut hosts = request.headers().get_all(HOST).iter();
        let host = hosts.next().and_then(|host| host.to_str().ok());
        let is_own = host.is_some_and(|host| self.is_own_host(host)) && hosts.next().is_none();
        let is_own_target = request.uri().authority().is_none_or(|target| self.is_own_host(target.as_str()));
        if !is_own || !is_own_target {
            return Some(page::misdirected());
        }
        if request.headers().contains_key(ORIGIN) {
            return Some(page::forbidden());
        }
        if request.uri().path() != self.path {
            return Some(page::not_found());
        }
        (request.method() != Method::GET).then(page::wrong_method)
    }
}

async fn listen(address: IpAddr, port: u16) -> Result<TcpListener, CallbackError> {
    TcpListener::bind((address, port)).await.map_err(|source| match source.kind() {
        io::ErrorKind::AddrInUse => CallbackError::PortTaken { port },
        _ => CallbackError::Bind { port, source },
    })
}

/// Accepts until it is aborted.
async fn accept<T: Send + 'static>(listener: TcpListener, door: Arc<Door<T>>) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let door = Arc::clone(&door);
                tokio::spawn(async move {
                    serve(stream, door).await;
                    drop(place);
                });
            }
            Err(error) => {
                // Out of file descriptors, say: it passes, and a busy loop would not help.
                tracing::warn!("the callback cannot accept a connection: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Serves one connection, one request long. `open` falls only after the last byte was written.
async fn serve<T: Send + 'static>(stream: TcpStream, door: Arc<Door<T>>) {
    let (open, closed) = watch::channel(());
    let service = service_fn(move |request| answer(request, Arc::clone(&door), closed.clone()));
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_LIMIT)
        .keep_alive(false)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!("a connection to the callback ended early: {error}");
    }
    drop(open);
}

async fn answer<T>(
    request: Request<Incoming>,
    door: Arc<Door<T>>,
    closed: watch::Receiver<()>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if let Some(refusal) = door.refusal(&request) {
        tracing::debug!("a request to the callback was refused with status {}", refusal.status());
        return Ok(refusal);
    }
    Ok(match door.judge(request.uri().query().unwrap_or_default(), closed) {
        Verdict::TurnedAway => page::turned_away(),
        Verdict::AlreadyDone => page::already_done(),
        Verdict::Held(kind) => page::outcome(kind.await.unwrap_or(PageKind::NotCompleted)),
    })
}

/// Why there is no callback.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are what the message shows")]
pub enum CallbackError {
    /// Another program has the port.
    #[error("port {port} of 127.0.0.1 is taken by another program")]
    PortTaken { port: u16 },
    /// The port cannot be bound.
    #[error("cannot listen on port {port} of 127.0.0.1: {source}")]
    Bind { port: u16, source: io::Error },
    /// The listener ended before a response came.
    #[error("the callback was closed before the sign-in came back")]
    Closed,
}

impl CallbackError {
    /// The stable name.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            CallbackError::PortTaken { .. } | CallbackError::Bind { .. } => Code::CallbackPortTaken,
            CallbackError::Closed => Code::SignInInterrupted,
        }
    }

    /// What the person can do.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            CallbackError::PortTaken { .. } | CallbackError::Bind { .. } => {
                "stop the program that uses the port, or choose another one with `--callback-port`"
            }
            CallbackError::Closed => "run `mcp-bridge login URL` to try again",
        }
    }
}

impl From<CallbackError> for Problem {
    fn from(error: CallbackError) -> Problem {
        Problem::new(error.code(), error.to_string(), error.hint())
    }
}

#[cfg(test)]
mod tests;
