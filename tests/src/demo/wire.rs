//! Traffic put into words: one request of the server's log, one line of stdio. Secrets leave this file shortened.

use mcp_mock_server::Seen;
use serde_json::Value;

/// Parameters whose values nobody may read.
const SECRET: [&str; 6] = ["code", "code_verifier", "code_challenge", "state", "refresh_token", "client_secret"];

/// Headers worth showing, with the words that may stay in front of a secret.
const HEADERS: [(&str, &str); 3] = [("Authorization", "Bearer "), ("Mcp-Session-Id", ""), ("MCP-Protocol-Version", "")];

/// The client's metadata worth showing (RFC 7591 §2).
const METADATA: [&str; 6] =
    ["client_name", "application_type", "redirect_uris", "grant_types", "token_endpoint_auth_method", "scope"];

/// A secret's first four characters.
pub(super) fn short(secret: &str) -> String {
    secret.chars().take(4).chain(['…']).collect()
}

/// The text with every secret shortened.
pub(super) fn without_secrets(text: &str, secrets: &[String]) -> String {
    secrets.iter().filter(|secret| !secret.is_empty()).fold(text.to_owned(), |text, secret| {
        if text.contains(secret.as_str()) { text.replace(secret, &short(secret)) } else { text }
    })
}

/// `POST /mcp  tools/call get_weather`.
pub(super) fn request(seen: &Seen) -> String {
    let path = seen.path_and_query.split('?').next().unwrap_or_default();
    let message = seen.json();
    let words = [&message["method"], &message["params"]["name"]].map(|word| word.as_str().unwrap_or_default());
    format!("{} {path}  {}", seen.method, words.join(" ")).trim_end().to_owned()
}

/// `401 Unauthorized`.
pub(super) fn status(code: u16) -> String {
    let reason = reqwest::StatusCode::from_u16(code).ok().and_then(|status| status.canonical_reason());
    format!("{code} {}", reason.unwrap_or_default())
}

/// The parameters of a query or form.
pub(super) fn parameters(seen: &Seen) -> Vec<(String, String)> {
    seen.form.iter().map(|(name, value)| (name.clone(), parameter(name, value))).collect()
}

/// One parameter's value as it may be shown.
pub(super) fn parameter(name: &str, value: &str) -> String {
    match name {
        // No secret, but long: `client-` and four characters.
        "client_id" if value.len() > 24 => value.chars().take(11).chain(['…']).collect(),
        _ if SECRET.contains(&name) => short(value),
        _ => value.to_owned(),
    }
}

/// The headers that MCP and OAuth put on a request, in one line.
pub(super) fn headers(seen: &Seen) -> String {
    let shown = |(name, front): (&str, &str)| {
        let value = seen.header(name)?;
        let value = match value.strip_prefix(front) {
            Some(version) if name == "MCP-Protocol-Version" => version.to_owned(),
            Some(secret) => format!("{front}{}", short(secret)),
            None => short(value),
        };
        Some(format!("{name}: {value}"))
    };
    HEADERS.into_iter().filter_map(shown).collect::<Vec<_>>().join(", ")
}

/// The client metadata of a registration.
pub(super) fn metadata(seen: &Seen) -> Vec<(String, String)> {
    let document = seen.json();
    let shown = |name: &str| document.get(name).map(|value| (name.to_owned(), value_in_words(value)));
    METADATA.into_iter().filter_map(shown).collect()
}

/// A string without quotes, a list with commas.
pub(super) fn value_in_words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(value_in_words).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// A line between host and bridge, without its `jsonrpc`, which is always the same.
pub(super) fn message(message: &Value) -> String {
    let mut message = message.clone();
    if let Some(members) = message.as_object_mut() {
        members.remove("jsonrpc");
    }
    message.to_string()
}
