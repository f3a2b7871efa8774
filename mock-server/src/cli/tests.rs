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
    arguments.filter(|name| !["config", "health", "list-faults"].contains(&name.as_str())).collect()
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
    for (name, text, wrong_key, words) in [
        ("an unknown key", "seed = 1\n\nlisten-on = \"x\"\n", "listen-on", "no such setting"),
        ("an unknown fault", "\n\nfault = [\"wrong-planet\"]\n", "fault", "wrong-planet"),
        ("a fault on a line of its own", "\n\nfault = [\n  \"slow=soon\",\n]\n", "fault", "soon"),
        ("another type in a list", "also-issues-for = [\n\n  5,\n]\n", "also-issues-for", "invalid type"),
        ("another type", "# one\n\nseed = \"x\"\n", "seed", "invalid type"),
        ("a backward range", "\n\ntoken-delay = \"50..20ms\"\n", "token-delay", "range"),
        ("no TOML", "\n\nseed\n", "seed", ""),
        ("another layout", "\n\nlayout = \"round\"\n", "layout", "round"),
    ] {
        let Err(fault) = parsed(Path::new("mock.toml"), text) else { panic!("{name}") };
        let FileFault::Wrong { line, key, reason, .. } = &fault else { panic!("{name}") };
        assert_eq!((*line, &**key), (3, wrong_key), "{name}: {reason}");
        assert!(reason.contains(words), "{name}: {reason}");
        assert!(fault.to_string().contains("mock.toml, line 3"), "{name}: {fault}");
    }
}

#[test]
fn the_help_is_well_formed() {
    super::help::arranged(Options::command()).debug_assert();
}

#[test]
fn each_option_is_a_variable_too() {
    for argument in Options::command().get_arguments() {
        let Some(name) = argument.get_long().filter(|name| !["health", "list-faults"].contains(name)) else { continue };
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

/// A value for each setting that is no switch and does not need another one.
const OTHER_VALUES: &[(&str, &str)] = &[
    ("listen", "127.0.0.1:4711"),
    ("access-token-lifetime", "7"),
    ("access-token-ttl-override", "7"),
    ("refresh-token-lifetime", "7"),
    ("refresh-grace", "7"),
    ("token-format", "opaque"),
    ("authorization-code-lifetime", "7"),
    ("token-delay", "7ms"),
    ("initialize-delay", "7"),
    ("request-timeout", "7"),
    ("body-limit", "7"),
    ("layout", "2025-03-26"),
    ("also-issues-for", "https://other.example"),
    ("issuer-path", "/t"),
    ("separate-authorization-server", "127.0.0.1:4712"),
    ("public-authorization-origin", "https://auth.example"),
    ("public-origin", "https://mcp.example"),
    ("initial-access-token", "t"),
    ("client-secret-lifetime", "7"),
    ("known-client", "c"),
    ("client-document", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/client.json")),
    ("auth-method", "post"),
    ("reply", "sse"),
    ("fault", "gzip"),
    ("allowed-origin", "*"),
    ("tool-scope", "echo=x"),
    ("account", "carol:Carol"),
    ("approve-as", "bob"),
    ("tls-ca-out", "ca.pem"),
    ("client-ca", concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")),
];

#[test]
fn every_switch_and_every_value_changes_a_setting() {
    let default = format!("{:?}", settings(Options::default()).unwrap());
    let switches = Options::command();
    let switches = switches.get_arguments().filter(|argument| super::help::is_switch(argument));
    let switches = switches.filter_map(|argument| argument.get_long()).map(|name| format!("--{name}"));
    // What this says is none of the library's.
    let switches = switches.filter(|flag| flag != "--verbose");
    let values = OTHER_VALUES.iter().map(|(name, value)| format!("--{name}={value}"));
    for flag in switches.chain(values) {
        let changed = format!("{:?}", settings(typed(&[&flag])).unwrap());
        assert_ne!(changed, default, "{flag}");
    }
}
