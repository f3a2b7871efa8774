//! The flags under "State and logs": where sign-ins are kept, as whom, and what is told of the work.

use std::path::PathBuf;

use clap::Args;

use crate::credentials::store::Store;
use crate::problem::Problem;
use crate::settings::{CredentialStore, LogSettings, check_profile};

/// Where things are.
#[derive(Debug, Args)]
pub(super) struct StateArgs {
    /// Which of several accounts for one server
    #[arg(long, value_name = "NAME", help_heading = "State and logs")]
    pub(super) profile: Option<String>,
    /// Where sign-ins are kept [default: the platform's data folder]
    #[arg(long, value_name = "DIR", help_heading = "State and logs")]
    pub(super) state_dir: Option<PathBuf>,
    /// How much is logged: off, error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL", default_value = "info", value_parser = ["off", "error", "warn", "info", "debug", "trace"], help_heading = "State and logs")]
    log: String,
    /// Log to a file instead of stderr
    #[arg(long, value_name = "FILE", help_heading = "State and logs")]
    log_file: Option<PathBuf>,
}

/// Where secrets are kept.
#[derive(Debug, Args)]
pub(super) struct StoreArgs {
    /// Where secrets are kept: in a `file`; in the system's `keyring`; in the bridge's `memory`, until it ends; `auto` is the
    /// keyring where it can be reached [default: where they are, else in a file]
    #[arg(long, value_name = "auto|file|keyring|memory", value_parser = ["auto", "file", "keyring", "memory"], hide_possible_values = true, help_heading = "State and logs")]
    credential_store: Option<String>,
}

impl StoreArgs {
    pub(super) fn choice(&self) -> Option<CredentialStore> {
        self.credential_store.as_deref().and_then(CredentialStore::from_name)
    }
}

impl StateArgs {
    pub(super) fn dir(&self) -> Result<PathBuf, Problem> {
        match &self.state_dir {
            Some(dir) => Ok(std::path::absolute(dir).unwrap_or_else(|_| dir.clone())),
            None => Ok(Store::default_root()?),
        }
    }

    pub(super) fn profile(&self) -> Result<Option<String>, Problem> {
        self.profile.as_deref().map(check_profile).transpose()
    }

    pub(super) fn log(self) -> LogSettings {
        let file = self.log_file.map(|file| std::path::absolute(&file).unwrap_or(file));
        LogSettings { level: self.log, file }
    }
}
