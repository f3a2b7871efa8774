//! One stored sign-in as `mcp-bridge status` shows it: the fields are the JSON of docs/status.md, and never change their
//! names or meaning. Nothing secret has a place here.

use serde::Serialize;

use crate::commands::when::{rfc3339, span};
use crate::credentials::file::shown;
use crate::credentials::record::{Elsewhere, OtherStore, Record, Source, Tokens};
use crate::credentials::sign_in::{Phase, SignIn};
use crate::credentials::store::Room;
use crate::oauth::access_token;
use crate::safe_url::SafeUrl;
use crate::settings::{DEFAULT_PROFILE, GrantType};
use crate::untrusted::Untrusted;

/// A sign-in.
#[derive(Debug, Serialize)]
pub(super) struct Entry {
    resource: SafeUrl,
    profile: String,
    pub(super) state: State,
    issuer: Option<String>,
    account: Option<String>,
    client: Option<Client>,
    scopes: Vec<String>,
    signed_in_at: Option<String>,
    expires_at: Option<String>,
    grant: Option<&'static str>,
    can_refresh: bool,
    dpop: bool,
    sign_in: Option<UnderWay>,
    /// Where the secrets are.
    store: &'static str,
    folder: String,
    /// For the words alone.
    #[serde(skip)]
    folder_in_words: String,
    #[serde(skip)]
    expires: Option<u64>,
}

/// Whether there are tokens that are good, as far as can be told without asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    /// The access token has not ended, or can be refreshed.
    SignedIn,
    /// It has ended and cannot be refreshed.
    Expired,
    /// There is none.
    SignedOut,
}

#[derive(Debug, Serialize)]
struct Client {
    id: String,
    source: Source,
}

/// A sign-in or refresh that some process is at just now.
#[derive(Debug, Serialize)]
struct UnderWay {
    phase: Phase,
    started_at: String,
    gives_up_at: String,
    in_browser: bool,
    pid: u32,
    #[serde(skip)]
    gives_up: u64,
}

/// The sign-in that a process is at: one that holds the lock and has not said how it ended.
fn under_way(room: &Room) -> Option<SignIn> {
    // Where the lock cannot be asked for, the folder's own trouble shows elsewhere.
    let is_held = !room.is_free().unwrap_or(true);
    room.sign_in().filter(|sign_in| is_held && sign_in.outcome.is_none())
}

/// Whether a process is at a sign-in or refresh just now.
pub(super) fn is_under_way(room: &Room) -> bool {
    under_way(room).is_some()
}

impl Entry {
    /// What is stored in a room, seen `now` (Unix seconds).
    pub(super) fn of(room: &Room, record: &Record, now: u64) -> Entry {
        let current = record.current();
        let stored = current.map(|(_, stored)| stored);
        let tokens = stored.and_then(|stored| stored.tokens.as_ref());
        let registration = stored.and_then(|stored| stored.registration.as_ref());
        let is_client_good = registration.is_some_and(|client| !client.has_expired(now));
        let grant = tokens.map(|tokens| tokens.grant);
        let can_refresh = grant.is_some_and(GrantType::is_machine)
            || (is_client_good && tokens.is_some_and(|tokens| tokens.refresh_token.is_some()));
        let safe = |text: &str| Untrusted::new(text).to_string();
        let scope = tokens.and_then(|tokens| tokens.scope.as_deref()).unwrap_or_default();
        Entry {
            resource: SafeUrl::from_text(room.resource()),
            profile: room.profile().to_owned(),
            state: state(tokens, can_refresh, now),
            issuer: current.map(|(issuer, _)| safe(issuer)),
            account: tokens.and_then(|tokens| access_token::account(&tokens.access_token)).map(|it| it.to_string()),
            client: registration.map(|client| Client { id: safe(&client.client_id), source: client.source }),
            scopes: scope.split_whitespace().map(safe).collect(),
            signed_in_at: tokens.map(|tokens| rfc3339(tokens.signed_in_at)),
            expires_at: tokens.and_then(|tokens| tokens.expires_at).map(rfc3339),
            grant: grant.map(GrantType::as_str),
            can_refresh,
            dpop: tokens.is_some_and(Tokens::is_bound),
            sign_in: under_way(room).map(|sign_in| UnderWay {
                phase: sign_in.state,
                started_at: rfc3339(sign_in.started_at),
                gives_up_at: rfc3339(sign_in.expires_at),
                in_browser: sign_in.in_browser,
                pid: sign_in.pid,
                gives_up: sign_in.expires_at,
            }),
            store: match &record.kept_in {
                None => "file",
                Some(Elsewhere { store: OtherStore::Keyring, .. }) => "keyring",
            },
            folder: room.folder().display().to_string(),
            folder_in_words: shown(room.folder()),
            expires: tokens.and_then(|tokens| tokens.expires_at),
        }
    }

    /// The sign-in for a person: its name, then what is known of it, a line each.
    pub(super) fn in_words(&self, now: u64) -> String {
        let profile = Some(&self.profile).filter(|profile| *profile != DEFAULT_PROFILE);
        let profile = profile.map(|profile| format!(" (profile {profile})")).unwrap_or_default();
        let mut lines = vec![format!("{}{profile}", self.resource)];
        let mut line = |name: &str, text: &str| lines.push(format!("  {name:<14}{text}"));
        line("state", &self.state_in_words());
        if let Some(issuer) = &self.issuer {
            line("issuer", issuer);
        }
        if self.state != State::SignedOut {
            line("scopes", &if self.scopes.is_empty() { "not named".to_owned() } else { self.scopes.join(" ") });
            line("access token", &self.end_in_words(now));
        }
        if let Some(grant) = self.grant.filter(|grant| *grant != GrantType::AuthorizationCode.as_str()) {
            line("grant", grant);
        }
        if let Some(client) = &self.client {
            line("client", &client.in_words());
        }
        if let Some(sign_in) = &self.sign_in {
            line("under way", &sign_in.in_words(now));
        }
        let keyring = if self.store == "keyring" { ", its secrets in the system's keyring" } else { "" };
        line("stored in", &format!("{}{keyring}", self.folder_in_words));
        lines.join("\n")
    }

    fn state_in_words(&self) -> String {
        let account = self.account.as_ref().map(|account| format!(" as {account}")).unwrap_or_default();
        match self.state {
            State::SignedIn => format!("signed in{account}"),
            State::Expired => format!("expired{account}: the next call asks for a sign-in"),
            State::SignedOut => "signed out".to_owned(),
        }
    }

    fn end_in_words(&self, now: u64) -> String {
        let end = match self.expires {
            None => "ends at a time that the server did not tell".to_owned(),
            Some(end) if end > now => format!("ends in {}", span(end - now)),
            Some(end) => format!("ended {} ago", span(now - end)),
        };
        let bound = if self.dpop { "; bound to a key of this machine (DPoP)" } else { "" };
        let renewed = if self.can_refresh { "is renewed without you" } else { "cannot be renewed" };
        format!("{end}; {renewed}{bound}")
    }
}

impl Client {
    fn in_words(&self) -> String {
        match self.source {
            Source::Dynamic => format!("{} (registered itself)", self.id),
            Source::Given => format!("{} (given)", self.id),
            Source::Document => format!("{} (metadata document)", self.id),
        }
    }
}

impl UnderWay {
    fn in_words(&self, now: u64) -> String {
        match self.phase {
            Phase::Discovering => "a sign-in: the server is asked how".to_owned(),
            Phase::WaitingForPerson => {
                let how =
                    if self.in_browser { "in the browser that was opened" } else { "at the URL that was printed" };
                format!("a sign-in waits for a person {how}, for another {}", span(self.gives_up.saturating_sub(now)))
            }
            Phase::Exchanging => "a sign-in is being finished".to_owned(),
            Phase::Refreshing => "a refresh".to_owned(),
        }
    }
}

fn state(tokens: Option<&Tokens>, can_refresh: bool, now: u64) -> State {
    match tokens {
        None => State::SignedOut,
        Some(tokens) if can_refresh || !tokens.has_ended(now) => State::SignedIn,
        Some(_) => State::Expired,
    }
}

#[cfg(test)]
mod tests;
