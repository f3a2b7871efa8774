//! What stands under the flags: the environment, then the server's table in the configuration file, then its top level.
//! Each value becomes the flag that it is named after, unless a higher layer has it, so that all are parsed by the same
//! code. Every value is handled as a secret; a wrong one is told by its place.

mod kinds;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command};

use self::kinds::Kind;
use super::config_file::{ConfigFile, Entry, problem};
use super::given::GIVING;
use crate::credentials::file::shown;
use crate::problem::{Code, Problem};
use crate::secret::Secret;
use crate::untrusted::Untrusted;

/// What a variable's name begins with.
const PREFIX: &str = "MCP_BRIDGE_";

/// Flags of which one stands instead of the other: set by a higher layer, it silences the other of a lower one.
const INSTEAD: [&[&str]; 4] =
    [&["client-secret-env", "client-secret-file"], &["no-proxy", "proxy"], &["no-resource", "resource"], &GIVING];

/// Flags whose values have names, by their ids and keys: a higher layer replaces those of the same name alone.
const LISTS: [(&str, &str); 2] = [("headers", "header"), ("authorize_param", "authorize-param")];

/// Where the layers come from.
#[derive(Debug, Args)]
pub(super) struct ConfigArgs {
    /// The configuration file [default: bridge.toml in the platform's configuration folder, if it is there]
    #[arg(long, value_name = "FILE", help_heading = "Configuration")]
    config: Option<PathBuf>,
    /// The settings of `[server.NAME]` in the configuration file; a bare NAME means the same
    #[arg(long, value_name = "NAME", help_heading = "Configuration")]
    server: Option<String>,
}

/// Every value that no flag has set.
#[derive(Debug, Default)]
pub(super) struct Layers {
    values: BTreeMap<String, Layered>,
    /// What was chosen by them.
    pub(super) chosen: Chosen,
}

/// What the layers say besides the flags of the command.
#[derive(Debug, Default)]
pub(super) struct Chosen {
    /// The server that was named.
    pub(super) server: Option<String>,
    /// The file that was named.
    pub(super) config: Option<PathBuf>,
    /// The upstream of the server that was named, else of whichever layer has one.
    pub(super) upstream: Option<String>,
    /// The client secret of the given client comes from here, not from a flag.
    pub(super) secret_is_layered: bool,
    /// The key of a credential in place of a sign-in, where a variable or the file has one.
    pub(super) given: Option<&'static str>,
    /// What the person should know.
    pub(super) warnings: Vec<String>,
}

/// A value of a flag, or several.
#[derive(Debug)]
struct Layered {
    words: Vec<Secret>,
    is_switch: bool,
    layer: Layer,
    place: Place,
}

/// The lowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Layer {
    TopLevel,
    Server,
    Environment,
}

#[derive(Debug)]
enum Place {
    Variable(String),
    Line(PathBuf, usize),
}

/// Where the lower layers are looked for.
pub(super) struct Ground<'a> {
    /// The environment.
    pub(super) variable: &'a dyn Fn(&str) -> Option<OsString>,
    /// The file that is read where none is named, if it is there.
    pub(super) default_file: Option<PathBuf>,
}

impl Chosen {
    /// The URL that an argument means, or its absence.
    ///
    /// # Errors
    /// A server was named that has none.
    pub(super) fn url(&self, typed: Option<String>) -> Result<Option<String>, Problem> {
        match (typed, &self.server) {
            (Some(url), server) if server.as_ref() != Some(&url) => Ok(Some(url)),
            (_, Some(name)) if self.upstream.is_none() => {
                let what = format!("`[server.{}]` has no `upstream`", Untrusted::new(name.as_str()));
                Err(Problem::new(
                    Code::InvalidSetting,
                    what,
                    "add `upstream = \"URL\"` to it in the configuration file",
                ))
            }
            (_, _) => Ok(self.upstream.clone()),
        }
    }

    /// As [`Chosen::url`], but an upstream that goes with no server that was named is no wish to have it.
    pub(super) fn named_url(&self, typed: Option<String>) -> Result<Option<String>, Problem> {
        if typed.is_none() && self.server.is_none() { Ok(None) } else { self.url(typed) }
    }
}

impl Layers {
    /// Finds them for what was typed. `command` is all that can be typed, `typed` what was, `off` the switches that were
    /// typed as `--switch=false`.
    ///
    /// # Errors
    /// A value that cannot be meant, with its place.
    pub(super) fn gather(
        command: &Command,
        (typed, off): (&ArgMatches, &[String]),
        ground: &Ground<'_>,
    ) -> Result<Layers, Problem> {
        let (sub, typed) = match typed.subcommand() {
            Some((name, typed)) => (command.find_subcommand(name), typed),
            None => (None, typed),
        };
        let variable = |key: &str| (ground.variable)(&variable_name(key)).filter(|value| !value.is_empty());
        let named = typed.get_one::<PathBuf>("config").cloned().or_else(|| variable("config").map(PathBuf::from));
        let file = match &named {
            Some(path) => Some(ConfigFile::read(path)?.ok_or_else(|| absent(path))?),
            None => ground.default_file.as_deref().map(ConfigFile::read).transpose()?.flatten(),
        };
        let kinds = kinds::of(command);
        let mut layers = Layers::default();
        layers.chosen.config = named.map(|path| std::path::absolute(&path).unwrap_or(path));
        if let Some(file) = &file {
            kinds::check(file, &kinds, command)?;
            layers.chosen.warnings.clone_from(&file.warnings);
            layers.take(Layer::TopLevel, &file.path, &file.defaults, &kinds);
        }
        let typed_server = typed.get_one::<String>("server").cloned();
        let server = typed_server.or_else(|| Some(variable("server")?.to_string_lossy().into_owned()));
        let server = choose(server, typed.get_one::<String>("url"), file.as_ref())?;
        if let (Some((name, entries)), Some(file)) = (&server, &file) {
            layers.take(Layer::Server, &file.path, entries, &kinds);
            layers.chosen.server = Some((*name).to_owned());
            layers.take_upstream();
        }
        layers.take_environment(&kinds, &variable)?;
        layers.take_upstream();
        layers.yield_to(typed);
        layers.values.retain(|key, _| !off.contains(key));
        layers.chosen.secret_is_layered = INSTEAD[0].iter().any(|key| layers.values.contains_key(*key));
        layers.chosen.given = GIVING.into_iter().find(|key| layers.values.contains_key(*key));
        let takes = sub.unwrap_or(command);
        layers.values.retain(|key, _| takes.get_arguments().any(|arg| arg.get_long() == Some(key)));
        Ok(layers)
    }

    /// Whether there is nothing in them.
    pub(super) fn are_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// The arguments with these before what was typed, after the name of the subcommand.
    pub(super) fn under(&self, args: &[OsString], has_subcommand: bool) -> Vec<OsString> {
        let (head, typed) = args.split_at(args.len().min(1 + usize::from(has_subcommand)));
        let layered = self.values.iter().flat_map(|(key, value)| {
            value.words.iter().map(move |word| match value.is_switch {
                true => format!("--{key}").into(),
                false => format!("--{key}={}", word.expose()).into(),
            })
        });
        head.iter().cloned().chain(layered).chain(typed.iter().cloned()).collect()
    }

    /// What is wrong, if it is with one of these. The value is not shown: clap says what is wanted.
    pub(super) fn explain(&self, error: &clap::Error) -> Option<Problem> {
        let about = kinds::argument_of(error)?;
        let value = self.values.get(&about)?;
        let wanted = kinds::wanted(error);
        let hint = "correct it there, or give the flag";
        Some(match &value.place {
            Place::Variable(name) => {
                Problem::new(Code::InvalidSetting, format!("the variable `{name}` does not hold: {wanted}"), hint)
            }
            Place::Line(path, line) => problem(path, *line, &format!("`{about}` does not hold: {wanted}"), hint),
        })
    }

    fn take(&mut self, layer: Layer, path: &Path, entries: &[Entry], kinds: &BTreeMap<String, Kind>) {
        for entry in entries {
            let Some(kind) = kinds.get(&entry.key) else { continue };
            let words = kind.words(&entry.value, path);
            let place = Place::Line(path.to_owned(), entry.line);
            self.set(&entry.key, *kind, Layered { words, is_switch: *kind == Kind::Switch, layer, place });
        }
    }

    fn take_environment(
        &mut self,
        kinds: &BTreeMap<String, Kind>,
        variable: &dyn Fn(&str) -> Option<OsString>,
    ) -> Result<(), Problem> {
        for (key, kind) in kinds {
            let Some(value) = variable(key) else { continue };
            let name = variable_name(key);
            let words = value.to_str().and_then(|text| kind.words_of_variable(text)).ok_or_else(|| {
                let what = format!("the variable `{name}` wants {}", kind.name());
                Problem::new(Code::InvalidSetting, what, "correct it, or give the flag")
            })?;
            let (is_switch, layer) = (*kind == Kind::Switch, Layer::Environment);
            self.set(key, *kind, Layered { words, is_switch, layer, place: Place::Variable(name) });
        }
        Ok(())
    }

    /// A value of a layer above all that are there.
    fn set(&mut self, key: &str, kind: Kind, mut value: Layered) {
        for other in instead_of(key) {
            if self.values.get(other).is_some_and(|other| other.layer < value.layer) {
                self.values.remove(other);
            }
        }
        if let (Kind::List, Some(lower)) = (kind, self.values.get(key)) {
            // A header, or a parameter, replaces those of the same name alone.
            let is_kept = |word: &&Secret| !value.words.iter().any(|higher| has_same_name(key, higher, word));
            let kept = lower.words.iter().filter(is_kept);
            let kept: Vec<Secret> = kept.cloned().collect();
            value.words.extend(kept);
        }
        self.values.insert(key.to_owned(), value);
    }

    /// Takes the upstream out: it is no flag of every command, and a server that was named brings its own.
    fn take_upstream(&mut self) {
        let upstream = self.values.remove("upstream").and_then(|value| Some(value.words.first()?.expose().to_owned()));
        if self.chosen.upstream.is_none() {
            self.chosen.upstream = upstream;
        }
    }

    /// Drops what was typed.
    fn yield_to(&mut self, typed: &ArgMatches) {
        for id in typed.ids() {
            if typed.value_source(id.as_str()) != Some(ValueSource::CommandLine) {
                continue;
            }
            if let Some((id, key)) = LISTS.into_iter().find(|(list, _)| *list == id.as_str()) {
                let typed: Vec<Secret> = kinds::raw(typed, id);
                if let Some(value) = self.values.get_mut(key) {
                    value.words.retain(|word| !typed.iter().any(|higher| has_same_name(key, higher, word)));
                }
                continue;
            }
            let key = id.as_str().replace('_', "-");
            for lower in instead_of(&key) {
                self.values.remove(lower);
            }
            self.values.remove(&key);
        }
    }
}

fn variable_name(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('-', "_").to_ascii_uppercase())
}

fn instead_of(key: &str) -> impl Iterator<Item = &'static str> {
    INSTEAD.into_iter().filter(move |group| group.contains(&key)).flatten().copied().filter(move |other| *other != key)
}

/// Whether two words of a list are of the same name: `Name: value` of a header, `name=value` of a parameter.
fn has_same_name(key: &str, a: &Secret, b: &Secret) -> bool {
    let end = if key == "header" { ':' } else { '=' };
    let name = |word: &Secret| word.expose().split(end).next().unwrap_or_default().trim().to_ascii_lowercase();
    name(a) == name(b)
}

/// The table of the server that is meant: the one that was named, or the one that the positional argument names.
fn choose<'f>(
    named: Option<String>,
    positional: Option<&String>,
    file: Option<&'f ConfigFile>,
) -> Result<Option<(&'f str, &'f [Entry])>, Problem> {
    let find = |name: &str| {
        let (name, entries) = file?.servers.get_key_value(name)?;
        Some((name.as_str(), entries.as_slice()))
    };
    let Some(name) = named else { return Ok(positional.and_then(|name| find(name))) };
    if let Some(server) = find(&name) {
        return Ok(Some(server));
    }
    let what = format!("no server is named `{}`", Untrusted::new(name.as_str()));
    let hint = match file {
        Some(file) if file.servers.is_empty() => format!("add `[server.NAME]` to `{}`", shown(&file.path)),
        Some(file) => {
            let names: Vec<String> =
                file.servers.keys().map(|name| format!("`{}`", Untrusted::new(name.as_str()))).collect();
            format!("those of `{}` are {}", shown(&file.path), names.join(", "))
        }
        None => "there is no configuration file; name one by `--config FILE`".to_owned(),
    };
    Err(Problem::new(Code::InvalidSetting, what, hint))
}

fn absent(path: &Path) -> Problem {
    let what = format!("there is no configuration file `{}`", shown(path));
    Problem::new(Code::InvalidSetting, what, "check the path; an absolute one is best in a host's configuration")
}

/// Arguments with `--switch=true` and `--switch=false` spelt out: the latter undoes what a lower layer sets, so its name is
/// given too.
pub(super) fn switches(command: &Command, args: &[OsString]) -> (Vec<OsString>, Vec<String>) {
    let (mut spelt, mut off) = (Vec::new(), Vec::new());
    let is_switch = kinds::switches(command);
    let mut values_only = false;
    for arg in args {
        values_only |= arg == OsStr::new("--");
        let switch = arg.to_str().filter(|_| !values_only).and_then(|arg| arg.strip_prefix("--")?.split_once('='));
        match switch {
            Some((key, "true")) if is_switch(key) => spelt.push(format!("--{key}").into()),
            Some((key, "false")) if is_switch(key) => off.push(key.to_owned()),
            _ => spelt.push(arg.clone()),
        }
    }
    (spelt, off)
}
