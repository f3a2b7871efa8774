//! Steps 8 to 11: authorized calls, a refresh, and a restart. Every call is compared on both wires: the line that the host
//! wrote with the body that the server got, and the token with those that the server issued.

use mcp_mock_server::{Endpoint, Seen};
use serde_json::{Value, json};

use super::sign_in::initialize_params;
use super::stage::Stage;
use super::transcript::{BRIDGE_TO_SERVER, SERVER_TO_BRIDGE, Transcript};
use super::{Failure, unexpected, wire};

/// The tools of the demo and the text that each answers with.
const WEATHER: &str = "Oslo: rain, -9 °C";
const FILES: &str = "README.md\nnotes/\nphotos/";
const PROFILE: &str = "Alice Example <alice@example.com>";

/// Walks them; `line` is the host's `initialize`, which still waits for its answer.
pub(super) async fn walk(stage: &mut Stage, t: &mut Transcript<'_>, line: &str) -> Result<(), Failure> {
    t.begin("The waiting `initialize` goes again, authorized; then the tools", "RFC 6750 §2.1");
    greetings(stage, t, line).await?;
    tools_list(stage, t).await?;
    t.end()?;

    t.begin("Three tools are called", "MCP tools");
    let token = call(stage, t, "get_weather", json!({"city": "Oslo"}), WEATHER).await?;
    call(stage, t, "list_files", json!({}), FILES).await?;
    call(stage, t, "get_user_profile", json!({}), PROFILE).await?;
    t.end()?;

    refresh(stage, t, &token).await?;
    restart(stage, t).await?;
    stage.nothing_more()
}

/// `initialize` with a token, its answer, `notifications/initialized`, and the server's own stream.
async fn greetings(stage: &mut Stage, t: &mut Transcript<'_>, line: &str) -> Result<(), Failure> {
    authorized(stage, t, line, 200).await?;
    let result = stage.answer(t).await?;
    let version = result["protocolVersion"].as_str();
    t.check_same("host and server agree on the revision", "2025-11-25", version)?;
    let line = stage.tell(t, &json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await?;
    authorized(stage, t, &line, 202).await?;
    let seen = stage.next_request(Endpoint::Mcp, "GET", 200).await?;
    t.wire(BRIDGE_TO_SERVER, "GET /mcp  for what the server says unasked");
    t.wire(SERVER_TO_BRIDGE, wire::status(seen.status));
    Ok(())
}

async fn tools_list(stage: &mut Stage, t: &mut Transcript<'_>) -> Result<(), Failure> {
    let line = stage.ask(t, "tools/list", json!({})).await?;
    authorized(stage, t, &line, 200).await?;
    let result = stage.answer(t).await?;
    let names = result["tools"].as_array().into_iter().flatten().map(|tool| wire::value_in_words(&tool["name"]));
    let names: Vec<String> = names.collect();
    t.details([("tools".to_owned(), names.join(", "))]);
    let all = ["get_weather", "list_files", "get_user_profile"].iter().all(|name| names.iter().any(|n| n == name));
    t.check("the three tools of the next step are among them", all, names.join(", "))
}

/// Calls a tool; the access token that went with it.
async fn call(
    stage: &mut Stage,
    t: &mut Transcript<'_>,
    name: &str,
    arguments: Value,
    text: &str,
) -> Result<String, Failure> {
    let line = stage.ask(t, "tools/call", json!({"name": name, "arguments": arguments})).await?;
    let token = authorized(stage, t, &line, 200).await?;
    let result = stage.answer(t).await?;
    let seen = result["content"][0]["text"].as_str().unwrap_or_default();
    t.check(&format!("{name} answers \"{}\"", text.replace('\n', ", ")), seen == text, seen)?;
    Ok(token)
}

/// Takes the POST that carries the host's line; its access token, one that the server issued.
async fn authorized(stage: &mut Stage, t: &mut Transcript<'_>, line: &str, status: u16) -> Result<String, Failure> {
    let seen = stage.next_request(Endpoint::Mcp, "POST", status).await?;
    t.wire(BRIDGE_TO_SERVER, wire::request(&seen));
    t.aside(wire::headers(&seen));
    t.wire(SERVER_TO_BRIDGE, wire::status(seen.status));
    if seen.body != line.as_bytes() {
        return Err(unexpected("the host's line byte for byte", wire::message(&seen.json())));
    }
    let token = bearer(&seen);
    let issued = stage.server.issued_secrets().contains(&token);
    if issued { Ok(token) } else { Err(unexpected("an access token of this server", wire::short(&token))) }
}

fn bearer(seen: &Seen) -> String {
    let header = seen.header("authorization").unwrap_or_default();
    header.strip_prefix("Bearer ").unwrap_or_default().to_owned()
}

async fn refresh(stage: &mut Stage, t: &mut Transcript<'_>, old: &str) -> Result<(), Failure> {
    let tabs = stage.tabs();
    stage.server.expire_access_tokens();
    t.begin("The access token expires: a refresh, and no tab", "RFC 6749 §6");
    let line = stage.ask(t, "tools/call", json!({"name": "get_weather", "arguments": {"city": "Oslo"}})).await?;
    authorized(stage, t, &line, 401).await?;
    let seen = stage.next_request(Endpoint::Token, "POST", 200).await?;
    t.wire(BRIDGE_TO_SERVER, wire::request(&seen));
    t.details(wire::parameters(&seen));
    t.wire(SERVER_TO_BRIDGE, wire::status(seen.status));
    let new = authorized(stage, t, &line, 200).await?;
    let result = stage.answer(t).await?;
    t.check_same("it is a refresh token grant", "refresh_token", seen.param("grant_type"))?;
    t.check("the same call goes again with another access token", new != old, "the same token")?;
    t.check_same("the host gets its answer and notices nothing", WEATHER, result["content"][0]["text"].as_str())?;
    no_tab(stage, t, tabs)?;
    t.end()?;
    Ok(())
}

async fn restart(stage: &mut Stage, t: &mut Transcript<'_>) -> Result<(), Failure> {
    let tabs = stage.tabs();
    t.begin("The bridge is ended and started again: no sign-in", "MCP lifecycle");
    let ended = stage.end_bridge().await?;
    session_closed(stage, t).await?;
    t.check("the bridge ends with exit code 0", ended.status.success(), ended.status.to_string())?;
    stage.start_bridge()?;
    let line = stage.ask(t, "initialize", initialize_params()).await?;
    greetings(stage, t, &line).await?;
    call(stage, t, "get_user_profile", json!({}), PROFILE).await?;
    no_tab(stage, t, tabs)?;
    stage.end_bridge().await?;
    session_closed(stage, t).await?;
    t.end()?;
    Ok(())
}

/// The bridge ends its session (MCP, transports).
async fn session_closed(stage: &mut Stage, t: &mut Transcript<'_>) -> Result<(), Failure> {
    let seen = stage.next_request(Endpoint::Mcp, "DELETE", 204).await?;
    t.wire(BRIDGE_TO_SERVER, wire::request(&seen));
    t.aside(wire::headers(&seen));
    t.wire(SERVER_TO_BRIDGE, wire::status(seen.status));
    Ok(())
}

fn no_tab(stage: &Stage, t: &mut Transcript<'_>, before: Option<usize>) -> Result<(), Failure> {
    let requests = stage.server.count(Endpoint::Authorization);
    t.check("no authorization was asked for", requests == 1, format!("{requests} requests in all"))?;
    match stage.tabs() {
        Some(tabs) => t.check("no tab was opened", Some(tabs) == before, format!("{tabs} tabs in all")),
        None => Ok(()),
    }
}
