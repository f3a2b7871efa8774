//! A file that the person names and somebody else may keep fresh: a private key, an assertion, an ID token. Read at the
//! moment that it is needed, so that a changed one counts at once. Must never know what is in it.

use std::path::Path;

use super::client_secret::from_file;
use crate::credentials::file::shown;
use crate::problem::{Code, Problem};
use crate::secret::Secret;

/// Reads such a file whole, without the blanks around its text.
///
/// # Errors
/// A [`Problem`] that names the file and what should be in it, and never the content.
pub(super) fn read(path: &Path, what: &str, hint: &str) -> Result<Secret, Problem> {
    let text = from_file(path).map_err(|error| refused(path, what, &format!("cannot be read: {error}"), hint))?;
    match text.expose().trim() {
        "" => Err(refused(path, what, "is empty", hint)),
        trimmed => Ok(Secret::new(trimmed)),
    }
}

/// Reads a JWT (RFC 7519): visible ASCII, three parts or more.
///
/// # Errors
/// As [`read`], and where it is none.
pub(super) fn jwt(path: &Path, what: &str, hint: &str) -> Result<Secret, Problem> {
    let token = read(path, what, hint)?;
    let text = token.expose();
    if text.bytes().all(|byte| byte.is_ascii_graphic()) && text.split('.').count() >= 3 {
        return Ok(token);
    }
    Err(refused(path, what, "holds no JWT", hint))
}

fn refused(path: &Path, what: &str, why: &str, hint: &str) -> Problem {
    Problem::new(Code::InvalidSetting, format!("`{}`, which should hold {what}, {why}", shown(path)), hint)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn in_file(content: &str) -> Result<String, Problem> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content.as_bytes()).unwrap();
        jwt(file.path(), "an assertion", "hint").map(|token| token.expose().to_owned())
    }

    #[test]
    fn a_jwt_is_read_without_the_blanks_around_it() {
        for content in ["a.b.c", "a.b.c\n", "\r\n a.b.c \r\n"] {
            assert_eq!(in_file(content).as_deref(), Ok("a.b.c"), "{content:?}");
        }
    }

    #[test]
    fn what_is_no_jwt_is_refused_and_not_quoted() {
        for content in ["", "\n", "hunter2", "hunter2.b", "hunter2.b.c\nhunter2.b.c", "hünter2.b.c"] {
            let problem = in_file(content).unwrap_err();
            assert_eq!(problem.code, Code::InvalidSetting, "{content:?}");
            assert!(!problem.message.contains("nter2"), "{problem}");
        }
    }

    #[test]
    fn an_absent_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let problem = jwt(&folder.path().join("absent"), "an assertion", "hint").unwrap_err();
        assert!(problem.message.contains("absent") && problem.message.contains("an assertion"), "{problem}");
    }
}
