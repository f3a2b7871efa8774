//! The floor of the benchmarks: lines of stdin are POSTed, what is answered goes to stdout, and nothing is checked. It
//! shows what pipes, threads and HTTP cost by themselves; a bridge cannot be cheaper, and must never be this careless.

use std::error::Error;
use std::io::{BufRead, Write, stdin, stdout};
use std::sync::{Arc, OnceLock, mpsc};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;

const SESSION: &str = "mcp-session-id";

struct Forwarder {
    url: String,
    client: Client<HttpConnector, Full<Bytes>>,
    session: OnceLock<HeaderValue>,
    output: mpsc::Sender<Bytes>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let url = std::env::args().nth(1).ok_or("usage: bare-forwarder URL")?;
    let (output, to_write) = mpsc::channel::<Bytes>();
    let writer = std::thread::spawn(move || to_write.iter().try_for_each(|line| stdout().lock().write_all(&line)));
    let (to_send, mut lines) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        stdin().lock().split(b'\n').map_while(Result::ok).try_for_each(|line| to_send.send(line))
    });
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client = Client::builder(TokioExecutor::new()).build(connector);
    let forwarder = Arc::new(Forwarder { url, client, session: OnceLock::new(), output });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        while let Some(line) = lines.recv().await {
            let forwarder = forwarder.clone();
            tokio::spawn(async move { forwarder.forward(line.into()).await });
        }
    });
    drop((runtime, forwarder));
    Ok(writer.join().map_err(|_| "stdout")??)
}

impl Forwarder {
    async fn forward(&self, line: Bytes) -> Option<()> {
        let mut request = Request::post(&self.url).header(CONTENT_TYPE, "application/json");
        request = request.header(ACCEPT, "application/json, text/event-stream").header(AUTHORIZATION, "Bearer floor");
        if let Some(session) = self.session.get() {
            request = request.header(SESSION, session).header("mcp-protocol-version", "2025-11-25");
        }
        let mut response = self.client.request(request.body(Full::new(line)).ok()?).await.ok()?;
        if let Some(session) = response.headers().get(SESSION) {
            let _ = self.session.set(session.clone());
        }
        if response.headers().get(CONTENT_TYPE)? != "text/event-stream" {
            let body = response.into_body().collect().await.ok()?.to_bytes();
            return self.output.send([&body, &b"\n"[..]].concat().into()).ok();
        }
        let mut unread = Vec::new();
        while let Some(frame) = response.frame().await {
            let searched = unread.len();
            unread.extend_from_slice(frame.ok()?.data_ref()?);
            let mut begin = 0;
            for end in memchr::memchr_iter(b'\n', &unread[searched..]).map(|at| searched + at + 1) {
                if let Some(data) = unread[begin..end].strip_prefix(b"data: ") {
                    self.output.send(Bytes::copy_from_slice(data)).ok()?;
                }
                begin = end;
            }
            unread.drain(..begin);
        }
        Some(())
    }
}
