//! What the commands that only look at the store, or empty it, need to know. Read `settings` for a running bridge's.

use std::path::PathBuf;

use url::Url;

use super::{GrantType, LogSettings, NetworkSettings, PrivateKeyPlace, RedirectSettings, SecretPlace};

/// What `mcp-bridge logout` needs to know.
#[derive(Clone, Debug)]
pub struct LogoutSettings {
    /// The one to sign out of; none: the only one that is stored.
    pub upstream: Option<Url>,
    /// Every stored sign-in that is meant, not just one.
    pub all: bool,
    /// Also forget a client that registered itself.
    pub forget_registration: bool,
    /// Where the secret of a client is that the person gave.
    pub secret: Option<SecretPlace>,
    /// Where the private key of such a client is.
    pub private_key: Option<PrivateKeyPlace>,
    /// How the network is reached.
    pub network: NetworkSettings,
    /// The key of a credential that is given for `upstream` in place of a sign-in.
    pub given: Option<&'static str>,
    /// Only this profile; none: the default one of `upstream`, or any.
    pub profile: Option<String>,
    /// Where credentials are kept.
    pub state_dir: PathBuf,
    /// Where logs go.
    pub log: LogSettings,
}

/// What `mcp-bridge status` needs to know.
#[derive(Clone, Debug)]
pub struct StatusSettings {
    /// Only this one.
    pub upstream: Option<Url>,
    /// The key of a credential that is given for `upstream` in place of a sign-in.
    pub given: Option<&'static str>,
    /// Only this profile.
    pub profile: Option<String>,
    /// JSON instead of words.
    pub json: bool,
    /// Where credentials are kept.
    pub state_dir: PathBuf,
    /// Where logs go.
    pub log: LogSettings,
}

/// What `mcp-bridge client-metadata` needs to know.
#[derive(Clone, Debug)]
pub struct ClientMetadataSettings {
    /// Where the document will be, which is the `client_id` (A20).
    pub url: String,
    /// The name that a consent page shows.
    pub client_name: String,
    /// Where the browser comes back to.
    pub redirect: RedirectSettings,
    /// The port of that, if it is fixed.
    pub callback_port: Option<u16>,
    /// The grant that is chosen.
    pub grant: Option<GrantType>,
    /// The scope to ask for, if one is chosen.
    pub scope: Option<String>,
}
