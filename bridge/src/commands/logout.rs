//! `mcp-bridge logout`: revokes what the server issued (RFC 7009), then removes it here, under the lock. Nothing that the
//! server or the network does keeps it from being removed; what may still be good there is said.

use std::process::ExitCode;
use std::time::Duration;

use url::Url;

use super::failed;
use super::when::span;
use crate::cli::stored;
use crate::credentials::record::{Discovery, IssuerRecord, Record, Registration, Source, unix_now};
use crate::credentials::store::{Room, Store};
use crate::http::{AddressGuard, Egress, Network};
use crate::oauth::endpoint::{Endpoint, UrlRule};
use crate::oauth::resource::ResourceIdentifier;
use crate::oauth::revocation::{self, RevocationError, TokenTypeHint};
use crate::problem::{Code, Problem};
use crate::safe_url::SafeUrl;
use crate::secret::Secret;
use crate::settings::{DEFAULT_PROFILE, DpopChoice, KnownClient, LogoutSettings};
use crate::terminal;
use crate::untrusted::Untrusted;
use crate::worker::client_identity;
use crate::worker::client_proof::ClientProof;
use crate::worker::token_request::{self, Possession};

/// How long to wait for a sign-in or refresh under way.
const LOCK_WAIT: Duration = Duration::from_secs(5);

/// Signs out of what the settings mean.
pub async fn run(settings: LogoutSettings) -> ExitCode {
    if let Err(problem) = terminal::start_logging(&settings.log) {
        return failed(&problem);
    }
    let rooms = match meant(&settings) {
        Ok(rooms) => rooms,
        Err(problem) => return failed(&problem),
    };
    if rooms.is_empty() {
        terminal::say("no sign-in is stored");
    }
    if let (Some(upstream), Some(given)) = (&settings.upstream, settings.given) {
        let upstream = SafeUrl::new(upstream);
        terminal::say(&format!("the credential for `{upstream}` comes from `{given}`, and goes on to be used"));
    }
    let mut code = ExitCode::SUCCESS;
    for room in &rooms {
        match sign_out(room, &settings).await {
            Ok(Some(left)) => tell(room, &left),
            Ok(None) => terminal::say(&format!("there is no sign-in to {}", stored::name(room))),
            Err(problem) => code = failed(&problem),
        }
    }
    code
}

/// The rooms that are meant: of a URL and a profile, of all, or the only one.
fn meant(settings: &LogoutSettings) -> Result<Vec<Room>, Problem> {
    let store = Store::open(&settings.state_dir);
    let resource = settings.upstream.as_ref().map(ResourceIdentifier::new);
    if let (Some(resource), false) = (&resource, settings.all) {
        let profile = settings.profile.as_deref().unwrap_or(DEFAULT_PROFILE);
        return Ok(vec![store.room(resource.as_str(), profile)]);
    }
    let mut rooms = store.rooms()?;
    rooms.retain(|(room, _)| {
        resource.as_ref().is_none_or(|resource| resource.as_str() == room.resource())
            && settings.profile.as_deref().is_none_or(|profile| profile == room.profile())
    });
    if settings.all {
        return Ok(rooms.into_iter().map(|(room, _)| room).collect());
    }
    rooms.retain(|(_, record)| settings.forget_registration || record.signed_out().as_ref() != Some(record));
    Ok(vec![stored::the_only(rooms, &store, "logout")?.0])
}

/// Signs out of one; what is left at the server, or `None` where nothing was stored.
async fn sign_out(room: &Room, settings: &LogoutSettings) -> Result<Option<Left>, Problem> {
    if !room.folder().exists() {
        return Ok(None);
    }
    room.prepare()?;
    let Some(lock) = room.lock_within(LOCK_WAIT).await? else { return Err(under_way(room)) };
    let record = room.read()?;
    let mut left = Left::default();
    for (issuer, stored) in record.iter().flat_map(|record| &record.issuers) {
        revoke(room, issuer, stored, settings, &mut left).await;
    }
    let kept = record.as_ref().filter(|_| !settings.forget_registration).and_then(Record::signed_out);
    let was_signed_out = kept.is_some() && kept == record;
    let was_there = room.forget(&lock, kept)?;
    Ok((was_there && !was_signed_out).then_some(left))
}

/// What became of the tokens at the server.
#[derive(Debug, Default)]
struct Left {
    revoked: Vec<&'static str>,
    /// A sentence for each token that may still be good.
    warnings: Vec<String>,
}

/// Revokes the tokens of one issuer at the endpoint that it named when they were issued, the refresh token first: with it
/// the access tokens should end too (RFC 7009 §2.1).
async fn revoke(room: &Room, issuer: &str, stored: &IssuerRecord, settings: &LogoutSettings, left: &mut Left) {
    let Some(tokens) = &stored.tokens else { return };
    let now = unix_now();
    let remaining = tokens.expires_at.map_or_else(String::new, |end| format!(" for {}", span(end.saturating_sub(now))));
    let alive = (!tokens.has_ended(now)).then_some(&tokens.access_token);
    let tokens = [
        (tokens.refresh_token.as_ref(), TokenTypeHint::RefreshToken, "refresh token", String::new()),
        (alive, TokenTypeHint::AccessToken, "access token", remaining),
    ];
    let mut revoker = Revoker::new(room, issuer, stored, settings);
    for (token, hint, name, remaining) in tokens {
        let Some(token) = token else { continue };
        let result = match &mut revoker {
            Ok(revoker) => revoker.revoke(token, hint).await,
            Err(why) => Err(Failure::Same(why.clone())),
        };
        match result {
            Ok(()) => left.revoked.push(name),
            Err(failure) => {
                left.warnings.push(format!("the {name} may still be good{remaining} at the server: {}", failure.why()));
                // What stands against one stands against the other.
                if let Failure::Same(why) = failure {
                    revoker = Err(why);
                }
            }
        }
    }
}

/// The way to one issuer's revocation endpoint.
struct Revoker {
    egress: Egress,
    endpoint: Endpoint,
    client: ClientProof,
    /// For tokens that are bound: some servers want a proof here too, and others do not look at it.
    possession: Possession,
}

/// Why a token was not revoked.
enum Failure {
    /// It says nothing about another token.
    Token(String),
    /// Another would fare no better.
    Same(String),
}

impl Failure {
    fn why(&self) -> &str {
        match self {
            Failure::Token(why) | Failure::Same(why) => why,
        }
    }
}

impl Revoker {
    /// # Errors
    /// Why nothing can be revoked, as a clause.
    fn new(room: &Room, issuer: &str, stored: &IssuerRecord, settings: &LogoutSettings) -> Result<Self, String> {
        let shown = Untrusted::new(issuer);
        let discovery = stored.discovery.as_ref();
        let named = discovery.and_then(|known| known.revocation_endpoint.as_deref());
        let named = named.ok_or_else(|| format!("`{shown}` offers no revocation"))?;
        let registration = stored.registration.as_ref();
        let registration =
            registration.ok_or_else(|| format!("the client that `{shown}` issued it to is not known"))?;
        let upstream = Url::parse(room.resource()).map_err(|error| error.to_string())?;
        // That http is allowed to the server's own host was said when the endpoint was stored.
        let host = upstream.host_str().unwrap_or_default();
        let rule = UrlRule::with_http_host(host);
        let endpoint = Endpoint::parse("revocation_endpoint", named, &rule).map_err(|error| error.to_string())?;
        let client = authentication(issuer, registration, discovery, settings).map_err(|problem| {
            format!("{problem}; `--client-secret-env VAR`, `--client-secret-file FILE` or `--private-key-file FILE` names the place of it")
        })?;
        let network = Network::load(&settings.network).map_err(|problem| problem.to_string())?;
        let egress = Egress::new(AddressGuard::new(&upstream), network).allow_http(host);
        let tokens = stored.tokens.as_ref();
        let bound = tokens.and_then(|tokens| Possession::of_refresh(tokens, DpopChoice::Auto, false).ok().flatten());
        Ok(Revoker { egress, endpoint, client, possession: bound.unwrap_or_else(Possession::none) })
    }

    async fn revoke(&mut self, token: &Secret, hint: TokenTypeHint) -> Result<(), Failure> {
        let Revoker { egress, endpoint, client, possession } = self;
        let request = || {
            let client = client.now()?;
            Ok((revocation::request(endpoint, &client, token, hint), revocation::sent(&client, token)))
        };
        let answer = token_request::fetch(egress, endpoint, possession, request).await;
        let (answer, sent) = answer.map_err(|error| Failure::Same(error.to_string()))?;
        revocation::judge(&self.endpoint, &sent, answer.status(), answer.body()).map_err(|error| match error {
            RevocationError::UnsupportedTokenType { .. } => Failure::Token(error.to_string()),
            _ => Failure::Same(error.to_string()),
        })
    }
}

/// The proof of the stored client; the secret or key of one that was given is where the person says.
fn authentication(
    issuer: &str,
    registration: &Registration,
    discovery: Option<&Discovery>,
    settings: &LogoutSettings,
) -> Result<ClientProof, Problem> {
    let (client_secret, private_key) = (settings.secret.clone(), settings.private_key.clone());
    let is_given = client_secret.is_some() || private_key.is_some();
    let named = |source| (is_given && registration.source == source).then(|| registration.client_id.clone());
    let (client_id, metadata_url) = (named(Source::Given), named(Source::Document));
    let known = KnownClient { client_id, client_secret, private_key, auth: None, metadata_url };
    let listed = discovery.map(|known| known.token_endpoint_auth_methods_supported.as_slice()).unwrap_or_default();
    client_identity::authentication(registration, &known, listed, issuer)?.ok_or_else(|| {
        let client = Untrusted::new(registration.client_id.as_str());
        Problem::new(Code::InvalidSetting, format!("the secret of the client `{client}` is not given"), "")
    })
}

fn tell(room: &Room, left: &Left) {
    let name = stored::name(room);
    match left.revoked.as_slice() {
        [] => terminal::say(&format!("signed out of {name} here")),
        revoked => {
            terminal::say(&format!("signed out of {name}; the server revoked the {}", revoked.join(" and the ")))
        }
    }
    for warning in &left.warnings {
        terminal::say(&format!("warning: {warning}"));
    }
}

fn under_way(room: &Room) -> Problem {
    let name = stored::name(room);
    let process = room.sign_in().map_or_else(String::new, |sign_in| format!(" (process {})", sign_in.pid));
    let what = format!("a sign-in to {name} is under way{process}, and after {} s still is", LOCK_WAIT.as_secs());
    Problem::new(Code::SignInUnderWay, what, "finish it in the browser or let its time run out, then try again")
}
