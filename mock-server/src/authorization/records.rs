//! What the authorization server remembers: clients, codes, and families of tokens. A family is all that grew out of one
//! authorization; it ends as a whole when a code or an old refresh token turns up twice (RFC 9700 §4.14.2).
//! In memory only, and no request is judged here: rules that compare requests are in `token.rs`.

mod overview;

pub(crate) use overview::{LiveGrant, LiveToken};

use std::collections::{HashMap, HashSet};
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::authorization::jwt::Claims;
use crate::authorization::scope::Scope;
use crate::public_key::PublicKey;
use crate::settings::{Account, AuthMethod};

/// A client: registered dynamically or by hand, or described by its own document.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub(crate) id: String,
    /// What it calls itself.
    pub(crate) name: Option<String>,
    pub(crate) secret: Option<String>,
    /// The key that its assertions are checked by (RFC 7523 §2.2).
    pub(crate) key: Option<PublicKey>,
    /// When the secret ends, if it does.
    pub(crate) secret_expires_at: Option<SystemTime>,
    /// The ways in which it may prove itself.
    pub(crate) auth_methods: Vec<AuthMethod>,
    pub(crate) redirect_uris: Vec<String>,
    pub(crate) grant_types: Vec<String>,
    /// What it registered by RFC 7591, if it did; it is forgotten when the server forgets.
    pub(crate) registration: Option<Registration>,
}

impl Client {
    /// One that an assertion alone tells of (RFC 7521 §4.1).
    pub(crate) fn unregistered(id: &str) -> Self {
        Client {
            id: id.to_owned(),
            name: None,
            secret: None,
            key: None,
            secret_expires_at: None,
            auth_methods: Vec::new(),
            redirect_uris: Vec::new(),
            grant_types: Vec::new(),
            registration: None,
        }
    }

    /// Whether it has nothing to prove itself by.
    pub(crate) fn is_public(&self) -> bool {
        self.secret.is_none() && self.key.is_none()
    }

    pub(crate) fn may_use(&self, grant_type: &str) -> bool {
        self.grant_types.iter().any(|granted| granted == grant_type)
    }
}

/// A registration by RFC 7591.
#[derive(Clone, Debug)]
pub(crate) struct Registration {
    /// The metadata as registered.
    pub(crate) metadata: Value,
    pub(crate) issued_at: SystemTime,
    /// The token that manages it (RFC 7592 §1.2).
    pub(crate) token: String,
}

/// What a person granted to a client.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub(crate) client_id: String,
    pub(crate) account: Account,
    pub(crate) scope: Scope,
    pub(crate) resource: Option<String>,
    /// When they did.
    pub(crate) at: SystemTime,
    /// What the client wants to find in the ID token (OpenID Connect Core §3.1.2.1).
    pub(crate) nonce: Option<String>,
    /// The key that its refresh tokens are bound to: those of a public client that proved one (RFC 9449 §5).
    pub(crate) jkt: Option<String>,
}

/// An authorization code and what it was issued for.
#[derive(Clone, Debug)]
pub(crate) struct Code {
    pub(crate) grant: Grant,
    pub(crate) redirect_uri: String,
    pub(crate) challenge: String,
    /// The only key that it is good with (RFC 9449 §10).
    pub(crate) dpop_jkt: Option<String>,
    pub(crate) expires_at: SystemTime,
    pub(crate) use_: CodeUse,
}

/// Whether a code was presented already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CodeUse {
    Fresh,
    /// Presented, but the request was refused.
    Wasted,
    /// Presented, and these tokens were issued.
    Redeemed(FamilyId),
}

/// The number of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FamilyId(usize);

/// All tokens that grew out of one authorization.
#[derive(Clone, Debug)]
pub(crate) struct Family {
    pub(crate) grant: Grant,
    revoked: bool,
}

/// Why an access token no longer counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Revoked,
    Expired,
}

/// Why a refresh token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RefreshFault {
    Unknown,
    Expired,
    Reused,
}

struct AccessToken {
    family: FamilyId,
    expires_at: SystemTime,
    ended: Option<Ended>,
    beside: Option<String>,
}

struct RefreshToken {
    family: FamilyId,
    expires_at: SystemTime,
    spent: bool,
    /// When it was spent and the answer then given, where it may be given again.
    successor: Option<(SystemTime, Value)>,
    revoked: bool,
}

/// All records.
#[derive(Default)]
pub(crate) struct Records {
    clients: HashMap<String, Client>,
    codes: HashMap<String, Code>,
    families: Vec<Family>,
    access: HashMap<String, AccessToken>,
    /// What tokens that say nothing by themselves stand for.
    opaque: HashMap<String, Claims>,
    refresh: HashMap<String, RefreshToken>,
    reuses: usize,
    /// The assertions that were used, by issuer and `jti`.
    assertions: HashSet<(String, String)>,
}

impl Records {
    pub(crate) fn add_client(&mut self, client: Client) {
        self.clients.insert(client.id.clone(), client);
    }

    pub(crate) fn client(&self, id: &str) -> Option<&Client> {
        self.clients.get(id)
    }

    /// Forgets every client that registered itself; its codes and tokens stay.
    pub(crate) fn forget_clients(&mut self) {
        self.clients.retain(|_, client| client.registration.is_none());
    }

    /// Ends a client with its codes and all of its tokens (RFC 7592 §2.3).
    pub(crate) fn remove_client(&mut self, id: &str) {
        self.clients.remove(id);
        self.codes.retain(|_, code| code.grant.client_id != id);
        for family in self.families.iter_mut().filter(|family| family.grant.client_id == id) {
            family.revoked = true;
        }
    }

    pub(crate) fn add_code(&mut self, text: String, code: Code) {
        self.codes.insert(text, code);
    }

    pub(crate) fn code(&mut self, text: &str) -> Option<&mut Code> {
        self.codes.get_mut(text)
    }

    pub(crate) fn start_family(&mut self, grant: Grant) -> FamilyId {
        self.families.push(Family { grant, revoked: false });
        FamilyId(self.families.len() - 1)
    }

    /// Ends every token of the family.
    pub(crate) fn revoke_family(&mut self, id: FamilyId) {
        if let Some(family) = self.families.get_mut(id.0) {
            family.revoked = true;
        }
    }

    /// Adds an access token, and the refresh token that is issued beside it.
    pub(crate) fn add_access_token(
        &mut self,
        jti: String,
        family: FamilyId,
        expires_at: SystemTime,
        beside: Option<String>,
    ) {
        self.access.insert(jti, AccessToken { family, expires_at, ended: None, beside });
    }

    pub(crate) fn add_opaque_token(&mut self, text: String, claims: Claims) {
        self.opaque.insert(text, claims);
    }

    pub(crate) fn opaque_token(&self, text: &str) -> Option<&Claims> {
        self.opaque.get(text)
    }

    /// `None` while the token counts.
    pub(crate) fn access_token_end(&self, jti: &str) -> Option<Ended> {
        let Some(token) = self.access.get(jti) else { return Some(Ended::Revoked) };
        if self.families.get(token.family.0).is_none_or(|family| family.revoked) {
            return Some(Ended::Revoked);
        }
        token.ended.or((token.expires_at <= SystemTime::now()).then_some(Ended::Expired))
    }

    pub(crate) fn add_refresh_token(&mut self, text: String, family: FamilyId, lifetime: Duration) {
        let expires_at = SystemTime::now() + lifetime;
        self.refresh.insert(text, RefreshToken { family, expires_at, spent: false, successor: None, revoked: false });
    }

    /// The family of a refresh token that this client may use now. One that was spent ends its family.
    pub(crate) fn refreshable(&mut self, text: &str, client: &str) -> Result<(FamilyId, Family), RefreshFault> {
        let token = self.refresh.get(text).ok_or(RefreshFault::Unknown)?;
        let (id, spent) = (token.family, token.spent);
        let family = self.families.get_mut(id.0).ok_or(RefreshFault::Unknown)?;
        if family.grant.client_id != client {
            return Err(RefreshFault::Unknown);
        }
        if spent {
            if !family.revoked {
                family.revoked = true;
                self.reuses += 1;
            }
            return Err(RefreshFault::Reused);
        }
        if token.revoked || family.revoked {
            return Err(RefreshFault::Unknown);
        }
        if token.expires_at <= SystemTime::now() {
            return Err(RefreshFault::Expired);
        }
        Ok((id, family.clone()))
    }

    /// Marks a refresh token as used: from now on it is an old one. The answer is kept if it may be given again.
    pub(crate) fn spend_refresh_token(&mut self, text: &str, again: Option<&Value>) {
        if let Some(token) = self.refresh.get_mut(text) {
            token.spent = true;
            token.successor = again.map(|answer| (SystemTime::now(), answer.clone()));
        }
    }

    /// What a used token of this client gave, if that is no longer ago than the grace and the family has not ended.
    pub(crate) fn given_again(&self, text: &str, client: &str, grace: Duration) -> Option<(&Family, &Value)> {
        let token = self.refresh.get(text).filter(|token| !token.revoked)?;
        let (at, answer) = token.successor.as_ref()?;
        let family =
            self.families.get(token.family.0).filter(|family| !family.revoked && family.grant.client_id == client)?;
        // A clock that went backwards makes it recent.
        (at.elapsed().unwrap_or_default() < grace).then_some((family, answer))
    }

    /// The grant and the end of a refresh token that may be used.
    pub(crate) fn live_refresh_token(&self, text: &str) -> Option<(&Grant, SystemTime)> {
        let token = self.refresh.get(text).filter(|token| !token.spent && !token.revoked)?;
        let family = self.families.get(token.family.0).filter(|family| !family.revoked)?;
        (token.expires_at > SystemTime::now()).then_some((&family.grant, token.expires_at))
    }

    /// The family that a refresh token belongs to, whatever became of it.
    pub(crate) fn family_of_refresh_token(&self, text: &str) -> Option<(FamilyId, &Family)> {
        let id = self.refresh.get(text)?.family;
        self.families.get(id.0).map(|family| (id, family))
    }

    pub(crate) fn revoke_access_token(&mut self, jti: &str) {
        if let Some(token) = self.access.get_mut(jti) {
            token.ended = Some(Ended::Revoked);
        }
    }

    pub(crate) fn end_access_tokens(&mut self, how: Ended) {
        for token in self.access.values_mut() {
            token.ended = Some(how);
        }
    }

    pub(crate) fn end_refresh_tokens(&mut self) {
        for token in self.refresh.values_mut() {
            token.revoked = true;
        }
    }

    /// Ends the refresh token that was issued together with an access token.
    pub(crate) fn end_refresh_token_beside(&mut self, jti: &str) {
        let beside = self.access.get(jti).and_then(|token| token.beside.as_ref());
        if let Some(token) = beside.and_then(|text| self.refresh.get_mut(text)) {
            token.revoked = true;
        }
    }

    /// Uses an assertion; false if it was used before.
    pub(crate) fn use_assertion(&mut self, issuer: &str, jti: &str) -> bool {
        self.assertions.insert((issuer.to_owned(), jti.to_owned()))
    }

    pub(crate) fn families_revoked(&self) -> usize {
        self.reuses
    }
}
