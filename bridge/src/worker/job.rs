//! What a bridge wants of the worker: the message that crosses the process wall. Nothing in it is secret but the
//! password that a proxy's URL may have.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::credentials::record::{Tokens, unix_now};
use crate::credentials::sign_in::Aim;
use crate::oauth::challenge::BearerChallenge;
use crate::oauth::dpop::DpopKey;
use crate::problem::{Code, Problem};
use crate::safe_url::SafeUrl;
use crate::settings::{DpopChoice, SignInSettings};

/// A wish for a token.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Job {
    /// How to sign in.
    pub settings: SignInSettings,
    /// The fingerprint of the token that will not do; anything else in the store does.
    pub refused: Option<String>,
    /// What the upstream said to it; `None` where it was not asked, and then no person is.
    pub challenge: Option<Challenged>,
    /// A refresh has been tried and did not help.
    pub skip_refresh: bool,
    /// The challenge's scope is what the tokens lack: it is asked for with what was granted, whatever the settings say.
    #[serde(default)]
    pub step_up: bool,
    /// Only a sign-in at another issuer than the one in use could help: its tokens are rejected although they are fresh.
    #[serde(default)]
    pub other_issuer_only: bool,
    /// A person may be asked.
    pub interactive: bool,
    /// The last attempt that the bridge knew of: one that ended since did this job, or failed at it.
    #[serde(default)]
    pub seen_attempt: Option<String>,
    /// A person waits at a terminal: a refresh that fails for whatever reason is followed by a sign-in.
    pub at_terminal: bool,
}

/// What a 401 said (RFC 6750 §3, RFC 9728 §5.1).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Challenged {
    /// Where the resource's metadata is.
    pub resource_metadata: Option<String>,
    /// The scope that is demanded.
    pub scope: Option<String>,
    /// The address that the upstream had: how far its metadata may lead is judged by it (A19).
    pub peer: Option<IpAddr>,
    /// Tokens are to be bound: it was a DPoP challenge (RFC 9449 §7.1).
    #[serde(default)]
    pub wants_dpop: bool,
}

impl Challenged {
    /// What is needed of a challenge.
    #[must_use]
    pub fn new(challenge: Option<BearerChallenge>, peer: Option<IpAddr>) -> Self {
        let BearerChallenge { resource_metadata, scope, wants_dpop, .. } = challenge.unwrap_or_default();
        Challenged { resource_metadata, scope, peer, wants_dpop }
    }
}

impl Job {
    /// The wish for any token at all, with a person to ask.
    #[must_use]
    pub fn new(settings: SignInSettings) -> Self {
        Job {
            settings,
            refused: None,
            challenge: None,
            skip_refresh: false,
            step_up: false,
            other_issuer_only: false,
            interactive: true,
            seen_attempt: None,
            at_terminal: false,
        }
    }

    /// Whether a person may be asked, and it is known how.
    #[must_use]
    pub fn may_ask(&self) -> bool {
        self.interactive && self.challenge.is_some()
    }

    /// What to say of an upstream that rejects what its own authorization server has issued.
    #[must_use]
    pub fn rejected(&self, what: &str) -> Problem {
        let upstream = SafeUrl::new(&self.settings.upstream);
        let command = self.settings.login_command();
        let hint =
            format!("ask the server's operator whether this account has access; `{command} --force` signs in anew");
        Problem::new(Code::TokenRejected, format!("`{upstream}` rejects {what} (401)"), hint).at(upstream)
    }

    /// What to say where a person is needed and may not be asked now.
    #[must_use]
    pub fn sign_in_needed(&self) -> Problem {
        let upstream = SafeUrl::new(&self.settings.upstream);
        let (what, hint) =
            (format!("`{upstream}` asks for a sign-in"), format!("run `{}`", self.settings.login_command()));
        Problem::new(Code::SignInNeeded, what, hint).at(upstream)
    }

    /// Whether there is nothing to do. A bridge wants others than it has, and sees for itself when they end; a person at a
    /// terminal wants good ones.
    #[must_use]
    pub fn is_satisfied_by(&self, tokens: &Tokens) -> bool {
        self.is_news(tokens)
            && self.is_covered_by(tokens)
            && (self.refused.is_some() || !tokens.needs_refresh(unix_now()))
    }

    /// What a step-up is for: tokens without it do not help, however new they are.
    #[must_use]
    pub fn demanded(&self) -> Option<&str> {
        self.challenge.as_ref().filter(|_| self.step_up)?.scope.as_deref()
    }

    /// What an attempt at this is for.
    #[must_use]
    pub fn aim(&self) -> Aim {
        match self.demanded() {
            Some(scope) => Aim::Scope(scope.to_owned()),
            None if self.skip_refresh => Aim::SignIn,
            None => Aim::Token,
        }
    }

    /// Whether the failure of an attempt for `aim` is one of this wish too, given whether a refresh could fulfil it. Who said
    /// no to more scope has said nothing of the token at hand.
    #[must_use]
    pub fn shares_failure(&self, aim: &Aim, can_refresh: bool) -> bool {
        match (self.aim(), aim) {
            (Aim::Scope(ours), Aim::Scope(theirs)) => ours == *theirs,
            (Aim::Scope(_), _) | (_, Aim::Scope(_)) => false,
            (Aim::Token, Aim::SignIn) => !can_refresh,
            (Aim::Token | Aim::SignIn, _) => true,
        }
    }

    /// Whether these tokens have the scope that a step-up is for, and are bound or not as the person wants it.
    #[must_use]
    pub fn is_covered_by(&self, tokens: &Tokens) -> bool {
        self.demanded().is_none_or(|scope| tokens.has_scope(scope)) && is_as_chosen(tokens, self.settings.dpop)
    }

    /// Whether these are other tokens than the refused ones.
    #[must_use]
    pub fn is_news(&self, tokens: &Tokens) -> bool {
        self.refused.as_ref() != Some(&tokens.fingerprint())
    }
}

/// Whether these tokens are bound by DPoP, or are not, as the person wants it; with a damaged key they are of no use.
#[must_use]
pub fn is_as_chosen(tokens: &Tokens, choice: DpopChoice) -> bool {
    match (choice, tokens.private_key()) {
        (DpopChoice::Always, None) | (DpopChoice::Never, Some(_)) => false,
        (_, Some(key)) => DpopKey::from_pkcs8(key).is_ok(),
        (_, None) => true,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use crate::credentials::record::{Extra, Tokens};
    use crate::secret::Secret;
    use crate::settings::{GrantType, KnownClient, LogSettings, NetworkSettings};

    use super::*;

    /// A wish of a bridge whose token was refused, or lacks a scope.
    pub(crate) fn job(scope: Option<&str>) -> Job {
        let settings = SignInSettings {
            upstream: "https://mcp.example.com/mcp".parse().unwrap(),
            state_dir: std::path::PathBuf::new(),
            credential_store: None,
            state_dir_named: false,
            server: None,
            config: None,
            profile: String::new(),
            scope: None,
            issuer: None,
            client_name: String::new(),
            client: KnownClient::default(),
            grant: None,
            authorization: crate::settings::AuthorizationSettings::default(),
            machine: crate::settings::MachineSettings::default(),
            use_id_token: false,
            callback_port: None,
            timeout: std::time::Duration::ZERO,
            no_browser: false,
            allow_http: false,
            allow_missing_pkce: false,
            dpop: crate::settings::DpopChoice::Auto,
            network: NetworkSettings::default(),
            log: LogSettings { level: String::new(), file: None },
        };
        let challenge = Some(Challenged { scope: Some(scope.unwrap_or("a").to_owned()), ..Challenged::default() });
        let refused = Some("old".to_owned());
        Job { refused, challenge, step_up: scope.is_some(), skip_refresh: scope.is_some(), ..Job::new(settings) }
    }

    fn tokens(scope: Option<&str>) -> Tokens {
        Tokens {
            access_token: Secret::new("at"),
            resource: None,
            token_type: "Bearer".to_owned(),
            obtained_at: 100,
            expires_at: None,
            signed_in_at: 100,
            refreshed: true,
            refresh_token: None,
            scope: scope.map(str::to_owned),
            grant: GrantType::default(),
            token_endpoint: "https://as.example/token".to_owned(),
            dpop: None,
            extra: Extra::default(),
        }
    }

    #[test]
    fn a17_a_failure_is_shared_by_those_who_want_the_same() {
        let (token, more) = (job(None), job(Some("a c")));
        let sign_in = Job { skip_refresh: true, ..job(None) };
        let table = [
            (&token, token.aim(), true, true),
            (&token, sign_in.aim(), true, false),
            (&token, sign_in.aim(), false, true),
            (&token, more.aim(), true, false),
            (&sign_in, token.aim(), true, true),
            (&sign_in, sign_in.aim(), true, true),
            (&sign_in, more.aim(), true, false),
            (&more, more.aim(), true, true),
            (&more, Aim::Scope("b".to_owned()), true, false),
            (&more, token.aim(), true, false),
        ];
        for (job, aim, can_refresh, shares) in table {
            assert_eq!(job.shares_failure(&aim, can_refresh), shares, "{:?} {aim:?} {can_refresh}", job.aim());
        }
    }

    #[test]
    fn a16_newer_tokens_without_the_scope_do_not_satisfy_a_step_up() {
        let table = [(Some("a"), false), (None, false), (Some("abc b"), false), (Some("b c a"), true)];
        for (granted, enough) in table {
            assert_eq!(job(Some("a c")).is_satisfied_by(&tokens(granted)), enough, "{granted:?}");
            assert!(job(None).is_satisfied_by(&tokens(granted)), "{granted:?}");
        }
    }
}
