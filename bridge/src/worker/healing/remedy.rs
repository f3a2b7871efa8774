//! What a refusal can be healed by: asking once more without what was refused, or with what was missed. Pure. It must never
//! heal what a person chose, a client that is refused, or anything of PKCE, `state` and `iss`: such a refusal has no remedy.

use std::collections::BTreeSet;
use std::fmt;

use crate::credentials::record::Concessions;
use crate::oauth::authorization::AuthorizationResponseError;
use crate::oauth::token_response::{TokenError, TokenErrorCode};
use crate::untrusted::Untrusted;

/// How Entra ID says that it wants no `resource`.
const ENTRA_RESOURCE: &str = "AADSTS9010010";
/// How Entra ID says that it wants a `scope` on a refresh.
const ENTRA_SCOPE: &str = "AADSTS90009";
/// How servers begin a list of the scopes that they do take.
const ALLOWED: [&str; 8] = [
    "supported scopes are",
    "allowed scopes are",
    "valid scopes are",
    "available scopes are",
    "supported scopes:",
    "allowed scopes:",
    "valid scopes:",
    "must be one of",
];

/// What is to be done otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::worker) enum Remedy {
    /// The redirect URI names `localhost`.
    Localhost,
    /// No `resource`, nowhere.
    NoResource,
    /// No `resource` on a refresh.
    NoResourceOnRefresh,
    /// The scope without these tokens.
    WithoutScope(BTreeSet<String>),
    /// `scope` on a refresh.
    ScopeOnRefresh,
}

/// `error` and `error_description` of a refusal that may have a remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::worker) struct Refusal {
    error: String,
    words: String,
}

/// What was asked for that is nobody's choice, so that it may be left out.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::worker) struct Asked<'a> {
    /// `resource` was sent.
    pub(in crate::worker) resource: bool,
    /// The authorization server is the resource's own: without `resource` its token opens nothing that is another's.
    pub(in crate::worker) at_home: bool,
    /// The scope that was sent.
    pub(in crate::worker) scope: Option<&'a str>,
    /// The scope that the challenge named (A9).
    pub(in crate::worker) challenged: Option<&'a str>,
    /// The scope without which the sign-in is of no use (A16).
    pub(in crate::worker) demanded: Option<&'a str>,
}

impl Remedy {
    /// Adds this to what a server was found not to take. Whether that is news.
    pub(in crate::worker) fn add_to(&self, concessions: &mut Concessions) -> bool {
        let before = concessions.clone();
        match self {
            Remedy::Localhost => concessions.localhost = true,
            Remedy::NoResource => concessions.no_resource = true,
            Remedy::NoResourceOnRefresh => concessions.no_resource_on_refresh = true,
            Remedy::WithoutScope(tokens) => concessions.refused_scope.extend(tokens.iter().cloned()),
            Remedy::ScopeOnRefresh => concessions.scope_on_refresh = true,
        }
        *concessions != before
    }
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Remedy::Localhost => f.write_str("with `localhost` in the redirect URI"),
            Remedy::NoResource | Remedy::NoResourceOnRefresh => f.write_str("without `resource`"),
            Remedy::WithoutScope(tokens) => {
                let tokens = tokens.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
                write!(f, "without the scope `{}`", Untrusted::new(tokens))
            }
            Remedy::ScopeOnRefresh => f.write_str("with `scope`"),
        }
    }
}

impl Refusal {
    /// Of an authorization response, once its `state` and `iss` are right. None where it speaks of the person, the client or
    /// the server's state.
    pub(in crate::worker) fn of_response(error: &AuthorizationResponseError) -> Option<Self> {
        let (AuthorizationResponseError::InvalidScope(words) | AuthorizationResponseError::Refused(words)) = error
        else {
            return None;
        };
        Some(Refusal::new(&words.error, words.description.as_ref()))
    }

    /// Of a token endpoint. None where it speaks of the client or of the grant.
    pub(in crate::worker) fn of_token(error: &TokenError) -> Option<Self> {
        use TokenErrorCode::{InvalidRequest, InvalidScope, InvalidTarget};
        match error {
            TokenError::Refused {
                error: error @ (InvalidRequest | InvalidScope | InvalidTarget), description, ..
            } => Some(Refusal::new(error, description.as_ref())),
            _ => None,
        }
    }

    fn new(error: &dyn fmt::Display, words: Option<&Untrusted>) -> Self {
        Refusal { error: error.to_string(), words: words.map(ToString::to_string).unwrap_or_default() }
    }

    /// What heals a refused authorization, or the exchange of its code.
    pub(in crate::worker) fn remedy(&self, asked: &Asked<'_>) -> Option<Remedy> {
        if self.is_about_resource(asked.at_home) {
            return asked.resource.then_some(Remedy::NoResource);
        }
        if self.error != "invalid_scope" {
            return None;
        }
        let left_out = self.refused_scope(asked)?;
        (!left_out.is_empty()).then_some(Remedy::WithoutScope(left_out))
    }

    /// What heals a refused refresh: whether `resource` was sent and the server is at home, and the scope that could be sent
    /// and was not.
    pub(in crate::worker) fn remedy_of_refresh(
        &self,
        (resource, at_home): (bool, bool),
        scope: Option<&str>,
    ) -> Option<Remedy> {
        if self.is_about_resource(at_home) {
            return resource.then_some(Remedy::NoResourceOnRefresh);
        }
        let names_scope = self.error == "invalid_request" && self.words.to_ascii_lowercase().contains("scope");
        (scope.is_some() && (names_scope || self.has_word(ENTRA_SCOPE))).then_some(Remedy::ScopeOnRefresh)
    }

    /// Whether the server wants no `resource`. That it does not know this one (RFC 8707 §2) is how it keeps a resource from
    /// getting tokens for others: nothing to be healed, but where there are no others. Entra ID knows no parameter of that
    /// name at all.
    fn is_about_resource(&self, at_home: bool) -> bool {
        at_home && self.error == "invalid_target" || self.has_word(ENTRA_RESOURCE)
    }

    fn has_word(&self, wanted: &str) -> bool {
        self.words().any(|word| word == wanted)
    }

    /// The words that may be scope tokens, without what stands around them.
    fn words(&self) -> impl Iterator<Item = &str> {
        let parts = self.words.split(|c: char| c.is_whitespace() || ",;'\"`()[]<>{}".contains(c));
        parts.map(|part| part.trim_end_matches(['.', ':', '!', '?'])).filter(|part| !part.is_empty())
    }

    /// The tokens to leave out: the ones that are named; where none is, those that the challenge did not name; then all. Never
    /// what is demanded.
    fn refused_scope(&self, asked: &Asked<'_>) -> Option<BTreeSet<String>> {
        let is_in = |scope: Option<&str>, token: &str| {
            scope.is_some_and(|scope| scope.split_ascii_whitespace().any(|known| known == token))
        };
        let free: Vec<&str> =
            asked.scope?.split_ascii_whitespace().filter(|token| !is_in(asked.demanded, token)).collect();
        let lower = self.words.to_ascii_lowercase();
        // "invalid scopes: a" is no list of valid ones.
        let is_whole = |at: usize| !lower[..at].ends_with(char::is_alphanumeric);
        let lists_allowed = ALLOWED.iter().any(|words| lower.match_indices(words).any(|(at, _)| is_whole(at)));
        let is_named = |token: &str| self.has_word(token);
        let names_any = asked.scope?.split_ascii_whitespace().any(is_named);
        let left_out: BTreeSet<&str> = match () {
            () if names_any && lists_allowed => free.iter().copied().filter(|token| !is_named(token)).collect(),
            () if names_any => free.iter().copied().filter(|token| is_named(token)).collect(),
            () => free.iter().copied().filter(|token| !is_in(asked.challenged, token)).collect(),
        };
        let left_out = if left_out.is_empty() { free.into_iter().collect() } else { left_out };
        Some(left_out.into_iter().map(str::to_owned).collect())
    }
}

#[cfg(test)]
mod tests;
