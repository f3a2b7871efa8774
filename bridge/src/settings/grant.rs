//! The ways to an access token that a person can choose (RFC 6749 §1.3). What each takes is in `oauth::grant`, which of them
//! is used where nobody chose in `worker`.

use serde::{Deserialize, Serialize};

/// How an access token is got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantType {
    /// A person signs in with a browser (RFC 6749 §4.1).
    #[default]
    AuthorizationCode,
    /// A person signs in with a browser elsewhere (RFC 8628).
    DeviceCode,
    /// The client signs in as itself (RFC 6749 §4.4).
    ClientCredentials,
    /// An assertion that somebody else has issued (RFC 7523 §2.1).
    JwtBearer,
    /// An ID token is exchanged for such an assertion first (RFC 8693).
    Enterprise,
}

impl GrantType {
    /// The name, as `--grant` and `mcp-bridge status` have it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            GrantType::AuthorizationCode => "authorization_code",
            GrantType::DeviceCode => "device_code",
            GrantType::ClientCredentials => "client_credentials",
            GrantType::JwtBearer => "jwt_bearer",
            GrantType::Enterprise => "enterprise",
        }
    }

    /// Whether no person takes part: the grant can run at any time.
    #[must_use]
    pub fn is_machine(self) -> bool {
        !matches!(self, GrantType::AuthorizationCode | GrantType::DeviceCode)
    }

    /// Whether it is that of a record written before there were others.
    pub(crate) fn is_default(&self) -> bool {
        *self == GrantType::default()
    }
}
