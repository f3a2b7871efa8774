//! What an authorization server was found not to take of an honest request, or to need besides: each found by a refusal,
//! once, and kept under its issuer. Nothing here lets go of PKCE, `state` or `iss`. It must never know how a refusal reads:
//! `worker::healing` judges that.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::Extra;

/// How an authorization server is asked otherwise than the specification has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Concessions {
    /// The redirect URI names `localhost`, not 127.0.0.1 (RFC 8252 §8.3): the latter was refused.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub localhost: bool,
    /// No `resource` is sent (RFC 8707), nowhere: the authorization was refused for it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub no_resource: bool,
    /// No `resource` is sent on a refresh.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub no_resource_on_refresh: bool,
    /// Scope tokens that are not asked for: they were refused.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub refused_scope: BTreeSet<String>,
    /// `prompt=consent` goes with `offline_access` (OpenID Connect Core §11): without it no refresh token came.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub consent: bool,
    /// `consent` was tried, and brought no refresh token either.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub consent_in_vain: bool,
    /// `scope` is sent on a refresh (RFC 6749 §6): without it that was refused.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub scope_on_refresh: bool,
    /// Fields of a newer version.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Concessions {
    /// Whether the server is asked as the specification has it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Concessions::default()
    }

    /// What is left of a scope; `keep` are tokens that are demanded now, whatever was refused once. `None` if nothing is.
    #[must_use]
    pub fn scope(&self, asked: &str, keep: impl Fn(&str) -> bool) -> Option<String> {
        let is_left = |token: &&str| keep(token) || !self.refused_scope.contains(*token);
        let left: Vec<&str> = asked.split_ascii_whitespace().filter(is_left).collect();
        (!left.is_empty()).then(|| left.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::Concessions;

    #[test]
    fn a_server_that_takes_everything_leaves_no_trace_in_the_record() {
        assert_eq!(serde_json::to_string(&Concessions::default()).unwrap(), "{}");
        assert!(serde_json::from_str::<Concessions>("{}").unwrap().is_empty());
    }

    #[test]
    fn what_is_left_of_a_scope_is_what_was_not_refused_or_is_demanded_now() {
        let refused = Concessions { refused_scope: ["b".to_owned()].into(), ..Concessions::default() };
        let all = ["a", "b", "c"].map(str::to_owned).into();
        let none = Concessions { refused_scope: all, ..Concessions::default() };
        let table = [
            ("nothing was refused", &Concessions::default(), "", Some("a b c")),
            ("one was refused", &refused, "", Some("a c")),
            ("it is demanded now", &refused, "b", Some("a b c")),
            ("all were refused", &none, "", None),
            ("one of these is demanded now", &none, "b", Some("b")),
        ];
        for (name, concessions, keep, left) in table {
            assert_eq!(concessions.scope("a b c", |token| token == keep).as_deref(), left, "{name}");
        }
    }
}
