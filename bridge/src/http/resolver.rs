//! Names to addresses, with the address guard in between: what a client dials is what was judged, there is no second
//! look-up. `localhost` is answered here (RFC 6761 §6.3), whatever a name server says.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::dns;
use reqwest::dns::{Addrs, Resolve, Resolving};
use tokio::net::lookup_host;
use tower_service::Service;

use super::address_guard::{AddressGuard, is_localhost};
use crate::untrusted::Untrusted;

/// Who knows the addresses of names.
#[derive(Debug)]
pub(super) enum Names {
    /// The system.
    System,
    /// A test: each look-up is answered by the next list, the last one for ever.
    #[cfg(test)]
    Script(std::sync::Mutex<Vec<Vec<IpAddr>>>),
}

impl Names {
    /// The addresses of a name.
    pub(super) async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        if is_localhost(name) {
            return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
        }
        match self {
            Names::System => Ok(lookup_host((name, 0)).await?.map(|address| address.ip()).collect()),
            #[cfg(test)]
            Names::Script(answers) => {
                let mut answers = answers.lock().unwrap();
                Ok(if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() })
            }
        }
    }
}

/// The resolver of a client.
#[derive(Clone)]
pub(super) struct Resolver {
    /// One without a guard is for messages to the upstream that the person named.
    pub(super) guard: Option<Arc<AddressGuard>>,
    /// IPv6 addresses are left out.
    pub(super) ipv4_only: bool,
}

/// Addresses without a port, as connectors want them.
type Found = std::vec::IntoIter<SocketAddr>;
type Finding = Pin<Box<dyn Future<Output = Result<Found, Box<dyn Error + Send + Sync>>> + Send>>;

impl Resolver {
    fn find(&self, name: String) -> Finding {
        let (guard, ipv4_only) = (self.guard.clone(), self.ipv4_only);
        Box::pin(async move {
            let names = guard.as_ref().map_or(&Names::System, |guard| guard.names());
            let mut addresses = names.addresses(&name).await?;
            if ipv4_only {
                addresses.retain(IpAddr::is_ipv4);
            }
            let permitted = match &guard {
                Some(guard) => guard.permitted(&name, addresses).await,
                None if addresses.is_empty() && ipv4_only => return Err(NO_IPV4.into()),
                None => Ok(addresses),
            };
            match permitted {
                Ok(addresses) => {
                    let found: Vec<_> = addresses.into_iter().map(|address| SocketAddr::new(address, 0)).collect();
                    Ok(found.into_iter())
                }
                Err(Some(address)) => Err(Refused { host: name, address }.into()),
                Err(None) if ipv4_only => Err(NO_IPV4.into()),
                Err(None) => Err("it has no address".into()),
            }
        })
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: reqwest::dns::Name) -> Resolving {
        let finding = self.find(name.as_str().to_owned());
        Box::pin(async move { Ok(Box::new(finding.await?) as Addrs) })
    }
}

impl Service<dns::Name> for Resolver {
    type Response = Found;
    type Error = Box<dyn Error + Send + Sync>;
    type Future = Finding;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: dns::Name) -> Finding {
        self.find(name.as_str().to_owned())
    }
}

const NO_IPV4: &str = "it has no IPv4 address, and `--ipv4` allows no other";

/// A name that leads only where the guard permits nothing.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) host: String,
    pub(super) address: IpAddr,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is {}, which may not be dialled", Untrusted::new(&self.host), self.address)
    }
}

impl Error for Refused {}
