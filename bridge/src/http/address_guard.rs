//! The address guard: how far an address reaches, and whether a request may go there. A server that anybody can reach
//! must not send us into the network behind our back (SSRF, A19). Judges the addresses that are dialled; must never know
//! what the request is for. `http::resolver` asks it for names, `http::egress` for addresses that stand in a URL.

#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

use url::{Host, Url};

use super::resolver::Names;

/// How far an address reaches, the narrowest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reach {
    /// This machine: 127/8, `::1`, and the unspecified address, which leads here too.
    Loopback,
    /// A private network: RFC 1918, RFC 6598 (carrier-grade NAT), RFC 4193.
    Private,
    /// This link, and the metadata services of the clouds, most of which live there.
    LinkLocal,
    /// Nothing that should be dialled: documentation, benchmarks, multicast, reserved.
    Reserved,
    /// The internet.
    Public,
}

impl Reach {
    /// The reach of an address; an IPv4 address inside an IPv6 one (mapped, compatible, NAT64, 6to4) is judged itself.
    #[must_use]
    pub fn of(address: IpAddr) -> Reach {
        match address {
            IpAddr::V4(address) => of_v4(address),
            IpAddr::V6(address) => embedded_v4(address).map_or_else(|| of_v6(address), of_v4),
        }
    }

    /// The reach of a host as it stands in a URL; none for a name that must be resolved.
    #[must_use]
    pub fn of_host(host: &Host<&str>) -> Option<Reach> {
        match host {
            Host::Ipv4(address) => Some(Reach::of(IpAddr::V4(*address))),
            Host::Ipv6(address) => Some(Reach::of(IpAddr::V6(*address))),
            Host::Domain(name) if is_localhost(name) => Some(Reach::Loopback),
            Host::Domain(name) if METADATA_NAMES.contains(&without_root(name)) => Some(Reach::LinkLocal),
            Host::Domain(_) => None,
        }
    }
}

/// Whether a name means this machine (RFC 6761 §6.3).
#[must_use]
pub fn is_localhost(name: &str) -> bool {
    let name = without_root(name).to_ascii_lowercase();
    name == "localhost" || name.ends_with(".localhost")
}

/// Whether a URL leads to this machine by what stands in it, without asking anybody.
#[must_use]
pub fn is_loopback(url: &Url) -> bool {
    url.host().and_then(|host| Reach::of_host(&host)) == Some(Reach::Loopback)
}

fn without_root(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

/// What may be dialled on behalf of one upstream.
#[derive(Debug)]
pub struct AddressGuard {
    upstream: Host<String>,
    /// The widest reach that the upstream's name was ever seen to have: who answers a public address first and a private
    /// one later stays public.
    seen: Mutex<Option<Reach>>,
    names: Names,
    /// Private networks and this machine are permitted to whatever upstream: the person said so.
    is_lenient: bool,
}

impl AddressGuard {
    /// A guard for an upstream. Its name is resolved when the first address is met that is not public.
    #[must_use]
    pub fn new(upstream: &Url) -> AddressGuard {
        AddressGuard::with_names(upstream, Names::System)
    }

    pub(super) fn with_names(upstream: &Url, names: Names) -> AddressGuard {
        let host = upstream.host();
        AddressGuard {
            seen: Mutex::new(host.as_ref().and_then(Reach::of_host)),
            upstream: host.map_or_else(|| Host::Domain(String::new()), |host| host.to_owned()),
            names,
            is_lenient: false,
        }
    }

    /// Permits private networks and this machine to a public upstream too, if the person said so; the link and metadata
    /// services are not among them.
    #[must_use]
    pub fn lenient(self, is_lenient: bool) -> AddressGuard {
        AddressGuard { is_lenient, ..self }
    }

    /// Takes over the address that the upstream was met at, by another process perhaps: it counts as seen (A19). Must not
    /// be called with a proxy's address.
    #[must_use]
    pub fn seen_at(self, address: Option<IpAddr>) -> AddressGuard {
        if let (Some(address), Host::Domain(_)) = (address, &self.upstream) {
            self.observe(&[address]);
        }
        self
    }

    /// Whether an address may be dialled: a public one always, a private one for a private or local upstream, this
    /// machine for a local one, the link never; the address that is itself the upstream in its URL, always.
    pub async fn permits(&self, address: IpAddr) -> bool {
        let is_upstream = match &self.upstream {
            Host::Ipv4(upstream) => address == *upstream,
            Host::Ipv6(upstream) => address == *upstream,
            Host::Domain(_) => false,
        };
        is_upstream || self.permits_reach(Reach::of(address)).await
    }

    /// As [`AddressGuard::permits`], for a host that is known by its reach alone.
    pub async fn permits_reach(&self, reach: Reach) -> bool {
        match reach {
            Reach::Public => true,
            Reach::LinkLocal => false,
            Reach::Loopback | Reach::Private if self.is_lenient => true,
            Reach::Loopback => self.upstream_reach().await == Reach::Loopback,
            Reach::Private => self.upstream_reach().await <= Reach::Private,
            Reach::Reserved => self.upstream_reach().await == Reach::Reserved,
        }
    }

    /// The addresses of a name that may be dialled, and one that may not if none is left.
    pub(super) async fn permitted(&self, name: &str, addresses: Vec<IpAddr>) -> Result<Vec<IpAddr>, Option<IpAddr>> {
        if matches!(&self.upstream, Host::Domain(upstream) if upstream.eq_ignore_ascii_case(name)) {
            self.observe(&addresses);
        }
        let (mut permitted, mut refused) = (Vec::new(), None);
        for address in addresses {
            if self.permits(address).await {
                permitted.push(address);
            } else {
                refused = Some(address);
            }
        }
        if permitted.is_empty() { Err(refused) } else { Ok(permitted) }
    }

    /// The names that it resolves by.
    pub(super) fn names(&self) -> &Names {
        &self.names
    }

    async fn upstream_reach(&self) -> Reach {
        if let Some(reach) = self.seen() {
            return reach;
        }
        let Host::Domain(name) = &self.upstream else { return Reach::Public };
        let addresses = self.names.addresses(name).await.unwrap_or_default();
        self.observe(&addresses);
        self.seen().unwrap_or(Reach::Public) // not known: the strictest
    }

    fn seen(&self) -> Option<Reach> {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn observe(&self, addresses: &[IpAddr]) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        *seen = (*seen).max(addresses.iter().map(|address| Reach::of(*address)).max());
    }
}

/// Where clouds keep their credentials, beside 169.254/16: names that only a resolver or proxy inside the cloud knows.
const METADATA_NAMES: [&str; 1] = ["metadata.google.internal"];
/// Alibaba Cloud and Azure.
const METADATA_V4: [Ipv4Addr; 2] = [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(168, 63, 129, 16)];
/// Amazon and Google.
const METADATA_V6: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)];

/// The IANA IPv4 special-purpose address registry.
fn of_v4(address: Ipv4Addr) -> Reach {
    match address.octets() {
        _ if METADATA_V4.contains(&address) => Reach::LinkLocal,
        [127, ..] | [0, 0, 0, 0] => Reach::Loopback,
        [169, 254, ..] => Reach::LinkLocal,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] => Reach::Private,
        [0 | 224..=255, ..] | [192, 0, 0 | 2, _] | [192, 88, 99, _] | [198, 18 | 19, ..] => Reach::Reserved,
        [198, 51, 100, _] | [203, 0, 113, _] => Reach::Reserved,
        _ => Reach::Public,
    }
}

/// The IANA IPv6 special-purpose address registry. Outside of 2000::/3 nothing is assigned to the internet.
fn of_v6(address: Ipv6Addr) -> Reach {
    match address.segments() {
        _ if METADATA_V6.contains(&address) => Reach::LinkLocal,
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => Reach::Loopback,
        [0xfe80..=0xfebf, ..] => Reach::LinkLocal,
        [0xfc00..=0xfdff | 0xfec0..=0xfeff, ..] | [0x64, 0xff9b, 1, ..] => Reach::Private,
        // Teredo hides an address, the others are benchmarks, ORCHID and documentation.
        [0x2001, 0 | 2 | 0x10..=0x2f | 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => Reach::Reserved,
        [0x2000..=0x3fff, ..] => Reach::Public,
        _ => Reach::Reserved,
    }
}

/// The IPv4 address that an IPv6 address leads to: mapped and compatible (RFC 4291 §2.5.5), NAT64 (RFC 6052 §2.1),
/// 6to4 (RFC 3056 §2).
fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let (high, low) = match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => return None,
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => (high, low),
        [0x2002, high, low, ..] => (high, low),
        _ => return None,
    };
    let [a, b] = high.to_be_bytes();
    let [c, d] = low.to_be_bytes();
    Some(Ipv4Addr::new(a, b, c, d))
}
