//! Tokens without a person (A18): client credentials, assertions from a file, an identity provider. No tab opens,
//! and what the person keeps is read at the moment that it is needed.

mod keys;

use std::fs;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mcp_bridge_tests::bridge::{Ended, Options};
use mcp_mock_server::{Endpoint, Fault, MockServer, MockServerBuilder, OfferedGrant, Seen};
use serde_json::{Value, json};

use crate::{House, code, text};

const CLIENT: &str = "job 1";
const SECRET: &str = "s3cret: +&=%é";

/// A house with a file for what the person keeps.
fn kept(house: &House, name: &str, content: &str) -> String {
    let path = house.state.path().join(name);
    fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

fn tokens(house: &House) -> Vec<Seen> {
    house.server.log().into_iter().filter(|seen| seen.endpoint == Endpoint::Token).collect()
}

fn has_bothered_nobody(house: &House) {
    let opened = (house.browser.tabs_opened(), house.server.count(Endpoint::Registration));
    assert_eq!(opened, (0, 0), "neither a tab nor a registration");
}

async fn works(options: Options) -> Ended {
    let mut bridge = options.start();
    let response = bridge.initialize().await;
    assert!(response["result"].is_object(), "{response} {}", bridge.stderr());
    assert!(text(&bridge.call_tool("get_user_profile", json!({})).await).contains("@example.com"));
    bridge.end().await
}

async fn fails(options: Options) -> Value {
    let mut bridge = options.start();
    let response = bridge.initialize().await;
    assert!(response["error"].is_object(), "{response}");
    bridge.end().await;
    response
}

fn words(response: &Value) -> String {
    response["error"].to_string()
}

fn in_minutes(minutes: u64) -> u64 {
    std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs() + 60 * minutes
}

mod a18_client_credentials {
    use super::*;

    fn machine() -> MockServerBuilder {
        MockServer::builder().grants([OfferedGrant::ClientCredentials, OfferedGrant::AuthorizationCode]).known_client(
            CLIENT,
            Some(SECRET),
            &["http://127.0.0.1/callback"],
        )
    }

    fn options(house: &House) -> Options {
        let options = house.options().with(&["--client-id", CLIENT, "--client-secret-env", "THE_SECRET"]);
        options.variable("THE_SECRET", SECRET)
    }

    #[tokio::test]
    async fn the_grant_runs_again_when_a_token_is_refused_and_when_it_is_due() {
        let house = House::new(machine()).await;
        let by_grant = || options(&house).with(&["--grant", "client_credentials"]);
        let mut bridge = by_grant().start();
        assert!(bridge.initialize().await["result"].is_object(), "{}", bridge.stderr());
        assert_eq!(tokens(&house).len(), 1);
        house.server.revoke_access_tokens();
        assert!(text(&bridge.call_tool("get_user_profile", json!({})).await).contains(CLIENT));
        assert_eq!(tokens(&house).len(), 2);
        bridge.end().await;
        house.age_the_token(3600, 5);
        works(by_grant()).await;
        let asked = tokens(&house);
        assert_eq!(asked.len(), 3);
        assert!(asked.iter().all(|seen| seen.param("grant_type") == Some("client_credentials")));
        assert_eq!(house.server.count(Endpoint::Mcp), house.server.counts().mcp_ok + 2, "the third was ahead of time");
        has_bothered_nobody(&house);
    }

    #[tokio::test]
    async fn a_person_who_signed_in_before_does_not_go_on_where_a_machine_is_to() {
        let house = House::new(machine()).await;
        options(&house).start().initialize().await;
        house.server.expire_access_tokens();
        works(options(&house).with(&["--grant", "client-credentials"])).await;
        let grants: Vec<_> =
            tokens(&house).iter().filter_map(|seen| seen.param("grant_type").map(str::to_owned)).collect();
        assert_eq!(grants, ["authorization_code", "client_credentials"]);
    }

    #[tokio::test]
    async fn many_bridges_ask_once() {
        let house = House::new(machine()).await;
        let mut bridges: Vec<_> =
            (0..4).map(|_| options(&house).with(&["--grant", "client_credentials"]).start()).collect();
        for bridge in &mut bridges {
            bridge.send_initialize().await;
        }
        for bridge in &mut bridges {
            assert!(bridge.next().await["result"].is_object());
        }
        assert_eq!(tokens(&house).len(), 1);
    }

    #[tokio::test]
    async fn a_server_that_takes_no_code_is_asked_so_without_a_word_of_the_person() {
        let builder = MockServer::builder().grants([OfferedGrant::ClientCredentials]);
        let house = House::new(builder.known_client(CLIENT, Some(SECRET), &[])).await;
        works(options(&house)).await;
        has_bothered_nobody(&house);
    }

    #[tokio::test]
    async fn a_server_that_takes_no_code_tells_a_person_what_it_takes() {
        let house = House::new(MockServer::builder().grants([OfferedGrant::ClientCredentials])).await;
        let response = fails(house.options()).await;
        assert_eq!(code(&response), "registration_unsupported");
        assert!(words(&response).contains("client_credentials") && words(&response).contains("--client-id"));
        has_bothered_nobody(&house);
    }

    #[tokio::test]
    async fn a_client_with_a_secret_does_not_excuse_a_code_without_pkce() {
        let house = House::new(machine()).await;
        house.server.set_fault(Some(Fault::NoPkce));
        assert_eq!(code(&fails(options(&house)).await), "pkce_unsupported");
        assert_eq!(tokens(&house).len(), 0);
        has_bothered_nobody(&house);
    }

    #[tokio::test]
    async fn a_server_that_takes_both_gets_a_person_unless_the_grant_is_named() {
        let house = House::new(machine()).await;
        works(options(&house)).await;
        assert_eq!(house.browser.tabs_opened(), 1);
    }

    #[tokio::test]
    async fn login_works_and_says_so_and_status_shows_the_grant() {
        let house = House::new(machine()).await;
        let url = house.server.mcp_url();
        let flags = ["--grant", "client_credentials", "--client-id", CLIENT, "--client-secret-env", "THE_SECRET"];
        let login = Options::new(&[&["login", &url][..], &flags].concat(), house.state.path());
        let ended = login.browser(&house.browser).variable("THE_SECRET", SECRET).start().end().await;
        assert!(ended.status.success() && ended.stderr.contains("by client_credentials"), "{}", ended.stderr);
        let status = Options::new(&["status", "--json"], house.state.path()).start().end().await;
        let status: Value = serde_json::from_str(&status.stdout.join("\n")).unwrap();
        let entry = &status["sign_ins"][0];
        assert_eq!((&entry["grant"], &entry["can_refresh"]), (&"client_credentials".into(), &true.into()));
        has_bothered_nobody(&house);
    }

    #[tokio::test]
    async fn more_scope_is_asked_for_by_the_same_grant() {
        let house = House::new(machine().tool_scope("get_weather", "weather:read")).await;
        let mut bridge = options(&house).with(&["--grant", "client_credentials", "--scope", "mcp:tools"]).start();
        assert!(bridge.initialize().await["result"].is_object());
        let response = bridge.call_tool("get_weather", json!({"location": "Paris"})).await;
        assert!(response["result"].is_object(), "{response}");
        let asked = tokens(&house);
        assert_eq!(asked.last().unwrap().param("scope"), Some("mcp:tools weather:read"));
        has_bothered_nobody(&house);
    }

    #[tokio::test]
    async fn a_refused_client_is_told_and_asked_for_once() {
        let house = House::new(machine()).await;
        let flags = ["--grant", "client_credentials", "--client-id", CLIENT, "--client-secret-env", "THE_SECRET"];
        let response = fails(house.options().with(&flags).variable("THE_SECRET", "guessed")).await;
        assert_eq!(code(&response), "client_refused");
        assert!(words(&response).contains(&house.server.issuer()), "{response}");
        assert_eq!(tokens(&house).len(), 1);
        has_bothered_nobody(&house);
    }
}

mod a18_jwt_bearer {
    use super::*;

    /// A house whose server trusts an issuer of workloads' identities, and that issuer.
    async fn houses() -> (House, MockServer) {
        let workloads = MockServer::builder().start().await.unwrap();
        let builder = MockServer::builder().grants([OfferedGrant::JwtBearer]).trusts(&workloads);
        (House::new(builder).await, workloads)
    }

    fn assertion(house: &House, workloads: &MockServer, exp: u64) -> String {
        let claims = json!({"sub": "workload", "aud": house.server.issuer(), "exp": exp});
        workloads.signed(claims).unwrap()
    }

    #[tokio::test]
    async fn the_file_is_read_again_each_time() {
        let (house, workloads) = houses().await;
        let file = kept(&house, "workload.jwt", &assertion(&house, &workloads, in_minutes(5)));
        let mut bridge = house.options().with(&["--assertion-file", &file, "--log", "trace"]).start();
        assert!(bridge.initialize().await["result"].is_object(), "{}", bridge.stderr());
        let second = format!("{}\n", assertion(&house, &workloads, in_minutes(6)));
        fs::write(&file, &second).unwrap();
        house.server.expire_access_tokens();
        assert!(text(&bridge.call_tool("get_user_profile", json!({})).await).contains("workload"));
        let asked = tokens(&house);
        assert_eq!(asked.len(), 2);
        assert_eq!(asked[1].param("assertion"), Some(second.trim()));
        assert_eq!(asked[1].param("client_id"), None);
        let ended = bridge.end().await;
        assert!(!ended.stderr.contains(second.trim()));
        has_bothered_nobody(&house);
    }

    #[tokio::test]
    async fn a_refused_assertion_is_shown_once_and_its_successor_goes_through() {
        let (house, workloads) = houses().await;
        let file = kept(&house, "workload.jwt", &assertion(&house, &workloads, 1000));
        let mut bridge = house.options().with(&["--assertion-file", &file]).start();
        let response = bridge.initialize().await;
        assert_eq!(code(&response), "token_request_refused");
        for word in ["workload.jwt", &house.server.issuer(), "invalid_grant", "has expired"] {
            assert!(words(&response).contains(word), "{word}: {response}");
        }
        assert_eq!(tokens(&house).len(), 1, "no retry and no other grant");
        fs::write(&file, assertion(&house, &workloads, in_minutes(5))).unwrap();
        assert!(bridge.initialize().await["result"].is_object());
        assert_eq!(tokens(&house).len(), 2);
        has_bothered_nobody(&house);
    }

    #[tokio::test]
    async fn an_assertion_for_another_server_is_not_sent_to_this_one() {
        let (house, workloads) = houses().await;
        let claims = json!({"sub": "workload", "aud": "https://as.example", "exp": in_minutes(5)});
        let file = kept(&house, "workload.jwt", &workloads.signed(claims).unwrap());
        let response = fails(house.options().with(&["--assertion-file", &file])).await;
        assert_eq!(code(&response), "invalid_setting");
        for word in ["https://as.example", &house.server.issuer()] {
            assert!(words(&response).contains(word), "{word}: {response}");
        }
        assert_eq!(tokens(&house).len(), 0);
        has_bothered_nobody(&house);
    }

    #[tokio::test]
    async fn a_file_that_holds_no_assertion_is_told_before_anything_is_asked() {
        let (house, _workloads) = houses().await;
        for (name, content) in [("empty", ""), ("no JWT", "hunter2")] {
            let file = kept(&house, "workload.jwt", content);
            let response = fails(house.options().with(&["--assertion-file", &file])).await;
            assert_eq!(code(&response), "invalid_setting", "{name}");
            assert!(words(&response).contains("workload.jwt") && !words(&response).contains("hunter2"), "{name}");
        }
        assert_eq!(tokens(&house).len(), 0);
        has_bothered_nobody(&house);
    }
}

mod a18_enterprise {
    use super::*;

    const IDP_CLIENT: &str = "bridge at the provider";

    struct Company {
        house: House,
        provider: MockServer,
        id_token: PathBuf,
    }

    impl Company {
        /// A company whose provider issues assertions to the server's issuer, or to another one.
        async fn new(elsewhere: bool) -> Self {
            let builder = MockServer::builder().grants([OfferedGrant::JwtBearer]);
            let house = House::new(builder.known_client(CLIENT, Some(SECRET), &[])).await;
            let issuer = if elsewhere { "https://elsewhere.example".to_owned() } else { house.server.issuer() };
            let provider = MockServer::builder().grants([OfferedGrant::TokenExchange]);
            let provider = provider.known_client(IDP_CLIENT, Some("idp s3cret"), &[]);
            let provider = provider.identity_assertions(issuer, CLIENT).start().await.unwrap();
            house.server.trust(&provider);
            let id_token = house.state.path().join("id-token.jwt");
            let company = Company { house, provider, id_token };
            company.write_id_token(in_minutes(5));
            company
        }

        fn write_id_token(&self, exp: u64) {
            let claims = json!({"sub": "alice", "aud": IDP_CLIENT, "exp": exp});
            fs::write(&self.id_token, self.provider.signed(claims).unwrap()).unwrap();
        }

        fn options(&self) -> Options {
            let endpoint = format!("{}/token", self.provider.issuer());
            let flags = ["--client-id", CLIENT, "--client-secret-env", "THE_SECRET", "--idp-client-id", IDP_CLIENT];
            let more = ["--idp-client-secret-env", "IDP_SECRET", "--idp-token-endpoint", &endpoint];
            let options = self.house.options().with(&flags).with(&more);
            let options = options.with(&["--id-token-file", self.id_token.to_str().unwrap()]);
            options.variable("THE_SECRET", SECRET).variable("IDP_SECRET", "idp s3cret")
        }
    }

    #[tokio::test]
    async fn an_id_token_brings_an_assertion_and_that_a_token_and_again_when_it_is_refused() {
        let company = Company::new(false).await;
        let mut bridge = company.options().start();
        assert!(bridge.initialize().await["result"].is_object(), "{}", bridge.stderr());
        company.write_id_token(in_minutes(6));
        company.house.server.expire_access_tokens();
        assert!(text(&bridge.call_tool("get_user_profile", json!({})).await).contains("alice"));
        let exchanges = company.provider.log();
        assert_eq!(exchanges.len(), 2);
        let house = &company.house;
        assert_eq!(exchanges[0].param("audience"), Some(&*house.server.issuer()));
        assert_eq!(exchanges[0].param("resource"), Some(&*house.server.mcp_url()));
        assert_ne!(exchanges[0].param("subject_token"), exchanges[1].param("subject_token"));
        let assertions: Vec<_> = tokens(house).iter().map(|seen| seen.param("assertion").map(str::to_owned)).collect();
        assert_eq!(assertions.len(), 2);
        assert_ne!(assertions[0], assertions[1], "each is for one use");
        has_bothered_nobody(house);
    }

    #[tokio::test]
    async fn what_the_provider_refuses_never_reaches_the_server() {
        for (name, elsewhere, word) in
            [("an expired ID token", false, "id-token.jwt"), ("a server not allowed", true, "invalid_target")]
        {
            let company = Company::new(elsewhere).await;
            if !elsewhere {
                company.write_id_token(1000);
            }
            let response = fails(company.options()).await;
            assert_eq!(code(&response), "token_request_refused", "{name}");
            assert!(words(&response).contains(word), "{name}: {response}");
            assert!(words(&response).contains(&company.provider.issuer()), "{name}: {response}");
            assert_eq!((company.provider.log().len(), tokens(&company.house).len()), (1, 0), "{name}");
            has_bothered_nobody(&company.house);
        }
    }
}

mod a18_id_token {
    use super::*;

    fn claims(bearer: &str) -> Value {
        let payload = bearer.strip_prefix("Bearer ").unwrap().split('.').nth(1).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
    }

    #[tokio::test]
    async fn the_id_token_is_shown_to_the_server_where_the_person_says_so() {
        let house = House::new(MockServer::builder()).await;
        let mut bridge = house.options().with(&["--use-id-token"]).start();
        // This server takes access tokens alone.
        assert_eq!(code(&bridge.initialize().await), "token_rejected");
        let log = house.server.log();
        let asked = log.iter().find(|seen| seen.endpoint == Endpoint::Authorization).unwrap();
        assert!(asked.param("scope").unwrap().split(' ').any(|scope| scope == "openid"));
        let shown =
            log.iter().filter(|seen| seen.endpoint == Endpoint::Mcp).find_map(|seen| seen.header("authorization"));
        assert_eq!(claims(shown.unwrap())["aud"], asked.param("client_id").unwrap());
    }
}
