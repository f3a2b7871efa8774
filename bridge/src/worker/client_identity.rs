//! Which client signs in (A5): one that the person gave, the URL of a metadata document, or one that registers itself; and
//! how a known client proves itself. It must never mix issuers (A7). Read `registration` for the last of the three.

use super::Walk;
use super::callback::Callback;
use super::client_proof::ClientProof;
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
use crate::settings::{ClientAuth, GrantType, KnownClient};
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
    pub(super) proof: ClientProof,
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
        let Some((registration, proof)) = self.known(record, &discovered.server)? else {
            return self.registered(egress, record, discovered, scope).await;
        };
        let mut callback = self.callback(self.job.settings.callback_port).await?;
        let host = self.redirect_host(&conceded(record, &discovered.server.issuer));
        let redirect_uri = callback.serve(host).await?;
        let identity = ClientIdentity { registration, proof, redirect_uri };
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
        if let Some((registration, proof)) = self.known(record, &discovered.server)? {
            tracing::info!("signing in as the client `{}`", Untrusted::new(registration.client_id.as_str()));
            self.save(record)?;
            return Ok((ClientIdentity { registration, proof, redirect_uri }, false));
        }
        let (registration, reused) = self.registered_for_device_code(egress, record, discovered, scope).await?;
        let proof = ClientProof::Same(client_of(&registration));
        Ok((ClientIdentity { registration, proof, redirect_uri }, reused))
    }

    /// A client that does not register itself, and its proof; `None` where one is to.
    fn known(
        &self,
        record: &Record,
        server: &AuthorizationServerMetadata,
    ) -> Result<Option<(Registration, ClientProof)>, Problem> {
        let takes_documents = server.client_id_metadata_document_supported;
        self.given_client(record, &server.issuer, listed_methods(server), takes_documents)
    }

    /// How the person wants a client to be registered; one with a key is not registered here.
    pub(super) fn forced_method(&self) -> Option<TokenEndpointAuthMethod> {
        self.job.settings.client.auth.map(method_of).filter(|method| *method != TokenEndpointAuthMethod::PrivateKeyJwt)
    }

    /// A client that did not register itself, and its proof to this issuer. `listed` are the server's
    /// `token_endpoint_auth_methods_supported`.
    fn identified(
        &self,
        record: &Record,
        issuer: &str,
        listed: &[String],
        (source, client_id): (Source, String),
    ) -> Result<(Registration, ClientProof), Problem> {
        if source == Source::Given {
            check_issuer(record, &client_id, issuer)?;
        }
        let stored = record.issuers.get(issuer).and_then(|stored| stored.registration.as_ref());
        let method = match stored.filter(|stored| stored.source == source && stored.client_id == client_id) {
            Some(stored) => stored.token_endpoint_auth_method.clone(),
            None => TokenEndpointAuthMethod::None.as_str().to_owned(),
        };
        let mut registration = registration(source, client_id, method);
        let proof = authentication(&registration, &self.job.settings.client, listed, issuer)?
            .unwrap_or_else(|| ClientProof::Same(client_of(&registration)));
        proof.method().as_str().clone_into(&mut registration.token_endpoint_auth_method);
        Ok((registration, proof))
    }

    /// A client that was given, or is known by its document, and its proof; `None` where one would have to register itself.
    pub(super) fn given_client(
        &self,
        record: &Record,
        issuer: &str,
        listed: &[String],
        takes_documents: bool,
    ) -> Result<Option<(Registration, ClientProof)>, Problem> {
        let stored = record.issuers.get(issuer).and_then(|stored| stored.registration.as_ref());
        let who = match choose(&self.job.settings.client, stored, takes_documents) {
            Choice::Dynamic => return Ok(None),
            Choice::Given(client_id) => (Source::Given, client_id),
            Choice::Document(url) => (Source::Document, url),
        };
        self.identified(record, issuer, listed, who).map(Some)
    }

    /// Whether a server is the one to use where the resource names several (A2).
    pub(super) fn suits(&self, record: &Record, server: &AuthorizationServerMetadata) -> bool {
        let stored = record.issuers.get(&server.issuer).and_then(|stored| stored.registration.as_ref());
        match choose(&self.job.settings.client, stored, server.client_id_metadata_document_supported) {
            Choice::Given(client_id) => record.issuer_of_given(&client_id).is_none_or(|issuer| issuer == server.issuer),
            Choice::Document(_) => true,
            // An assertion may stand for itself, and registers nobody.
            Choice::Dynamic => {
                server.registration_endpoint.is_some() || self.job.settings.grant.is_some_and(GrantType::is_machine)
            }
        }
    }
}

/// How a known client proves itself to `issuer`; `None` where it needs the secret of another client than the one that is
/// given now. `listed` are the server's `token_endpoint_auth_methods_supported`.
///
/// # Errors
/// Where its secret or key is nowhere to be found.
pub fn authentication(
    registration: &Registration,
    known: &KnownClient,
    listed: &[String],
    issuer: &str,
) -> Result<Option<ClientProof>, Problem> {
    use TokenEndpointAuthMethod::{ClientSecretBasic, ClientSecretPost, None as Public, PrivateKeyJwt};
    let stored =
        TokenEndpointAuthMethod::from_name(&registration.token_endpoint_auth_method).unwrap_or(ClientSecretBasic);
    let client_id = &registration.client_id;
    let (given, another) = match registration.source {
        Source::Dynamic => (false, false),
        Source::Given => (known.client_id.as_ref() == Some(client_id), known.client_id.is_some()),
        Source::Document => (known.metadata_url.as_ref() == Some(client_id), known.metadata_url.is_some()),
    };
    let same = || Ok(Some(ClientProof::Same(client_of(registration))));
    if registration.source == Source::Dynamic || (!given && stored == Public) {
        return same();
    }
    if !given {
        return if another { Ok(None) } else { Err(proof_missing(client_id)) };
    }
    // Of a document nothing but a key is ever a proof (A20).
    let has_secret = known.client_secret.is_some() && registration.source == Source::Given;
    let method = match known.auth.map(method_of) {
        Some(forced) => forced,
        None if known.private_key.is_some() && (!has_secret || stored == PrivateKeyJwt) => PrivateKeyJwt,
        None if has_secret && matches!(stored, ClientSecretBasic | ClientSecretPost) => stored,
        None if has_secret => method_for_secret(listed),
        None => stored,
    };
    let public = || ClientAuthentication::None { client_id: client_id.clone() };
    match (method, &known.client_secret, &known.private_key) {
        (Public, ..) => Ok(Some(ClientProof::Same(public()))),
        (PrivateKeyJwt, _, Some(place)) => ClientProof::by_key(place, client_id, issuer).map(Some),
        (ClientSecretBasic | ClientSecretPost, Some(place), _) if has_secret => {
            let secret = client_secret::read(place)?;
            Ok(Some(ClientProof::Same(ClientAuthentication::new(client_id.clone(), Some(secret), method))))
        }
        _ => Err(proof_missing(client_id)),
    }
}

fn method_of(auth: ClientAuth) -> TokenEndpointAuthMethod {
    match auth {
        ClientAuth::None => TokenEndpointAuthMethod::None,
        ClientAuth::ClientSecretBasic => TokenEndpointAuthMethod::ClientSecretBasic,
        ClientAuth::ClientSecretPost => TokenEndpointAuthMethod::ClientSecretPost,
        ClientAuth::PrivateKeyJwt => TokenEndpointAuthMethod::PrivateKeyJwt,
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
            "check `--client-id` and its secret or key with the server's operator; `mcp-bridge logout URL` forgets the \
             client"
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

fn proof_missing(client_id: &str) -> Problem {
    let client = Untrusted::new(client_id);
    Problem::new(
        Code::InvalidSetting,
        format!("the sign-in is of the client `{client}`, whose secret or key is not given"),
        format!(
            "add `--client-id '{client}'` with `--client-secret-env VAR`, `--client-secret-file FILE` or \
             `--private-key-file FILE`, or run `mcp-bridge logout URL` to sign in as another client"
        ),
    )
}

#[cfg(test)]
mod tests;
