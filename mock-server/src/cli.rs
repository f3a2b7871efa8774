//! What a person can type, set in the environment or write into a file, and the one [`Settings`] that comes of it.
//! A flag goes before the environment, the environment before the file, the file before the default. The table of all
//! options is `cli/options.rs`, the file is read in `cli/file.rs`; a server is started elsewhere, by `main.rs`.

mod file;
mod help;
mod machines;
mod options;
pub(crate) mod tls;
mod transport;
mod values;

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{CommandFactory as _, FromArgMatches as _};
use mcp_mock_server::{Approval, McpSettings, Settings};
use serde_json::Value;
use url::Url;

pub(crate) use self::file::FileFault;
use self::options::Options;
use self::values::Spelled;

/// What is wanted of the binary.
pub(crate) enum Wish {
    /// To serve until told to stop; with every request in the trace, or warnings only.
    Serve {
        settings: Box<Settings>,
        verbose: bool,
        /// Where to write the throw-away authority.
        ca_out: Option<PathBuf>,
    },
    /// To show what can be wrong on purpose.
    ListFaults,
    /// To ask a running server for its health.
    Health(Url),
}

/// Why the settings are of no use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsFault {
    #[error(transparent)]
    File(#[from] FileFault),
    #[error(transparent)]
    Key(#[from] machines::KeyFileFault),
    #[error("the client metadata document {path}: {reason}")]
    Document { path: PathBuf, reason: String },
    #[error(transparent)]
    Tls(#[from] tls::TlsFileFault),
}

/// What the command line, the environment and the file want; a command line that says nothing ends the process here.
pub(crate) fn wish() -> Result<Wish, SettingsFault> {
    let matches = help::arranged(Options::command()).get_matches();
    // The matches are of the very command that the options describe.
    let typed = Options::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    if typed.list_faults == Some(true) {
        return Ok(Wish::ListFaults);
    }
    if let Some(url) = typed.health {
        return Ok(Wish::Health(url));
    }
    let options = match &typed.config {
        Some(path) => {
            let written = file::read(path)?;
            typed.or(written)
        }
        None => typed,
    };
    let verbose = options.verbose == Some(true);
    let ca_out = options.tls_ca_out.clone();
    Ok(Wish::Serve { settings: Box::new(settings(options)?), verbose, ca_out })
}

fn settings(options: Options) -> Result<Settings, SettingsFault> {
    let timing = timing(&options);
    let mcp = transport::over(McpSettings::default(), &options);
    let tls = tls::certificate(&options)?;
    let client_ca = options.client_ca.as_deref().map(tls::pem).transpose()?;
    let default = Settings::default();
    let listen = options.listen.unwrap_or(default.listen);
    let unless = |switch: Option<bool>| switch != Some(true);
    let no_metadata = |switch| unless(switch) && unless(options.no_server_metadata);
    let redirect_uris = options.redirect_uri.unwrap_or_else(|| vec!["http://127.0.0.1/callback".to_owned()]);
    let known_clients = plain(options.known_client).into_iter().map(|known| known.with(&redirect_uris)).collect();
    let known_clients = machines::with_keys(known_clients, plain(options.client_key), &redirect_uris)?;
    let grants = options.grant.map(|grants| grants.into_iter().map(Into::into).collect());
    let accounts = plain(options.account).into_iter().map(|account| account.0).collect::<Vec<_>>();
    let client_documents = options.client_document.unwrap_or_default();
    Ok(Settings {
        listen,
        public_origin: options.public_origin.map(|origin| origin.0.0),
        tls,
        client_ca,
        http2: unless(options.no_http2),
        layout: options.layout.map_or(default.layout, Into::into),
        also_issues_for: options.also_issues_for.unwrap_or_default(),
        issuer_path: options.issuer_path.unwrap_or_default(),
        separate_authorization_server: options
            .separate_authorization_server
            .map(|address| address.0.0.unwrap_or_else(|| SocketAddr::new(listen.ip(), 0))),
        public_authorization_origin: options.public_authorization_origin.map(|origin| origin.0.0),
        server_metadata: no_metadata(options.no_oauth_metadata),
        openid_configuration: no_metadata(options.no_openid_configuration),
        registration: unless(options.no_registration),
        token_endpoint_auth_method: options.auth_method.map(Into::into),
        reply: options.reply.map_or(default.reply, Into::into),
        initial_access_token: options.initial_access_token,
        client_management: unless(options.no_client_management),
        introspection: unless(options.no_introspection),
        allowed_origins: options.allowed_origin.unwrap_or_default(),
        rotate_refresh_tokens: unless(options.no_rotation),
        dpop: options.dpop.map_or(default.dpop, Into::into),
        dpop_nonce: options.dpop_nonce == Some(true),
        token_format: options.token_format.map_or(default.token_format, Into::into),
        faults: plain(options.fault),
        admin: options.admin == Some(true),
        protected: unless(options.unprotected),
        approval: match (options.deny, options.consent) {
            (Some(true), _) => Approval::Deny,
            (_, Some(true)) => Approval::Ask,
            _ => Approval::Allow,
        },
        accounts: if accounts.is_empty() { default.accounts } else { accounts },
        approve_as: options.approve_as,
        known_clients,
        grants: grants.unwrap_or(default.grants),
        trusted_issuers: machines::issuers(plain(options.trusted_issuer))?,
        identity_assertions: machines::map(plain(options.identity_assertion)),
        client_metadata_documents: !client_documents.is_empty(),
        client_documents: documents(&client_documents)?,
        device_code: options.device_code == Some(true),
        revocation: unless(options.no_revocation),
        open_until_tools_call: options.open_until_tools_call == Some(true),
        tool_scopes: plain(options.tool_scope).into_iter().map(|pair| (pair.tool, pair.scope)).collect(),
        body_limit: options.body_limit.unwrap_or(default.body_limit),
        mcp,
        // As many as the start page shows.
        log_limit: Some(100),
        ..timing
    })
}

/// The settings that are times, beside the defaults of all others.
fn timing(options: &Options) -> Settings {
    let default = Settings::default();
    let seconds = |given: Option<u64>, default| given.map_or(default, Duration::from_secs);
    let delay = options.token_delay.as_ref().map(|range| range.0.0.clone());
    Settings {
        access_token_lifetime: seconds(options.access_token_lifetime, default.access_token_lifetime),
        access_token_ttl_override: options.access_token_ttl_override.map(Duration::from_secs),
        refresh_token_lifetime: seconds(options.refresh_token_lifetime, default.refresh_token_lifetime),
        refresh_grace: seconds(options.refresh_grace, default.refresh_grace),
        authorization_code_lifetime: seconds(options.authorization_code_lifetime, default.authorization_code_lifetime),
        device_code_lifetime: seconds(options.device_code_lifetime, default.device_code_lifetime),
        device_code_interval: seconds(options.device_code_interval, default.device_code_interval),
        client_secret_lifetime: options.client_secret_lifetime.map(Duration::from_secs),
        token_delay: delay.map(|range| (range, options.seed.unwrap_or_default())),
        initialize_delay: options.initialize_delay.map_or(default.initialize_delay, Duration::from_millis),
        request_timeout: seconds(options.request_timeout, default.request_timeout),
        ..default
    }
}

fn plain<T>(spelled: Option<Vec<Spelled<T>>>) -> Vec<T> {
    spelled.unwrap_or_default().into_iter().map(|spelled| spelled.0).collect()
}

/// The documents by the URLs that they are known by.
fn documents(paths: &[PathBuf]) -> Result<BTreeMap<String, Value>, SettingsFault> {
    paths.iter().map(|path| document(path)).collect()
}

fn document(path: &Path) -> Result<(String, Value), SettingsFault> {
    let failure = |reason: String| SettingsFault::Document { path: path.to_owned(), reason };
    let file = File::open(path).map_err(|error| failure(error.to_string()))?;
    let document = serde_json::from_reader::<_, Value>(io::BufReader::new(file));
    let document = document.map_err(|error| failure(error.to_string()))?;
    let url = document["client_id"].as_str().ok_or_else(|| failure("it has no client_id".to_owned()))?.to_owned();
    Ok((url, document))
}

#[cfg(test)]
mod tests;
