//! Where secrets are kept between two starts (S5). The same words in `--credential-store`, in the job that crosses the process
//! wall, and in docs/credentials.md. Must never know how it is done: `credentials` does it.

use serde::{Deserialize, Serialize};

/// Where secrets are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CredentialStore {
    /// In the system's keyring where it can be reached, else in files, with a warning.
    Auto,
    /// In files that the person alone can read.
    File,
    /// In the system's keyring.
    Keyring,
    /// Nowhere: they end with the bridge.
    Memory,
}

impl CredentialStore {
    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            CredentialStore::Auto => "auto",
            CredentialStore::File => "file",
            CredentialStore::Keyring => "keyring",
            CredentialStore::Memory => "memory",
        }
    }

    /// What is meant by a word.
    #[must_use]
    pub fn from_name(name: &str) -> Option<CredentialStore> {
        let all = [CredentialStore::Auto, CredentialStore::File, CredentialStore::Keyring, CredentialStore::Memory];
        all.into_iter().find(|store| store.name() == name)
    }
}
