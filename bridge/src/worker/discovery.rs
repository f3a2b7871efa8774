//! Discovery: from the upstream's challenge to the metadata of an authorization server (A1 to A4), with the fall-backs of
//! MCP 2025-03-26 where a server publishes nothing of the resource.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use url::Url;

use super::Walk;
use super::grant::{no_code, takes_no_code};
use super::job::Challenged;
use super::sign_in::Stage;
use crate::credentials::record::{Record, Tokens, unix_now};
use crate::http::{Answer, CONNECT_TIMEOUT, Egress, HttpError, MessageClient, Network, Target};
use crate::oauth::challenge;
use crate::oauth::dpop::{self, Nonce, Objection, Presenter};
use crate::oauth::endpoint::{Endpoint, UrlRule};
use crate::oauth::issuer::Issuer;
use crate::oauth::issuer::spelling::{Spelling, Vouched};
use crate::oauth::resource::ResourceIdentifier;
use crate::oauth::resource_metadata::{self, ProtectedResourceMetadata};
use crate::oauth::server_metadata::{self, AuthorizationServerMetadata, PkceRule, Rules, ServerMetadataError};
use crate::problem::{Code, Problem};
use crate::safe_url::SafeUrl;
use crate::settings::GrantType;
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
    /// The resource says that it takes proofs by the algorithm that we sign with.
    pub(super) dpop_taken: bool,
    /// The authorization server to use.
    pub(super) server: AuthorizationServerMetadata,
}

impl Discovered {
    /// Whether the authorization server is the upstream's own: on its origin, or it says so itself (RFC 9728 §4).
    pub(super) fn is_at_home(&self, upstream: &Url) -> bool {
        is_on_origin_of(&self.server.issuer, upstream) || self.server.protected_resources.contains(&self.resource)
    }
}

/// Whether an issuer is on the origin of an upstream.
pub(super) fn is_on_origin_of(issuer: &str, upstream: &Url) -> bool {
    Url::parse(issuer).is_ok_and(|issuer| issuer.origin() == upstream.origin())
}

/// Another issuer than the one that was named, where nothing but that was wrong: a person may know that they are one.
#[derive(Clone, Debug, PartialEq, Eq)]
struct OtherIssuer {
    /// How the resource names the server.
    named: String,
    /// How the server calls itself.
    published: String,
}

/// Why there is nothing to sign in with.
#[derive(Debug)]
struct Undiscovered {
    /// What to tell.
    problem: Problem,
    /// What a person could vouch for.
    other_issuer: Option<OtherIssuer>,
}

impl Walk<'_> {
    /// What is known of the upstream's authorization; whoever sits at a terminal is asked once whether a server that calls
    /// itself otherwise is the one, and the answer goes into the record with its next write.
    pub(super) async fn discover(
        &self,
        stage: &mut Stage<'_, '_>,
        challenge: &Challenged,
    ) -> Result<Discovered, Problem> {
        let undiscovered = match self.discover_by(stage.egress, stage.record, challenge).await {
            Ok(discovered) => return Ok(discovered),
            Err(undiscovered) => undiscovered,
        };
        let Some(OtherIssuer { named, published }) = undiscovered.other_issuer.filter(|_| self.job.at_terminal) else {
            return Err(undiscovered.problem);
        };
        let shown = |issuer: &str| Untrusted::new(issuer);
        if !stage.audience.vouches(&SafeUrl::new(self.upstream()), &shown(&named), &shown(&published)) {
            return Err(undiscovered.problem);
        }
        stage.record.vouched.insert(named, published);
        let discovered = self.discover_by(stage.egress, stage.record, challenge).await;
        discovered.map_err(|undiscovered| undiscovered.problem)
    }

    /// By the rules of the settings, and of what a person once said yes to.
    async fn discover_by(
        &self,
        egress: &Egress,
        record: &Record,
        challenge: &Challenged,
    ) -> Result<Discovered, Undiscovered> {
        let by_code = match self.job.settings.allow_missing_pkce {
            true => PkceRule::MayBeMissing,
            false => PkceRule::Required,
        };
        let chosen = self.job.settings.grant;
        let first = if chosen == Some(GrantType::AuthorizationCode) { by_code } else { PkceRule::NoCode };
        let found = self.discover_under(first, egress, record, challenge).await?;
        let server = &found.server;
        if chosen.is_some() || self.grant(server) != GrantType::AuthorizationCode {
            return Ok(found);
        }
        if takes_no_code(server) {
            return Err(Undiscovered { problem: no_code(server), other_issuer: None });
        }
        // It is a code: now what that needs is missed, and another server may have it.
        let lacks = server.pkce_is_missing || server.authorization_endpoint.is_none();
        if lacks { self.discover_under(by_code, egress, record, challenge).await } else { Ok(found) }
    }

    async fn discover_under(
        &self,
        pkce: PkceRule,
        egress: &Egress,
        record: &Record,
        challenge: &Challenged,
    ) -> Result<Discovered, Undiscovered> {
        let vouched = Vouched { issuer: self.job.settings.issuer.clone(), answers: record.vouched.clone() };
        let mutual_tls = self.job.settings.network.client_cert.is_some();
        let rules = Rules { urls: &self.rule, pkce, vouched: &vouched, mutual_tls };
        discover(egress, self.upstream(), challenge, rules, &|server| self.suits(record, server)).await
    }
}

/// Reads the metadata. Of several authorization servers the first that `suits` is taken.
///
/// # Errors
/// The first thing that keeps a sign-in from being safe or possible.
async fn discover(
    egress: &Egress,
    upstream: &Url,
    challenge: &Challenged,
    rules: Rules<'_>,
    suits: &(dyn Fn(&AuthorizationServerMetadata) -> bool + Sync),
) -> Result<Discovered, Undiscovered> {
    let mut search = Search { egress, upstream, rules, suits, other_issuer: None };
    let found = search.go(challenge).await;
    found.map_err(|problem| Undiscovered { problem, other_issuer: search.other_issuer })
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

/// One walk through the metadata.
struct Search<'a> {
    egress: &'a Egress,
    upstream: &'a Url,
    rules: Rules<'a>,
    suits: &'a (dyn Fn(&AuthorizationServerMetadata) -> bool + Sync),
    other_issuer: Option<OtherIssuer>,
}

impl Search<'_> {
    async fn go(&mut self, challenge: &Challenged) -> Result<Discovered, Problem> {
        let upstream = SafeUrl::new(self.upstream);
        match resource_metadata(self.egress, self.upstream, challenge, self.rules.urls).await? {
            Some(resource) => {
                tracing::info!("`{upstream}` names the authorization servers {}", shown(&resource));
                let server = self.usable_server(&resource).await?;
                let dpop_required = resource.dpop_bound_access_tokens_required;
                let dpop_taken = resource.dpop_signing_alg_values_supported.as_deref().is_some_and(dpop::is_listed);
                let (resource, resource_scopes) = (resource.resource, resource.scopes_supported);
                Ok(Discovered { resource, resource_scopes, dpop_required, dpop_taken, server })
            }
            None => {
                tracing::info!("`{upstream}` publishes no resource metadata: asking as MCP 2025-03-26 did");
                let resource = ResourceIdentifier::new(self.upstream).as_str().to_owned();
                let server = self.fallback().await?;
                Ok(Discovered { resource, resource_scopes: None, dpop_required: false, dpop_taken: false, server })
            }
        }
    }

    /// The first authorization server that suits (A2); else the first that can be used at all.
    async fn usable_server(
        &mut self,
        resource: &ProtectedResourceMetadata,
    ) -> Result<AuthorizationServerMetadata, Problem> {
        let mut other = None;
        let mut first_problem = None;
        for named in &resource.authorization_servers {
            match self.server_metadata(named).await {
                Ok(server) if !self.rules.vouched.wants(named, &server.issuer) => {}
                Ok(server) if (self.suits)(&server) => return Ok(server),
                Ok(server) => other = other.or(Some(server)),
                Err(problem) => {
                    tracing::warn!("{problem}");
                    first_problem = first_problem.or(Some(problem));
                }
            }
        }
        // One of them calls itself as the person wants it, on another origin: anybody can say so, and that one knows.
        if let (Some(wanted), Some(other)) = (&self.rules.vouched.issuer, &self.other_issuer)
            && other.published == *wanted
        {
            let wanted = wanted.clone();
            return self.server_metadata(&wanted).await;
        }
        let not_wanted = || self.rules.vouched.issuer.as_ref().map(|wanted| not_named(wanted, &shown(resource)));
        other.ok_or_else(|| first_problem.or_else(not_wanted).unwrap_or_else(no_server))
    }

    async fn server_metadata(&mut self, named: &str) -> Result<AuthorizationServerMetadata, Problem> {
        let issuer = Issuer::parse(named, self.rules.urls)?;
        let mut refused: Option<ServerMetadataError> = None;
        for place in server_metadata::candidates(&issuer, self.rules.urls)? {
            match self.ask_server(&place, &issuer).await? {
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
        Err(refused.map_or_else(no_server, |error| self.refused(error)))
    }

    /// No resource metadata at all: the server's own at the upstream's origin, then its default endpoints (MCP 2025-03-26).
    async fn fallback(&mut self) -> Result<AuthorizationServerMetadata, Problem> {
        let origin = self.upstream.origin().ascii_serialization();
        let issuer = Issuer::parse(&origin, self.rules.urls)?;
        for place in server_metadata::candidates(&issuer, self.rules.urls)? {
            match self.ask_server(&place, &issuer).await? {
                Ok(server) => return self.wanted(&origin, server),
                Err(error) if error.is_absent() => tracing::debug!("{error}"),
                Err(error) => return Err(self.refused(error)),
            }
        }
        self.wanted(&origin, server_metadata::fallback_2025_03_26(self.upstream, self.rules.urls)?)
    }

    fn wanted(&self, named: &str, server: AuthorizationServerMetadata) -> Result<AuthorizationServerMetadata, Problem> {
        match &self.rules.vouched.issuer {
            Some(wanted) if !self.rules.vouched.wants(named, &server.issuer) => {
                Err(not_named(wanted, &format!("`{}`", Untrusted::new(server.issuer.as_str()))))
            }
            _ => Ok(server),
        }
    }

    /// The first server that only calls itself otherwise is the one to ask the person about.
    fn refused(&mut self, error: ServerMetadataError) -> Problem {
        if let ServerMetadataError::IssuerMismatch { published, expected, .. } = &error {
            let other = OtherIssuer { named: expected.clone(), published: published.clone() };
            self.other_issuer.get_or_insert(other);
        }
        error.into()
    }

    async fn ask_server(
        &self,
        place: &Endpoint,
        issuer: &Issuer,
    ) -> Result<Result<AuthorizationServerMetadata, ServerMetadataError>, Problem> {
        let response = self.egress.fetch(server_metadata::request(place)).await?;
        let judged = server_metadata::judge(place, issuer, self.rules, response.status(), response.body());
        if let Ok(server) = &judged {
            tell(issuer, server, self.rules.pkce);
        }
        Ok(judged)
    }
}

/// What of a server's metadata is worth a line in the log.
fn tell(issuer: &Issuer, server: &AuthorizationServerMetadata, pkce: PkceRule) {
    let (named, published) = (Untrusted::new(issuer.as_str()), Untrusted::new(server.issuer.as_str()));
    match server.spelling {
        Spelling::Same => {}
        Spelling::FinalSlash => {
            tracing::warn!("`{named}` calls itself `{published}`: only a final slash differs, going on");
        }
        Spelling::Known => tracing::info!("`{named}` calls itself `{published}`, as it is known to"),
        Spelling::Vouched => tracing::info!("`{named}` calls itself `{published}`, which a person vouched for"),
    }
    if server.pkce_is_missing && pkce == PkceRule::MayBeMissing {
        tracing::warn!(
            "`{named}` does not say that it does PKCE with S256: going on with it, by `--allow-missing-pkce`"
        );
    }
}

fn not_named(wanted: &str, servers: &str) -> Problem {
    Problem::new(
        Code::IssuerMismatch,
        format!("the issuer `{}` is wanted, but the server names {servers}", Untrusted::new(wanted)),
        "write `--issuer URL` to the letter as one of these is named or calls itself, or leave it out",
    )
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
