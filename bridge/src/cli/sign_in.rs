//! The flags under "Sign-in": what a sign-in asks for, and how a person is led to it.

use std::time::Duration;

use clap::Args;

use crate::oauth::scope::Scope;
use crate::problem::Problem;
use crate::settings::DpopChoice;

/// How to sign in.
#[derive(Debug, Args)]
pub(super) struct SignInArgs {
    /// The scope to ask for, instead of what the server names
    #[arg(long, value_name = "SCOPE", help_heading = "Sign-in")]
    scope: Option<String>,
    /// The name that the consent page shows for this client
    #[arg(long, value_name = "NAME", default_value = "mcp-bridge", help_heading = "Sign-in")]
    pub(super) client_name: String,
    /// A fixed port for the redirect back from the browser
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..), help_heading = "Sign-in")]
    pub(super) callback_port: Option<u16>,
    /// How long a sign-in may take, from the opening of the tab
    #[arg(long, value_name = "SECONDS", default_value = "300", value_parser = clap::value_parser!(u32).range(1..=86400), help_heading = "Sign-in")]
    sign_in_timeout: u32,
    /// Print the sign-in's URL to stderr instead of opening a browser
    #[arg(long, help_heading = "Sign-in")]
    pub(super) no_browser: bool,
    /// Sign in also where the server does not say that it does PKCE with S256; it is used all the same
    #[arg(long, help_heading = "Sign-in")]
    pub(super) allow_missing_pkce: bool,
    /// Whether tokens are bound to a key by DPoP, so that a stolen one is of no use; auto: where the server offers it
    #[arg(long, value_enum, value_name = "WHEN", default_value = "auto", help_heading = "Sign-in")]
    dpop: DpopArg,
}

/// Whether tokens are bound.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum DpopArg {
    Auto,
    Always,
    Never,
}

impl SignInArgs {
    /// # Errors
    /// A scope that RFC 6749 §3.3 does not allow.
    pub(super) fn scope(&self) -> Result<Option<String>, Problem> {
        self.scope.as_deref().map(Scope::parse).transpose()?;
        Ok(self.scope.clone())
    }

    pub(super) fn dpop(&self) -> DpopChoice {
        match self.dpop {
            DpopArg::Auto => DpopChoice::Auto,
            DpopArg::Always => DpopChoice::Always,
            DpopArg::Never => DpopChoice::Never,
        }
    }

    pub(super) fn timeout(&self) -> Duration {
        Duration::from_secs(self.sign_in_timeout.into())
    }
}
