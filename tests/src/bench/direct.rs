//! The direct call: a client of the same HTTP library as the bridge's, in this process, with the bytes that the others
//! send. What everybody else costs is compared with it.

use std::io;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use super::call::{Call, INITIALIZE};

/// A client with its connections.
#[derive(Debug)]
pub struct Direct {
    runtime: Runtime,
    caller: Caller,
    next_id: u64,
}

#[derive(Clone, Debug)]
struct Caller {
    url: String,
    client: Client<HttpConnector, Full<Bytes>>,
}

impl Direct {
    /// A client that is not connected yet.
    ///
    /// # Errors
    /// Where there is no runtime to be had.
    pub fn start(url: &str) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Direct { runtime, caller: Caller { url: url.to_owned(), client }, next_id: 1 })
    }

    /// Shakes hands.
    ///
    /// # Errors
    /// Where the server does not answer.
    pub fn initialize(&mut self) -> io::Result<()> {
        self.runtime.block_on(self.caller.post(INITIALIZE.into())).map(drop)
    }

    /// A body for [`Direct::post`], made before the clock runs.
    pub fn body(&mut self, call: &Call) -> Bytes {
        self.next_id += 1;
        call.body(self.next_id)
    }

    /// Sends it and reads the answer to its end; gives its length.
    ///
    /// # Errors
    /// Where the server does not answer.
    pub fn post(&self, body: Bytes) -> io::Result<usize> {
        self.runtime.block_on(self.caller.post(body))
    }

    /// Keeps `width` calls in flight until `count` are answered.
    ///
    /// # Errors
    /// Where one is not answered.
    pub fn calls(&mut self, call: &Call, width: usize, count: usize) -> io::Result<()> {
        let first = self.next_id;
        self.next_id += count as u64;
        let width = width.min(count);
        self.runtime.block_on(async {
            let mut lanes = JoinSet::new();
            for lane in 0..width {
                let (caller, call) = (self.caller.clone(), call.clone());
                lanes.spawn(async move {
                    for id in (lane..count).step_by(width) {
                        caller.post(call.body(first + id as u64)).await?;
                    }
                    io::Result::Ok(())
                });
            }
            while let Some(lane) = lanes.join_next().await {
                lane.map_err(io::Error::other)??;
            }
            Ok(())
        })
    }
}

impl Caller {
    async fn post(&self, body: Bytes) -> io::Result<usize> {
        let request = Request::post(&self.url)
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json, text/event-stream")
            .header(AUTHORIZATION, "Bearer direct")
            .header("mcp-session-id", "the-only-session")
            .header("mcp-protocol-version", "2025-11-25");
        let request = request.body(Full::new(body)).map_err(io::Error::other)?;
        let response = self.client.request(request).await.map_err(io::Error::other)?;
        if !response.status().is_success() {
            return Err(io::Error::other(format!("the upstream answered {}", response.status())));
        }
        let mut body = response.into_body();
        let mut length = 0;
        while let Some(frame) = body.frame().await {
            length += frame.map_err(io::Error::other)?.data_ref().map_or(0, Bytes::len);
        }
        Ok(length)
    }
}
