//! What a server refuses of an honest request is asked for otherwise, once, and remembered; what must not be healed is not.
//! Each with the requests that it costs.

use mcp_bridge_tests::bridge::Bridge;
use mcp_mock_server::{Approval, Endpoint, Fault, FaultSetting, MockServer, MockServerBuilder, Seen};
use serde_json::{Value, json};

use crate::{House, code, free_address};

const CLIENT: &str = "known-client";

fn set(fault: Fault, text: &str) -> FaultSetting {
    fault.with(text).unwrap()
}

impl House {
    /// What came to an endpoint, in order.
    fn asked(&self, endpoint: Endpoint) -> Vec<Seen> {
        self.server.log().into_iter().filter(|seen| seen.endpoint == endpoint).collect()
    }

    /// What stood for this parameter in each request to the authorization endpoint, the trials among them.
    fn authorized_with(&self, name: &str) -> Vec<Option<String>> {
        self.asked(Endpoint::Authorization).iter().map(|seen| seen.param(name).map(str::to_owned)).collect()
    }

    /// What is kept of the server's refusals.
    fn concessions(&self) -> Value {
        let record: Value = serde_json::from_slice(&std::fs::read(self.record()).unwrap()).unwrap();
        record["issuers"][self.server.issuer()]["concessions"].clone()
    }

    /// Signs in anew, as if nothing had been issued.
    async fn signs_in_anew(&self, bridge: &mut Bridge) {
        self.server.revoke_refresh_tokens();
        self.server.expire_access_tokens();
        let response = bridge.call_tool("list_files", json!({})).await;
        assert!(response["result"].is_object(), "{response}");
    }

    /// Refreshes.
    async fn refreshes(&self, bridge: &mut Bridge) {
        self.server.expire_access_tokens();
        let response = bridge.call_tool("list_files", json!({})).await;
        assert!(response["result"].is_object(), "{response}");
    }
}

fn is_some(values: &[Option<String>]) -> Vec<bool> {
    values.iter().map(Option::is_some).collect()
}

mod resource {
    use super::*;

    #[tokio::test]
    async fn a_server_that_knows_no_resource_indicators_is_asked_without_and_that_is_remembered() {
        for place in ["authorize", "entra"] {
            let house = House::new(MockServer::builder().fault(set(Fault::ResourceRefused, place))).await;
            let mut bridge = house.bridge().await;
            // The person met the refusal; what follows was tried before it was shown.
            assert_eq!(is_some(&house.authorized_with("resource")), [true, false, false], "{place}");
            assert_eq!((house.browser.tabs_opened(), house.server.counts().registrations), (2, 1), "{place}");
            assert_eq!(house.concessions(), json!({"no_resource": true}), "{place}");
            house.refreshes(&mut bridge).await;
            house.signs_in_anew(&mut bridge).await;
            assert!(!is_some(&house.authorized_with("resource"))[3..].contains(&true), "{place}");
            assert!(house.asked(Endpoint::Token).iter().all(|seen| seen.param("resource").is_none()), "{place}");
            assert_eq!(house.browser.tabs_opened(), 3, "{place}");
        }
    }

    #[tokio::test]
    async fn a_refusal_at_the_token_endpoint_leads_to_one_more_sign_in_without() {
        let house = House::new(MockServer::builder().fault(set(Fault::ResourceRefused, "token"))).await;
        house.bridge().await;
        let sent: Vec<_> = house.asked(Endpoint::Token).iter().map(|seen| seen.param("resource").is_some()).collect();
        assert_eq!((sent, house.browser.tabs_opened()), (vec![true, false], 2));
    }

    #[tokio::test]
    async fn a_refresh_goes_on_without_and_nobody_is_asked() {
        let house = House::new(MockServer::builder().fault(set(Fault::ResourceRefused, "refresh"))).await;
        let mut bridge = house.bridge().await;
        house.refreshes(&mut bridge).await;
        house.refreshes(&mut bridge).await;
        let sent: Vec<_> = house.asked(Endpoint::Token).iter().map(|seen| seen.param("resource").is_some()).collect();
        assert_eq!(sent, [true, true, false, false], "the exchange, the refused refresh, and those that follow");
        assert_eq!((house.browser.tabs_opened(), house.server.counts().refreshes), (1, 2));
        assert_eq!(house.concessions(), json!({"no_resource_on_refresh": true}));
    }
}

mod scope {
    use super::*;

    fn scopes(house: &House) -> Vec<Option<String>> {
        house.authorized_with("scope")
    }

    fn texts(scopes: &[Option<&str>]) -> Vec<Option<String>> {
        scopes.iter().map(|scope| scope.map(str::to_owned)).collect()
    }

    #[tokio::test]
    async fn the_scope_that_is_named_is_left_out_and_that_is_remembered() {
        let house = House::new(MockServer::builder().fault(Fault::ScopeRefused)).await;
        let mut bridge = house.bridge().await;
        let expected = [Some("mcp:tools offline_access"), Some("mcp:tools"), Some("mcp:tools")];
        assert_eq!(scopes(&house), texts(&expected));
        assert_eq!((house.browser.tabs_opened(), house.server.counts().registrations), (2, 1));
        assert_eq!(house.concessions(), json!({"refused_scope": ["offline_access"]}));
        house.signs_in_anew(&mut bridge).await;
        assert_eq!(scopes(&house)[3..], texts(&[Some("mcp:tools"), Some("mcp:tools")]));
    }

    #[tokio::test]
    async fn where_none_is_named_those_go_that_the_challenge_did_not_name_then_all() {
        let table =
            [("mcp:tools", vec![Some("mcp:tools"), Some("mcp:tools")]), ("none", vec![Some("mcp:tools"), None, None])];
        for (kept, then) in table {
            let house = House::new(MockServer::builder().fault(set(Fault::ScopesRefused, kept))).await;
            house.bridge().await;
            assert_eq!(scopes(&house)[0].as_deref(), Some("mcp:tools offline_access"), "{kept}");
            assert_eq!(scopes(&house)[1..], texts(&then), "{kept}");
            assert_eq!(house.browser.tabs_opened(), 2, "{kept}");
        }
    }

    #[tokio::test]
    async fn a_scope_that_a_person_chose_is_not_left_out() {
        let house = House::new(MockServer::builder().fault(Fault::ScopeRefused)).await;
        let mut bridge = house.options().with(&["--scope", "mcp:tools offline_access"]).start();
        assert_eq!(code(&bridge.initialize().await), "authorization_response_invalid");
        assert_eq!((house.browser.tabs_opened(), scopes(&house).len()), (1, 1));
    }

    #[tokio::test]
    async fn a_step_up_does_not_leave_out_what_it_is_for() {
        let house = House::new(MockServer::builder().tool_scope("list_files", "mcp:admin")).await;
        let mut bridge = house.bridge().await;
        house.server.set_faults([set(Fault::ScopeRefused, "mcp:admin")]);
        let response = bridge.call_tool("list_files", json!({})).await;
        assert_eq!(code(&response), "authorization_response_invalid");
        assert!(scopes(&house)[1..].iter().flatten().all(|scope| scope.contains("mcp:admin")), "{:?}", scopes(&house));
    }

    #[tokio::test]
    async fn a_refresh_says_the_scope_where_the_server_demands_it() {
        let house = House::new(MockServer::builder().fault(Fault::RefreshNeedsScope)).await;
        let mut bridge = house.bridge().await;
        house.refreshes(&mut bridge).await;
        house.refreshes(&mut bridge).await;
        let sent: Vec<_> = house.asked(Endpoint::Token)[1..].iter().map(|seen| seen.param("scope").is_some()).collect();
        assert_eq!(sent, [false, true, true]);
        assert_eq!((house.browser.tabs_opened(), house.server.counts().refreshes), (1, 2));
    }

    #[tokio::test]
    async fn offline_access_comes_with_consent_once_no_refresh_token_came_without() {
        let house = House::new(MockServer::builder().fault(Fault::OfflineNeedsConsent)).await;
        let mut bridge = house.bridge().await;
        assert_eq!(house.concessions(), json!({"consent": true}));
        house.refreshes(&mut bridge).await;
        assert_eq!(house.browser.tabs_opened(), 2, "there was no refresh token: a sign-in was due");
        let prompts = house.authorized_with("prompt");
        assert_eq!((&prompts[0], prompts.last().unwrap().as_deref()), (&None, Some("consent")));
        house.refreshes(&mut bridge).await;
        assert_eq!((house.browser.tabs_opened(), house.server.counts().refreshes), (2, 1));
    }

    #[tokio::test]
    async fn offline_access_comes_with_consent_from_the_first_where_the_server_does_openid_connect() {
        let server = MockServer::builder().oauth_metadata(false).fault(Fault::OfflineNeedsConsent);
        let house = House::new(server).await;
        let mut bridge = house.bridge().await;
        house.refreshes(&mut bridge).await;
        assert_eq!((house.browser.tabs_opened(), house.server.counts().refreshes), (1, 1));
        assert_eq!(house.authorized_with("prompt"), [Some("consent".to_owned())]);
    }
}

mod redirect_uri {
    use super::*;

    #[tokio::test]
    async fn a_server_that_takes_the_name_of_loopback_only_is_registered_at_with_it_and_that_is_remembered() {
        let house = House::new(MockServer::builder().fault(Fault::LocalhostOnly)).await;
        let mut bridge = house.bridge().await;
        assert_eq!(house.concessions(), json!({"localhost": true}));
        house.server.forget_clients();
        house.signs_in_anew(&mut bridge).await;
        let uri = |seen: &Seen| seen.json()["redirect_uris"][0].as_str().unwrap().to_owned();
        let uris: Vec<_> = house.asked(Endpoint::Registration).iter().map(uri).collect();
        let by_name: Vec<_> = uris.iter().map(|uri| uri.starts_with("http://localhost:")).collect();
        assert_eq!(by_name, [false, true, true], "{uris:?}");
    }

    #[tokio::test]
    async fn a_given_client_that_is_known_by_the_name_of_loopback_signs_in_with_one_tab() {
        let port = free_address().await.port().to_string();
        let known = format!("http://localhost:{port}/callback");
        let house = House::new(MockServer::builder().registration(false).known_client(CLIENT, None, &[&known])).await;
        let words = ["--client-id", CLIENT, "--callback-port", &port];
        let mut bridge = house.options().with(&words).start();
        assert!(bridge.initialize().await["result"].is_object());
        let uris: Vec<_> = house.authorized_with("redirect_uri").into_iter().flatten().collect();
        let first = format!("http://127.0.0.1:{port}/callback");
        assert_eq!(uris, [first.as_str(), &known, &known], "two trials, then the person");
        assert_eq!(house.browser.tabs_opened(), 1);
        assert_eq!(house.concessions(), json!({"localhost": true}));
    }

    #[tokio::test]
    async fn a_client_that_is_known_by_neither_name_shows_the_person_the_servers_page_as_before() {
        let known = "http://127.0.0.1/elsewhere";
        let house = House::new(MockServer::builder().registration(false).known_client(CLIENT, None, &[known])).await;
        let words = ["--client-id", CLIENT, "--sign-in-timeout", "1"];
        let response = house.options().with(&words).start().initialize().await;
        assert_eq!(code(&response), "sign_in_timed_out");
        assert!(response["error"]["data"]["hint"].as_str().unwrap().contains("http://127.0.0.1:"), "{response}");
        assert_eq!(house.browser.tabs_opened(), 1);
        assert_eq!(house.concessions(), Value::Null, "it did not help");
    }
}

mod token_answers {
    use super::*;

    #[tokio::test]
    async fn answers_in_form_encoding_are_read_good_ones_and_refusals() {
        let house = House::new(MockServer::builder().fault(Fault::FormTokenAnswers)).await;
        let mut bridge = house.bridge().await;
        house.refreshes(&mut bridge).await;
        assert_eq!((house.browser.tabs_opened(), house.server.counts().refreshes), (1, 1));
        house.signs_in_anew(&mut bridge).await;
        assert_eq!(house.browser.tabs_opened(), 2, "the refusal was understood");
    }
}

mod never {
    use super::*;

    /// Ends with this code after one tab, and so many requests to the authorization and the token endpoint.
    async fn ends(
        server: MockServerBuilder,
        faults: Vec<FaultSetting>,
        words: &[&str],
        expected: (&str, usize, usize),
    ) {
        let house = House::new(server).await;
        house.server.set_faults(faults);
        let response = house.options().with(words).start().initialize().await;
        assert_eq!(code(&response), expected.0, "{response}");
        let asked = (house.server.count(Endpoint::Authorization), house.server.count(Endpoint::Token));
        assert_eq!(asked, (expected.1, expected.2), "{response}");
        assert!(house.browser.tabs_opened() <= 1);
    }

    #[tokio::test]
    async fn a_given_client_that_is_refused() {
        let callback = "http://127.0.0.1/callback";
        let server = MockServer::builder().known_client(CLIENT, None, &[callback]);
        let fault = set(Fault::TokenError, "invalid_client");
        ends(server, vec![fault], &["--client-id", CLIENT], ("client_refused", 2, 1)).await;
    }

    #[tokio::test]
    async fn a_resource_or_a_redirect_host_that_a_person_chose() {
        let house = House::new(MockServer::builder()).await;
        let mcp = house.server.mcp_url();
        house.server.set_faults([set(Fault::ResourceRefused, "authorize")]);
        let response = house.options().with(&["--resource", &mcp]).start().initialize().await;
        assert_eq!(code(&response), "authorization_response_invalid");
        assert_eq!((house.browser.tabs_opened(), house.server.count(Endpoint::Authorization)), (1, 1));
        let port = free_address().await.port().to_string();
        let known = format!("http://localhost:{port}/callback");
        let server = MockServer::builder().registration(false).known_client(CLIENT, None, &[&known]);
        let words =
            ["--client-id", CLIENT, "--callback-port", &port, "--redirect-host", "127.0.0.1", "--sign-in-timeout", "1"];
        ends(server, vec![], &words, ("sign_in_timed_out", 2, 0)).await;
    }

    #[tokio::test]
    async fn a_resource_that_a_person_chose_is_not_left_out_of_a_refresh() {
        let house = House::new(MockServer::builder().fault(set(Fault::ResourceRefused, "refresh"))).await;
        let mcp = house.server.mcp_url();
        let mut bridge = house.options().with(&["--resource", &mcp]).start();
        assert!(bridge.initialize().await["result"].is_object());
        house.server.expire_access_tokens();
        let response = bridge.call_tool("list_files", json!({})).await;
        assert_eq!(code(&response), "token_request_refused", "{response}");
        assert_eq!((house.browser.tabs_opened(), house.server.counts().refreshes), (1, 0));
        assert!(house.asked(Endpoint::Token).iter().all(|seen| seen.param("resource").is_some()));
    }

    #[tokio::test]
    async fn a_person_who_says_no() {
        let server = MockServer::builder().auto_approve(Approval::Deny);
        ends(server, vec![], &[], ("sign_in_denied", 1, 0)).await;
    }

    #[tokio::test]
    async fn a_response_of_another_issuer_or_state_whatever_it_says() {
        let refused = || Fault::ResourceRefused.into();
        ends(MockServer::builder(), vec![refused(), Fault::WrongIss.into()], &[], ("issuer_mismatch", 1, 0)).await;
        ends(MockServer::builder(), vec![refused(), Fault::NoIss.into()], &[], ("issuer_mismatch", 1, 0)).await;
        for fault in [Fault::WrongState, Fault::NoState] {
            let words = ["--sign-in-timeout", "1"];
            ends(MockServer::builder(), vec![refused(), fault.into()], &words, ("sign_in_timed_out", 1, 0)).await;
        }
    }

    #[tokio::test]
    async fn a_resource_that_an_authorization_server_of_others_does_not_know() {
        let server = || MockServer::builder().separate_authorization_server();
        ends(server(), vec![Fault::ResourceRefused.into()], &[], ("authorization_response_invalid", 1, 0)).await;
        ends(server(), vec![set(Fault::ResourceRefused, "token")], &[], ("token_request_refused", 1, 1)).await;
    }

    #[tokio::test]
    async fn a_server_without_pkce() {
        let faults = vec![Fault::ResourceRefused.into(), Fault::NoPkce.into()];
        ends(MockServer::builder(), faults, &[], ("pkce_unsupported", 0, 0)).await;
    }

    #[tokio::test]
    async fn a_token_endpoint_that_refuses_for_another_reason() {
        let server = MockServer::builder();
        ends(server, vec![set(Fault::TokenError, "invalid_grant")], &[], ("token_request_refused", 1, 1)).await;
    }

    #[tokio::test]
    async fn more_than_one_further_tab() {
        let house = House::new(MockServer::builder()).await;
        house.server.set_faults([set(Fault::TokenError, "invalid_target"), set(Fault::ResourceRefused, "refresh")]);
        let response = house.options().start().initialize().await;
        assert_eq!(code(&response), "token_request_refused");
        assert_eq!((house.browser.tabs_opened(), house.server.count(Endpoint::Token)), (2, 2));
        assert_eq!(house.concessions(), Value::Null, "it did not help");
    }
}
