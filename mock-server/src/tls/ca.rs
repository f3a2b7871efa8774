//! A certificate authority that lives as long as a test: it signs a server's certificate, and clients' for mutual TLS.
//! Its key is nowhere but in memory.

use std::fmt;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};

use crate::tls::TlsFault;

/// How long its certificates are good.
const LIFETIME: Duration = Duration::from_secs(90 * 24 * 3600);

/// Clocks differ: its certificates are good from this long ago on.
const BACKDATED: Duration = Duration::from_secs(24 * 3600);

/// A certificate authority made anew each time.
pub struct ThrowAwayCa(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its key, both in PEM.
#[derive(Clone)]
pub struct IssuedCertificate {
    /// The certificate, and those that lead to its authority.
    pub certificate_pem: String,
    /// Its private key.
    pub key_pem: String,
}

impl fmt::Debug for IssuedCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuedCertificate").finish_non_exhaustive()
    }
}

impl ThrowAwayCa {
    /// A new one, with a new key.
    ///
    /// # Errors
    /// [`TlsFault::Generate`]: the cryptographic library makes no key or signs nothing.
    pub fn new() -> Result<Self, TlsFault> {
        let mut parameters = parameters(Vec::new(), "mcp-mock-server throw-away CA")?;
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Ok(ThrowAwayCa(CertifiedIssuer::self_signed(parameters, KeyPair::generate()?)?))
    }

    /// Its own certificate, in PEM: who trusts this trusts all that it signs.
    #[must_use]
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for a server of these host names or addresses.
    ///
    /// # Errors
    /// [`TlsFault::Generate`]: a name is none, or nothing can be signed.
    pub fn server_certificate(&self, names: Vec<String>) -> Result<IssuedCertificate, TlsFault> {
        self.issued(names, "mcp-mock-server", ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// A certificate for a client of this name.
    ///
    /// # Errors
    /// [`TlsFault::Generate`]: nothing can be signed.
    pub fn client_certificate(&self, name: &str) -> Result<IssuedCertificate, TlsFault> {
        self.issued(Vec::new(), name, ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn issued(
        &self,
        names: Vec<String>,
        subject: &str,
        purpose: ExtendedKeyUsagePurpose,
    ) -> Result<IssuedCertificate, TlsFault> {
        let mut parameters = parameters(names, subject)?;
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        parameters.extended_key_usages = vec![purpose];
        parameters.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let certificate = parameters.signed_by(&key, &self.0)?;
        Ok(IssuedCertificate { certificate_pem: certificate.pem(), key_pem: key.serialize_pem() })
    }
}

fn parameters(names: Vec<String>, subject: &str) -> Result<CertificateParams, TlsFault> {
    let mut parameters = CertificateParams::new(names)?;
    parameters.distinguished_name.remove(DnType::CommonName);
    parameters.distinguished_name.push(DnType::CommonName, subject);
    let now = SystemTime::now();
    parameters.not_before = (now - BACKDATED).into();
    parameters.not_after = (now + LIFETIME).into();
    Ok(parameters)
}
