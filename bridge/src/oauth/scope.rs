//! Scope (RFC 6749 §3.3): a bounded list of well-formed tokens, and which one is asked for (A8, A9). Whatever a server
//! sends, no odd character and no more than 256 tokens of it go out again. It must never know what a scope means.

use std::fmt;

use crate::problem::Code;
use crate::untrusted::Untrusted;

/// How many tokens a scope may have; of a server's longer one the first are kept.
pub const MAX_TOKENS: usize = 256;
/// How long a scope may be, in bytes; of a server's longer one the first tokens are kept.
pub const MAX_LENGTH: usize = 4096;

/// The scope for refresh tokens (OpenID Connect Core §11).
pub const OFFLINE_ACCESS: &str = "offline_access";

/// A scope that is not empty: tokens in order, each once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope(Vec<String>);

impl Scope {
    /// A scope that the person typed: every token must be well-formed.
    pub fn parse(text: &str) -> Result<Self, ScopeError> {
        if let Some(token) = text.split(' ').find(|token| !token.is_empty() && !is_token(token)) {
            return Err(ScopeError::Character(Untrusted::new(token)));
        }
        let count = text.split(' ').filter(|token| !token.is_empty()).count();
        if count > MAX_TOKENS || text.len() > MAX_LENGTH {
            return Err(ScopeError::TooLong { tokens: count, bytes: text.len() });
        }
        Scope::from_server(text.split(' ')).ok_or(ScopeError::Empty)
    }

    /// What a server listed: tokens that are not well-formed, repeated or past the bounds are left out. None if nothing
    /// remains.
    pub fn from_server<'a>(tokens: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let mut kept: Vec<String> = Vec::new();
        let mut length = 0;
        for token in tokens {
            length += token.len() + 1;
            if kept.len() == MAX_TOKENS || length > MAX_LENGTH {
                break;
            }
            if is_token(token) && !kept.iter().any(|known| known == token) {
                kept.push(token.to_owned());
            }
        }
        (!kept.is_empty()).then_some(Scope(kept))
    }

    /// This scope with `offline_access` in it, if the authorization server's `scopes_supported` lists it (A8).
    #[must_use]
    pub fn with_offline_access(mut self, server_scopes: Option<&[String]>) -> Self {
        let is_listed = server_scopes.is_some_and(|listed| listed.iter().any(|token| token == OFFLINE_ACCESS));
        if is_listed && !self.0.iter().any(|token| token == OFFLINE_ACCESS) {
            self.0.push(OFFLINE_ACCESS.to_owned());
        }
        self
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

/// The scope to ask for (A9, MCP's scope selection strategy): the person's; else the challenge's, as it came; else the
/// resource's `scopes_supported`; else none, and then the parameter is left out. `offline_access` joins any but none.
#[must_use]
pub fn choose(
    flag: Option<&Scope>,
    challenge: Option<&str>,
    resource_scopes: Option<&[String]>,
    server_scopes: Option<&[String]>,
) -> Option<Scope> {
    let chosen = flag.cloned();
    let chosen = chosen.or_else(|| Scope::from_server(challenge?.split_ascii_whitespace()));
    let chosen = chosen.or_else(|| Scope::from_server(resource_scopes?.iter().map(String::as_str)));
    chosen.map(|scope| scope.with_offline_access(server_scopes))
}

/// The scope that asks for an ID token.
const OPENID: &str = "openid";

/// A scope and `openid`, without which no ID token comes (OpenID Connect Core §3.1.2.1).
#[must_use]
pub fn with_openid(scope: Option<&str>) -> String {
    match scope {
        Some(scope) if scope.split_ascii_whitespace().any(|token| token == OPENID) => scope.to_owned(),
        Some(scope) => format!("{OPENID} {scope}"),
        None => OPENID.to_owned(),
    }
}

/// `scope-token` of RFC 6749 §3.3.
fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
}

/// Why a scope that the person typed is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are what the message shows")]
pub enum ScopeError {
    /// A character that RFC 6749 §3.3 does not allow.
    #[error("`{0}` is no scope: only visible ASCII characters other than `\"` and `\\` are allowed")]
    Character(Untrusted),
    /// Past the bounds.
    #[error("the scope has {tokens} tokens in {bytes} bytes; at most {MAX_TOKENS} in {MAX_LENGTH} are accepted")]
    TooLong { tokens: usize, bytes: usize },
    /// Nothing in it.
    #[error("the scope is empty")]
    Empty,
}

impl ScopeError {
    /// The stable name.
    #[must_use]
    pub fn code(&self) -> Code {
        Code::InvalidSetting
    }

    /// What the person can do.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        "give scopes separated by blanks, as in `--scope \"files:read files:write\"`, or leave `--scope` out"
    }
}

#[cfg(test)]
mod tests {
    use super::{MAX_LENGTH, MAX_TOKENS, Scope, ScopeError, choose};

    fn listed(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn openid_joins_whatever_scope_there_is_once() {
        for (scope, expected) in [(None, "openid"), (Some("a b"), "openid a b"), (Some("a openid"), "a openid")] {
            assert_eq!(super::with_openid(scope), expected, "{scope:?}");
        }
    }

    mod rfc6749_3_3 {
        use super::*;

        #[test]
        fn a_typed_scope_keeps_its_order_and_each_token_once() {
            assert_eq!(Scope::parse(" b  a b ").unwrap().to_string(), "b a");
        }

        #[test]
        fn a_typed_scope_with_a_forbidden_character_is_refused() {
            for text in ["a\"b", "a\\b", "a\nb", "a\tb", "ä", "a\u{7f}"] {
                assert!(matches!(Scope::parse(text), Err(ScopeError::Character(_))), "{text:?}");
            }
            assert_eq!(Scope::parse("  "), Err(ScopeError::Empty));
            assert!(matches!(Scope::parse(&"a ".repeat(10_000)), Err(ScopeError::TooLong { .. })));
        }

        #[test]
        fn a_servers_forbidden_tokens_are_left_out() {
            let scope = Scope::from_server(["a", "b\"", "c\r\nX: y", "", "ü", "d"]).unwrap();
            assert_eq!(scope.to_string(), "a d");
            assert_eq!(Scope::from_server(["\n"]), None);
        }

        #[test]
        fn ten_thousand_scopes_of_a_server_are_cut() {
            let many: Vec<String> = (0..10_000).map(|n| format!("s{n}")).collect();
            let scope = Scope::from_server(many.iter().map(String::as_str)).unwrap();
            assert_eq!(scope.0.len(), MAX_TOKENS);
            assert_eq!(Scope::from_server([&*"a".repeat(MAX_LENGTH + 1)]), None);
        }
    }

    mod mcp_scope_selection_strategy {
        use super::*;

        #[test]
        fn the_flag_wins_then_the_challenge_then_the_resource_then_none() {
            let flag = Scope::parse("flag").unwrap();
            let resource = listed("r1 r2");
            let table = [
                ("flag", Some(&flag), Some("c"), Some(resource.as_slice()), Some("flag")),
                ("challenge", None, Some("c1 c2"), Some(&resource), Some("c1 c2")),
                ("challenge with odd blanks", None, Some(" c1\t c2 "), Some(&resource), Some("c1 c2")),
                ("an empty challenge", None, Some(" "), Some(&resource), Some("r1 r2")),
                ("resource", None, None, Some(&resource), Some("r1 r2")),
                ("an empty resource", None, None, Some(&[]), None),
                ("nothing", None, None, None, None),
            ];
            for (name, flag, challenge, resource, expected) in table {
                let chosen = choose(flag, challenge, resource, None).map(|scope| scope.to_string());
                assert_eq!(chosen.as_deref(), expected, "{name}");
            }
        }
    }

    mod a8 {
        use super::*;

        #[test]
        fn offline_access_joins_a_scope_that_is_sent_if_the_authorization_server_lists_it() {
            let offers = listed("openid offline_access");
            let table = [
                ("joins", Some("a"), Some(offers.as_slice()), Some("a offline_access")),
                ("is there already", Some("offline_access a"), Some(&offers), Some("offline_access a")),
                ("is not listed", Some("a"), Some(&[]), Some("a")),
                ("nothing is published", Some("a"), None, Some("a")),
                ("no scope is sent", None, Some(&offers), None),
            ];
            for (name, challenge, server, expected) in table {
                let chosen = choose(None, challenge, None, server).map(|scope| scope.to_string());
                assert_eq!(chosen.as_deref(), expected, "{name}");
            }
        }
    }
}
