//! The settings file: TOML whose keys are the names of `options.rs`. It knows no key by itself.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::options::Options;

/// More is no settings file, in bytes.
const LONGEST: u64 = 1024 * 1024;

/// Why a settings file is of no use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileFault {
    #[error("the settings file {path} cannot be read: {source}")]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("the settings file {path}, line {line}, `{key}`: {reason}")]
    Wrong { path: PathBuf, line: usize, key: String, reason: String },
}

/// The options that the file sets.
pub(crate) fn read(path: &Path) -> Result<Options, FileFault> {
    let mut text = String::new();
    let file = File::open(path).and_then(|file| file.take(LONGEST).read_to_string(&mut text));
    file.map_err(|source| FileFault::Unreadable { path: path.to_owned(), source })?;
    parsed(path, &text)
}

/// The options of a file's text; the path is for the fault only.
pub(crate) fn parsed(path: &Path, text: &str) -> Result<Options, FileFault> {
    toml::from_str(text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        FileFault::Wrong { path: path.to_owned(), line, key: key(text, line), reason: reason(error.message()) }
    })
}

/// The key that a line belongs to: its own, or that of the array which goes on there.
fn key(text: &str, line: usize) -> String {
    let lines = text.lines().take(line).collect::<Vec<_>>();
    let keys = lines.iter().rev().filter(|line| !line.trim_start().starts_with('#'));
    let mut key = keys.filter_map(|line| line.split_once('=')).map(|(key, _)| key.trim());
    let is_key = |key: &&str| !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    key.find(is_key).or(lines.last().map(|line| line.trim())).unwrap_or_default().to_owned()
}

/// The reader's words, without the list of everything that would have been right.
fn reason(message: &str) -> String {
    if message.starts_with("unknown field") {
        return "there is no such setting".to_owned();
    }
    message.replace('\n', "; ")
}
