//! What each flag wants, as the command line defines it: so a flag that is added is a key and a variable at once.

use std::any::TypeId;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::cli::config_file::{ConfigFile, Entry, Value, problem};
use crate::problem::Problem;
use crate::secret::Secret;
use crate::settings::Patience;
use crate::untrusted::Untrusted;

/// Flags that are for one call and no settings: they are neither keys nor variables.
const FOR_ONE_CALL: [&str; 8] = ["all", "config", "force", "forget-registration", "help", "json", "server", "version"];

/// What a key wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// On or off.
    Switch,
    /// A whole number.
    Number,
    /// A text.
    Text,
    /// A number, or a word that stands for one.
    NumberOrText,
    /// A place on the disk: relative to the file that names it, `~/` the home folder.
    Path,
    /// Several texts.
    List,
}

/// Every key that can be set, of whichever command.
pub(super) fn of(command: &Command) -> BTreeMap<String, Kind> {
    let arguments = command.get_arguments().chain(command.get_subcommands().flat_map(Command::get_arguments));
    let keys = arguments.filter_map(|arg| Some((arg.get_long()?, arg)));
    keys.filter(|(key, _)| !FOR_ONE_CALL.contains(key)).map(|(key, arg)| (key.to_owned(), Kind::of(arg))).collect()
}

/// Whether a flag is a switch.
pub(super) fn switches(command: &Command) -> impl Fn(&str) -> bool {
    let kinds = of(command);
    move |key| kinds.get(key) == Some(&Kind::Switch)
}

/// Checks that every key of a file is one, and has what it wants.
pub(super) fn check(file: &ConfigFile, kinds: &BTreeMap<String, Kind>, command: &Command) -> Result<(), Problem> {
    for Entry { key, line, value } in file.defaults.iter().chain(file.servers.values().flatten()) {
        let shown = Untrusted::new(key.as_str());
        let Some(kind) = kinds.get(key) else {
            let hint = nearest(key, command, kinds);
            return Err(problem(&file.path, *line, &format!("`{shown}` is no setting"), &hint));
        };
        if !kind.takes(value) {
            let what = format!("`{shown}` wants {}, and this is {}", kind.name(), value.name());
            return Err(problem(&file.path, *line, &what, &format!("write `{key} = {}`", kind.example())));
        }
    }
    Ok(())
}

fn nearest(key: &str, command: &Command, kinds: &BTreeMap<String, Kind>) -> String {
    let error = command.clone().try_get_matches_from(["mcp-bridge", &format!("--{key}")]).err();
    let suggested = error.and_then(|error| match error.get(ContextKind::SuggestedArg) {
        Some(ContextValue::String(flag)) => Some(flag.trim_start_matches('-').to_owned()),
        _ => None,
    });
    match suggested {
        Some(near) if near == "server" => "a server's settings stand below `[server.NAME]`".to_owned(),
        Some(near) if kinds.contains_key(&near) => format!("did you mean `{near}`?"),
        _ => "keys are the names of the flags: `mcp-bridge --help` lists them".to_owned(),
    }
}

impl Kind {
    fn of(arg: &Arg) -> Kind {
        let parsed = arg.get_value_parser().type_id();
        let is = |id: TypeId| parsed == id;
        match arg.get_action() {
            ArgAction::SetTrue => Kind::Switch,
            ArgAction::Append => Kind::List,
            _ if is(TypeId::of::<Patience>()) => Kind::NumberOrText,
            _ if [TypeId::of::<u16>(), TypeId::of::<u32>(), TypeId::of::<u64>()].into_iter().any(is) => Kind::Number,
            _ if is(TypeId::of::<PathBuf>()) => Kind::Path,
            _ => Kind::Text,
        }
    }

    /// What is wanted, for a person.
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Switch => "`true` or `false`",
            Kind::Number => "a number",
            Kind::Text | Kind::Path => "a text",
            Kind::NumberOrText => "a number or a text",
            Kind::List => "a list of texts",
        }
    }

    fn example(self) -> &'static str {
        match self {
            Kind::Switch => "true",
            Kind::Number => "10",
            Kind::Text | Kind::Path => "\"…\"",
            Kind::NumberOrText => "\"auto\"",
            Kind::List => "[\"Name: value\"]",
        }
    }

    fn takes(self, value: &Value) -> bool {
        match value {
            Value::Bool(_) => self == Kind::Switch,
            Value::Number(_) => matches!(self, Kind::Number | Kind::NumberOrText),
            Value::Text(_) => matches!(self, Kind::Text | Kind::Path | Kind::NumberOrText),
            Value::List(_) => self == Kind::List,
            Value::Other(_) => false,
        }
    }

    /// The words that a flag would have; one for a switch that is on, none for one that is off.
    pub(super) fn words(self, value: &Value, file: &Path) -> Vec<Secret> {
        match value {
            Value::Bool(on) => on.then(|| Secret::new("")).into_iter().collect(),
            Value::Number(digits) => vec![Secret::new(digits.as_str())],
            Value::Text(text) if self == Kind::Path => vec![Secret::new(place(text.expose(), file))],
            Value::Text(text) => vec![text.clone()],
            Value::List(texts) => texts.clone(),
            Value::Other(_) => Vec::new(),
        }
    }

    /// As [`Kind::words`], of a variable: a list has one a line. None where it makes no sense.
    pub(super) fn words_of_variable(self, text: &str) -> Option<Vec<Secret>> {
        Some(match self {
            Kind::Switch => match text.to_ascii_lowercase().as_str() {
                "1" | "true" | "yes" | "on" => vec![Secret::new("")],
                "0" | "false" | "no" | "off" => Vec::new(),
                _ => return None,
            },
            Kind::List => text.lines().filter(|line| !line.trim().is_empty()).map(Secret::new).collect(),
            _ => vec![Secret::new(text)],
        })
    }
}

fn place(text: &str, file: &Path) -> String {
    let home = directories::BaseDirs::new();
    let place = match (text.strip_prefix("~/"), home, file.parent()) {
        (Some(rest), Some(home), _) => home.home_dir().join(rest),
        (_, _, Some(folder)) => folder.join(text),
        _ => return text.to_owned(),
    };
    place.to_str().map_or_else(|| text.to_owned(), str::to_owned)
}

/// The key of the flag that an error of clap is about.
pub(super) fn argument_of(error: &clap::Error) -> Option<String> {
    let Some(ContextValue::String(about)) = error.get(ContextKind::InvalidArg) else { return None };
    Some(about.strip_prefix("--")?.split(['=', ' ']).next()?.trim_end_matches("...").to_owned())
}

/// What clap wants instead of a value, without the value.
pub(super) fn wanted(error: &clap::Error) -> String {
    if let Some(ContextValue::Strings(choices)) = error.get(ContextKind::ValidValue) {
        return format!("it is one of {}", choices.join(", "));
    }
    if let (ErrorKind::ArgumentConflict, Some(ContextValue::String(other))) =
        (error.kind(), error.get(ContextKind::PriorArg))
    {
        return format!("it cannot stand beside {other}");
    }
    std::error::Error::source(error)
        .map_or_else(|| "it is no such value".to_owned(), |why| Untrusted::new(why.to_string()).to_string())
}

/// The values of an argument as they were typed.
pub(super) fn raw(typed: &ArgMatches, id: &str) -> Vec<Secret> {
    typed.get_raw(id).into_iter().flatten().filter_map(|value| value.to_str()).map(Secret::new).collect()
}
