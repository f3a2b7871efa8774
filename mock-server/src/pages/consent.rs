//! The page that asks a person: who wants what, as whom and how much of it they say yes to. It works without script.
//! It judges nothing: what waits, and what a decision does, is in `authorization/consent.rs`.

use axum::extract::{Query, State};
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use url::{Host, Url, form_urlencoded};

use crate::authorization::consent::{self, ConsentFault, Decision, Pending};
use crate::pages::layout::{self, Needs, Page};
use crate::pages::markup::{Markup, markup};
use crate::settings::{ADMIN_SCOPE, Account, MCP_SCOPE, OFFLINE_SCOPE};
use crate::state::{ServerState, Shared};

/// How many characters of a client's name are shown: it is no place for a letter to the person.
const NAME_SHOWN: usize = 80;

/// The query of the page.
#[derive(Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    request: String,
}

/// What the form sent.
#[derive(Default)]
struct Sent {
    request: String,
    decision: String,
    account: String,
    scopes: Vec<String>,
}

/// `GET /consent`.
pub(crate) async fn shown(State(state): State<Shared>, Query(asked): Query<Asked>) -> Response {
    match consent::pending(&state, &asked.request) {
        Some(pending) => page(&state, &asked.request, &pending, None),
        None => refused(&ConsentFault::NotPending),
    }
}

/// `POST /consent`.
pub(crate) async fn decided(State(state): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    let sent = Sent::read(&body);
    let decision = match sent.decision.as_str() {
        "allow" => Decision::Allow { account: sent.account, scopes: sent.scopes },
        "deny" => Decision::Deny,
        _ => {
            return layout::refusal(StatusCode::BAD_REQUEST, "Nothing was decided", "the form says neither yes nor no");
        }
    };
    let decided =
        consent::judge_origin(&state, &headers).and_then(|()| consent::decide(&state, &sent.request, &decision));
    let fault = match decided {
        Ok(response) => return response,
        Err(fault) => fault,
    };
    match (&fault, consent::pending(&state, &sent.request)) {
        (ConsentFault::Scopes(_) | ConsentFault::UnknownAccount(_), Some(pending)) => {
            page(&state, &sent.request, &pending, Some(&fault))
        }
        _ => refused(&fault),
    }
}

impl Sent {
    fn read(body: &[u8]) -> Self {
        let mut sent = Sent::default();
        for (name, value) in form_urlencoded::parse(body) {
            match name.as_ref() {
                "request" => sent.request = value.into_owned(),
                "decision" => sent.decision = value.into_owned(),
                "account" => sent.account = value.into_owned(),
                "scope" => sent.scopes.push(value.into_owned()),
                _ => {}
            }
        }
        sent
    }
}

fn refused(fault: &ConsentFault) -> Response {
    let (status, title, reason) = match fault {
        ConsentFault::NotPending => (
            StatusCode::BAD_REQUEST,
            "There is nothing to decide",
            "This request was decided already, or it has waited for more than ten minutes. Go back to the application and \
             start to connect again.",
        ),
        ConsentFault::ForeignPage => (
            StatusCode::FORBIDDEN,
            "This decision was not made here",
            "It was sent by a page of somebody else. Nothing was granted.",
        ),
        ConsentFault::UnknownAccount(_) | ConsentFault::Scopes(_) => {
            (StatusCode::BAD_REQUEST, "Nothing was granted", "The form was not filled in as it was shown.")
        }
    };
    layout::refusal(status, title, reason)
}

fn page(state: &ServerState, id: &str, pending: &Pending, fault: Option<&ConsentFault>) -> Response {
    let name = pending.client_name.as_deref().unwrap_or("An application without a name");
    let name = name.chars().take(NAME_SHOWN).collect::<String>();
    let lead = markup!("<strong>{}</strong> wants to use <strong>{}</strong> in your name.", name, place(pending));
    let complaint = match fault {
        None => Markup::default(),
        Some(ConsentFault::Scopes(_)) => alert("Tick at least one thing that you allow, or choose Deny."),
        Some(_) => alert("Choose one of the accounts."),
    };
    let body = markup!(
        "{}<form class=\"narrow\" method=\"post\" action=\"{}{}\">\n\
         <input type=\"hidden\" name=\"request\" value=\"{}\">\n\
         <fieldset><legend>Sign in as</legend>\n{}</fieldset>\n\
         <fieldset><legend>It may</legend>\n{}</fieldset>\n{}\
         <div class=\"actions\"><button name=\"decision\" value=\"allow\">Allow</button>\
         <button class=\"second\" name=\"decision\" value=\"deny\">Deny</button></div>\n\
         <p class=\"faint\">No password is asked: the accounts of this server are made up.</p>\n</form>\n",
        complaint,
        state.issuer,
        consent::PATH,
        id,
        accounts(&pending.accounts),
        scopes(&pending.scopes),
        details(pending)
    );
    let status = if fault.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    Page { title: "Allow this?", lead, body, path: None, needs: Needs::Form }.response(status)
}

fn alert(text: &str) -> Markup {
    markup!("<p class=\"notice bad\" role=\"alert\">{}</p>\n", text)
}

pub(super) fn accounts(accounts: &[Account]) -> Markup {
    let choices = accounts.iter().enumerate().map(|(number, account)| {
        let checked = if number == 0 { markup!(" checked") } else { Markup::default() };
        markup!(
            "<label class=\"choice\"><input type=\"radio\" name=\"account\" value=\"{}\" required{}>\
             <span>{}<small>{}</small></span></label>\n",
            account.sub,
            checked,
            account.name,
            account.email
        )
    });
    Markup::joined(choices)
}

pub(super) fn scopes(scopes: &[String]) -> Markup {
    let choices = scopes.iter().map(|scope| {
        markup!(
            "<label class=\"choice\"><input type=\"checkbox\" name=\"scope\" value=\"{}\" checked>\
             <span>{}<small><code>{}</code></small></span></label>\n",
            scope,
            meaning(scope),
            scope
        )
    });
    Markup::joined(choices)
}

fn meaning(scope: &str) -> &'static str {
    match scope {
        MCP_SCOPE => "Use the tools of this server",
        ADMIN_SCOPE => "Use the tools for administrators",
        OFFLINE_SCOPE => "Stay signed in without asking again",
        _ => "Use what needs this permission",
    }
}

fn details(pending: &Pending) -> Markup {
    markup!(
        "<div class=\"card\"><dl>\n<dt>You go back to</dt><dd>{}</dd>\n<dt>Client id</dt><dd><code>{}</code></dd>\n</dl>\n\
         <p class=\"faint\">The name above is the application’s own word. If you are not connecting an application right \
         now, choose Deny.</p></div>\n",
        home(&pending.redirect_uri),
        pending.client_id
    )
}

/// The host of the resource, which is what a person may know.
fn place(pending: &Pending) -> String {
    let resource = pending.resource.as_deref().and_then(|resource| Url::parse(resource).ok());
    resource.as_ref().and_then(authority).unwrap_or_else(|| "this server".to_owned())
}

/// Where the redirect leads: this computer, or a host.
fn home(redirect_uri: &str) -> Markup {
    let Ok(url) = Url::parse(redirect_uri) else { return markup!("{}", redirect_uri) };
    let is_here = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    let authority = authority(&url).unwrap_or_else(|| redirect_uri.to_owned());
    if is_here {
        markup!("a program on this computer (<code>{}</code>)", authority)
    } else {
        markup!("<code>{}</code>", authority)
    }
}

fn authority(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    Some(url.port().map_or(host.to_owned(), |port| format!("{host}:{port}")))
}
