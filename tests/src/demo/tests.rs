//! The demo, run as a person runs it, and made to fail on purpose.

use mcp_mock_server::{Fault, MockServer, MockServerBuilder};

use super::transcript::{HOST_TO_BRIDGE, WIDTH};
use super::{Failed, Settings, Transcript, run};

async fn demo(server: MockServerBuilder) -> (Result<(), Failed>, String) {
    let folder = tempfile::tempdir().unwrap();
    let mut out = Vec::new();
    let settings = Settings { server, folder: folder.path().to_owned(), real_browser: false };
    let outcome = run(settings, &mut Transcript::new(&mut out, false)).await;
    (outcome, String::from_utf8(out).unwrap())
}

#[tokio::test]
async fn all_steps_work_and_fit_the_page() {
    let (outcome, shown) = demo(MockServer::builder()).await;
    outcome.unwrap();
    assert!(shown.lines().last().unwrap().starts_with("✓ All 11 steps worked in "), "{shown}");
    for line in shown.lines() {
        assert!(line.chars().count() <= WIDTH, "{line}");
        assert!(!line.chars().any(char::is_control), "{line:?}");
    }
}

#[tokio::test]
async fn a_failure_names_its_step_with_expected_and_seen() {
    let table = [
        (Fault::RegistrationRefused, "step 5", "with 201", "POST /register, answered 400 Bad Request"),
        // Looked for once more by the rules of a code, as another server might have it.
        (Fault::NoPkce, "step 5", "Registration with 201", "GET /.well-known/oauth-protected-resource/mcp"),
        (Fault::WrongIssuer, "step 4", "its issuer is the one that was looked for", "https://elsewhere.example"),
        (Fault::TokenEndpointDown, "step 7", "with 200", "POST /token, answered 503"),
    ];
    for (fault, step, expected, seen) in table {
        let (outcome, shown) = demo(MockServer::builder().fault(fault)).await;
        let failed = outcome.unwrap_err();
        let told = failed.to_string();
        assert!(failed.step.starts_with(step), "{fault:?}: {told}");
        assert!(failed.failure.contains(expected) && failed.failure.contains(seen), "{fault:?}: {told}");
        assert!(failed.stderr.contains("mcp-bridge"), "{fault:?}: {told}");
        assert!(!shown.contains("All 11 steps"), "{fault:?}: {shown}");
    }
}

#[test]
fn colours_are_only_where_they_are_wanted() {
    for (colour, wanted) in [(false, false), (true, true)] {
        let mut out = Vec::new();
        let mut transcript = Transcript::new(&mut out, colour);
        transcript.begin("A step", "RFC 1");
        transcript.wire(HOST_TO_BRIDGE, "{}");
        transcript.end().unwrap();
        assert!(transcript.text().contains("    host    → bridge  {}\n"));
        assert_eq!(out.contains(&0x1b), wanted);
    }
}
