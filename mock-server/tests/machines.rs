//! The grants without a person: client credentials, assertions, identity assertions; and clients that prove themselves by a
//! key. What breaks a rule is refused by the code of its RFC.

use std::time::{Duration, SystemTime};

use mcp_mock_server::{AuthMethod, MockServer, MockServerBuilder, OfferedGrant, PublicKey, PublicKeyFault};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use crate::client::{Client, claims_of, json_of};

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const BY_ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

fn in_a_minute() -> u64 {
    (SystemTime::now() + Duration::from_secs(60)).duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

/// Claims, changed: a null takes one away.
fn changed(mut claims: Value, changes: &Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    claims
}

async fn outcome(response: Response) -> String {
    let status = response.status();
    let document = json_of(response).await;
    match document["error"].as_str() {
        Some(error) => error.to_owned(),
        None => {
            assert_eq!(status, StatusCode::OK);
            assert!(document.get("refresh_token").is_none() && document["access_token"].is_string(), "{document}");
            "ok".to_owned()
        }
    }
}

fn machine() -> MockServerBuilder {
    MockServer::builder().grants([OfferedGrant::ClientCredentials, OfferedGrant::JwtBearer])
}

mod rfc6749_4_4 {
    use super::*;

    #[tokio::test]
    async fn a_client_that_proves_itself_gets_a_token_of_its_own() {
        let builder = machine().known_client("job", Some("s3cret"), &[]).known_client("public", None, &[]);
        let server = builder.start().await.unwrap();
        let mut client = Client::new(&server);
        let url = client.mcp_url.clone();
        let good = [("grant_type", "client_credentials"), ("client_id", "job"), ("client_secret", "s3cret")];
        let good = [&good[..], &[("resource", &url)]].concat();
        for (name, place, value, expected) in [
            ("as it should be", 0, ("grant_type", "client_credentials"), "ok"),
            ("a wrong secret", 2, ("client_secret", "guessed"), "invalid_client"),
            ("a public client", 1, ("client_id", "public"), "invalid_client"),
            ("another resource", 3, ("resource", "https://elsewhere.example/"), "invalid_target"),
            ("another grant", 0, ("grant_type", "authorization_code"), "unsupported_grant_type"),
        ] {
            let mut asked = good.clone();
            asked[place] = value;
            assert_eq!(outcome(client.token(&asked).send().await.unwrap()).await, expected, "{name}");
        }
        let public = [("grant_type", "client_credentials"), ("client_id", "public"), ("resource", &url)];
        assert_eq!(outcome(client.token(&public).send().await.unwrap()).await, "unauthorized_client");
        let token = json_of(client.token(&good).send().await.unwrap()).await["access_token"].clone();
        assert_eq!(claims_of(token.as_str().unwrap())["sub"], "job");
        client.access_token = token.as_str().map(str::to_owned);
        client.initialize().await;
    }

    #[tokio::test]
    async fn a_server_without_the_code_says_so_and_without_the_grant_gives_nothing() {
        let server = machine().known_client("job", Some("s"), &[]).start().await.unwrap();
        let client = Client::new(&server);
        let url = format!("{}/.well-known/oauth-authorization-server", server.issuer());
        let document = json_of(client.http.get(url).send().await.unwrap()).await;
        assert_eq!(document["grant_types_supported"], json!(["client_credentials", JWT_BEARER]));
        assert!(document.get("authorization_endpoint").is_none() && document.get("registration_endpoint").is_none());
        let server = MockServer::builder().known_client("job", Some("s"), &[]).start().await.unwrap();
        let asked = [("grant_type", "client_credentials"), ("client_id", "job"), ("client_secret", "s")];
        let answer = Client::new(&server).token(&asked).send().await.unwrap();
        assert_eq!(outcome(answer).await, "unsupported_grant_type");
    }
}

mod rfc7523_2_2 {
    use super::*;

    #[tokio::test]
    async fn a_client_with_a_key_proves_itself_by_an_assertion_for_this_issuer_and_one_use() {
        let (owner, other) =
            (MockServer::builder().start().await.unwrap(), MockServer::builder().start().await.unwrap());
        let builder = machine().known_client("secret", Some("s"), &[]);
        let server = builder.known_client_with_key("job", owner.public_key().unwrap(), &[]).start().await.unwrap();
        let client = Client::new(&server);
        let claims = json!({
            "iss": "job", "sub": "job", "aud": server.issuer(), "exp": in_a_minute(), "jti": "first"
        });
        let table = [
            ("as it should be", &owner, json!({}), &[][..], "ok"),
            ("used before", &owner, json!({}), &[], "invalid_client"),
            ("no jti", &owner, json!({"jti": null}), &[], "invalid_client"),
            ("another's key", &other, json!({"jti": "2"}), &[], "invalid_client"),
            ("another audience", &owner, json!({"jti": "3", "aud": "https://other.example"}), &[], "invalid_client"),
            (
                "the endpoint as audience",
                &owner,
                json!({"jti": "4", "aud": format!("{}/token", server.issuer())}),
                &[],
                "invalid_client",
            ),
            ("a list of audiences", &owner, json!({"jti": "5", "aud": [server.issuer()]}), &[], "invalid_client"),
            ("expired", &owner, json!({"jti": "6", "exp": 1000}), &[], "invalid_client"),
            ("good for ever", &owner, json!({"jti": "7", "exp": in_a_minute() + 86_400}), &[], "invalid_client"),
            ("not good yet", &owner, json!({"jti": "8", "nbf": in_a_minute()}), &[], "invalid_client"),
            ("another subject", &owner, json!({"jti": "9", "sub": "secret"}), &[], "invalid_client"),
            (
                "a client without a key",
                &owner,
                json!({"jti": "10", "sub": "secret", "iss": "secret"}),
                &[],
                "invalid_client",
            ),
            ("another client_id", &owner, json!({"jti": "11"}), &[("client_id", "secret")], "invalid_client"),
            ("a secret beside it", &owner, json!({"jti": "12"}), &[("client_secret", "s")], "invalid_request"),
            ("its client_id beside it", &owner, json!({"jti": "13"}), &[("client_id", "job")], "ok"),
        ];
        for (name, signer, changes, more, expected) in table {
            let assertion = signer.signed(changed(claims.clone(), &changes)).unwrap();
            let asked = [
                ("grant_type", "client_credentials"),
                ("client_assertion_type", BY_ASSERTION),
                ("client_assertion", &assertion),
                ("resource", &client.mcp_url),
            ];
            let answer = client.token(&[&asked[..], more].concat()).send().await.unwrap();
            assert_eq!(outcome(answer).await, expected, "{name}");
        }
    }

    #[tokio::test]
    async fn the_metadata_name_the_method_and_its_algorithms() {
        let owner = MockServer::builder().start().await.unwrap();
        let builder = machine().token_endpoint_auth_method(AuthMethod::PrivateKeyJwt);
        let server = builder.known_client_with_key("job", owner.public_key().unwrap(), &[]).start().await.unwrap();
        let url = format!("{}/.well-known/oauth-authorization-server", server.issuer());
        let document = json_of(Client::new(&server).http.get(url).send().await.unwrap()).await;
        assert_eq!(document["token_endpoint_auth_methods_supported"], json!(["private_key_jwt"]));
        assert_eq!(document["token_endpoint_auth_signing_alg_values_supported"], json!(["ES256", "RS256", "EdDSA"]));
    }

    #[test]
    fn what_is_no_public_key_is_refused() {
        assert_eq!(PublicKey::from_pem("x").unwrap_err(), PublicKeyFault::NotPem);
        let pem = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n";
        assert_eq!(PublicKey::from_pem(pem).unwrap_err(), PublicKeyFault::Unsupported);
    }
}

mod rfc7523_2_1 {
    use super::*;

    #[tokio::test]
    async fn an_assertion_of_a_trusted_issuer_brings_a_token_for_whom_it_names() {
        let (workloads, stranger) =
            (MockServer::builder().start().await.unwrap(), MockServer::builder().start().await.unwrap());
        let builder = machine().trusted_issuer("https://workloads.example", workloads.public_key().unwrap());
        let server = builder.known_client("wif", None, &[]).start().await.unwrap();
        let client = Client::new(&server);
        let claims = json!({
            "iss": "https://workloads.example", "sub": "workload", "aud": server.issuer(), "exp": in_a_minute()
        });
        let table = [
            ("as it should be", &workloads, json!({}), &[][..], "ok"),
            ("the same again", &workloads, json!({}), &[], "ok"),
            ("with a client", &workloads, json!({}), &[("client_id", "wif")], "ok"),
            ("an unknown client", &workloads, json!({}), &[("client_id", "nobody")], "invalid_client"),
            ("another's key", &stranger, json!({}), &[], "invalid_grant"),
            ("a stranger", &stranger, json!({"iss": null}), &[], "invalid_grant"),
            ("another audience", &workloads, json!({"aud": "https://other.example"}), &[], "invalid_grant"),
            ("expired", &workloads, json!({"exp": 1000}), &[], "invalid_grant"),
            ("without an end", &workloads, json!({"exp": null}), &[], "invalid_grant"),
            ("nobody", &workloads, json!({"sub": null}), &[], "invalid_grant"),
            ("more scope than it allows", &workloads, json!({"scope": "mcp:admin"}), &[], "invalid_scope"),
            ("a scope that is not on offer", &workloads, json!({}), &[("scope", "root")], "invalid_scope"),
        ];
        for (name, signer, changes, more, expected) in table {
            let assertion = signer.signed(changed(claims.clone(), &changes)).unwrap();
            let asked = [("grant_type", JWT_BEARER), ("assertion", &assertion), ("resource", &client.mcp_url)];
            let answer = client.token(&[&asked[..], more].concat()).send().await.unwrap();
            assert_eq!(outcome(answer).await, expected, "{name}");
        }
        let nothing = [("grant_type", JWT_BEARER), ("resource", &client.mcp_url)];
        assert_eq!(outcome(client.token(&nothing).send().await.unwrap()).await, "invalid_request");
    }
}

mod rfc8693 {
    use super::*;

    const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
    const ID_JAG: &str = "urn:ietf:params:oauth:token-type:id-jag";
    const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";

    #[tokio::test]
    async fn an_id_token_is_exchanged_for_an_assertion_that_one_server_takes_once_from_one_client() {
        let builder = machine().known_client("there", Some("s"), &[]).known_client("other", Some("s"), &[]);
        let server = builder.start().await.unwrap();
        let provider = MockServer::builder().grants([OfferedGrant::TokenExchange]).known_client("here", None, &[]);
        let provider = provider.identity_assertions(server.issuer(), "there").start().await.unwrap();
        server.trust(&provider);
        let (here, there) = (Client::new(&provider), Client::new(&server));
        let claims = json!({"sub": "alice", "aud": "here", "exp": in_a_minute()});
        let id_token = provider.signed(claims.clone()).unwrap();
        let expired = provider.signed(changed(claims.clone(), &json!({"exp": 1000}))).unwrap();
        let anothers = provider.signed(changed(claims, &json!({"aud": "another"}))).unwrap();
        let issuer = server.issuer();
        let good = [
            ("grant_type", EXCHANGE),
            ("client_id", "here"),
            ("requested_token_type", ID_JAG),
            ("audience", &issuer),
            ("resource", &there.mcp_url),
            ("subject_token_type", ID_TOKEN),
            ("subject_token", &id_token),
        ];
        for (name, place, value, expected) in [
            ("another type", 2, "urn:ietf:params:oauth:token-type:access_token", "invalid_request"),
            ("an audience that nobody knows", 3, "https://other.example", "invalid_target"),
            ("no resource", 4, "", "invalid_request"),
            ("another subject type", 5, "urn:ietf:params:oauth:token-type:saml2", "invalid_request"),
            ("an expired ID token", 6, &*expired, "invalid_request"),
            ("another client's ID token", 6, &*anothers, "invalid_request"),
            ("no ID token", 6, "a.b.c", "invalid_request"),
        ] {
            let mut asked = good;
            asked[place].1 = value;
            assert_eq!(outcome(here.token(&asked).send().await.unwrap()).await, expected, "{name}");
        }
        let exchanged = json_of(here.token(&good).send().await.unwrap()).await;
        assert_eq!((&exchanged["issued_token_type"], &exchanged["token_type"]), (&ID_JAG.into(), &"N_A".into()));
        let assertion = exchanged["access_token"].as_str().unwrap();
        let redeem = async |client_id: &str, resource: &str| {
            let asked = [
                ("grant_type", JWT_BEARER),
                ("assertion", assertion),
                ("resource", resource),
                ("client_id", client_id),
                ("client_secret", "s"),
            ];
            outcome(there.token(&asked).send().await.unwrap()).await
        };
        assert_eq!(redeem("other", &there.mcp_url).await, "invalid_grant");
        assert_eq!(redeem("there", "https://elsewhere.example/").await, "invalid_target");
        assert_eq!(redeem("there", &there.mcp_url).await, "ok");
        assert_eq!(redeem("there", &there.mcp_url).await, "invalid_grant", "the second time");
    }
}
