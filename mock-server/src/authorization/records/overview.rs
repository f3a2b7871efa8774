//! The records as a person may see them: who is registered and which grants live. Of a token only the first six
//! characters leave this file.

use std::time::SystemTime;

use super::{Client, FamilyId, Grant, Records};

/// How many characters of a token may be seen.
const VISIBLE: usize = 6;

/// A grant with its tokens that still count.
#[derive(Clone, Debug)]
pub(crate) struct LiveGrant {
    pub(crate) grant: Grant,
    /// Its access tokens, the one that lives longest first.
    pub(crate) access: Vec<LiveToken>,
    /// Its refresh tokens, likewise.
    pub(crate) refresh: Vec<LiveToken>,
}

/// The beginning of a token, or of a JWT's `jti`, and its end in time.
#[derive(Clone, Debug)]
pub(crate) struct LiveToken {
    pub(crate) beginning: String,
    pub(crate) expires_at: SystemTime,
}

impl LiveToken {
    fn new(text: &str, expires_at: SystemTime) -> Self {
        LiveToken { beginning: text.chars().take(VISIBLE).collect(), expires_at }
    }
}

impl Records {
    /// Every client, by its id.
    pub(crate) fn clients(&self) -> Vec<&Client> {
        let mut clients = self.clients.values().collect::<Vec<_>>();
        clients.sort_by(|a, b| a.id.cmp(&b.id));
        clients
    }

    /// Every grant with a token that still counts, the newest first.
    pub(crate) fn live_grants(&self, now: SystemTime) -> Vec<LiveGrant> {
        let families = self.families.iter().enumerate().rev().filter(|(_, family)| !family.revoked);
        let grants = families.map(|(number, family)| LiveGrant {
            grant: family.grant.clone(),
            access: self.live_access(FamilyId(number), now),
            refresh: self.live_refresh(FamilyId(number), now),
        });
        grants.filter(|live| !live.access.is_empty() || !live.refresh.is_empty()).collect()
    }

    fn live_access(&self, family: FamilyId, now: SystemTime) -> Vec<LiveToken> {
        let tokens = self.access.iter().filter(|(_, token)| token.family == family && token.ended.is_none());
        latest_first(tokens.map(|(jti, token)| LiveToken::new(jti, token.expires_at)), now)
    }

    fn live_refresh(&self, family: FamilyId, now: SystemTime) -> Vec<LiveToken> {
        let tokens = self.refresh.iter();
        let tokens = tokens.filter(|(_, token)| token.family == family && !token.spent && !token.revoked);
        latest_first(tokens.map(|(text, token)| LiveToken::new(text, token.expires_at)), now)
    }
}

fn latest_first(tokens: impl Iterator<Item = LiveToken>, now: SystemTime) -> Vec<LiveToken> {
    let mut tokens = tokens.filter(|token| token.expires_at > now).collect::<Vec<_>>();
    tokens.sort_by_key(|token| std::cmp::Reverse(token.expires_at));
    tokens
}
