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
    #[error("the settings file {path}, line {line}: {reason}")]
    Wrong { path: PathBuf, line: usize, reason: String },
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
        FileFault::Wrong { path: path.to_owned(), line, reason: error.message().replace('\n', "; ") }
    })
}
