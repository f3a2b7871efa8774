//! The headers of a person's own: from flags, and from a file that keeps them out of the process list. `${NAME}` in a value
//! stands for a variable. A value may be a secret, and is shown nowhere.

use std::collections::HashSet;
use std::ffi::OsString;
use std::path::Path;

use http::{HeaderMap, HeaderName, HeaderValue};

use super::own_file::{self, OwnFile};
use crate::credentials::file::shown;
use crate::problem::{Code, Problem};
use crate::secret::Secret;
use crate::settings::{header_value, parse_header};
use crate::untrusted::Untrusted;

/// The environment, or a test's.
pub(super) type Variable<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// A header that was given, its value not yet expanded.
#[derive(Clone, Debug)]
pub(super) struct HeaderArg(HeaderName, HeaderValue);

impl HeaderArg {
    pub(super) fn parse(text: &str) -> Result<Self, HeaderRefused> {
        parse_header(text).map(|(name, value)| HeaderArg(name, value)).map_err(HeaderRefused)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct HeaderRefused(String);

/// All of them: those of the flags replace those of the file that have the same name. Says too what the person should know.
///
/// # Errors
/// A file that cannot be used, or a variable that is not set.
pub(super) fn all(
    given: Vec<HeaderArg>,
    file: Option<&Path>,
    variable: Variable<'_>,
) -> Result<(HeaderMap, Vec<String>), Problem> {
    let (in_file, warnings) = file.map(read).transpose()?.unwrap_or_default();
    let names: HashSet<HeaderName> = given.iter().map(|HeaderArg(name, _)| name.clone()).collect();
    let mut headers = HeaderMap::new();
    for HeaderArg(name, value) in in_file.into_iter().filter(|HeaderArg(name, _)| !names.contains(name)).chain(given) {
        let value = expanded(&name, &value, variable)?;
        headers.append(name, value);
    }
    Ok((headers, warnings))
}

/// One `Name: value` a line; empty lines and those that begin with `#` count nothing.
fn read(path: &Path) -> Result<(Vec<HeaderArg>, Vec<String>), Problem> {
    let Some(OwnFile { text, is_open, warning }) = own_file::read(path)? else {
        let what = format!("there is no file `{}` of headers", shown(path));
        return Err(Problem::new(
            Code::InvalidSetting,
            what,
            "check the path of `--header-file`; an absolute one is best",
        ));
    };
    let mut headers = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        headers.push(HeaderArg::parse(line).map_err(|HeaderRefused(why)| {
            let what = format!("`{}`, line {}: {why}", shown(path), number + 1);
            Problem::new(Code::InvalidSetting, what, "write one `Name: value` a line")
        })?);
    }
    let warnings = warning.into_iter().chain(is_open.then(|| own_file::open_to_others(path)));
    Ok((headers, warnings.collect()))
}

fn expanded(name: &HeaderName, value: &HeaderValue, variable: Variable<'_>) -> Result<HeaderValue, Problem> {
    let refused = |why: String| {
        let hint = "set it in the `env` block of the host's entry; write `$$` for a `$` that means itself";
        Problem::new(Code::InvalidSetting, format!("the header `{name}`: {why}"), hint)
    };
    let text = value.to_str().unwrap_or_default();
    if !text.contains('$') {
        return Ok(value.clone());
    }
    header_value(name, expand(text, variable).map_err(refused)?.expose()).map_err(refused)
}

/// `${NAME}` is the variable's value, `$$` is `$`, any other `$` is itself.
fn expand(text: &str, variable: Variable<'_>) -> Result<Secret, String> {
    let mut expanded = zeroize::Zeroizing::new(String::with_capacity(text.len() + 256));
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        expanded.push_str(before);
        rest = after;
        if let Some(after) = rest.strip_prefix('$') {
            expanded.push('$');
            rest = after;
        } else if let Some(after) = rest.strip_prefix('{') {
            let (name, after) = after.split_once('}').ok_or("`${` has no `}`")?;
            let shown = Untrusted::new(name);
            let value = variable(name).ok_or_else(|| format!("the variable `{shown}` is not set"))?;
            expanded.push_str(value.to_str().ok_or_else(|| format!("the variable `{shown}` is not text"))?);
            rest = after;
        } else {
            expanded.push('$');
        }
    }
    expanded.push_str(rest);
    Ok(Secret::new(expanded.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variable(name: &str) -> Option<OsString> {
        (name == "TOKEN").then(|| "hunter2".into())
    }

    #[test]
    fn t16_a_variable_stands_in_a_headers_value() {
        let table = [
            ("Bearer ${TOKEN}", Ok("Bearer hunter2")),
            ("${TOKEN}${TOKEN}", Ok("hunter2hunter2")),
            ("$${TOKEN}", Ok("${TOKEN}")),
            ("$5, $TOKEN and $", Ok("$5, $TOKEN and $")),
            ("a$$$$b", Ok("a$$b")),
            ("${OTHER}", Err("the variable `OTHER` is not set")),
            ("${TOKEN", Err("`${` has no `}`")),
            ("${}", Err("the variable `` is not set")),
        ];
        for (text, expected) in table {
            let found = expand(text, &variable);
            assert_eq!(found.as_ref().map(Secret::expose).map_err(String::as_str), expected, "{text}");
        }
    }

    #[test]
    fn t16_a_file_of_headers_has_one_a_line_and_a_flag_goes_before_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("headers");
        let write = |text: &str| {
            #[expect(clippy::disallowed_methods, reason = "a file of this test")]
            std::fs::write(&path, text).unwrap();
        };
        write("# ours\n\nX-A: 1\r\nX-B: ${TOKEN}\nX-C: a: b\n");
        let given = vec![HeaderArg::parse("x-a: 2").unwrap()];
        let (headers, _) = all(given, Some(&path), &variable).unwrap();
        assert_eq!(["x-a", "x-b", "x-c"].map(|name| headers[name].to_str().unwrap()), ["2", "hunter2", "a: b"]);
        assert!(headers.values().all(HeaderValue::is_sensitive));
        write("X-A: 1\nhunter2\n");
        let problem = all(Vec::new(), Some(&path), &variable).unwrap_err();
        assert!(problem.message.contains("line 2: ") && !problem.message.contains("hunter2"), "{problem}");
        assert!(all(Vec::new(), Some(&folder.path().join("absent")), &variable).is_err());
    }

    #[test]
    fn what_a_variable_brings_must_be_a_headers_value_and_is_not_shown() {
        let given = vec![HeaderArg::parse("X-A: ${TOKEN}").unwrap()];
        let problem = all(given, None, &|_| Some("hunter2\n".into())).unwrap_err();
        assert!(problem.message.contains("x-a") && !problem.message.contains("hunter2"), "{problem}");
    }
}
