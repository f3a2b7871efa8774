//! The port, open or closed: connections are served while it is open; while it is closed clients are refused, yet it
//! is held, so that the system gives it to nobody who asks for a free one. It knows nothing of what is served; paths are in `router.rs`.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

use crate::faults::answer::NoAnswer;
use crate::state::lock;
use crate::wire::{Control, Fate, Wire};

/// How many connections may wait to be accepted.
const BACKLOG: u32 = 1024;

/// How long a client may take for its TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(30);

/// What connections are served with.
#[derive(Clone)]
struct Service {
    router: Router,
    /// Without it, HTTP/1.1 in the clear; with it, TLS and what ALPN agrees on.
    tls: Option<TlsAcceptor>,
}

/// One port; dropping it closes it with all its connections.
pub(crate) struct Port {
    address: SocketAddr,
    service: Service,
    place: Mutex<Place>,
}

enum Place {
    /// Served by a task that ends when its sender goes.
    Open { _end: oneshot::Sender<()>, served: JoinHandle<()> },
    /// Closed, and held by a socket that does not listen, if it could be had.
    Closed(Option<TcpSocket>),
}

impl Port {
    /// Serves what comes in by this listener, which has this address.
    pub(crate) fn open(listener: TcpListener, address: SocketAddr, router: Router, tls: Option<TlsAcceptor>) -> Self {
        let service = Service { router, tls };
        let place = Mutex::new(served(listener, service.clone()));
        Port { address, service, place }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes the port; when it returns, every connection is closed too.
    pub(crate) async fn close(&self) {
        let place = std::mem::replace(&mut *lock(&self.place), Place::Closed(None));
        let held = match place {
            Place::Closed(held) => held,
            Place::Open { _end: end, served } => {
                drop(end);
                // A panic of the task would be the only error: then it has ended all the same.
                let _ = served.await;
                held(self.address).ok()
            }
        };
        *lock(&self.place) = Place::Closed(held);
    }

    /// Opens the port again; nothing changes if it is open.
    pub(crate) fn reopen(&self) -> io::Result<()> {
        let mut place = lock(&self.place);
        if let Place::Closed(socket) = &mut *place {
            let socket = match socket.take() {
                Some(socket) => socket,
                None => held(self.address)?,
            };
            *place = served(socket.listen(BACKLOG)?, self.service.clone());
        }
        Ok(())
    }
}

fn held(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Connections that just ended still count as users of the port. On Windows the option would let others in.
    if cfg!(not(windows)) {
        socket.set_reuseaddr(true)?;
    }
    socket.bind(address)?;
    Ok(socket)
}

fn served(listener: TcpListener, service: Service) -> Place {
    let (end, ended) = oneshot::channel();
    Place::Open { _end: end, served: tokio::spawn(serve(listener, service, ended)) }
}

/// Accepts until the end; then the listener goes first, the connections after it.
async fn serve(listener: TcpListener, service: Service, mut ended: oneshot::Receiver<()>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut ended => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, service.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection was not accepted");
                    // Most often out of file descriptors: trying again at once would only burn time.
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
    drop(listener);
    connections.shutdown().await;
}

/// Why a connection ends without an answer: a fault wants it so.
#[derive(Debug, thiserror::Error)]
#[error("the answer is lost on purpose")]
struct NothingSent;

async fn connection(stream: TcpStream, service: Service) {
    // Small events must not wait for a full packet.
    let _ = stream.set_nodelay(true);
    let control = Control::new();
    let stream = Wire::new(stream, control.clone());
    let Some(tls) = service.tls else { return spoken(stream, control, service.router, false).await };
    match tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await {
        Ok(Ok(stream)) => {
            let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            spoken(stream, control, service.router, http2).await;
        }
        Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake was broken off"),
        Err(_) => tracing::debug!("a TLS handshake took too long"),
    }
}

/// Speaks HTTP/2, or HTTP/1.1.
async fn spoken<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    control: Arc<Control>,
    router: Router,
    http2: bool,
) {
    let router = TowerToHyperService::new(router);
    let fates = control.clone();
    let service = service_fn(move |request| {
        let response = router.call(request);
        let fates = fates.clone();
        async move {
            let Ok(response) = response.await;
            if let Some(fate) = response.extensions().get::<Fate>() {
                fates.decide(*fate, http2);
            }
            // An error makes hyper close the connection without a byte; of HTTP/2, the stream.
            if response.extensions().get::<NoAnswer>().is_some() { Err(NothingSent) } else { Ok(response) }
        }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new());
    builder.http2().timer(TokioTimer::new());
    let builder = if http2 { builder.http2_only() } else { builder.http1_only() };
    let mut served = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let mut closing = false;
    let ended = loop {
        tokio::select! {
            ended = served.as_mut() => break ended,
            () = control.idle_for_too_long(), if !closing => {
                closing = true;
                served.as_mut().graceful_shutdown();
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended");
    }
}
