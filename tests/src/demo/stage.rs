//! Who plays: the server, the bridge, the browser, and how far the server's log has been looked at. Requests are taken
//! from the log one by one, so that one too many, or one in another order, is a failure.

use std::path::Path;
use std::time::{Duration, Instant};

use mcp_mock_server::{Endpoint, MockServer, Seen};
use serde_json::{Value, json};

use super::published::Published;
use super::transcript::{BRIDGE_TO_HOST, HOST_TO_BRIDGE, Transcript};
use super::{Failure, Settings, unexpected, wire};
use crate::PATIENCE;
use crate::bridge::{Bridge, Broken, Ended, Options};
use crate::browser::Browser;

/// A person may take longer than a program.
const A_PERSONS_PATIENCE: Duration = Duration::from_secs(300);

/// The mock server waits for 20 s at most.
const A_LOOK: Duration = Duration::from_secs(10);

/// Everybody who plays.
pub(super) struct Stage {
    pub(super) server: MockServer,
    pub(super) published: Published,
    /// The stand-in; `None` where the person's own browser is opened.
    pub(super) browser: Option<Browser>,
    settings: Settings,
    bridge: Option<Bridge>,
    next_id: u64,
    /// How many requests of the log have been taken.
    taken: usize,
    /// What the bridges that have ended said.
    said: String,
}

impl Stage {
    /// Starts the server and the stand-in for a browser.
    pub(super) async fn set(settings: Settings) -> Result<Self, Failure> {
        let server = settings.server.clone().start().await?;
        let published = Published::read(&server).await?;
        let browser = if settings.real_browser { None } else { Some(Browser::start().await) };
        let taken = server.log().len();
        let (bridge, said) = (None, String::new());
        Ok(Stage { server, published, browser, settings, bridge, next_id: 1, taken, said })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.settings.folder
    }

    /// Starts a bridge, as a host does.
    pub(super) fn start_bridge(&mut self) -> Result<(), Failure> {
        let options = Options::to(&self.server.mcp_url(), self.folder());
        let options = match &self.browser {
            Some(browser) => options.browser(browser),
            None => options.inherit_environment().patience(self.patience()),
        };
        self.bridge = Some(options.try_start()?);
        Ok(())
    }

    /// Ends the bridge as a host does: its stdin is closed.
    pub(super) async fn end_bridge(&mut self) -> Result<Ended, Failure> {
        let mut bridge = self.bridge.take().ok_or(Broken::Stdout)?;
        bridge.close_stdin();
        let ended = match bridge.try_ended().await {
            Ok(ended) => ended,
            Err(broken) => {
                self.bridge = Some(bridge);
                return Err(broken.into());
            }
        };
        self.said.extend([&ended.stdout.join("\n"), "\n", &ended.stderr]);
        Ok(ended)
    }

    /// All that bridges wrote that have ended.
    pub(super) fn said(&self) -> &str {
        &self.said
    }

    /// All that the last bridge said on stderr; it is ended for that.
    pub(super) async fn stderr(&mut self) -> String {
        match self.bridge.take() {
            Some(bridge) => bridge.kill().await.stderr,
            None => String::new(),
        }
    }

    /// What the bridge says on stderr, to be awaited.
    pub(super) fn stderr_watch(&mut self) -> Result<tokio::sync::watch::Receiver<String>, Failure> {
        Ok(self.bridge()?.stderr_watch())
    }

    /// Sends a request to the bridge; its line.
    pub(super) async fn ask(&mut self, t: &mut Transcript<'_>, method: &str, params: Value) -> Result<String, Failure> {
        let message = json!({"jsonrpc": "2.0", "id": self.next_id, "method": method, "params": params});
        self.next_id += 1;
        self.tell(t, &message).await
    }

    /// Sends a message to the bridge; its line.
    pub(super) async fn tell(&mut self, t: &mut Transcript<'_>, message: &Value) -> Result<String, Failure> {
        t.wire(HOST_TO_BRIDGE, wire::message(message));
        let line = message.to_string();
        self.bridge()?.try_send(&line).await?;
        Ok(line)
    }

    /// The result of the request that was sent last.
    pub(super) async fn answer(&mut self, t: &mut Transcript<'_>) -> Result<Value, Failure> {
        let id = self.next_id - 1;
        let mut response = self.bridge()?.try_response(|answered| *answered == id).await?;
        t.wire(BRIDGE_TO_HOST, wire::message(&response));
        if response.get("result").is_none() {
            return Err(unexpected("a result", wire::message(&response)));
        }
        Ok(response["result"].take())
    }

    /// The next request that the server has answered, which must be this. A response of the bridge ends the wait.
    pub(super) async fn next_request(
        &mut self,
        endpoint: Endpoint,
        method: &str,
        status: u16,
    ) -> Result<Seen, Failure> {
        let expected = format!("the server answers a {method} request to {endpoint:?} with {status}");
        let (at, until) = (self.taken, Instant::now() + self.patience());
        let answered = |log: &[Seen]| log.get(at).is_some_and(|seen| seen.status != 0);
        let (server, bridge) = (&self.server, &mut self.bridge);
        let happened = async {
            while tokio::time::timeout(A_LOOK, server.wait_for(answered)).await.is_err() {
                if Instant::now() > until {
                    return Err(unexpected(expected.clone(), "no request"));
                }
            }
            Ok(())
        };
        tokio::select! {
            biased; // a response that belongs to the request comes after it
            happened = happened => happened?,
            response = response(bridge) => return Err(unexpected(expected, format!("the bridge answers {}", response?))),
        }
        let seen = self.server.log().swap_remove(at);
        self.taken += 1;
        if seen.endpoint == endpoint && seen.method == method && seen.status == status {
            return Ok(seen);
        }
        Err(unexpected(expected, format!("{}, answered {}", wire::request(&seen), wire::status(seen.status))))
    }

    /// What nobody may have shown. With a person's own browser the bridge may have to show the URL, and `state` in it.
    pub(super) fn secrets(&self) -> Vec<String> {
        let mut secrets = self.server.issued_secrets();
        // The URL of the sign-in is told to the host, for its person.
        let log = self.server.log();
        let in_urls = log.iter().filter(|seen| seen.endpoint == Endpoint::Authorization);
        let states: Vec<_> = in_urls.filter_map(|seen| seen.param("state")).collect();
        secrets.retain(|secret| !states.contains(&secret.as_str()));
        secrets
    }

    /// How many tabs were opened; `None` where only the person's browser knows.
    pub(super) fn tabs(&self) -> Option<usize> {
        self.browser.as_ref().map(Browser::tabs_opened)
    }

    /// That the log holds nothing beyond what was taken.
    pub(super) fn nothing_more(&self) -> Result<(), Failure> {
        match self.server.log().get(self.taken) {
            None => Ok(()),
            Some(seen) => Err(unexpected("no more requests", wire::request(seen))),
        }
    }

    fn bridge(&mut self) -> Result<&mut Bridge, Failure> {
        Ok(self.bridge.as_mut().ok_or(Broken::Stdout)?)
    }

    fn patience(&self) -> Duration {
        if self.settings.real_browser { A_PERSONS_PATIENCE } else { PATIENCE }
    }
}

/// The next response, whatever it answers.
async fn response(bridge: &mut Option<Bridge>) -> Result<String, Broken> {
    match bridge {
        Some(bridge) => bridge.try_response(|_| true).await.map(|response| wire::message(&response)),
        None => std::future::pending().await,
    }
}
