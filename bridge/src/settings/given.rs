//! A credential that the person gives, in place of a sign-in: in a variable, or by a command of theirs. It says where the
//! credential comes from and never holds it. `tokens::command` runs such a command.

use std::fmt;
use std::time::Duration;

use crate::problem::{Code, Problem};
use crate::secret::Secret;
use crate::untrusted::Untrusted;

/// Where a credential comes from that no sign-in brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Given {
    /// An environment variable of this name, read at the start; it is among the headers.
    Variable(String),
    /// A command that prints a token.
    Token(CommandLine, Duration),
    /// A command that prints headers.
    Headers(CommandLine, Duration),
}

impl fmt::Display for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Given::Variable(name) => write!(f, "the variable `{}`", Untrusted::new(name.as_str())),
            Given::Token(command, _) | Given::Headers(command, _) => write!(f, "the command `{command}`"),
        }
    }
}

/// A program and its arguments. Display and Debug show the program alone: an argument may be a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct CommandLine {
    /// The program: a path, or a name that is looked up in `PATH`.
    pub program: String,
    /// Its arguments.
    pub arguments: Vec<Secret>,
}

impl CommandLine {
    /// Splits a command line into words as POSIX has it (Shell Command Language §2.2): at blanks; `'…'` is literal, in `"…"` a
    /// backslash escapes `"`, `\`, `$` and a back quote, elsewhere any character. Nothing is expanded, and no shell runs.
    ///
    /// # Errors
    /// A quote or backslash without an end, or no word at all. `flag` names the setting; the line is never shown.
    pub fn parse(flag: &str, line: &Secret) -> Result<CommandLine, Problem> {
        let refused = |why: &str| {
            let hint = "write a program and its arguments, those with blanks in quotes; no shell reads it, so nothing is expanded";
            Problem::new(Code::InvalidSetting, format!("`{flag}` {why}"), hint)
        };
        let mut words = words(line.expose()).map_err(refused)?.into_iter();
        match words.next() {
            Some(program) if !program.expose().is_empty() => {
                Ok(CommandLine { program: program.expose().to_owned(), arguments: words.collect() })
            }
            _ => Err(refused("names no program")),
        }
    }
}

impl fmt::Display for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Untrusted::new(self.program.as_str()))
    }
}

impl fmt::Debug for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CommandLine({:?} and {} arguments)", self.program, self.arguments.len())
    }
}

fn words(line: &str) -> Result<Vec<Secret>, &'static str> {
    let mut words = Vec::new();
    let mut word: Option<zeroize::Zeroizing<String>> = None;
    let mut open = || zeroize::Zeroizing::new(String::with_capacity(line.len()));
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        if c.is_whitespace() {
            words.extend(word.take().map(|word| Secret::new(word.as_str())));
            continue;
        }
        let word = word.get_or_insert_with(&mut open);
        match c {
            '\\' => word.push(chars.next().ok_or("ends with a backslash")?),
            '\'' => loop {
                match chars.next().ok_or("has a `'` without its other half")? {
                    '\'' => break,
                    c => word.push(c),
                }
            },
            '"' => loop {
                match chars.next().ok_or("has a `\"` without its other half")? {
                    '"' => break,
                    '\\' => match chars.next().ok_or("has a `\"` without its other half")? {
                        c @ ('"' | '\\' | '$' | '`') => word.push(c),
                        c => word.extend(['\\', c]),
                    },
                    c => word.push(c),
                }
            },
            c => word.push(c),
        }
    }
    words.extend(word.take().map(|word| Secret::new(word.as_str())));
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Vec<String>, Problem> {
        let command = CommandLine::parse("--token-command", &Secret::new(line))?;
        let arguments = command.arguments.iter().map(|word| word.expose().to_owned());
        Ok([command.program.clone()].into_iter().chain(arguments).collect())
    }

    #[test]
    fn a_command_line_is_split_into_words_as_posix_has_it_and_nothing_is_expanded() {
        let table: &[(&str, &[&str])] = &[
            ("op read op://vault/item", &["op", "read", "op://vault/item"]),
            ("  a\t b\n", &["a", "b"]),
            ("'/opt/my tools/get' \"a b\" c\\ d", &["/opt/my tools/get", "a b", "c d"]),
            (r#"a "x\"y\\z\$\n" 'x\y' "" ''"#, &["a", r#"x"y\z$\n"#, r"x\y", "", ""]),
            (r#"a --x='1 2'"3"\'"#, &["a", "--x=1 23'"]),
            ("a $HOME ~ *.c | b; `c` > d", &["a", "$HOME", "~", "*.c", "|", "b;", "`c`", ">", "d"]),
        ];
        for (line, words) in table {
            assert_eq!(parsed(line).unwrap(), *words, "{line}");
        }
    }

    #[test]
    fn what_is_no_command_line_is_refused_and_not_shown() {
        for line in ["", "  ", "'' hunter2", "a 'hunter2", "a \"hunter2", "a hunter2\\", "a \"hunter2\\"] {
            let problem = parsed(line).unwrap_err();
            assert_eq!(problem.code, Code::InvalidSetting, "{line}");
            assert!(problem.message.contains("--token-command") && !problem.message.contains("hunter2"), "{problem}");
        }
    }

    #[test]
    fn an_argument_is_not_shown() {
        let command = CommandLine::parse("", &Secret::new("get --password hunter2")).unwrap();
        let shown = format!("{command} {command:?} {}", Given::Token(command.clone(), Duration::ZERO));
        assert!(shown.contains("get") && !shown.contains("hunter2"), "{shown}");
    }
}
