//! The PEM files of the TLS options: read before the start, the throw-away authority written after it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use mcp_mock_server::{IssuedCertificate, ServerCertificate};

use super::options::Options;

/// More is no certificate, in bytes.
const LONGEST: u64 = 1024 * 1024;

/// Why a file of the TLS options is of no use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsFileFault {
    #[error("{path} cannot be read: {source}")]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{path} cannot be written: {source}")]
    Unwritable { path: PathBuf, source: io::Error },
    #[error("tls-cert and tls-key belong together, and only one of them is given")]
    Half,
    #[error("tls-ca-out has nothing to write: with tls-cert there is no throw-away authority")]
    NothingToWrite,
}

/// The certificate that the options want.
pub(crate) fn certificate(options: &Options) -> Result<Option<ServerCertificate>, TlsFileFault> {
    match (&options.tls_cert, &options.tls_key) {
        (Some(_), Some(_)) if options.tls_ca_out.is_some() => Err(TlsFileFault::NothingToWrite),
        (Some(certificate), Some(key)) => {
            let issued = IssuedCertificate { certificate_pem: pem(certificate)?, key_pem: pem(key)? };
            Ok(Some(ServerCertificate::Given(issued)))
        }
        (None, None) => {
            let wanted = options.tls == Some(true) || options.tls_ca_out.is_some();
            Ok(wanted.then_some(ServerCertificate::ThrowAway))
        }
        _ => Err(TlsFileFault::Half),
    }
}

/// The text of a file.
pub(crate) fn pem(path: &Path) -> Result<String, TlsFileFault> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(LONGEST).read_to_string(&mut text));
    read.map_err(|source| TlsFileFault::Unreadable { path: path.to_owned(), source })?;
    Ok(text)
}

/// Writes a certificate; whoever may read it may.
pub(crate) fn write(path: &Path, pem: &str) -> Result<(), TlsFileFault> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).open(path);
    let written = file.and_then(|mut file| file.write_all(pem.as_bytes()));
    written.map_err(|source| TlsFileFault::Unwritable { path: path.to_owned(), source })
}
