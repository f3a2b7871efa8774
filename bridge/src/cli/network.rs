//! The flags under "Network": how this machine reaches servers, for messages and sign-ins alike (T16, A19).

use std::path::{Path, PathBuf};

use clap::Args;

use crate::problem::{Code, Problem};
use crate::settings::{NetworkSettings, ProxyChoice, ProxyUrl};

/// How the network is reached.
#[derive(Debug, Args)]
pub(super) struct NetworkArgs {
    /// The proxy to go by, http, https, socks5 or socks5h; NO_PROXY still counts [default: that of the environment]
    #[arg(long, value_name = "URL", value_parser = parse_proxy, conflicts_with = "no_proxy", help_heading = "Network")]
    proxy: Option<ProxyUrl>,
    /// Go by no proxy, whatever the environment says
    #[arg(long, help_heading = "Network")]
    no_proxy: bool,
    /// Certificates in PEM to trust besides the system's
    #[arg(long, value_name = "FILE", help_heading = "Network")]
    ca_file: Option<PathBuf>,
    /// The client certificate in PEM, for servers that ask for one; its key may be in the same file
    #[arg(long, value_name = "FILE", help_heading = "Network")]
    client_cert: Option<PathBuf>,
    /// The key of --client-cert in PEM, without a password
    #[arg(long, value_name = "FILE", help_heading = "Network")]
    client_key: Option<PathBuf>,
    /// Use no IPv6 addresses
    #[arg(long, help_heading = "Network")]
    ipv4: bool,
    /// Sign-in requests for a public server may go into private networks and to this machine
    #[arg(long, help_heading = "Network")]
    allow_private_addresses: bool,
}

impl NetworkArgs {
    /// The settings, paths made absolute: the worker may run elsewhere.
    ///
    /// # Errors
    /// A key without its certificate.
    pub(super) fn settings(self) -> Result<NetworkSettings, Problem> {
        if self.client_key.is_some() && self.client_cert.is_none() {
            let what = "the key of a client certificate is named, but not the certificate";
            return Err(Problem::new(Code::InvalidSetting, what, "add `--client-cert FILE`"));
        }
        let absolute = |path: PathBuf| std::path::absolute(Path::new(&path)).unwrap_or(path);
        Ok(NetworkSettings {
            proxy: match self.proxy {
                _ if self.no_proxy => ProxyChoice::Direct,
                Some(url) => ProxyChoice::Given(url),
                None => ProxyChoice::Environment,
            },
            ca_file: self.ca_file.map(absolute),
            client_cert: self.client_cert.map(absolute),
            client_key: self.client_key.map(absolute),
            ipv4_only: self.ipv4,
            allow_private_addresses: self.allow_private_addresses,
        })
    }
}

fn parse_proxy(text: &str) -> Result<ProxyUrl, String> {
    ProxyUrl::parse(text)
}
