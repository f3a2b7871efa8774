//! What is parsed, and what is refused without showing a secret.

use super::*;
use crate::settings::{
    GrantType, NetworkSettings, ProxyChoice, RedirectHost, RedirectSettings, ResourceChoice, SecretPlace, Transport,
    TransportSettings,
};

fn parse_words(words: &[&str]) -> Result<Invocation, Refusal> {
    let args = ["mcp-bridge"].iter().chain(words).map(OsString::from).collect();
    parse_on(&Ground { variable: &|_| None, default_file: None }, args).map(|understood| understood.invocation)
}

fn refusal(words: &[&str]) -> String {
    parse_words(words).unwrap_err().to_string()
}

#[test]
fn a_bare_url_means_the_same_as_upstream() {
    for words in [&["https://a.example/mcp"][..], &["--upstream", "https://a.example/mcp"]] {
        let Ok(Invocation::Bridge(settings)) = parse_words(words) else { panic!("{words:?}") };
        assert_eq!(settings.sign_in.upstream.as_str(), "https://a.example/mcp");
        assert_eq!(settings.sign_in.timeout, Duration::from_secs(300));
    }
}

#[test]
fn a_misspelt_flag_is_answered_with_the_nearest_one() {
    assert!(refusal(&["--upstrem", "https://a.example"]).contains("--upstream"));
    assert!(refusal(&["https://a.example", "--no-brwser"]).contains("--no-browser"));
    assert!(refusal(&["logn"]).contains("login"));
}

#[test]
fn a_header_value_is_in_no_error_and_no_debug_output() {
    let shown = refusal(&["https://a.example", "--header", "Origin: hunter2"]);
    assert!(shown.contains("origin") && !shown.contains("hunter2"), "{shown}");
    let shown = refusal(&["https://a.example", "--header=hunter2"]);
    assert!(!shown.contains("hunter2"), "{shown}");
    let settings = parse_words(&["https://a.example", "--header", "X-Key: hunter2"]).unwrap();
    assert!(!format!("{settings:?}").contains("hunter2"));
}

#[test]
fn how_a_sign_in_is_asked_for_can_be_set_by_a_bridge_and_by_login() {
    let words =
        ["--no-resource", "--redirect-host", "localhost", "--callback-path=/cb", "--authorize-param=prompt=login"];
    for command in [&["https://a.example"][..], &["login", "https://a.example"]] {
        let (Ok(Invocation::Bridge(settings)) | Ok(Invocation::Login(settings, _))) =
            parse_words(&[command, &words].concat())
        else {
            panic!("{command:?}")
        };
        let found = settings.sign_in.authorization;
        assert_eq!(found.resource, ResourceChoice::Omitted);
        assert_eq!(found.redirect, RedirectSettings { host: Some(RedirectHost::Name), path: "/cb".to_owned() });
        assert_eq!(found.parameters, [("prompt".to_owned(), "login".to_owned())]);
    }
    for wrong in [
        &["--resource=x"][..],
        &["--resource=https://r.example", "--no-resource"],
        &["--redirect-host=example.com"],
        &["--callback-path=cb"],
        &["--authorize-param=scope=x"],
        &["--authorize-param=a=1", "--authorize-param=a=2"],
    ] {
        assert!(parse_words(&[&["https://a.example"], wrong].concat()).is_err(), "{wrong:?}");
    }
}

#[test]
fn a20_a_client_metadata_document_needs_its_url() {
    assert!(refusal(&["client-metadata"]).contains("client_id"));
    let words = ["client-metadata", "--client-metadata-url", "https://a.example/c", "--callback-port", "99"];
    let Ok(Invocation::ClientMetadata(settings)) = parse_words(&words) else { panic!() };
    assert_eq!((settings.url.as_str(), settings.callback_port), ("https://a.example/c", Some(99)));
}

#[test]
fn how_messages_go_can_be_set_and_0_is_never() {
    let transport = |words: &[&str]| match parse_words(&[&["https://a.example"], words].concat()) {
        Ok(Invocation::Bridge(settings)) => Some(settings.transport),
        _ => None,
    };
    let default = TransportSettings::default();
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    assert_eq!(transport(&[]), Some(default.clone()));
    let table = [
        (&["--transport", "sse"][..], TransportSettings { transport: Transport::Sse, ..default.clone() }),
        (&["--connect-timeout", "3"], TransportSettings { connect_timeout: Duration::from_secs(3), ..default.clone() }),
        (&["--request-timeout", "60"], TransportSettings { request_timeout: seconds(60), ..default.clone() }),
        (&["--idle-timeout", "9"], TransportSettings { idle_timeout: seconds(9), ..default.clone() }),
        (&["--ping-interval", "0"], default.clone()),
        (&["--max-message", "5000"], TransportSettings { max_message: 5000, ..default.clone() }),
        (&["--max-in-flight", "1"], TransportSettings { max_in_flight: 1, ..default.clone() }),
        (&["--no-cookies"], TransportSettings { cookies: false, ..default.clone() }),
    ];
    for (words, expected) in table {
        assert_eq!(transport(words), Some(expected), "{words:?}");
    }
    for words in [["--transport", "ws"], ["--connect-timeout", "0"], ["--max-message", "1"], ["--max-in-flight", "0"]] {
        assert_eq!(transport(&words), None, "{words:?}");
    }
}

#[test]
fn patience_is_auto_or_a_number_of_seconds() {
    for (word, expected) in [("auto", Patience::Auto), ("5", Patience::For(Duration::from_secs(5)))] {
        let Ok(Invocation::Bridge(settings)) = parse_words(&["https://a.example", "--patience", word]) else {
            panic!("{word}")
        };
        assert_eq!(settings.patience, expected);
    }
    assert!(refusal(&["https://a.example", "--patience", "soon"]).contains("auto"));
}

#[test]
fn the_commands_of_the_help_are_the_commands_that_are() {
    Cli::command().debug_assert();
    assert!(matches!(parse_words(&["login", "https://a.example", "--force"]), Ok(Invocation::Login(_, true))));
    assert!(matches!(parse_words(&["worker"]), Ok(Invocation::Worker)));
}

#[test]
fn a5_every_way_to_name_a_client_is_taken_at_once() {
    let words = [
        "https://a.example",
        "--client-id",
        "id",
        "--client-secret-env",
        "VAR",
        "--client-metadata-url",
        "https://app.example/c",
    ];
    let Ok(Invocation::Bridge(settings)) = parse_words(&words) else { panic!("{words:?}") };
    let client = &settings.sign_in.client;
    assert_eq!(client.client_id.as_deref(), Some("id"));
    assert_eq!(client.client_secret, Some(SecretPlace::Variable("VAR".to_owned())));
    assert_eq!(client.metadata_url.as_deref(), Some("https://app.example/c"));
}

#[test]
fn a_client_that_cannot_be_is_refused() {
    let table = [
        ("a secret of nobody", &["--client-secret-env", "VAR"][..]),
        ("two secrets", &["--client-id", "id", "--client-secret-env", "VAR", "--client-secret-file", "f"]),
        ("an empty id", &["--client-id", ""]),
        ("the secret itself", &["--client-id", "id", "--client-secret-env", "hunter2=="]),
        ("a key of nobody", &["--private-key-file", "f"]),
        ("a name of no key", &["--client-id", "id", "--private-key-id", "k"]),
        ("a method without its key", &["--client-id", "id", "--client-auth", "private_key_jwt"]),
        ("a method without its secret", &["--client-id", "id", "--client-auth", "client_secret_basic"]),
        ("a method that is none", &["--client-id", "id", "--client-auth", "client_secret_jwt"]),
        ("two proofs", &["--client-id", "id", "--client-secret-env", "VAR", "--private-key-file", "f"]),
        ("a document by http", &["--client-metadata-url", "http://app.example/c"]),
        ("a document without a path", &["--client-metadata-url", "https://app.example"]),
    ];
    for (name, words) in table {
        let shown = refusal(&[&["https://a.example"], words].concat());
        assert!(!shown.contains("hunter2"), "{name}: {shown}");
    }
}

#[test]
fn a18_a_grant_is_named_or_follows_from_what_is_given() {
    let provider = ["--idp-token-endpoint", "https://idp.example/token", "--id-token-file", "f"];
    let table: [(&str, &[&str], Option<GrantType>); 6] = [
        ("nothing", &[], None),
        ("named", &["--grant", "authorization_code"], Some(GrantType::AuthorizationCode)),
        ("an assertion", &["--assertion-file", "f"], Some(GrantType::JwtBearer)),
        ("a provider", &[&provider[..], &["--client-id", "id"]].concat(), Some(GrantType::Enterprise)),
        ("a secret decides nothing", &["--client-id", "id", "--client-secret-env", "V"], None),
        (
            "both, and which counts",
            &[&provider[..], &["--assertion-file", "f", "--grant", "jwt_bearer"]].concat(),
            Some(GrantType::JwtBearer),
        ),
    ];
    for (name, words, expected) in table {
        let parsed = parse_words(&[&["https://a.example"], words].concat());
        let Ok(Invocation::Bridge(settings)) = parsed else { panic!("{name}") };
        assert_eq!(settings.sign_in.grant, expected, "{name}");
        let has_provider = settings.sign_in.machine.identity_provider.is_some();
        assert_eq!(has_provider, expected == Some(GrantType::Enterprise), "{name}");
    }
}

#[test]
fn a18_a_grant_without_what_it_needs_is_refused() {
    let provider = ["--idp-token-endpoint", "https://idp.example/token", "--id-token-file", "f"];
    let table: [(&str, &[&str]); 10] = [
        ("no such grant", &["--grant", "password"]),
        ("no client", &["--grant", "client_credentials"]),
        ("no proof", &["--grant", "client_credentials", "--client-id", "id"]),
        ("no assertion", &["--grant", "jwt_bearer"]),
        ("no provider", &["--grant", "enterprise", "--client-id", "id"]),
        ("a provider, no client", &provider),
        ("half a provider", &["--id-token-file", "f", "--client-id", "id"]),
        ("a provider by http", &["--client-id", "id", "--idp-token-endpoint", "http://a.b/t", "--id-token-file", "f"]),
        ("two", &[&provider[..], &["--assertion-file", "f", "--client-id", "id"]].concat()),
        (
            "the secret itself",
            &[&provider[..], &["--client-id", "id", "--idp-client-id", "i", "--idp-client-secret-env", "hunter2=="]]
                .concat(),
        ),
    ];
    for (name, words) in table {
        let shown = refusal(&[&["https://a.example"], words].concat());
        assert!(!shown.contains("hunter2"), "{name}: {shown}");
    }
}

#[test]
fn a_profile_is_taken_by_every_command() {
    let profile = |words: &[&str]| match parse_words(&[words, &["--profile", "work"]].concat()).unwrap() {
        Invocation::Bridge(settings) | Invocation::Login(settings, _) => Some(settings.sign_in.profile),
        Invocation::Logout(settings) => settings.profile,
        Invocation::Status(settings) => settings.profile,
        Invocation::Worker | Invocation::ClientMetadata(_) => None,
    };
    for words in [&["https://a.example"][..], &["login", "https://a.example"], &["logout"], &["status"]] {
        assert_eq!(profile(words).as_deref(), Some("work"), "{words:?}");
    }
    assert!(refusal(&["https://a.example", "--profile", "a/b"]).contains("a/b"));
}

#[test]
fn a_secret_is_for_one_server() {
    let secret = ["--client-secret-env", "VAR"];
    assert!(parse_words(&[&["logout", "https://a.example"], &secret[..]].concat()).is_ok());
    for words in [&["logout"][..], &["logout", "--all"], &["logout", "https://a.example", "--all"]] {
        assert!(parse_words(&[words, &secret[..]].concat()).is_err(), "{words:?}");
    }
}

#[test]
fn t16_the_network_is_as_the_flags_have_it() {
    let network = |words: &[&str]| match parse_words(&[&["https://a.example"], words].concat()) {
        Ok(Invocation::Bridge(settings)) => Ok(settings.sign_in.network),
        Ok(other) => panic!("{other:?}"),
        Err(refusal) => Err(refusal.to_string()),
    };
    let words =
        ["--ca-file", "/ca", "--client-cert", "/c", "--client-key", "/k", "--ipv4", "--allow-private-addresses"];
    let expected = NetworkSettings {
        proxy: ProxyChoice::Environment,
        ca_file: Some("/ca".into()),
        client_cert: Some("/c".into()),
        client_key: Some("/k".into()),
        ipv4_only: true,
        allow_private_addresses: true,
    };
    assert_eq!(network(&words), Ok(expected));
    assert_eq!(network(&["--no-proxy"]).unwrap().proxy, ProxyChoice::Direct);
    let given = network(&["--proxy", "http://u:hunter2@p.example:3128"]).unwrap().proxy;
    assert!(matches!(&given, ProxyChoice::Given(url) if url.expose().contains("hunter2")));
    assert!(!format!("{given:?}").contains("hunter2"));
    for words in [
        &["--proxy", "ftp://u:hunter2@p.example"][..],
        &["--proxy=http://u:hunter2@"],
        &["--proxy", "http://p.example", "--no-proxy"],
        &["--client-key", "/k"],
    ] {
        let shown = network(words).unwrap_err();
        assert!(!shown.contains("hunter2"), "{words:?}: {shown}");
    }
}
