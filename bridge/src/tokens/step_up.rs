//! Step-up (A16): a 403 `insufficient_scope` is answered by a sign-in for what was granted so far and what is demanded now,
//! bounded for a message and for all. Pure; the pass asks, the worker signs in.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// How many authorizations one message may cause, the first included.
pub(super) const MAX_AUTHORIZATIONS: u32 = 3;
/// How long scopes that were signed in for in vain are not asked for again.
const IN_VAIN: Duration = Duration::from_secs(300);

/// What was signed in for in vain, and when.
#[derive(Debug, Default)]
pub(super) struct InVain(Vec<(String, Instant)>);

impl InVain {
    /// Notes that a token from an authorization for this scope was refused for it.
    pub(super) fn note(&mut self, scope: &str) {
        self.forget_old();
        self.0.push((scope.to_owned(), Instant::now()));
    }

    /// Whether this scope was in vain a moment ago.
    pub(super) fn has(&mut self, scope: &str) -> bool {
        self.forget_old();
        self.0.iter().any(|(known, _)| known == scope)
    }

    fn forget_old(&mut self) {
        self.0.retain(|(_, at)| at.elapsed() < IN_VAIN);
    }
}

/// A scope as it is compared and remembered: each token once, in order.
pub(super) fn in_order(scope: &str) -> String {
    let tokens: BTreeSet<&str> = scope.split_ascii_whitespace().collect();
    tokens.into_iter().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a16_a_scope_is_the_same_however_it_is_written() {
        assert_eq!(in_order(" c a  b a"), "a b c");
        assert_eq!(in_order(" "), "");
    }

    #[test]
    fn a16_what_was_in_vain_is_remembered() {
        let mut in_vain = InVain::default();
        assert!(!in_vain.has("a b"));
        in_vain.note("a b");
        assert!(in_vain.has("a b") && !in_vain.has("a"));
    }
}
