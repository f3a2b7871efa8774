//! `mcp-bridge login` as the object of an experiment: the same code as the worker's, in a process that a test can hold on
//! to. It signs in where nothing is stored, and refreshes where the stored token has ended.

use std::path::Path;
use std::time::Duration;

use mcp_mock_server::MockServer;

use crate::bridge::{Bridge, Broken, Ended, Options};
use crate::browser::try_visit;
use crate::torture::house::House;
use crate::torture::room::{Record, Room};

/// How long it may take: far longer than ever needed.
const LIMIT: Duration = Duration::from_secs(60);

/// What is done to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// The first sign-in.
    SignIn,
    /// A refresh.
    Refresh,
}

/// A house in which one operation is done again and again.
pub struct Ground {
    /// The house.
    pub house: House,
    operation: Operation,
    /// The record before the operation, and its bytes.
    before: Option<(Record, Vec<u8>)>,
}

/// What an operation that was disturbed left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// All as it was.
    Old,
    /// As it was, but the server has exchanged the stored refresh token: its answer is lost.
    OldAndSpent,
    /// Registered, and no more: the next sign-in uses the registration.
    Registered,
    /// The new tokens.
    New,
}

impl Ground {
    /// A house for an operation.
    pub async fn new(operation: Operation, place: &Path) -> Self {
        let house = House::new(MockServer::builder(), place).await;
        Ground { house, operation, before: None }
    }

    /// Whether a person signs in here, rather than that a token is refreshed.
    #[must_use]
    pub fn is_sign_in(&self) -> bool {
        self.operation == Operation::SignIn
    }

    /// Has the store be as it must be before the operation.
    ///
    /// # Errors
    /// Where an undisturbed sign-in does not work.
    pub async fn prepare(&mut self) -> Result<(), String> {
        if self.operation == Operation::SignIn {
            self.house.wipe();
            self.before = None;
            return Ok(());
        }
        if !self.is_signed_in().await? {
            self.house.wipe();
            self.undisturbed().await?;
        }
        let room = self.room()?;
        room.age(3601, -1);
        let record = room.record().map_err(|untidy| untidy.to_string())?.ok_or("no record")?;
        self.before = Some((record, room.bytes().ok_or("no record")?));
        Ok(())
    }

    async fn is_signed_in(&self) -> Result<bool, String> {
        let Some(room) = self.house.room() else { return Ok(false) };
        let record = room.record().map_err(|untidy| untidy.to_string())?;
        match record.as_ref().and_then(Record::refresh_token) {
            Some(refresh_token) => Ok(!self.house.is_spent(refresh_token).await),
            None => Ok(false),
        }
    }

    /// The room, which must be there.
    ///
    /// # Errors
    /// Where it is not.
    pub fn room(&self) -> Result<Room, String> {
        self.house.room().ok_or_else(|| "there is no room".to_owned())
    }

    /// The command, by another program perhaps.
    #[must_use]
    pub fn options(&self, under: &[String]) -> Options {
        let words: Vec<&str> = under.iter().map(String::as_str).collect();
        let url = self.house.server.mcp_url();
        let options = Options::new(&["login", &url, "--no-browser"], self.house.folder()).patience(LIMIT);
        self.house.furnished(options.under(&words))
    }

    /// Does it without disturbance, and checks that it worked; how many tabs it took.
    ///
    /// # Errors
    /// Where it did not.
    pub async fn undisturbed(&self) -> Result<usize, String> {
        let ended = log_in(self.options(&[])).await.map_err(|broken| broken.to_string())?;
        if !ended.status.success() {
            return Err(format!("an undisturbed login: {}; {}", ended.status, ended.stderr.trim()));
        }
        if self.is_signed_in().await? {
            Ok(urls_in(&ended.stderr).count())
        } else {
            Err("an undisturbed login stored no usable token".to_owned())
        }
    }

    /// What lies in the store after the operation was disturbed.
    ///
    /// # Errors
    /// Where that is neither old nor new.
    pub async fn state(&self) -> Result<State, String> {
        let Some(room) = self.house.room() else { return self.nothing() };
        let Some(record) = room.record().map_err(|untidy| untidy.to_string())? else { return self.nothing() };
        let spent = match record.refresh_token() {
            Some(refresh_token) => self.house.is_spent(refresh_token).await,
            None => false,
        };
        match &self.before {
            Some((_, bytes)) if room.bytes().as_ref() == Some(bytes) => {
                Ok(if spent { State::OldAndSpent } else { State::Old })
            }
            _ if spent => Err("the record is new, and its refresh token is spent".to_owned()),
            Some((old, _)) if record.generation() <= old.generation() => {
                Err(format!("the record changed, and its generation is {}", record.generation()))
            }
            _ if record.refresh_token().is_some() => Ok(State::New),
            None if !record.has_token() => Ok(State::Registered),
            _ => Err("the record has lost its refresh token".to_owned()),
        }
    }

    fn nothing(&self) -> Result<State, String> {
        if self.before.is_none() { Ok(State::Old) } else { Err("the record is gone".to_owned()) }
    }
}

/// Runs `login`, with a person who follows the URL that it prints.
///
/// # Errors
/// Where it does not end.
pub async fn log_in(options: Options) -> Result<Ended, Broken> {
    let mut login: Bridge = options.start();
    login.close_stdin();
    let mut said = login.stderr_watch();
    let person = tokio::spawn(async move {
        let asked = said.wait_for(|said| url_in(said).is_some()).await;
        let url = asked.ok().and_then(|said| url_in(&said));
        if let Some(url) = url {
            // Where the login dies meanwhile, nobody answers.
            let _ = try_visit(&url).await;
        }
    });
    let ended = login.try_ended().await;
    person.abort();
    ended
}

/// The URL that a person is to open first, once its line is whole.
fn url_in(said: &str) -> Option<String> {
    urls_in(&said[..said.rfind('\n').unwrap_or(0)]).next().map(str::to_owned)
}

/// Every URL that a person is to open: each is a tab.
fn urls_in(said: &str) -> impl Iterator<Item = &str> {
    said.lines().filter(|line| line.starts_with("http://") && line.contains("/authorize?"))
}
