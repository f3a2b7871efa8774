//! Who plays in a run: a strict server (rotation, reuse detection, no grace), a person with a browser, a state folder.
//! The server's log is looked at here, never copied.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use mcp_mock_server::{Endpoint, MockServer, MockServerBuilder, Seen};
use tempfile::TempDir;

use crate::bridge::Options;
use crate::browser::{Browser, Tab, try_visit};
use crate::torture::dice::Dice;
use crate::torture::room::Room;

/// A server, a person who agrees to everything, and a state folder.
pub struct House {
    /// The server.
    pub server: MockServer,
    /// The person's browser.
    pub browser: Browser,
    folder: TempDir,
    variables: Vec<(String, OsString)>,
}

/// What was seen so far, to be compared with what is seen later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Opened tabs.
    pub tabs: usize,
    /// Authorization requests.
    pub authorizations: usize,
    /// Registrations.
    pub registrations: usize,
    /// Codes that were exchanged.
    pub codes: usize,
    /// Refreshes that were asked for.
    pub refreshes: usize,
    /// Families that were revoked for reuse.
    pub families_revoked: usize,
}

impl House {
    /// A house in a folder.
    ///
    /// # Panics
    /// Where the server does not start.
    pub async fn new(server: MockServerBuilder, place: &Path) -> Self {
        House {
            server: server.start().await.expect("the server starts"),
            browser: Browser::obliging().await,
            folder: tempfile::Builder::new().prefix("torture-").tempdir_in(place).expect("a folder"),
            variables: Vec::new(),
        }
    }

    /// Has the person agree after the time that the dice say, below `limit`. A tab that leads nowhere is closed.
    #[must_use]
    pub async fn dawdling(mut self, limit: Duration, dice: Dice) -> Self {
        let dice = Mutex::new(dice);
        let on_tab = move |tab: &Tab| {
            let (delay, url) = (dice.lock().unwrap_or_else(PoisonError::into_inner).within(limit), tab.url.clone());
            tokio::spawn(async move {
                tokio::time::sleep(delay).await;
                try_visit(&url).await
            });
        };
        self.browser = Browser::with(on_tab).await;
        self
    }

    /// Has every bridge see one more variable.
    #[must_use]
    pub fn variable(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    /// How to start a bridge here.
    #[must_use]
    pub fn options(&self) -> Options {
        self.furnished(Options::to(&self.server.mcp_url(), self.folder.path()))
    }

    /// How to start `mcp-bridge ARGUMENTS` here.
    #[must_use]
    pub fn furnished(&self, options: Options) -> Options {
        let options = options.browser(&self.browser);
        self.variables.iter().fold(options, |options, (name, value)| options.variable(name, value))
    }

    /// The folder in which all lies.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The bridge's state folder.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// What lies in the state folder.
    #[must_use]
    pub fn room(&self) -> Option<Room> {
        Room::only(&self.state())
    }

    /// Empties the state folder.
    ///
    /// # Panics
    /// Where that is not possible.
    pub fn wipe(&self) {
        match std::fs::remove_dir_all(self.state()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => panic!("the state folder stays: {error}"),
            _ => {}
        }
    }

    /// What was seen so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let seen = self.server.counts();
        Counts {
            tabs: self.browser.tabs_opened(),
            authorizations: seen.authorizations,
            registrations: seen.registrations,
            codes: seen.code_exchanges,
            refreshes: seen.refreshes + seen.refreshes_refused,
            families_revoked: seen.families_revoked,
        }
    }

    /// Looks at the log.
    ///
    /// # Panics
    /// Never: the log is always there.
    pub async fn look<T: Send>(&self, judge: impl Fn(&[Seen]) -> T + Sync) -> T {
        let found = Mutex::new(None);
        let always = |log: &[Seen]| {
            *found.lock().unwrap_or_else(PoisonError::into_inner) = Some(judge(log));
            true
        };
        self.server.wait_for(always).await;
        found.into_inner().unwrap_or_else(PoisonError::into_inner).expect("it was looked at")
    }

    /// Waits until the log satisfies the condition, or for `limit`.
    pub async fn wait_within(&self, limit: Duration, condition: impl Fn(&[Seen]) -> bool) {
        let _ = tokio::time::timeout(limit, self.server.wait_for(condition)).await;
    }

    /// Whether the server has exchanged this refresh token for another.
    pub async fn is_spent(&self, refresh_token: &str) -> bool {
        let spent = |seen: &Seen| {
            seen.endpoint == Endpoint::Token && seen.status == 200 && seen.param("refresh_token") == Some(refresh_token)
        };
        self.look(|log| log.iter().any(spent)).await
    }

    /// What the server saw from the given place of its log on, in short and without secrets.
    pub async fn story(&self, from: usize) -> String {
        let short = |seen: &Seen| format!("{:?} {}", seen.endpoint, seen.status);
        self.look(|log| log.iter().skip(from).map(short).collect::<Vec<_>>().join(", ")).await
    }
}
