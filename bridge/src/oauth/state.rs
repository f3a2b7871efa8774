//! The `state` of one authorization (RFC 6749 §10.12): random, used once, compared in constant time. It must never be
//! shown: who knows it can end a sign-in. Its siblings are `pkce` and `dpop`; the three are the only places with randomness.

use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use crate::problem::Code;
use crate::secret::Secret;

/// A `state` value: 43 characters out of 32 random bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State(pub Secret);

impl State {
    /// A new one.
    pub fn generate() -> Result<Self, RandomError> {
        random_text().map(State)
    }

    /// Whether `text` is this state, compared in constant time.
    #[must_use]
    pub fn is(&self, text: &str) -> bool {
        self.0 == Secret::new(text)
    }
}

/// 32 random bytes as 43 characters of base64url (RFC 7636 §4.1).
pub(super) fn random_text() -> Result<Secret, RandomError> {
    let mut bytes = Zeroizing::new([0; 32]);
    rand::fill(bytes.as_mut_slice()).map_err(|_| RandomError)?;
    Ok(Secret::new(URL_SAFE_NO_PAD.encode(bytes.as_slice())))
}

/// The system has no randomness.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no random bytes")]
pub struct RandomError;

impl RandomError {
    /// The stable name.
    #[must_use]
    pub fn code(&self) -> Code {
        Code::Internal
    }

    /// What the person can do.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        "check that this machine has a working source of random numbers"
    }
}

#[cfg(test)]
mod tests {
    use super::State;
    use crate::secret::Secret;
    use std::collections::HashSet;

    #[test]
    fn ten_thousand_states_all_differ() {
        let states: HashSet<String> = (0..10_000).map(|_| State::generate().unwrap().0.expose().to_owned()).collect();
        assert_eq!(states.len(), 10_000);
        assert!(states.iter().all(|state| state.len() == 43));
    }

    #[test]
    fn a_state_is_only_itself() {
        let state = State(Secret::new("abc"));
        assert!(state.is("abc") && !state.is("abd") && !state.is("") && !state.is("abcd"));
    }

    #[test]
    fn a_state_is_not_shown() {
        assert!(!format!("{:?}", State(Secret::new("hunter2"))).contains("hunter2"));
    }
}
