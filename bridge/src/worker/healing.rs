//! Self-healing of a sign-in: where a server refuses what the specification has a client send, it is asked again otherwise,
//! each way once, each told in the log, and what helped is kept under its issuer. It looks by a trial request first, without
//! the person; a browser is opened once more at most. It must never let go of PKCE, `state` or `iss`, nor of what a person
//! chose. `remedy` judges which refusal is healed by what.

pub(super) mod remedy;

use http::StatusCode;
use http::header::LOCATION;
use url::Url;

use self::remedy::{Asked, Refusal, Remedy};
use super::Walk;
use super::client_identity::ClientIdentity;
use super::discovery::Discovered;
use super::sign_in::Stage;
use crate::credentials::record::{Concessions, Record, Source};
use crate::http::Egress;
use crate::oauth::authorization::{self, AuthorizationResponseError, Expected};
use crate::oauth::scope::OFFLINE_ACCESS;
use crate::settings::ResourceChoice;
use crate::untrusted::Untrusted;

/// How many remedies one sign-in tries.
const MOST: usize = 8;

/// What one sign-in has tried.
#[derive(Debug, Default)]
pub(super) struct Healing {
    /// A remedy was found, and is to be tried.
    found: bool,
    tried: usize,
    /// The person has had a second tab.
    reopened: bool,
    /// The person has seen a request of this sign-in.
    shown: bool,
    /// Another way was gone to its end.
    is_over: bool,
    localhost: Localhost,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Localhost {
    #[default]
    Untried,
    Tried,
    InVain,
}

/// Who met a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Met {
    /// A request that nobody saw.
    ByTrial,
    /// The person, in their browser.
    ByPerson,
}

/// What the authorization endpoint made of a trial request.
#[derive(Debug)]
pub(super) enum Trial {
    /// Nothing stands against it, as far as can be told without a person.
    Passes,
    /// A page with an error, never a redirect: the client or its redirect URI is not known (RFC 6749 §4.1.2.1).
    ErrorPage { about_redirect_uri: bool },
    /// An error by redirect.
    Refused(AuthorizationResponseError),
}

impl Healing {
    /// Whether there is something new to try.
    pub(super) fn goes_on(&mut self) -> bool {
        std::mem::take(&mut self.found)
    }

    /// Whether a trial request is worth it besides those for clients of earlier sign-ins: no answer has approved the redirect
    /// URI of a client that did not register itself, and what was refused once may be refused again.
    pub(super) fn wants_trial(&self, client: &ClientIdentity) -> bool {
        self.tried > 0 || client.registration.source != Source::Dynamic
    }

    /// Another way is gone to its end: whatever comes of it, nothing follows.
    pub(super) fn ends(&mut self) {
        self.is_over = true;
    }

    /// The person has the request in their browser now.
    pub(super) fn person_saw_it(&mut self) {
        self.shown = true;
    }

    /// Whether a client may be registered anew: the person may have one more tab, whatever it is for.
    pub(super) fn may_register_anew(&mut self) -> bool {
        let met = if self.shown { Met::ByPerson } else { Met::ByTrial };
        let may = !self.is_over && self.may_try(met);
        self.reopened |= may && self.shown;
        may
    }

    fn may_try(&self, met: Met) -> bool {
        self.tried < MOST && !(met == Met::ByPerson && self.reopened)
    }

    fn tries(&mut self, met: Met) {
        self.tried += 1;
        self.reopened |= met == Met::ByPerson;
        self.found = true;
    }
}

impl Walk<'_> {
    /// The scope to ask this server for: of what was chosen, what it has not refused. What a person chose stays whole.
    pub(super) fn conceded_scope(
        &self,
        record: &Record,
        discovered: &Discovered,
        scope: Option<&str>,
    ) -> Option<String> {
        if self.scope_is_chosen() {
            return scope.map(str::to_owned);
        }
        let demanded = self.job.demanded().unwrap_or_default();
        let is_demanded = |token: &str| demanded.split_ascii_whitespace().any(|known| known == token);
        conceded(record, &discovered.server.issuer).scope(scope?, is_demanded)
    }

    /// The `resource` to name, unless this server refuses any: on every request for these tokens the same (A8).
    pub(super) fn resource(&self, record: &Record, discovered: &Discovered) -> Option<String> {
        let is_refused = self.resource_is_free() && conceded(record, &discovered.server.issuer).no_resource;
        let resource = self.job.settings.authorization.resource(&discovered.resource);
        resource.filter(|_| !is_refused)
    }

    /// Looks for a remedy. True where there is a new one: then the sign-in is to be begun again.
    pub(super) fn heal(
        &self,
        stage: &mut Stage<'_, '_>,
        (discovered, asked): (&Discovered, Asked<'_>),
        refusal: Option<Refusal>,
        (healing, met): (&mut Healing, Met),
    ) -> bool {
        let challenged = self.job.challenge.as_ref().and_then(|challenge| challenge.scope.as_deref());
        let scope = asked.scope.filter(|_| !self.scope_is_chosen());
        let resource = asked.resource && self.resource_is_free();
        let at_home = discovered.is_at_home(self.upstream());
        let asked = Asked { resource, at_home, scope, challenged, demanded: self.job.demanded() };
        let Some(remedy) = refusal.and_then(|refusal| refusal.remedy(&asked)) else { return false };
        let issuer = &discovered.server.issuer;
        if !healing.may_try(met) || !remedy.add_to(&mut stage.record.issuer_mut(issuer).concessions) {
            return false;
        }
        tracing::warn!("`{}` refuses the request: asking again {remedy}", Untrusted::new(issuer.as_str()));
        healing.tries(met);
        true
    }

    /// The same for a redirect URI: the name of loopback is tried for its address. Where that helps no more, the address is
    /// as good, and the person may see what the server says.
    pub(super) fn heal_redirect_uri(&self, stage: &mut Stage<'_, '_>, issuer: &str, healing: &mut Healing) -> bool {
        let concessions = &mut stage.record.issuer_mut(issuer).concessions;
        if !self.redirect_host_is_free() {
            return false;
        }
        match healing.localhost {
            Localhost::Untried if healing.may_try(Met::ByTrial) && Remedy::Localhost.add_to(concessions) => {
                let issuer = Untrusted::new(issuer);
                tracing::warn!("`{issuer}` refuses the redirect URI: asking again {}", Remedy::Localhost);
                healing.localhost = Localhost::Tried;
            }
            Localhost::Tried => {
                concessions.localhost = false;
                healing.localhost = Localhost::InVain;
            }
            _ => return false,
        }
        healing.tries(Met::ByTrial);
        true
    }

    /// Whether the person chose no `resource`, and not to have none.
    pub(super) fn resource_is_free(&self) -> bool {
        self.job.settings.authorization.resource == ResourceChoice::Published
    }

    fn scope_is_chosen(&self) -> bool {
        self.job.settings.scope.is_some() && !self.job.step_up
    }
}

/// What a server was found not to take.
pub(super) fn conceded(record: &Record, issuer: &str) -> Concessions {
    record.issuers.get(issuer).map(|stored| stored.concessions.clone()).unwrap_or_default()
}

/// Asks the authorization endpoint without the person, by a request of its own `state` and PKCE. What is no answer of this
/// server to this request, is none: then the person's will tell.
pub(super) async fn trial(egress: &Egress, url: &Url, redirect_uri: &str, expected: &Expected) -> Trial {
    let Ok(page) = egress.page(url).await else { return Trial::Passes };
    if matches!(page.status(), StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND) {
        return Trial::ErrorPage { about_redirect_uri: speaks_of_redirect_uri(page.body()) };
    }
    let location = page.headers().get(LOCATION).filter(|_| page.status().is_redirection());
    let back = location.and_then(|to| to.to_str().ok()?.strip_prefix(redirect_uri)?.strip_prefix('?'));
    match back.map(|query| authorization::judge(query.split('#').next().unwrap_or_default(), expected)) {
        Some(Err(error)) => Trial::Refused(error),
        _ => Trial::Passes,
    }
}

/// In whatever words: `redirect_uri`, "redirect URI", "redirect URL", "callback URL", or Entra ID's number for it.
fn speaks_of_redirect_uri(page: &[u8]) -> bool {
    let text = String::from_utf8_lossy(page).to_ascii_lowercase();
    ["redirect_uri", "redirect uri", "redirect url", "callback url", "aadsts50011"]
        .iter()
        .any(|words| text.contains(words))
}

/// Whether `prompt=consent` goes with this scope: without it OpenID Connect gives no refresh token (Core §11), and other
/// servers are asked so once they gave none.
pub(super) fn wants_consent(concessions: &Concessions, is_openid: bool, scope: Option<&str>) -> bool {
    let helps = concessions.consent || is_openid && !concessions.consent_in_vain;
    helps && asks_offline(scope)
}

/// Notes whether a refresh token came to a request for offline access. Where none did, the next sign-in asks for consent with
/// it, which OpenID Connect demands; where that was in vain, no more. Nobody is asked twice for it.
pub(super) fn note_refresh_token(
    concessions: &mut Concessions,
    discovered: &Discovered,
    scope: Option<&str>,
    came: bool,
) {
    let server = &discovered.server;
    let is_listed = server.scopes_supported.iter().flatten().any(|token| token == OFFLINE_ACCESS);
    let refreshes =
        server.grant_types_supported.as_ref().is_none_or(|types| types.iter().any(|t| t == "refresh_token"));
    if came || !is_listed || !refreshes || !asks_offline(scope) || concessions.consent_in_vain {
        return;
    }
    if wants_consent(concessions, server.is_openid, scope) {
        (concessions.consent, concessions.consent_in_vain) = (false, true);
    } else {
        let issuer = Untrusted::new(server.issuer.as_str());
        tracing::warn!(
            "`{issuer}` gave no refresh token for `{OFFLINE_ACCESS}`: the next sign-in asks for consent with it"
        );
        concessions.consent = true;
    }
}

fn asks_offline(scope: Option<&str>) -> bool {
    scope.is_some_and(|scope| scope.split_ascii_whitespace().any(|token| token == OFFLINE_ACCESS))
}

#[cfg(test)]
mod tests {
    use super::speaks_of_redirect_uri;

    #[test]
    fn an_error_page_is_about_the_redirect_uri_in_many_words() {
        let table = [
            ("<h1>redirect_uri is not registered</h1>", true),
            ("Invalid Redirect URI", true),
            ("Mismatching redirect URL", true),
            ("AADSTS50011: The reply address does not match", true),
            ("the client is not known", false),
            ("", false),
        ];
        for (page, expected) in table {
            assert_eq!(speaks_of_redirect_uri(page.as_bytes()), expected, "{page}");
        }
    }
}
