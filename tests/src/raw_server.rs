//! A server that says exactly what a test puts into its mouth: canned bytes for each method and path. It understands no
//! more of HTTP than where a request ends. For what the mock server, which is honest, has no fault for.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A server of canned answers; dropping it stops it.
#[derive(Debug)]
pub struct RawServer {
    address: SocketAddr,
    answers: Arc<Mutex<HashMap<String, Vec<u8>>>>,
    requests: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl RawServer {
    /// Starts it on a free port of this machine; it answers 404 to everything.
    ///
    /// # Panics
    /// Where there is no port.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (answers, requests) = (Arc::<Mutex<HashMap<_, _>>>::default(), Arc::<Mutex<Vec<_>>>::default());
        let (canned, seen) = (answers.clone(), requests.clone());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, canned.clone(), seen.clone()));
            }
        });
        RawServer { address, answers, requests, task }
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on answers to a request line, `GET /path`, with these bytes; then it closes the connection.
    pub fn answers(&self, request: &str, bytes: impl Into<Vec<u8>>) {
        self.answers.lock().expect("no panic").insert(request.to_owned(), bytes.into());
    }

    /// How often a request line came.
    pub fn count(&self, request: &str) -> usize {
        self.requests.lock().expect("no panic").iter().filter(|seen| *seen == request).count()
    }
}

impl Drop for RawServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A whole response: status line, further header lines (each with its line break), body.
pub fn response(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}")
}

/// A response of JSON.
pub fn json(status: &str, body: &Value) -> String {
    response(status, "content-type: application/json\r\n", &body.to_string())
}

async fn answer(mut stream: TcpStream, canned: Arc<Mutex<HashMap<String, Vec<u8>>>>, seen: Arc<Mutex<Vec<String>>>) {
    let mut request = Vec::new();
    while !is_whole(&request) {
        match stream.read_buf(&mut request).await {
            Ok(1..) => {}
            _ => return,
        }
    }
    let text = String::from_utf8_lossy(&request);
    let line: Vec<&str> = text.lines().next().unwrap_or_default().split(' ').take(2).collect();
    let line = line.join(" ");
    seen.lock().expect("no panic").push(line.clone());
    let bytes = canned.lock().expect("no panic").get(&line).cloned();
    let bytes = bytes.unwrap_or_else(|| response("404 Not Found", "", "").into());
    // Whoever has read enough may have gone.
    let _ = stream.write_all(&bytes).await;
    let _ = stream.shutdown().await;
    // Closed with something unread, the system would throw away what was written.
    let _ = stream.read_to_end(&mut Vec::new()).await;
}

/// Whether the head is there, and as much of the body as it announces.
fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length =
        head.to_ascii_lowercase().lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    body.len() >= length.unwrap_or(0)
}
