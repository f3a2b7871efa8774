//! What a source file names of its own crate, however it is spelt: grouped, by `super`, in an inline module, without `use`.
//! It reads text, not meaning: a path stands for whatever is behind it, a glob for everything.

use std::collections::BTreeSet;
use std::path::Path;

/// A path from the crate's root; `*` at its end is a glob.
pub(crate) type ModulePath = Vec<String>;

/// The module that a file below `src` is; the root for `lib.rs` and `main.rs`.
pub(crate) fn module_of(inside_src: &Path) -> ModulePath {
    let path = inside_src.with_extension("");
    let path = path.iter().map(|part| part.to_string_lossy().into_owned());
    path.filter(|part| !matches!(part.as_str(), "lib" | "main")).collect()
}

/// Every path of the crate that the text of a module names. Empty paths are the crate as a whole.
pub(crate) fn paths(module: &[String], text: &str) -> BTreeSet<ModulePath> {
    let tokens = tokens(text);
    let mut found = BTreeSet::new();
    let (mut here, mut inline, mut depth, mut at) = (module.to_vec(), Vec::new(), 0_usize, 0);
    while at < tokens.len() {
        let token = |ahead: usize| tokens.get(at + ahead).copied().unwrap_or_default();
        match token(0) {
            "mod" if token(2) == "{" => {
                here.push(token(1).to_owned());
                inline.push(depth);
            }
            "{" => depth += 1,
            "}" => {
                depth = depth.saturating_sub(1);
                if inline.pop_if(|opened| *opened == depth).is_some() {
                    here.pop();
                }
            }
            "crate" | "mcp_bridge" | "super" | "self" if matches!(token(1), "::" | "as") => {
                at = tree(&tokens, at, here.clone(), &mut found);
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// Reads a path or a tree of a `use` that begins at a token; gives the token behind it.
fn tree(tokens: &[&str], mut at: usize, mut prefix: ModulePath, found: &mut BTreeSet<ModulePath>) -> usize {
    loop {
        match tokens.get(at).copied().unwrap_or_default() {
            "crate" | "mcp_bridge" => prefix.clear(),
            "self" => {}
            "super" => drop(prefix.pop()),
            "{" => {
                at += 1;
                while !matches!(tokens.get(at), None | Some(&"}")) {
                    at = tree(tokens, at, prefix.clone(), found);
                    // `as NAME` and the comma.
                    while !matches!(tokens.get(at), None | Some(&("," | "}"))) {
                        at += 1;
                    }
                    at += usize::from(tokens.get(at) == Some(&","));
                }
                return at + 1;
            }
            name => prefix.push(name.to_owned()),
        }
        let goes_on = tokens.get(at + 1) == Some(&"::") && tokens.get(at + 2) != Some(&"<");
        if !goes_on {
            found.insert(prefix);
            return at + 1;
        }
        at += 2;
    }
}

/// Words, `::` and single characters; without comments, strings and characters in quotes.
fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if let Some(length) = raw_string(rest) {
            length
        } else if first == '"' {
            quoted(rest, '"')
        } else if first == '\'' {
            character(rest)
        } else if is_word(first) {
            let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            tokens.push(&rest[..length]);
            length
        } else if rest.starts_with("::") {
            tokens.push("::");
            2
        } else {
            if !first.is_whitespace() {
                tokens.push(&rest[..first.len_utf8()]);
            }
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    tokens
}

fn block_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    for (at, _) in text.char_indices() {
        if text[at..].starts_with("/*") {
            depth += 1;
        } else if at > 0 && text[at - 1..].starts_with("*/") {
            depth -= 1;
            if depth == 0 {
                return at + 1;
            }
        }
    }
    text.len()
}

/// The length of a raw string that begins here, if one does.
fn raw_string(text: &str) -> Option<usize> {
    let marks = text.strip_prefix("br").or_else(|| text.strip_prefix('r'))?;
    let hashes = marks.len() - marks.trim_start_matches('#').len();
    let body = marks[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = body.find(&end).map_or(body.len(), |found| found + end.len());
    Some(text.len() - body.len() + length)
}

fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if c == quote && !escaped {
            return at + 1;
        }
        escaped = c == '\\' && !escaped;
    }
    text.len()
}

/// A character in quotes, or the mark of a lifetime.
fn character(text: &str) -> usize {
    let mut chars = text.chars().skip(1);
    match (chars.next(), chars.next()) {
        (Some('\\'), _) | (Some(_), Some('\'')) => quoted(text, '\''),
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(module: &str, text: &str) -> Vec<String> {
        let module: ModulePath = module.split("::").map(str::to_owned).collect();
        paths(&module, text).into_iter().map(|path| path.join("::")).collect()
    }

    #[test]
    fn every_spelling_of_an_import_is_seen() {
        let table: &[(&str, &str, &[&str])] = &[
            ("plain", "use crate::worker::job::Job;", &["worker::job::Job"]),
            ("grouped at the root", "use crate::{worker, commands};", &["commands", "worker"]),
            ("groups in groups", "use crate::{a::{b, c::{self, d}}, e,};", &["a::b", "a::c", "a::c::d", "e"]),
            ("a group without a root", "use {crate::a, super::b};", &["a", "tokens::b"]),
            ("over several lines", "use crate::\n    worker::{\n        job, // x\n    };", &["worker::job"]),
            ("renamed", "use crate::{worker as w, b::c as d};", &["b::c", "worker"]),
            ("a glob", "use crate::worker::*; use crate::*;", &["*", "worker::*"]),
            ("the crate itself", "use crate as c;", &[""]),
            ("super", "use super::x;", &["tokens::x"]),
            ("super twice", "use super::super::worker::sign_in;", &["worker::sign_in"]),
            ("super in a group", "use super::{super::worker, x};", &["tokens::x", "worker"]),
            ("self", "use self::x::y;", &["tokens::waiting::x::y"]),
            (
                "without use",
                "fn f() -> crate::worker::Obtained { crate::worker::x::<u8>() }",
                &["worker::Obtained", "worker::x"],
            ),
            ("exported", "pub(crate) use crate::worker as w;", &["worker"]),
            ("in an attribute", "#[serde(with = \"x\")] #[derive(crate::a::B)]", &["a::B"]),
            ("in a macro", "macro_rules! m { () => { $crate::a::B } }", &["a::B"]),
            ("from the binary", "use mcp_bridge::{cli::{self, X}, terminal};", &["cli", "cli::X", "terminal"]),
            ("an inline module", "mod t { use super::super::a; } use super::b;", &["tokens::a", "tokens::b"]),
            (
                "inline modules in one another",
                "mod t { mod u { fn f() {} use super::super::a; } }",
                &["tokens::waiting::a"],
            ),
            ("behind a lifetime", "fn f<'a>(x: &'a str) -> crate::a::B<'a>", &["a::B"]),
            ("behind a character", "match c { '\"' => crate::a, '\\'' => crate::b::c, '{' => 0 }", &["a", "b::c"]),
        ];
        for (name, text, expected) in table {
            assert_eq!(found("tokens::waiting", text), *expected, "{name}");
        }
    }

    #[test]
    fn what_only_looks_like_an_import_is_none() {
        for text in [
            "// use crate::worker;",
            "/* use crate::worker; /* x */ use crate::a; */",
            "\"use crate::worker; \\\" crate::a\"",
            "r#\"use \"crate::worker\";\"#",
            "pub(crate) fn f(self) {} pub(super) struct X;",
            "use std::fmt; use tokio::process;",
            "mod t;",
        ] {
            assert_eq!(found("tokens", text), Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn a_file_is_a_module() {
        for (file, module) in
            [("lib.rs", ""), ("main.rs", ""), ("tokens.rs", "tokens"), ("a/b/tests.rs", "a::b::tests")]
        {
            assert_eq!(module_of(Path::new(file)).join("::"), module);
        }
    }
}
