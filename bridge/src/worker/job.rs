//! What a bridge wants of the worker: the message that crosses the process wall. Nothing in it is secret.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::credentials::record::{Tokens, unix_now};
use crate::oauth::challenge::BearerChallenge;
use crate::problem::{Code, Problem};
use crate::safe_url::SafeUrl;
use crate::settings::SignInSettings;

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
    /// The challenge's scope is what to ask for, whatever the settings say.
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
}

impl Challenged {
    /// What is needed of a challenge.
    #[must_use]
    pub fn new(challenge: Option<BearerChallenge>, peer: Option<IpAddr>) -> Self {
        let BearerChallenge { resource_metadata, scope, .. } = challenge.unwrap_or_default();
        Challenged { resource_metadata, scope, peer }
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
        self.is_news(tokens) && (self.refused.is_some() || !tokens.needs_refresh(unix_now()))
    }

    /// Whether these are other tokens than the refused ones.
    #[must_use]
    pub fn is_news(&self, tokens: &Tokens) -> bool {
        self.refused.as_ref() != Some(&tokens.fingerprint())
    }
}
