//! Each fault, seen from outside: it changes what its sentence says.

use mcp_mock_server::{Approval, Fault, MockServer};
use reqwest::{Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::client::{Client, PING, VERIFIER, events, json_of, messages, parameters_of, registration, tool_call};

async fn with(fault: Fault) -> MockServer {
    MockServer::builder().fault(fault).start().await.unwrap()
}

async fn document(server: &MockServer, path: &str) -> Value {
    let url = format!("{}/.well-known/{path}", server.issuer());
    json_of(Client::new(server).http.get(url).send().await.unwrap()).await
}

fn is_html(response: &Response) -> bool {
    response.headers()["content-type"].to_str().unwrap().starts_with("text/html")
}

mod of_metadata {
    use super::*;

    #[tokio::test]
    async fn wrong_issuer() {
        let document = document(&with(Fault::WrongIssuer).await, "oauth-authorization-server").await;
        assert_eq!(document["issuer"], "https://elsewhere.example");
    }

    #[tokio::test]
    async fn wrong_resource() {
        let document = document(&with(Fault::WrongResource).await, "oauth-protected-resource/mcp").await;
        assert_eq!(document["resource"], "https://elsewhere.example/mcp");
    }

    #[tokio::test]
    async fn no_pkce() {
        let document = document(&with(Fault::NoPkce).await, "oauth-authorization-server").await;
        assert_eq!(document.get("code_challenge_methods_supported"), None);
    }
}

mod of_authorization {
    use super::*;

    #[tokio::test]
    async fn wrong_iss_and_no_iss() {
        let server = with(Fault::WrongIss).await;
        let client = Client::registered(&server).await;
        assert_eq!(parameters_of(&client.authorize(&[]).await)["iss"], "https://elsewhere.example");
        server.set_fault(Some(Fault::NoIss));
        assert_eq!(parameters_of(&client.authorize(&[]).await).get("iss"), None);
        server.set_fault(None);
        assert_eq!(parameters_of(&client.authorize(&[]).await)["iss"], server.issuer());
    }

    #[tokio::test]
    async fn registration_refused() {
        let server = with(Fault::RegistrationRefused).await;
        let url = format!("{}/register", server.issuer());
        let response = Client::new(&server).post_json(&url, &registration("none")).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        assert_eq!(json_of(response).await["error"], "invalid_redirect_uri");
    }

    #[tokio::test]
    async fn token_endpoint_down_and_token_html() {
        let server = with(Fault::TokenEndpointDown).await;
        let client = Client::registered(&server).await;
        assert_eq!(client.redeem("x", &[]).await.status(), StatusCode::SERVICE_UNAVAILABLE);
        server.set_fault(Some(Fault::TokenHtml));
        let response = client.redeem("x", &[]).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert!(is_html(&response));
    }

    #[tokio::test]
    async fn echoes_secrets() {
        let server = with(Fault::EchoesSecrets).await;
        let mut client = Client::new(&server);
        client.register("none").await;
        let description = |document: Value| document["error_description"].as_str().unwrap().to_owned();
        let redeemed = description(json_of(client.redeem("the-code", &[]).await).await);
        assert!(redeemed.contains("the-code") && redeemed.contains(VERIFIER));
        let refreshed = description(json_of(client.refresh("the-token", &[]).await).await);
        assert!(refreshed.contains("the-token"), "{refreshed}");
        let post = || client.post(PING).header("authorization", "Bearer the-token");
        let refused = post().send().await.unwrap().text().await.unwrap();
        assert!(refused.contains("Bearer the-token"), "{refused}");
        server.set_fault(None);
        assert!(!post().send().await.unwrap().text().await.unwrap().contains("the-token"));
    }

    #[tokio::test]
    async fn evil_words() {
        let server = MockServer::builder().fault(Fault::EvilWords).auto_approve(Approval::Deny).start().await.unwrap();
        let client = Client::registered(&server).await;
        let description = parameters_of(&client.authorize(&[]).await)["error_description"].clone();
        let document = json_of(client.redeem("x", &[]).await).await;
        for words in [description.as_str(), document["error_description"].as_str().unwrap()] {
            assert!(words.contains("\u{1b}]0;") && words.contains('\n') && words.contains('\u{202e}'));
        }
        let response = client.post(PING).header("authorization", "Bearer x").send().await.unwrap();
        let challenge = response.headers()["www-authenticate"].as_bytes();
        assert!(String::from_utf8_lossy(challenge).contains('\u{202e}'));
    }
}

mod of_token_answers {
    use super::*;

    async fn answer(server: &MockServer) -> Value {
        let client = Client::registered(server).await;
        let code = client.code().await;
        json_of(client.redeem(&code, &[]).await).await
    }

    #[tokio::test]
    async fn token_type_and_expires_in() {
        let server = MockServer::builder().start().await.unwrap();
        server.set_faults([Fault::TokenType.with("bEaReR").unwrap(), Fault::ExpiresIn.with(7).unwrap()]);
        let document = answer(&server).await;
        assert_eq!((&document["token_type"], &document["expires_in"]), (&"bEaReR".into(), &7.into()));
    }

    #[tokio::test]
    async fn no_expires_in_and_no_scope() {
        let server = MockServer::builder().fault(Fault::NoExpiresIn).fault(Fault::NoScope).start().await.unwrap();
        let document = answer(&server).await;
        assert!(document["access_token"].is_string());
        assert_eq!((document.get("expires_in"), document.get("scope")), (None, None));
    }

    #[tokio::test]
    async fn token_error() {
        let server = with(Fault::TokenError).await;
        let client = Client::registered(&server).await;
        let code = client.code().await;
        let response = client.redeem(&code, &[]).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        assert_eq!(json_of(response).await["error"], "server_error");
        server.set_fault(None);
        assert_eq!(client.redeem(&code, &[]).await.status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn slow() {
    let server = MockServer::builder().fault(Fault::Slow.with(60).unwrap()).start().await.unwrap();
    let began = std::time::Instant::now();
    document(&server, "oauth-authorization-server").await;
    assert!(began.elapsed() >= std::time::Duration::from_millis(60));
}

mod of_the_mcp_endpoint {
    use super::*;

    #[tokio::test]
    async fn answers_of_something_else() {
        let server = MockServer::builder().start().await.unwrap();
        let client = Client::new(&server);
        for (fault, status, html) in [
            (Fault::HtmlMcp, StatusCode::OK, true),
            (Fault::HtmlError, StatusCode::INTERNAL_SERVER_ERROR, true),
            (Fault::Mcp503, StatusCode::SERVICE_UNAVAILABLE, false),
            (Fault::Empty200, StatusCode::OK, false),
        ] {
            server.set_fault(Some(fault));
            let response = client.send(PING).await;
            assert_eq!((response.status(), is_html(&response)), (status, html), "{fault}");
            assert_eq!(response.text().await.unwrap().is_empty(), fault == Fault::Empty200, "{fault}");
        }
    }

    #[tokio::test]
    async fn redirect_mcp() {
        let server = with(Fault::RedirectMcp).await;
        let response = Client::new(&server).send(PING).await;
        assert_eq!(response.status(), StatusCode::TEMPORARY_REDIRECT);
        assert_eq!(response.headers()["location"], format!("http://localhost:{}/mcp", server.address().port()));
    }

    #[tokio::test]
    async fn rejects_every_token() {
        let server = with(Fault::RejectsEveryToken).await;
        let response = Client::signed_in(&server).await.send(PING).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    }

    #[tokio::test]
    async fn no_session() {
        let server = with(Fault::NoSession).await;
        let client = Client::initialized(&server).await;
        assert_eq!(client.session, None);
        assert_eq!(client.send(PING).await.status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn get_405() {
        let server = with(Fault::Get405).await;
        let client = Client::initialized(&server).await;
        let response = client.request(Method::GET).header("accept", "text/event-stream").send().await.unwrap();
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    }
}

mod of_spelling {
    use super::*;

    #[tokio::test]
    async fn stream_cut() {
        let server = with(Fault::StreamCut).await;
        let client = Client::initialized(&server).await;
        let params = json!({ "name": "progress", "arguments": { "steps": 2 }, "_meta": { "progressToken": 1 } });
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
        let messages = messages(client.send(body.to_string()).await).await;
        assert_eq!(messages.len(), 2);
        assert!(messages.iter().all(|message| message["method"] == "notifications/progress"));
    }

    #[tokio::test]
    async fn batch_reply() {
        let server = with(Fault::BatchReply).await;
        let client = Client::initialized(&server).await;
        assert_eq!(json_of(client.send(PING).await).await, json!([{ "jsonrpc": "2.0", "id": 1, "result": {} }]));
    }

    #[tokio::test]
    async fn pretty_json() {
        let server = with(Fault::PrettyJson).await;
        let client = Client::initialized(&server).await;
        let text = client.send(PING).await.text().await.unwrap();
        assert!(text.lines().count() > 3);
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["id"], 1);
    }

    #[tokio::test]
    async fn multi_line_data() {
        let server = with(Fault::MultiLineData).await;
        let client = Client::initialized(&server).await;
        let text = client.send(PING).await.text().await.unwrap();
        assert!(text.matches("\r\ndata: ").count() > 3);
        assert_eq!(events(&text)[0]["id"], 1);
    }

    #[tokio::test]
    async fn drip_and_gzip() {
        let server = MockServer::builder().start().await.unwrap();
        let client = Client::initialized(&server).await;
        for fault in [Fault::Drip, Fault::Gzip] {
            server.set_fault(Some(fault));
            for tool in ["list_files", "progress"] {
                let response = client.send(tool_call(1, tool, &json!({ "steps": 3 }))).await;
                let reply = messages(response).await.pop().unwrap();
                assert!(reply["result"]["structuredContent"].is_object(), "{fault} {tool}");
            }
        }
    }

    #[tokio::test]
    async fn drip_sends_every_byte_by_itself() {
        let server = with(Fault::Drip).await;
        let mut response =
            Client::new(&server).http.get(format!("{}/jwks.json", server.issuer())).send().await.unwrap();
        while let Some(chunk) = response.chunk().await.unwrap() {
            assert_eq!(chunk.len(), 1);
        }
    }

    #[tokio::test]
    async fn gzip_comes_only_to_those_who_accept_it() {
        let server = with(Fault::Gzip).await;
        let plain = reqwest::Client::builder().no_proxy().no_gzip().build().unwrap();
        let url = format!("{}/jwks.json", server.issuer());
        let packed = plain.get(&url).header("accept-encoding", "gzip").send().await.unwrap();
        assert_eq!(packed.headers()["content-encoding"], "gzip");
        assert!(packed.bytes().await.unwrap().starts_with(&[0x1f, 0x8b, 8]));
        let response = plain.get(&url).send().await.unwrap();
        assert_eq!(response.headers().get("content-encoding"), None);
    }
}
