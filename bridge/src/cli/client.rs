//! The flags for a client that is known beforehand (A5), and what they must keep among each other. No secret is ever an
//! argument: a flag names the place where it is.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::oauth::client_metadata_document;
use crate::problem::{Code, Problem};
use crate::settings::{ClientAuth, KnownClient, PrivateKeyPlace, SecretPlace, check_client_id};

/// Who this client is to an authorization server.
#[derive(Debug, Args)]
pub(super) struct ClientArgs {
    /// A client id that the server's operator gave you, instead of registering one
    #[arg(long, value_name = "ID", help_heading = "Client")]
    client_id: Option<String>,
    #[command(flatten)]
    proof: ProofArgs,
    /// How the client proves itself: `none`, `client_secret_basic`, `client_secret_post` or `private_key_jwt`; without it by
    /// what is given, as the server lists
    #[arg(long, value_name = "METHOD", hide_possible_values = true, help_heading = "Client")]
    client_auth: Option<ClientAuthArg>,
    /// The https URL of a client metadata document, for servers that take its URL as the client id
    #[arg(long, value_name = "URL", help_heading = "Client")]
    client_metadata_url: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
enum ClientAuthArg {
    None,
    ClientSecretBasic,
    ClientSecretPost,
    PrivateKeyJwt,
}

/// Where the secret or the key of the given client is.
#[derive(Debug, Args)]
pub(super) struct ProofArgs {
    /// The environment variable that holds the secret of --client-id
    #[arg(long, value_name = "VAR", conflicts_with = "client_secret_file", help_heading = "Client")]
    client_secret_env: Option<String>,
    /// The file that holds the secret of --client-id
    #[arg(long, value_name = "FILE", help_heading = "Client")]
    client_secret_file: Option<PathBuf>,
    /// The file that holds the private key of the client, in PEM without a password: P-256, RSA or Ed25519
    #[arg(long, value_name = "FILE", help_heading = "Client")]
    private_key_file: Option<PathBuf>,
    /// The name by which the server knows that key (its `kid`)
    #[arg(long, value_name = "ID", help_heading = "Client")]
    private_key_id: Option<String>,
}

/// Where a client's proofs are.
pub(super) type Proofs = (Option<SecretPlace>, Option<PrivateKeyPlace>);

impl ClientArgs {
    /// # Errors
    /// A secret without a client id, a method without its proof, or a value that does not hold.
    pub(super) fn known(self) -> Result<KnownClient, Problem> {
        let client_id = self.client_id.as_deref().map(check_client_id).transpose()?;
        let (client_secret, private_key) = self.proof.places()?;
        if client_secret.is_some() && client_id.is_none() {
            return Err(invalid(
                "a client secret is named, but not the client that it belongs to",
                "add `--client-id ID`",
            ));
        }
        if private_key.is_some() && client_id.is_none() && self.client_metadata_url.is_none() {
            return Err(invalid(
                "a private key is named, but not the client that it belongs to",
                "add `--client-id ID` or `--client-metadata-url URL`",
            ));
        }
        if let Some(url) = &self.client_metadata_url {
            client_metadata_document::check_url(url)?;
        }
        let auth = self.client_auth.map(ClientAuth::from);
        let known = KnownClient { client_id, client_secret, private_key, auth, metadata_url: self.client_metadata_url };
        check_auth(&known)?;
        Ok(known)
    }
}

impl ProofArgs {
    /// # Errors
    /// A name that no variable can have: perhaps it is the secret itself, so it is not shown. A key's name without a key.
    pub(super) fn places(self) -> Result<Proofs, Problem> {
        let absolute = |file: PathBuf| std::path::absolute(&file).unwrap_or(file);
        let secret = match (self.client_secret_env, self.client_secret_file) {
            (Some(name), _) => Some(variable("--client-secret-env", name)?),
            (None, file) => file.map(|file| SecretPlace::File(absolute(file))),
        };
        if self.private_key_id.is_some() && self.private_key_file.is_none() {
            return Err(invalid("a private key has a name, but is not given", "add `--private-key-file FILE`"));
        }
        let id = self.private_key_id;
        let key = self.private_key_file.map(|file| PrivateKeyPlace { file: absolute(file), id });
        Ok((secret, key))
    }
}

/// The variable that holds a secret.
///
/// # Errors
/// A name that no variable can have: perhaps it is the secret itself, so it is not shown.
pub(super) fn variable(flag: &str, name: String) -> Result<SecretPlace, Problem> {
    if name.is_empty() || name.contains(['=', '\0']) {
        let hint = format!("write the variable's name, not the secret: `{flag} MCP_CLIENT_SECRET`");
        return Err(invalid(&format!("`{flag}` is not the name of an environment variable"), &hint));
    }
    Ok(SecretPlace::Variable(name))
}

/// Whether the method that was named has its proof, and where none was named, that there is but one.
fn check_auth(known: &KnownClient) -> Result<(), Problem> {
    let (has_secret, has_key) = (known.client_secret.is_some(), known.private_key.is_some());
    match known.auth {
        None if has_secret && has_key => Err(invalid(
            "both a client secret and a private key are given",
            "say which counts: `--client-auth private_key_jwt` or `--client-auth client_secret_basic`",
        )),
        Some(ClientAuth::PrivateKeyJwt) if !has_key => {
            Err(invalid("`--client-auth private_key_jwt` needs a private key", "add `--private-key-file FILE`"))
        }
        Some(ClientAuth::ClientSecretBasic | ClientAuth::ClientSecretPost)
            if known.client_id.is_some() && !has_secret =>
        {
            Err(invalid(
                "the client is to prove itself by its secret, which is not given",
                "add `--client-secret-env VAR` or `--client-secret-file FILE`",
            ))
        }
        _ => Ok(()),
    }
}

fn invalid(what: &str, hint: &str) -> Problem {
    Problem::new(Code::InvalidSetting, what, hint)
}

impl From<ClientAuthArg> for ClientAuth {
    fn from(method: ClientAuthArg) -> Self {
        match method {
            ClientAuthArg::None => ClientAuth::None,
            ClientAuthArg::ClientSecretBasic => ClientAuth::ClientSecretBasic,
            ClientAuthArg::ClientSecretPost => ClientAuth::ClientSecretPost,
            ClientAuthArg::PrivateKeyJwt => ClientAuth::PrivateKeyJwt,
        }
    }
}
