//! Results that ask for input: what is asked, what the client brings with its next request, and what is refused.

use mcp_mock_server::{Era, Fault, MockServer, ReplyForm};
use serde_json::{Value, json};

use super::{Modern, open, open_with};
use crate::client::Client;

fn answer() -> Value {
    json!({ "action": "accept", "content": { "name": "Ada" } })
}

/// Sends the request again with what a result asked for, and the same answer for each question.
async fn again(client: &Modern, method: &str, params: &Value, asked: &Value, answer: &Value) -> Value {
    let mut params = params.clone();
    if let Some(requests) = asked["inputRequests"].as_object() {
        params["inputResponses"] = requests.keys().map(|key| (key.clone(), answer.clone())).collect();
    }
    if asked["requestState"].is_string() {
        params["requestState"] = asked["requestState"].clone();
    }
    client.result(method, &params).await
}

#[tokio::test]
async fn each_tool_asks_its_question_and_tells_the_answer() {
    let (_server, client) = open().await;
    for (tool, method) in [
        ("ask", "elicitation/create"),
        ("ask-elicitation", "elicitation/create"),
        ("ask-url", "elicitation/create"),
        ("needs-url", "elicitation/create"),
        ("ask-sampling", "sampling/createMessage"),
        ("ask-roots", "roots/list"),
    ] {
        let params = json!({ "name": tool, "arguments": { "message": "Who?" } });
        let asked = client.result("tools/call", &params).await;
        assert_eq!(asked["resultType"], "input_required", "{tool}");
        let requests = asked["inputRequests"].as_object().unwrap().values().collect::<Vec<_>>();
        assert_eq!((requests.len(), &requests[0]["method"]), (1, &json!(method)), "{tool}");
        assert!(asked.get("ttlMs").is_none() && asked["requestState"].is_string(), "{tool}");
        if method == "elicitation/create" {
            let is_page = requests[0]["params"]["mode"] == "url";
            assert_eq!(is_page, tool.ends_with("url"), "{tool}");
            assert!(requests[0]["params"].get("elicitationId").is_none(), "{tool}");
        }
        let result = again(&client, "tools/call", &params, &asked, &json!({ "told": tool })).await;
        assert_eq!(result["resultType"], "complete", "{tool}");
        assert_eq!(result["structuredContent"]["result"], json!({ "told": tool }), "{tool}");
    }
}

#[tokio::test]
async fn prompts_and_resources_ask_too() {
    let (_server, client) = open().await;
    for (method, params, key) in [
        ("prompts/get", json!({ "name": "interview" }), "messages"),
        ("resources/read", json!({ "uri": "mock://private" }), "contents"),
    ] {
        let asked = client.result(method, &params).await;
        assert_eq!(asked["resultType"], "input_required", "{method}");
        assert!(again(&client, method, &params, &asked, &answer()).await[key].to_string().contains("Ada"), "{method}");
    }
}

#[tokio::test]
async fn several_questions_come_at_once_and_those_that_lack_come_again() {
    let (_server, client) = open().await;
    let params = json!({ "name": "ask-several", "arguments": {} });
    let asked = client.result("tools/call", &params).await;
    let methods =
        asked["inputRequests"].as_object().unwrap().values().map(|request| request["method"].as_str().unwrap());
    let methods = methods.collect::<std::collections::BTreeSet<_>>();
    assert_eq!(methods.into_iter().collect::<Vec<_>>(), ["elicitation/create", "roots/list", "sampling/createMessage"]);
    let mut partly = params.clone();
    partly["requestState"] = asked["requestState"].clone();
    partly["inputResponses"] = json!({ "name": answer(), "nobody-asked": {} });
    let rest = client.result("tools/call", &partly).await;
    assert_eq!(rest["inputRequests"].as_object().unwrap().keys().collect::<Vec<_>>(), ["model", "roots"]);
    let result = again(&client, "tools/call", &params, &rest, &json!({ "x": 1 })).await;
    let answers = &result["structuredContent"]["answers"];
    assert_eq!(answers[0]["result"], answer());
    assert_eq!((&answers[1]["result"]["x"], &answers[2]["result"]["x"]), (&json!(1), &json!(1)));
}

#[tokio::test]
async fn several_rounds_have_each_their_state() {
    let (_server, client) = open().await;
    let params = json!({ "name": "ask-rounds", "arguments": { "rounds": 12 } });
    let mut result = client.result("tools/call", &params).await;
    let mut states = vec![];
    while result["resultType"] == "input_required" {
        states.push(result["requestState"].as_str().unwrap().to_owned());
        result = again(&client, "tools/call", &params, &result, &answer()).await;
    }
    assert_eq!(states.len(), 12);
    states.dedup();
    assert_eq!((states.len(), result["structuredContent"]["answers"].as_array().unwrap().len()), (12, 12));
}

#[tokio::test]
async fn a_state_can_come_without_questions() {
    let (_server, client) = open().await;
    let params = json!({ "name": "ask-later", "arguments": {} });
    let asked = client.result("tools/call", &params).await;
    assert!(asked.get("inputRequests").is_none());
    assert_eq!(again(&client, "tools/call", &params, &asked, &Value::Null).await["structuredContent"]["now"], true);
}

#[tokio::test]
async fn questions_can_come_without_a_state() {
    let (_server, client) = open().await;
    let params = json!({ "name": "ask", "arguments": { "state": false } });
    let asked = client.result("tools/call", &params).await;
    assert!(asked["inputRequests"].is_object() && asked.get("requestState").is_none());
    let result = again(&client, "tools/call", &params, &asked, &answer()).await;
    assert_eq!(result["structuredContent"]["result"], answer());
}

#[tokio::test]
async fn a_state_is_good_for_its_own_request_only() {
    let (_server, client) = open().await;
    let asked = client.call("ask", &json!({})).await;
    let state = asked["requestState"].as_str().unwrap().to_owned();
    let with = |tool: &str, arguments: Value, state: &str| {
        let request = client.tool(tool, &arguments).param("requestState", json!(state));
        request.param("inputResponses", json!({ "name": answer() }))
    };
    for (name, request, outcome) in [
        ("the same request", with("ask", json!({}), &state), (200, 0)),
        ("another argument", with("ask", json!({ "message": "x" }), &state), (400, -32602)),
        ("another tool", with("ask-roots", json!({}), &state), (400, -32602)),
        ("tampered with", with("ask", json!({}), &format!("{state}A")), (400, -32602)),
        ("made up", with("ask", json!({}), "state"), (400, -32602)),
        (
            "answers that are none",
            client.tool("ask", &json!({})).param("inputResponses", json!({ "name": 1 })),
            (400, -32602),
        ),
        ("a number as state", client.tool("ask", &json!({})).param("requestState", json!(1)), (400, -32602)),
    ] {
        assert_eq!(client.refused(&request).await, outcome, "{name}");
    }
    let without = client.tool("ask", &json!({})).param("inputResponses", json!({ "name": answer() }));
    assert_eq!(client.answer(&without).await.1["result"]["resultType"], "input_required");
}

#[tokio::test]
async fn a_state_is_good_for_its_own_person_only() {
    let server = MockServer::builder().era(Era::Modern).start().await.unwrap();
    let mut client = Modern::new(&server);
    client.token = Client::signed_in(&server).await.access_token;
    let asked = client.call("ask", &json!({})).await;
    let request = client.tool("ask", &json!({})).param("requestState", asked["requestState"].clone());
    assert_eq!(client.refused(&request).await, (200, 0));
    client.token = Client::signed_in(&server).await.access_token;
    assert_eq!(client.refused(&request).await, (400, -32602));
}

#[tokio::test]
async fn who_did_not_declare_it_is_told_what_is_needed() {
    for form in [ReplyForm::Json, ReplyForm::Sse] {
        let (server, mut client) = open_with(MockServer::builder().era(Era::Modern).reply(form)).await;
        for (capabilities, tool, needed) in [
            (json!({}), "ask", json!({ "elicitation": { "form": {} } })),
            (json!({ "elicitation": {} }), "ask-url", json!({ "elicitation": { "url": {} } })),
            (json!({}), "ask-sampling", json!({ "sampling": {} })),
            (json!({ "elicitation": {} }), "ask-several", json!({ "sampling": {}, "roots": {} })),
        ] {
            client.capabilities = capabilities;
            let (status, answer) = client.answer(&client.tool(tool, &json!({}))).await;
            assert_eq!((status.as_u16(), &answer["error"]["code"]), (400, &json!(-32021)), "{tool}");
            assert_eq!(answer["error"]["data"]["requiredCapabilities"], needed, "{tool}");
        }
        server.set_fault(Some(Fault::UndeclaredInput));
        client.capabilities = json!({});
        assert_eq!(client.call("ask", &json!({})).await["resultType"], "input_required");
    }
}

#[tokio::test]
async fn a_client_can_be_asked_for_ever_and_its_state_forgotten() {
    let (server, client) = open().await;
    let params = json!({ "name": "ask", "arguments": {} });
    let asked = client.result("tools/call", &params).await;
    server.set_fault(Some(Fault::EndlessInput));
    assert_eq!(again(&client, "tools/call", &params, &asked, &answer()).await["resultType"], "input_required");
    server.set_fault(Some(Fault::ForgetsState));
    let request = client.tool("ask", &json!({})).param("requestState", asked["requestState"].clone());
    assert_eq!(client.refused(&request).await, (400, -32602));
}
