//! The authorization endpoint (RFC 6749 §3.1, §4.1) with PKCE, `resource` (RFC 8707) and `iss` (RFC 9207).
//! The person's answer comes from the settings. Client and redirect URI are judged first: until both are known, an error
//! is a page; nobody is ever sent to a URI that was not registered.

use std::time::SystemTime;

use axum::extract::{RawQuery, State};
use axum::response::{Html, IntoResponse, Response};
use http::StatusCode;
use http::header::{CACHE_CONTROL, LOCATION, REFERRER_POLICY};
use url::form_urlencoded;

use crate::authorization::metadata::ELSEWHERE;
use crate::authorization::parameters::Parameters;
use crate::authorization::pkce;
use crate::authorization::records::{Code, CodeUse};
use crate::authorization::redirect_uri;
use crate::authorization::scope::Scope;
use crate::faults::Fault;
use crate::random;
use crate::settings::{Approval, Layout, MCP_SCOPE};
use crate::state::{ServerState, Shared};

/// A refusal that the client is told of by redirect (RFC 6749 §4.1.2.1).
struct Refusal {
    code: &'static str,
    description: String,
}

fn refusal(code: &'static str, description: impl Into<String>) -> Refusal {
    Refusal { code, description: description.into() }
}

/// `GET /authorize` (RFC 6749 §4.1.1).
pub(crate) async fn authorize(State(state): State<Shared>, RawQuery(query): RawQuery) -> Response {
    state.count(|counts| counts.authorizations += 1);
    let parameters = Parameters::parse(query.unwrap_or_default().as_bytes());
    let redirect_uri = match judged_redirect_uri(&state, &parameters) {
        Ok(uri) => uri,
        Err(reason) => return page(&state, &reason),
    };
    let mut answer = match granted(&state, &parameters, redirect_uri) {
        Ok(code) => vec![("code", code)],
        Err(Refusal { code, description }) => {
            vec![("error", code.to_owned()), ("error_description", state.words(&description))]
        }
    };
    if let Some(value) = parameters.get("state") {
        answer.push(("state", value.to_owned()));
    }
    if state.has(Fault::WrongIss) {
        answer.push(("iss", ELSEWHERE.to_owned()));
    } else if !state.has(Fault::NoIss) {
        answer.push(("iss", state.issuer.clone()));
    }
    redirect(redirect_uri, &answer)
}

/// The redirect URI, once the client is known and it is one of the client's own.
fn judged_redirect_uri<'a>(state: &ServerState, parameters: &'a Parameters) -> Result<&'a str, String> {
    if matches!(parameters.repeated(), Some("client_id" | "redirect_uri")) {
        return Err("client_id or redirect_uri is repeated".to_owned());
    }
    let records = state.records();
    let id = parameters.get("client_id").ok_or("client_id is missing")?;
    let client = records.client(id).ok_or_else(|| match state.refused_documents.get(id) {
        Some(fault) => format!("the client's metadata document is refused: {fault}"),
        None => "the client is not known".to_owned(),
    })?;
    let uri = parameters.get("redirect_uri").ok_or("redirect_uri is missing")?;
    let registered = client.redirect_uris.iter().any(|registered| redirect_uri::matches(registered, uri));
    if registered { Ok(uri) } else { Err("redirect_uri is not registered for this client".to_owned()) }
}

/// Judges the rest of the request, asks the person and issues the code.
fn granted(state: &ServerState, parameters: &Parameters, redirect_uri: &str) -> Result<String, Refusal> {
    if let Some(name) = parameters.repeated() {
        return Err(refusal("invalid_request", format!("{name} is repeated")));
    }
    match parameters.get("response_type") {
        Some("code") => {}
        Some(_) => return Err(refusal("unsupported_response_type", "response_type must be code")),
        None => return Err(refusal("invalid_request", "response_type is missing")),
    }
    let challenge = judged_challenge(parameters)?;
    let resource = judged_resource(state, parameters.get("resource"))?;
    let scope = judged_scope(state, parameters.get("scope"))?;
    if state.settings.approval == Approval::Deny {
        return Err(refusal("access_denied", "the person said no"));
    }
    let text = random::token().map_err(|error| refusal("server_error", error.to_string()))?;
    state.remember_secret(&text);
    let code = Code {
        client_id: parameters.get("client_id").unwrap_or_default().to_owned(),
        redirect_uri: redirect_uri.to_owned(),
        challenge: challenge.to_owned(),
        resource,
        scope,
        expires_at: SystemTime::now() + state.settings.authorization_code_lifetime,
        use_: CodeUse::Fresh,
    };
    state.records().add_code(text.clone(), code);
    Ok(text)
}

/// RFC 7636 §4.4.1; `plain`, its default, is refused as OAuth 2.1 does.
fn judged_challenge(parameters: &Parameters) -> Result<&str, Refusal> {
    let challenge = parameters.get("code_challenge");
    let challenge =
        challenge.ok_or_else(|| refusal("invalid_request", "code_challenge is missing: PKCE is required"))?;
    if parameters.get("code_challenge_method") != Some("S256") {
        return Err(refusal("invalid_request", "code_challenge_method must be S256"));
    }
    if !pkce::is_challenge(challenge) {
        return Err(refusal("invalid_request", "code_challenge is no S256 challenge"));
    }
    Ok(challenge)
}

/// RFC 8707 §2: demanded unless the layout is older than the demand.
fn judged_resource(state: &ServerState, resource: Option<&str>) -> Result<Option<String>, Refusal> {
    match resource {
        Some(resource) if state.issues_for(resource) => Ok(Some(resource.to_owned())),
        Some(resource) => Err(refusal("invalid_target", format!("the resource is {}, not {resource}", state.mcp_url))),
        None if state.settings.layout == Layout::Authorization2025_03_26 => Ok(None),
        None => Err(refusal("invalid_target", format!("resource is missing: it must be {}", state.mcp_url))),
    }
}

/// RFC 6749 §3.3: what is asked for must be on offer; who asks for nothing gets what the MCP endpoint needs.
fn judged_scope(state: &ServerState, scope: Option<&str>) -> Result<Scope, Refusal> {
    let supported = state.settings.server_scopes().into_iter().collect::<Scope>();
    let Some(scope) = scope else { return Ok([MCP_SCOPE].into_iter().collect()) };
    let asked = Scope::parse(scope).filter(|asked| asked.is_within(&supported));
    asked.ok_or_else(|| refusal("invalid_scope", format!("the supported scopes are: {supported}")))
}

fn page(state: &ServerState, reason: &str) -> Response {
    let page = format!(
        "<!DOCTYPE html>\n<html><head><title>Refused</title></head><body><h1>This request was refused</h1><p>{}</p></body></html>\n",
        state.words(reason)
    );
    (StatusCode::BAD_REQUEST, [(CACHE_CONTROL, "no-store")], Html(page)).into_response()
}

fn redirect(uri: &str, answer: &[(&str, String)]) -> Response {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(answer).finish();
    let joint = if uri.contains('?') { '&' } else { '?' };
    let headers = [
        (LOCATION, format!("{uri}{joint}{query}")),
        (CACHE_CONTROL, "no-store".to_owned()),
        (REFERRER_POLICY, "no-referrer".to_owned()),
    ];
    (StatusCode::FOUND, headers).into_response()
}
