//! Steps 1 to 7: from the host's first line to the tokens. Each step takes one request from the server's log and compares
//! it with what the server publishes and with the steps before. `calls.rs` goes on from here.

use aws_lc_rs::digest;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use mcp_mock_server::{Endpoint, Seen};
use reqwest::redirect::Policy;
use serde_json::json;
use tokio::task::JoinHandle;
use url::Url;

use super::stage::Stage;
use super::transcript::{
    BRIDGE_TO_BROWSER, BRIDGE_TO_SERVER, BROWSER_TO_BRIDGE, BROWSER_TO_SERVER, SERVER_TO_BRIDGE, SERVER_TO_BROWSER,
    Transcript,
};
use super::{Failure, unexpected, wire};
use crate::PATIENCE;
use crate::browser::{self, Page, Tab};

/// Walks them; the line of the host's `initialize`, which still waits for its answer.
pub(super) async fn walk(stage: &mut Stage, t: &mut Transcript<'_>) -> Result<String, Failure> {
    let line = start(stage, t).await?;
    challenge(stage, t, &line).await?;
    resource_metadata(stage, t).await?;
    server_metadata(stage, t).await?;
    let redirect_uri = registration(stage, t).await?;
    let (authorization, back) = authorization(stage, t, &redirect_uri).await?;
    token(stage, t, &authorization, back).await?;
    Ok(line)
}

/// What a host of 2025-11-25 says first (MCP, lifecycle).
pub(super) fn initialize_params() -> serde_json::Value {
    json!({
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "demo", "version": "1"},
    })
}

async fn start(stage: &mut Stage, t: &mut Transcript<'_>) -> Result<String, Failure> {
    t.begin("The host starts the bridge and sends `initialize`", "MCP lifecycle");
    let empty = stage.folder().read_dir()?.next().is_none();
    t.check("the state folder is empty", empty, "something in it")?;
    stage.start_bridge()?;
    let line = stage.ask(t, "initialize", initialize_params()).await?;
    t.end()?;
    Ok(line)
}

async fn challenge(stage: &mut Stage, t: &mut Transcript<'_>, line: &str) -> Result<(), Failure> {
    t.begin("The server refuses: there is no token yet", "RFC 6750 §3, RFC 9728 §5.1");
    let seen = stage.next_request(Endpoint::Mcp, "POST", 401).await?;
    t.wire(BRIDGE_TO_SERVER, wire::request(&seen));
    t.wire(SERVER_TO_BRIDGE, format!("{}  WWW-Authenticate: Bearer …", wire::status(seen.status)));
    t.details(challenge_parameters(&stage.published.challenge));
    t.check("the host's line arrived byte for byte", seen.body == line.as_bytes(), wire::message(&seen.json()))?;
    t.check("no Authorization header was sent", seen.header("authorization").is_none(), "one")?;
    t.end()?;
    Ok(())
}

/// `name="value"` pairs, as the mock server writes them.
fn challenge_parameters(challenge: &str) -> Vec<(String, String)> {
    let parameters = challenge.trim_start_matches("Bearer ").split(", ");
    let pairs = parameters.filter_map(|parameter| parameter.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.trim_matches('"').to_owned())).collect()
}

async fn resource_metadata(stage: &mut Stage, t: &mut Transcript<'_>) -> Result<(), Failure> {
    t.begin("Protected resource metadata", "RFC 9728");
    let seen = stage.next_request(Endpoint::ResourceMetadata, "GET", 200).await?;
    t.wire(BRIDGE_TO_SERVER, wire::request(&seen));
    t.wire(SERVER_TO_BRIDGE, wire::status(seen.status));
    let published = &stage.published;
    t.details(values(&published.resource_metadata, &["resource", "authorization_servers", "scopes_supported"]));
    let url = url_of(&seen);
    t.check_same("it is read where the challenge says", &published.resource_metadata_url, Some(&url))?;
    t.check_same("its resource is the upstream", &stage.server.mcp_url(), Some(published.of_resource("resource")))?;
    t.end()?;
    Ok(())
}

async fn server_metadata(stage: &mut Stage, t: &mut Transcript<'_>) -> Result<(), Failure> {
    t.begin("Authorization server metadata", "RFC 8414");
    let seen = stage.next_request(Endpoint::ServerMetadata, "GET", 200).await?;
    t.wire(BRIDGE_TO_SERVER, wire::request(&seen));
    t.wire(SERVER_TO_BRIDGE, wire::status(seen.status));
    let published = &stage.published;
    let shown = [
        "issuer",
        "authorization_endpoint",
        "token_endpoint",
        "registration_endpoint",
        "code_challenge_methods_supported",
    ];
    t.details(values(&published.server_metadata, &shown));
    let url = url_of(&seen);
    t.check_same("it is read where the resource's metadata leads", &published.server_metadata_url, Some(&url))?;
    let issuer = wire::value_in_words(&published.resource_metadata["authorization_servers"][0]);
    t.check_same("its issuer is the one that was looked for", &issuer, Some(published.of_server("issuer")))?;
    t.end()?;
    Ok(())
}

/// The redirect URI that was registered.
async fn registration(stage: &mut Stage, t: &mut Transcript<'_>) -> Result<String, Failure> {
    t.begin("Dynamic client registration", "RFC 7591");
    let seen = stage.next_request(Endpoint::Registration, "POST", 201).await?;
    t.wire(BRIDGE_TO_SERVER, wire::request(&seen));
    t.details(wire::metadata(&seen));
    t.wire(SERVER_TO_BRIDGE, wire::status(seen.status));
    let metadata = seen.json();
    t.check_same(
        "it goes to the published registration endpoint",
        stage.published.of_server("registration_endpoint"),
        Some(&url_of(&seen)),
    )?;
    let redirect_uri = metadata["redirect_uris"][0].as_str().unwrap_or_default().to_owned();
    let loopback = redirect_uri.starts_with("http://127.0.0.1:");
    t.check("its redirect URI is a loopback address (RFC 8252 §7.3)", loopback, &redirect_uri)?;
    t.check_same("it is a public client", "none", metadata["token_endpoint_auth_method"].as_str())?;
    t.end()?;
    Ok(redirect_uri)
}

/// The way back to the bridge, which shows its page when the tokens are there.
struct Back {
    url: Url,
    page: JoinHandle<Result<Page, reqwest::Error>>,
}

/// The authorization request, and the way back where the stand-in goes it.
async fn authorization(
    stage: &mut Stage,
    t: &mut Transcript<'_>,
    redirect_uri: &str,
) -> Result<(Seen, Option<Back>), Failure> {
    t.begin("Authorization in the browser, with PKCE", "RFC 6749 §4.1, RFC 7636");
    let location = match next_tab(stage).await? {
        Some(tab) => Some(redirect(&tab).await?),
        None => None,
    };
    let seen = if location.is_some() {
        stage.next_request(Endpoint::Authorization, "GET", 302).await?
    } else {
        await_the_person(stage, t).await?
    };
    t.wire(BROWSER_TO_SERVER, wire::request(&seen));
    t.details(wire::parameters(&seen));
    t.wire(SERVER_TO_BROWSER, wire::status(seen.status));
    let back = match location {
        Some(location) => Some(go_back(stage, t, &seen, location)?),
        None => None,
    };
    let published = &stage.published;
    let challenge = seen.param("code_challenge").unwrap_or_default();
    let s256 = seen.param("code_challenge_method") == Some("S256") && challenge.len() == 43;
    t.check("there is an S256 code challenge (RFC 7636 §4.3)", s256, wire::short(challenge))?;
    t.check_same("it asks for a code", "code", seen.param("response_type"))?;
    t.check_same("it comes back to the registered redirect URI", redirect_uri, seen.param("redirect_uri"))?;
    let resource = published.of_resource("resource");
    t.check_same("it names the resource (RFC 8707)", resource, seen.param("resource"))?;
    if let Some(tabs) = stage.tabs() {
        t.check("one tab was opened", tabs == 1, format!("{tabs} tabs"))?;
    }
    t.end()?;
    Ok((seen, back))
}

/// The tab that the bridge opens in the stand-in; an answer of the bridge instead is a failure.
async fn next_tab(stage: &mut Stage) -> Result<Option<Tab>, Failure> {
    let Some(mut browser) = stage.browser.take() else { return Ok(None) };
    let tab = tokio::select! {
        biased;
        tab = browser.next_tab_ever() => Ok(Some(tab)),
        // No request is due before the tab; what comes is the bridge's answer, its silence, or a request too many.
        early = stage.next_request(Endpoint::Authorization, "GET", 302) => {
            Err(early.err().unwrap_or_else(|| unexpected("a tab", "a request that no tab sent")))
        }
    };
    stage.browser = Some(browser);
    tab
}

/// Waits until a real browser went through; shows the URL where the bridge could open none.
async fn await_the_person(stage: &mut Stage, t: &mut Transcript<'_>) -> Result<Seen, Failure> {
    t.for_the_person("\n    waiting for your browser: a tab opens and comes back by itself")?;
    let mut stderr = stage.stderr_watch()?;
    let mut asked = std::pin::pin!(stage.next_request(Endpoint::Authorization, "GET", 302));
    let shown = tokio::select! {
        seen = &mut asked => return seen,
        said = stderr.wait_for(|said| url_to_open(said).is_some()) => said.ok().and_then(|said| url_to_open(&said)),
    };
    if let Some(url) = shown {
        t.for_the_person(&format!("    no browser could be opened; open this URL yourself:\n\n{url}"))?;
    }
    asked.await
}

/// The URL that the bridge shows on a line of its own, once the whole line is there.
fn url_to_open(said: &str) -> Option<String> {
    let whole = &said[..said.rfind('\n')?];
    whole.lines().find(|line| line.starts_with("http")).map(str::to_owned)
}

/// Where the authorization server sends the browser back to (RFC 6749 §4.1.2).
async fn redirect(tab: &Tab) -> Result<Url, Failure> {
    let client = browser::client().redirect(Policy::none()).timeout(PATIENCE).build()?;
    let answer = client.get(&tab.url).send().await.map_err(reqwest::Error::without_url)?;
    let location = answer.headers().get("location").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let status = answer.status().as_u16();
    Url::parse(location).map_err(|_| unexpected("a redirect back to the bridge", wire::status(status)))
}

/// The stand-in goes back to the bridge (RFC 6749 §4.1.2, RFC 9207).
fn go_back(stage: &Stage, t: &mut Transcript<'_>, seen: &Seen, url: Url) -> Result<Back, Failure> {
    t.wire(BROWSER_TO_BRIDGE, format!("GET {}", url.path()));
    t.details(url.query_pairs().map(|(name, value)| (name.to_string(), wire::parameter(&name, &value))));
    t.check("`state` comes back as it went", parameter(&url, "state").as_deref() == seen.param("state"), "another")?;
    let issuer = stage.published.of_server("issuer");
    t.check_same("`iss` is the issuer (RFC 9207)", issuer, parameter(&url, "iss").as_deref())?;
    let visited = url.to_string();
    let page = tokio::spawn(async move { browser::try_visit(&visited).await });
    Ok(Back { url, page })
}

async fn token(
    stage: &mut Stage,
    t: &mut Transcript<'_>,
    authorization: &Seen,
    back: Option<Back>,
) -> Result<(), Failure> {
    t.begin("The code is exchanged for tokens", "RFC 6749 §4.1.3, RFC 7636 §4.5");
    let seen = stage.next_request(Endpoint::Token, "POST", 200).await?;
    t.wire(BRIDGE_TO_SERVER, wire::request(&seen));
    t.details(wire::parameters(&seen));
    t.wire(SERVER_TO_BRIDGE, wire::status(seen.status));
    t.check_same("it is an authorization code grant", "authorization_code", seen.param("grant_type"))?;
    let verifier = seen.param("code_verifier").unwrap_or_default();
    let hash = BASE64_URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()));
    let fits = authorization.param("code_challenge") == Some(hash.as_str());
    t.check("SHA-256 of the verifier is the challenge of step 6", fits, wire::short(&hash))?;
    if let Some(Back { url, page }) = back {
        let same = parameter(&url, "code").as_deref() == seen.param("code");
        t.check("the code is the one that the browser brought", same, "another")?;
        let page = page.await.map_err(|error| unexpected("a page", error.to_string()))??;
        t.wire(BRIDGE_TO_BROWSER, wire::status(page.status));
        t.check("the browser shows that it is done", page.status == 200, wire::status(page.status))?;
    }
    for name in ["client_id", "redirect_uri", "resource"] {
        let before = authorization.param(name).unwrap_or_default();
        t.check_same(&format!("{name} is that of step 6"), before, seen.param(name))?;
    }
    t.end()?;
    Ok(())
}

/// The URL that a request went to; all go to the same server.
fn url_of(seen: &Seen) -> String {
    format!("http://{}{}", seen.header("host").unwrap_or_default(), seen.path_and_query)
}

fn values(document: &serde_json::Value, names: &[&str]) -> Vec<(String, String)> {
    names.iter().map(|name| ((*name).to_owned(), wire::value_in_words(&document[*name]))).collect()
}

fn parameter(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}
