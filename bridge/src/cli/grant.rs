//! The flags that choose how an access token is got (A18), and what those ways need that is no client.

use clap::{Args, ValueEnum};

use crate::settings::GrantType;

/// How to get a token.
#[derive(Debug, Args)]
pub(super) struct GrantArgs {
    /// How to get a token: `authorization_code`, `device_code`, `client_credentials`, `jwt_bearer` or `enterprise`; without
    /// it what fits the settings and the server
    #[arg(long, value_name = "GRANT", hide_possible_values = true, help_heading = "Sign-in")]
    grant: Option<GrantArg>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
#[value(rename_all = "snake_case")]
enum GrantArg {
    AuthorizationCode,
    DeviceCode,
    ClientCredentials,
    JwtBearer,
    Enterprise,
}

impl GrantArgs {
    /// The grant that was named.
    pub(super) fn grant(&self) -> Option<GrantType> {
        Some(match self.grant? {
            GrantArg::AuthorizationCode => GrantType::AuthorizationCode,
            GrantArg::DeviceCode => GrantType::DeviceCode,
            GrantArg::ClientCredentials => GrantType::ClientCredentials,
            GrantArg::JwtBearer => GrantType::JwtBearer,
            GrantArg::Enterprise => GrantType::Enterprise,
        })
    }
}
