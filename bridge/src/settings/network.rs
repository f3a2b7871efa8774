//! How this machine reaches the network: proxy, trust, client certificate, kind of address (T16, A19). It holds for messages
//! and for a sign-in's requests alike, so it crosses the process wall.

use std::path::PathBuf;

use serde::{Deserialize, Serialize, Serializer};
use url::Url;

use crate::safe_url::SafeUrl;
use crate::secret::Secret;

/// How the network is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NetworkSettings {
    /// Which proxy is used.
    pub proxy: ProxyChoice,
    /// Certificates in PEM that are trusted besides the system's.
    pub ca_file: Option<PathBuf>,
    /// The client certificate in PEM, with its chain and perhaps its key.
    pub client_cert: Option<PathBuf>,
    /// The key of the client certificate in PEM, where it is in a file of its own.
    pub client_key: Option<PathBuf>,
    /// Names are reached at their IPv4 addresses only.
    pub ipv4_only: bool,
    /// A public server's metadata may lead into private networks and to this machine (A19).
    pub allow_private_addresses: bool,
}

/// Which proxy is used; none ever for this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProxyChoice {
    /// The one that the environment names, if it does.
    #[default]
    Environment,
    /// None, whatever the environment says.
    Direct,
    /// This one, but for what `NO_PROXY` names.
    Given(ProxyUrl),
}

/// A proxy's URL. It may hold a password, so it is a secret; it leaves this process only by the worker's pipe.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct ProxyUrl(Secret);

impl ProxyUrl {
    /// Checks a URL; without a scheme `http` is meant.
    ///
    /// # Errors
    /// A sentence about what is wrong; user name and password never stand in it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let whole = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let url = Url::parse(&whole).map_err(|_| "it is no URL; write `http://proxy.example.com:3128`".to_owned())?;
        if !matches!(url.scheme(), "http" | "https" | "socks5" | "socks5h") {
            return Err(format!("a proxy's scheme is http, https, socks5 or socks5h, not `{}`", url.scheme()));
        }
        if url.host_str().is_none_or(str::is_empty) || !matches!(url.path(), "" | "/") || url.query().is_some() {
            return Err(format!("`{}` is not just a scheme, a host and a port", SafeUrl::new(&url)));
        }
        Ok(ProxyUrl(Secret::new(whole)))
    }

    /// The whole URL, for the client that dials it.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

impl Serialize for ProxyUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.expose())
    }
}

#[cfg(test)]
mod tests {
    use super::ProxyUrl;

    #[test]
    fn t16_a_proxy_is_a_scheme_a_host_and_a_port_and_its_password_is_never_shown() {
        for good in ["http://p.example:3128", "https://u:hunter2@p.example/", "socks5://[::1]:1080", "p.example:3128"] {
            let shown = format!("{:?}", ProxyUrl::parse(good).unwrap());
            assert!(!shown.contains("hunter2"), "{shown}");
        }
        for bad in ["ftp://u:hunter2@p", "http://u:hunter2@p/path", "http://p/?hunter2", "http://u:hunter2@", "://"] {
            let why = ProxyUrl::parse(bad).unwrap_err();
            assert!(!why.contains("hunter2"), "{bad}: {why}");
        }
    }

    #[test]
    fn it_reaches_the_other_side_of_the_process_wall() {
        let proxy = ProxyUrl::parse("socks5h://u:p@p.example:1080").unwrap();
        let json = serde_json::to_string(&proxy).unwrap();
        assert_eq!(serde_json::from_str::<ProxyUrl>(&json).unwrap(), proxy);
    }
}
