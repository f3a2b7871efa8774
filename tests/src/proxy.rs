//! A proxy between a bridge and the servers of a test: HTTP, by CONNECT and by whole URLs, or SOCKS5. Whatever name or address it
//! is asked for, it leads to one server of the test, so a test has servers with public names.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// A proxy that runs until it is dropped.
#[derive(Debug)]
pub struct Proxy {
    /// Its host and port.
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    /// Counts how often it froze.
    frozen: watch::Sender<usize>,
    task: JoinHandle<()>,
}

/// A connection that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Of HTTP the request's first line without its version, of SOCKS5 `SOCKS host:port`.
    pub what: String,
    /// The credentials as they came: the header `Proxy-Authorization`, or `user:password`.
    pub credentials: Option<String>,
}

impl Proxy {
    /// An HTTP proxy to a server. What it is asked for at port 1 it refuses.
    ///
    /// # Panics
    /// Where there is no free port.
    pub async fn http(to: SocketAddr) -> Self {
        Proxy::start(to, false).await
    }

    /// A SOCKS5 proxy to a server, that demands user name and password where they are offered.
    ///
    /// # Panics
    /// Where there is no free port.
    pub async fn socks5(to: SocketAddr) -> Self {
        Proxy::start(to, true).await
    }

    async fn start(to: SocketAddr, is_socks: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let frozen = watch::Sender::new(0);
        let (log, freezes) = (asked.clone(), frozen.clone());
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (log, mut freezes) = (log.clone(), freezes.subscribe());
                connections.spawn(async move {
                    let (mut client, mut server) = match is_socks {
                        true => serve_socks(stream, to, &log).await?,
                        false => serve_http(stream, to, &log).await?,
                    };
                    tokio::select! {
                        copied = copy_bidirectional(&mut client, &mut server) => copied.map(drop),
                        _ = freezes.changed() => std::future::pending().await,
                    }
                });
            }
        });
        Proxy { address, asked, frozen, task }
    }

    /// What was asked for so far, once for each connection.
    pub fn asked(&self) -> Vec<Asked> {
        lock(&self.asked).clone()
    }

    /// From now on nothing comes through the connections that are open, and they stay open, as if the network had gone.
    pub fn freeze(&self) {
        self.frozen.send_modify(|count| *count += 1);
    }

    /// Whether something that begins like this was asked for.
    pub fn was_asked(&self, beginning: &str) -> bool {
        self.asked().iter().any(|asked| asked.what.starts_with(beginning))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn lock(asked: &Mutex<Vec<Asked>>) -> MutexGuard<'_, Vec<Asked>> {
    asked.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A server takes whole URLs too (RFC 9112 §3.2.2), so all goes on as it came.
async fn serve_http(
    mut client: TcpStream,
    to: SocketAddr,
    log: &Mutex<Vec<Asked>>,
) -> std::io::Result<(TcpStream, TcpStream)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    let text = String::from_utf8_lossy(&head).into_owned();
    let what = text.lines().next().unwrap_or_default().trim_end_matches(" HTTP/1.1").to_owned();
    let header = |line: &str| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("proxy-authorization").then(|| value.trim().to_owned())
    };
    let is_refused = what.ends_with(":1");
    let is_tunnel = what.starts_with("CONNECT ");
    lock(log).push(Asked { what, credentials: text.lines().find_map(header) });
    if is_refused {
        client.write_all(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n").await?;
        return Err(std::io::Error::other("refused"));
    }
    let mut server = TcpStream::connect(to).await?;
    match is_tunnel {
        true => client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?,
        false => server.write_all(&head).await?,
    }
    Ok((client, server))
}

/// RFC 1928, with the user name and password of RFC 1929.
async fn serve_socks(
    mut client: TcpStream,
    to: SocketAddr,
    log: &Mutex<Vec<Asked>>,
) -> std::io::Result<(TcpStream, TcpStream)> {
    let mut greeting = [0; 2];
    client.read_exact(&mut greeting).await?;
    let mut methods = vec![0; greeting[1].into()];
    client.read_exact(&mut methods).await?;
    let mut credentials = None;
    if methods.contains(&2) {
        client.write_all(&[5, 2]).await?;
        client.read_u8().await?;
        let user = short_text(&mut client).await?;
        credentials = Some(format!("{user}:{}", short_text(&mut client).await?));
        client.write_all(&[1, 0]).await?;
    } else {
        client.write_all(&[5, 0]).await?;
    }
    let mut request = [0; 4];
    client.read_exact(&mut request).await?;
    let host = match request[3] {
        1 => {
            let mut address = [0; 4];
            client.read_exact(&mut address).await?;
            std::net::Ipv4Addr::from(address).to_string()
        }
        3 => short_text(&mut client).await?,
        _ => {
            let mut address = [0; 16];
            client.read_exact(&mut address).await?;
            std::net::Ipv6Addr::from(address).to_string()
        }
    };
    let port = client.read_u16().await?;
    lock(log).push(Asked { what: format!("SOCKS {host}:{port}"), credentials });
    let server = TcpStream::connect(to).await?;
    client.write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 0]).await?;
    Ok((client, server))
}

async fn short_text(client: &mut TcpStream) -> std::io::Result<String> {
    let mut text = vec![0; client.read_u8().await?.into()];
    client.read_exact(&mut text).await?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}
