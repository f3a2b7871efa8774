//! The flags under "Server": what goes to the remote server besides the messages, and how safe it must be to speak to it.
//! Must never know a message. A header's value may be a secret, and is shown nowhere.

use std::ffi::OsString;

use clap::Args;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{Refusal, usage};
use crate::settings::parse_header;

/// What goes to the server.
#[derive(Debug, Args)]
pub(super) struct ServerArgs {
    /// A header for every request to the server; may be repeated
    #[arg(long = "header", value_name = "Name: value", value_parser = HeaderArg::parse, help_heading = "Server")]
    headers: Vec<HeaderArg>,
    /// Plain http is allowed to a server that is not on this machine, and to an authorization server on the same host
    #[arg(long, help_heading = "Server")]
    pub(super) allow_http: bool,
}

impl ServerArgs {
    /// The headers, values marked sensitive.
    pub(super) fn headers(self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for HeaderArg(name, value) in self.headers {
            headers.append(name, value);
        }
        headers
    }
}

/// A header that was given; its value shows nowhere.
#[derive(Clone, Debug)]
struct HeaderArg(HeaderName, HeaderValue);

impl HeaderArg {
    fn parse(text: &str) -> Result<Self, HeaderRefused> {
        parse_header(text).map(|(name, value)| HeaderArg(name, value)).map_err(HeaderRefused)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct HeaderRefused(String);

/// clap quotes a value that it refuses; a header's may be a secret.
pub(super) fn without_header_values(error: clap::Error, args: &[OsString]) -> Refusal {
    use clap::error::{ContextKind, ContextValue};
    let about_header =
        matches!(error.get(ContextKind::InvalidArg), Some(ContextValue::String(arg)) if arg.contains("--header"));
    if !about_header || error.kind() != clap::error::ErrorKind::ValueValidation {
        return Refusal::Usage(error);
    }
    let values = args.windows(2).filter(|pair| pair[0] == "--header").map(|pair| pair[1].clone());
    let inline = args.iter().filter_map(|arg| arg.to_str()?.strip_prefix("--header=").map(OsString::from));
    let why = values
        .chain(inline)
        .find_map(|value| parse_header(value.to_str()?).err())
        .unwrap_or_else(|| "a value is not text".to_owned());
    usage(clap::error::ErrorKind::ValueValidation, &format!("--header: {why}"))
}
