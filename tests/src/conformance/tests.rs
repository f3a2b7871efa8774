//! What the host takes from the suite, and what it makes of tools and forms.

use super::*;

fn task(arguments: &[&str], variables: &[(&str, &str)]) -> Result<Task, Failure> {
    let variable = |name: &str| {
        let found = variables.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    };
    Task::given(arguments.iter().map(|&argument| argument.to_owned()), variable)
}

#[test]
fn the_last_argument_is_the_url_and_the_others_are_the_bridges() {
    let task =
        task(&["--log", "debug", "http://localhost:1/mcp"], &[("MCP_CONFORMANCE_SCENARIO", "initialize")]).unwrap();
    let wanted = ["--upstream", "http://localhost:1/mcp", "--patience", "0", "--log", "debug"];
    assert_eq!(task.arguments(), wanted);
    assert_eq!(task.revision, "2025-11-25");
}

#[test]
fn a_client_of_the_suites_is_given_to_the_bridge_its_secret_by_a_variable() {
    let context = ("MCP_CONFORMANCE_CONTEXT", r#"{"client_id": "c", "client_secret": "s"}"#);
    let task = task(&["u"], &[("MCP_CONFORMANCE_SCENARIO", "auth/pre-registration"), context]).unwrap();
    assert!(task.arguments().ends_with(&["--client-id", "c", "--client-secret-env", CLIENT_SECRET]));
}

#[test]
fn what_is_no_word_is_laid_down_in_files() {
    let context = r#"{"client_id": "c", "idp_client_id": "i", "idp_token_endpoint": "http://idp/token", "idp_id_token": "a.b.c"}"#;
    let variables =
        [("MCP_CONFORMANCE_SCENARIO", "auth/enterprise-managed-authorization"), ("MCP_CONFORMANCE_CONTEXT", context)];
    let task = task(&["u"], &variables).unwrap();
    let wanted = ["--client-id", "c", "--idp-client-id", "i", "--idp-token-endpoint", "http://idp/token"];
    assert!(task.arguments().ends_with(&wanted), "{:?}", task.arguments());
    let folder = tempfile::tempdir().unwrap();
    let flags = task.files(folder.path()).unwrap();
    assert_eq!(flags[0], "--id-token-file");
    assert_eq!(std::io::read_to_string(File::open(&flags[1]).unwrap()).unwrap(), "a.b.c");
    assert_eq!(flags.len(), 2);
}

#[test]
fn without_a_url_or_a_scenario_there_is_nothing_to_play() {
    assert!(matches!(task(&[], &[("MCP_CONFORMANCE_SCENARIO", "initialize")]), Err(Failure::NoUrl)));
    assert!(matches!(task(&["u"], &[]), Err(Failure::NoScenario)));
    let broken = [("MCP_CONFORMANCE_SCENARIO", "initialize"), ("MCP_CONFORMANCE_CONTEXT", "{")];
    assert!(matches!(task(&["u"], &broken), Err(Failure::Context(_))));
}

#[test]
fn a_host_with_a_handshake_speaks_at_most_the_last_revision_that_has_one() {
    for (asked, spoken) in [("2025-03-26", "2025-03-26"), ("2025-11-25", "2025-11-25"), ("2026-07-28", "2025-11-25")] {
        let variables = [("MCP_CONFORMANCE_SCENARIO", "initialize"), ("MCP_CONFORMANCE_PROTOCOL_VERSION", asked)];
        assert_eq!(task(&["u"], &variables).unwrap().revision, spoken, "{asked}");
    }
}

#[test]
fn the_host_is_the_one_that_is_named_and_a_modern_one_speaks_its_own_revision() {
    let given = |host: &'static str| {
        let variables =
            [("MCP_CONFORMANCE_SCENARIO", "x"), ("MCP_CONFORMANCE_PROTOCOL_VERSION", "2025-11-25"), (HOST, host)];
        task(&["u"], &variables).map(|task| (task.host, task.revision))
    };
    assert_eq!(given("legacy").unwrap(), (Speech::Legacy, "2025-11-25".to_owned()));
    assert_eq!(given("modern").unwrap(), (Speech::Modern, "2026-07-28".to_owned()));
    assert!(matches!(given("old"), Err(Failure::NoHost(name)) if name == "old"));
}

#[test]
fn what_the_suite_wants_called_is_called_as_it_says_and_what_it_wants_listed_is_not_called() {
    let tools = [json!({"name": "t", "inputSchema": {"type": "object"}})];
    let calls = ("MCP_CONFORMANCE_CONTEXT", r#"{"toolCalls": [{"name": "t", "arguments": {"n": null}}]}"#);
    let said = task(&["u"], &[("MCP_CONFORMANCE_SCENARIO", "http-custom-headers"), calls]).unwrap();
    assert_eq!(said.calls(&tools), [json!({"name": "t", "arguments": {"n": null}})]);
    let listed = task(&["u"], &[("MCP_CONFORMANCE_SCENARIO", "json-schema-ref-no-deref")]).unwrap();
    assert_eq!(listed.calls(&tools), Vec::<Value>::new());
}

#[test]
fn each_tool_is_called_with_what_it_demands_and_nothing_else() {
    let task = task(&["u"], &[("MCP_CONFORMANCE_SCENARIO", "tools_call")]).unwrap();
    let properties = json!({"a": {"type": "number"}, "b": {"type": "string"}, "c": {"type": "boolean"}});
    let tools = [
        json!({"name": "add", "inputSchema": {"type": "object", "properties": properties, "required": ["a", "b"]}}),
        json!({"name": "bare", "inputSchema": {"type": "object"}}),
    ];
    let wanted = [json!({"name": "add", "arguments": {"a": 2, "b": "text"}}), json!({"name": "bare", "arguments": {}})];
    assert_eq!(task.calls(&tools), wanted);
}

#[test]
fn a_form_is_sent_off_with_its_defaults() {
    let schema =
        json!({"properties": {"name": {"default": "Ann"}, "age": {"type": "integer"}, "ok": {"default": false}}});
    assert_eq!(Value::from(defaults_of(&schema)), json!({"name": "Ann", "ok": false}));
}
