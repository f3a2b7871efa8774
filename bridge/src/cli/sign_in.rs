//! The flags under "Sign-in": what a sign-in asks for, and how a person is led to it.

use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::oauth::endpoint::UrlRule;
use crate::oauth::issuer::Issuer;
use crate::oauth::scope::Scope;
use crate::problem::{Code, Problem};
use crate::settings::DpopChoice;
use crate::settings::{
    AuthorizationSettings, DEFAULT_CALLBACK_PATH, RedirectHost, RedirectSettings, ResourceChoice, check_callback_path,
    check_parameter, check_resource,
};
use crate::untrusted::Untrusted;

/// How to sign in.
#[derive(Debug, Args)]
pub(super) struct SignInArgs {
    /// The scope to ask for, instead of what the server names
    #[arg(long, value_name = "SCOPE", help_heading = "Sign-in")]
    scope: Option<String>,
    /// The authorization server to use of several, and the issuer that it may call itself, to the letter
    #[arg(long, value_name = "URL", help_heading = "Sign-in")]
    issuer: Option<String>,
    /// The name that the consent page shows for this client
    #[arg(long, value_name = "NAME", default_value = "mcp-bridge", help_heading = "Sign-in")]
    pub(super) client_name: String,
    /// A fixed port for the redirect back from the browser
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..), help_heading = "Sign-in")]
    pub(super) callback_port: Option<u16>,
    /// The spelling of this machine in the redirect URI, 127.0.0.1 or localhost [default: 127.0.0.1, and localhost for a
    /// server that refuses it]
    #[arg(long, value_name = "HOST", hide_possible_values = true, help_heading = "Sign-in")]
    redirect_host: Option<RedirectHostArg>,
    /// The path of the redirect URI
    #[arg(long, value_name = "PATH", default_value = DEFAULT_CALLBACK_PATH, help_heading = "Sign-in")]
    callback_path: String,
    /// The resource to ask a token for, instead of the one that the server publishes (RFC 8707)
    #[arg(long, value_name = "URI", conflicts_with = "no_resource", help_heading = "Sign-in")]
    resource: Option<String>,
    /// Name no resource to the authorization server, for one that refuses the parameter
    #[arg(long, help_heading = "Sign-in")]
    no_resource: bool,
    /// A further parameter of the authorization request, as prompt=consent; may be repeated
    #[arg(long, value_name = "NAME=VALUE", help_heading = "Sign-in")]
    authorize_param: Vec<String>,
    /// How long a sign-in may take, from the opening of the tab
    #[arg(long, value_name = "SECONDS", default_value = "300", value_parser = clap::value_parser!(u32).range(1..=86400), help_heading = "Sign-in")]
    sign_in_timeout: u32,
    /// Print the sign-in's URL to stderr instead of opening a browser
    #[arg(long, help_heading = "Sign-in")]
    pub(super) no_browser: bool,
    /// Sign in also where the server does not say that it does PKCE with S256; it is used all the same
    #[arg(long, help_heading = "Sign-in")]
    pub(super) allow_missing_pkce: bool,
    /// Whether tokens are bound to a key by DPoP, so that a stolen one is of no use; auto: where the server takes them
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

#[derive(Clone, Copy, Debug, ValueEnum)]
enum RedirectHostArg {
    #[value(name = "127.0.0.1")]
    Address,
    #[value(name = "localhost")]
    Name,
}

impl SignInArgs {
    /// # Errors
    /// A resource, a path or a parameter that does not hold, or a parameter that comes twice (RFC 6749 §3.1).
    pub(super) fn authorization(&self) -> Result<AuthorizationSettings, Problem> {
        let resource = match &self.resource {
            _ if self.no_resource => ResourceChoice::Omitted,
            Some(resource) => ResourceChoice::Given(check_resource(resource)?),
            None => ResourceChoice::Published,
        };
        let mut parameters: Vec<(String, String)> = Vec::new();
        for text in &self.authorize_param {
            let (name, value) = check_parameter(text)?;
            if parameters.iter().any(|(known, _)| *known == name) {
                let what = format!("the parameter `{}` is given twice", Untrusted::new(name));
                return Err(Problem::new(Code::InvalidSetting, what, "give each `--authorize-param` once"));
            }
            parameters.push((name, value));
        }
        Ok(AuthorizationSettings { resource, parameters, redirect: self.redirect()? })
    }

    /// # Errors
    /// A path that does not hold.
    pub(super) fn redirect(&self) -> Result<RedirectSettings, Problem> {
        let host = self.redirect_host.map(|host| match host {
            RedirectHostArg::Address => RedirectHost::Address,
            RedirectHostArg::Name => RedirectHost::Name,
        });
        Ok(RedirectSettings { host, path: check_callback_path(&self.callback_path)? })
    }

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

    /// # Errors
    /// What is no issuer (RFC 8414 §2), or one by plain http that nobody allowed.
    pub(super) fn issuer(&self, rule: &UrlRule) -> Result<Option<String>, Problem> {
        let Some(issuer) = &self.issuer else { return Ok(None) };
        Issuer::parse(issuer, rule).map_err(|error| {
            let hint = "write `--issuer` as the server publishes it, as `https://auth.example.com`";
            Problem::new(Code::InvalidSetting, error.to_string(), hint)
        })?;
        Ok(Some(issuer.clone()))
    }

    pub(super) fn timeout(&self) -> Duration {
        Duration::from_secs(self.sign_in_timeout.into())
    }
}
