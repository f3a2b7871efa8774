//! A server that says what a test tells it to, to the byte: for answers that no honest server gives, or gives too late. It
//! speaks just enough HTTP/1.1 for a client that keeps its connections.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::PATIENCE;

/// One request as it came.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The HTTP method.
    pub http: String,
    /// The path with its query.
    pub path: String,
    /// The headers, their names in small letters.
    pub headers: BTreeMap<String, String>,
    /// The body; null where there is none.
    pub json: Value,
}

/// What to do with a request.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Say this; the connection stays.
    Say(String),
    /// Say this and leave it at that: nothing more comes, and the connection stays open.
    SayAndHang(String),
}

/// A server that runs until it is dropped.
#[derive(Debug)]
pub struct Scripted {
    /// The MCP endpoint.
    pub url: String,
    /// Scheme and address of it.
    pub origin: String,
    log: watch::Receiver<Vec<Seen>>,
    /// How many answers are left open.
    open: watch::Sender<usize>,
    task: JoinHandle<()>,
}

type Script = Arc<Mutex<dyn FnMut(&Seen) -> Answer + Send>>;

impl Seen {
    /// The JSON-RPC method; empty for a response.
    pub fn method(&self) -> &str {
        self.json["method"].as_str().unwrap_or_default()
    }

    /// Whether this is that HTTP method with that JSON-RPC method.
    pub fn is(&self, http: &str, method: &str) -> bool {
        self.http == http && self.method() == method
    }
}

impl Answer {
    /// An answer with a status line, headers (each with its line end) and a body of known length.
    pub fn whole(status: &str, headers: &str, body: &str) -> Self {
        let length = body.len();
        Answer::Say(format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\n\r\n{body}"))
    }

    /// A JSON body.
    pub fn json(status: &str, body: &Value) -> Self {
        Answer::whole(status, "content-type: application/json\r\n", &body.to_string())
    }

    /// An event stream with these bytes, left open.
    pub fn open_stream(events: &str) -> Self {
        let mut said =
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n".to_owned();
        if !events.is_empty() {
            said.push_str(&format!("{:x}\r\n{events}\r\n", events.len()));
        }
        Answer::SayAndHang(said)
    }

    /// What an honest server without tokens says: a session for `initialize`, an empty result for other requests, 202 for
    /// what has no answer, no GET stream.
    pub fn honest(seen: &Seen) -> Self {
        match (seen.http.as_str(), seen.method()) {
            ("POST", "initialize") => Answer::session("s1", seen),
            ("POST", _) if seen.json["id"].is_null() || seen.json["method"].is_null() => {
                Answer::whole("202 Accepted", "", "")
            }
            ("POST", _) => Answer::json("200 OK", &json!({"jsonrpc": "2.0", "id": seen.json["id"], "result": {}})),
            ("GET", _) => Answer::whole("405 Method Not Allowed", "", ""),
            _ => Answer::whole("204 No Content", "", ""),
        }
    }

    /// What an honest server says to a sign-in; `None` where the request is for MCP. Refused where `denied`. Every token is
    /// good, each code and refresh token gives another one.
    pub fn sign_in(seen: &Seen, denied: bool) -> Option<Self> {
        let origin = format!("http://{}", seen.headers.get("host")?);
        let path = seen.path.split('?').next()?;
        Some(match path {
            "/mcp" => return None,
            "/.well-known/oauth-protected-resource/mcp" => {
                Answer::json("200 OK", &json!({"resource": format!("{origin}/mcp"), "authorization_servers": [origin]}))
            }
            "/.well-known/oauth-authorization-server" => Answer::json("200 OK", &server_metadata(&origin)),
            "/register" => {
                let mut client = seen.json.clone();
                client["client_id"] = "c".into();
                Answer::json("201 Created", &client)
            }
            "/authorize" => {
                let url = url::Url::parse(&format!("{origin}{}", seen.path)).ok()?;
                let query: BTreeMap<_, _> = url.query_pairs().collect();
                let mut back = url::Url::parse(query.get("redirect_uri")?).ok()?;
                let (name, value) = if denied { ("error", "access_denied") } else { ("code", "x") };
                back.query_pairs_mut().append_pair(name, value).append_pair("state", query.get("state")?);
                Answer::whole("302 Found", &format!("location: {back}\r\n"), "")
            }
            "/token" => Answer::json(
                "200 OK",
                &json!({"access_token": unique(), "token_type": "Bearer", "expires_in": 3600, "refresh_token": unique()}),
            ),
            _ => Answer::whole("404 Not Found", "", ""),
        })
    }

    /// The demand for a token.
    pub fn unauthorized() -> Self {
        Answer::whole("401 Unauthorized", "www-authenticate: Bearer\r\n", "")
    }

    /// A session with this id, as the answer to `initialize`.
    pub fn session(id: &str, seen: &Seen) -> Self {
        let result = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {"name": "scripted", "version": "1"}});
        let body = json!({"jsonrpc": "2.0", "id": seen.json["id"], "result": result}).to_string();
        let headers = format!("content-type: application/json\r\nmcp-session-id: {id}\r\n");
        Answer::whole("200 OK", &headers, &body)
    }
}

impl Scripted {
    /// Starts one.
    ///
    /// # Panics
    /// Where there is no free port.
    pub async fn start(script: impl FnMut(&Seen) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let origin = format!("http://{}", listener.local_addr().expect("an address"));
        let url = format!("{origin}/mcp");
        let (log, seen) = watch::channel(Vec::new());
        let open = watch::Sender::new(0);
        let script: Script = Arc::new(Mutex::new(script));
        let counted = open.clone();
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, script.clone(), log.clone(), counted.clone()));
            }
        });
        Scripted { url, origin, log: seen, open, task }
    }

    /// Everything that came.
    pub fn log(&self) -> Vec<Seen> {
        self.log.borrow().clone()
    }

    /// How often that came.
    pub fn count(&self, http: &str, method: &str) -> usize {
        self.log().iter().filter(|seen| seen.is(http, method)).count()
    }

    /// Waits until the log is as wanted.
    ///
    /// # Panics
    /// Where it is not for [`PATIENCE`].
    pub async fn wait_for(&self, wanted: impl Fn(&[Seen]) -> bool) {
        let mut log = self.log.clone();
        let found = tokio::time::timeout(PATIENCE, log.wait_for(|log| wanted(log))).await.is_ok();
        assert!(found, "not in {:#?}", self.log());
    }

    /// Waits until so many answers are left open by both sides.
    ///
    /// # Panics
    /// Where that is not so for [`PATIENCE`].
    pub async fn wait_for_open(&self, wanted: usize) {
        let mut open = self.open.subscribe();
        let found = tokio::time::timeout(PATIENCE, open.wait_for(|open| *open == wanted)).await.is_ok();
        assert!(found, "{} are open", *self.open.borrow());
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Good metadata of an authorization server (RFC 8414 §2) at this origin.
pub fn server_metadata(origin: &str) -> Value {
    json!({"issuer": origin, "authorization_endpoint": format!("{origin}/authorize"),
        "token_endpoint": format!("{origin}/token"), "registration_endpoint": format!("{origin}/register"),
        "response_types_supported": ["code"], "code_challenge_methods_supported": ["S256"]})
}

/// A value that is there once.
fn unique() -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    format!("scripted-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

async fn serve(stream: TcpStream, script: Script, log: watch::Sender<Vec<Seen>>, open: watch::Sender<usize>) {
    let mut stream = BufReader::new(stream);
    while let Some(seen) = read(&mut stream).await {
        let answer = (script.lock().expect("no panic"))(&seen);
        log.send_modify(|log| log.push(seen));
        let (said, hangs) = match answer {
            Answer::Say(said) => (said, false),
            Answer::SayAndHang(said) => (said, true),
        };
        if stream.write_all(said.as_bytes()).await.is_err() {
            return;
        }
        if hangs {
            // Until the client closes it.
            open.send_modify(|open| *open += 1);
            let _ = stream.read(&mut [0; 1]).await;
            open.send_modify(|open| *open -= 1);
            return;
        }
    }
}

async fn read(stream: &mut BufReader<TcpStream>) -> Option<Seen> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let (http, path) = lines.first()?.strip_suffix(" HTTP/1.1")?.split_once(' ')?;
    let (http, path) = (http.to_owned(), path.to_owned());
    let headers: BTreeMap<String, String> = lines[1..]
        .iter()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut body = vec![0; headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0)];
    stream.read_exact(&mut body).await.ok()?;
    Some(Seen { http, path, headers, json: serde_json::from_slice(&body).unwrap_or_default() })
}
