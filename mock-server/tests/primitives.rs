//! Resources, prompts, completion, pages, and what changes while a session runs.

use std::collections::BTreeSet;

use mcp_mock_server::{Listed, MockServer, OpenSession};
use serde_json::{Value, json};

use crate::client::{Client, read_events};

async fn open() -> (MockServer, Client) {
    let server = MockServer::builder().protected(false).start().await.unwrap();
    let mut client = Client::new(&server);
    client.initialize().await;
    (server, client)
}

fn names(reply: &Value, list: &str, key: &str) -> Vec<String> {
    let items = reply["result"][list].as_array().unwrap();
    items.iter().map(|item| item[key].as_str().unwrap().to_owned()).collect()
}

mod resources {
    use super::*;

    #[tokio::test]
    async fn each_that_is_listed_can_be_read() {
        let (_server, client) = open().await;
        let listed = names(&client.ask("resources/list", &json!({})).await, "resources", "uri");
        assert_eq!(listed.len(), 4);
        let made = ["mock://weather/Oslo".to_owned(), "mock://files/notes/old".to_owned()];
        for uri in listed.iter().chain(&made) {
            let reply = client.ask("resources/read", &json!({ "uri": uri })).await;
            let content = &reply["result"]["contents"][0];
            assert_eq!(content["uri"], **uri);
            assert!(content["text"].is_string() != content["blob"].is_string(), "{uri}");
        }
        let templates = client.ask("resources/templates/list", &json!({})).await;
        let templates = names(&templates, "resourceTemplates", "uriTemplate");
        assert_eq!(templates, ["mock://weather/{city}", "mock://files/{+path}"]);
    }

    #[tokio::test]
    async fn what_is_not_there_is_32002_with_its_uri() {
        let (_server, client) = open().await;
        for method in ["resources/read", "resources/subscribe"] {
            for uri in ["mock://nowhere", "mock://files/nowhere", "file:///etc/passwd", "mock://surprise"] {
                let error = client.ask(method, &json!({ "uri": uri })).await["error"].clone();
                assert_eq!((&error["code"], &error["data"]["uri"]), (&json!(-32002), &json!(uri)), "{method}");
            }
        }
    }

    #[tokio::test]
    async fn an_update_reaches_those_who_subscribed() {
        let (server, client) = open().await;
        let mut stream = client.listen().await;
        let clock = json!({ "uri": "mock://clock" });
        let update = json!({ "resource": "mock://clock" });
        assert_eq!(client.call("change", &update).await["result"]["structuredContent"]["sent"], 0);
        client.ask("resources/subscribe", &clock).await;
        assert_eq!(server.update_resource("mock://readme").await, 0);
        assert_eq!(server.update_resource("mock://clock").await, 1);
        assert_eq!(client.call("change", &update).await["result"]["structuredContent"]["sent"], 1);
        for heard in read_events(&mut stream, 2).await {
            assert_eq!((&heard["method"], &heard["params"]), (&json!("notifications/resources/updated"), &clock));
        }
        client.ask("resources/unsubscribe", &clock).await;
        assert_eq!(server.update_resource("mock://clock").await, 0);
    }
}

mod prompts {
    use super::*;

    #[tokio::test]
    async fn are_listed_and_filled_in() {
        let (_server, client) = open().await;
        assert_eq!(
            names(&client.ask("prompts/list", &json!({})).await, "prompts", "name"),
            ["greet", "review", "interview"]
        );
        let params = json!({ "name": "greet", "arguments": { "name": "Ada", "style": "formal" } });
        let reply = client.ask("prompts/get", &params).await;
        assert_eq!(reply["result"]["messages"][0]["content"]["text"], "Greet Ada in a formal way.");
        let reply = client.ask("prompts/get", &json!({ "name": "review" })).await;
        assert_eq!(reply["result"]["messages"][0]["content"]["resource"]["uri"], "mock://readme");
    }

    #[tokio::test]
    async fn an_unknown_one_and_a_missing_argument_are_invalid_params() {
        let (_server, client) = open().await;
        for params in [json!({ "name": "nothing" }), json!({ "name": "greet" }), json!({ "name": "surprise" })] {
            assert_eq!(client.ask("prompts/get", &params).await["error"]["code"], -32602, "{params}");
        }
    }
}

#[tokio::test]
async fn completion_knows_prompts_and_templates() {
    let (_server, client) = open().await;
    let greet = json!({ "type": "ref/prompt", "name": "greet" });
    let weather = json!({ "type": "ref/resource", "uri": "mock://weather/{city}" });
    let nothing = json!({ "type": "ref/prompt", "name": "nothing" });
    for (reference, argument, value, values) in [
        (&greet, "style", "f", Some(json!(["formal", "friendly"]))),
        (&greet, "other", "f", Some(json!([]))),
        (&weather, "city", "ber", Some(json!(["Berlin", "Bergen", "Bern"]))),
        (&nothing, "style", "f", None),
    ] {
        let params = json!({ "ref": reference, "argument": { "name": argument, "value": value } });
        let reply = client.ask("completion/complete", &params).await;
        assert_eq!(reply["result"]["completion"].get("values"), values.as_ref(), "{params}");
        assert_eq!(reply["error"]["code"] == -32602, values.is_none(), "{params}");
    }
}

mod pages {
    use super::*;

    #[tokio::test]
    async fn together_hold_the_whole_list_once() {
        let server = MockServer::builder().protected(false).page_size(2).start().await.unwrap();
        let mut client = Client::new(&server);
        client.initialize().await;
        for (method, list, key, count) in [
            ("tools/list", "tools", "name", 22_usize),
            ("resources/list", "resources", "uri", 4),
            ("resources/templates/list", "resourceTemplates", "name", 2),
            ("prompts/list", "prompts", "name", 3),
        ] {
            let (mut all, mut pages) = (Vec::new(), 0);
            let mut params = json!({});
            loop {
                let reply = client.ask(method, &params).await;
                all.extend(names(&reply, list, key));
                pages += 1;
                match reply["result"]["nextCursor"].as_str() {
                    Some(cursor) => params = json!({ "cursor": cursor }),
                    None => break,
                }
            }
            assert_eq!((all.len(), pages), (count, count.div_ceil(2)), "{method}");
            assert_eq!(all.into_iter().collect::<BTreeSet<_>>().len(), count, "{method}");
        }
    }

    #[tokio::test]
    async fn a_wrong_cursor_is_invalid_params() {
        let (_server, client) = open().await;
        assert_eq!(client.ask("tools/list", &json!({ "cursor": "x" })).await["error"]["code"], -32602);
    }
}

#[tokio::test]
async fn a_list_changes_and_tells_of_it() {
    let (server, client) = open().await;
    let mut stream = client.listen().await;
    for (list, method, key) in [
        (Listed::Tools, "tools", "name"),
        (Listed::Resources, "resources", "name"),
        (Listed::Prompts, "prompts", "name"),
    ] {
        server.change_list(list).await;
        let reply = client.ask(&format!("{method}/list"), &json!({})).await;
        assert!(names(&reply, method, key).contains(&"surprise".to_owned()), "{method}");
        assert_eq!(client.call("change", &json!({ "list": method })).await["result"]["structuredContent"]["sent"], 1);
        let reply = client.ask(&format!("{method}/list"), &json!({})).await;
        assert!(!names(&reply, method, key).contains(&"surprise".to_owned()), "{method}");
        for heard in read_events(&mut stream, 2).await {
            assert_eq!(heard["method"], format!("notifications/{method}/list_changed"));
        }
    }
}

#[tokio::test]
async fn a_session_shows_what_it_has_agreed_on_and_set() {
    let (server, client) = open().await;
    client.ask("logging/setLevel", &json!({ "level": "error" })).await;
    client.ask("resources/subscribe", &json!({ "uri": "mock://readme" })).await;
    let expected = OpenSession {
        version: "2025-11-25".to_owned(),
        initialized: false,
        level: "error".to_owned(),
        subscriptions: vec!["mock://readme".to_owned()],
        has_stream: false,
        running: Vec::new(),
    };
    assert_eq!(server.sessions(), [expected]);
    let _stream = client.listen().await;
    client.send(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
    let session = server.sessions().remove(0);
    assert!(session.initialized && session.has_stream);
}

#[tokio::test]
async fn a_server_with_tools_only_promises_and_knows_no_more() {
    let server = MockServer::builder().protected(false).tools_only(true).start().await.unwrap();
    let mut client = Client::new(&server);
    let capabilities = client.initialize().await["result"]["capabilities"].clone();
    assert_eq!(capabilities, json!({ "tools": { "listChanged": true }, "logging": {} }));
    for method in ["resources/list", "resources/read", "prompts/list", "completion/complete"] {
        assert_eq!(client.ask(method, &json!({})).await["error"]["code"], -32601, "{method}");
    }
    assert!(client.ask("tools/list", &json!({})).await["result"]["tools"].is_array());
}
