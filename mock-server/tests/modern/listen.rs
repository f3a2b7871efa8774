//! Subscriptions: what is acknowledged, what is told, and how they end.

use mcp_mock_server::{Era, Fault, Listed, MockServer};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use super::{Modern, Prepared, open, open_with};
use crate::client::{messages, read_events};

const ID: &str = "io.modelcontextprotocol/subscriptionId";

fn request(client: &Modern, id: &Value, filter: &Value) -> Prepared {
    let mut request = client.prepare("subscriptions/listen", &json!({ "notifications": filter }));
    request.body["id"] = id.clone();
    request
}

/// Opens a subscription; the stream after its first message, and that.
async fn listening(client: &Modern, id: &Value, filter: &Value) -> (Response, Value) {
    let mut stream = client.send(&request(client, id, filter)).await;
    assert_eq!(stream.status(), StatusCode::OK);
    let first = read_events(&mut stream, 1).await.remove(0);
    assert_eq!(first["method"], "notifications/subscriptions/acknowledged");
    (stream, first)
}

fn everything() -> Value {
    json!({
        "toolsListChanged": true,
        "promptsListChanged": true,
        "resourcesListChanged": true,
        "resourceSubscriptions": ["mock://clock"],
    })
}

#[tokio::test]
async fn what_is_served_is_acknowledged_first() {
    let (server, client) = open().await;
    for (id, filter, served) in [
        (json!(1), json!({}), json!({})),
        (json!("a"), json!({ "toolsListChanged": true, "unknown": true }), json!({ "toolsListChanged": true })),
        (json!(2), everything(), everything()),
        (
            json!(3),
            json!({ "promptsListChanged": false, "resourceSubscriptions": ["mock://clock", "mock://nowhere"] }),
            json!({ "resourceSubscriptions": ["mock://clock"] }),
        ),
    ] {
        let (_stream, first) = listening(&client, &id, &filter).await;
        assert_eq!((&first["params"]["notifications"], &first["params"]["_meta"][ID]), (&served, &id), "{filter}");
        let open = server.subscriptions().pop().unwrap();
        assert_eq!(open.id, id.to_string());
        assert_eq!(open.resources.len(), served["resourceSubscriptions"].as_array().map_or(0, Vec::len));
    }
    let without = client.prepare("subscriptions/listen", &Value::Null);
    assert_eq!(client.refused(&without).await.1, -32602);
    let (_server, client) = open_with(MockServer::builder().era(Era::Modern).tools_only(true)).await;
    let (_stream, first) = listening(&client, &json!(1), &everything()).await;
    assert_eq!(first["params"]["notifications"], json!({ "toolsListChanged": true }));
}

#[tokio::test]
async fn changes_are_told_to_those_who_want_to_hear_them() {
    let (server, client) = open().await;
    let (mut all, _) = listening(&client, &json!("all"), &everything()).await;
    let (mut tools, _) = listening(&client, &json!(7), &json!({ "toolsListChanged": true })).await;
    for (list, name) in [(Listed::Prompts, "prompts"), (Listed::Resources, "resources"), (Listed::Tools, "tools")] {
        server.change_list(list).await;
        let heard = read_events(&mut all, 1).await.remove(0);
        assert_eq!(heard["method"], format!("notifications/{name}/list_changed"));
        assert_eq!(heard["params"]["_meta"][ID], "all");
    }
    let heard = read_events(&mut tools, 1).await.remove(0);
    assert_eq!(
        (&heard["method"], &heard["params"]["_meta"][ID]),
        (&json!("notifications/tools/list_changed"), &json!(7))
    );
    assert_eq!(server.update_resource("mock://clock").await, 1);
    let heard = read_events(&mut all, 1).await.remove(0);
    assert_eq!(heard["method"], "notifications/resources/updated");
    assert_eq!((&heard["params"]["uri"], &heard["params"]["_meta"][ID]), (&json!("mock://clock"), &json!("all")));
    assert_eq!(server.update_resource("mock://readme").await, 0);
}

#[tokio::test]
async fn a_changed_list_is_changed_for_everybody() {
    let (server, client) = open().await;
    let has = async || client.result("tools/list", &Value::Null).await.to_string().contains("\"surprise\"");
    assert!(!has().await);
    server.change_list(Listed::Tools).await;
    assert!(has().await);
    assert_eq!(client.call("surprise", &json!({})).await["content"][0]["text"], "surprise");
    assert_eq!(client.call("change", &json!({ "list": "tools" })).await["structuredContent"]["sent"], 0);
    assert!(!has().await);
}

#[tokio::test]
async fn the_tools_that_change_something_tell_it_on_subscriptions() {
    let (_server, client) = open().await;
    let (mut stream, _) = listening(&client, &json!(1), &everything()).await;
    for (tool, arguments, method) in [
        ("announce", json!({}), "notifications/tools/list_changed"),
        ("change", json!({ "list": "prompts" }), "notifications/prompts/list_changed"),
        ("change", json!({ "resource": "mock://clock" }), "notifications/resources/updated"),
    ] {
        assert_eq!(client.call(tool, &arguments).await["structuredContent"]["sent"], 1, "{tool}");
        assert_eq!(read_events(&mut stream, 1).await[0]["method"], method);
    }
}

#[tokio::test]
async fn an_end_in_good_order_is_a_result() {
    let (server, client) = open().await;
    let (stream, _) = listening(&client, &json!("x"), &json!({})).await;
    server.end_subscriptions().await;
    let last = messages(stream).await.remove(0);
    assert_eq!(
        last,
        json!({
            "jsonrpc": "2.0", "id": "x", "result": { "resultType": "complete", "_meta": { ID: "x" } },
        })
    );
    assert!(server.subscriptions().is_empty());
}

#[tokio::test]
async fn a_server_that_stops_ends_them_in_good_order() {
    let (server, client) = open().await;
    let (stream, _) = listening(&client, &json!(5), &json!({})).await;
    let (last, ()) = tokio::join!(messages(stream), server.stop());
    assert_eq!((&last[0]["id"], &last[0]["result"]["resultType"]), (&json!(5), &json!("complete")));
}

#[tokio::test]
async fn an_end_without_a_result_is_a_broken_stream() {
    let (server, client) = open().await;
    let (stream, _) = listening(&client, &json!(1), &json!({})).await;
    server.end_streams();
    assert_eq!(messages(stream).await, Vec::<Value>::new());
    assert!(server.subscriptions().is_empty());
}

#[tokio::test]
async fn who_closes_the_stream_has_ended_the_subscription() {
    let (server, client) = open().await;
    let (stream, _) = listening(&client, &json!(1), &everything()).await;
    drop(stream);
    while !server.subscriptions().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(server.update_resource("mock://clock").await, 0);
}

#[tokio::test]
async fn a_subscription_can_lack_what_was_wanted_and_whose_it_is() {
    let (server, client) = open().await;
    server.set_fault(Some(Fault::NoResourceUpdates));
    let (mut stream, first) = listening(&client, &json!(1), &everything()).await;
    assert!(first["params"]["notifications"].get("resourceSubscriptions").is_none());
    server.set_fault(Some(Fault::NoSubscriptionId));
    server.change_list(Listed::Tools).await;
    assert!(read_events(&mut stream, 1).await[0]["params"].get("_meta").is_none());
}
