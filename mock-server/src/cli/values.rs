//! The values of options that are more than a number or a text, each spelled alike in a flag, a variable and a file.

use std::fmt;
use std::net::{AddrParseError, SocketAddr};
use std::ops::Range;
use std::str::FromStr;
use std::time::Duration;

use clap::ValueEnum;
use mcp_mock_server::{Account, AuthMethod, Dpop, KnownClient, Layout, ReplyForm, TokenFormat};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use url::Url;

/// A value that is read from its text, in a file too.
#[derive(Clone, Debug)]
pub(crate) struct Spelled<T>(pub(crate) T);

impl<T: FromStr> FromStr for Spelled<T> {
    type Err = T::Err;

    fn from_str(text: &str) -> Result<Self, T::Err> {
        text.parse().map(Spelled)
    }
}

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for Spelled<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// Where a client finds the authorization server.
#[derive(Clone, Copy, Debug, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LayoutName {
    /// By protected resource metadata (MCP 2025-06-18 and later)
    ProtectedResource,
    /// At the server's own origin (MCP 2025-03-26)
    #[value(name = "2025-03-26")]
    #[serde(rename = "2025-03-26")]
    Authorization2025_03_26,
}

impl From<LayoutName> for Layout {
    fn from(name: LayoutName) -> Self {
        match name {
            LayoutName::ProtectedResource => Layout::ProtectedResource,
            LayoutName::Authorization2025_03_26 => Layout::Authorization2025_03_26,
        }
    }
}

/// How a client proves itself.
#[derive(Clone, Copy, Debug, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum AuthMethodName {
    /// Not at all: a public client
    None,
    /// By the Authorization header
    Basic,
    /// In the body
    Post,
    /// By an assertion that its key signs (--client-key)
    PrivateKeyJwt,
}

impl From<AuthMethodName> for AuthMethod {
    fn from(name: AuthMethodName) -> Self {
        match name {
            AuthMethodName::None => AuthMethod::None,
            AuthMethodName::Basic => AuthMethod::Basic,
            AuthMethodName::Post => AuthMethod::Post,
            AuthMethodName::PrivateKeyJwt => AuthMethod::PrivateKeyJwt,
        }
    }
}

/// How requests are answered.
#[derive(Clone, Copy, Debug, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ReplyName {
    /// As one JSON document
    Json,
    /// As an event stream
    Sse,
}

impl From<ReplyName> for ReplyForm {
    fn from(name: ReplyName) -> Self {
        match name {
            ReplyName::Json => ReplyForm::Json,
            ReplyName::Sse => ReplyForm::Sse,
        }
    }
}

/// The form of access tokens.
#[derive(Clone, Copy, Debug, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum TokenFormatName {
    /// Signed JWTs (RFC 9068)
    Jwt,
    /// Random texts
    Opaque,
}

impl From<TokenFormatName> for TokenFormat {
    fn from(name: TokenFormatName) -> Self {
        match name {
            TokenFormatName::Jwt => TokenFormat::Jwt,
            TokenFormatName::Opaque => TokenFormat::Opaque,
        }
    }
}

/// Whether tokens are bound to a key.
#[derive(Clone, Copy, Debug, ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum DpopName {
    /// Never
    Off,
    /// For clients that send a proof
    Offered,
    /// Always
    Required,
}

impl From<DpopName> for Dpop {
    fn from(name: DpopName) -> Self {
        match name {
            DpopName::Off => Dpop::Off,
            DpopName::Offered => Dpop::Offered,
            DpopName::Required => Dpop::Required,
        }
    }
}

/// A value whose text says something else than it should.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ValueFault {
    #[error("`{0}` is no number of milliseconds")]
    NoMilliseconds(String),
    #[error("the range ends before its start")]
    BackwardRange,
    #[error("`{0}` is not of the form TOOL=SCOPE")]
    NoPair(String),
    #[error("`{0}` is no origin, such as https://mcp.example.com")]
    NoOrigin(String),
    #[error("`{0}` is no number of seconds, such as 2 or date+2")]
    NoRetryAfter(String),
    #[error("an account begins with its subject, which is empty here")]
    NoSubject,
}

/// `20..50ms` or `20ms`; the unit may be left out.
#[derive(Clone, Debug)]
pub(crate) struct Delay(pub(crate) Range<Duration>);

impl FromStr for Delay {
    type Err = ValueFault;

    fn from_str(text: &str) -> Result<Self, ValueFault> {
        let milliseconds = |text: &str| match text.parse() {
            Ok(number) => Ok(Duration::from_millis(number)),
            Err(_) => Err(ValueFault::NoMilliseconds(text.to_owned())),
        };
        let text = text.strip_suffix("ms").unwrap_or(text);
        let (start, end) = text.split_once("..").unwrap_or((text, text));
        let range = milliseconds(start)?..milliseconds(end)?;
        if range.start <= range.end { Ok(Delay(range)) } else { Err(ValueFault::BackwardRange) }
    }
}

/// `TOOL=SCOPE`.
#[derive(Clone, Debug)]
pub(crate) struct ToolScope {
    pub(crate) tool: String,
    pub(crate) scope: String,
}

impl FromStr for ToolScope {
    type Err = ValueFault;

    fn from_str(text: &str) -> Result<Self, ValueFault> {
        let (tool, scope) = text.split_once('=').ok_or_else(|| ValueFault::NoPair(text.to_owned()))?;
        Ok(ToolScope { tool: tool.to_owned(), scope: scope.to_owned() })
    }
}

/// An origin: http or https, a host, perhaps a port, and nothing behind it but a slash.
#[derive(Clone, Debug)]
pub(crate) struct Origin(pub(crate) String);

impl FromStr for Origin {
    type Err = ValueFault;

    fn from_str(text: &str) -> Result<Self, ValueFault> {
        let fault = || ValueFault::NoOrigin(text.to_owned());
        let url = Url::parse(text).map_err(|_| fault())?;
        let origin = url.origin().ascii_serialization();
        let nothing_else = url.as_str() == format!("{origin}/") && ["http", "https"].contains(&url.scheme());
        if nothing_else { Ok(Origin(origin)) } else { Err(fault()) }
    }
}

/// An address, or nothing for a free port of the host that is listened on.
#[derive(Clone, Debug)]
pub(crate) struct SeparateAddress(pub(crate) Option<SocketAddr>);

impl FromStr for SeparateAddress {
    type Err = AddrParseError;

    fn from_str(text: &str) -> Result<Self, AddrParseError> {
        if text.is_empty() { Ok(SeparateAddress(None)) } else { Ok(SeparateAddress(Some(text.parse()?))) }
    }
}

/// `SUB` or `SUB:NAME`; without a name the subject is one.
#[derive(Clone, Debug)]
pub(crate) struct AccountText(pub(crate) Account);

impl FromStr for AccountText {
    type Err = ValueFault;

    fn from_str(text: &str) -> Result<Self, ValueFault> {
        let (sub, name) = text.split_once(':').unwrap_or((text, text));
        if sub.is_empty() { Err(ValueFault::NoSubject) } else { Ok(AccountText(Account::new(sub, name))) }
    }
}

/// `ID` or `ID:SECRET`.
#[derive(Clone)]
pub(crate) struct KnownClientText {
    id: String,
    secret: Option<String>,
}

impl KnownClientText {
    pub(crate) fn with(self, redirect_uris: &[String]) -> KnownClient {
        KnownClient { client_id: self.id, secret: self.secret, key: None, redirect_uris: redirect_uris.to_vec() }
    }
}

impl fmt::Debug for KnownClientText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KnownClientText").field("id", &self.id).finish_non_exhaustive()
    }
}

impl FromStr for KnownClientText {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (id, secret) = text.split_once(':').map_or((text, None), |(id, secret)| (id, Some(secret.to_owned())));
        Ok(KnownClientText { id: id.to_owned(), secret })
    }
}
