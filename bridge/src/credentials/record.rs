//! The record of one resource and profile, as it lies on disk: versioned, readable JSON of its own types, under every
//! issuer its registration and tokens. What a newer version added is kept. The only place where a secret is exposed to
//! the disk. Must never know a file or a request; `credentials::store` writes it.

mod concessions;
#[cfg(test)]
pub(super) mod tests;
mod tokens;

use std::collections::BTreeMap;
use std::fmt;
use std::time::SystemTime;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

pub use self::concessions::Concessions;
pub use self::tokens::{DpopBinding, Tokens};
use crate::secret::Secret;

/// The version that is written. A higher one is never overwritten.
pub const VERSION: u64 = 1;

/// How many refresh tokens that were given up an issuer keeps, the latest.
const SET_ASIDE_KEPT: usize = 5;

/// Fields that this version does not know; kept, and not shown for they may be secret.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Extra(pub Map<String, Value>);

impl fmt::Debug for Extra {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Everything known of one resource for one profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The format, [`VERSION`].
    pub version: u64,
    /// The upstream's canonical URL.
    pub resource: String,
    /// The account, for several at one upstream.
    pub profile: String,
    /// One more with each write.
    pub generation: u64,
    /// The issuer in use now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// Under each issuer what belongs to it and is never used with another (A7).
    #[serde(default)]
    pub issuers: BTreeMap<String, IssuerRecord>,
    /// What a person once said yes to: the issuer that a server calls itself, under the identifier that it is named by (A3).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub vouched: BTreeMap<String, String>,
    /// Where the secrets are, if not here; what is no secret is here then, and nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_in: Option<Elsewhere>,
    /// Fields of a newer version.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Where a record's secrets are instead of in its file (S5).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Elsewhere {
    /// Which store has them.
    pub store: OtherStore,
    /// Tells what is there from what was there before: 16 hex digits of a SHA-256.
    pub fingerprint: String,
}

/// A store that is no file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OtherStore {
    /// The system's keyring.
    Keyring,
}

/// What the metadata of the resource and of its authorization server said (RFC 9728, RFC 8414).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Discovery {
    /// The upstream that was asked.
    pub upstream: String,
    /// The resource identifier exactly as published, or the canonical upstream URL (A8).
    pub resource: String,
    /// The resource's `scopes_supported`.
    pub resource_scopes_supported: Vec<String>,
    /// The authorization server's `issuer`, to the letter.
    pub issuer: String,
    /// Where the browser is sent.
    pub authorization_endpoint: String,
    /// Where codes and refresh tokens are sent.
    pub token_endpoint: String,
    /// Where clients are registered (RFC 7591).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registration_endpoint: Option<String>,
    /// Where tokens are revoked (RFC 7009).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revocation_endpoint: Option<String>,
    /// `authorization_response_iss_parameter_supported` (RFC 9207).
    pub iss_parameter_supported: bool,
    /// `client_id_metadata_document_supported`.
    pub client_id_metadata_document_supported: bool,
    /// How a client may authenticate; empty if the server did not say.
    pub token_endpoint_auth_methods_supported: Vec<String>,
    /// The authorization server's `scopes_supported`.
    pub scopes_supported: Vec<String>,
    /// When, in Unix seconds.
    pub fetched_at: u64,
    /// Fields of a newer version.
    #[serde(flatten)]
    pub extra: Extra,
}

/// What belongs to one issuer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuerRecord {
    /// What was discovered last of it and of the resource that named it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub discovery: Option<Discovery>,
    /// The client that signed in there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration: Option<Registration>,
    /// The server may have forgotten that client: it refreshes what it signed in for, and signs in no more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub doubtful: bool,
    /// A client that was registered for a sign-in that has not come to its end; until then the other one's tokens count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<Registration>,
    /// The tokens that it issued.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<Tokens>,
    /// What it was found not to take, so that it is asked without that at once.
    #[serde(default, skip_serializing_if = "Concessions::is_empty")]
    pub concessions: Concessions,
    /// Refresh tokens that were given up, so that it can be told why; the latest five.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub set_aside: Vec<SetAside>,
    /// Fields of a newer version.
    #[serde(flatten)]
    pub extra: Extra,
}

/// How a client came to be known to an issuer (A5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// By Dynamic Client Registration (RFC 7591): forgotten once the server has forgotten it.
    #[default]
    Dynamic,
    /// The person gave it, registered beforehand. Its secret is the person's to keep and is never stored.
    Given,
    /// By the URL of a Client ID Metadata Document, which is its `client_id`.
    Document,
}

/// A client that is known to an issuer (RFC 7591 §3.2.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// How it came.
    #[serde(default)]
    pub source: Source,
    /// The client identifier.
    pub client_id: String,
    /// The client secret; none of a client that the person gave.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "to_disk_if_any")]
    pub client_secret: Option<Secret>,
    /// When the secret ends, in Unix seconds; absent or 0: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret_expires_at: Option<u64>,
    /// The scope that it was registered with; more is not asked for by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The token endpoint of the server that it was registered with; its secret goes to that origin only (A7).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_endpoint: Option<String>,
    /// How the client authenticates (RFC 6749 §2.3).
    pub token_endpoint_auth_method: String,
    /// The redirect URIs that were registered, with their ports.
    #[serde(default)]
    pub redirect_uris: Vec<String>,
    /// When, in Unix seconds.
    pub registered_at: u64,
    /// Fields of a newer version.
    #[serde(flatten)]
    pub extra: Extra,
}

/// A refresh token that was given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetAside {
    /// The token.
    #[serde(serialize_with = "to_disk")]
    pub refresh_token: Secret,
    /// Why, in our words or the error code of RFC 6749 §5.2.
    pub why: String,
    /// When, in Unix seconds.
    pub at: u64,
    /// Fields of a newer version.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Record {
    /// An empty record.
    #[must_use]
    pub fn new(resource: &str, profile: &str) -> Record {
        Record {
            version: VERSION,
            resource: resource.to_owned(),
            profile: profile.to_owned(),
            generation: 0,
            issuer: None,
            issuers: BTreeMap::new(),
            vouched: BTreeMap::new(),
            kept_in: None,
            extra: Extra::default(),
        }
    }

    /// The issuer in use and what belongs to it.
    #[must_use]
    pub fn current(&self) -> Option<(&str, &IssuerRecord)> {
        let issuer = self.issuer.as_deref()?;
        Some((issuer, self.issuers.get(issuer)?))
    }

    /// The tokens of the issuer in use.
    #[must_use]
    pub fn current_tokens(&self) -> Option<&Tokens> {
        self.current()?.1.tokens.as_ref()
    }

    /// The issuer with which a client that the person gave has signed in (A7).
    #[must_use]
    pub fn issuer_of_given(&self, client_id: &str) -> Option<&str> {
        let is_it = |known: &Registration| known.source == Source::Given && known.client_id == client_id;
        let mut issuers = self.issuers.iter();
        issuers.find(|(_, stored)| stored.registration.as_ref().is_some_and(is_it)).map(|(issuer, _)| issuer.as_str())
    }

    /// What stays of this record when the person signs out: the clients that registered themselves, so that the next
    /// sign-in registers none. `None` if there are none.
    #[must_use]
    pub fn signed_out(&self) -> Option<Record> {
        let mut kept = Record::new(&self.resource, &self.profile);
        kept.generation = self.generation;
        kept.kept_in.clone_from(&self.kept_in);
        for (issuer, stored) in &self.issuers {
            if let Some(registration) = stored.registration.as_ref().filter(|known| known.source == Source::Dynamic) {
                let issuer = kept.issuer_mut(issuer);
                issuer.registration = Some(registration.clone());
                issuer.discovery.clone_from(&stored.discovery);
            }
        }
        kept.issuer = self.issuer.clone().filter(|issuer| kept.issuers.contains_key(issuer));
        (!kept.issuers.is_empty()).then_some(kept)
    }

    /// What belongs to an issuer, to change it; empty if there was nothing.
    pub fn issuer_mut(&mut self, issuer: &str) -> &mut IssuerRecord {
        self.issuers.entry(issuer.to_owned()).or_default()
    }

    /// Reads a record.
    pub(super) fn from_json(json: &[u8]) -> Result<Record, Unreadable> {
        let format: Format = serde_json::from_slice(json).map_err(Unreadable::damaged)?;
        if format.version > VERSION {
            return Err(Unreadable::TooNew { version: format.version });
        }
        if format.version == 0 {
            return Err(Unreadable::Damaged("it has no format 0".to_owned()));
        }
        serde_json::from_slice(json).map_err(Unreadable::damaged)
    }

    /// The record on one line, for where room is scarce.
    pub(super) fn to_line(&self) -> serde_json::Result<Zeroizing<Vec<u8>>> {
        let mut json = Zeroizing::new(Vec::with_capacity(8192));
        serde_json::to_writer(&mut *json, self)?;
        Ok(json)
    }

    /// The record as it is written: indented, with a final newline.
    pub(super) fn to_json(&self) -> serde_json::Result<Zeroizing<Vec<u8>>> {
        let mut json = Zeroizing::new(Vec::with_capacity(8192));
        serde_json::to_writer_pretty(&mut *json, self)?;
        json.push(b'\n');
        Ok(json)
    }
}

/// Why bytes are no record.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// A newer version wrote it.
    TooNew { version: u64 },
    /// It is torn, empty or something else; where.
    Damaged(String),
}

impl Unreadable {
    /// Only the place is told: the parser's own words may quote a token.
    #[expect(clippy::needless_pass_by_value, reason = "an argument of map_err")]
    fn damaged(error: serde_json::Error) -> Unreadable {
        let what = if error.is_data() { "not a record" } else { "no whole JSON" };
        Unreadable::Damaged(format!("{what} (line {}, column {})", error.line(), error.column()))
    }
}

#[derive(Deserialize)]
struct Format {
    version: u64,
}

impl IssuerRecord {
    /// The client that may sign in again: registered for a sign-in that has not ended, or the one that signed in last.
    #[must_use]
    pub fn reusable(&self) -> Option<&Registration> {
        self.pending.as_ref().or(self.registration.as_ref().filter(|_| !self.doubtful))
    }

    /// The server does not know this client any more: it signs in no more, but its tokens stay (A15).
    pub fn doubt(&mut self, client_id: &str) {
        self.pending.take_if(|pending| pending.client_id == client_id);
        self.doubtful |= self.registration.as_ref().is_some_and(|known| known.client_id == client_id);
    }

    /// This client has signed in, for these tokens.
    pub fn signed_in(&mut self, registration: Registration, tokens: Tokens) {
        self.registration = Some(registration);
        self.tokens = Some(tokens);
        (self.pending, self.doubtful) = (None, false);
    }

    /// A grant without a person brought these tokens, for this client or for none.
    pub fn granted(&mut self, registration: Option<Registration>, tokens: Tokens) {
        match registration {
            Some(registration) => self.signed_in(registration, tokens),
            None => (self.registration, self.tokens) = (None, Some(tokens)),
        }
    }

    /// Gives up the refresh token that was refused, if it is still the one stored; else another process has a newer
    /// one, and nothing changes. Whether it was given up.
    pub fn set_aside_refused(&mut self, refused: &Secret, why: &str, now: u64) -> bool {
        let Some(tokens) = &mut self.tokens else { return false };
        match tokens.refresh_token.take_if(|stored| stored == refused) {
            Some(refresh_token) => {
                let why = why.to_owned();
                self.set_aside.push(SetAside { refresh_token, why, at: now, extra: Extra::default() });
                let surplus = self.set_aside.len().saturating_sub(SET_ASIDE_KEPT);
                self.set_aside.drain(..surplus);
                true
            }
            None => false,
        }
    }
}

impl Registration {
    /// Whether the client secret has ended (RFC 7591 §3.2.1: 0 means never).
    #[must_use]
    pub fn has_expired(&self, now: u64) -> bool {
        self.client_secret_expires_at.is_some_and(|end| end != 0 && end <= now)
    }
}

/// The time, in Unix seconds.
#[must_use]
pub fn unix_now() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().map_or(0, |elapsed| elapsed.as_secs())
}

fn to_disk<S: Serializer>(secret: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose())
}

fn to_disk_if_any<S: Serializer>(secret: &Option<Secret>, serializer: S) -> Result<S::Ok, S::Error> {
    secret.as_ref().map(Secret::expose).serialize(serializer)
}
