//! One script of a host, played in each cell of two eras: what the host observes is the same, whichever era it speaks and
//! whichever the server (E). What it is to observe stands in `cells.json`, by the name of the step; what eras spell differently
//! without meaning anything by it is made equal here. The hosts themselves are `mcp_bridge_tests::hosts`.

use mcp_bridge_tests::bridge::Options;
use mcp_bridge_tests::hosts::{Failure, Fault, Host, Legacy, Manners, Modern};
use mcp_mock_server::{Era, Listed, MockServer};
use serde_json::{Map, Value, json};

use crate::open;

const README: &str = "mock://readme";
const CLOCK: &str = "mock://clock";

#[tokio::test]
async fn a_host_observes_the_same_in_every_cell() {
    let cells: [(&str, Result<Observed, Stuck>); 4] = tokio::join!(
        played::<Legacy>("legacy host, legacy server", Era::Legacy),
        played::<Modern>("modern host, modern server", Era::Modern),
        played::<Legacy>("legacy host, modern server", Era::Modern),
        played::<Modern>("modern host, legacy server", Era::Legacy),
    )
    .into();
    let expected: Map<String, Value> = serde_json::from_str(include_str!("cells.json")).unwrap();
    let mut differences = Vec::new();
    for (cell, observed) in cells {
        let observed = match observed {
            Ok(observed) => observed,
            Err(stuck) => {
                differences.push(format!("{cell}: stuck at {stuck}"));
                continue;
            }
        };
        assert_eq!(observed.len(), expected.len(), "{cell}: steps that are observed, and those that are expected");
        for (step, observed) in observed {
            let expected = expected.get(step).unwrap_or(&Value::Null);
            if observed != *expected {
                differences.push(format!("{cell}: {step}\n  observed {observed}\n  expected {expected}"));
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// What a host observes, step by step.
type Observed = Vec<(&'static str, Value)>;

/// At which step a script does not go on, and why.
#[derive(Debug, thiserror::Error)]
#[error("{0}: {1}")]
struct Stuck(&'static str, Failure);

/// What a host observes in a cell, with a server of this era.
async fn played<H: Host>(cell: &'static str, era: Era) -> (&'static str, Result<Observed, Stuck>) {
    (cell, script::<H>(era).await)
}

async fn script<H: Host>(era: Era) -> Result<Observed, Stuck> {
    let server = open().era(era).page_size(4).start().await.unwrap();
    let state = tempfile::tempdir().unwrap();
    let bridge = Options::to(&server.mcp_url(), state.path()).start();
    let capabilities = json!({"elicitation": {"form": {}, "url": {}}, "sampling": {}, "roots": {}});
    let manners = Manners { revision: H::LATEST_REVISION.to_owned(), capabilities, answer };
    let host = H::connect(bridge, manners).await.map_err(at("the introduction"))?;
    let mut play = Play { host, server, era, observed: Vec::new() };
    play.primitives().await?;
    play.mistakes().await?;
    play.questions().await?;
    play.subscriptions().await?;
    play.lists_that_change().await?;
    play.notifications_of_a_call().await?;
    play.cancellation().await?;
    let Play { host, mut observed, .. } = play;
    observed.push(("the end", json!(host.end().await.status.success())));
    Ok(observed)
}

fn at(step: &'static str) -> impl FnOnce(Failure) -> Stuck {
    move |failure| Stuck(step, failure)
}

/// What the person, the model and the host's folders say.
fn answer(method: &str, params: &Value) -> Option<Value> {
    let text = |text: &str| json!({"type": "text", "text": text});
    Some(match method {
        "elicitation/create" if params["message"] == "No, thanks?" => json!({"action": "decline"}),
        "elicitation/create" if params["mode"] == "url" => json!({"action": "accept"}),
        "elicitation/create" => {
            let required = params["requestedSchema"]["required"].as_array().into_iter().flatten();
            let content: Map<_, _> =
                required.filter_map(Value::as_str).map(|field| (field.to_owned(), json!("Ada"))).collect();
            json!({"action": "accept", "content": content})
        }
        "sampling/createMessage" => {
            json!({"role": "assistant", "content": text("Paris."), "model": "small-1", "stopReason": "endTurn"})
        }
        "roots/list" => json!({"roots": [{"uri": "file:///home/ada", "name": "home"}]}),
        _ => return None,
    })
}

struct Play<H> {
    host: H,
    server: MockServer,
    /// The server's.
    era: Era,
    observed: Observed,
}

impl<H: Host> Play<H> {
    fn observe(&mut self, step: &'static str, observed: Value) {
        self.observed.push((step, observed));
    }

    /// The result of a request without what only one era has, or the error.
    async fn outcome(&mut self, step: &'static str, method: &str, params: Value) -> Result<Value, Stuck> {
        match self.host.request(method, params).await {
            Ok(mut result) => {
                for of_one_era in ["resultType", "ttlMs", "cacheScope", "_meta"] {
                    result.as_object_mut().map(|members| members.remove(of_one_era));
                }
                Ok(result)
            }
            Err(Failure { fault: Fault::Refused { error, .. }, .. }) => Ok(json!({"error": error})),
            Err(failure) => Err(Stuck(step, failure)),
        }
    }

    /// Observes what a request is answered.
    async fn request(&mut self, step: &'static str, method: &str, params: Value) -> Result<(), Stuck> {
        let outcome = self.outcome(step, method, params).await?;
        self.observe(step, outcome);
        Ok(())
    }

    async fn call(&mut self, step: &'static str, tool: &str, arguments: Value) -> Result<(), Stuck> {
        self.request(step, "tools/call", json!({"name": tool, "arguments": arguments})).await
    }

    /// Observes the names in a list.
    async fn names(&mut self, step: &'static str, method: &str, key: &str, name: &str) -> Result<Vec<Value>, Stuck> {
        let entries = self.host.list(method, key).await.map_err(at(step))?;
        let names = entries.iter().map(|entry| entry[name].clone()).collect();
        self.observe(step, names);
        Ok(entries)
    }

    async fn primitives(&mut self) -> Result<(), Stuck> {
        let introduction = self.host.introduction();
        let said = ["serverInfo", "capabilities", "instructions"].map(|member| introduction[member].clone());
        self.observe("the introduction", json!([said[0]["name"], said[1], said[2]]));
        let tools = self.names("the tools", "tools/list", "tools", "name").await?;
        let files = tools.into_iter().find(|tool| tool["name"] == "list_files");
        self.observe("a tool as it is described", files.unwrap_or_default());
        self.names("the resources", "resources/list", "resources", "uri").await?;
        self.names("the templates", "resources/templates/list", "resourceTemplates", "uriTemplate").await?;
        self.names("the prompts", "prompts/list", "prompts", "name").await?;
        self.call("a call", "get_weather", json!({"city": "Oslo"})).await?;
        let arguments = json!({"text": " w\u{e4}rme", "number": 7, "yes": true, "inner": {"text": "x"}});
        self.call("a call whose arguments headers mirror", "mirror", arguments).await?;
        self.request("a resource", "resources/read", json!({"uri": README})).await?;
        self.request("a resource of a template", "resources/read", json!({"uri": "mock://weather/Rome"})).await?;
        let greet = json!({"name": "greet", "arguments": {"name": "Ada", "style": "pirate"}});
        self.request("a prompt", "prompts/get", greet).await?;
        let complete = json!({
            "ref": {"type": "ref/resource", "uri": "mock://weather/{city}"},
            "argument": {"name": "city", "value": "ber"},
        });
        self.request("a completion", "completion/complete", complete).await?;
        Ok(())
    }

    async fn mistakes(&mut self) -> Result<(), Stuck> {
        self.call("a tool that fails", "list_files", json!({"path": "nowhere"})).await?;
        self.call("a tool that there is not", "nothing", json!({})).await?;
        self.request("a prompt that there is not", "prompts/get", json!({"name": "nothing"})).await?;
        self.request("a method that there is not", "nothing/do", json!({})).await?;
        let step = "a resource that there is not";
        let mut outcome = self.outcome(step, "resources/read", json!({"uri": "mock://nothing"})).await?;
        if outcome["error"]["code"] == H::NO_RESOURCE {
            outcome["error"]["code"] = json!("as the host's era has it");
        }
        self.observe(step, outcome);
        Ok(())
    }

    /// Observes what the host was asked, and what came of its answers.
    async fn asked(&mut self, step: &'static str, method: &str, params: Value) -> Result<(), Stuck> {
        let outcome = self.outcome(step, method, params).await?;
        let mut questions = std::mem::take(&mut self.host.line().asked);
        for question in &mut questions {
            let Some(params) = question["params"].as_object_mut() else { continue };
            // The legacy era names the page besides; each page has a URL of its own.
            params.retain(|name, _| !matches!(name.as_str(), "elicitationId" | "_meta"));
            if let Some(url) = params.get_mut("url") {
                let page = url.as_str().and_then(|url| url.split_once("/elicitation/"));
                *url = json!(page.map(|_| "a page"));
            }
        }
        // Those of one round come in any order.
        questions.sort_by_key(|question| question["method"].to_string());
        self.observe(step, json!({"asked": questions, "outcome": outcome}));
        Ok(())
    }

    async fn questions(&mut self) -> Result<(), Stuck> {
        let call = |tool: &str, arguments: Value| json!({"name": tool, "arguments": arguments});
        self.asked("a form", "tools/call", call("ask-elicitation", json!({}))).await?;
        self.asked("a form that is declined", "tools/call", call("ask", json!({"message": "No, thanks?"}))).await?;
        self.asked("a page", "tools/call", call("ask-url", json!({}))).await?;
        self.asked("a model", "tools/call", call("ask-sampling", json!({"message": "Capital of France?"}))).await?;
        self.asked("roots", "tools/call", call("ask-roots", json!({}))).await?;
        self.asked("several at once", "tools/call", call("ask-several", json!({}))).await?;
        self.asked("several in turn", "tools/call", call("ask-rounds", json!({"rounds": 3}))).await?;
        self.asked("a prompt that asks", "prompts/get", json!({"name": "interview"})).await?;
        self.asked("a resource that asks", "resources/read", json!({"uri": "mock://private"})).await?;
        self.host.line().heard.clear(); // only one era says that a page is done with
        Ok(())
    }

    /// Follows these resources, until the server can tell of them.
    async fn follow(&mut self, resources: &[&str]) -> Result<(), Stuck> {
        self.host.follow(resources).await.map_err(at("to follow"))?;
        if self.era == Era::Legacy {
            self.server.wait_for(|log| log.iter().any(|seen| seen.method == "GET" && seen.status == 200)).await;
        }
        Ok(())
    }

    async fn subscriptions(&mut self) -> Result<(), Stuck> {
        let updated = "notifications/resources/updated";
        self.follow(&[README, CLOCK]).await?;
        self.server.update_resource(README).await;
        let heard = self.host.hears(updated).await.map_err(at("an update"))?;
        self.observe("an update", heard);
        self.follow(&[CLOCK]).await?;
        self.server.update_resource(README).await;
        self.server.update_resource(CLOCK).await;
        let heard = self.host.hears(updated).await.map_err(at("the update of what is still followed"))?;
        self.observe("the update of what is still followed", heard);
        let beside = json!({"name": "ask", "arguments": {"on": "standalone"}});
        self.asked("a form beside the reply", "tools/call", beside).await?;
        Ok(())
    }

    async fn lists_that_change(&mut self) -> Result<(), Stuck> {
        for (list, notification, step) in [
            (Listed::Tools, "notifications/tools/list_changed", "a change of the tools"),
            (Listed::Resources, "notifications/resources/list_changed", "a change of the resources"),
            (Listed::Prompts, "notifications/prompts/list_changed", "a change of the prompts"),
        ] {
            self.server.change_list(list).await;
            self.host.hears(notification).await.map_err(at(step))?;
        }
        self.names("the tools once changed", "tools/list", "tools", "name").await?;
        self.names("the resources once changed", "resources/list", "resources", "uri").await?;
        self.names("the prompts once changed", "prompts/list", "prompts", "name").await?;
        let rest = std::mem::take(&mut self.host.line().heard);
        self.observe("what else was heard of lists and resources", rest.into());
        Ok(())
    }

    /// Observes what was told before the answer, and that.
    async fn told(&mut self, step: &'static str, params: Value) -> Result<(), Stuck> {
        let outcome = self.outcome(step, "tools/call", params).await?;
        let told = std::mem::take(&mut self.host.line().heard);
        let told: Vec<_> = told.into_iter().map(|mut message| message["params"].take()).collect();
        self.observe(step, json!({"told": told, "outcome": outcome}));
        Ok(())
    }

    async fn notifications_of_a_call(&mut self) -> Result<(), Stuck> {
        let call = |tool: &str, arguments: Value| json!({"name": tool, "arguments": arguments});
        let mut progress = call("progress", json!({"steps": 2}));
        progress["_meta"] = json!({"progressToken": "p"});
        self.told("progress", progress).await?;
        self.told("progress that nobody asked for", call("progress", json!({"steps": 2}))).await?;
        for (level, step) in [("critical", "log messages of a level"), ("emergency", "log messages of another level")] {
            self.host.log_level(level).await.map_err(at(step))?;
            self.told(step, call("log", json!({"message": "fire"}))).await?;
        }
        Ok(())
    }

    async fn cancellation(&mut self) -> Result<(), Stuck> {
        let step = "a call that is cancelled";
        let slow = json!({"name": "slow", "arguments": {}});
        let id = self.host.begin("tools/call", &slow).await.map_err(at(step))?;
        self.server.wait_for_slow(1).await;
        self.host.line().cancel(id).await.map_err(at(step))?;
        self.server.wait_for_slow(0).await;
        // A response to it would be one that nobody waits for.
        self.call("a call after that", "echo", json!({"n": 12_345_678_901_234_567_890_u64})).await?;
        Ok(())
    }
}
