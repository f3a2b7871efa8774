//! TLS for the server's ports: a given certificate or a throw-away one, HTTP/2 by ALPN, client certificates where they are
//! demanded. It makes the acceptor and knows nothing of what is served; the throw-away authority is in `tls/ca.rs`.

mod ca;

use std::net::IpAddr;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

pub use self::ca::{IssuedCertificate, ThrowAwayCa};
use crate::settings::{ServerCertificate, Settings};

/// Why a certificate, a key or an authority is of no use.
#[derive(Debug, thiserror::Error)]
pub enum TlsFault {
    /// No throw-away certificate could be made.
    #[error("no throw-away certificate: {0}")]
    Generate(#[from] rcgen::Error),
    /// What should be PEM is none, or holds nothing of the kind.
    #[error("the {what} is no PEM of its kind: {reason}")]
    Pem {
        /// Which of them.
        what: &'static str,
        /// What the reader says.
        reason: String,
    },
    /// Certificate and key do not fit, or are of a kind that TLS does not take.
    #[error("the certificate and its key are of no use: {0}")]
    Certificate(rustls::Error),
    /// The authority of client certificates is of no use.
    #[error("the authority of client certificates is of no use: {0}")]
    ClientCa(String),
}

/// What a port needs to speak TLS.
pub(crate) struct Tls {
    pub(crate) acceptor: TlsAcceptor,
    /// The throw-away authority that clients must trust, in PEM; none if the certificate was given.
    pub(crate) ca_pem: Option<String>,
}

/// The TLS of the settings, if they want it, for a server that listens on this address.
pub(crate) fn prepared(settings: &Settings, address: IpAddr) -> Result<Option<Tls>, TlsFault> {
    let wanted = match (&settings.tls, &settings.client_ca) {
        (None, None) => return Ok(None),
        (wanted, _) => wanted.as_ref().unwrap_or(&ServerCertificate::ThrowAway),
    };
    let (issued, ca_pem) = match wanted {
        ServerCertificate::Given(issued) => (issued.clone(), None),
        ServerCertificate::ThrowAway => {
            let ca = ThrowAwayCa::new()?;
            let mut names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
            for name in std::iter::once(address.to_string()).chain(settings.public_hosts()) {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
            (ca.server_certificate(names)?, Some(ca.pem()))
        }
    };
    let config = Arc::new(config(&issued, settings.client_ca.as_deref(), settings.http2)?);
    Ok(Some(Tls { acceptor: TlsAcceptor::from(config), ca_pem }))
}

fn config(issued: &IssuedCertificate, client_ca: Option<&str>, http2: bool) -> Result<ServerConfig, TlsFault> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let chain = certificates("certificate", &issued.certificate_pem)?;
    let key = PrivateKeyDer::from_pem_slice(issued.key_pem.as_bytes());
    let key = key.map_err(|error| TlsFault::Pem { what: "key", reason: error.to_string() })?;
    let builder = ServerConfig::builder_with_provider(provider.clone());
    let builder = builder.with_safe_default_protocol_versions().map_err(TlsFault::Certificate)?;
    let builder = match client_ca {
        None => builder.with_no_client_auth(),
        Some(pem) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates("authority of client certificates", pem)? {
                roots.add(certificate).map_err(|error| TlsFault::ClientCa(error.to_string()))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            let verifier = verifier.map_err(|error: VerifierBuilderError| TlsFault::ClientCa(error.to_string()))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder.with_single_cert(chain, key).map_err(TlsFault::Certificate)?;
    let protocols: &[&[u8]] = if http2 { &[b"h2", b"http/1.1"] } else { &[b"http/1.1"] };
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Ok(config)
}

fn certificates(what: &'static str, pem: &str) -> Result<Vec<CertificateDer<'static>>, TlsFault> {
    let found = CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<Vec<_>, _>>();
    let found = found.map_err(|error| TlsFault::Pem { what, reason: error.to_string() })?;
    if found.is_empty() {
        return Err(TlsFault::Pem { what, reason: "it holds no certificate".to_owned() });
    }
    Ok(found)
}
