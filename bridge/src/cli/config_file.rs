//! The configuration file: TOML, its top level the defaults, each `[server.NAME]` one upstream with settings of its own.
//! Keys are the flags' names. It knows which line a value stands on, and must never show one: it may be a secret.
//! What the keys mean is for [`super::layers`].

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::own_file::{self, OwnFile};
use crate::credentials::file::shown;
use crate::problem::{Code, Problem};
use crate::secret::Secret;
use crate::untrusted::Untrusted;

/// The table of the servers.
const SERVER: &str = "server";

/// A file that was read.
#[derive(Debug)]
pub(super) struct ConfigFile {
    pub(super) path: PathBuf,
    /// The top level.
    pub(super) defaults: Vec<Entry>,
    /// Each `[server.NAME]`.
    pub(super) servers: BTreeMap<String, Vec<Entry>>,
    /// What the person should know of it.
    pub(super) warnings: Vec<String>,
}

/// A key with its value.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    /// From 1.
    pub(super) line: usize,
    pub(super) value: Value,
}

/// What a key can have.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number, in digits.
    Number(String),
    /// A text.
    Text(Secret),
    /// A list of texts.
    List(Vec<Secret>),
    /// Something that no key wants, by its name.
    Other(&'static str),
}

impl ConfigFile {
    /// `bridge.toml` in the platform's configuration folder.
    pub(super) fn default_path() -> Option<PathBuf> {
        Some(directories::ProjectDirs::from("", "", "mcp-bridge")?.config_dir().join("bridge.toml"))
    }

    /// Reads a file; `None` where there is none.
    ///
    /// # Errors
    /// A [`Problem`] that names the file, and the line where there is one.
    pub(super) fn read(path: &Path) -> Result<Option<ConfigFile>, Problem> {
        let Some(OwnFile { text, is_open, warning }) = own_file::read(path)? else { return Ok(None) };
        let mut file = ConfigFile::parse(path, &text)?;
        file.warnings.extend(warning);
        let mut entries = file.defaults.iter().chain(file.servers.values().flatten());
        if is_open && entries.any(|entry| matches!(entry.key.as_str(), "header" | "proxy")) {
            file.warnings.push(own_file::open_to_others(path));
        }
        Ok(Some(file))
    }

    /// Parses the text of a file.
    pub(super) fn parse(path: &Path, text: &str) -> Result<ConfigFile, Problem> {
        let root = DeTable::parse(text).map_err(|error| {
            let line = error.span().map_or(1, |span| line_of(text, span.start));
            problem(path, line, &format!("no TOML: {}", Untrusted::new(error.message())), "correct that line")
        })?;
        let mut file =
            ConfigFile { path: path.to_owned(), defaults: Vec::new(), servers: BTreeMap::new(), warnings: Vec::new() };
        for (key, value) in root.into_inner() {
            if key.get_ref() != SERVER {
                file.defaults.push(entry(text, &key, value.into_inner()));
                continue;
            }
            let line = line_of(text, key.span().start);
            let DeValue::Table(servers) = value.into_inner() else { return Err(no_server(path, line)) };
            for (name, settings) in servers {
                let line = line_of(text, name.span().start);
                let DeValue::Table(settings) = settings.into_inner() else { return Err(no_server(path, line)) };
                let entries = settings.into_iter().map(|(key, value)| entry(text, &key, value.into_inner()));
                file.servers.insert(name.into_inner().into_owned(), entries.collect());
            }
        }
        Ok(file)
    }
}

/// What is wrong on a line of a file.
pub(super) fn problem(path: &Path, line: usize, what: &str, hint: &str) -> Problem {
    Problem::new(Code::InvalidSetting, format!("`{}`, line {line}: {what}", shown(path)), hint)
}

fn no_server(path: &Path, line: usize) -> Problem {
    problem(path, line, "`server` holds tables, one for each server", "write `[server.NAME]` on a line of its own")
}

fn entry(text: &str, key: &Spanned<DeString<'_>>, value: DeValue<'_>) -> Entry {
    Entry { key: key.get_ref().to_string(), line: line_of(text, key.span().start), value: Value::of(value) }
}

fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

impl Value {
    fn of(value: DeValue<'_>) -> Value {
        match value {
            DeValue::Boolean(value) => Value::Bool(value),
            DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => Value::Number(number.to_string()),
                Err(_) => Value::Other("a number that is too large"),
            },
            DeValue::String(text) => Value::Text(Secret::new(text)),
            DeValue::Array(values) => {
                let text = |value: Spanned<DeValue<'_>>| match value.into_inner() {
                    DeValue::String(text) => Some(Secret::new(text)),
                    _ => None,
                };
                let texts: Option<Vec<Secret>> = values.into_iter().map(text).collect();
                texts.map_or(Value::Other("a list of other things than texts"), Value::List)
            }
            DeValue::Float(_) => Value::Other("a fraction"),
            DeValue::Datetime(_) => Value::Other("a time"),
            DeValue::Table(_) => Value::Other("a table"),
        }
    }

    /// What it is, for a person.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Value::Bool(_) => "`true` or `false`",
            Value::Number(_) => "a number",
            Value::Text(_) => "a text",
            Value::List(_) => "a list of texts",
            Value::Other(name) => name,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<ConfigFile, Problem> {
        ConfigFile::parse(Path::new("/etc/bridge.toml"), text)
    }

    #[test]
    fn each_value_is_found_with_its_line() {
        let text = "# first\nlog = 'debug'\n\n[server.work]\nheader = [\n 'a: b',\n]\nno-browser = true\nmax-message = 1_000\n";
        let file = parse(text).unwrap();
        let all = |entries: &[Entry]| {
            let mut all: Vec<_> = entries.iter().map(|e| (e.line, e.key.clone(), e.value.name())).collect();
            all.sort();
            all
        };
        assert_eq!(all(&file.defaults), [(2, "log".to_owned(), "a text")]);
        let work = [
            (5, "header".to_owned(), "a list of texts"),
            (8, "no-browser".to_owned(), "`true` or `false`"),
            (9, "max-message".to_owned(), "a number"),
        ];
        assert_eq!(all(&file.servers["work"]), work);
        assert!(file.servers["work"].iter().any(|entry| entry.value == Value::Number("1000".to_owned())));
    }

    #[test]
    fn what_is_no_file_of_ours_names_its_line_and_shows_no_value() {
        let table = [
            ("no TOML", "log = 'debug'\nheader = ['X-Key: hunter2\n", "line 2"),
            ("a key twice", "log = 'a'\nlog = 'hunter2'", "line 2"),
            ("no table of servers", "\n\nserver = 'hunter2'", "line 3"),
            ("a server that is no table", "[server]\nwork = 'hunter2'", "line 2"),
        ];
        for (name, text, line) in table {
            let problem = parse(text).unwrap_err();
            assert!(problem.message.starts_with(&format!("`/etc/bridge.toml`, {line}: ")), "{name}: {problem}");
            assert!(!problem.message.contains("hunter2"), "{name}: {problem}");
        }
    }
}
