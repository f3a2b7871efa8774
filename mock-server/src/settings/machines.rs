//! The grants that are offered, and what those without a person need: keys that were registered beforehand.

/// A grant of the token endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfferedGrant {
    /// The code, and the refresh token beside it.
    AuthorizationCode,
    /// The client's own credentials (RFC 6749 §4.4).
    ClientCredentials,
    /// An assertion of a trusted issuer (RFC 7523 §2.1).
    JwtBearer,
    /// An ID token for an identity assertion, as an identity provider has it (RFC 8693).
    TokenExchange,
}

impl OfferedGrant {
    /// The names in `grant_types_supported` (RFC 8414 §2).
    pub(crate) fn names(self) -> &'static [&'static str] {
        match self {
            OfferedGrant::AuthorizationCode => &["authorization_code", "refresh_token"],
            OfferedGrant::ClientCredentials => &["client_credentials"],
            OfferedGrant::JwtBearer => &["urn:ietf:params:oauth:grant-type:jwt-bearer"],
            OfferedGrant::TokenExchange => &["urn:ietf:params:oauth:grant-type:token-exchange"],
        }
    }

    /// The grant of this name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        use OfferedGrant::{AuthorizationCode, ClientCredentials, JwtBearer, TokenExchange};
        let all = [AuthorizationCode, ClientCredentials, JwtBearer, TokenExchange];
        all.into_iter().find(|grant| grant.names().contains(&name))
    }
}
