//! Which layer wins, and what is said of a value that cannot be.

#![expect(clippy::disallowed_methods, reason = "files of a test, which nobody else reads meanwhile")]

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use crate::cli::layers::Ground;
use crate::cli::{Invocation, Refusal, Understood, parse_on};
use crate::settings::{SecretPlace, Settings};

/// A configuration file in a folder of its own.
fn file(text: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("bridge.toml"), text).unwrap();
    folder
}

fn understood(folder: &Path, variables: &[(&str, &str)], words: &[&str]) -> Result<Understood, Refusal> {
    let variable = |name: &str| {
        let found = variables.iter().find(|(variable, _)| *variable == name);
        found.map(|(_, value)| OsString::from(value))
    };
    let ground = Ground { variable: &variable, default_file: Some(folder.join("bridge.toml")) };
    parse_on(&ground, ["mcp-bridge"].iter().chain(words).map(OsString::from).collect())
}

fn settings(folder: &Path, variables: &[(&str, &str)], words: &[&str]) -> Settings {
    match understood(folder, variables, words).unwrap().invocation {
        Invocation::Bridge(settings) | Invocation::Login(settings, _) => *settings,
        other => panic!("{other:?}"),
    }
}

fn refused(text: &str, variables: &[(&str, &str)], words: &[&str]) -> String {
    match understood(file(text).path(), variables, words) {
        Err(Refusal::Setting(problem)) => format!("{problem} ({})", problem.hint),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_parameter_replaces_that_of_the_same_name_in_a_lower_layer_alone() {
    let folder = file("authorize-param = ['prompt=login', 'audience=a:1', 'x=1']\n");
    let variable = [("MCP_BRIDGE_AUTHORIZE_PARAM", "prompt=none\nhd=b")];
    let words = ["https://a.example", "--authorize-param", "audience=a:2"];
    let mut found = settings(folder.path(), &variable, &words).sign_in.authorization.parameters;
    found.sort();
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(found, [pair("audience", "a:2"), pair("hd", "b"), pair("prompt", "none"), pair("x", "1")]);
}

#[test]
fn a_flag_goes_before_a_variable_and_that_before_the_server_and_that_before_the_top_level() {
    let folder = file("connect-timeout = 1\n[server.work]\nupstream = 'https://w.example/'\nconnect-timeout = 2\n");
    let variable = [("MCP_BRIDGE_CONNECT_TIMEOUT", "3")];
    let table = [
        ("the top level", &["https://a.example"][..], &[][..], 1),
        ("the server", &["work"], &[], 2),
        ("the variable", &["work"], &variable, 3),
        ("the flag", &["work", "--connect-timeout", "4"], &variable, 4),
        ("the flag, first", &["--connect-timeout=4", "work"], &variable, 4),
    ];
    for (name, words, variables, expected) in table {
        let settings = settings(folder.path(), variables, words);
        assert_eq!(settings.transport.connect_timeout, Duration::from_secs(expected), "{name}");
    }
    assert_eq!(
        settings(Path::new("/nonexistent"), &[], &["https://a.example"]).transport.connect_timeout,
        Duration::from_secs(10),
        "the default"
    );
}

#[test]
fn a_server_is_named_bare_or_by_a_flag_or_by_a_variable() {
    let folder = file("[server.work]\nupstream = 'https://w.example/mcp'\nprofile = 'anna'\n");
    let variable = [("MCP_BRIDGE_SERVER", "work")];
    let table = [
        (&["work"][..], &[][..]),
        (&["--server", "work"], &[]),
        (&[], &variable),
        (&["login", "work"], &[]),
        (&["login", "--server", "work"], &[]),
    ];
    for (words, variables) in table {
        let settings = settings(folder.path(), variables, words);
        assert_eq!(settings.sign_in.upstream.as_str(), "https://w.example/mcp", "{words:?}");
        assert_eq!(settings.sign_in.login_command(), "mcp-bridge login work --profile anna", "{words:?}");
    }
    let Invocation::Status(status) = understood(folder.path(), &[], &["status", "work"]).unwrap().invocation else {
        panic!("no status")
    };
    assert_eq!(status.upstream.unwrap().as_str(), "https://w.example/mcp");
    assert_eq!(status.profile.as_deref(), Some("anna"));
    let Invocation::Logout(logout) = understood(folder.path(), &[], &["logout", "work"]).unwrap().invocation else {
        panic!("no logout")
    };
    assert_eq!(logout.upstream.unwrap().as_str(), "https://w.example/mcp");
}

#[test]
fn an_upstream_of_a_lower_layer_is_no_wish_to_ask_for_it_alone() {
    let folder = file("upstream = 'https://a.example/mcp'\nclient-id = 'id'\nclient-secret-env = 'VAR'\n");
    assert_eq!(settings(folder.path(), &[], &[]).sign_in.upstream.as_str(), "https://a.example/mcp");
    let variable = [("MCP_BRIDGE_UPSTREAM", "https://b.example/")];
    assert_eq!(settings(folder.path(), &variable, &["login"]).sign_in.upstream.as_str(), "https://b.example/");
    assert_eq!(
        settings(folder.path(), &variable, &["https://c.example"]).sign_in.upstream.as_str(),
        "https://c.example/"
    );
    let Invocation::Status(status) = understood(folder.path(), &variable, &["status"]).unwrap().invocation else {
        panic!("no status")
    };
    assert_eq!(status.upstream, None);
    let Invocation::Logout(logout) = understood(folder.path(), &variable, &["logout", "--all"]).unwrap().invocation
    else {
        panic!("no logout")
    };
    assert_eq!((logout.upstream, logout.secret), (None, None));
}

#[test]
fn a_header_replaces_those_of_its_name_in_the_layers_below() {
    let folder = file(
        "header = ['X-A: 1', 'X-B: 1', 'X-C: 1']\n[server.w]\nupstream = 'https://w.example/'\nheader = ['x-b: 2']\n",
    );
    let settings = settings(folder.path(), &[("MCP_BRIDGE_HEADER", "x-d: 3\nX-D: 4\n")], &["w", "--header", "X-C: 5"]);
    let all = |name: &str| {
        let values = settings.headers.get_all(name).iter();
        values.map(|value| value.to_str().unwrap().to_owned()).collect::<Vec<_>>().join(",")
    };
    assert_eq!(["x-a", "x-b", "x-c", "x-d"].map(all), ["1", "2", "5", "3,4"].map(String::from));
}

#[test]
fn a_switch_can_be_undone_by_a_higher_layer() {
    let folder = file("no-browser = true\n[server.w]\nupstream = 'https://w.example/'\nno-browser = false\n");
    let off = [("MCP_BRIDGE_NO_BROWSER", "0")];
    let on = [("MCP_BRIDGE_NO_BROWSER", "yes")];
    let table = [
        (&["https://a.example"][..], &[][..], true),
        (&["w"], &[], false),
        (&["w"], &on, true),
        (&["https://a.example"], &off, false),
        (&["https://a.example", "--no-browser=false"], &on, false),
        (&["https://a.example", "--no-browser=true"], &off, true),
    ];
    for (words, variables, expected) in table {
        assert_eq!(settings(folder.path(), variables, words).sign_in.no_browser, expected, "{words:?} {variables:?}");
    }
}

#[test]
fn one_place_of_a_secret_stands_instead_of_the_other() {
    let folder = file("client-id = 'id'\nclient-secret-file = 'secret'\n");
    let in_folder = SecretPlace::File(folder.path().join("secret"));
    let variable = SecretPlace::Variable("VAR".to_owned());
    let table = [
        (&["https://a.example"][..], &[][..], in_folder),
        (&["https://a.example", "--client-secret-env", "VAR"], &[], variable.clone()),
        (&["https://a.example"], &[("MCP_BRIDGE_CLIENT_SECRET_ENV", "VAR")], variable),
    ];
    for (words, variables, expected) in table {
        let client = settings(folder.path(), variables, words).sign_in.client;
        assert_eq!(client.client_secret, Some(expected), "{words:?} {variables:?}");
    }
}

#[test]
fn a_mistake_in_the_file_names_file_line_key_and_what_is_wanted() {
    let table = [
        (
            "an unknown key",
            "\nconect-timeout = 1",
            "line 2: `conect-timeout` is no setting (did you mean `connect-timeout`?)",
        ),
        (
            "a table of servers that is misspelt",
            "[servers.a]\nlog = 'x'",
            "`servers` is no setting (a server's settings",
        ),
        ("a key for one call", "force = true", "line 1: `force` is no setting"),
        (
            "a text for a number",
            "connect-timeout = 'hunter2'",
            "line 1: `connect-timeout` wants a number, and this is a text",
        ),
        (
            "a number for a switch",
            "no-browser = 1",
            "line 1: `no-browser` wants `true` or `false`, and this is a number",
        ),
        ("a text for a list", "header = 'X: hunter2'", "line 1: `header` wants a list of texts, and this is a text"),
        (
            "a number out of range",
            "connect-timeout = 0",
            "line 1: `connect-timeout` does not hold: 0 is not in 1..=86400",
        ),
        ("no such choice", "transport = 'hunter2'", "line 1: `transport` does not hold: it is one of auto, http, sse"),
        (
            "a bad header",
            "\n\nheader = ['hunter2']",
            "line 3: `header` does not hold: a header is written `Name: value`",
        ),
        (
            "two that exclude each other",
            "client-secret-env = 'hunter2'\nclient-secret-file = 'f'",
            "cannot stand beside --client-secret-",
        ),
        ("of a server that is not meant", "[server.b]\nloge = 'x'", "line 2: `loge` is no setting"),
    ];
    for (name, text, words) in table {
        let shown = refused(text, &[], &["https://a.example"]);
        assert!(shown.contains("bridge.toml`, ") && shown.contains(words), "{name}: {shown}");
        assert!(!shown.contains("hunter2"), "{name}: {shown}");
    }
}

#[test]
fn a_mistake_in_a_variable_names_it() {
    let table = [
        ("MCP_BRIDGE_NO_BROWSER", "hunter2", "wants `true` or `false`"),
        ("MCP_BRIDGE_MAX_IN_FLIGHT", "0", "0 is not in 1..=65535"),
        ("MCP_BRIDGE_HEADER", "hunter2", "a header is written"),
    ];
    for (variable, value, words) in table {
        let shown = refused("", &[(variable, value)], &["https://a.example"]);
        assert!(shown.contains(variable) && shown.contains(words) && !shown.contains("hunter2"), "{shown}");
    }
}

#[test]
fn a_key_of_another_command_is_fine_and_a_server_that_is_not_there_is_not() {
    let folder = file("patience = 3\nmax-in-flight = 5\n[server.a]\n[server.b]\nupstream = 'https://b.example/'\n");
    assert!(understood(folder.path(), &[], &["login", "https://a.example"]).is_ok());
    assert!(understood(folder.path(), &[], &["status"]).is_ok());
    let text = std::fs::read_to_string(folder.path().join("bridge.toml")).unwrap();
    let shown = refused(&text, &[], &["--server", "c"]);
    assert!(shown.contains("no server is named `c`") && shown.contains("`a`, `b`"), "{shown}");
    assert!(refused(&text, &[], &["a"]).contains("`[server.a]` has no `upstream`"));
    assert!(refused("", &[], &["--config", "/nonexistent/x.toml"]).contains("/nonexistent/x.toml"));
    assert!(matches!(understood(folder.path(), &[], &["c"]), Err(Refusal::Usage(_))));
}

#[test]
fn a_file_that_is_named_is_named_in_the_command_too() {
    let folder = file("[server.'my work']\nupstream = 'https://w.example/'\n");
    let path = folder.path().join("bridge.toml");
    let words = ["my work", "--config", path.to_str().unwrap()];
    let command = settings(Path::new("/nonexistent"), &[], &words).sign_in.login_command();
    assert_eq!(command, format!("mcp-bridge login 'my work' --config '{}'", path.display()));
}

#[cfg(unix)]
#[test]
fn what_others_can_change_is_refused_and_what_they_can_read_is_told() {
    use std::os::unix::fs::PermissionsExt;
    let folder = file("header = ['X-A: 1']\n");
    let path = folder.path().join("bridge.toml");
    let with = |mode| {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        understood(folder.path(), &[], &["https://a.example"]).map(|understood| understood.warnings.join("; "))
    };
    assert_eq!(with(0o600).unwrap(), "");
    assert!(with(0o644).unwrap().contains("chmod 600"));
    assert!(with(0o660).unwrap().contains("chmod g-w"));
    assert!(matches!(with(0o606), Err(Refusal::Setting(_))));
}

/// The file that is there to be copied, with every setting that is commented out switched on.
fn example() -> String {
    let text = include_str!("../../../../config/bridge.toml");
    let lines = text.lines().map(|line| match line.strip_prefix('#') {
        Some(setting) if setting.starts_with(|c: char| c.is_ascii_lowercase() || c == '[') => setting,
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_file_to_copy_explains_every_setting_and_holds() {
    use clap::CommandFactory;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("bridge.toml"), include_str!("../../../../config/bridge.toml")).unwrap();
    assert!(understood(folder.path(), &[], &["https://a.example"]).is_ok(), "as it is");
    let text = example();
    let lines: Vec<&str> = text.lines().collect();
    for key in super::kinds::of(&crate::cli::Cli::command()).keys() {
        let at = lines.iter().position(|line| line.starts_with(&format!("{key} = ")));
        let at = at.unwrap_or_else(|| panic!("config/bridge.toml says nothing of `{key}`"));
        // One above may speak for two.
        let above = lines[..at].iter().rev().find(|line| line.starts_with('#') || line.trim().is_empty());
        assert!(above.is_some_and(|line| line.starts_with("# ")), "config/bridge.toml does not explain `{key}`");
    }
    let parsed = crate::cli::config_file::ConfigFile::parse(Path::new("bridge.toml"), &text).unwrap();
    super::kinds::check(&parsed, &super::kinds::of(&crate::cli::Cli::command()), &crate::cli::Cli::command()).unwrap();
    // Two places of one secret, and two credentials, exclude each other; the headers' file is not there.
    let one: String = text
        .lines()
        .filter(|line| {
            !["bearer-token-env", "client-secret-file", "header-command", "header-file", "no-proxy", "no-resource"]
                .iter()
                .any(|key| line.starts_with(key))
        })
        .map(|l| format!("{l}\n"))
        .collect();
    let settings = settings(file(&one).path(), &[("TEAM_KEY", "k")], &["work"]);
    assert_eq!(settings.sign_in.profile, "anna");
}
