//! The flags that choose how an access token is got (A18), what those ways need that is no client, and what each must have.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::client::variable;
use crate::oauth::endpoint::{Endpoint, UrlRule};
use crate::problem::{Code, Problem};
use crate::settings::{GrantType, IdentityProvider, KnownClient, MachineSettings, check_client_id};

/// How to get a token.
#[derive(Debug, Args)]
pub(super) struct GrantArgs {
    /// How to get a token: `authorization-code`, `device-code`, `client-credentials`, `jwt-bearer` or `enterprise`; without
    /// it what fits the settings and the server
    #[arg(long, value_name = "GRANT", hide_possible_values = true, help_heading = "Sign-in")]
    grant: Option<GrantArg>,
    /// Show the server the ID token of the sign-in instead of the access token; `openid` joins the scope
    #[arg(long, help_heading = "Sign-in")]
    pub(super) use_id_token: bool,
    /// The file of an assertion (a JWT) to get tokens with, read again each time: a workload's identity
    #[arg(long, value_name = "FILE", help_heading = "Without a person")]
    assertion_file: Option<PathBuf>,
    /// The token endpoint of the company's identity provider, which exchanges --id-token-file for an assertion
    #[arg(long, value_name = "URL", help_heading = "Without a person")]
    idp_token_endpoint: Option<String>,
    /// The client id that the identity provider knows
    #[arg(long, value_name = "ID", help_heading = "Without a person")]
    idp_client_id: Option<String>,
    /// The environment variable that holds the secret of --idp-client-id
    #[arg(long, value_name = "VAR", help_heading = "Without a person")]
    idp_client_secret_env: Option<String>,
    /// The file of an ID token (a JWT) from the identity provider, read again each time
    #[arg(long, value_name = "FILE", help_heading = "Without a person")]
    id_token_file: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum GrantArg {
    // As `grant_type` has them, too (RFC 6749 §4).
    #[value(alias = "authorization_code")]
    AuthorizationCode,
    #[value(alias = "device_code")]
    DeviceCode,
    #[value(alias = "client_credentials")]
    ClientCredentials,
    #[value(alias = "jwt_bearer")]
    JwtBearer,
    Enterprise,
}

impl From<GrantArg> for GrantType {
    fn from(grant: GrantArg) -> Self {
        match grant {
            GrantArg::AuthorizationCode => GrantType::AuthorizationCode,
            GrantArg::DeviceCode => GrantType::DeviceCode,
            GrantArg::ClientCredentials => GrantType::ClientCredentials,
            GrantArg::JwtBearer => GrantType::JwtBearer,
            GrantArg::Enterprise => GrantType::Enterprise,
        }
    }
}

impl GrantArgs {
    /// The grant that was named, or that the other settings are for, and what it needs besides a client.
    ///
    /// # Errors
    /// A grant that lacks what it needs, or settings of two.
    pub(super) fn settings(self, client: &KnownClient) -> Result<(Option<GrantType>, MachineSettings), Problem> {
        let grant = self.grant()?;
        let absolute = |file: PathBuf| std::path::absolute(&file).unwrap_or(file);
        let wants_provider = grant == Some(GrantType::Enterprise);
        let assertion_file = self.assertion_file.clone().map(absolute);
        let identity_provider = if wants_provider { Some(self.identity_provider()?) } else { None };
        let lacks = |what: &str| {
            let named = grant.map_or("none", GrantType::as_str);
            let hint = format!("add `{what}`");
            Err(Problem::new(Code::InvalidSetting, format!("the grant `{named}` needs `{what}`"), hint))
        };
        let is_known = client.client_id.is_some() || client.metadata_url.is_some();
        match grant {
            Some(GrantType::JwtBearer) if assertion_file.is_none() => lacks("--assertion-file FILE"),
            Some(GrantType::ClientCredentials | GrantType::Enterprise) if !is_known => lacks("--client-id ID"),
            Some(GrantType::ClientCredentials) if !client.can_prove() => {
                lacks("--private-key-file FILE, --client-secret-env VAR or --client-secret-file FILE")
            }
            grant => Ok((grant, MachineSettings { assertion_file, identity_provider })),
        }
    }

    /// # Errors
    /// Settings of two grants, and none that is named.
    pub(super) fn grant(&self) -> Result<Option<GrantType>, Problem> {
        let has_provider = self.idp_token_endpoint.is_some() || self.id_token_file.is_some();
        match (self.grant, &self.assertion_file) {
            (Some(grant), _) => Ok(Some(grant.into())),
            (None, Some(_)) if has_provider => Err(Problem::new(
                Code::InvalidSetting,
                "an assertion is given, and an identity provider that issues one",
                "say which counts: `--grant jwt-bearer` or `--grant enterprise`",
            )),
            (None, Some(_)) => Ok(Some(GrantType::JwtBearer)),
            (None, None) => Ok(has_provider.then_some(GrantType::Enterprise)),
        }
    }

    fn identity_provider(self) -> Result<IdentityProvider, Problem> {
        let (Some(endpoint), Some(file)) = (self.idp_token_endpoint, self.id_token_file) else {
            return Err(Problem::new(
                Code::InvalidSetting,
                "the grant `enterprise` needs the identity provider's token endpoint and an ID token of it",
                "add `--idp-token-endpoint URL` and `--id-token-file FILE`",
            ));
        };
        let endpoint = Endpoint::parse("--idp-token-endpoint", &endpoint, &UrlRule::default())?;
        let secret = self.idp_client_secret_env.map(|name| variable("--idp-client-secret-env", name)).transpose()?;
        if secret.is_some() && self.idp_client_id.is_none() {
            return Err(Problem::new(
                Code::InvalidSetting,
                "a client secret for the identity provider is named, but not the client that it belongs to",
                "add `--idp-client-id ID`",
            ));
        }
        Ok(IdentityProvider {
            token_endpoint: endpoint.url().clone(),
            client_id: self.idp_client_id.as_deref().map(check_client_id).transpose()?,
            client_secret: secret,
            id_token_file: std::path::absolute(&file).unwrap_or(file),
        })
    }
}
