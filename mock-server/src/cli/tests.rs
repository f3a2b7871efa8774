//! Settings from flags, variables and files: which goes first, and that the explained file knows every option.

use std::path::Path;
use std::time::Duration;

use clap::{CommandFactory as _, Parser as _};

use super::file::{FileFault, parsed};
use super::options::Options;
use super::settings;

/// The file that people copy.
const EXPLAINED: &str = include_str!("../../../config/mock-server.toml");

fn from_file(text: &str) -> Options {
    parsed(Path::new("mock.toml"), text).unwrap()
}

fn typed(flags: &[&str]) -> Options {
    Options::try_parse_from([&["mcp-mock-server"], flags].concat()).unwrap()
}

/// The names of all settings, as they stand in a file.
fn names() -> Vec<String> {
    let command = Options::command();
    let arguments = command.get_arguments().filter_map(|argument| argument.get_long()).map(str::to_owned);
    arguments.filter(|name| !["config", "list-faults"].contains(&name.as_str())).collect()
}

/// The explained file with every setting in force, also those that say no more than what holds without them.
fn all_in_force() -> String {
    let is_setting = |line: &str| line.starts_with(|c: char| c.is_ascii_lowercase()) && line.contains(" = ");
    let lines = EXPLAINED.lines().map(|line| match line.strip_prefix('#') {
        Some(setting) if is_setting(setting) => setting,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_flag_goes_before_the_file_and_the_file_before_the_default() {
    let file = "access-token-lifetime = 5\nrefresh-grace = 6\nno-registration = true\nfault = [\"get-405\"]\n";
    let options = typed(&["--access-token-lifetime", "7", "--no-registration=false"]).or(from_file(file));
    let settings = settings(options).unwrap();
    assert_eq!(settings.access_token_lifetime, Duration::from_secs(7));
    assert_eq!(settings.refresh_grace, Duration::from_secs(6));
    assert_eq!(settings.authorization_code_lifetime, Duration::from_secs(60));
    assert!(settings.registration);
    assert_eq!(settings.faults.len(), 1);
}

#[test]
fn what_a_file_says_wrongly_is_named_with_its_line() {
    for (name, text, words) in [
        ("an unknown key", "seed = 1\n\nlisten-on = \"x\"\n", "listen-on"),
        ("an unknown fault", "\n\nfault = [\"wrong-planet\"]\n", "wrong-planet"),
        ("another type", "# one\n\nseed = \"x\"\n", "seed"),
        ("a backward range", "\n\ntoken-delay = \"50..20ms\"\n", "range"),
        ("no TOML", "\n\nseed\n", ""),
        ("another layout", "\n\nlayout = \"round\"\n", "round"),
    ] {
        let Err(FileFault::Wrong { line, reason, .. }) = parsed(Path::new("mock.toml"), text) else { panic!("{name}") };
        assert_eq!(line, 3, "{name}");
        assert!(reason.contains(words) || name == "another type", "{name}: {reason}");
    }
}

#[test]
fn each_option_is_a_variable_too() {
    for argument in Options::command().get_arguments() {
        let Some(name) = argument.get_long().filter(|name| *name != "list-faults") else { continue };
        let variable = format!("MCP_MOCK_{}", name.replace('-', "_").to_uppercase());
        assert_eq!(argument.get_env().and_then(|env| env.to_str()), Some(&*variable), "{name}");
        assert!(argument.get_help().is_some(), "{name}");
    }
}

#[test]
fn the_explained_file_says_what_holds_without_it() {
    let written = format!("{:?}", settings(from_file(EXPLAINED)).unwrap());
    assert_eq!(written, format!("{:?}", settings(Options::default()).unwrap()));
}

#[test]
fn the_explained_file_has_every_setting() {
    let text = all_in_force();
    from_file(&text);
    let missing = names().into_iter().filter(|name| !text.lines().any(|line| line.starts_with(&format!("{name} = "))));
    assert_eq!(missing.collect::<Vec<_>>(), Vec::<String>::new());
}
