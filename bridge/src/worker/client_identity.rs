//! Which client signs in (A5): one that the person gave, the URL of a metadata document, or one that registers itself; and
//! how a known client proves itself. It must never mix issuers (A7). Read `registration` for the last of the three.

use super::Walk;
use super::callback::Callback;
use super::client_secret;
use super::discovery::Discovered;
use super::healing::conceded;
use super::refresh::client_of;
use crate::credentials::record::{Extra, Record, Registration, Source, unix_now};
use crate::http::Egress;
use crate::oauth::client_authentication::{ClientAuthentication, TokenEndpointAuthMethod, method_for_secret};
use crate::oauth::server_metadata::AuthorizationServerMetadata;
use crate::problem::{Code, Problem};
use crate::safe_url::SafeUrl;
use crate::settings::KnownClient;
use crate::untrusted::Untrusted;

/// A client and the callback that serves its redirect URI.
pub(super) struct Client {
    pub(super) identity: ClientIdentity,
    pub(super) callback: Callback,
    /// It was registered for an earlier sign-in: the server may have forgotten it.
    pub(super) reused: bool,
}

/// Who a client is, and how it proves that.
pub(super) struct ClientIdentity {
    /// As it is stored: without a secret that the person keeps.
    pub(super) registration: Registration,
    pub(super) authentication: ClientAuthentication,
    pub(super) redirect_uri: String,
}

/// Whose identity is used.
#[derive(Debug, PartialEq, Eq)]
enum Choice {
    /// The `client_id` that the person gave.
    Given(String),
    /// The URL of a metadata document.
    Document(String),
    /// Dynamic Client Registration.
    Dynamic,
}

/// The order of A5. What an earlier sign-in was given counts where now nothing is.
fn choose(known: &KnownClient, stored: Option<&Registration>, takes_documents: bool) -> Choice {
    let nothing_given = known.client_id.is_none() && known.metadata_url.is_none();
    let earlier = |source| {
        let stored = stored.filter(|stored| nothing_given && stored.source == source);
        stored.map(|stored| stored.client_id.clone())
    };
    if let Some(id) = known.client_id.clone().or_else(|| earlier(Source::Given)) {
        return Choice::Given(id);
    }
    match known.metadata_url.clone().or_else(|| earlier(Source::Document)) {
        Some(url) if takes_documents => Choice::Document(url),
        _ => Choice::Dynamic,
    }
}

impl Walk<'_> {
    /// The client for this authorization server.
    pub(super) async fn client(
        &self,
        egress: &Egress,
        record: &mut Record,
        discovered: &Discovered,
        scope: Option<&str>,
    ) -> Result<Client, Problem> {
        let Some((registration, authentication)) = self.known(record, &discovered.server)? else {
            return self.registered(egress, record, discovered, scope).await;
        };
        let mut callback = self.callback(self.job.settings.callback_port).await?;
        let host = self.redirect_host(&conceded(record, &discovered.server.issuer));
        let redirect_uri = callback.serve(host).await?;
        let identity = ClientIdentity { registration, authentication, redirect_uri };
        tracing::info!("signing in as the client `{}`", Untrusted::new(identity.registration.client_id.as_str()));
        // Not the client: until the server has issued tokens to it, the stored tokens are another's.
        self.save(record)?;
        Ok(Client { identity, callback, reused: false })
    }

    /// The same for a grant that redirects nobody: the client, and whether it was registered for an earlier sign-in.
    pub(super) async fn client_without_redirect(
        &self,
        egress: &Egress,
        record: &mut Record,
        discovered: &Discovered,
        scope: Option<&str>,
    ) -> Result<(ClientIdentity, bool), Problem> {
        let redirect_uri = String::new();
        if let Some((registration, authentication)) = self.known(record, &discovered.server)? {
            tracing::info!("signing in as the client `{}`", Untrusted::new(registration.client_id.as_str()));
            self.save(record)?;
            return Ok((ClientIdentity { registration, authentication, redirect_uri }, false));
        }
        let (registration, reused) = self.registered_for_device_code(egress, record, discovered, scope).await?;
        Ok((ClientIdentity { authentication: client_of(&registration), registration, redirect_uri }, reused))
    }

    /// A client that does not register itself, and its proof; `None` where one is to.
    fn known(
        &self,
        record: &Record,
        server: &AuthorizationServerMetadata,
    ) -> Result<Option<(Registration, ClientAuthentication)>, Problem> {
        let stored = record.issuers.get(&server.issuer).and_then(|stored| stored.registration.as_ref());
        let choice = choose(&self.job.settings.client, stored, server.client_id_metadata_document_supported);
        let (source, client_id) = match choice {
            Choice::Dynamic => return Ok(None),
            Choice::Given(client_id) => (Source::Given, client_id),
            Choice::Document(url) => (Source::Document, url),
        };
        if source == Source::Given {
            check_issuer(record, &client_id, &server.issuer)?;
        }
        let method = match stored.filter(|stored| stored.source == source && stored.client_id == client_id) {
            Some(stored) => stored.token_endpoint_auth_method.clone(),
            None => TokenEndpointAuthMethod::None.as_str().to_owned(),
        };
        let mut registration = registration(source, client_id, method);
        let authentication = authentication(&registration, &self.job.settings.client, listed_methods(server))?
            .unwrap_or_else(|| client_of(&registration));
        authentication.method().as_str().clone_into(&mut registration.token_endpoint_auth_method);
        Ok(Some((registration, authentication)))
    }

    /// Whether a server is the one to use where the resource names several (A2).
    pub(super) fn suits(&self, record: &Record, server: &AuthorizationServerMetadata) -> bool {
        let stored = record.issuers.get(&server.issuer).and_then(|stored| stored.registration.as_ref());
        match choose(&self.job.settings.client, stored, server.client_id_metadata_document_supported) {
            Choice::Given(client_id) => record.issuer_of_given(&client_id).is_none_or(|issuer| issuer == server.issuer),
            Choice::Document(_) => true,
            Choice::Dynamic => server.registration_endpoint.is_some(),
        }
    }
}

/// How a known client proves itself; `None` where it needs the secret of another client than the one that is given now.
/// `listed` are the server's `token_endpoint_auth_methods_supported`.
///
/// # Errors
/// Where its secret is nowhere to be found.
pub fn authentication(
    registration: &Registration,
    known: &KnownClient,
    listed: &[String],
) -> Result<Option<ClientAuthentication>, Problem> {
    let stored = TokenEndpointAuthMethod::from_name(&registration.token_endpoint_auth_method)
        .unwrap_or(TokenEndpointAuthMethod::ClientSecretBasic);
    let is_public = stored == TokenEndpointAuthMethod::None;
    let is_given_now = known.client_id.as_ref() == Some(&registration.client_id);
    if registration.source != Source::Given || (is_public && !is_given_now) {
        return Ok(Some(client_of(registration)));
    }
    match &known.client_secret {
        _ if known.client_id.is_some() && !is_given_now => Ok(None),
        Some(place) if is_given_now => {
            let method = if is_public { method_for_secret(listed) } else { stored };
            let secret = client_secret::read(place)?;
            Ok(Some(ClientAuthentication::new(registration.client_id.clone(), Some(secret), method)))
        }
        _ if is_public => Ok(Some(client_of(registration))),
        _ => Err(secret_missing(&registration.client_id)),
    }
}

/// That the server does not take a client that did not register itself. Nothing is forgotten for it: who gave the client
/// has to look (A15).
pub(super) fn refused(registration: &Registration, why: &str) -> Problem {
    let client = Untrusted::new(registration.client_id.as_str());
    let hint = match registration.source {
        Source::Document => {
            "check the document at `--client-metadata-url` and its redirect URIs: `mcp-bridge client-metadata` prints one \
             that fits the settings"
        }
        _ => {
            "check `--client-id` and its secret with the server's operator; `mcp-bridge logout URL` forgets the client"
        }
    };
    Problem::new(Code::ClientRefused, format!("the client `{client}` is not accepted: {why}"), hint)
}

/// Where nobody comes back from the browser, it may be that the page there refused the client (RFC 6749 §4.1.2.1).
pub(super) fn perhaps_refused(mut problem: Problem, identity: &ClientIdentity) -> Problem {
    let ClientIdentity { registration, redirect_uri, .. } = identity;
    if problem.code == Code::SignInTimedOut && registration.source != Source::Dynamic {
        let client = Untrusted::new(registration.client_id.as_str());
        problem.hint = format!(
            "{}; if the tab showed an error, see that the client `{client}` has the redirect URI `{redirect_uri}` \
             (`--redirect-host`, `--callback-port` and `--callback-path` set it)",
            problem.hint
        );
    }
    problem
}

fn check_issuer(record: &Record, client_id: &str, issuer: &str) -> Result<(), Problem> {
    let Some(first) = record.issuer_of_given(client_id).filter(|first| *first != issuer) else { return Ok(()) };
    let (client, shown, first) = (Untrusted::new(client_id), Untrusted::new(issuer), Untrusted::new(first));
    let what = format!(
        "the client `{client}` belongs to the issuer `{first}`, but `{}` names `{shown}` now",
        SafeUrl::from_text(&record.resource)
    );
    let hint = "if the server has moved, run `mcp-bridge logout URL` and sign in with a client id of the new issuer, \
                or keep both by `--profile NAME`; else do not sign in there";
    Err(Problem::new(Code::ClientOfAnotherIssuer, what, hint).at(SafeUrl::from_text(issuer)))
}

fn registration(source: Source, client_id: String, token_endpoint_auth_method: String) -> Registration {
    Registration {
        source,
        client_id,
        client_secret: None,
        client_secret_expires_at: None,
        scope: None,
        token_endpoint: None,
        token_endpoint_auth_method,
        redirect_uris: Vec::new(),
        registered_at: unix_now(),
        extra: Extra::default(),
    }
}

fn listed_methods(server: &AuthorizationServerMetadata) -> &[String] {
    server.token_endpoint_auth_methods_supported.as_deref().unwrap_or_default()
}

fn secret_missing(client_id: &str) -> Problem {
    let client = Untrusted::new(client_id);
    Problem::new(
        Code::InvalidSetting,
        format!("the sign-in is of the client `{client}`, whose secret is not given"),
        format!(
            "add `--client-id '{client}'` with `--client-secret-env VAR` or `--client-secret-file FILE`, \
             or run `mcp-bridge logout URL` to sign in as another client"
        ),
    )
}

#[cfg(test)]
mod tests;
