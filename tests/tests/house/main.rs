//! The house rules that a compiler cannot keep: who may import whom, module docs, the size of files, and that the papers
//! name what the code has. Each failure says which file breaks which rule.

#![expect(clippy::disallowed_methods, reason = "it reads the tree, where nothing is secret or written meanwhile")]
#![expect(clippy::expect_used, reason = "a tree that cannot be read fails the test, and says why")]

mod imports;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use self::imports::ModulePath;

/// Leaves: anyone may use them, and they use nothing but each other.
const LEAVES: [&str; 6] = ["message", "problem", "safe_url", "secret", "settings", "untrusted"];

/// Who may import whom besides the leaves; docs/architecture.md says why. `commands` wires everything.
const ARROWS: [(&str, &[&str]); 12] = [
    ("cli", &["credentials", "oauth"]),
    ("credentials", &[]),
    ("host", &[]),
    ("http", &[]),
    ("main", &["cli", "commands", "terminal"]),
    ("oauth", &[]),
    ("relay", &["host", "translation", "upstream"]),
    ("terminal", &[]),
    ("tokens", &["credentials", "oauth", "worker"]),
    ("translation", &[]),
    ("upstream", &["http", "tokens"]),
    ("worker", &["credentials", "http", "oauth"]),
];

/// The most lines a file may have before its tests.
const MOST_LINES: usize = 400;

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn rust_files(below: &Path) -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(below).expect("a folder").map(|entry| entry.expect("an entry").path()) {
        if entry.is_dir() {
            files.extend(rust_files(&entry));
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&entry).expect("UTF-8");
            files.push((entry, text));
        }
    }
    files
}

fn source_files() -> Vec<(PathBuf, String)> {
    ["bridge", "mock-server", "tests"]
        .iter()
        .flat_map(|package| ["src", "tests"].map(|folder| workspace().join(package).join(folder)))
        .filter(|folder| folder.is_dir())
        .flat_map(|folder| rust_files(&folder))
        .collect()
}

/// Every file of the bridge: its place below `src`, its room, the paths that it names of its own crate.
fn bridge_files() -> Vec<(PathBuf, String, BTreeSet<ModulePath>)> {
    let root = workspace().join("bridge/src");
    let files = rust_files(&root).into_iter().map(|(path, text)| {
        let inside = path.strip_prefix(&root).expect("below the root").to_owned();
        let room = inside.iter().next().and_then(|part| part.to_str()).expect("UTF-8").trim_end_matches(".rs");
        let paths = imports::paths(&imports::module_of(&inside), &text);
        (inside.clone(), room.to_owned(), paths)
    });
    files.collect()
}

/// Whether a file of this room may name this path.
fn follows_the_arrows(room: &str, path: &[String]) -> bool {
    let allowed = ARROWS.iter().find(|(name, _)| *name == room).map(|(_, allowed)| *allowed);
    assert!(allowed.is_some() || LEAVES.contains(&room), "`{room}` is a new room: give it its arrows here");
    // The crate as a whole, or all of it by a glob, is no room.
    let Some(import) = path.first() else { return false };
    import == room || LEAVES.contains(&import.as_str()) || allowed.is_some_and(|a| a.contains(&import.as_str()))
}

/// Whether `tokens` may name this path: of the worker only what starts it.
fn is_fit_for_tokens(path: &[String]) -> bool {
    path.first().is_none_or(|room| room != "worker")
        || matches!(path.get(1).map(String::as_str), Some("job" | "process"))
}

#[test]
fn every_import_follows_the_arrows() {
    let mut broken = Vec::new();
    for (file, room, paths) in bridge_files() {
        if matches!(room.as_str(), "lib" | "commands") {
            continue;
        }
        let wrong = paths.iter().filter(|path| !follows_the_arrows(&room, path));
        broken.extend(wrong.map(|path| format!("{} imports {}", file.display(), path.join("::"))));
    }
    assert!(broken.is_empty(), "against the arrows:\n{}", broken.join("\n"));
}

#[test]
fn tokens_knows_of_the_worker_only_how_to_start_it() {
    let files = bridge_files().into_iter().filter(|(_, room, _)| room == "tokens");
    for (file, _, paths) in files {
        let wrong: Vec<_> = paths.iter().filter(|path| !is_fit_for_tokens(path)).collect();
        assert!(wrong.is_empty(), "{} imports more of the worker: {wrong:?}", file.display());
    }
}

#[test]
fn an_import_against_the_arrows_is_caught_in_each_spelling() {
    for text in [
        "use crate::commands;",
        "use crate::{problem, commands};",
        "use {crate::commands::bridge};",
        "use super::super::commands;",
        "mod tests { use super::super::super::commands; }",
        "fn f() { crate::commands::bridge::run() }",
        "use crate as everything;",
        "use crate::*;",
    ] {
        let paths = imports::paths(&["tokens".to_owned(), "waiting".to_owned()], text);
        assert!(paths.iter().any(|path| !follows_the_arrows("tokens", path)), "{text}");
    }
    for text in [
        "use crate::worker;",
        "use crate::worker::{self, job};",
        "use crate::worker::{job::Job, sign_in};",
        "use crate::{secret, worker as w};",
        "use super::worker::*;",
        "fn f() { crate::worker::obtain() }",
    ] {
        let paths = imports::paths(&["tokens".to_owned()], text);
        assert!(paths.iter().any(|path| !is_fit_for_tokens(path)), "{text}");
    }
}

#[test]
fn every_file_says_what_it_is() {
    let silent: Vec<_> =
        source_files().into_iter().filter(|(_, text)| !text.starts_with("//!")).map(|(path, _)| path).collect();
    assert!(silent.is_empty(), "without `//!` on top: {silent:#?}");
}

#[test]
fn no_file_is_too_long() {
    let mut long = Vec::new();
    for (path, text) in source_files() {
        let is_test = path.ends_with("tests.rs") || path.iter().any(|part| part == "tests");
        let lines = text.lines().take_while(|line| is_test || *line != "#[cfg(test)]").count();
        if lines > MOST_LINES && !path.ends_with("tests.rs") {
            long.push(format!("{} has {lines} lines", path.display()));
        }
    }
    assert!(long.is_empty(), "over {MOST_LINES} lines without their tests:\n{}", long.join("\n"));
}

#[test]
fn docs_errors_explains_every_code_and_no_other() {
    let problem = fs::read_to_string(workspace().join("bridge/src/problem.rs")).expect("problem.rs");
    let variants = problem.split("pub enum Code {").nth(1).and_then(|rest| rest.split('}').next()).expect("the codes");
    let codes: BTreeSet<String> = variants
        .lines()
        .map(|line| line.trim().trim_end_matches(','))
        .filter(|line| !line.is_empty() && !line.starts_with("//"))
        .map(snake_case)
        .collect();
    let paper = fs::read_to_string(workspace().join("docs/errors.md")).expect("docs/errors.md");
    let explained: BTreeSet<String> =
        paper.lines().filter_map(|line| Some(line.strip_prefix("| `")?.split('`').next()?.to_owned())).collect();
    assert_eq!(codes, explained);
}

fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.extend(c.to_lowercase());
    }
    snake
}

#[test]
fn the_first_two_code_blocks_of_the_readme_hold_one_command_each() {
    let readme = fs::read_to_string(workspace().join("README.md")).expect("README.md");
    let blocks: Vec<&str> = readme.split("```").skip(1).step_by(2).take(2).collect();
    assert_eq!(blocks.len(), 2);
    for block in blocks {
        let commands: Vec<&str> = block.lines().skip(1).filter(|line| !line.trim().is_empty()).collect();
        assert_eq!(commands.len(), 1, "one command in {block:?}");
        assert!(commands[0].starts_with("cargo "), "only cargo is there on a fresh machine: {block:?}");
    }
}

#[test]
fn every_snippet_for_a_host_starts_the_bridge_by_its_absolute_path() {
    let folder = workspace().join("config");
    let mut snippets = 0;
    for path in fs::read_dir(&folder).expect("config").map(|entry| entry.expect("an entry").path()) {
        let text = fs::read_to_string(&path).expect("UTF-8");
        let name = path.file_name().and_then(|name| name.to_str()).expect("UTF-8");
        if ["README.md", "bridge.toml", "client-metadata.json", "mock-server.toml"].contains(&name) {
            continue;
        }
        snippets += 1;
        if name.ends_with(".json") {
            serde_json::from_str::<serde_json::Value>(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        for part in ["/usr/local/bin/mcp-bridge", "--upstream", "https://mcp.example.com/mcp"] {
            assert!(text.contains(part), "{name} lacks {part}");
        }
        let readme = fs::read_to_string(folder.join("README.md")).expect("config/README.md");
        assert!(readme.contains(&format!("({name})")), "config/README.md says nothing of {name}");
    }
    assert!(snippets > 0, "no snippets");
}

#[test]
fn docs_protocol_names_only_files_and_tests_that_are_there() {
    let paper = fs::read_to_string(workspace().join("docs/protocol.md")).expect("docs/protocol.md");
    let mut missing = Vec::new();
    for row in paper.lines().filter(|line| line.starts_with("| ")) {
        // | id | rule | where it lives | the test that shows it |
        let cells: Vec<&str> = row.split('|').collect();
        assert_eq!(cells.len(), 6, "four cells: {row}");
        let mut text = String::new();
        for name in cells[3..5].iter().flat_map(|cell| cell.split('`').skip(1).step_by(2)) {
            let there = if name.ends_with(".rs") || name.ends_with('/') {
                let root = if name.starts_with("tests/") { "" } else { "bridge/src" };
                let path = workspace().join(root).join(name);
                text = fs::read_to_string(&path).unwrap_or_default();
                path.exists()
            } else {
                let stem = name.trim_end_matches('*').trim_end_matches("::");
                ["fn ", "mod "].iter().any(|kind| text.contains(&format!("{kind}{stem}")))
            };
            if !there {
                missing.push(name);
            }
        }
    }
    assert!(missing.is_empty(), "docs/protocol.md names what is not there: {missing:#?}");
}
