//! Tokens bound to a key (RFC 9449): what a proof must say, at both servers, and what a token is without one.

mod faults;

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{Jwk, ThumbprintHash};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use mcp_mock_server::{Dpop, MockServer, TokenFormat};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use crate::client::{CHALLENGE, Client, PING, REDIRECT_URI, VERIFIER, claims_of, json_of};

/// A client's key.
pub(super) struct Key {
    private: EncodingKey,
    jwk: Jwk,
}

impl Key {
    pub(super) fn new() -> Self {
        let pair = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).unwrap();
        let private = EncodingKey::from_ec_der(pair.as_ref());
        let jwk = Jwk::from_encoding_key(&private, Algorithm::ES256).unwrap();
        Key { private, jwk }
    }

    fn thumbprint(&self) -> String {
        self.jwk.thumbprint(ThumbprintHash::SHA256).unwrap()
    }

    /// A proof with these claims in place of the honest ones; null takes one away.
    fn proof(&self, method: &str, url: &str, changes: &[(&str, Value)]) -> String {
        let mut header = Header::new(Algorithm::ES256);
        header.typ = Some("dpop+jwt".to_owned());
        header.jwk = Some(self.jwk.clone());
        encode(&header, &claims(method, url, changes), &self.private).unwrap()
    }

    pub(super) fn at_token(&self, client: &Client, changes: &[(&str, Value)]) -> String {
        self.proof("POST", &format!("{}/token", client.issuer), changes)
    }

    pub(super) fn at_mcp(&self, client: &Client, changes: &[(&str, Value)]) -> String {
        let ath = hash(client.access_token.as_deref().unwrap());
        let changes = [&[("ath", json!(ath))], changes].concat();
        self.proof("POST", &client.mcp_url, &changes)
    }
}

fn claims(method: &str, url: &str, changes: &[(&str, Value)]) -> Value {
    let id = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let mut claims = json!({ "jti": id.as_nanos().to_string(), "htm": method, "htu": url, "iat": id.as_secs() });
    for (name, value) in changes {
        claims[*name] = value.clone();
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(*name);
        }
    }
    claims
}

fn hash(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, text.as_bytes()))
}

async fn redeemed(client: &Client, proof: Option<&str>) -> Response {
    let code = client.code().await;
    redeemed_code(client, &code, proof).await
}

async fn redeemed_code(client: &Client, code: &str, proof: Option<&str>) -> Response {
    let parameters = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", REDIRECT_URI),
        ("client_id", &client.id),
        ("code_verifier", VERIFIER),
        ("resource", &client.mcp_url),
    ];
    let request = client.token(&parameters);
    proof.map_or(request.try_clone().unwrap(), |proof| request.header("dpop", proof)).send().await.unwrap()
}

async fn refreshed(client: &Client, proof: Option<&str>) -> Response {
    let token = client.refresh_token.as_deref().unwrap();
    let parameters = [
        ("grant_type", "refresh_token"),
        ("refresh_token", token),
        ("client_id", &client.id),
        ("resource", &client.mcp_url),
    ];
    let request = client.token(&parameters);
    proof.map_or(request.try_clone().unwrap(), |proof| request.header("dpop", proof)).send().await.unwrap()
}

/// A message with this scheme and proof.
async fn sent(client: &Client, scheme: &str, proof: Option<&str>) -> Response {
    let token = client.access_token.as_deref().unwrap();
    let request = client.http.post(&client.mcp_url).header("authorization", format!("{scheme} {token}"));
    let request = request.header("accept", "application/json, text/event-stream");
    let request = request.header("content-type", "application/json").body(PING);
    proof.map_or(request.try_clone().unwrap(), |proof| request.header("dpop", proof)).send().await.unwrap()
}

fn challenges(response: &Response) -> Vec<String> {
    let fields = response.headers().get_all("www-authenticate");
    fields.iter().map(|field| field.to_str().unwrap().to_owned()).collect()
}

async fn error_of(response: Response) -> String {
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    json_of(response).await["error"].as_str().unwrap().to_owned()
}

async fn with(dpop: Dpop) -> (MockServer, Client) {
    let server = MockServer::builder().dpop(dpop).start().await.unwrap();
    let client = Client::registered(&server).await;
    (server, client)
}

/// A client with tokens that are bound to its key.
async fn bound(server: &MockServer) -> (Client, Key) {
    let (mut client, key) = (Client::registered(server).await, Key::new());
    let response = redeemed(&client, Some(&key.at_token(&client, &[]))).await;
    client.keep(response).await;
    (client, key)
}

/// Whether the gate let it in: without a session a ping is a bad request then.
fn is_in(response: &Response) -> bool {
    response.status() == StatusCode::BAD_REQUEST
}

mod rfc9449_5 {
    use super::*;

    #[tokio::test]
    async fn a_proof_at_the_token_endpoint_binds_the_tokens() {
        let (_server, client) = with(Dpop::Offered).await;
        let key = Key::new();
        let document = json_of(redeemed(&client, Some(&key.at_token(&client, &[]))).await).await;
        assert_eq!(document["token_type"], "DPoP");
        assert_eq!(claims_of(document["access_token"].as_str().unwrap())["cnf"]["jkt"], key.thumbprint());
    }

    #[tokio::test]
    async fn without_a_proof_there_are_bearer_tokens_or_none() {
        let (_server, client) = with(Dpop::Offered).await;
        assert_eq!(json_of(redeemed(&client, None).await).await["token_type"], "Bearer");
        let (_server, client) = with(Dpop::Required).await;
        assert_eq!(error_of(redeemed(&client, None).await).await, "invalid_dpop_proof");
    }

    #[tokio::test]
    async fn a_server_without_dpop_does_not_look_at_proofs() {
        let (_server, client) = with(Dpop::Off).await;
        assert_eq!(json_of(redeemed(&client, Some("x")).await).await["token_type"], "Bearer");
    }

    #[tokio::test]
    async fn a_refused_proof_spends_no_code() {
        let (_server, client) = with(Dpop::Required).await;
        let (key, code) = (Key::new(), client.code().await);
        assert_eq!(error_of(redeemed_code(&client, &code, Some("x")).await).await, "invalid_dpop_proof");
        let again = redeemed_code(&client, &code, Some(&key.at_token(&client, &[]))).await;
        assert_eq!(again.status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn the_refresh_token_of_a_public_client_is_bound_to_the_key() {
        let server = MockServer::builder().dpop(Dpop::Offered).start().await.unwrap();
        let (client, key) = bound(&server).await;
        let other = Key::new();
        assert_eq!(error_of(refreshed(&client, None).await).await, "invalid_grant");
        assert_eq!(error_of(refreshed(&client, Some(&other.at_token(&client, &[]))).await).await, "invalid_grant");
        let document = json_of(refreshed(&client, Some(&key.at_token(&client, &[]))).await).await;
        assert_eq!(document["token_type"], "DPoP");
    }

    #[tokio::test]
    async fn metadata_says_what_is_offered_and_demanded() {
        for (dpop, algorithms, demanded) in [
            (Dpop::Off, Value::Null, Value::Null),
            (Dpop::Offered, json!(["ES256"]), json!(false)),
            (Dpop::Required, json!(["ES256"]), json!(true)),
        ] {
            let (server, client) = with(dpop).await;
            let got = async |name: &str| {
                json_of(client.http.get(format!("{}/.well-known/{name}", server.issuer())).send().await.unwrap()).await
            };
            let of_server = got("oauth-authorization-server").await;
            assert_eq!(of_server["dpop_signing_alg_values_supported"], algorithms, "{dpop:?}");
            let of_resource = got("oauth-protected-resource/mcp").await;
            assert_eq!(of_resource["dpop_bound_access_tokens_required"], demanded, "{dpop:?}");
        }
    }
}

mod rfc9449_4_3 {
    use super::*;

    #[tokio::test]
    async fn each_claim_of_a_proof_is_checked() {
        let server = MockServer::builder().dpop(Dpop::Required).start().await.unwrap();
        let (client, key) = bound(&server).await;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let table = [
            ("another method", ("htm", json!("GET"))),
            ("another URL", ("htu", json!("https://mcp.example.com/mcp"))),
            ("a query in the URL", ("htu", json!(format!("{}?x=1", client.mcp_url)))),
            ("too old", ("iat", json!(now - 120))),
            ("from the future", ("iat", json!(now + 120))),
            ("no time", ("iat", Value::Null)),
            ("no id", ("jti", Value::Null)),
            ("of another token", ("ath", json!(hash("another")))),
            ("of no token", ("ath", Value::Null)),
        ];
        for (name, change) in table {
            let response = sent(&client, "DPoP", Some(&key.at_mcp(&client, &[change]))).await;
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{name}");
            assert!(challenges(&response)[0].contains("error=\"invalid_dpop_proof\""), "{name}");
        }
        assert!(is_in(&sent(&client, "DPoP", Some(&key.at_mcp(&client, &[]))).await));
    }

    #[tokio::test]
    async fn type_algorithm_key_and_signature_are_checked() {
        let server = MockServer::builder().dpop(Dpop::Required).start().await.unwrap();
        let (client, key) = bound(&server).await;
        let good = key.at_mcp(&client, &[]);
        let (_, rest) = good.split_once('.').unwrap();
        let header = |header: &Value| format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header.to_string()));
        let jwk = serde_json::to_value(&key.jwk).unwrap();
        let mut private = jwk.clone();
        private["d"] = json!("AAAA");
        let other = serde_json::to_value(&Key::new().jwk).unwrap();
        let table = [
            ("no JWT", "x".to_owned()),
            ("another type", header(&json!({ "typ": "JWT", "alg": "ES256", "jwk": jwk }))),
            ("unsigned", header(&json!({ "typ": "dpop+jwt", "alg": "none", "jwk": jwk }))),
            ("no key", header(&json!({ "typ": "dpop+jwt", "alg": "ES256" }))),
            ("a private key", header(&json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": private }))),
            ("another key", header(&json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": other }))),
            ("a changed claim", good.replacen(".ey", ".eY", 1)),
        ];
        for (name, proof) in table {
            let response = sent(&client, "DPoP", Some(&proof)).await;
            assert!(challenges(&response)[0].contains("error=\"invalid_dpop_proof\""), "{name}");
        }
    }

    #[tokio::test]
    async fn a_proof_is_good_once_and_comes_alone() {
        let server = MockServer::builder().dpop(Dpop::Required).start().await.unwrap();
        let (client, key) = bound(&server).await;
        let proof = key.at_mcp(&client, &[]);
        assert!(is_in(&sent(&client, "DPoP", Some(&proof)).await));
        assert!(challenges(&sent(&client, "DPoP", Some(&proof)).await)[0].contains("invalid_dpop_proof"));
        let (one, two) = (key.at_mcp(&client, &[]), key.at_mcp(&client, &[]));
        let token = client.access_token.as_deref().unwrap();
        let request = client.http.post(&client.mcp_url).header("authorization", format!("DPoP {token}"));
        let both = request.header("dpop", one).header("dpop", two).body(PING).send().await.unwrap();
        assert!(challenges(&both)[0].contains("more than one DPoP proof"));
    }
}

mod rfc9449_7 {
    use super::*;

    #[tokio::test]
    async fn a_bound_token_is_of_no_use_without_its_key() {
        for format in [TokenFormat::Jwt, TokenFormat::Opaque] {
            let server = MockServer::builder().dpop(Dpop::Offered).token_format(format).start().await.unwrap();
            let (client, key) = bound(&server).await;
            let thief = Key::new();
            let table = [
                ("as Bearer", sent(&client, "Bearer", None).await),
                ("as Bearer with a proof", sent(&client, "Bearer", Some(&key.at_mcp(&client, &[]))).await),
                ("without a proof", sent(&client, "DPoP", None).await),
                ("by another key", sent(&client, "DPoP", Some(&thief.at_mcp(&client, &[]))).await),
            ];
            for (name, response) in table {
                assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{name}");
            }
            assert!(is_in(&sent(&client, "dpop", Some(&key.at_mcp(&client, &[]))).await));
        }
    }

    #[tokio::test]
    async fn the_challenge_names_the_schemes_that_are_spoken() {
        let schemes = async |dpop| {
            let (_server, client) = with(dpop).await;
            let response = client.send(PING).await;
            challenges(&response).iter().map(|field| field.split(' ').next().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(schemes(Dpop::Off).await, ["Bearer"]);
        assert_eq!(schemes(Dpop::Offered).await, ["Bearer", "DPoP"]);
        assert_eq!(schemes(Dpop::Required).await, ["DPoP"]);
    }

    #[tokio::test]
    async fn introspection_tells_the_key() {
        let server = MockServer::builder().dpop(Dpop::Offered).known_client("rs", Some("rs-secret"), &[]);
        let server = server.start().await.unwrap();
        let (client, key) = bound(&server).await;
        let token = client.access_token.as_deref().unwrap();
        let request = client.http.post(format!("{}/introspect", server.issuer())).basic_auth("rs", Some("rs-secret"));
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let told = json_of(request.body(format!("token={token}")).send().await.unwrap()).await;
        assert_eq!((&told["token_type"], &told["cnf"]["jkt"]), (&json!("DPoP"), &json!(key.thumbprint())));
    }
}

mod rfc9449_8_and_9 {
    use super::*;

    #[tokio::test]
    async fn each_server_demands_a_nonce_of_its_own() {
        let server = MockServer::builder().dpop(Dpop::Required).dpop_nonce(true).start().await.unwrap();
        let (mut client, key) = (Client::registered(&server).await, Key::new());
        let code = client.code().await;
        let refused = redeemed_code(&client, &code, Some(&key.at_token(&client, &[]))).await;
        let of_token = refused.headers()["dpop-nonce"].to_str().unwrap().to_owned();
        assert_eq!(error_of(refused).await, "use_dpop_nonce");
        let proof = key.at_token(&client, &[("nonce", json!(of_token))]);
        let response = redeemed_code(&client, &code, Some(&proof)).await;
        client.keep(response).await;

        let refused = sent(&client, "DPoP", Some(&key.at_mcp(&client, &[("nonce", json!(of_token))]))).await;
        assert!(challenges(&refused)[0].contains("error=\"use_dpop_nonce\""));
        let of_mcp = refused.headers()["dpop-nonce"].to_str().unwrap().to_owned();
        assert_ne!(of_mcp, of_token);
        let with_nonce = || key.at_mcp(&client, &[("nonce", json!(of_mcp))]);
        assert!(is_in(&sent(&client, "DPoP", Some(&with_nonce())).await));
        server.change_dpop_nonces();
        assert!(challenges(&sent(&client, "DPoP", Some(&with_nonce())).await)[0].contains("use_dpop_nonce"));
    }
}

#[tokio::test]
async fn rfc9449_10_a_code_is_bound_to_the_key_of_its_request() {
    let (_server, client) = with(Dpop::Offered).await;
    let (key, other) = (Key::new(), Key::new());
    let code = async || {
        let thumbprint = key.thumbprint();
        let changes = [("dpop_jkt", Some(thumbprint.as_str())), ("code_challenge", Some(CHALLENGE))];
        crate::client::parameters_of(&client.authorize(&changes).await)["code"].clone()
    };
    let stolen = redeemed_code(&client, &code().await, Some(&other.at_token(&client, &[]))).await;
    assert_eq!(error_of(stolen).await, "invalid_grant");
    assert_eq!(error_of(redeemed_code(&client, &code().await, None).await).await, "invalid_grant");
    let honest = redeemed_code(&client, &code().await, Some(&key.at_token(&client, &[]))).await;
    assert_eq!(honest.status(), StatusCode::OK);
}
