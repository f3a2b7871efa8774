//! Discovery: from the upstream's challenge to the metadata of an authorization server (A1 to A4), with the fall-backs of
//! MCP 2025-03-26 where a server publishes nothing of the resource.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use url::Url;

use super::job::Challenged;
use crate::credentials::record::{Tokens, unix_now};
use crate::http::{Answer, CONNECT_TIMEOUT, Egress, HttpError, MessageClient, Network, Target};
use crate::oauth::challenge;
use crate::oauth::dpop::{Nonce, Objection, Presenter};
use crate::oauth::endpoint::{Endpoint, UrlRule};
use crate::oauth::issuer::Issuer;
use crate::oauth::resource::ResourceIdentifier;
use crate::oauth::resource_metadata::{self, ProtectedResourceMetadata};
use crate::oauth::server_metadata::{self, AuthorizationServerMetadata, PkceRule, ServerMetadataError};
use crate::problem::{Code, Problem};
use crate::safe_url::SafeUrl;
use crate::untrusted::Untrusted;

/// How long the upstream may take to say that it wants a sign-in.
const PROBE: Duration = Duration::from_secs(20);

/// What is known of an upstream's authorization.
#[derive(Clone, Debug)]
pub(super) struct Discovered {
    /// What goes into the `resource` parameter (A8): as published, else the canonical URL.
    pub(super) resource: String,
    /// The resource's `scopes_supported`.
    pub(super) resource_scopes: Option<Vec<String>>,
    /// The resource's `dpop_bound_access_tokens_required` (RFC 9728 §2).
    pub(super) dpop_required: bool,
    /// The authorization server to use.
    pub(super) server: AuthorizationServerMetadata,
}

/// Reads the metadata. Of several authorization servers the first that `suits` is taken.
///
/// # Errors
/// The first thing that keeps a sign-in from being safe or possible.
pub(super) async fn discover(
    egress: &Egress,
    upstream: &Url,
    challenge: &Challenged,
    rules: (&UrlRule, PkceRule),
    suits: &(dyn Fn(&AuthorizationServerMetadata) -> bool + Sync),
) -> Result<Discovered, Problem> {
    match resource_metadata(egress, upstream, challenge, rules.0).await? {
        Some(resource) => {
            tracing::info!("`{}` names the authorization servers {}", SafeUrl::new(upstream), shown(&resource));
            let server = usable_server(egress, &resource, rules, suits).await?;
            let dpop_required = resource.dpop_bound_access_tokens_required;
            let (resource, resource_scopes) = (resource.resource, resource.scopes_supported);
            Ok(Discovered { resource, resource_scopes, dpop_required, server })
        }
        None => {
            tracing::info!("`{}` publishes no resource metadata: asking as MCP 2025-03-26 did", SafeUrl::new(upstream));
            let resource = ResourceIdentifier::new(upstream).as_str().to_owned();
            let server = fallback(egress, upstream, rules).await?;
            Ok(Discovered { resource, resource_scopes: None, dpop_required: false, server })
        }
    }
}

/// Asks the upstream, with the person's headers and without a token, what it says to that: `None` where it asks for no
/// sign-in.
///
/// # Errors
/// Where it cannot be reached.
pub async fn probe(upstream: &Url, network: &Network, headers: HeaderMap) -> Result<Option<Challenged>, Problem> {
    let response = ping(upstream, network, headers).await?;
    let challenge = challenge::bearer(response.headers().get_all(WWW_AUTHENTICATE));
    let wanted = response.status() == StatusCode::UNAUTHORIZED || challenge.is_some();
    Ok(wanted.then(|| Challenged::new(challenge, response.peer().map(|peer| peer.ip()))))
}

/// Whether the upstream takes this token, as far as can be told: one that cannot be asked does not refuse.
pub async fn takes(upstream: &Url, network: &Network, headers: &HeaderMap, tokens: &Tokens) -> bool {
    let Ok(Some(presenter)) = Presenter::new(&tokens.access_token, tokens.private_key()) else { return false };
    let mut nonce = None;
    loop {
        let request = (&Method::POST, upstream);
        let Ok(authorization) = presenter.authorization(request, unix_now, nonce.as_ref()) else { return false };
        let mut headers = headers.clone();
        authorization.add_to(&mut headers);
        let Ok(answer) = ping(upstream, network, headers).await else { return true };
        let asked_before = nonce.is_some();
        nonce = Nonce::given_by(answer.headers());
        let challenges = challenge::parse(answer.headers().get_all(WWW_AUTHENTICATE));
        let wants_nonce = presenter.is_bound() && Objection::of_resource(&challenges) == Some(Objection::UseNonce);
        if asked_before || nonce.is_none() || !wants_nonce {
            // Some servers answer 500 to a token that they do not know.
            return !matches!(answer.status(), StatusCode::UNAUTHORIZED | StatusCode::INTERNAL_SERVER_ERROR);
        }
    }
}

/// A message that every server may be asked, in no session.
async fn ping(upstream: &Url, network: &Network, mut headers: HeaderMap) -> Result<Answer, Problem> {
    let ping = r#"{"jsonrpc":"2.0","id":"mcp-bridge","method":"ping"}"#;
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
    let client = MessageClient::build(upstream, network, CONNECT_TIMEOUT)?;
    let target = Target::new(upstream.clone());
    let asked = client.send(Method::POST, &target, headers, Some(Bytes::from_static(ping.as_bytes())));
    let late = |_| HttpError::TimedOut { url: SafeUrl::new(upstream), is_connecting: false };
    Ok(tokio::time::timeout(PROBE, asked).await.map_err(late)??)
}

/// The resource's metadata, where the challenge says or at the well-known places (A1); `None` where there is none.
async fn resource_metadata(
    egress: &Egress,
    upstream: &Url,
    challenge: &Challenged,
    rule: &UrlRule,
) -> Result<Option<ProtectedResourceMetadata>, Problem> {
    let (places, named) = match &challenge.resource_metadata {
        Some(url) => (vec![resource_metadata::named_by_challenge(url, rule)?], true),
        None => (resource_metadata::candidates(upstream, rule)?, false),
    };
    for place in &places {
        let response = egress.fetch(resource_metadata::request(place)).await?;
        match resource_metadata::judge(place, upstream, response.status(), response.body()) {
            Ok(metadata) => return Ok(Some(metadata)),
            Err(error) if error.is_absent() && !named => tracing::debug!("{error}"),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}

/// The first authorization server that suits (A2); else the first that can be used at all.
async fn usable_server(
    egress: &Egress,
    resource: &ProtectedResourceMetadata,
    rules: (&UrlRule, PkceRule),
    suits: &(dyn Fn(&AuthorizationServerMetadata) -> bool + Sync),
) -> Result<AuthorizationServerMetadata, Problem> {
    let mut other = None;
    let mut first_problem = None;
    for identifier in &resource.authorization_servers {
        match server_metadata(egress, identifier, rules).await {
            Ok(server) if suits(&server) => return Ok(server),
            Ok(server) => other = other.or(Some(server)),
            Err(problem) => {
                tracing::warn!("{problem}");
                first_problem = first_problem.or(Some(problem));
            }
        }
    }
    other.ok_or_else(|| first_problem.unwrap_or_else(no_server))
}

async fn server_metadata(
    egress: &Egress,
    identifier: &str,
    rules: (&UrlRule, PkceRule),
) -> Result<AuthorizationServerMetadata, Problem> {
    let issuer = Issuer::parse(identifier, rules.0)?;
    let mut refused: Option<ServerMetadataError> = None;
    for place in server_metadata::candidates(&issuer, rules.0)? {
        match ask_server(egress, &place, &issuer, rules).await? {
            Ok(server) => return Ok(server),
            Err(error) if error.try_next() => {
                tracing::debug!("{error}");
                // A wrong document tells more than an absent one.
                if refused.as_ref().is_none_or(ServerMetadataError::is_absent) {
                    refused = Some(error);
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(refused.map_or_else(no_server, Problem::from))
}

/// No resource metadata at all: the server's own at the upstream's origin, then its default endpoints (MCP 2025-03-26).
async fn fallback(
    egress: &Egress,
    upstream: &Url,
    rules: (&UrlRule, PkceRule),
) -> Result<AuthorizationServerMetadata, Problem> {
    let issuer = Issuer::parse(&upstream.origin().ascii_serialization(), rules.0)?;
    for place in server_metadata::candidates(&issuer, rules.0)? {
        match ask_server(egress, &place, &issuer, rules).await? {
            Ok(server) => return Ok(server),
            Err(error) if error.is_absent() => tracing::debug!("{error}"),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(server_metadata::fallback_2025_03_26(upstream, rules.0)?)
}

async fn ask_server(
    egress: &Egress,
    place: &Endpoint,
    issuer: &Issuer,
    rules: (&UrlRule, PkceRule),
) -> Result<Result<AuthorizationServerMetadata, ServerMetadataError>, Problem> {
    let response = egress.fetch(server_metadata::request(place)).await?;
    let judged = server_metadata::judge(place, issuer, rules, response.status(), response.body());
    if let Ok(server) = &judged
        && server.issuer_differs_by_slash
    {
        tracing::warn!(
            "`{}` calls itself `{}`: only a final slash differs, going on",
            Untrusted::new(issuer.as_str()),
            Untrusted::new(server.issuer.as_str())
        );
    }
    if let Ok(server) = &judged
        && server.pkce_is_missing
        && rules.1 == PkceRule::MayBeMissing
    {
        tracing::warn!(
            "`{}` does not say that it does PKCE with S256: going on with it, by `--allow-missing-pkce`",
            Untrusted::new(issuer.as_str())
        );
    }
    Ok(judged)
}

fn no_server() -> Problem {
    Problem::new(
        Code::ServerMetadataInvalid,
        "no authorization server of this resource publishes metadata",
        "tell the server's operator: RFC 8414 metadata is missing",
    )
}

fn shown(resource: &ProtectedResourceMetadata) -> String {
    resource
        .authorization_servers
        .iter()
        .map(|server| format!("`{}`", Untrusted::new(server.as_str())))
        .collect::<Vec<_>>()
        .join(", ")
}
