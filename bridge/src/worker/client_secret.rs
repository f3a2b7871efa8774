//! The secret of a client that the person gave, read where the person keeps it at the moment it is needed: so a changed one
//! counts at once, and none crosses the process wall or lies in a record. Must never know whom it is for.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use crate::credentials::file::shown;
use crate::problem::{Code, Problem};
use crate::secret::Secret;
use crate::settings::SecretPlace;
use crate::untrusted::Untrusted;

/// How long a secret may be, in bytes.
const LIMIT: u64 = 16 * 1024;

/// Reads a secret; the newline at the end of a file is not part of it.
///
/// # Errors
/// A [`Problem`] that names the place and never the content.
pub(super) fn read(place: &SecretPlace) -> Result<Secret, Problem> {
    let (from, text) = match place {
        SecretPlace::Variable(name) => {
            let from = format!("the variable `{}`", Untrusted::new(name.as_str()));
            let text = std::env::var(name).map(Secret::new).map_err(|error| match error {
                std::env::VarError::NotPresent => refused(&from, "is not set"),
                std::env::VarError::NotUnicode(_) => refused(&from, "is not text"),
            })?;
            (from, text)
        }
        // Links are followed: containers mount secrets as links.
        SecretPlace::File(path) => {
            let from = format!("`{}`", shown(path));
            let text = from_file(path).map_err(|error| refused(&from, &format!("cannot be read: {error}")))?;
            (from, text)
        }
    };
    match text.expose() {
        "" => Err(refused(&from, "is empty")),
        text if text.chars().any(char::is_control) => Err(refused(&from, "holds more than one line")),
        _ => Ok(text),
    }
}

/// Reads a file of at most 16 KiB, without its last newline.
pub(super) fn from_file(path: &Path) -> io::Result<Secret> {
    // Asked before it is opened: to open a pipe waits for its writer.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut text = zeroize::Zeroizing::new(String::with_capacity(1024));
    let read = File::open(path)?.take(LIMIT + 1).read_to_string(&mut text)?;
    if read as u64 > LIMIT {
        return Err(io::Error::other(format!("it is longer than {LIMIT} bytes")));
    }
    let line = text.strip_suffix('\n').unwrap_or(&text);
    Ok(Secret::new(line.strip_suffix('\r').unwrap_or(line)))
}

fn refused(from: &str, why: &str) -> Problem {
    let hint = "put the client secret there, alone; a variable goes into the `env` block of the host's entry";
    Problem::new(Code::InvalidSetting, format!("{from}, which should hold the client secret, {why}"), hint)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::{LIMIT, read};
    use crate::settings::SecretPlace;

    fn in_file(content: &[u8]) -> Result<String, String> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content).unwrap();
        let secret = read(&SecretPlace::File(file.path().to_owned()));
        secret.map(|secret| secret.expose().to_owned()).map_err(|problem| problem.message)
    }

    #[test]
    fn a_file_holds_the_secret_and_perhaps_a_newline() {
        for (content, secret) in
            [("s3cret", "s3cret"), ("s3cret\n", "s3cret"), ("s3cret\r\n", "s3cret"), (" é% ", " é% ")]
        {
            assert_eq!(in_file(content.as_bytes()).as_deref(), Ok(secret), "{content:?}");
        }
    }

    #[test]
    fn what_is_no_secret_is_refused_and_not_quoted() {
        let long = vec![b'x'; usize::try_from(LIMIT).unwrap() + 1];
        for content in [&b""[..], b"\n", b"hunter2\nhunter3", b"hunter2\n\n", b"hunter2\xff", &long] {
            let message = in_file(content).unwrap_err();
            assert!(!message.contains("hunter") && !message.contains("xxx"), "{message}");
        }
    }

    #[test]
    fn a_place_without_a_secret_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let places = [
            (SecretPlace::File(folder.path().join("absent")), "absent"),
            (SecretPlace::File(folder.path().to_owned()), "no file"),
            (SecretPlace::Variable("MCP_BRIDGE_TEST_NOT_SET".to_owned()), "MCP_BRIDGE_TEST_NOT_SET"),
        ];
        for (place, word) in places {
            let problem = read(&place).unwrap_err();
            assert!(problem.message.contains(word), "{problem}");
        }
    }
}
