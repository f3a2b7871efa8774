//! The flags under "Server": what goes to the remote server besides the messages, and how safe it must be to speak to it.
//! Must never know a message. A header's value may be a secret, and is shown nowhere.

use std::path::PathBuf;

use clap::Args;
use http::HeaderMap;

use super::headers::{self, HeaderArg};
use super::layers::Ground;
use super::{Refusal, usage};
use crate::problem::Problem;

/// What goes to the server.
#[derive(Debug, Args)]
pub(super) struct ServerArgs {
    /// A header for every request to the server; may be repeated
    #[arg(long = "header", value_name = "Name: value", value_parser = HeaderArg::parse, help_heading = "Server")]
    headers: Vec<HeaderArg>,
    /// A file with such headers, one `Name: value` a line; `${NAME}` in a value stands for a variable, also by --header
    #[arg(long, value_name = "FILE", help_heading = "Server")]
    header_file: Option<PathBuf>,
    /// Plain http is allowed to a server that is not on this machine, and to an authorization server on the same host
    #[arg(long, help_heading = "Server")]
    pub(super) allow_http: bool,
}

impl ServerArgs {
    /// The headers, values marked sensitive, and what the person should know of their file.
    ///
    /// # Errors
    /// A file that cannot be used, or a variable that is not set.
    pub(super) fn headers(self, ground: &Ground<'_>) -> Result<(HeaderMap, Vec<String>), Problem> {
        headers::all(self.headers, self.header_file.as_deref(), ground.variable)
    }
}

/// clap quotes a value that it refuses; a header's, a proxy's or a command's may be a secret.
pub(super) fn without_secrets(error: clap::Error) -> Refusal {
    use clap::error::{ContextKind, ContextValue, ErrorKind};
    let Some(ContextValue::String(arg)) = error.get(ContextKind::InvalidArg) else { return Refusal::Usage(error) };
    let flag = arg.split([' ', '=']).next().unwrap_or_default();
    if !matches!(flag, "--header" | "--proxy" | "--token-command" | "--header-command")
        || error.kind() != ErrorKind::ValueValidation
    {
        return Refusal::Usage(error);
    }
    let why = std::error::Error::source(&error).map_or_else(|| "a value is not text".to_owned(), ToString::to_string);
    usage(ErrorKind::ValueValidation, &format!("{flag}: {why}"))
}
