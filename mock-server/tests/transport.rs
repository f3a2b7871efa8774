//! Streamable HTTP (MCP 2025-11-25, transports): sessions, headers, message forms, streams.

use mcp_mock_server::{Fault, MockServer, ReplyForm};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::client::{Client, PING, json_of, messages, open, tool_call};

mod sessions {
    use super::*;

    #[tokio::test]
    async fn a_request_without_the_session_id_is_400() {
        let (_server, mut client) = open().await;
        client.session = None;
        for response in [client.send(PING).await, client.request(Method::DELETE).send().await.unwrap()] {
            assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        }
    }

    #[tokio::test]
    async fn an_unknown_a_deleted_and_a_forgotten_session_are_404() {
        let (server, mut client) = open().await;
        let known = client.session.replace("guessed".to_owned());
        assert_eq!(client.send(PING).await.status(), StatusCode::NOT_FOUND);
        client.session = known;
        assert_eq!(client.request(Method::DELETE).send().await.unwrap().status(), StatusCode::NO_CONTENT);
        assert_eq!(client.send(PING).await.status(), StatusCode::NOT_FOUND);
        client.session = None;
        client.initialize().await;
        assert_eq!(client.send(PING).await.status(), StatusCode::OK);
        server.forget_sessions();
        assert_eq!(client.send(PING).await.status(), StatusCode::NOT_FOUND);
    }

    #[tokio::test]
    async fn the_end_of_a_session_ends_its_standalone_stream() {
        let (_server, client) = open().await;
        let stream = client.request(Method::GET).header("accept", "text/event-stream").send().await.unwrap();
        client.request(Method::DELETE).send().await.unwrap();
        assert_eq!(stream.text().await.unwrap(), "");
    }

    #[tokio::test]
    async fn initialize_agrees_on_the_clients_revision_or_the_newest() {
        let (_server, mut client) = open().await;
        client.session = None;
        for (asked, agreed) in [
            ("2025-11-25", "2025-11-25"),
            ("2025-06-18", "2025-06-18"),
            ("2025-03-26", "2025-03-26"),
            ("2024-11-05", "2025-11-25"),
            ("2031-01-01", "2025-11-25"),
        ] {
            let info = json!({ "name": "test", "version": "1" });
            let params = json!({ "protocolVersion": asked, "capabilities": {}, "clientInfo": info });
            let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params });
            let reply = json_of(client.send(body.to_string()).await).await;
            assert_eq!(reply["result"]["protocolVersion"], agreed, "{asked}");
        }
    }

    #[tokio::test]
    async fn initialize_without_its_parameters_is_an_error() {
        let (_server, mut client) = open().await;
        client.session = None;
        let reply = json_of(client.send(r#"{"jsonrpc":"2.0","id":1,"method":"initialize"}"#).await).await;
        assert_eq!(reply["error"]["code"], -32602);
    }
}

mod headers {
    use super::*;

    #[tokio::test]
    async fn a_foreign_origin_is_403_and_our_own_is_served() {
        let (server, client) = open().await;
        for (origin, status) in [
            ("https://elsewhere.example".to_owned(), StatusCode::FORBIDDEN),
            ("null".to_owned(), StatusCode::FORBIDDEN),
            (server.issuer(), StatusCode::OK),
        ] {
            let response = client.post(PING).header("origin", &origin).send().await.unwrap();
            assert_eq!(response.status(), status, "{origin}");
        }
    }

    #[tokio::test]
    async fn accept_must_name_both_forms() {
        let (_server, client) = open().await;
        for (accept, status) in [
            ("application/json", StatusCode::NOT_ACCEPTABLE),
            ("text/event-stream", StatusCode::NOT_ACCEPTABLE),
            ("text/html, application/xml", StatusCode::NOT_ACCEPTABLE),
            ("text/event-stream;q=0.5,application/json", StatusCode::OK),
            ("*/*", StatusCode::OK),
        ] {
            let request = client.request(Method::POST).header("content-type", "application/json").body(PING);
            let response = request.header("accept", accept).send().await.unwrap();
            assert_eq!(response.status(), status, "{accept}");
        }
        let response = client.request(Method::GET).header("accept", "application/json").send().await.unwrap();
        assert_eq!(response.status(), StatusCode::NOT_ACCEPTABLE);
    }

    #[tokio::test]
    async fn another_content_type_is_415() {
        let (_server, client) = open().await;
        for content_type in ["text/plain", "application/x-www-form-urlencoded", "application/jsonl"] {
            let request = client.request(Method::POST).header("content-type", content_type);
            let response = request.header("accept", "application/json, text/event-stream").body(PING).send().await;
            assert_eq!(response.unwrap().status(), StatusCode::UNSUPPORTED_MEDIA_TYPE, "{content_type}");
        }
    }

    #[tokio::test]
    async fn an_unsupported_protocol_version_is_400_and_none_is_tolerated() {
        let (_server, mut client) = open().await;
        let session = client.session.take().unwrap();
        for (version, status) in [
            (Some("2026-07-28"), StatusCode::BAD_REQUEST),
            (Some("nonsense"), StatusCode::BAD_REQUEST),
            (Some("2025-06-18"), StatusCode::OK),
            (None, StatusCode::OK),
        ] {
            let mut request = client.post(PING).header("mcp-session-id", &session);
            if let Some(version) = version {
                request = request.header("mcp-protocol-version", version);
            }
            assert_eq!(request.send().await.unwrap().status(), status, "{version:?}");
        }
    }

    #[tokio::test]
    async fn another_method_is_405_and_told_which_are_allowed() {
        let (_server, client) = open().await;
        let response = client.request(Method::PUT).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(response.headers()["allow"], "GET, POST, DELETE");
    }
}

mod forms {
    use super::*;

    #[tokio::test]
    async fn a_body_that_is_no_message_is_400_with_a_json_rpc_error() {
        let (_server, client) = open().await;
        for (body, code) in [
            ("{", -32700),
            (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, -32600),
            (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, -32600),
            (r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, -32600),
        ] {
            let response = client.send(body).await;
            assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{body}");
            assert_eq!(json_of(response).await["error"]["code"], code, "{body}");
        }
    }

    #[tokio::test]
    async fn an_unknown_method_is_an_error_with_the_id_as_it_was_spelled() {
        let (_server, client) = open().await;
        for id in ["1.0", "12345678901234567890", "\"\\u0061\"", "-0"] {
            let response = client.send(format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"no/such"}}"#)).await;
            let text = response.text().await.unwrap();
            assert!(text.contains(&format!(r#""id":{id},"error":{{"code":-32601"#)), "{text}");
        }
    }

    #[tokio::test]
    async fn a_notification_and_a_response_are_202_without_a_body() {
        let (_server, client) = open().await;
        for body in [
            r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/unheard-of"}"#,
            r#"{"jsonrpc":"2.0","id":"nobody","result":{}}"#,
        ] {
            let response = client.send(body).await;
            assert_eq!(response.status(), StatusCode::ACCEPTED, "{body}");
            assert_eq!(response.text().await.unwrap(), "", "{body}");
        }
    }

    #[tokio::test]
    async fn a_batch_is_answered_by_an_array_in_a_session_of_2025_03_26() {
        let (_server, mut client) = open().await;
        client.session = None;
        let info = json!({ "name": "test", "version": "1" });
        let params = json!({ "protocolVersion": "2025-03-26", "capabilities": {}, "clientInfo": info });
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params });
        let response = client.send(body.to_string()).await;
        let session = response.headers()["mcp-session-id"].to_str().unwrap().to_owned();
        let note = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        let second = r#"{"jsonrpc":"2.0","id":"2","method":"ping"}"#;
        let post = |body: String| client.post(body).header("mcp-session-id", &session).send();
        let reply = json_of(post(format!("[{PING},{note},{second}]")).await.unwrap()).await;
        assert_eq!(reply.as_array().unwrap().len(), 2);
        assert_eq!(post(format!("[{note}]")).await.unwrap().status(), StatusCode::ACCEPTED);
        assert_eq!(post(format!("[{PING},{body}]")).await.unwrap().status(), StatusCode::BAD_REQUEST);
    }

    #[tokio::test]
    async fn a_batch_is_answered_in_a_stream_by_its_responses_or_arrays_of_them() {
        for (fault, first) in [
            (None, json!({ "jsonrpc": "2.0", "id": 1, "result": {} })),
            (Some(Fault::BatchReply), json!([{ "jsonrpc": "2.0", "id": 1, "result": {} }])),
        ] {
            let server = MockServer::builder().protected(false).reply(ReplyForm::Sse).start().await.unwrap();
            let info = json!({ "name": "test", "version": "1" });
            let params = json!({ "protocolVersion": "2025-03-26", "capabilities": {}, "clientInfo": info });
            let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params });
            let mut client = Client::new(&server);
            let response = client.send(body.to_string()).await;
            let session = response.headers()["mcp-session-id"].to_str().unwrap().to_owned();
            client.session = None;
            server.set_fault(fault);
            let second = r#"{"jsonrpc":"2.0","id":"2","method":"ping"}"#;
            let batch = client.post(format!("[{PING},{second}]")).header("mcp-session-id", &session);
            let replies = messages(batch.send().await.unwrap()).await;
            assert_eq!((replies.len(), &replies[0]), (2, &first));
        }
    }

    #[tokio::test]
    async fn replies_are_streams_where_that_was_chosen() {
        let server = MockServer::builder().protected(false).reply(ReplyForm::Sse).start().await.unwrap();
        let mut client = Client::new(&server);
        assert_eq!(client.initialize().await["id"], 0);
        let response = client.send(PING).await;
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(messages(response).await, [json!({ "jsonrpc": "2.0", "id": 1, "result": {} })]);
    }
}

mod streams {
    use super::*;

    #[tokio::test]
    async fn a_second_standalone_stream_is_409_until_the_first_is_gone() {
        let (_server, client) = open().await;
        let get = || client.request(Method::GET).header("accept", "text/event-stream").send();
        let first = get().await.unwrap();
        assert_eq!(first.headers()["content-type"], "text/event-stream");
        assert_eq!(get().await.unwrap().status(), StatusCode::CONFLICT);
        drop(first);
        // The server learns of the end only from the connection: ask until it has.
        let mut again = get().await.unwrap();
        for _ in 0..1000 {
            if again.status() != StatusCode::CONFLICT {
                break;
            }
            again = get().await.unwrap();
        }
        assert_eq!(again.status(), StatusCode::OK);
    }

    #[tokio::test]
    async fn a_second_request_with_a_running_id_is_refused() {
        let (server, client) = open().await;
        let slow = tool_call(1, "slow", &json!({}));
        let (first, second) = tokio::join!(client.send(slow), async {
            server.wait_for_slow(1).await;
            let reply = json_of(client.send(PING).await).await;
            server.release_slow();
            reply
        });
        assert_eq!(second["error"]["code"], -32600);
        assert_eq!(json_of(first).await["result"]["structuredContent"]["released"], true);
    }

    #[tokio::test]
    async fn a_cancelled_request_ends_without_a_response() {
        for (reply, status) in [(ReplyForm::Json, StatusCode::ACCEPTED), (ReplyForm::Sse, StatusCode::OK)] {
            let server = MockServer::builder().protected(false).reply(reply).start().await.unwrap();
            let mut client = Client::new(&server);
            client.initialize().await;
            let (response, ()) = tokio::join!(client.send(tool_call(7, "slow", &json!({}))), async {
                server.wait_for_slow(1).await;
                let params = json!({ "requestId": 7, "reason": "enough" });
                let note = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params });
                assert_eq!(client.send(note.to_string()).await.status(), StatusCode::ACCEPTED);
            });
            assert_eq!(response.status(), status);
            assert_eq!(response.text().await.unwrap(), "");
            server.wait_for_slow(0).await;
        }
    }
}
