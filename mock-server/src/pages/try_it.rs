//! "Try it": the whole flow in a browser, step by step. This file holds what is shown before the script runs; the flow
//! itself is `app.js`, the only script there is. The redirect comes back to the same page under another path.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use url::Url;

use crate::mcp::modern;
use crate::pages::layout::{Needs, Page, asset};
use crate::pages::markup::{Markup, markup};
use crate::settings::{Era, MCP_SCOPE};
use crate::state::{ServerState, Shared};

/// The steps: a name that the script knows, a heading, what happens.
const STEPS: [(&str, &str, &str); 11] = [
    (
        "challenge",
        "Ask without a token",
        "The server refuses with 401 and says in WWW-Authenticate where its metadata is (RFC 9728 §5.1).",
    ),
    (
        "resource",
        "Read the resource’s metadata",
        "It names the resource and who issues tokens for it (RFC 9728). What the challenge does not name is looked for \
         at the well-known path; where there is none, the server’s own origin issues the tokens.",
    ),
    (
        "server",
        "Read the authorization server’s metadata",
        "It names the endpoints, and must name the issuer that was asked, to the letter (RFC 8414 §3.3).",
    ),
    (
        "register",
        "Register a client",
        "Without a human hand: this page becomes a public client with its own redirect URI (RFC 7591).",
    ),
    (
        "pkce",
        "Make a secret for this one sign-in",
        "The verifier stays here; only its SHA-256 hash goes into the address bar (PKCE, RFC 7636). The state ties the \
         answer to this browser.",
    ),
    (
        "authorize",
        "Go and ask the person",
        "The browser goes to the authorization endpoint, where a person says yes or no, and comes back.",
    ),
    (
        "callback",
        "Judge the answer",
        "The state must be ours and the iss that of the server that was asked (RFC 9207), before anything else is read.",
    ),
    (
        "exchange",
        "Exchange the code for tokens",
        "With the verifier, which only this page knows, and the resource that the token is for (RFC 8707).",
    ),
    ("claims", "Look into the token", "A client must not need this: the token is meant for the resource server."),
    (
        "initialize",
        "Say hello to the MCP server",
        "The handshake: which revision and what each side can do. The answer opens a session. A server of the modern era \
         alone is asked what it serves instead.",
    ),
    ("tools", "List the tools and call one", "Every request carries the token in its Authorization header."),
];

/// `GET /try` and `GET /try/callback`.
pub(crate) async fn page(State(state): State<Shared>) -> Response {
    let authorization_server = state.authorization_server();
    let origin = Url::parse(&authorization_server).map(|url| url.origin().ascii_serialization()).unwrap_or_default();
    let lead = markup!(
        "Eleven steps from the first refusal to a tool’s answer. Tokens and secrets are shortened; \
         the PKCE values are shown, for they are made for this once."
    );
    let steps = STEPS.iter().map(|(name, heading, text)| {
        markup!("<li data-step=\"{}\"><h2>{}</h2><p>{}</p><div class=\"shown\"></div></li>\n", name, heading, text)
    });
    let body = markup!(
        "<noscript><p class=\"notice warn\">This page alone needs JavaScript: it is the client. \
         The steps can be read without it.</p></noscript>\n\
         <p id=\"elsewhere\" class=\"notice warn\" hidden>The MCP server answers pages of its own origin only: open \
         <a href=\"{}/try\">{}/try</a>.</p>\n{}\
         <div class=\"actions\"><button id=\"next\" type=\"button\" disabled>Next step</button>\
         <button id=\"all\" type=\"button\" class=\"second\" disabled>All steps</button>\
         <button id=\"again\" type=\"button\" class=\"second\" disabled>Start again</button></div>\n\
         <p id=\"said\" role=\"status\" class=\"faint\"></p>\n\
         <ol class=\"steps\" id=\"steps\" data-mcp=\"{}\" data-origin=\"{}\" data-scope=\"{}\" data-era=\"{}\">\n{}</ol>\n",
        state.origin,
        state.origin,
        client_field(&state),
        state.mcp_url,
        state.origin,
        MCP_SCOPE,
        if modern::era(&state) == Era::Modern { "modern" } else { "legacy" },
        Markup::joined(steps)
    );
    Page { title: "Try it", lead, body, path: Some("/try"), needs: Needs::Script(&origin) }.response(StatusCode::OK)
}

/// `GET /try/app.js`.
pub(crate) async fn script() -> Response {
    asset("text/javascript; charset=utf-8", include_str!("app.js"))
}

/// Where nobody may register, the person says which client this page is.
fn client_field(state: &ServerState) -> Markup {
    if state.settings.registration {
        return Markup::default();
    }
    markup!(
        "<label class=\"field narrow\">This server registers nobody. Client id of a public client that may come back to \
         <code>{}/try/callback</code><input type=\"text\" id=\"client\" autocomplete=\"off\"></label>\n",
        &state.origin
    )
}
