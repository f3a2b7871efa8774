//! The network as the settings have it: proxies, trusted certificates and the client's own, read once for every client that
//! is built. Must never know what is sent. It is the settings' twin with the files read: read next `http::client`.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use hyper_util::client::proxy::matcher::Matcher;
use reqwest::{Certificate, Identity, NoProxy, Proxy};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use url::Url;
use zeroize::Zeroizing;

use super::address_guard::is_loopback;
use crate::problem::{Code, Problem};
use crate::settings::{NetworkSettings, ProxyChoice};
use crate::untrusted::Untrusted;

/// How long a file of certificates may be, in bytes: the whole web's roots take a quarter of it.
const LIMIT: u64 = 1024 * 1024;

/// How the network is reached. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Network(Arc<Loaded>);

#[derive(Debug)]
pub(super) struct Loaded {
    /// Which URLs go by a proxy, as the client itself decides it: both must agree.
    matcher: Matcher,
    /// The proxy that was given; else the environment's, where `from_environment`.
    pub(super) proxy: Option<Proxy>,
    pub(super) from_environment: bool,
    /// Trusted besides the system's.
    pub(super) roots: Vec<Certificate>,
    /// The client certificate.
    pub(super) identity: Option<Identity>,
    /// `roots` and `identity` once more, as the direct client wants them.
    pub(super) trusted: Vec<CertificateDer<'static>>,
    pub(super) client_auth: Option<ClientAuth>,
    pub(super) ipv4_only: bool,
    pub(super) allow_private_addresses: bool,
}

impl Network {
    /// Reads what the settings name.
    ///
    /// # Errors
    /// A file that cannot be read, or holds something else.
    pub fn load(settings: &NetworkSettings) -> Result<Network, Problem> {
        let (matcher, proxy) = match &settings.proxy {
            ProxyChoice::Environment => (Matcher::from_env(), None),
            ProxyChoice::Direct => (Matcher::builder().build(), None),
            ProxyChoice::Given(url) => {
                let refused =
                    |_| invalid("`--proxy` is no proxy's URL", "write `--proxy http://proxy.example.com:3128`");
                let proxy = Proxy::all(url.expose()).map_err(refused)?.no_proxy(NoProxy::from_env());
                (Matcher::builder().all(url.expose()).no(no_proxy()).build(), Some(proxy))
            }
        };
        let (roots, trusted) = settings.ca_file.as_deref().map(roots).transpose()?.unwrap_or_default();
        let key = settings.client_key.as_deref();
        let identity = settings.client_cert.as_deref().map(|cert| identity(cert, key)).transpose()?;
        let (identity, client_auth) = identity.unzip();
        Ok(Network(Arc::new(Loaded {
            matcher,
            proxy,
            from_environment: settings.proxy == ProxyChoice::Environment,
            roots,
            identity,
            trusted,
            client_auth,
            ipv4_only: settings.ipv4_only,
            allow_private_addresses: settings.allow_private_addresses,
        })))
    }

    /// Whether requests to a URL go by a proxy: the peer's address is the proxy's then. None ever does to this machine.
    #[must_use]
    pub fn is_proxied(&self, url: &Url) -> bool {
        !is_loopback(url) && url.as_str().parse().is_ok_and(|uri| self.0.matcher.intercept(&uri).is_some())
    }

    pub(super) fn loaded(&self) -> &Loaded {
        &self.0
    }

    #[cfg(test)]
    pub(super) fn with_matcher(matcher: Matcher) -> Network {
        Network(Arc::new(Loaded {
            matcher,
            proxy: None,
            from_environment: false,
            roots: Vec::new(),
            identity: None,
            trusted: Vec::new(),
            client_auth: None,
            ipv4_only: false,
            allow_private_addresses: false,
        }))
    }

    /// Without a proxy, whatever the environment says.
    #[cfg(test)]
    pub(super) fn direct() -> Network {
        Network::with_matcher(Matcher::builder().build())
    }
}

fn no_proxy() -> String {
    std::env::var("NO_PROXY").or_else(|_| std::env::var("no_proxy")).unwrap_or_default()
}

type Roots = (Vec<Certificate>, Vec<CertificateDer<'static>>);
type ClientAuth = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

fn roots(path: &Path) -> Result<Roots, Problem> {
    let pem = read(path, "--ca-file")?;
    let certificates = Certificate::from_pem_bundle(&pem).unwrap_or_default();
    let trusted: Vec<_> = CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok).collect();
    if certificates.is_empty() || trusted.len() != certificates.len() {
        let what = format!("`{}`, named by `--ca-file`, holds no certificate in PEM", shown(path));
        return Err(invalid(
            what,
            "it begins with `-----BEGIN CERTIFICATE-----`; `openssl x509` turns other forms into it",
        ));
    }
    Ok((certificates, trusted))
}

fn identity(cert: &Path, key: Option<&Path>) -> Result<(Identity, ClientAuth), Problem> {
    let mut pem = read(cert, "--client-cert")?;
    if let Some(key) = key {
        pem.push(b'\n');
        pem.extend_from_slice(&read(key, "--client-key")?);
    }
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok).collect();
    let key_found = PrivateKeyDer::from_pem_slice(&pem).ok();
    let found = Identity::from_pem(&pem).ok().zip(key_found.map(|key| (chain, key)));
    found.ok_or_else(|| {
        let files = match key {
            Some(key) => format!("`{}` and `{}` together hold", shown(cert), shown(key)),
            None => format!("`{}` holds", shown(cert)),
        };
        let what = format!("{files} no client certificate with its key, in PEM and without a password");
        invalid(what, "name the key by `--client-key FILE`; `openssl pkey` takes its password away")
    })
}

/// Links are followed: such files are often mounted as links.
fn read(path: &Path, flag: &str) -> Result<Zeroizing<Vec<u8>>, Problem> {
    let read = || {
        // Asked before it is opened: to open a pipe waits for its writer.
        if !fs::metadata(path)?.is_file() {
            return Err(io::Error::other("it is no file"));
        }
        let mut content = Zeroizing::new(Vec::with_capacity(64 * 1024));
        if File::open(path)?.take(LIMIT + 1).read_to_end(&mut content)? as u64 > LIMIT {
            return Err(io::Error::other(format!("it is longer than {LIMIT} bytes")));
        }
        Ok(content)
    };
    read().map_err(|error| {
        invalid(format!("`{}`, named by `{flag}`, cannot be read: {error}", shown(path)), "check its name and rights")
    })
}

fn shown(path: &Path) -> Untrusted {
    Untrusted::new(path.display().to_string())
}

fn invalid(what: impl Into<String>, hint: &str) -> Problem {
    Problem::new(Code::InvalidSetting, what, hint)
}

#[cfg(test)]
mod tests {
    use hyper_util::client::proxy::matcher::Matcher;
    use url::Url;

    use super::Network;
    use crate::problem::Code;
    use crate::settings::{NetworkSettings, ProxyChoice, ProxyUrl};

    #[test]
    fn t16_a_proxy_is_used_where_it_is_named_and_never_to_this_machine() {
        let network =
            Network::with_matcher(Matcher::builder().all("http://proxy.example:3128").no("corp.example").build());
        let cases = [
            ("https://mcp.example.com/", true),
            ("http://mcp.example.com/", true),
            ("https://mcp.corp.example/", false),
            ("http://localhost:8000/", false),
            ("https://127.0.0.1/", false),
            ("http://[::1]/", false),
        ];
        for (url, expected) in cases {
            assert_eq!(network.is_proxied(&Url::parse(url).unwrap()), expected, "{url}");
        }
    }

    #[test]
    fn t16_a_given_proxy_goes_before_the_environments_and_none_can_be_wanted() {
        let of = |proxy| Network::load(&NetworkSettings { proxy, ..NetworkSettings::default() }).unwrap();
        let url = Url::parse("https://mcp.example.com/").unwrap();
        for proxy in ["http://u:p@p.example:3128", "socks5h://p.example:1080"] {
            assert!(of(ProxyChoice::Given(ProxyUrl::parse(proxy).unwrap())).is_proxied(&url), "{proxy}");
        }
        assert!(!of(ProxyChoice::Direct).is_proxied(&url));
    }

    #[test]
    fn t16_a_file_that_holds_something_else_is_named_and_not_quoted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hunter");
        #[expect(clippy::disallowed_methods, reason = "a file of this test")]
        std::fs::write(&path, "hunter2").unwrap();
        let absent = folder.path().join("absent");
        let table = [
            NetworkSettings { ca_file: Some(path.clone()), ..NetworkSettings::default() },
            NetworkSettings { ca_file: Some(absent.clone()), ..NetworkSettings::default() },
            NetworkSettings { ca_file: Some(folder.path().into()), ..NetworkSettings::default() },
            NetworkSettings { client_cert: Some(path.clone()), ..NetworkSettings::default() },
            NetworkSettings { client_cert: Some(path.clone()), client_key: Some(absent), ..NetworkSettings::default() },
        ];
        for settings in table {
            let problem = Network::load(&settings).unwrap_err();
            assert_eq!(problem.code, Code::InvalidSetting, "{settings:?}");
            assert!(!problem.message.contains("hunter2"), "{problem}");
        }
    }
}
