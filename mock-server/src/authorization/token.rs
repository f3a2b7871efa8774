//! The token endpoint (RFC 6749 §3.2): codes and refresh tokens in, access tokens out, and an ID token where it was asked for;
//! what needs no person is in `machine.rs`.
//! Refresh tokens rotate at each use, unless the settings say else; what turns up twice ends its whole family
//! (RFC 9700 §4.14.2).

use std::time::{Duration, SystemTime};

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use bytes::Bytes;
use http::header::{CACHE_CONTROL, PRAGMA};
use http::{HeaderMap, Method};
use serde_json::{Value, json};

use crate::authorization::access_token;
use crate::authorization::client_authentication::authenticated;
use crate::authorization::device;
use crate::authorization::dpop::{self, Expected, Role};
use crate::authorization::id_token;
use crate::authorization::jwt::{Claims, Confirmation, seconds};
use crate::authorization::machine;
use crate::authorization::parameters::Parameters;
use crate::authorization::pkce;
use crate::authorization::records::{Client, Code, CodeUse, FamilyId, Grant, Records, RefreshFault};
use crate::authorization::refusal::{Refusal, form, refusal, server_error, unauthenticated};
use crate::authorization::scope::Scope;
use crate::faults::answer::NoAnswer;
use crate::faults::{self, Fault};
use crate::random;
use crate::settings::{Dpop, OFFLINE_SCOPE, OfferedGrant};
use crate::state::{ServerState, Shared};

/// `POST /token` (RFC 6749 §4.1.3, §6).
pub(crate) async fn token(
    State(state): State<Shared>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let answer = match answer(&state, query.as_deref(), &headers, &body) {
        Ok(_) if state.take_fault(Fault::LostTokenAnswer) => Extension(NoAnswer).into_response(),
        Ok(document) if state.has(Fault::FormTokenAnswers) => form(&document),
        Ok(document) => Json(document).into_response(),
        Err(refusal) => refusal.response(&state),
    };
    let mut answer = answer;
    dpop::add_headers(&state, Role::AuthorizationServer, answer.headers_mut());
    if let Some(delays) = &state.token_delays {
        tokio::time::sleep(delays.next()).await;
    }
    ([(CACHE_CONTROL, "no-store"), (PRAGMA, "no-cache")], answer).into_response()
}

fn answer(state: &ServerState, query: Option<&str>, headers: &HeaderMap, body: &[u8]) -> Result<Value, Refusal> {
    let form = Parameters::of_body(query, headers, body)?;
    let answer = granted(state, headers, &form);
    state.count(|counts| counts.token_answered(form.get("grant_type"), answer.is_ok()));
    answer
}

fn granted(state: &ServerState, headers: &HeaderMap, form: &Parameters) -> Result<Value, Refusal> {
    // One lock for the whole request: two that present the same code or token must not both win.
    let mut records = state.records();
    let offered = form.get("grant_type").and_then(OfferedGrant::from_name);
    let offered = offered.filter(|grant| state.settings.grants.contains(grant));
    if offered == Some(OfferedGrant::JwtBearer) && machine::names_no_client(headers, form) {
        return machine::jwt_bearer(state, &mut records, None, form, proved(state, headers)?);
    }
    let is_device_offered = state.settings.device_code;
    let is_device = is_device_offered && form.get("grant_type") == Some(device::GRANT_TYPE);
    let client = authenticated(&mut records, &state.issuer, headers, form);
    let client = client.map_err(|fault| unauthenticated(state, fault, headers))?;
    if let Some(code) =
        state.fault_text(Fault::RefreshError).filter(|_| form.get("grant_type") == Some("refresh_token"))
    {
        return Err(refusal(code, "refused on purpose"));
    }
    let jkt = proved(state, headers)?;
    match form.get("grant_type") {
        Some("refresh_token") if state.has(Fault::UnauthorizedClient) => {
            Err(refusal("unauthorized_client", "the client may not refresh"))
        }
        Some(grant) if (offered.is_some() || is_device) && !client.may_use(grant) => {
            Err(refusal("unauthorized_client", format!("the client did not register the grant type {grant}")))
        }
        Some("refresh_token") if offered.is_some() || is_device_offered => {
            refresh(state, &mut records, &client, form, jkt)
        }
        Some(_) if is_device => {
            let grant = device::redeemed(state, &client, form)?;
            let grant = Grant { jkt: jkt.clone().filter(|_| client.secret.is_none()), ..grant };
            let family = records.start_family(grant.clone());
            let (scope, presented) = (&grant.scope, None);
            let issued = Issue { family, scope, grant: &grant, presented, is_refreshable: true, jkt };
            issue(state, &mut records, &client, &issued)
        }
        Some(other) => match offered {
            Some(OfferedGrant::AuthorizationCode) => redeem_code(state, &mut records, &client, form, jkt),
            Some(OfferedGrant::ClientCredentials) => {
                machine::client_credentials(state, &mut records, &client, form, jkt)
            }
            Some(OfferedGrant::JwtBearer) => machine::jwt_bearer(state, &mut records, Some(&client), form, jkt),
            Some(OfferedGrant::TokenExchange) => machine::token_exchange(state, &client, form),
            None => Err(refusal("unsupported_grant_type", format!("the grant type {other} is not supported"))),
        },
        None => Err(refusal("invalid_request", "grant_type is missing")),
    }
}

/// The key that the client proves to have, if it does (RFC 9449 §5). Nothing of the request is spent before.
fn proved(state: &ServerState, headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let is_there = headers.contains_key(dpop::DPOP);
    if state.settings.dpop == Dpop::Off || (state.settings.dpop == Dpop::Offered && !is_there) {
        return Ok(None);
    }
    let url = format!("{}/token", state.issuer);
    let expected = Expected { role: Role::AuthorizationServer, method: &Method::POST, url: &url, access_token: None };
    Ok(Some(dpop::proved(state, headers, expected)?))
}

/// RFC 6749 §4.1.3 with RFC 7636 §4.6. A code that was presented once is gone, whatever came of it.
fn redeem_code(
    state: &ServerState,
    records: &mut Records,
    client: &Client,
    form: &Parameters,
    jkt: Option<String>,
) -> Result<Value, Refusal> {
    let text = form.get("code").ok_or_else(|| refusal("invalid_request", "code is missing"))?;
    let code = records.code(text).filter(|code| code.grant.client_id == client.id);
    let code = code.ok_or_else(|| refusal("invalid_grant", "the code is not known, or is another client's"))?;
    let before = std::mem::replace(&mut code.use_, CodeUse::Wasted);
    let code = code.clone();
    match before {
        CodeUse::Fresh => {}
        CodeUse::Wasted => return Err(refusal("invalid_grant", "the code was presented before")),
        CodeUse::Redeemed(family) => {
            records.revoke_family(family);
            return Err(refusal("invalid_grant", "the code was used before; its tokens are revoked"));
        }
    }
    judge_code(&code, form)?;
    judge_resource_refused(state, "token", form)?;
    if code.dpop_jkt.is_some() && code.dpop_jkt != jkt {
        return Err(refusal("invalid_grant", "the code is bound to another key, by dpop_jkt"));
    }
    let bound = jkt.clone().filter(|_| client.secret.is_none());
    let family = records.start_family(Grant { jkt: bound, ..code.grant.clone() });
    if let Some(code) = records.code(text) {
        code.use_ = CodeUse::Redeemed(family);
    }
    let grant = &code.grant;
    let issued = Issue { family, scope: &grant.scope, grant, presented: None, is_refreshable: true, jkt };
    issue(state, records, client, &issued)
}

fn judge_code(code: &Code, form: &Parameters) -> Result<(), Refusal> {
    if code.expires_at <= SystemTime::now() {
        return Err(refusal("invalid_grant", "the code has expired"));
    }
    if form.get("redirect_uri") != Some(code.redirect_uri.as_str()) {
        return Err(refusal("invalid_grant", "redirect_uri is not the one of the authorization request"));
    }
    let verifier = form.get("code_verifier");
    let verifier = verifier.ok_or_else(|| refusal("invalid_request", "code_verifier is missing"))?;
    if !pkce::is_verified(verifier, &code.challenge) {
        return Err(refusal("invalid_grant", "code_verifier does not belong to code_challenge"));
    }
    judge_resource(code.grant.resource.as_deref(), form)
}

/// What [`Fault::ResourceRefused`] has against this request.
fn judge_resource_refused(state: &ServerState, place: &str, form: &Parameters) -> Result<(), Refusal> {
    let is_here = state.fault_text(Fault::ResourceRefused).is_some_and(|refused| refused == place);
    if is_here && form.get("resource").is_some() {
        return Err(refusal("invalid_target", "this server knows no resource indicators here"));
    }
    Ok(())
}

/// RFC 8707 §2.2: the resource of the authorization, no other and not none.
pub(super) fn judge_resource(granted: Option<&str>, form: &Parameters) -> Result<(), Refusal> {
    let asked = form.get("resource");
    if form.has_several_resources() {
        return Err(refusal("invalid_target", "a token is for one resource"));
    }
    if granted == asked {
        return Ok(());
    }
    let (granted, asked) = (granted.unwrap_or("none"), asked.unwrap_or("none"));
    Err(refusal("invalid_target", format!("the authorization was for the resource {granted}, not for {asked}")))
}

/// RFC 6749 §6. The old token counts as spent only when the whole request is right.
fn refresh(
    state: &ServerState,
    records: &mut Records,
    client: &Client,
    form: &Parameters,
    jkt: Option<String>,
) -> Result<Value, Refusal> {
    let text = form.get("refresh_token").ok_or_else(|| refusal("invalid_request", "refresh_token is missing"))?;
    if let Some(bound) = records.family_of_refresh_token(text).and_then(|(_, family)| family.grant.jkt.as_ref())
        && jkt.as_ref() != Some(bound)
    {
        return Err(refusal("invalid_grant", "the refresh token is bound to another key"));
    }
    let grace = state.settings.refresh_grace;
    if let Some((family, answer)) = records.given_again(text, &client.id, grace) {
        judge_resource(family.grant.resource.as_deref(), form)?;
        return Ok(answer.clone());
    }
    let found = records.refreshable(text, &client.id).map_err(|fault| match fault {
        RefreshFault::Unknown => {
            refusal("invalid_grant", "the refresh token is not known, revoked, or another client's")
        }
        RefreshFault::Expired => refusal("invalid_grant", "the refresh token has expired"),
        RefreshFault::Reused => refusal("invalid_grant", "the refresh token was used before; its family is revoked"),
    });
    let (id, family) = found?;
    let grant = family.grant;
    judge_resource_refused(state, "refresh", form)?;
    if form.get("resource").is_some() || state.fault_text(Fault::ResourceRefused).as_deref() != Some("refresh") {
        judge_resource(grant.resource.as_deref(), form)?;
    }
    if state.has(Fault::RefreshNeedsScope) && form.get("scope").is_none() {
        return Err(refusal("invalid_request", "scope is missing: the scope parameter is required"));
    }
    let scope = match form.get("scope") {
        None => grant.scope.clone(),
        Some(asked) => Scope::parse(asked)
            .filter(|asked| asked.is_within(&grant.scope))
            .ok_or_else(|| refusal("invalid_scope", format!("the granted scope is: {}", grant.scope)))?,
    };
    let issued = Issue { family: id, scope: &scope, grant: &grant, presented: Some(text), is_refreshable: true, jkt };
    let answer = issue(state, records, client, &issued)?;
    if !state.settings.rotate_refresh_tokens {
        return Ok(answer);
    }
    records.spend_refresh_token(text, (!grace.is_zero()).then_some(&answer));
    Ok(answer)
}

/// What tokens are issued for.
pub(super) struct Issue<'a> {
    pub(super) family: FamilyId,
    /// The scope asked for, within the grant's.
    pub(super) scope: &'a Scope,
    pub(super) grant: &'a Grant,
    /// The refresh token that is to be refreshed with.
    pub(super) presented: Option<&'a str>,
    /// Whether there may be a refresh token, and an ID token: a person was there.
    pub(super) is_refreshable: bool,
    /// The key that the access token is bound to.
    pub(super) jkt: Option<String>,
}

/// RFC 6749 §5.1.
pub(super) fn issue(
    state: &ServerState,
    records: &mut Records,
    client: &Client,
    issue: &Issue<'_>,
) -> Result<Value, Refusal> {
    let Issue { family, scope, grant, presented, is_refreshable, ref jkt } = *issue;
    let bound = jkt.clone().filter(|_| !state.has(Fault::DpopIgnored)).map(|jkt| Confirmation { jkt });
    let token_type = if bound.is_some() { "DPoP" } else { "Bearer" };
    let lifetime = state.settings.access_token_lifetime;
    let now = SystemTime::now();
    let jti = random::token().map_err(server_error)?;
    let claims = Claims {
        iss: state.issuer.clone(),
        aud: grant.resource.clone().unwrap_or_else(|| state.mcp_url.clone()),
        sub: grant.account.sub.clone(),
        client_id: client.id.clone(),
        scope: scope.to_string(),
        // Rounded up: the record ends the token on time, to the millisecond.
        exp: seconds(now + lifetime + Duration::from_secs(1)),
        iat: seconds(now),
        jti: jti.clone(),
        name: grant.account.name.clone(),
        email: grant.account.email.clone(),
        cnf: bound,
    };
    let access_token = access_token::issued(state, records, &claims).map_err(server_error)?;
    let mut document = json!({
        "access_token": access_token,
        "token_type": token_type,
        "expires_in": lifetime.as_secs(),
        "scope": scope.to_string(),
    });
    // Once: the grant is the same ever after (OpenID Connect Core §12.2 leaves it out of a refresh).
    if presented.is_none()
        && is_refreshable
        && let Some(token) = id_token::issued(state, grant, &access_token).map_err(server_error)?
    {
        document["id_token"] = json!(token);
    }
    let mut beside = presented.map(str::to_owned);
    let is_offline = grant.scope.contains(OFFLINE_SCOPE) || !state.has(Fault::OfflineNeedsConsent);
    let may_refresh = is_refreshable && is_offline && client.may_use("refresh_token");
    if may_refresh && (presented.is_none() || state.settings.rotate_refresh_tokens) {
        let refresh_token = random::token().map_err(server_error)?;
        state.remember_secret(&refresh_token);
        records.add_refresh_token(refresh_token.clone(), family, state.settings.refresh_token_lifetime);
        document["refresh_token"] = json!(refresh_token);
        beside = Some(refresh_token);
    }
    spoil(state, &mut document);
    let real = state.settings.access_token_ttl_override.unwrap_or(lifetime);
    records.add_access_token(jti, family, now + real, beside);
    Ok(document)
}

/// What the faults of token answers make of one.
fn spoil(state: &ServerState, document: &mut Value) {
    if let Some(kind) = state.fault_text(Fault::TokenType) {
        document["token_type"] = json!(kind);
    }
    if let Some(seconds) = state.fault_number(Fault::ExpiresIn) {
        document["expires_in"] = json!(seconds);
    }
    faults::body::pad(state, document);
    for (fault, name) in [(Fault::NoExpiresIn, "expires_in"), (Fault::NoScope, "scope")] {
        if let Some(members) = document.as_object_mut().filter(|_| state.has(fault)) {
            members.remove(name);
        }
    }
}
