//! `--health URL`: asks a running server for its health, so that a container needs no other program for that.
//! One request of HTTP/1.1 without TLS; it knows nothing of the server but the path.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use url::Url;

/// How long the answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why the server does not count as healthy.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unhealthy {
    #[error("the URL `{0}` is no http URL with a host: --health speaks no TLS")]
    Url(Url),
    #[error("`{url}` cannot be asked: {source}")]
    Io { url: Url, source: io::Error },
    #[error("`{0}` did not answer within 5 s")]
    Silent(Url),
    #[error("`{url}` answered `{line}` instead of 200")]
    Status { url: Url, line: String },
}

/// Asks `/health` of the URL's origin; its path is not looked at.
pub(crate) async fn check(url: &Url) -> Result<(), Unhealthy> {
    let (Some(host), Some(port), "http") = (url.host_str(), url.port_or_known_default(), url.scheme()) else {
        return Err(Unhealthy::Url(url.clone()));
    };
    let answer = tokio::time::timeout(PATIENCE, status_line(host, port)).await;
    let answer = answer.map_err(|_| Unhealthy::Silent(url.clone()))?;
    let line = answer.map_err(|source| Unhealthy::Io { url: url.clone(), source })?;
    if line.starts_with("HTTP/1.1 200") { Ok(()) } else { Err(Unhealthy::Status { url: url.clone(), line }) }
}

async fn status_line(host: &str, port: u16) -> io::Result<String> {
    // A literal IPv6 address stands in brackets in a URL, and without them in an address.
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let mut stream = TcpStream::connect((bare, port)).await?;
    let request = format!("GET /health HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(16 * 1024).read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer);
    Ok(answer.lines().next().unwrap_or_default().chars().take(100).collect())
}
