//! The page where a person enters the code that a device shows, and says whether it may (RFC 8628 §3.3). It works without
//! script. It judges nothing: what waits, and what a decision does, is in `authorization/device.rs`.

use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use url::form_urlencoded;

use crate::authorization::consent::{self, Decision};
use crate::authorization::device::{self, DeviceFault, Pending};
use crate::pages::consent::{accounts, scopes};
use crate::pages::layout::{self, Needs, Page};
use crate::pages::markup::{Markup, markup};
use crate::settings::Approval;
use crate::state::{ServerState, Shared};

/// The query of the page.
#[derive(Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    user_code: String,
}

/// `GET /device`: a form for the code, then what waits under it. Where no page is to ask, a right code decides at once.
pub(crate) async fn shown(State(state): State<Shared>, Query(asked): Query<Asked>) -> Response {
    if !state.settings.device_code {
        return StatusCode::NOT_FOUND.into_response();
    }
    if asked.user_code.is_empty() {
        return entry(&state);
    }
    let Some(pending) = device::pending(&state, &asked.user_code) else { return refused(&DeviceFault::NotPending) };
    match state.settings.approval {
        Approval::Ask => question(&state, &pending),
        Approval::Deny => decide(&state, &pending.user_code, &Decision::Deny),
        Approval::Allow => {
            let account = state.settings.approving_account().sub;
            decide(&state, &pending.user_code, &Decision::Allow { account, scopes: pending.scopes })
        }
    }
}

/// `POST /device`.
pub(crate) async fn decided(State(state): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    if !state.settings.device_code {
        return StatusCode::NOT_FOUND.into_response();
    }
    if let Err(fault) = consent::judge_origin(&state, &headers) {
        return layout::refusal(StatusCode::FORBIDDEN, "Nothing was decided", &fault.to_string());
    }
    let fields = form_urlencoded::parse(&body).into_owned().collect::<Vec<_>>();
    let all = |name: &'static str| fields.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.clone());
    let one = |name: &'static str| all(name).next().unwrap_or_default();
    let decision = match one("decision").as_str() {
        "allow" => Decision::Allow { account: one("account"), scopes: all("scope").collect() },
        "deny" => Decision::Deny,
        _ => {
            return layout::refusal(StatusCode::BAD_REQUEST, "Nothing was decided", "the form says neither yes nor no");
        }
    };
    decide(&state, &one("user_code"), &decision)
}

fn decide(state: &ServerState, user_code: &str, decision: &Decision) -> Response {
    let (title, lead) = match (device::decide(state, user_code, decision), decision) {
        (Err(fault), _) => return refused(&fault),
        (Ok(()), Decision::Deny) => ("Denied", "The device gets no access."),
        (Ok(()), Decision::Allow { .. }) => ("The device is signed in", "You can close this page and go back to it."),
    };
    let page = Page { title, lead: markup!("{}", lead), body: Markup::default(), path: None, needs: Needs::Nothing };
    page.response(StatusCode::OK)
}

fn refused(fault: &DeviceFault) -> Response {
    layout::refusal(StatusCode::BAD_REQUEST, "Nothing was decided", &fault.to_string())
}

fn entry(state: &ServerState) -> Response {
    let body = markup!(
        "<form method=\"get\" action=\"{}{}\">\n<p><label>Code <input name=\"user_code\" autocomplete=\"off\" \
         autocapitalize=\"characters\" required></label></p>\n<div><button>Continue</button></div>\n</form>\n",
        state.issuer,
        device::PAGE
    );
    let lead = markup!("Enter the code that your device shows.");
    Page { title: "Connect a device", lead, body, path: None, needs: Needs::Form }.response(StatusCode::OK)
}

fn question(state: &ServerState, pending: &Pending) -> Response {
    let lead = markup!(
        "<strong>{}</strong> wants to use this server as you. Go on only if your device shows the code <strong>{}</strong>.",
        pending.client_name.chars().take(80).collect::<String>(),
        pending.user_code
    );
    let body = markup!(
        "<form method=\"post\" action=\"{}{}\">\n<input type=\"hidden\" name=\"user_code\" value=\"{}\">\n\
         <fieldset><legend>Who are you?</legend>\n{}</fieldset>\n<fieldset><legend>What may it do?</legend>\n{}</fieldset>\n\
         <div><button name=\"decision\" value=\"allow\">Allow</button> \
         <button name=\"decision\" value=\"deny\">Deny</button></div>\n</form>\n",
        state.issuer,
        device::PAGE,
        pending.user_code,
        accounts(&pending.accounts),
        scopes(&pending.scopes)
    );
    Page { title: "Allow this device?", lead, body, path: None, needs: Needs::Form }.response(StatusCode::OK)
}
