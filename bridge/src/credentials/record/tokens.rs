//! Tokens as they lie on disk, and what their times say. Must never know how they are got or used.

use std::collections::BTreeSet;

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};

use super::{Extra, to_disk, to_disk_if_any};
use crate::secret::Secret;
use crate::settings::GrantType;

/// The longest time before its end that a token is refreshed (A14), in seconds.
const LONGEST_SKEW: u64 = 60;

/// Tokens (RFC 6749 §5.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    /// The access token.
    #[serde(serialize_with = "to_disk")]
    pub access_token: Secret,
    /// What they are for, the `resource` that was sent (RFC 8707); as discovered where it is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    /// Its type, as the server spelled it.
    pub token_type: String,
    /// When it came, in Unix seconds.
    pub obtained_at: u64,
    /// When it ends, in Unix seconds; absent if the server did not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<u64>,
    /// When a person signed in for them, in Unix seconds; refreshes carry it on.
    #[serde(default)]
    pub signed_in_at: u64,
    /// A refresh token brought them, not a person.
    #[serde(default)]
    pub refreshed: bool,
    /// The refresh token.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "to_disk_if_any")]
    pub refresh_token: Option<Secret>,
    /// The scope granted; absent if neither asked for nor told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// How they were got.
    #[serde(default, skip_serializing_if = "GrantType::is_default")]
    pub grant: GrantType,
    /// The endpoint that issued them; they are refreshed nowhere else.
    pub token_endpoint: String,
    /// The key that they are bound to, where DPoP was asked for (RFC 9449).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dpop: Option<DpopBinding>,
    /// Fields of a newer version.
    #[serde(flatten)]
    pub extra: Extra,
}

/// The key that tokens are bound to (RFC 9449), and what the authorization server wants in its next proof.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DpopBinding {
    /// The private key: PKCS#8 in base64url.
    #[serde(serialize_with = "to_disk")]
    pub private_key: Secret,
    /// The latest nonce of the authorization server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
    /// Fields of a newer version.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Tokens {
    /// Whether the access token is of use with a proof only (RFC 9449 §7.1). A server that answered Bearer to one bound
    /// nothing, though the key is kept for the refresh token.
    #[must_use]
    pub fn is_bound(&self) -> bool {
        self.private_key().is_some()
    }

    /// The private key that the access token is bound to, if it is.
    #[must_use]
    pub fn private_key(&self) -> Option<&Secret> {
        let binding = self.dpop.as_ref().filter(|_| self.token_type.eq_ignore_ascii_case("dpop"));
        binding.map(|binding| &binding.private_key)
    }

    /// Tells this access token from others without showing it.
    #[must_use]
    pub fn access_fingerprint(&self) -> String {
        let hash = digest::digest(&digest::SHA256, self.access_token.expose().as_bytes());
        hash.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Tells these tokens from others without showing them: 16 hex digits of a SHA-256. A server may hand out the same
    /// access token again; then its times tell.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let mut hash = digest::Context::new(&digest::SHA256);
        hash.update(self.access_token.expose().as_bytes());
        hash.update(&[0]);
        hash.update(self.refresh_token.as_ref().map_or("", Secret::expose).as_bytes());
        hash.update(&self.obtained_at.to_be_bytes());
        hash.update(&self.expires_at.unwrap_or_default().to_be_bytes());
        hash.finish().as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether there can be others without a person: by a refresh, or by the grant that brought these.
    #[must_use]
    pub fn is_renewable(&self) -> bool {
        self.refresh_token.is_some() || self.grant.is_machine()
    }

    /// Whether the access token ends so soon that it should be refreshed first: within a tenth of its lifetime, at most
    /// 60 s (A14). Unknown counts as no: also when the clock stands before the token came, for then it was set back.
    #[must_use]
    pub fn needs_refresh(&self, now: u64) -> bool {
        let Some(expires_at) = self.expires_at else { return false };
        let lifetime = expires_at.saturating_sub(self.obtained_at);
        let skew = (lifetime / 10).min(LONGEST_SKEW);
        now >= self.obtained_at && now.saturating_add(skew) >= expires_at
    }
}

impl Tokens {
    /// Whether all of this scope was granted.
    #[must_use]
    pub fn has_scope(&self, demanded: &str) -> bool {
        let granted = self.scope.as_deref().unwrap_or_default();
        demanded.split_ascii_whitespace().all(|wanted| granted.split_ascii_whitespace().any(|known| known == wanted))
    }

    /// What was granted and this scope besides, each token once.
    #[must_use]
    pub fn scope_with(&self, demanded: &str) -> String {
        let granted = self.scope.as_deref().unwrap_or_default().split_ascii_whitespace();
        let all: BTreeSet<&str> = granted.chain(demanded.split_ascii_whitespace()).collect();
        all.into_iter().collect::<Vec<_>>().join(" ")
    }

    /// Whether the access token's time is over. Unknown counts as no, as in [`Tokens::needs_refresh`].
    #[must_use]
    pub fn has_ended(&self, now: u64) -> bool {
        now >= self.obtained_at && self.expires_at.is_some_and(|end| end <= now)
    }
}
