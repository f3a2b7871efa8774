//! The remote MCP server over Streamable HTTP: one message is one exchange. It asks `tokens` for the token and shows it
//! every answer, and it must never know whose message it carries, nor how a token comes to be.
//! Read next: [`exchange`], then [`sse`].

mod connections;
mod cookies;
pub mod error;
pub mod exchange;
pub mod headers;
pub mod http_sse;
pub mod modern;
pub mod pace;
pub mod resumption;
pub mod retry;
pub mod session;
pub mod sse;
pub mod standalone_stream;
pub mod stream;
mod tool_headers;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue, Method};
use tokio::sync::Notify;
use tokio::time::timeout;
use url::Url;

use self::connections::Connections;
use self::cookies::Cookies;
use self::error::UpstreamError;
use self::http_sse::HttpSse;
use self::session::Session;
use self::stream::{Limits, Place, Stream};
use self::tool_headers::ToolHeaders;
use crate::http::{Answer, HttpError, MessageClient, Network, Target};
use crate::message::Envelope;
use crate::safe_url::SafeUrl;
use crate::settings::TransportSettings;
pub use crate::tokens::Purpose;
use crate::tokens::{Keeper, Verdict};

/// How long the goodbye to a session may take.
const GOODBYE: Duration = Duration::from_millis(700);

/// One remote server.
#[derive(Debug)]
pub struct Upstream {
    target: Target,
    shown: SafeUrl,
    /// The headers that the person added.
    headers: HeaderMap,
    tokens: Keeper,
    /// How it is reached.
    network: Network,
    /// How messages go.
    transport: TransportSettings,
    /// None where the person wants none (T15).
    cookies: Option<Cookies>,
    /// Opened when the first message goes: TLS roots take milliseconds to load.
    connections: Connections,
    /// How long they are kept once nothing goes by them.
    idle_limit: Duration,
    session: Mutex<Session>,
    http_sse: HttpSse,
    /// Which parameters of tools go as headers too (T14).
    tools: ToolHeaders,
    /// It has answered once, whatever it said.
    reached: AtomicBool,
    admitted: Notify,
    /// Somebody waits for that.
    awaits_admission: AtomicBool,
}

impl Upstream {
    /// The server at `url`. Nothing is connected yet.
    #[must_use]
    pub fn new(url: Url, headers: HeaderMap, tokens: Keeper, network: Network, transport: TransportSettings) -> Self {
        let shown = SafeUrl::new(&url);
        Upstream {
            idle_limit: MessageClient::idle_limit(&url, &network),
            target: Target::new(url),
            shown,
            headers,
            tokens,
            network,
            cookies: transport.cookies.then(Cookies::new),
            transport,
            connections: Connections::default(),
            session: Mutex::default(),
            http_sse: HttpSse::default(),
            tools: ToolHeaders::default(),
            reached: AtomicBool::new(false),
            admitted: Notify::new(),
            awaits_admission: AtomicBool::new(false),
        }
    }

    /// The URL as it may be shown.
    #[must_use]
    pub fn shown(&self) -> &SafeUrl {
        &self.shown
    }

    /// The session as the last `initialize` set it up.
    #[must_use]
    pub fn session(&self) -> Session {
        self.lock_session().clone()
    }

    /// Whether a handshake has set up a session.
    #[must_use]
    pub fn is_in_session(&self) -> bool {
        self.lock_session().is_negotiated()
    }

    /// Learns from the response to a modern `tools/list` what goes as headers, and gives it without the tools that break the
    /// rules of that (T14).
    #[must_use]
    pub fn learn_tools(&self, response: Bytes) -> Bytes {
        self.tools.learn(response)
    }

    /// Takes over what the answer to `initialize` sets up (T3); what came before is over.
    pub fn begin_session(&self, headers: &HeaderMap, response: &Envelope<'_>) {
        *self.lock_session() = Session::from_initialize(headers, response);
    }

    /// A handshake was answered from `server/discover`: the host speaks this legacy revision, the server none.
    pub fn begin_modern(&self, host_revision: &str) {
        *self.lock_session() = Session::of_modern(host_revision);
    }

    /// Forgets the session, before a new `initialize`: it must not carry the old one's id. Gives the session that was.
    pub fn forget_session(&self) -> Session {
        std::mem::take(&mut *self.lock_session())
    }

    /// The end: nothing more is sent but the goodbye.
    pub async fn end(&self) {
        self.http_sse.close();
        tokio::join!(self.end_session(self.session()), self.tokens.noted());
    }

    /// Says goodbye to a session, if it has an id (H7). Whatever the server says to it changes nothing.
    pub async fn end_session(&self, session: Session) {
        let (Some(_), Ok(client)) = (&session.id, self.client()) else { return };
        let mut headers = headers::of_session(&self.headers, &session);
        headers::authorize(&mut headers, self.tokens.at_hand(&Method::DELETE, self.target.url()));
        headers.extend(self.tokens.supplied_at_hand());
        self.add_cookies(&mut headers, self.target.url());
        match timeout(GOODBYE, client.send(Method::DELETE, &self.target, headers, None)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::debug!("goodbye to the session: {error}"),
            Err(_) => tracing::debug!("goodbye to the session: no answer in time"),
        }
    }

    /// The next message asks the store for its token: somebody may have signed in elsewhere.
    pub fn look_at_the_store_again(&self) {
        self.tokens.forget_held();
    }

    /// Whether it has ever answered: where it has not, its URL may be wrong, and nobody waits for what may never be.
    #[must_use]
    pub fn was_reached(&self) -> bool {
        self.reached.load(Ordering::Relaxed)
    }

    /// Resolves at the next exchange that goes with a token and is not refused.
    pub async fn admitted(&self) {
        let admitted = self.admitted.notified();
        self.awaits_admission.store(true, Ordering::Relaxed);
        admitted.await;
    }

    /// Sends one request of HTTP with whatever token it takes: the answer is never a 401 that a token could mend. Also
    /// says whether it went with a session id, and which secrets. The session is one for all tries: while it waits here for
    /// a token the session may be begun anew, and a message that goes without one is no answer to that. With the old one it
    /// finds out (T6).
    async fn send(
        &self,
        method: Method,
        target: &Target,
        (session, headers): (Session, impl Fn(&Session) -> HeaderMap),
        body: Option<Bytes>,
        (purpose, arrived): (Purpose, Instant),
    ) -> Result<(Answer, bool, Vec<HeaderValue>), UpstreamError> {
        let client = self.client()?;
        let mut pass = self.tokens.pass(purpose, arrived);
        let mut target = target.clone();
        let mut redirects = 0;
        loop {
            let mut headers = headers(&session);
            let authorization = pass.authorize(&method, target.url()).await?;
            let with_token = authorization.is_some();
            headers::authorize(&mut headers, authorization);
            headers.extend(pass.supplied().await?);
            self.add_cookies(&mut headers, target.url());
            let sent = headers::secret_values(&headers);
            let response = client.send(method.clone(), &target, headers, body.clone()).await.inspect_err(|error| {
                // Where one connection is dead, those that idle beside it mostly are too.
                if matches!(error, HttpError::Broken { .. }) {
                    self.connections.give_up();
                }
            })?;
            self.reached.store(true, Ordering::Relaxed);
            if let Some(cookies) = &self.cookies {
                cookies.keep(target.url(), response.headers());
            }
            if let Some(to) = exchange::same_origin_redirect(&response, target.url())? {
                redirects += 1;
                if redirects > exchange::MAX_REDIRECTS {
                    return Err(UpstreamError::Redirect { status: response.status(), to: SafeUrl::new(&to) });
                }
                target = Target::new(to);
                continue;
            }
            match pass.observe(response.status(), response.headers(), response.peer()).await? {
                Verdict::GoOn => {
                    if with_token && self.awaits_admission.load(Ordering::Relaxed) {
                        self.awaits_admission.store(false, Ordering::Relaxed);
                        self.admitted.notify_waiters();
                    }
                    return Ok((response, session.id.is_some(), sent));
                }
                Verdict::SendAgain => {}
            }
        }
    }

    /// A `Cookie` header of the person's stands instead.
    fn add_cookies(&self, headers: &mut HeaderMap, to: &Url) {
        if let Some(header) = self.cookies.as_ref().and_then(|cookies| cookies.header(to))
            && !headers.contains_key(COOKIE)
        {
            headers.insert(COOKIE, header);
        }
    }

    fn stream(&self, response: Answer, sent: Vec<HeaderValue>, place: Place) -> Stream {
        let limits = Limits { message: self.transport.max_message, idle: self.transport.idle_timeout };
        Stream::new(response, sent, limits, place)
    }

    fn client(&self) -> Result<MessageClient, HttpError> {
        self.connections.client(self.idle_limit, || {
            MessageClient::build(self.target.url(), &self.network, self.transport.connect_timeout)
        })
    }

    fn lock_session(&self) -> MutexGuard<'_, Session> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
