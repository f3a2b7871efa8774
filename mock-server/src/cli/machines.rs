//! The options of the grants without a person: which grants there are, whose keys are known and whose assertions are taken.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::ValueEnum;
use mcp_mock_server::{KnownClient, OfferedGrant, PublicKey, PublicKeyFault};
use serde::Deserialize;

use super::tls::{TlsFileFault, pem};

/// Why a key is of no use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyFileFault {
    #[error(transparent)]
    Unreadable(#[from] TlsFileFault),
    #[error("{path} is of no use: {fault}")]
    NoKey { path: PathBuf, fault: PublicKeyFault },
}

/// A grant.
#[derive(Clone, Copy, Debug, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum GrantName {
    /// The code, and the refresh token beside it
    AuthorizationCode,
    /// The client's own credentials
    ClientCredentials,
    /// An assertion of --trusted-issuer
    JwtBearer,
    /// An ID token for an assertion, as an identity provider has it
    TokenExchange,
}

impl From<GrantName> for OfferedGrant {
    fn from(name: GrantName) -> Self {
        match name {
            GrantName::AuthorizationCode => OfferedGrant::AuthorizationCode,
            GrantName::ClientCredentials => OfferedGrant::ClientCredentials,
            GrantName::JwtBearer => OfferedGrant::JwtBearer,
            GrantName::TokenExchange => OfferedGrant::TokenExchange,
        }
    }
}

/// A value that is no pair.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not of the form NAME=VALUE")]
pub(crate) struct NoPair(String);

/// `NAME=VALUE`, both not empty.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    name: String,
    value: String,
}

impl FromStr for Pair {
    type Err = NoPair;

    fn from_str(text: &str) -> Result<Self, NoPair> {
        let pair = text.split_once('=').filter(|(name, value)| !name.is_empty() && !value.is_empty());
        let (name, value) = pair.ok_or_else(|| NoPair(text.to_owned()))?;
        Ok(Pair { name: name.to_owned(), value: value.to_owned() })
    }
}

/// Gives the known clients the keys that are named, and adds those that are known by their key alone.
pub(crate) fn with_keys(
    mut clients: Vec<KnownClient>,
    keys: Vec<Pair>,
    redirect_uris: &[String],
) -> Result<Vec<KnownClient>, KeyFileFault> {
    for Pair { name, value } in keys {
        let key = Some(key(Path::new(&value))?);
        match clients.iter_mut().find(|client| client.client_id == name) {
            Some(client) => client.key = key,
            None => {
                let redirect_uris = redirect_uris.to_vec();
                clients.push(KnownClient { client_id: name, secret: None, key, redirect_uris });
            }
        }
    }
    Ok(clients)
}

/// The issuers whose assertions are taken.
pub(crate) fn issuers(pairs: Vec<Pair>) -> Result<BTreeMap<String, PublicKey>, KeyFileFault> {
    pairs.into_iter().map(|Pair { name, value }| Ok((name, key(Path::new(&value))?))).collect()
}

/// Pairs as they are.
pub(crate) fn map(pairs: Vec<Pair>) -> BTreeMap<String, String> {
    pairs.into_iter().map(|Pair { name, value }| (name, value)).collect()
}

fn key(path: &Path) -> Result<PublicKey, KeyFileFault> {
    PublicKey::from_pem(&pem(path)?).map_err(|fault| KeyFileFault::NoKey { path: path.to_owned(), fault })
}
