//! Which stored sign-in is meant where no URL was typed: the only one there is. Must never guess among several.

use crate::credentials::file::shown;
use crate::credentials::record::Record;
use crate::credentials::store::{Room, Store};
use crate::problem::{Code, Problem};
use crate::safe_url::SafeUrl;
use crate::settings::DEFAULT_PROFILE;

/// How many are listed.
const LISTED: usize = 10;

/// The only one of these. `command` is what the person wrote, for the hint.
///
/// # Errors
/// [`Code::InvalidSetting`] where there is none, or several: they are listed.
pub fn the_only(mut rooms: Vec<(Room, Record)>, store: &Store, command: &str) -> Result<(Room, Record), Problem> {
    let last = rooms.pop();
    let hint = format!("name the server: `mcp-bridge {command} URL`");
    match last {
        Some(only) if rooms.is_empty() => Ok(only),
        None => {
            let what = format!("no sign-in is stored in `{}`", shown(store.root()));
            Err(Problem::new(Code::InvalidSetting, what, hint))
        }
        Some(last) => {
            rooms.push(last);
            let names: Vec<String> = rooms.iter().take(LISTED).map(|(room, _)| name(room)).collect();
            let more = rooms.len().saturating_sub(LISTED);
            let rest = if more == 0 { String::new() } else { format!(" and {more} more") };
            let what = format!("{} sign-ins are stored: {}{rest}", rooms.len(), names.join(", "));
            Err(Problem::new(Code::InvalidSetting, what, format!("{hint}, and the profile by `--profile NAME`")))
        }
    }
}

/// A stored sign-in as a person is told of it.
#[must_use]
pub fn name(room: &Room) -> String {
    let resource = SafeUrl::from_text(room.resource());
    match room.profile() {
        DEFAULT_PROFILE => format!("`{resource}`"),
        profile => format!("`{resource}` (profile `{profile}`)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rooms(store: &Store, of: &[(&str, &str)]) -> Vec<(Room, Record)> {
        of.iter().map(|(resource, profile)| (store.room(resource, profile), Record::new(resource, profile))).collect()
    }

    #[test]
    fn one_is_meant_and_several_are_listed() {
        let store = Store::open("/nonexistent");
        let (a, b) = (("https://a.example/mcp?key=hunter2", "default"), ("https://b.example", "work"));
        let (room, _) = the_only(rooms(&store, &[b]), &store, "login").unwrap();
        assert_eq!((room.resource(), room.profile()), b);
        let several = the_only(rooms(&store, &[a, b]), &store, "login").unwrap_err();
        assert!(
            several.message.contains("`https://a.example/mcp?…`, `https://b.example/` (profile `work`)"),
            "{several}"
        );
        assert!(several.hint.contains("login URL"));
        let none = the_only(Vec::new(), &store, "logout").unwrap_err();
        assert!(none.message.contains("/nonexistent") && none.hint.contains("logout URL"));
    }

    #[test]
    fn a_long_list_is_cut() {
        let store = Store::open("/nonexistent");
        let many = vec![("https://a.example", "default"); 1000];
        let message = the_only(rooms(&store, &many), &store, "login").unwrap_err().message;
        assert!(message.contains("1000") && message.ends_with("and 990 more"), "{message}");
    }
}
