//! `mcp-bridge status`: what is stored, and what is under way, as words or as JSON by docs/status.md. Asks no server, opens
//! no browser, waits for nobody, and never shows a token.

mod entry;

use std::process::ExitCode;

use self::entry::{Entry, State};
use super::failed;
use crate::credentials::file::shown;
use crate::credentials::record::{Record, unix_now};
use crate::credentials::store::{Room, Store};
use crate::oauth::resource::ResourceIdentifier;
use crate::problem::{Code, Problem};
use crate::safe_url::SafeUrl;
use crate::settings::{DEFAULT_PROFILE, StatusSettings};
use crate::terminal;

/// Where nobody is signed in to the server that was named.
const NOT_SIGNED_IN: u8 = 4;

/// Shows what is stored.
pub fn run(settings: &StatusSettings) -> ExitCode {
    let shown = terminal::start_logging(&settings.log).and_then(|()| show(settings));
    match shown {
        Ok(code) => code,
        Err(problem) => failed(&problem),
    }
}

fn show(settings: &StatusSettings) -> Result<ExitCode, Problem> {
    let store = Store::open(&settings.state_dir);
    let now = unix_now();
    let entries: Vec<Entry> =
        meant(&store, settings)?.iter().map(|(room, record)| Entry::of(room, record, now)).collect();
    if settings.json {
        let report =
            serde_json::json!({ "version": 1, "state_dir": store.root().display().to_string(), "sign_ins": entries });
        terminal::print(&serde_json::to_string_pretty(&report).map_err(|error| internal(&error))?);
    } else {
        let blocks: Vec<String> = entries.iter().map(|entry| entry.in_words(now)).collect();
        if !blocks.is_empty() {
            terminal::print(&blocks.join("\n\n"));
        }
    }
    let is_signed_in = entries.iter().any(|entry| entry.state == State::SignedIn);
    if let (Some(upstream), Some(given)) = (&settings.upstream, settings.given) {
        let upstream = SafeUrl::new(upstream);
        terminal::say(&format!("the credential for `{upstream}` comes from `{given}`: there is nothing to sign in to"));
        return Ok(ExitCode::SUCCESS);
    }
    match &settings.upstream {
        Some(upstream) if !is_signed_in => {
            terminal::say(&format!("not signed in to `{}`", SafeUrl::new(upstream)));
            Ok(ExitCode::from(NOT_SIGNED_IN))
        }
        None if entries.is_empty() => {
            terminal::say(&format!("no sign-in is stored in `{}`", shown(store.root())));
            Ok(ExitCode::SUCCESS)
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// The stored ones that are meant; of a URL also one that is only just coming to be.
fn meant(store: &Store, settings: &StatusSettings) -> Result<Vec<(Room, Record)>, Problem> {
    let resource = settings.upstream.as_ref().map(ResourceIdentifier::new);
    let mut rooms = store.rooms()?;
    rooms.retain(|(room, _)| {
        resource.as_ref().is_none_or(|resource| resource.as_str() == room.resource())
            && settings.profile.as_deref().is_none_or(|profile| profile == room.profile())
    });
    if let (Some(resource), true) = (&resource, rooms.is_empty()) {
        let room = store.room(resource.as_str(), settings.profile.as_deref().unwrap_or(DEFAULT_PROFILE));
        let record = room.read()?;
        if record.is_some() || entry::is_under_way(&room) {
            let record = record.unwrap_or_else(|| Record::new(room.resource(), room.profile()));
            rooms.push((room, record));
        }
    }
    Ok(rooms)
}

fn internal(error: &serde_json::Error) -> Problem {
    Problem::new(Code::Internal, format!("the status cannot be written as JSON: {error}"), "report this as a bug")
}
