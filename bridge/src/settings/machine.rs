//! What a person gives who is not there when a token is got (A13, A18): keys, assertions and the identity provider. Nothing
//! secret is in it, only where it is: whoever needs it reads it there.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use url::Url;

use super::SecretPlace;

/// How a client proves itself (RFC 7591 §2), where the person says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuth {
    /// Not at all.
    None,
    /// By its secret, in HTTP Basic.
    ClientSecretBasic,
    /// By its secret, in the form.
    ClientSecretPost,
    /// By an assertion that its private key signs.
    PrivateKeyJwt,
}

/// Where a client's private key is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrivateKeyPlace {
    /// A file in PEM.
    pub file: PathBuf,
    /// The key's name at the server (`kid`, RFC 7515 §4.1.4).
    #[serde(default)]
    pub id: Option<String>,
}

/// What the grants without a person need besides a client.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MachineSettings {
    /// The file of an assertion that is kept fresh by somebody else (RFC 7523 §2.1).
    pub assertion_file: Option<PathBuf>,
    /// Who issues identity assertions (RFC 8693).
    pub identity_provider: Option<IdentityProvider>,
}

/// The company's identity provider, and what it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityProvider {
    /// Its token endpoint; the [rule of URLs](crate::oauth::endpoint::UrlRule) holds.
    pub token_endpoint: Url,
    /// This client as it is known there, if it is.
    #[serde(default)]
    pub client_id: Option<String>,
    /// Where the secret of that client is, if it has one.
    #[serde(default)]
    pub client_secret: Option<SecretPlace>,
    /// The file of an ID token that is kept fresh by somebody else.
    pub id_token_file: PathBuf,
}
