//! The flags for a client that is known beforehand (A5), and what they must keep among each other. No secret is ever an
//! argument: a flag names the place where it is.

use std::path::PathBuf;

use clap::Args;

use crate::oauth::client_metadata_document;
use crate::problem::{Code, Problem};
use crate::settings::{KnownClient, SecretPlace, check_client_id};

/// Who this client is to an authorization server.
#[derive(Debug, Args)]
pub(super) struct ClientArgs {
    /// A client id that the server's operator gave you, instead of registering one
    #[arg(long, value_name = "ID", help_heading = "Client")]
    client_id: Option<String>,
    #[command(flatten)]
    secret: SecretArgs,
    /// The https URL of a client metadata document, for servers that take its URL as the client id
    #[arg(long, value_name = "URL", help_heading = "Client")]
    client_metadata_url: Option<String>,
}

/// Where the secret of the given client is.
#[derive(Debug, Args)]
pub(super) struct SecretArgs {
    /// The environment variable that holds the secret of --client-id
    #[arg(long, value_name = "VAR", conflicts_with = "client_secret_file", help_heading = "Client")]
    client_secret_env: Option<String>,
    /// The file that holds the secret of --client-id
    #[arg(long, value_name = "FILE", help_heading = "Client")]
    client_secret_file: Option<PathBuf>,
}

impl ClientArgs {
    /// # Errors
    /// A secret without a client id, or a value that does not hold.
    pub(super) fn known(self) -> Result<KnownClient, Problem> {
        let client_id = self.client_id.as_deref().map(check_client_id).transpose()?;
        let client_secret = self.secret.place()?;
        if client_secret.is_some() && client_id.is_none() {
            return Err(Problem::new(
                Code::InvalidSetting,
                "a client secret is named, but not the client that it belongs to",
                "add `--client-id ID`",
            ));
        }
        if let Some(url) = &self.client_metadata_url {
            client_metadata_document::check_url(url)?;
        }
        Ok(KnownClient { client_id, client_secret, metadata_url: self.client_metadata_url })
    }
}

impl SecretArgs {
    /// # Errors
    /// A name that no variable can have: perhaps it is the secret itself, so it is not shown.
    pub(super) fn place(self) -> Result<Option<SecretPlace>, Problem> {
        match (self.client_secret_env, self.client_secret_file) {
            (Some(name), _) if name.is_empty() || name.contains(['=', '\0']) => Err(Problem::new(
                Code::InvalidSetting,
                "`--client-secret-env` is not the name of an environment variable",
                "write the variable's name, not the secret: `--client-secret-env MCP_CLIENT_SECRET`",
            )),
            (Some(name), _) => Ok(Some(SecretPlace::Variable(name))),
            (None, Some(file)) => Ok(Some(SecretPlace::File(std::path::absolute(&file).unwrap_or(file)))),
            (None, None) => Ok(None),
        }
    }
}
