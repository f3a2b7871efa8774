//! A sign-in or refresh under way, as its worker tells the bridges that wait: where it stands, the URL for a person whose
//! browser did not open, and at last how it ended. Lies beside the record. Not proof of life: that is the lock.

use std::fmt;

use aws_lc_rs::rand;
use serde::{Deserialize, Serialize};

use crate::problem::Problem;
use crate::safe_url::SafeUrl;

/// The version that is written; another is read as no sign-in.
const VERSION: u64 = 1;

/// A sign-in or refresh.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignIn {
    /// The format.
    version: u64,
    /// Random; another attempt has another.
    pub attempt: String,
    /// The worker's process, for a person to find.
    pub pid: u32,
    /// When it began, in Unix seconds.
    pub started_at: u64,
    /// When the worker gives up, in Unix seconds.
    pub expires_at: u64,
    /// The URL that the browser was sent to; holds `state`, so it is shown to the person and to nobody else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization_url: Option<String>,
    /// The code that the person enters there (RFC 8628 §3.3), where that is the way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_code: Option<String>,
    /// A browser was opened with the URL.
    #[serde(default)]
    pub in_browser: bool,
    /// Where it stands.
    pub state: Phase,
    /// What it is for.
    #[serde(default)]
    pub aim: Aim,
    /// How it ended; none while it goes on or if its worker died.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
}

/// Where a sign-in stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Metadata is read and the client registered.
    Discovering,
    /// The browser is open.
    WaitingForPerson,
    /// The code is exchanged for tokens.
    Exchanging,
    /// A refresh token is exchanged; no person is needed.
    Refreshing,
}

/// What an attempt is for: how it ends says nothing to those who want something else.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aim {
    /// Any token: by a refresh, or else by a sign-in.
    #[default]
    Token,
    /// A sign-in, whether or not a refresh would do.
    SignIn,
    /// A sign-in for this further scope.
    Scope(String),
}

/// How a sign-in ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// New tokens are in the record.
    Done,
    /// There are none, and why.
    Failed(Problem),
}

impl SignIn {
    /// An attempt of this process that begins `now` and gives up at `expires_at`, both in Unix seconds.
    #[must_use]
    pub fn begin(state: Phase, now: u64, expires_at: u64) -> SignIn {
        SignIn {
            version: VERSION,
            attempt: random_id(),
            pid: std::process::id(),
            started_at: now,
            expires_at,
            authorization_url: None,
            user_code: None,
            in_browser: false,
            state,
            aim: Aim::default(),
            outcome: None,
        }
    }

    /// Reads one; torn bytes and another version's are none.
    pub(super) fn from_json(json: &[u8]) -> Option<SignIn> {
        serde_json::from_slice(json).ok().filter(|sign_in: &SignIn| sign_in.version == VERSION)
    }

    pub(super) fn to_json(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec_pretty(self)
    }
}

impl fmt::Debug for SignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignIn")
            .field("attempt", &self.attempt)
            .field("pid", &self.pid)
            .field("started_at", &self.started_at)
            .field("expires_at", &self.expires_at)
            .field("authorization_url", &self.authorization_url.as_deref().map(SafeUrl::from_text))
            .field("state", &self.state)
            .field("aim", &self.aim)
            .field("outcome", &self.outcome)
            .finish_non_exhaustive()
    }
}

fn random_id() -> String {
    let mut bytes = [0; 16];
    // Without random bytes an attempt is still told from the one before it by process and time.
    let _ = rand::fill(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::{Outcome, Phase, SignIn};
    use crate::problem::{Code, Problem};

    #[test]
    fn a_sign_in_and_its_outcome_come_back() {
        let mut sign_in = SignIn::begin(Phase::WaitingForPerson, 100, 400);
        for outcome in [None, Some(Outcome::Done), Some(Outcome::Failed(Problem::new(Code::SignInDenied, "no", "ask")))]
        {
            sign_in.outcome = outcome;
            assert_eq!(SignIn::from_json(&sign_in.to_json().unwrap()), Some(sign_in.clone()));
        }
    }

    #[test]
    fn two_attempts_differ() {
        let begin = || SignIn::begin(Phase::Refreshing, 100, 400).attempt;
        assert_ne!(begin(), begin());
    }

    #[test]
    fn torn_and_foreign_bytes_are_no_sign_in() {
        let whole = SignIn::begin(Phase::Discovering, 100, 400).to_json().unwrap();
        let newer = String::from_utf8(whole.clone()).unwrap().replace("\"version\": 1", "\"version\": 2");
        let cases: &[(&str, &[u8])] =
            &[("empty", b""), ("torn", &whole[..whole.len() / 2]), ("foreign", b"{}"), ("newer", newer.as_bytes())];
        for (name, json) in cases {
            assert_eq!(SignIn::from_json(json), None, "{name}");
        }
    }

    #[test]
    fn the_state_in_the_authorization_url_is_not_shown() {
        let mut sign_in = SignIn::begin(Phase::WaitingForPerson, 100, 400);
        sign_in.authorization_url = Some("https://as.example/authorize?state=s3cret".to_owned());
        assert!(!format!("{sign_in:?}").contains("s3cret"));
    }
}
