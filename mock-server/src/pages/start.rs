//! The start page: what runs here and how, who is registered, which grants live, what was asked last. `GET /health` says
//! the first of it to machines. No token is shown whole: `records/overview.rs` gives six characters away.

use std::time::SystemTime;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};

use crate::authorization::records::{Client, LiveGrant, LiveToken};
use crate::pages::layout::{Needs, Page};
use crate::pages::markup::{Markup, markup};
use crate::pages::{moments, requests};
use crate::settings::{Approval, Layout, ReplyForm, TokenFormat, Transport};
use crate::state::{ServerState, Shared};

/// `GET /`.
pub(crate) async fn start(State(state): State<Shared>) -> Response {
    let body =
        Markup::joined([runs(&state), faults(&state), clients(&state), grants(&state), requests::section(&state)]);
    let lead = markup!(
        "A protected MCP server with its own authorization server. Point a client at <code>{}</code>, \
         or <a href=\"/try\">try the whole flow in this browser</a>.",
        state.mcp_url
    );
    Page { title: "What runs here", lead, body, path: Some("/"), needs: Needs::Nothing }.response(StatusCode::OK)
}

/// `GET /health`: 200 as long as the server serves.
pub(crate) async fn health(State(state): State<Shared>) -> Json<Value> {
    Json(json!({
        "status": "ok",
        "version": env!("CARGO_PKG_VERSION"),
        "mcp": state.mcp_url,
        "issuer": state.issuer,
    }))
}

fn runs(state: &ServerState) -> Markup {
    let settings = &state.settings;
    let layout = match settings.layout {
        Layout::ProtectedResource => "protected resource metadata (MCP 2025-06-18 and later)",
        Layout::Authorization2025_03_26 => "the server’s own origin is the authorization server (MCP 2025-03-26)",
    };
    let access = if !settings.protected {
        "open: no token is asked for"
    } else if settings.open_until_tools_call {
        "a token for tools/call, the rest is open"
    } else {
        "a token for everything"
    };
    let transport = match (settings.mcp.transport, settings.reply) {
        (Transport::HttpSse, _) => "HTTP+SSE (MCP 2024-11-05)",
        (Transport::StreamableHttp, ReplyForm::Json) => "Streamable HTTP, answers as JSON",
        (Transport::StreamableHttp, ReplyForm::Sse) => "Streamable HTTP, answers as event streams",
    };
    let consent = match settings.approval {
        Approval::Allow => "every valid request is granted at once",
        Approval::Deny => "every valid request is denied",
        Approval::Ask => "a page asks the person",
    };
    let rows = [
        ("MCP endpoint", markup!("<code>{}</code>", state.mcp_url)),
        ("Issuer", markup!("<code>{}</code>", state.authorization_server())),
        ("Access", markup!("{}", access)),
        ("Discovery", markup!("{}", layout)),
        ("Registration", registration(state)),
        ("Consent", markup!("{}", consent)),
        ("Transport", markup!("{}", transport)),
        ("Tokens", tokens_made(state)),
        ("Version", markup!("{}", env!("CARGO_PKG_VERSION"))),
    ];
    let rows = rows.into_iter().map(|(name, value)| markup!("<dt>{}</dt><dd>{}</dd>\n", name, value));
    markup!("<section class=\"card\" aria-label=\"Settings\"><dl>\n{}</dl></section>\n", Markup::joined(rows))
}

fn registration(state: &ServerState) -> Markup {
    let mut ways = Vec::new();
    if state.settings.registration {
        ways.push("dynamic (RFC 7591)");
    }
    if state.settings.client_metadata_documents {
        ways.push("client metadata documents");
    }
    if !state.settings.known_clients.is_empty() {
        ways.push("by hand");
    }
    if ways.is_empty() { markup!("none") } else { markup!("{}", ways.join(", ")) }
}

fn tokens_made(state: &ServerState) -> Markup {
    let settings = &state.settings;
    let format = match settings.token_format {
        TokenFormat::Jwt => "JWT",
        TokenFormat::Opaque => "opaque",
    };
    let rotation = if settings.rotate_refresh_tokens { "new at each use" } else { "stays as it is" };
    markup!(
        "access {}, for {}; refresh {}, for {}",
        format,
        moments::length(settings.access_token_lifetime),
        rotation,
        moments::length(settings.refresh_token_lifetime)
    )
}

fn faults(state: &ServerState) -> Markup {
    let on = state.faults();
    if on.is_empty() {
        return markup!("<p class=\"notice good\">No fault is switched on: this server is honest and strict.</p>\n");
    }
    let rows = on.iter().map(|set| {
        markup!("<dt><span class=\"tag warn\">{}</span></dt><dd>{}</dd>\n", set.to_string(), set.fault().sentence())
    });
    markup!(
        "<section class=\"notice warn\" aria-labelledby=\"faults\"><h3 id=\"faults\">Wrong on purpose</h3>\n\
         <dl>\n{}</dl></section>\n",
        Markup::joined(rows)
    )
}

fn clients(state: &ServerState) -> Markup {
    let rows = state.records().clients().into_iter().map(client_row).collect::<Vec<_>>();
    table("Clients", "Nobody is registered yet.", &["Client", "Came by", "Secret", "Redirect URIs"], rows)
}

fn client_row(client: &Client) -> Markup {
    let name = client.name.as_deref().map_or_else(Markup::default, |name| markup!("{}<br>", name));
    let origin = if client.registration.is_some() { "registration" } else { "settings" };
    let secret = if client.secret.is_some() { "yes" } else { "none: public" };
    let uris = client.redirect_uris.iter().map(|uri| markup!("<code>{}</code><br>", uri));
    markup!(
        "<tr><td class=\"long\">{}<code>{}</code></td><td>{}</td><td>{}</td><td class=\"long\">{}</td></tr>\n",
        name,
        client.id,
        origin,
        secret,
        Markup::joined(uris)
    )
}

fn grants(state: &ServerState) -> Markup {
    let now = SystemTime::now();
    let rows = state.records().live_grants(now).iter().map(|grant| grant_row(grant, now)).collect::<Vec<_>>();
    let columns = ["Client", "Account", "Scopes", "Access token", "Refresh token"];
    table("Live grants", "Nobody has signed in, or every grant has ended.", &columns, rows)
}

fn grant_row(live: &LiveGrant, now: SystemTime) -> Markup {
    let grant = &live.grant;
    let resource = grant.resource.as_deref();
    let resource = resource.map_or_else(Markup::default, |at| markup!("<br><small class=\"faint\">for {}</small>", at));
    markup!(
        "<tr><td class=\"long\"><code>{}</code>{}</td><td>{}<br><small class=\"faint\">at {}</small></td><td>{}</td>\
         <td>{}</td><td>{}</td></tr>\n",
        grant.client_id,
        resource,
        grant.account.sub,
        moments::time_of_day(grant.at),
        grant.scope.to_string(),
        tokens(&live.access, now),
        tokens(&live.refresh, now)
    )
}

fn tokens(tokens: &[LiveToken], now: SystemTime) -> Markup {
    let Some(first) = tokens.first() else { return markup!("<span class=\"faint\">none</span>") };
    let more = match tokens.len() {
        1 => Markup::default(),
        count => markup!(" <span class=\"faint\">and {} more</span>", count - 1),
    };
    markup!("<code>{}…</code> ends {}{}", first.beginning, moments::until(first.expires_at, now), more)
}

/// A table below its heading, or a sentence if it has no row.
pub(super) fn table(heading: &str, none: &str, columns: &[&str], rows: Vec<Markup>) -> Markup {
    let count = rows.len();
    if rows.is_empty() {
        return markup!("<h2>{}</h2>\n<p class=\"faint\">{}</p>\n", heading, none);
    }
    let columns = columns.iter().map(|column| markup!("<th scope=\"col\">{}</th>", column));
    markup!(
        "<h2>{} <span class=\"tag\">{}</span></h2>\n<div class=\"table\" tabindex=\"0\" role=\"region\" aria-label=\"{}\">\
         <table>\n<thead><tr>{}</tr></thead>\n<tbody>\n{}</tbody></table></div>\n",
        heading,
        count,
        heading,
        Markup::joined(columns),
        Markup::joined(rows)
    )
}
