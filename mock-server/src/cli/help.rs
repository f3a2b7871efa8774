//! How `--help` shows the options: under headings, and switches without their two values. It changes nothing else.

use clap::builder::ValueParser;
use clap::{Arg, Command};

/// The headings, with the options below them; what stands nowhere here is of the MCP server.
const HEADINGS: [(&str, &[&str]); 5] = [
    ("Start", &["config", "list-faults", "health", "listen", "public-origin", "verbose", "help", "version"]),
    ("TLS", &["tls", "tls-ca-out", "tls-cert", "tls-key", "client-ca", "no-http2"]),
    ("Wrong on purpose", &["fault", "admin"]),
    (
        "Tokens and times",
        &[
            "access-token-lifetime",
            "access-token-ttl-override",
            "refresh-token-lifetime",
            "refresh-grace",
            "no-rotation",
            "token-format",
            "authorization-code-lifetime",
            "device-code-lifetime",
            "device-code-interval",
            "client-secret-lifetime",
            "token-delay",
            "seed",
            "initialize-delay",
            "request-timeout",
        ],
    ),
    (
        "Authorization server",
        &[
            "layout",
            "also-issues-for",
            "issuer-path",
            "separate-authorization-server",
            "public-authorization-origin",
            "no-oauth-metadata",
            "no-openid-configuration",
            "no-server-metadata",
            "no-registration",
            "initial-access-token",
            "no-client-management",
            "no-introspection",
            "device-code",
            "no-revocation",
            "known-client",
            "redirect-uri",
            "client-document",
            "auth-method",
            "deny",
            "consent",
            "account",
            "approve-as",
        ],
    ),
];

/// The command with its help in order.
pub(crate) fn arranged(command: Command) -> Command {
    command.mut_args(|argument| {
        let heading = heading_of(argument.get_long().unwrap_or_default());
        let switch = is_switch(&argument);
        let argument = argument.help_heading(heading);
        if switch { argument.hide_possible_values(true) } else { argument }
    })
}

/// Whether an option is either on or off, as a setting.
pub(crate) fn is_switch(argument: &Arg) -> bool {
    argument.get_value_parser().type_id() == ValueParser::bool().type_id() && argument.get_env().is_some()
}

fn heading_of(name: &str) -> &'static str {
    let found = HEADINGS.iter().find(|(_, names)| names.contains(&name));
    found.map_or("MCP server", |(heading, _)| heading)
}
