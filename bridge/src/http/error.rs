//! What can go wrong with a request, sorted by what it means to whoever sent it: above all whether it can have reached the
//! server. Errors of the client are told apart by their sources; must never show a query, a header or a body.

use std::error::Error as StdError;
use std::io;
use std::iter::successors;

use reqwest::Error as ClientError;
use url::Url;

use super::address_guard::Reach;
use super::direct::NotInTime;
use super::resolver::Refused;
use crate::problem::{Code, Problem};
use crate::safe_url::SafeUrl;
use crate::untrusted::Untrusted;

/// Why there is no whole answer to a request. Each message names the URL; `reason` is the system's or the library's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are what the messages say")]
pub enum HttpError {
    /// Its name has no address, or no name server answered.
    #[error("cannot find the host of `{url}`: {reason}")]
    UnknownHost { url: SafeUrl, reason: String },
    /// Nobody listens there.
    #[error("`{url}` refused the connection: {reason}")]
    ConnectionRefused { url: SafeUrl, reason: String },
    /// There is no way there, or the proxy on the way gave up.
    #[error("cannot connect to `{url}`: {reason}")]
    ConnectionFailed { url: SafeUrl, reason: String },
    /// No secure connection: a certificate that is not trusted, or no TLS at the other end.
    #[error("no secure connection to `{url}`: {reason}")]
    Tls { url: SafeUrl, reason: String },
    /// Too late; `is_connecting` if there was no connection yet.
    #[error("`{url}` did not {} in time", if *is_connecting { "accept a connection" } else { "answer" })]
    TimedOut { url: SafeUrl, is_connecting: bool },
    /// The body, after decoding, is longer than `limit` bytes.
    #[error("the answer of `{url}` is longer than {limit} bytes")]
    TooLarge { url: SafeUrl, limit: usize },
    /// A redirect that is not followed.
    #[error("`{url}` redirects to `{to}`, {rule}")]
    RedirectRefused { url: SafeUrl, to: SafeUrl, rule: RedirectRule },
    /// The address guard does not permit it (A19).
    #[error("`{url}` leads to {address}, {}", where_to(*reach))]
    AddressRefused { url: SafeUrl, address: String, reach: Reach },
    /// Neither https nor http to this machine.
    #[error("`{url}` is not an https URL")]
    InsecureUrl { url: SafeUrl },
    /// The connection broke, or what came is no HTTP, after the request may have been sent.
    #[error("the exchange with `{url}` broke off: {reason}")]
    Broken { url: SafeUrl, reason: String },
}

/// Which rule a redirect broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedirectRule {
    /// Scheme, host or port differ.
    #[error("which is another origin")]
    OtherOrigin,
    /// Only a GET is sent again elsewhere.
    #[error("and only a GET request may be redirected")]
    NotGet,
    /// More than the limit, or a circle.
    #[error("one redirect too many")]
    TooMany,
}

fn where_to(reach: Reach) -> &'static str {
    match reach {
        Reach::Loopback => "this machine, on behalf of a server elsewhere",
        Reach::Private => "a private network, on behalf of a public server",
        Reach::LinkLocal => "a link-local address or a metadata service",
        Reach::Reserved | Reach::Public => "an address that is not on the internet",
    }
}

impl HttpError {
    /// Whether the request certainly never reached the server, so that it may be sent again whatever it does (T7).
    #[must_use]
    pub fn never_sent(&self) -> bool {
        match self {
            HttpError::UnknownHost { .. }
            | HttpError::ConnectionRefused { .. }
            | HttpError::ConnectionFailed { .. }
            | HttpError::Tls { .. }
            | HttpError::AddressRefused { .. }
            | HttpError::InsecureUrl { .. } => true,
            HttpError::TimedOut { is_connecting, .. } => *is_connecting,
            HttpError::TooLarge { .. } | HttpError::RedirectRefused { .. } | HttpError::Broken { .. } => false,
        }
    }

    /// The stable name.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            HttpError::UnknownHost { .. } => Code::UnknownHost,
            HttpError::ConnectionRefused { .. } => Code::ConnectionRefused,
            HttpError::ConnectionFailed { .. } => Code::ConnectionFailed,
            HttpError::Tls { .. } => Code::TlsFailed,
            HttpError::TimedOut { .. } => Code::TimedOut,
            HttpError::TooLarge { .. } => Code::MessageTooLarge,
            HttpError::RedirectRefused { .. } => Code::RedirectRefused,
            HttpError::AddressRefused { .. } => Code::AddressRefused,
            HttpError::InsecureUrl { .. } => Code::InsecureUrl,
            HttpError::Broken { .. } => Code::StreamBroken,
        }
    }

    /// What the person can do.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            HttpError::UnknownHost { .. } => "check the spelling of the URL and the network connection",
            HttpError::ConnectionRefused { .. } => "check the port, and whether the server runs",
            HttpError::ConnectionFailed { url, reason } | HttpError::Broken { url, reason }
                if may_be_about_our_certificate(url, reason) =>
            {
                "try again; if it stays so, the server may ask for a client certificate: `--client-cert FILE`, with its key \
                 by `--client-key FILE`"
            }
            HttpError::Tls { reason, .. } if is_about_our_certificate(reason) => {
                "the server asks for a client certificate that it knows: `--client-cert FILE`, with its key by `--client-key FILE`"
            }
            HttpError::ConnectionFailed { .. } => "check the network connection and the proxy settings",
            HttpError::Tls { .. } => {
                "check the URL's scheme; a certificate of your own must be trusted by this system, or named by `--ca-file FILE`"
            }
            HttpError::TimedOut { .. } => "try again later; check the network connection and the proxy settings",
            HttpError::TooLarge { .. } => "ask the server's operator why its answer is so long",
            HttpError::RedirectRefused { rule: RedirectRule::OtherOrigin, .. } => {
                "if that is where the server is now, use its new URL"
            }
            HttpError::RedirectRefused { .. } => "ask the server's operator to answer without a redirect",
            HttpError::AddressRefused { .. } => {
                "ask the server's operator why its metadata names such an address; `--allow-private-addresses` if you know why"
            }
            HttpError::InsecureUrl { .. } => "use an https URL; http is for this machine only",
            HttpError::Broken { .. } => "try again; check the proxy on the way if it happens each time",
        }
    }

    /// Where it happened.
    #[must_use]
    pub fn url(&self) -> &SafeUrl {
        match self {
            HttpError::UnknownHost { url, .. }
            | HttpError::ConnectionRefused { url, .. }
            | HttpError::ConnectionFailed { url, .. }
            | HttpError::Tls { url, .. }
            | HttpError::TimedOut { url, .. }
            | HttpError::TooLarge { url, .. }
            | HttpError::RedirectRefused { url, .. }
            | HttpError::AddressRefused { url, .. }
            | HttpError::InsecureUrl { url }
            | HttpError::Broken { url, .. } => url,
        }
    }
}

impl From<HttpError> for Problem {
    fn from(error: HttpError) -> Problem {
        Problem::new(error.code(), error.to_string(), error.hint()).at(error.url().clone())
    }
}

/// What a client says of its error.
#[derive(Clone, Copy)]
struct Said {
    is_dns: bool,
    is_timeout: bool,
    is_connect: bool,
}

/// Names an error of a client for OAuth or a proxy, for a request to `url`.
#[must_use]
pub(super) fn classify(error: &ClientError, url: &Url) -> HttpError {
    let said = Said { is_dns: error.is_dns(), is_timeout: error.is_timeout(), is_connect: error.is_connect() };
    name(error, said, url)
}

/// Names an error of the direct client, which knows itself only whether it had a connection.
#[must_use]
pub(super) fn classify_direct(error: &(dyn StdError + 'static), is_connect: bool, url: &Url) -> HttpError {
    let late = find::<NotInTime>(error).is_some();
    let is_dns = is_connect && sources(error).any(|error| error.to_string() == "dns error");
    let is_timeout = late || find::<io::Error>(error).is_some_and(|error| error.kind() == io::ErrorKind::TimedOut);
    name(error, Said { is_dns, is_timeout, is_connect }, url)
}

fn name(error: &(dyn StdError + 'static), said: Said, url: &Url) -> HttpError {
    let url = SafeUrl::new(url);
    if let Some(refused) = find::<Refused>(error) {
        let reach = Reach::of(refused.address);
        return HttpError::AddressRefused { url, address: refused.address.to_string(), reach };
    }
    let reason = reason(error);
    if said.is_dns {
        return HttpError::UnknownHost { url, reason };
    }
    if said.is_timeout {
        return HttpError::TimedOut { url, is_connecting: said.is_connect };
    }
    if said.is_connect {
        return match find::<io::Error>(error).map(io::Error::kind) {
            Some(io::ErrorKind::ConnectionRefused) => HttpError::ConnectionRefused { url, reason },
            // What the TCP connector or a proxy's tunnel did not say, the TLS handshake did.
            Some(_) if !on_the_way(error) => HttpError::Tls { url, reason },
            _ => HttpError::ConnectionFailed { url, reason },
        };
    }
    if find::<hyper::Error>(error).is_some_and(hyper::Error::is_canceled) {
        // The connection was closed while idle, before a byte of this request was written to it.
        return HttpError::ConnectionFailed { url, reason };
    }
    if is_about_our_certificate(&reason) {
        // By TLS 1.3 a client learns only after its handshake that its certificate will not do, or that it lacks one.
        return HttpError::Tls { url, reason };
    }
    HttpError::Broken { url, reason }
}

fn is_about_our_certificate(reason: &str) -> bool {
    CERTIFICATE_ALERTS.iter().any(|alert| reason.ends_with(alert))
}

/// By HTTP/2 often nothing more is heard of a server that ends the handshake for want of a certificate.
fn may_be_about_our_certificate(url: &SafeUrl, reason: &str) -> bool {
    url.as_str().starts_with("https:")
        && ["connection closed", "roken pipe", "onnection reset"].iter().any(|end| reason.contains(end))
}

/// How a server ends the handshake of a client whose certificate it does not take (RFC 8446 §6.2).
const CERTIFICATE_ALERTS: [&str; 9] = [
    "alert: AccessDenied",
    "alert: DecryptError",
    "alert: CertificateRequired",
    "alert: BadCertificate",
    "alert: UnsupportedCertificate",
    "alert: CertificateExpired",
    "alert: CertificateRevoked",
    "alert: CertificateUnknown",
    "alert: UnknownCA",
];

fn sources<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    successors(error.source(), |&error| error.source())
}

fn find<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    sources(error).find_map(|error| error.downcast_ref::<E>())
}

fn on_the_way(error: &(dyn StdError + 'static)) -> bool {
    sources(error).any(|error| {
        let text = error.to_string();
        text.starts_with("tcp ") || text.starts_with("tunnel ") || text.contains("socks")
    })
}

/// The innermost words; a certificate's may be a server's, so they are made safe to show.
fn reason(error: &(dyn StdError + 'static)) -> String {
    let innermost = sources(error).last().map_or_else(|| "no reason given".to_owned(), ToString::to_string);
    Untrusted::new(innermost).to_string()
}

#[cfg(test)]
mod tests {
    use super::{HttpError, Reach, RedirectRule};
    use crate::safe_url::SafeUrl;

    #[test]
    fn each_message_says_what_happened_and_where() {
        let url = || SafeUrl::from_text("https://a.example/t?code=x");
        let to = || SafeUrl::from_text("https://b.example/");
        let reason = || "why".to_owned();
        let redirect = |rule| HttpError::RedirectRefused { url: url(), to: to(), rule };
        let address = |reach| HttpError::AddressRefused { url: url(), address: "10.0.0.5".to_owned(), reach };
        let late = |is_connecting| HttpError::TimedOut { url: url(), is_connecting };
        let at = "`https://a.example/t?…`";
        let cases = [
            (HttpError::UnknownHost { url: url(), reason: reason() }, format!("cannot find the host of {at}: why")),
            (
                HttpError::ConnectionRefused { url: url(), reason: reason() },
                format!("{at} refused the connection: why"),
            ),
            (HttpError::ConnectionFailed { url: url(), reason: reason() }, format!("cannot connect to {at}: why")),
            (HttpError::Tls { url: url(), reason: reason() }, format!("no secure connection to {at}: why")),
            (late(true), format!("{at} did not accept a connection in time")),
            (late(false), format!("{at} did not answer in time")),
            (HttpError::TooLarge { url: url(), limit: 9 }, format!("the answer of {at} is longer than 9 bytes")),
            (
                redirect(RedirectRule::OtherOrigin),
                format!("{at} redirects to `https://b.example/`, which is another origin"),
            ),
            (
                redirect(RedirectRule::NotGet),
                format!("{at} redirects to `https://b.example/`, and only a GET request may be redirected"),
            ),
            (redirect(RedirectRule::TooMany), format!("{at} redirects to `https://b.example/`, one redirect too many")),
            (
                address(Reach::Private),
                format!("{at} leads to 10.0.0.5, a private network, on behalf of a public server"),
            ),
            (
                address(Reach::Loopback),
                format!("{at} leads to 10.0.0.5, this machine, on behalf of a server elsewhere"),
            ),
            (address(Reach::LinkLocal), format!("{at} leads to 10.0.0.5, a link-local address or a metadata service")),
            (HttpError::InsecureUrl { url: url() }, format!("{at} is not an https URL")),
            (HttpError::Broken { url: url(), reason: reason() }, format!("the exchange with {at} broke off: why")),
        ];
        for (error, expected) in cases {
            assert_eq!(error.to_string(), expected);
        }
    }
}
