//! Clients that are known beforehand (A5, A7, A20): which is chosen, how it proves itself, and for whom it is.

use std::fs;

use mcp_bridge_tests::bridge::{Bridge, Options};
use mcp_mock_server::{AuthMethod, Endpoint, MockServer, MockServerBuilder, Seen};
use serde_json::{Value, json};

use crate::{House, code, text};

const CLIENT: &str = "by hand: 1";
const SECRET: &str = "s3cret: +&=%é";
const CALLBACK: &str = "http://127.0.0.1/callback";
const DOCUMENT: &str = "https://client.example/oauth/client.json";

fn document() -> Value {
    json!({
        "client_id": DOCUMENT,
        "client_name": "Example",
        "redirect_uris": [CALLBACK],
        "grant_types": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_method": "none",
    })
}

fn documented() -> MockServerBuilder {
    MockServer::builder().client_metadata_documents(true).client_document(DOCUMENT, document())
}

fn seen(house: &House, endpoint: Endpoint) -> Vec<Seen> {
    house.server.log().into_iter().filter(|seen| seen.endpoint == endpoint).collect()
}

/// Signs in, calls a tool, and calls it again after a refresh.
async fn works(house: &House, options: Options) -> Bridge {
    let mut bridge = options.start();
    let response = bridge.initialize().await;
    assert!(response["result"].is_object(), "{response}");
    house.server.expire_access_tokens();
    assert!(text(&bridge.call_tool("get_user_profile", json!({})).await).contains("alice"));
    assert_eq!((house.browser.tabs_opened(), house.server.counts().refreshes), (1, 1));
    bridge
}

async fn fails(options: Options) -> Value {
    let response = options.start().initialize().await;
    assert!(response["error"].is_object(), "{response}");
    response
}

fn stored(house: &House) -> Value {
    serde_json::from_slice(&fs::read(house.record()).unwrap()).unwrap()
}

mod a5 {
    use super::*;

    #[tokio::test]
    async fn a_given_public_client_needs_no_registration_and_the_next_start_no_flag() {
        let builder = MockServer::builder().registration(false).known_client(CLIENT, None, &[CALLBACK]);
        let house = House::new(builder).await;
        works(&house, house.options().with(&["--client-id", CLIENT])).await.end().await;
        assert_eq!(seen(&house, Endpoint::Authorization)[0].param("client_id"), Some(CLIENT));
        assert!(seen(&house, Endpoint::Token).iter().all(|asked| asked.header("authorization").is_none()));
        house.server.expire_access_tokens();
        drop(house.bridge().await);
        assert_eq!((house.browser.tabs_opened(), house.server.counts().refreshes), (1, 2));
    }

    #[tokio::test]
    async fn a_secret_goes_by_basic_or_by_post_as_the_server_lists_and_lies_nowhere() {
        for (method, basic) in [(None, true), (Some(AuthMethod::Basic), true), (Some(AuthMethod::Post), false)] {
            let mut builder = MockServer::builder().known_client(CLIENT, Some(SECRET), &[CALLBACK]);
            if let Some(method) = method {
                builder = builder.token_endpoint_auth_method(method);
            }
            let house = House::new(builder).await;
            let file = house.state.path().join("secret");
            fs::write(&file, format!("{SECRET}\n")).unwrap();
            let options = match basic {
                true => house.options().with(&["--client-secret-env", "THE_SECRET"]).variable("THE_SECRET", SECRET),
                false => house.options().with(&["--client-secret-file", file.to_str().unwrap()]),
            };
            let options = options.with(&["--client-id", CLIENT, "--log", "trace"]);
            let ended = works(&house, options).await.end().await;
            let exchanges = seen(&house, Endpoint::Token);
            assert_eq!(exchanges.len(), 2);
            for exchange in exchanges {
                let by_header = exchange.header("authorization").is_some_and(|value| value.starts_with("Basic "));
                assert_eq!((by_header, exchange.param("client_secret").is_some()), (basic, !basic), "{method:?}");
            }
            assert_eq!(house.server.count(Endpoint::Registration), 0);
            let registration = stored(&house)["issuers"][house.server.issuer()]["registration"].clone();
            assert_eq!((&registration["source"], &registration["client_id"]), (&json!("given"), &json!(CLIENT)));
            for place in [fs::read_to_string(house.record()).unwrap(), ended.stderr, ended.stdout.join("\n")] {
                assert!(!place.contains(SECRET) && !place.contains("s3cret"), "{place}");
            }
        }
    }

    #[tokio::test]
    async fn a_given_client_goes_before_a_document_and_a_document_before_registration() {
        let both = ["--client-metadata-url", DOCUMENT, "--client-id", CLIENT];
        let house = House::new(documented().known_client(CLIENT, None, &[CALLBACK])).await;
        works(&house, house.options().with(&both)).await;
        assert_eq!(seen(&house, Endpoint::Authorization)[0].param("client_id"), Some(CLIENT));

        let house = House::new(documented()).await;
        works(&house, house.options().with(&both[..2])).await.end().await;
        assert_eq!(seen(&house, Endpoint::Authorization)[0].param("client_id"), Some(DOCUMENT), "to the letter");
        assert_eq!(house.server.count(Endpoint::Registration), 0);
        assert_eq!(stored(&house)["issuers"][house.server.issuer()]["registration"]["source"], "document");
    }

    #[tokio::test]
    async fn where_the_server_takes_no_documents_the_client_registers_itself() {
        let house = House::new(MockServer::builder()).await;
        works(&house, house.options().with(&["--client-metadata-url", DOCUMENT])).await;
        assert_eq!(house.server.count(Endpoint::Registration), 1);
    }

    #[tokio::test]
    async fn where_nothing_is_left_the_person_is_told_the_flags() {
        let house = House::new(MockServer::builder().registration(false)).await;
        let response = fails(house.options()).await;
        assert_eq!(code(&response), "registration_unsupported");
        let hint = response["error"]["data"]["hint"].as_str().unwrap();
        for flag in ["--client-id", "--client-secret-env", "--client-secret-file"] {
            assert!(hint.contains(flag), "{hint}");
        }
        assert_eq!(house.browser.tabs_opened(), 0);
    }

    #[tokio::test]
    async fn the_redirect_comes_to_the_port_that_was_chosen() {
        let port = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let house = House::new(MockServer::builder().known_client(CLIENT, None, &[CALLBACK])).await;
        let port_flag = port.to_string();
        works(&house, house.options().with(&["--client-id", CLIENT, "--callback-port", &port_flag])).await;
        let expected = format!("http://127.0.0.1:{port}/callback");
        assert_eq!(seen(&house, Endpoint::Authorization)[0].param("redirect_uri"), Some(expected.as_str()));
    }

    #[tokio::test]
    async fn a_secret_that_is_not_where_it_should_be_is_an_error_that_names_the_place() {
        let house = House::new(MockServer::builder().known_client(CLIENT, Some(SECRET), &[CALLBACK])).await;
        let response = fails(house.options().with(&["--client-id", CLIENT, "--client-secret-env", "NOT_SET"])).await;
        assert_eq!(code(&response), "invalid_setting");
        assert!(response["error"]["message"].as_str().unwrap().contains("NOT_SET"), "{response}");
        assert_eq!(house.browser.tabs_opened(), 0, "found out before the person is asked");
    }
}

mod a7 {
    use super::*;

    /// Two servers; the resource of the first names the second as its issuer from now on.
    async fn moved(house: &House, other: MockServerBuilder) -> MockServer {
        let other = other.start().await.unwrap();
        other.also_issue_for(house.server.mcp_url());
        house.server.trust(&other);
        house.server.set_authorization_server(Some(other.issuer()));
        house.server.revoke_refresh_tokens();
        house.server.revoke_access_tokens();
        other
    }

    #[tokio::test]
    async fn a_given_client_is_not_used_with_another_issuer_until_the_person_signs_out() {
        let given = || MockServer::builder().known_client(CLIENT, Some(SECRET), &[CALLBACK]);
        let house = House::new(given()).await;
        let options = || {
            let words = ["--client-id", CLIENT, "--client-secret-env", "THE_SECRET"];
            house.options().with(&words).variable("THE_SECRET", SECRET)
        };
        works(&house, options()).await.end().await;
        let other = moved(&house, given()).await;
        let response = fails(options()).await;
        assert_eq!(code(&response), "client_of_another_issuer");
        let message = response["error"]["message"].as_str().unwrap();
        assert!(message.contains(&house.server.issuer()) && message.contains(&other.issuer()), "{message}");
        assert_eq!(house.browser.tabs_opened(), 1);
        let asked: Vec<_> = other.log().into_iter().map(|seen| seen.endpoint).collect();
        let only_read = asked.iter().all(|endpoint| *endpoint == Endpoint::ServerMetadata);
        assert!(only_read, "not even the client id went there: {asked:?}");

        let logout = Options::new(&["logout", &house.server.mcp_url()], house.state.path()).start().end().await;
        assert!(logout.status.success(), "{}", logout.stderr);
        let mut bridge = options().start();
        assert!(bridge.initialize().await["result"].is_object());
        assert_eq!((house.browser.tabs_opened(), other.counts().code_exchanges), (2, 1));
    }

    #[tokio::test]
    async fn another_profile_may_be_of_another_issuer() {
        let given = || MockServer::builder().known_client(CLIENT, None, &[CALLBACK]);
        let house = House::new(given()).await;
        works(&house, house.options().with(&["--client-id", CLIENT])).await.end().await;
        let other = moved(&house, given()).await;
        let mut bridge = house.options().with(&["--client-id", CLIENT, "--profile", "new"]).start();
        assert!(bridge.initialize().await["result"].is_object());
        assert_eq!(other.counts().code_exchanges, 1);
    }

    #[tokio::test]
    async fn a_metadata_document_goes_along_to_a_new_issuer() {
        let house = House::new(documented()).await;
        let options = || house.options().with(&["--client-metadata-url", DOCUMENT]);
        works(&house, options()).await.end().await;
        let other = moved(&house, documented()).await;
        let mut bridge = options().start();
        assert!(bridge.initialize().await["result"].is_object());
        assert_eq!((house.browser.tabs_opened(), other.counts().registrations), (2, 0));
    }

    #[tokio::test]
    async fn a_client_that_registers_itself_registers_anew_with_a_new_issuer() {
        let house = House::new(MockServer::builder()).await;
        works(&house, house.options()).await.end().await;
        let other = moved(&house, MockServer::builder()).await;
        drop(house.bridge().await);
        let counts = (house.server.counts().registrations, other.counts().registrations);
        assert_eq!((house.browser.tabs_opened(), counts), (2, (1, 1)));
    }
}

mod a15 {
    use super::*;

    #[tokio::test]
    async fn a_given_client_that_is_refused_is_an_error_and_nothing_is_lost() {
        let house = House::new(MockServer::builder().known_client(CLIENT, Some(SECRET), &[CALLBACK])).await;
        let options = |secret: &str| {
            let words = ["--client-id", CLIENT, "--client-secret-env", "THE_SECRET"];
            house.options().with(&words).variable("THE_SECRET", secret)
        };
        works(&house, options(SECRET)).await.end().await;
        house.server.expire_access_tokens();
        let before = stored(&house);
        let response = fails(options("wrong")).await;
        assert_eq!(code(&response), "client_refused");
        assert!(response["error"]["message"].as_str().unwrap().contains(CLIENT), "{response}");
        assert_eq!(stored(&house), before);
        let mut bridge = options(SECRET).start();
        assert!(bridge.initialize().await["result"].is_object());
        assert_eq!((house.browser.tabs_opened(), house.server.counts().refreshes), (1, 2));
    }

    #[tokio::test]
    async fn a_wrong_secret_at_the_first_sign_in_says_so_and_leaves_no_client_behind() {
        let house = House::new(MockServer::builder().known_client(CLIENT, Some(SECRET), &[CALLBACK])).await;
        let words = ["--client-id", CLIENT, "--client-secret-env", "THE_SECRET"];
        let response = fails(house.options().with(&words).variable("THE_SECRET", "wrong")).await;
        assert_eq!(code(&response), "client_refused");
        assert!(stored(&house)["issuers"][house.server.issuer()]["registration"].is_null());
    }

    #[tokio::test]
    async fn without_its_secret_a_stored_sign_in_is_not_renewed_and_not_lost() {
        let house = House::new(MockServer::builder().known_client(CLIENT, Some(SECRET), &[CALLBACK])).await;
        let words = ["--client-id", CLIENT, "--client-secret-env", "THE_SECRET"];
        works(&house, house.options().with(&words).variable("THE_SECRET", SECRET)).await.end().await;
        house.server.expire_access_tokens();
        let before = stored(&house);
        let response = fails(house.options()).await;
        assert_eq!(code(&response), "invalid_setting");
        assert!(response["error"]["data"]["hint"].as_str().unwrap().contains("--client-secret-env"), "{response}");
        assert_eq!((stored(&house), house.browser.tabs_opened()), (before, 1));
    }

    #[tokio::test]
    async fn a_sign_in_with_another_client_that_is_given_up_leaves_the_stored_one_as_it_is() {
        let mut house =
            House::with_patient_browser(MockServer::builder().known_client(CLIENT, None, &[CALLBACK])).await;
        let url = house.server.mcp_url();
        let mut bridge = house.options().start();
        let id = bridge.send_initialize().await;
        house.browser.next_tab().await.follow().await;
        bridge.response(id).await;
        let words = ["login", &url, "--force", "--client-id", CLIENT];
        let login = Options::new(&words, house.state.path()).browser(&house.browser).start();
        house.browser.next_tab().await;
        login.kill().await;
        house.server.expire_access_tokens();
        assert!(bridge.call_tool("list_files", json!({})).await["result"].is_object());
        assert_eq!((house.browser.tabs_opened(), house.server.counts().refreshes), (2, 1));
    }
}

#[tokio::test]
async fn a_profile_is_an_account_of_its_own() {
    let house = House::new(MockServer::builder()).await;
    drop(house.bridge().await);
    for (profile, tabs) in [("work", 2), ("work", 2), ("home", 3), ("default", 3)] {
        let mut bridge = house.options().with(&["--profile", profile]).start();
        assert!(bridge.initialize().await["result"].is_object());
        assert_eq!(house.browser.tabs_opened(), tabs, "{profile}");
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_secret_is_in_no_argument_of_a_process() {
    let mut house =
        House::with_patient_browser(MockServer::builder().known_client(CLIENT, Some(SECRET), &[CALLBACK])).await;
    let words = ["--client-id", CLIENT, "--client-secret-env", "THE_SECRET"];
    let mut bridge = house.options().with(&words).variable("THE_SECRET", SECRET).start();
    let id = bridge.send_initialize().await;
    let tab = house.browser.next_tab().await;
    let marker = house.state.path().to_str().unwrap();
    let mut processes = 0;
    for process in fs::read_dir("/proc").unwrap().flatten() {
        let read = |name: &str| fs::read(process.path().join(name)).map(|b| String::from_utf8_lossy(&b).into_owned());
        if let (Ok(arguments), Ok(environment)) = (read("cmdline"), read("environ"))
            && environment.contains(marker)
        {
            processes += 1;
            assert!(!arguments.contains("s3cret"), "{arguments}");
        }
    }
    assert!(processes >= 2, "the bridge and the sign-in process: {processes}");
    tab.follow().await;
    assert!(bridge.response(id).await["result"].is_object());
}
