//! The client that signs in: the stored registration of this issuer if its redirect URI can be served, else a new one by
//! Dynamic Client Registration (RFC 7591, A6). A registration is on the disk before it is used.

use super::Walk;
use super::callback::{Callback, CallbackError};
use super::client_identity::{Client, ClientIdentity};
use super::client_proof::ClientProof;
use super::discovery::Discovered;
use super::healing::conceded;
use super::refresh::client_of;
use crate::credentials::record::{Concessions, Extra, IssuerRecord, Record, Registration, Source, unix_now};
use crate::http::Egress;
use crate::oauth::endpoint::Endpoint;
use crate::oauth::grant::device_code::GRANT_TYPE;
use crate::oauth::registration::{self, AUTHORIZATION_CODE, ClientInformation, ClientMetadata, RegistrationError};
use crate::problem::{Code, Problem};
use crate::safe_url::SafeUrl;
use crate::settings::RedirectHost;
use crate::untrusted::Untrusted;

/// What we are, whatever we are called (RFC 7591 §2): random, fixed.
const SOFTWARE_ID: &str = "6f1f7b5e-3a0c-4f5e-9d53-2a8a5e0d7c41";

impl Walk<'_> {
    /// The stored client, on its own port (A10); a new one where there is none or its port is taken.
    pub(super) async fn registered(
        &self,
        egress: &Egress,
        record: &mut Record,
        discovered: &Discovered,
        scope: Option<&str>,
    ) -> Result<Client, Problem> {
        let issuer = &discovered.server.issuer;
        let stored = record.issuers.get(issuer).and_then(IssuerRecord::reusable).cloned();
        let is_proved_so = |known: &Registration| {
            self.forced_method().is_none_or(|method| known.token_endpoint_auth_method == method.as_str())
        };
        if let Some(registration) = stored.filter(|known| fits(known, discovered, scope) && is_proved_so(known))
            && let Some((callback, redirect_uri)) = self.serve(&registration).await?
        {
            tracing::info!("using the registration at `{}`", Untrusted::new(issuer.as_str()));
            return Ok(Client { identity: identity(registration, redirect_uri), callback, reused: true });
        }
        let Some(endpoint) = &discovered.server.registration_endpoint else {
            return Err(no_registration(issuer));
        };
        let mut callback = self.callback(self.job.settings.callback_port).await?;
        let host = self.redirect_host(&conceded(record, issuer));
        let asked = self.register(egress, endpoint, discovered, &mut callback, (scope, host)).await?;
        let (information, redirect_uri) = asked;
        if self.redirect_host_is_free() {
            record.issuer_mut(issuer).concessions.localhost = redirect_uri != callback.redirect_uri();
        }
        let registration = registration_of(information, discovered, scope);
        record.issuer_mut(issuer).pending = Some(registration.clone());
        self.save(record)?;
        tracing::info!("registered at `{}`", Untrusted::new(issuer.as_str()));
        Ok(Client { identity: identity(registration, redirect_uri), callback, reused: false })
    }

    /// A client that is never redirected (RFC 8628): the stored one, which has no redirect URI, or a new one; and whether it
    /// is the stored one.
    pub(super) async fn registered_for_device_code(
        &self,
        egress: &Egress,
        record: &mut Record,
        discovered: &Discovered,
        scope: Option<&str>,
    ) -> Result<(Registration, bool), Problem> {
        let issuer = &discovered.server.issuer;
        // Where no browser opened just now, the one that was registered for it is the reusable one.
        let stored = record.issuers.get(issuer);
        let before = stored.and_then(|stored| stored.registration.as_ref().filter(|_| !stored.doubtful));
        let mut known = stored.and_then(IssuerRecord::reusable).into_iter().chain(before);
        if let Some(known) = known.find(|known| known.redirect_uris.is_empty() && fits(known, discovered, scope)) {
            return Ok((known.clone(), true));
        }
        let Some(endpoint) = &discovered.server.registration_endpoint else { return Err(no_registration(issuer)) };
        let client = self.metadata(discovered, Vec::new(), GRANT_TYPE, scope);
        let information = ask(egress, endpoint, &client).await??;
        let registration = registration_of(information, discovered, scope);
        record.issuer_mut(issuer).pending = Some(registration.clone());
        self.save(record)?;
        tracing::info!("registered at `{}` for sign-ins by device code", Untrusted::new(issuer.as_str()));
        Ok((registration, false))
    }

    /// A callback on this port, or a free one, at the path that the person wants.
    pub(super) async fn callback(&self, port: Option<u16>) -> Result<Callback, CallbackError> {
        Ok(Callback::bind(port).await?.at(&self.job.settings.authorization.redirect))
    }

    /// The spelling of this machine that the person wants, else the one that this server takes, else the address.
    pub(super) fn redirect_host(&self, concessions: &Concessions) -> RedirectHost {
        let taken = if concessions.localhost { RedirectHost::Name } else { RedirectHost::Address };
        self.job.settings.authorization.redirect.host.unwrap_or(taken)
    }

    /// Whether the person chose none.
    pub(super) fn redirect_host_is_free(&self) -> bool {
        self.job.settings.authorization.redirect.host.is_none()
    }

    /// The callback of a stored registration; `None` where another program has its port or the person wants another.
    async fn serve(&self, registration: &Registration) -> Result<Option<(Callback, String)>, Problem> {
        for redirect_uri in &registration.redirect_uris {
            let Some(port) = url::Url::parse(redirect_uri).ok().and_then(|url| url.port()) else { continue };
            if self.job.settings.callback_port.is_some_and(|wanted| wanted != port) {
                continue;
            }
            match self.served(port, redirect_uri).await {
                Ok(Some(callback)) => return Ok(Some((callback, redirect_uri.clone()))),
                Ok(None) => {}
                Err(CallbackError::PortTaken { .. }) if self.job.settings.callback_port.is_none() => {
                    tracing::info!("port {port} of the registration is taken: registering anew");
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    /// A callback on the port and under the name of a redirect URI; `None` where it is none of ours, or the person wants
    /// another.
    async fn served(&self, port: u16, redirect_uri: &str) -> Result<Option<Callback>, CallbackError> {
        let mut callback = self.callback(Some(port)).await?;
        let wanted = self.job.settings.authorization.redirect.host;
        for host in RedirectHost::ALL.into_iter().filter(|host| wanted.is_none_or(|wanted| wanted == *host)) {
            if callback.serve(host).await? == redirect_uri {
                return Ok(Some(callback));
            }
        }
        Ok(None)
    }

    /// Registers; a server that refuses the address is offered the name, the other spelling of loopback (A6), unless the
    /// person chose one.
    async fn register(
        &self,
        egress: &Egress,
        endpoint: &Endpoint,
        discovered: &Discovered,
        callback: &mut Callback,
        (scope, host): (Option<&str>, RedirectHost),
    ) -> Result<(ClientInformation, String), Problem> {
        let client = |uri: &str| self.metadata(discovered, vec![uri.to_owned()], AUTHORIZATION_CODE, scope);
        let redirect_uri = callback.serve(host).await?;
        let may_differ = self.redirect_host_is_free() && host == RedirectHost::Address;
        match ask(egress, endpoint, &client(&redirect_uri)).await? {
            Ok(information) => Ok((information, redirect_uri)),
            Err(refusal) if may_differ && refusal.is_redirect_uri_refused() => {
                tracing::info!("{refusal}: offering `localhost`");
                let redirect_uri = callback.serve_localhost().await?;
                // The first refusal is the one to show: the second spelling is nobody's first choice.
                let information = ask(egress, endpoint, &client(&redirect_uri)).await?;
                Ok((information.map_err(|_| refusal)?, redirect_uri))
            }
            Err(refusal) => Err(refusal.into()),
        }
    }

    fn metadata(
        &self,
        discovered: &Discovered,
        redirect_uris: Vec<String>,
        grant_type: &'static str,
        scope: Option<&str>,
    ) -> ClientMetadata {
        ClientMetadata {
            client_name: self.job.settings.client_name.clone(),
            redirect_uris,
            grant_type,
            token_endpoint_auth_method: self
                .forced_method()
                .unwrap_or_else(|| discovered.server.preferred_auth_method()),
            scope: scope.map(str::to_owned),
            software_id: SOFTWARE_ID.to_owned(),
            software_version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

async fn ask(
    egress: &Egress,
    endpoint: &Endpoint,
    client: &ClientMetadata,
) -> Result<Result<ClientInformation, RegistrationError>, Problem> {
    let response = egress.fetch(registration::request(endpoint, client)).await?;
    Ok(registration::judge(endpoint, client, response.status(), response.body()))
}

fn identity(registration: Registration, redirect_uri: String) -> ClientIdentity {
    ClientIdentity { proof: ClientProof::Same(client_of(&registration)), registration, redirect_uri }
}

/// Whether a stored registration does for this sign-in: it registered itself, its secret is good and stays with the origin
/// that it came from, and no more scope is asked for than it was registered with.
fn fits(known: &Registration, discovered: &Discovered, scope: Option<&str>) -> bool {
    let origin = |url: &str| url::Url::parse(url).ok().map(|url| url.origin());
    let same_origin = known
        .token_endpoint
        .as_deref()
        .is_none_or(|endpoint| origin(endpoint) == Some(discovered.server.token_endpoint.url().origin()));
    let has = |token: &str| known.scope.as_deref().is_none_or(|scope| scope.split(' ').any(|known| known == token));
    known.source == Source::Dynamic
        && !known.has_expired(unix_now())
        && (same_origin || known.client_secret.is_none())
        && scope.unwrap_or_default().split_ascii_whitespace().all(has)
}

fn registration_of(information: ClientInformation, discovered: &Discovered, scope: Option<&str>) -> Registration {
    Registration {
        source: Source::Dynamic,
        scope: scope.map(str::to_owned),
        token_endpoint: Some(discovered.server.token_endpoint.as_str().to_owned()),
        client_id: information.client_id,
        client_secret: information.client_secret,
        client_secret_expires_at: information.client_secret_expires_at,
        token_endpoint_auth_method: information.token_endpoint_auth_method.as_str().to_owned(),
        redirect_uris: information.redirect_uris,
        registered_at: unix_now(),
        extra: Extra::default(),
    }
}

fn no_registration(issuer: &str) -> Problem {
    let issuer = SafeUrl::from_text(issuer);
    Problem::new(
        Code::RegistrationUnsupported,
        format!("`{issuer}` offers no Dynamic Client Registration (no `registration_endpoint`)"),
        "ask its operator for a client id, then add `--client-id ID`, and if it has a secret `--client-secret-env VAR` or \
         `--client-secret-file FILE`",
    )
    .at(issuer)
}
