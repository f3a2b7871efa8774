//! The authorization endpoint (RFC 6749 §3.1, §4.1) with PKCE, `resource` (RFC 8707) and `iss` (RFC 9207).
//! The person's answer comes from the settings, or from a page (`consent.rs`). Client and redirect URI are judged first:
//! until both are known, an error is a page; nobody is ever sent to a URI that was not registered.

use std::time::SystemTime;

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CACHE_CONTROL, LOCATION, REFERRER_POLICY};
use url::form_urlencoded;

use crate::authorization::consent;
use crate::authorization::metadata::ELSEWHERE;
use crate::authorization::parameters::Parameters;
use crate::authorization::pkce;
use crate::authorization::records::{Code, CodeUse, Grant};
use crate::authorization::redirect_uri;
use crate::authorization::scope::Scope;
use crate::faults::Fault;
use crate::pages::layout;
use crate::random;
use crate::settings::{Account, Approval, Dpop, Layout, MCP_SCOPE, OFFLINE_SCOPE, OPENID_SCOPE};
use crate::state::{ServerState, Shared};

/// A request in which nothing is wrong; only a person's word is missing.
#[derive(Clone, Debug)]
pub(crate) struct AuthorizationRequest {
    pub(crate) client_id: String,
    pub(crate) redirect_uri: String,
    pub(crate) state: Option<String>,
    pub(crate) scope: Scope,
    pub(crate) resource: Option<String>,
    pub(super) nonce: Option<String>,
    pub(super) challenge: String,
    pub(super) dpop_jkt: Option<String>,
}

/// A refusal that the client is told of by redirect (RFC 6749 §4.1.2.1).
#[derive(Debug)]
pub(crate) struct Refusal {
    code: &'static str,
    description: String,
}

impl From<Refusal> for super::refusal::Refusal {
    fn from(refusal: Refusal) -> Self {
        super::refusal::refusal(refusal.code, refusal.description)
    }
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
    let answer = match judged(&state, &parameters, redirect_uri) {
        Ok(request) if state.settings.approval == Approval::Ask && is_silent(&request, &parameters) => {
            Err(refusal("interaction_required", "prompt is none, and a person must be asked"))
        }
        Ok(request) if state.settings.approval == Approval::Ask => match consent::park(&state, request) {
            Ok(page) => return redirect(StatusCode::FOUND, page),
            Err(error) => Err(refusal("server_error", error.to_string())),
        },
        Ok(_) if state.settings.approval == Approval::Deny => Err(denied()),
        Ok(request) => issue_code(&state, request, state.settings.approving_account()),
        Err(refusal) => Err(refusal),
    };
    response(&state, StatusCode::FOUND, redirect_uri, parameters.get("state"), answer)
}

/// Whether no page may be shown (OpenID Connect Core §3.1.2.1).
fn is_silent(request: &AuthorizationRequest, parameters: &Parameters) -> bool {
    request.scope.contains(OPENID_SCOPE) && parameters.get("prompt") == Some("none")
}

/// What a person who says no lets the client know.
pub(crate) fn denied() -> Refusal {
    refusal("access_denied", "the person said no")
}

/// The redirect to the client with a code or an error (RFC 6749 §4.1.2), and the issuer (RFC 9207 §2).
pub(crate) fn response(
    state: &ServerState,
    status: StatusCode,
    redirect_uri: &str,
    client_state: Option<&str>,
    answer: Result<String, Refusal>,
) -> Response {
    let mut answer = match answer {
        Ok(code) => vec![("code", code)],
        Err(Refusal { code, description }) => {
            vec![("error", code.to_owned()), ("error_description", state.words(&description))]
        }
    };
    match client_state {
        Some(_) if state.has(Fault::WrongState) => answer.push(("state", "another-state".to_owned())),
        Some(value) if !state.has(Fault::NoState) => answer.push(("state", value.to_owned())),
        _ => {}
    }
    if state.has(Fault::WrongIss) {
        answer.push(("iss", ELSEWHERE.to_owned()));
    } else if !state.has(Fault::NoIss) {
        answer.push(("iss", state.fault_text(Fault::IssuerSpelling).unwrap_or_else(|| state.issuer.clone())));
    }
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(&answer).finish();
    let joint = if redirect_uri.contains('?') { '&' } else { '?' };
    redirect(status, format!("{redirect_uri}{joint}{query}"))
}

/// The code for a request that a person said yes to, as this account.
pub(crate) fn issue_code(
    state: &ServerState,
    request: AuthorizationRequest,
    account: Account,
) -> Result<String, Refusal> {
    let text = random::token().map_err(|error| refusal("server_error", error.to_string()))?;
    state.remember_secret(&text);
    let now = SystemTime::now();
    let code = Code {
        grant: Grant {
            client_id: request.client_id,
            account,
            scope: state.fault_text(Fault::GrantedScope).and_then(|s| Scope::parse(&s)).unwrap_or(request.scope),
            resource: request.resource,
            at: now,
            nonce: request.nonce,
            jkt: None,
        },
        redirect_uri: request.redirect_uri,
        challenge: request.challenge,
        dpop_jkt: request.dpop_jkt,
        expires_at: now + state.settings.authorization_code_lifetime,
        use_: CodeUse::Fresh,
    };
    state.records().add_code(text.clone(), code);
    Ok(text)
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
    if state.has(Fault::LocalhostOnly) && redirect_uri::is_loopback_address(uri) {
        return Err("redirect_uri: an address of loopback is not accepted, only its name".to_owned());
    }
    let registered = client.redirect_uris.iter().any(|registered| redirect_uri::matches(registered, uri));
    if registered { Ok(uri) } else { Err("redirect_uri is not registered for this client".to_owned()) }
}

/// Judges the rest of the request.
pub(super) fn judged(
    state: &ServerState,
    parameters: &Parameters,
    redirect_uri: &str,
) -> Result<AuthorizationRequest, Refusal> {
    if let Some(name) = parameters.repeated() {
        return Err(refusal("invalid_request", format!("{name} is repeated")));
    }
    match parameters.get("response_type") {
        Some("code") => {}
        Some(_) => return Err(refusal("unsupported_response_type", "response_type must be code")),
        None => return Err(refusal("invalid_request", "response_type is missing")),
    }
    let client_id = parameters.get("client_id").unwrap_or_default();
    if state.records().client(client_id).is_some_and(|client| !client.may_use("authorization_code")) {
        return Err(refusal("unauthorized_client", "the client did not register the grant type authorization_code"));
    }
    Ok(AuthorizationRequest {
        client_id: client_id.to_owned(),
        redirect_uri: redirect_uri.to_owned(),
        state: parameters.get("state").map(str::to_owned),
        challenge: judged_challenge(parameters)?.to_owned(),
        resource: judged_resource(state, parameters)?,
        scope: asked_scope(state, parameters)?,
        nonce: parameters.get("nonce").map(str::to_owned),
        dpop_jkt: parameters.get("dpop_jkt").filter(|_| state.settings.dpop != Dpop::Off).map(str::to_owned),
    })
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
pub(super) fn judged_resource(state: &ServerState, parameters: &Parameters) -> Result<Option<String>, Refusal> {
    if parameters.has_several_resources() {
        return Err(refusal("invalid_target", "a grant is for one resource"));
    }
    let refused = state.fault_text(Fault::ResourceRefused);
    match parameters.get("resource") {
        Some(_) if refused.as_deref() == Some("authorize") => {
            Err(refusal("invalid_target", "this server knows no resource indicators"))
        }
        Some(_) if refused.as_deref() == Some("entra") => Err(refusal(
            "invalid_request",
            "AADSTS9010010: The resource parameter provided in the request doesn't match with the requested scopes.",
        )),
        None if refused.is_some() => Ok(None),
        Some(resource) if state.issues_for(resource) => Ok(Some(resource.to_owned())),
        Some(resource) => Err(refusal("invalid_target", format!("the resource is {}, not {resource}", state.mcp_url))),
        None if state.settings.layout == Layout::Authorization2025_03_26 => Ok(None),
        None => Err(refusal("invalid_target", format!("resource is missing: it must be {}", state.mcp_url))),
    }
}

/// RFC 6749 §3.3: what is asked for must be on offer; who asks for nothing gets what the MCP endpoint needs.
pub(super) fn judged_scope(state: &ServerState, scope: Option<&str>) -> Result<Scope, Refusal> {
    let supported = state.settings.server_scopes().into_iter().collect::<Scope>();
    let Some(scope) = scope else { return Ok([MCP_SCOPE].into_iter().collect()) };
    let asked = Scope::parse(scope).filter(|asked| asked.is_within(&supported));
    asked.ok_or_else(|| refusal("invalid_scope", format!("the supported scopes are: {supported}")))
}

/// The same, with what the faults have against it.
fn asked_scope(state: &ServerState, parameters: &Parameters) -> Result<Scope, Refusal> {
    let scope = parameters.get("scope");
    if let Some(refused) = refused_scope(state, scope) {
        return Err(refused);
    }
    let asked = judged_scope(state, scope)?;
    if state.has(Fault::OfflineNeedsConsent) && parameters.get("prompt") != Some("consent") {
        return Ok(asked.words().filter(|word| *word != OFFLINE_SCOPE).collect());
    }
    Ok(asked)
}

/// What the faults refuse of a scope that is on offer.
fn refused_scope(state: &ServerState, scope: Option<&str>) -> Option<Refusal> {
    let asked = Scope::parse(scope?)?;
    if let Some(refused) = state.fault_text(Fault::ScopeRefused).filter(|refused| asked.contains(refused)) {
        return Some(refusal("invalid_scope", format!("the scope '{refused}' is not allowed for this client")));
    }
    let kept = state.fault_text(Fault::ScopesRefused)?;
    let allowed = if kept == "none" { Scope::default() } else { Scope::parse(&kept)? };
    (!asked.is_within(&allowed)).then(|| refusal("invalid_scope", "the scope is not allowed"))
}

fn page(state: &ServerState, reason: &str) -> Response {
    layout::refusal(StatusCode::BAD_REQUEST, "This request was refused", &state.words(reason))
}

fn redirect(status: StatusCode, url: String) -> Response {
    let headers =
        [(LOCATION, url), (CACHE_CONTROL, "no-store".to_owned()), (REFERRER_POLICY, "no-referrer".to_owned())];
    (status, headers).into_response()
}
